# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Every setting of loftr_vo, once: name, default, unit, range and description.

The ROS parameters, their descriptors, ``config/vo.yaml``, the command's options and the docs'
table are all made from these dataclasses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

# What the frame of the robot is called where no base_frame is given.
DEFAULT_BASE_FRAME = 'base_link'


class SettingError(ValueError):
    """A setting is unknown, of the wrong type, or outside its range."""


@dataclass(frozen=True)
class Description:
    """What a person needs to know of one setting.

    Attributes:
        text: one sentence.
        unit: the unit of a number, empty where it has none.
        low, high: inclusive range of a number, None where unbounded.
        choices: the allowed words of a string, empty where any will do.
        runtime: whether the value may change while the odometry runs.
    """

    text: str
    unit: str = ''
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    runtime: bool = False


def setting(default: Any, text: str, **details: Any) -> Any:
    """Return a dataclass field with ``default`` that carries its ``Description``."""
    return field(default=default, metadata={'description': Description(text, **details)})


@dataclass(frozen=True)
class MatcherSettings:
    """The network and the device it runs on."""

    weights: str = setting(
        'compact',
        'Weights: compact (in the package), outdoor, indoor, indoor_new (downloaded once), '
        'or the path of a checkpoint.',
    )
    device: str = setting('auto', 'Where the network runs: auto, cpu, cuda or cuda:N.')
    precision: str = setting(
        'auto',
        'Arithmetic of the network; auto is float16 on CUDA and float32 on the CPU.',
        choices=('auto', 'float32', 'float16', 'bfloat16'),
    )
    image_size: int = setting(
        0,
        'How large a picture the network sees: as many pixels as a 4:3 picture of this width; '
        'larger ones are shrunk to it. 0 is 640 for a published network on a GPU, else 480.',
        unit='px',
        low=0,
        high=2048,
    )
    max_matches: int = setting(
        2048, 'Most matches kept of a pair, the most confident first.', low=64, high=16384
    )
    threshold: float = setting(
        0.2, 'Least confidence of a match.', low=0.0, high=1.0, runtime=True
    )
    min_support: int = setting(
        5,
        'Fewest of the 24 coarse cells around a match that must go the same way; 0 keeps all.',
        low=0,
        high=24,
        runtime=True,
    )
    when: str = setting(
        'auto',
        'When the network sees a frame: every_frame; keyframes, where the frames in between are '
        'followed by Lucas-Kanade as long as that suffices; or auto, which is keyframes on a CPU '
        'and every_frame on a GPU.',
        choices=('auto', 'keyframes', 'every_frame'),
        runtime=True,
    )


@dataclass(frozen=True)
class GeometrySettings:
    """From matches to motion."""

    ransac_threshold: float = setting(
        1.0,
        'Largest distance of an inlier from its epipolar line.',
        unit='px',
        low=0.1,
        high=10.0,
        runtime=True,
    )
    min_inliers: int = setting(
        25,
        'Fewest inliers that make a pose; with fewer the odometry is lost.',
        low=8,
        high=1000,
        runtime=True,
    )
    min_inlier_ratio: float = setting(
        0.25,
        'Least share of the matches that must agree with a pose.',
        low=0.05,
        high=0.95,
        runtime=True,
    )
    min_parallax: float = setting(
        0.5,
        'Least median parallax, rotation taken out, from which depth is triangulated.',
        unit='deg',
        low=0.05,
        high=10.0,
        runtime=True,
    )
    readout_time: float = setting(
        -1.0,
        'Time from the first row of a picture to the last, of a rolling shutter; 0 for a global '
        'one, -1 to find out while the camera turns.',
        unit='s',
        low=-1.0,
        high=0.2,
        runtime=True,
    )
    stationary_motion: float = setting(
        0.3,
        'Median movement of the matches under which the camera is taken to stand still.',
        unit='px',
        low=0.0,
        high=5.0,
        runtime=True,
    )
    pose_from: str = setting(
        'both',
        'What a pose is refined on: cells with known depth (depths), the epipolar geometry of two '
        'views and then a length from the depths (two_views), or both in one solve.',
        choices=('both', 'depths', 'two_views'),
        runtime=True,
    )
    refine_matches: bool = setting(
        True,
        'Refine matches to sub-pixel on the full picture by Lucas-Kanade where texture allows.',
        runtime=True,
    )


@dataclass(frozen=True)
class KeyframeSettings:
    """When a keyframe gives way to the next."""

    max_parallax: float = setting(
        1.5,
        'Median parallax to the keyframe from which the frame becomes the next one.',
        unit='deg',
        low=0.5,
        high=45.0,
        runtime=True,
    )
    min_overlap: float = setting(
        0.5,
        "Least share of the keyframe's cells still matched; below it a new keyframe is made.",
        low=0.05,
        high=0.95,
        runtime=True,
    )
    refine_window: bool = setting(
        True,
        'Refine the newest keyframes together (bundle adjustment) whenever one is added.',
        runtime=True,
    )
    max_age: int = setting(
        30, 'Most frames that a moving camera keeps one keyframe.', low=1, high=1000, runtime=True
    )


@dataclass(frozen=True)
class RecoverySettings:
    """What to do when lost."""

    policy: str = setting(
        'hold',
        'What becomes of the pose while lost: hold it; predict it, with the last velocity; have '
        'it follow another odometry (of wheels); or be silent and publish none.',
        choices=('hold', 'predict', 'odometry', 'silent'),
        runtime=True,
    )
    keyframes: int = setting(
        6,
        'Keyframes refined together; as many older ones are kept, to be tried when lost.',
        low=2,
        high=100,
        runtime=True,
    )
    restart_after: float = setting(
        2.0,
        'Time lost after which a new start is made from the last pose, with the last scale.',
        unit='s',
        low=0.0,
        high=3600.0,
        runtime=True,
    )
    remember: float = setting(
        60.0,
        'Time after a new start for which places of the map before are recognised; 0 for never.',
        unit='s',
        low=0.0,
        high=3600.0,
        runtime=True,
    )


SCALE_SOURCES = ('none', 'depth', 'stereo', 'odometry', 'camera_height', 'imu')


@dataclass(frozen=True)
class ScaleSettings:
    """The source of the metric scale."""

    source: str = setting(
        'none',
        'Source of the metric scale: depth (a registered depth image), stereo (a right picture), '
        'odometry (of wheels), camera_height (above the ground), imu (fixed to the camera), or '
        'none.',
        choices=SCALE_SOURCES,
    )
    camera_height: float = setting(
        0.0,
        'Height of the camera above the ground, for scale.source camera_height.',
        unit='m',
        low=0.0,
        high=100.0,
    )
    max_sigma: float = setting(
        0.1,
        'Relative standard deviation of the scale up to which lengths count as metres.',
        low=0.001,
        high=1.0,
        runtime=True,
    )
    tolerance: float = setting(
        0.02,
        'Largest difference in time of a depth image from its picture; of a right picture, a '
        'quarter of that.',
        unit='s',
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class ImuSettings:
    """The inertial measurement unit, for ``scale.source`` imu.

    Noise by default: a Bosch BMI160, as in phones and drones, by its Allan deviations in the TUM
    VI benchmark (Schubert et al., IROS 2018), with the densities doubled and the walks tenfold for
    what they leave out: scale, misalignment, vibration, temperature.
    """

    gyroscope_noise: float = setting(
        1.6e-4,
        'Noise density of the gyroscope, in continuous time as Kalibr states it.',
        unit='rad/s/sqrt(Hz)',
        low=1e-7,
        high=1.0,
    )
    accelerometer_noise: float = setting(
        2.8e-3,
        'Noise density of the accelerometer.',
        unit='m/s^2/sqrt(Hz)',
        low=1e-6,
        high=10.0,
    )
    gyroscope_walk: float = setting(
        2.2e-5,
        "Random walk of the gyroscope's bias.",
        unit='rad/s^2/sqrt(Hz)',
        low=1e-9,
        high=1.0,
    )
    accelerometer_walk: float = setting(
        8.6e-4,
        "Random walk of the accelerometer's bias.",
        unit='m/s^3/sqrt(Hz)',
        low=1e-8,
        high=10.0,
    )
    bridge: float = setting(
        2.0,
        'Time lost for which the pose is predicted by the IMU, before recovery.policy applies.',
        unit='s',
        low=0.0,
        high=60.0,
        runtime=True,
    )
    align_gravity: bool = setting(
        True, 'Turn odom so that its z axis points up, once gravity is known.'
    )
    publish_rate: float = setting(
        0.0,
        'Rate at which odom is published between pictures, predicted by the IMU; 0 is with '
        'pictures only.',
        unit='Hz',
        low=0.0,
        high=1000.0,
    )

    @property
    def sets_noise(self) -> bool:
        """Whether a density differs from its default: it then wins over those of a recording."""
        default = ImuSettings()
        names = ('gyroscope_noise', 'accelerometer_noise', 'gyroscope_walk', 'accelerometer_walk')
        return any(getattr(self, name) != getattr(default, name) for name in names)


@dataclass(frozen=True)
class Settings:
    """All settings of the odometry."""

    matcher: MatcherSettings = field(default_factory=MatcherSettings)
    geometry: GeometrySettings = field(default_factory=GeometrySettings)
    keyframe: KeyframeSettings = field(default_factory=KeyframeSettings)
    recovery: RecoverySettings = field(default_factory=RecoverySettings)
    scale: ScaleSettings = field(default_factory=ScaleSettings)
    imu: ImuSettings = field(default_factory=ImuSettings)

    @property
    def companions(self) -> dict[str, str]:
        """What frames need besides the picture, as sources of scale, and the settings' names."""
        needed = {self.scale.source: 'scale.source'}
        if self.recovery.policy == 'odometry':
            needed.setdefault('odometry', 'recovery.policy')
        return needed


@dataclass(frozen=True)
class NodeSettings:
    """What only the ROS node needs."""

    autostart: bool = setting(
        True, 'Configure and activate at start; off, a lifecycle manager does it.'
    )
    odom_frame: str = setting('odom', 'Frame that the pose is given in.')
    base_frame: str = setting(
        '',
        'Frame whose motion is published. Where one is given, its place to the camera is looked '
        'up in TF; else it is called base_link, the camera sits at it and looks along its x axis.',
    )
    lookup_extrinsics: bool = setting(
        True, 'Off, nothing is looked up in TF, whatever base_frame is.'
    )
    publish_tf: bool = setting(True, 'Broadcast odom_frame to base_frame on /tf.')
    invert_tf: bool = setting(
        False, 'Broadcast base_frame to odom_frame, for a second odometry on one robot.'
    )
    queue_policy: str = setting(
        'newest',
        'newest: of the frames that came while one was worked on, the newest that can be tracked '
        'is next, and those before it are dropped and counted; all: every frame in order.',
        choices=('newest', 'all'),
    )
    queue_size: int = setting(
        1000, 'Most frames that wait under queue_policy all.', low=1, high=100000
    )
    image_transport: str = setting(
        'raw',
        'Subscribe to image (raw) or image/compressed (compressed).',
        choices=('raw', 'compressed'),
    )
    depth_transport: str = setting(
        'raw',
        'Subscribe to depth (raw) or depth/compressedDepth (compressedDepth), for scale.source '
        'depth.',
        choices=('raw', 'compressedDepth'),
    )
    calibration_file: str = setting(
        '',
        'Calibration to use in place of camera_info, which is then not subscribed to: FILE or '
        'FILE:CAMERA, of ROS, Kalibr, EuRoC, OpenCV, ORB-SLAM3 or COLMAP; of the pictures as '
        'they come.',
    )
    imu_calibration: str = setting(
        '',
        'How the IMU sits beside the camera, in place of TF, for scale.source imu: FILE or '
        'FILE:CAMERA with T_imu_cam or T_cam_imu, such as the camchain-imucam.yaml of Kalibr; '
        'noise densities in it take the place of imu.*.',
    )
    mask: str = setting(
        '',
        'Picture file of what is used of the view, white, and of what the robot itself fills, '
        'black; resized to the pictures. Nothing within 8 pixels of the black is used.',
    )
    mask_margin: tuple[int, ...] = setting(
        (0, 0, 0, 0),
        'What is left out of the pictures at the top, bottom, left and right.',
        unit='px',
        low=0,
        high=65535,
    )
    path_length: int = setting(
        2000, 'Most poses kept in ~/path.', unit='poses', low=1, high=100000, runtime=True
    )
    trajectory_file: str = setting(
        'trajectory.txt',
        'File in trajectory_folder that ~/save_trajectory writes the poses to (TUM format).',
        runtime=True,
    )
    trajectory_folder: str = setting(
        '.',
        'Folder that ~/save_trajectory writes into, and nowhere else; . is where the node was '
        'started.',
    )
    input_timeout: float = setting(
        2.0,
        'Silence on a topic after which diagnostics report it.',
        unit='s',
        low=0.1,
        high=3600.0,
        runtime=True,
    )


def check_frames(settings: NodeSettings) -> None:
    """Make sure that a transform between the node's frames can be.

    Raises:
        SettingError: a frame has no name, or both have the same.
    """
    if not settings.odom_frame:
        raise SettingError('odom_frame must have a name')
    if settings.odom_frame == (settings.base_frame or DEFAULT_BASE_FRAME):
        raise SettingError(f'odom_frame and base_frame are both {settings.odom_frame!r}')


def describe(settings: Any, prefix: str = '') -> Iterator[tuple[str, Any, Description]]:
    """Yield ``(dotted name, value, description)`` of every setting in a settings dataclass."""
    for entry in dataclasses.fields(settings):
        value = getattr(settings, entry.name)
        if dataclasses.is_dataclass(value):
            yield from describe(value, f'{prefix}{entry.name}.')
        else:
            yield f'{prefix}{entry.name}', value, entry.metadata['description']


def replace(settings: Any, values: Mapping[str, Any]) -> Any:
    """Return ``settings`` with the dotted names in ``values`` set, each value checked.

    Raises:
        SettingError: an unknown name, a wrong type or a value out of range; says which, and what
            is allowed.
    """
    described = {name: (value, about) for name, value, about in describe(settings)}
    changed = settings
    for name, value in values.items():
        if name not in described:
            known = ', '.join(described)
            raise SettingError(f'there is no setting {name!r}; the settings are: {known}')
        current, about = described[name]
        changed = _set_path(changed, name.split('.'), _checked(name, value, current, about))
    return changed


def _set_path(settings: Any, path: list[str], value: Any) -> Any:
    head, *rest = path
    inner = _set_path(getattr(settings, head), rest, value) if rest else value
    return dataclasses.replace(settings, **{head: inner})


def _checked(name: str, value: Any, current: Any, about: Description) -> Any:
    if isinstance(current, tuple):
        # ROS has arrays of numbers, which come as several types.
        if isinstance(value, str) or not hasattr(value, '__len__') or len(value) != len(current):
            raise SettingError(f'{name} must be {len(current)} numbers, got {value!r}')
        return tuple(
            _checked(name, each, one, about) for each, one in zip(value, current, strict=True)
        )
    if isinstance(current, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(current):
        wanted = type(current).__name__
        raise SettingError(f'{name} must be of type {wanted}, got {value!r}')
    if about.choices and value not in about.choices:
        raise SettingError(f'{name} must be one of {", ".join(about.choices)}, got {value!r}')
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # `not low <= value` also refuses NaN.
        if about.low is not None and not about.low <= value:
            raise SettingError(f'{name} must be at least {about.low} {about.unit}, got {value}')
        if about.high is not None and not value <= about.high:
            raise SettingError(f'{name} must be at most {about.high} {about.unit}, got {value}')
    return value
