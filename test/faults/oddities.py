# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""What looks like a fault and is none: unusual, and read as it is."""

import cv2
import numpy as np
from calibration_faults import reactivate
from fault import oddity
from rclpy.qos import DurabilityPolicy, QoSProfile
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo

PLAIN, COMPRESSED = 'plain', 'compressed'
TURN = np.radians(2.0)


def show(rig, pixels, encoding, **fields):
    rig.calibrate()
    return rig.show(rig.image(pixels, encoding, **fields))


@oddity(PLAIN, 'a sensor of 12 bits, unscaled in `mono16`')
def twelve_bits(rig):
    return show(rig, rig.picture().astype(np.uint16) << 4, 'mono16')


@oddity(PLAIN, '`16UC1`, big endian')
def big_endian(rig):
    return show(rig, rig.picture().astype('>u2') << 8, '16UC1', is_bigendian=1)


@oddity(PLAIN, 'colours: `rgb8`')
def colours(rig):
    return show(rig, cv2.cvtColor(rig.picture(), cv2.COLOR_GRAY2RGB), 'rgb8')


@oddity(PLAIN, 'colours with an alpha channel: `bgra8`')
def alpha(rig):
    return show(rig, cv2.cvtColor(rig.picture(), cv2.COLOR_GRAY2BGRA), 'bgra8')


@oddity(PLAIN, 'a Bayer pattern: `bayer_rggb8`')
def bayer(rig):
    return show(rig, rig.picture(), 'bayer_rggb8')


@oddity(PLAIN, 'luma and chroma in turn: `yuv422_yuy2`')
def yuy2(rig):
    grey = rig.picture()
    return show(rig, np.dstack([grey, np.full_like(grey, 128)]), 'yuv422_yuy2')


@oddity(PLAIN, 'luma first, then chroma: `nv12`')
def nv12(rig):
    grey = rig.picture()
    chroma = np.full((grey.shape[0] // 2, grey.shape[1]), 128, np.uint8)
    return show(rig, np.vstack([grey, chroma]), 'nv12', height=grey.shape[0])


@oddity(PLAIN, 'lines that are padded')
def padded(rig):
    grey = rig.picture()
    wide = np.pad(grey, ((0, 0), (0, 13)))
    return show(rig, wide, 'mono8', width=grey.shape[1])


@oddity(PLAIN, 'more data than the size takes')
def long_data(rig):
    grey = rig.picture()
    return show(rig, grey, 'mono8', data=grey.tobytes() + bytes(5000))


@oddity(PLAIN, 'another `frame_id`, where no `base_frame` is set')
def other_frame(rig):
    message = rig.image(rig.picture())
    message.header.frame_id = 'somewhere/else'
    return rig.show(message)


@oddity(PLAIN, 'a camera that rests: the same picture again')
def rest(rig):
    picture = rig.picture()
    rig.show(picture)
    return rig.show(picture)


@oddity(PLAIN, 'a camera that only turns')
def turn(rig):
    k = rig.scene.camera.matrix
    picture = rig.picture()
    rig.show(picture)
    homography = k @ Rotation.from_rotvec([0.0, TURN, 0.0]).as_matrix() @ np.linalg.inv(k)
    size = picture.shape[::-1]
    turned = cv2.warpPerspective(picture, homography, size, borderMode=cv2.BORDER_REFLECT)
    return rig.show(turned)


@oddity(PLAIN, 'another calibration on the way')
def recalibrated(rig):
    k = rig.scene.camera.matrix.ravel() * 1.02
    k[8] = 1.0
    rig.calibrate(k=k)
    rig.settle()
    return rig.show(rig.picture())


@oddity(PLAIN, 'one calibration only, latched before the node subscribed')
def latched(rig):
    quality = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = rig.node.create_publisher(CameraInfo, 'camera_info', quality)
    publisher.publish(rig.info())
    reactivate(rig)
    for _ in range(3):
        stamp = rig.show(rig.picture())
    rig.until(lambda: rig.ears.state_at(stamp), 'answer with the latched calibration')
    rig.node.destroy_publisher(publisher)
    return stamp


@oddity(COMPRESSED, 'a JPEG')
def jpeg(rig):
    return rig.show(rig.compressed(cv2.imencode('.jpg', rig.picture())[1].tobytes(), 'jpeg'))


@oddity(COMPRESSED, 'a PNG of 16 bits')
def png16(rig):
    deep = rig.picture().astype(np.uint16) << 8
    return rig.show(rig.compressed(cv2.imencode('.png', deep)[1].tobytes()))


@oddity(COMPRESSED, 'a coloured BMP')
def bmp(rig):
    colours = cv2.cvtColor(rig.picture(), cv2.COLOR_GRAY2BGR)
    return rig.show(rig.compressed(cv2.imencode('.bmp', colours)[1].tobytes(), 'bmp'))


@oddity(COMPRESSED, 'a PNG whose format is empty')
def no_format(rig):
    return rig.show(rig.compressed(cv2.imencode('.png', rig.picture())[1].tobytes(), ''))
