# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Small recordings of every kind, written for the tests."""

import cv2
import numpy as np
import yaml
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.inertial import ImuNoise

WIDTH, HEIGHT = 64, 48
STAMPS = [1311868169163497925 + index * 100000007 for index in range(5)]
MATRIX = [60.0, 0.0, 32.0, 0.0, 60.0, 24.0, 0.0, 0.0, 1.0]


def calibration(width=WIDTH, height=HEIGHT):
    return {
        'image_width': width,
        'image_height': height,
        'camera_matrix': {'rows': 3, 'cols': 3, 'data': MATRIX},
        'distortion_model': 'plumb_bob',
        'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [0.0] * 5},
    }


def pictures():
    """Return pictures of a texture that moves by two pixels a frame."""
    rng = np.random.default_rng(1)
    texture = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT, WIDTH * 2), np.uint8), (5, 5), 0)
    return [np.ascontiguousarray(texture[:, 2 * i : 2 * i + WIDTH]) for i in range(len(STAMPS))]


def seconds(stamp):
    return f'{stamp // 10**9}.{stamp % 10**9:09d}'


def tum_lines(stamps=STAMPS):
    rows = [f'{seconds(stamp)} {i} 0 0 0 0 0 1' for i, stamp in enumerate(stamps)]
    return '\n'.join(rows) + '\n'


def write_folder(path, where='images', times=STAMPS):
    (path / where).mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(pictures()):
        cv2.imwrite(str(path / where / f'frame{index + 8}.png'), picture)
    (path / 'camera.yaml').write_text(yaml.safe_dump(calibration()))
    if times is not None:
        (path / 'times.txt').write_text('\n'.join(seconds(stamp) for stamp in times) + '\n')
    (path / 'groundtruth.txt').write_text(tum_lines())
    return path


def write_kitti(root):
    path = root / 'sequences' / '06'
    write_folder(path, 'image_0')
    (path / 'camera.yaml').unlink()
    (path / 'groundtruth.txt').unlink()
    projection = '60 0 32 0 0 60 24 0 0 0 1 0'
    (path / 'calib.txt').write_text(f'P0: {projection}\nP1: {projection}\n')
    (root / 'poses').mkdir()
    rows = [f'1 0 0 {i} 0 1 0 0 0 0 1 {2 * i}' for i in range(len(STAMPS))]
    (root / 'poses' / '06.txt').write_text('\n'.join(rows) + '\n')
    return path


def write_tum(path):
    (path / 'rgb').mkdir(parents=True)
    lines = ['# color images', '# timestamp filename']
    for stamp, picture in zip(STAMPS, pictures(), strict=True):
        name = f'rgb/{seconds(stamp)}.png'
        cv2.imwrite(str(path / name), cv2.resize(picture, (640, 480)))
        lines.append(f'{seconds(stamp)} {name}')
    (path / 'rgb.txt').write_text('\n'.join(lines) + '\n')
    (path / 'groundtruth.txt').write_text(tum_lines())
    return path


def write_euroc(path):
    """Write a sequence whose camera looks along the body's x axis, one metre ahead of it."""
    sensor = path / 'mav0' / 'cam0'
    (sensor / 'data').mkdir(parents=True)
    lines = ['#timestamp [ns],filename']
    for stamp, picture in zip(STAMPS, pictures(), strict=True):
        cv2.imwrite(str(sensor / 'data' / f'{stamp}.png'), picture)
        lines.append(f'{stamp},{stamp}.png')
    (sensor / 'data.csv').write_text('\n'.join(lines) + '\n')
    settings = {
        'T_BS': {
            'rows': 4,
            'cols': 4,
            'data': [0.0, 0, 1, 1, -1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 1],
        },
        'resolution': [WIDTH, HEIGHT],
        'intrinsics': [60.0, 60.0, 32.0, 24.0],
        'distortion_model': 'radial-tangential',
        'distortion_coefficients': [-0.1, 0.01, 0.0, 0.0],
    }
    (sensor / 'sensor.yaml').write_text(yaml.safe_dump(settings))
    truth = path / 'mav0' / 'state_groundtruth_estimate0'
    truth.mkdir()
    rows = ['#timestamp, p_x, p_y, p_z, q_w, q_x, q_y, q_z, v_x']
    rows += [f'{stamp},{i},0,0,1,0,0,0,9' for i, stamp in enumerate(STAMPS)]
    (truth / 'data.csv').write_text('\n'.join(rows) + '\n')
    return path


# Of an IMU: from 5 ms before the first picture on, every 10 ms; ten between two pictures.
IMU_STAMPS = [STAMPS[0] - 5_000_000 + 10_000_000 * index for index in range(45)]
IMU_POSE = np.eye(4)  # of the camera
IMU_POSE[:3, :3] = Rotation.from_rotvec([0.3, -1.2, 0.8]).as_matrix()
IMU_POSE[:3, 3] = [0.05, -0.02, 0.01]
IMU_NOISE = ImuNoise(1e-4, 2e-3, 3e-5, 4e-4)


def imu_csv():
    """Measurements with the number of the line, from 0 on, as the force along x."""
    rows = [f'{seconds(s)},0.1,0.2,0.3,{i},0,9.81' for i, s in enumerate(IMU_STAMPS)]
    return '\n'.join(['timestamp_s,gx,gy,gz,ax,ay,az', *rows]) + '\n'


def extrinsics():
    return {
        'T_imu_cam': {'rows': 4, 'cols': 4, 'data': IMU_POSE.ravel().tolist()},
        'gyro_noise_density': IMU_NOISE.gyroscope,
        'accel_noise_density': IMU_NOISE.accelerometer,
        'gyro_random_walk': IMU_NOISE.gyroscope_walk,
        'accel_random_walk': IMU_NOISE.accelerometer_walk,
    }


def write_imu(path):
    """Add an IMU to a folder of pictures."""
    (path / 'imu.csv').write_text(imu_csv())
    (path / 'extrinsics.yaml').write_text(yaml.safe_dump(extrinsics()))


def write_euroc_imu(path):
    """Add an IMU half a metre above the body."""
    sensor = path / 'mav0' / 'imu0'
    sensor.mkdir()
    rows = [f'{stamp},0.1,0.2,0.3,{i},0,9.81' for i, stamp in enumerate(IMU_STAMPS)]
    header = '#timestamp [ns],w_x,w_y,w_z,a_x,a_y,a_z'
    (sensor / 'data.csv').write_text('\n'.join([header, *rows]) + '\n')
    settings = {
        'T_BS': {'data': [1.0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0.5, 0, 0, 0, 1]},
        'gyroscope_noise_density': IMU_NOISE.gyroscope,
        'accelerometer_noise_density': IMU_NOISE.accelerometer,
        'gyroscope_random_walk': IMU_NOISE.gyroscope_walk,
        'accelerometer_random_walk': IMU_NOISE.accelerometer_walk,
    }
    (sensor / 'sensor.yaml').write_text(yaml.safe_dump(settings))


def write_video(path):
    video = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10.0, (WIDTH, HEIGHT), isColor=True
    )
    for picture in pictures():
        video.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    video.release()
    (path.parent / 'camera.yaml').write_text(yaml.safe_dump(calibration()))
    return path


class Bag:
    """Writes a rosbag2 message by message."""

    def __init__(self, path, plugin=StoragePlugin.MCAP):
        self.types = get_typestore(Stores.ROS2_JAZZY)
        self._writer = Writer(path, version=9, storage_plugin=plugin)
        self._connections = {}

    def __enter__(self):
        self._writer.open()
        return self

    def __exit__(self, *error):
        self._writer.close()

    def type(self, name):
        return self.types.types[name]

    def header(self, stamp, frame='camera'):
        time = self.type('builtin_interfaces/msg/Time')(stamp // 10**9, stamp % 10**9)
        return self.type('std_msgs/msg/Header')(stamp=time, frame_id=frame)

    def write(self, topic, message, received):
        kind = message.__msgtype__
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, kind, typestore=self.types
            )
        data = self.types.serialize_cdr(message, kind)
        self._writer.write(self._connections[topic], received, data)

    def image(self, picture, stamp, encoding='mono8', padding=0):
        padded = np.pad(picture.reshape(picture.shape[0], -1), ((0, 0), (0, padding)))
        return self.type('sensor_msgs/msg/Image')(
            header=self.header(stamp),
            height=picture.shape[0],
            width=picture.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=padded.shape[1],
            data=padded.ravel(),
        )

    def compressed(self, picture, stamp):
        data = cv2.imencode('.png', picture)[1].ravel()
        return self.type('sensor_msgs/msg/CompressedImage')(
            header=self.header(stamp), format='mono8; png compressed', data=data
        )

    def camera_info(self, stamp, matrix=MATRIX):
        return self.type('sensor_msgs/msg/CameraInfo')(
            header=self.header(stamp),
            height=HEIGHT,
            width=WIDTH,
            distortion_model='plumb_bob',
            d=np.zeros(5),
            k=np.array(matrix),
            r=np.eye(3).ravel(),
            p=np.zeros(12),
            binning_x=0,
            binning_y=0,
            roi=self.type('sensor_msgs/msg/RegionOfInterest')(0, 0, 0, 0, False),
        )

    def imu(self, stamp, turn, force, frame='imu'):
        vector = self.type('geometry_msgs/msg/Vector3')
        return self.type('sensor_msgs/msg/Imu')(
            header=self.header(stamp, frame),
            orientation=self.type('geometry_msgs/msg/Quaternion')(0.0, 0.0, 0.0, 0.0),
            orientation_covariance=np.zeros(9),
            angular_velocity=vector(*turn),
            angular_velocity_covariance=np.zeros(9),
            linear_acceleration=vector(*force),
            linear_acceleration_covariance=np.zeros(9),
        )

    def make(self, kind, /, **fields):
        return self.type(kind)(**fields)

    def _pose(self, kind, matrix):
        x, y, z = matrix[:3, 3].tolist()
        quaternion = Rotation.from_matrix(matrix[:3, :3]).as_quat().tolist()
        turn = self.type('geometry_msgs/msg/Quaternion')(*quaternion)
        if kind == 'geometry_msgs/msg/Pose':
            return self.make(
                kind, position=self.type('geometry_msgs/msg/Point')(x, y, z), orientation=turn
            )
        return self.make(
            kind, translation=self.type('geometry_msgs/msg/Vector3')(x, y, z), rotation=turn
        )

    def pose(self, kind, matrix, stamp, frame='world', child='base_link'):
        """Return a pose as a message of one of the types that carry one."""
        header = self.header(stamp, frame)
        if kind == 'TransformStamped':
            transform = self._pose('geometry_msgs/msg/Transform', matrix)
            return self.make(
                'geometry_msgs/msg/TransformStamped',
                header=header,
                child_frame_id=child,
                transform=transform,
            )
        pose = self._pose('geometry_msgs/msg/Pose', matrix)
        if kind == 'PoseStamped':
            return self.make('geometry_msgs/msg/PoseStamped', header=header, pose=pose)
        unknown = np.zeros(36)
        uncertain = self.make(
            'geometry_msgs/msg/PoseWithCovariance', pose=pose, covariance=unknown
        )
        if kind == 'PoseWithCovarianceStamped':
            return self.make(
                'geometry_msgs/msg/PoseWithCovarianceStamped', header=header, pose=uncertain
            )
        zero = self.type('geometry_msgs/msg/Vector3')(0.0, 0.0, 0.0)
        twist = self.make(
            'geometry_msgs/msg/TwistWithCovariance',
            covariance=unknown,
            twist=self.make('geometry_msgs/msg/Twist', linear=zero, angular=zero),
        )
        return self.make(
            'nav_msgs/msg/Odometry',
            header=header,
            child_frame_id=child,
            pose=uncertain,
            twist=twist,
        )

    def transforms(self, *links):
        """Return a TFMessage of (frame, child, matrix, stamp)."""
        stamped = [
            self.pose('TransformStamped', matrix, stamp, frame, child)
            for frame, child, matrix, stamp in links
        ]
        return self.make('tf2_msgs/msg/TFMessage', transforms=stamped)

    def status(self, **values):
        """Return what the node says of a frame."""
        pairs = [
            self.make('diagnostic_msgs/msg/KeyValue', key=key, value=str(value))
            for key, value in values.items()
        ]
        return self.make(
            'diagnostic_msgs/msg/DiagnosticStatus',
            level=0,
            name='n',
            message='m',
            hardware_id='h',
            values=pairs,
        )


def write_bag(path, plugin=StoragePlugin.MCAP, topics=('/camera/image_raw',), info=True):
    with Bag(path, plugin) as bag:
        for stamp, picture in zip(STAMPS, pictures(), strict=True):
            for topic in topics:
                make = bag.compressed if topic.endswith('/compressed') else bag.image
                bag.write(topic, make(picture, stamp), stamp + 5)
            if info:
                bag.write('/camera/camera_info', bag.camera_info(stamp), stamp + 5)
    return path
