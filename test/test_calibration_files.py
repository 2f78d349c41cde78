# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations as tools and drivers write them give the rays that their own formulas give."""

import numpy as np
import pytest
import recordings

from loftr_vo.cli import main
from loftr_vo.datasets import open_sequence
from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.calibration_files import read_calibration
from loftr_vo.imaging.camera import Camera

WIDTH, HEIGHT = 640, 480
FX, FY, CX, CY = 600.0, 610.0, 321.5, 238.25


# --- the tools' formulas, from normalised coordinates to pixels


def plumb_bob(x, y, lens):
    """OpenCV's calib3d page, Detailed Description; with k4 to k6 in the denominator."""
    k1, k2, p1, p2, k3, k4, k5, k6 = [*lens, *[0.0] * (8 - len(lens))]
    r2 = x * x + y * y
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


def thin_prism(x, y, lens):
    """The same page: s1 to s4 after the eight of the rational model."""
    s1, s2, s3, s4 = lens[8:12]
    r2 = x * x + y * y
    u, v = plumb_bob(x, y, lens[:8])
    return u + s1 * r2 + s2 * r2**2, v + s3 * r2 + s4 * r2**2


def tilted(x, y, lens):
    """The same page: the sensor is turned by tau_x and tau_y behind the lens."""
    (cx, sx), (cy, sy) = ((np.cos(tau), np.sin(tau)) for tau in lens[12:])
    about_x = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]]) @ about_x
    onto = np.array([[turn[2, 2], 0, -turn[0, 2]], [0, turn[2, 2], -turn[1, 2]], [0, 0, 1]])
    u, v = thin_prism(x, y, lens)
    u, v, w = onto @ turn @ np.stack([u, v, np.ones_like(u)])
    return u / w, v / w


def equidistant(x, y, lens):
    """Kannala and Brandt (2006) with four terms, as OpenCV's fisheye and Kalibr's equi have it."""
    r = np.hypot(x, y)
    angle = np.arctan(r)
    bent = angle * (1 + sum(k * angle ** (2 * n) for n, k in enumerate(lens, start=1)))
    return x * bent / r, y * bent / r


RAYS = np.random.default_rng(3).uniform(-0.4, 0.4, (200, 2)) * [1.0, 0.8]
RADTAN = [-0.28, 0.07, 0.0002, -0.0003]
RATIONAL = [0.3, -0.2, 0.001, 0.0005, 0.01, 0.7, -0.1, 0.02]
PRISM = [*RATIONAL, 0.001, 0.002, -0.003, 0.004]
EQUI = [0.01, -0.008, 0.004, -0.001]


def pixels_of(formula, lens, skew=0.0, corner=0.0):
    x, y = formula(*RAYS.T, lens)
    return np.column_stack([FX * x + skew * y + CX - corner, FY * y + CY - corner])


def check(camera, expected):
    assert (camera.width, camera.height) == (WIDTH, HEIGHT)
    np.testing.assert_allclose(
        camera.project(np.column_stack([RAYS, np.ones(len(RAYS))])), expected, atol=1e-6
    )
    np.testing.assert_allclose(camera.undistort(expected), RAYS, atol=1e-6)


# --- files


def ros(model, lens, name='distortion_model', skew=0.0):
    return (
        f'image_width: {WIDTH}\nimage_height: {HEIGHT}\ncamera_name: narrow\n'
        f'camera_matrix:\n  rows: 3\n  cols: 3\n'
        f'  data: [{FX}, {skew}, {CX}, 0., {FY}, {CY}, 0, 0, 1]\n'
        f'{name}: {model}\n'
        f'distortion_coefficients:\n  rows: 1\n  cols: {len(lens)}\n  data: {list(lens)}\n'
    )


def kalibr(model, lens):
    camera = (
        '  cam_overlaps: [1]\n  camera_model: pinhole\n'
        f'  distortion_coeffs: {lens}\n  distortion_model: {model}\n'
        f'  intrinsics: [{FX}, {FY}, {CX}, {CY}]\n'
        f'  resolution: [{WIDTH}, {HEIGHT}]\n  rostopic: /cam/image_raw\n'
    )
    other = camera.replace(f'{FX}', '1.0')
    return f'cam0:\n{other}cam1:\n  T_cn_cnm1:\n  - [1.0, 0.0, 0.0, 0.1]\n{camera}'


EUROC = f"""#Default calibration
sensor_type: camera
T_BS:
  cols: 4
  rows: 4
  data: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
rate_hz: 20
resolution: [{WIDTH}, {HEIGHT}]
camera_model: pinhole
intrinsics: [{FX}, {FY}, {CX}, {CY}] #fu, fv, cu, cv
distortion_model: radial-tangential
distortion_coefficients: {RADTAN}
"""


def opencv(lens, more=''):
    return f"""%YAML:1.0
---
calibration_time: "Mon 01 Jan 2024"
image_width: {WIDTH}
image_height: {HEIGHT}
{more}
camera_matrix: !!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ {FX}, 0., {CX}, 0., {FY}, {CY}, 0., 0., 1. ]
distortion_coefficients: !!opencv-matrix
   rows: {len(lens)}
   cols: 1
   dt: d
   data: {lens}
"""


OPENCV_XML = f"""<?xml version="1.0"?>
<opencv_storage>
<calibration_time>"Mon Nov 30 09:00:00 2026"</calibration_time>
<image_width>{WIDTH}</image_width>
<image_height>{HEIGHT}</image_height>
<!-- flags:  +fix_k4 +fix_k5 -->
<fisheye_model>0</fisheye_model>
<camera_matrix type_id="opencv-matrix">
  <rows>3</rows>
  <cols>3</cols>
  <dt>d</dt>
  <data>
    {FX} 0. {CX} 0. {FY}
    {CY} 0. 0. 1.</data></camera_matrix>
<distortion_coefficients type_id="opencv-matrix">
  <rows>4</rows>
  <cols>1</cols>
  <dt>d</dt>
  <data>
    {' '.join(map(str, RADTAN))}</data></distortion_coefficients>
</opencv_storage>
"""


def opencv_2(lens):
    """What the calibration sample of OpenCV 2 wrote."""
    text = opencv(lens).replace('camera_matrix', 'Camera_Matrix')
    text = text.replace('distortion_coefficients', 'Distortion_Coefficients')
    return text.replace('image_width', 'image_Width').replace('image_height', 'image_Height')


def echoed(lens, k='k', d='d', region='{x_offset: 0, y_offset: 0, height: 0, width: 0}'):
    """What ``ros2 topic echo /camera/camera_info`` prints of two messages."""
    message = (
        'header:\n  stamp:\n    sec: 1\n    nanosec: 2\n  frame_id: camera\n'
        f'height: {HEIGHT}\nwidth: {WIDTH}\ndistortion_model: plumb_bob\n{d}:\n'
        + ''.join(f'- {value}\n' for value in lens)
        + f'{k}:\n'
        + ''.join(f'- {value}\n' for value in (FX, 0.0, CX, 0.0, FY, CY, 0.0, 0.0, 1.0))
        + f'binning_x: 0\nbinning_y: 0\nroi: {region}\n---\n'
    )
    return message * 2


def orb_slam(kind, lens, camera='Camera1'):
    fields = {'fx': FX, 'fy': FY, 'cx': CX, 'cy': CY, **lens}
    return '\n'.join(
        [
            '%YAML:1.0',
            '',
            '#----------------',
            'File.version: "1.0"',
            f'Camera.type: "{kind}"',
            *[f'{camera}.{name}: {value}' for name, value in fields.items()],
            f'Camera.width: {WIDTH}',
            f'Camera.height: {HEIGHT}',
            'Camera.RGB: 1',
            'Stereo.T_c1_c2: !!opencv-matrix',
            '  rows: 1',
            '  cols: 1',
            '  dt: f',
            '  data: [0.1]',
        ]
    )


def colmap(kind, *values):
    words = ' '.join(str(value) for value in values)
    return (
        '# Camera list with one line of data per camera:\n#   CAMERA_ID, MODEL, WIDTH, HEIGHT, '
        f'PARAMS[]\n# Number of cameras: 2\n1 {kind} {WIDTH} {HEIGHT} {words}\n'
        f'2 PINHOLE {WIDTH} {HEIGHT} 1 1 1 1\n'
    )


# COLMAP's pixels begin at the corner of the first one.
CORNER = 0.5
FILES = {
    # T265 (stella_vslam_ros#7): equidistant with a fifth coefficient, zero.
    'T265': (ros('equidistant', [*EQUI, 0.0]), '', 'ROS', equidistant, EQUI, {}),
    'plumb_bob with 14': (ros('plumb_bob', RADTAN + [0.0] * 10), '', 'ROS', plumb_bob, RADTAN, {}),
    'rational with 14': (
        ros('rational_polynomial', RATIONAL + [0.0] * 6), '', 'ROS', plumb_bob, RATIONAL, {},
    ),
    'thin prism': (ros('rational_polynomial', PRISM), '', 'ROS', thin_prism, PRISM, {}),
    'tilted': (
        ros('rational_polynomial', [*PRISM, 0.02, -0.03]), '', 'ROS', tilted,
        [*PRISM, 0.02, -0.03], {},
    ),
    # Zeros are no distortion, whatever RealSense and simulators call it.
    'unknown of zeros': (
        ros('Inverse Brown Conrady', [0.0] * 5), '', 'ROS', plumb_bob, [], {},
    ),
    'ros2 topic echo': (echoed(RADTAN), '', 'CameraInfo', plumb_bob, RADTAN, {}),
    'rostopic echo': (echoed(RADTAN, 'K', 'D'), '', 'CameraInfo', plumb_bob, RADTAN, {}),
    'plumb_bob that is rational': (ros('plumb_bob', RATIONAL), '', 'ROS', plumb_bob, RATIONAL, {}),
    'one radial': (ros('plumb_bob', [-0.2]), '', 'ROS', plumb_bob, [-0.2], {}),
    'two radial': (ros('plumb_bob', [-0.2, 0.1]), '', 'ROS', plumb_bob, [-0.2, 0.1], {}),
    'three radial': (
        ros('radtan', [-0.2, 0.1, -0.05]), '', 'ROS', plumb_bob, [-0.2, 0.1, 0, 0, -0.05], {},
    ),
    'two fisheye': (ros('fisheye', EQUI[:2]), '', 'ROS', equidistant, EQUI[:2], {}),
    # camera_calibration's fisheye mode; its K has a skew (image_pipeline#682).
    'ost.yaml of a fisheye': (
        ros('fisheye', EQUI, 'camera_model', 7.5), '', 'ROS', equidistant, EQUI, {'skew': 7.5},
    ),
    'skew': (ros('plumb_bob', RADTAN, skew=-4.0), '', 'ROS', plumb_bob, RADTAN, {'skew': -4.0}),
    'skew alone': (ros('plumb_bob', [], skew=-4.0), '', 'ROS', plumb_bob, [], {'skew': -4.0}),
    'Kalibr radtan': (kalibr('radtan', RADTAN), 'cam1', 'Kalibr', plumb_bob, RADTAN, {}),
    'Kalibr equi': (kalibr('equidistant', EQUI), 'cam1', 'Kalibr', equidistant, EQUI, {}),
    'Kalibr none': (kalibr('none', []), 'cam1', 'Kalibr', plumb_bob, [], {}),
    'EuRoC': (EUROC, '', 'EuRoC', plumb_bob, RADTAN, {}),
    'OpenCV': (opencv([*RADTAN, 0.01]), '', 'OpenCV', plumb_bob, [*RADTAN, 0.01], {}),
    'OpenCV rational': (opencv(RATIONAL), '', 'OpenCV', plumb_bob, RATIONAL, {}),
    'OpenCV fisheye': (opencv(EQUI, 'fisheye_model: 1'), '', 'OpenCV', equidistant, EQUI, {}),
    'OpenCV XML': (OPENCV_XML, '', 'OpenCV', plumb_bob, RADTAN, {}),
    'OpenCV 2': (opencv_2(RADTAN), '', 'OpenCV', plumb_bob, RADTAN, {}),
    'ORB-SLAM3 pinhole': (
        orb_slam('PinHole', dict(zip(('k1', 'k2', 'p1', 'p2'), RADTAN, strict=True))),
        '', 'ORB-SLAM', plumb_bob, RADTAN, {},
    ),
    'ORB-SLAM3 fisheye': (
        orb_slam('KannalaBrandt8', {f'k{n}': k for n, k in enumerate(EQUI, start=1)}),
        'Camera1', 'ORB-SLAM', equidistant, EQUI, {},
    ),
    # TUM_512.yaml of ORB-SLAM3 before version 1.0: the first of two has no number.
    'ORB-SLAM3 0.4, two': (
        orb_slam('KannalaBrandt8', {f'k{n}': k for n, k in enumerate(EQUI, start=1)}, 'Camera')
        + '\nCamera2.fx: 1.0\nCamera2.fy: 1.0\nCamera2.cx: 1.0\nCamera2.cy: 1.0\n',
        '', 'ORB-SLAM', equidistant, EQUI, {},
    ),
    'ORB-SLAM2': (
        orb_slam('PinHole', {'k1': -0.2, 'k2': 0.1, 'k3': 0.01}, 'Camera'),
        '', 'ORB-SLAM', plumb_bob, [-0.2, 0.1, 0, 0, 0.01], {},
    ),
    'COLMAP OPENCV': (
        colmap('OPENCV', FX, FY, CX, CY, *RADTAN), '1', 'COLMAP', plumb_bob, RADTAN,
        {'corner': CORNER},
    ),
    'COLMAP FULL_OPENCV': (
        colmap('FULL_OPENCV', FX, FY, CX, CY, *RATIONAL), '1', 'COLMAP', plumb_bob, RATIONAL,
        {'corner': CORNER},
    ),
    'COLMAP OPENCV_FISHEYE': (
        colmap('OPENCV_FISHEYE', FX, FY, CX, CY, *EQUI), '1', 'COLMAP', equidistant, EQUI,
        {'corner': CORNER},
    ),
    'COLMAP ideal fisheye': (
        colmap('OPENCV_FISHEYE', FX, FY, CX, CY, 0, 0, 0, 0), '1', 'COLMAP', equidistant, [],
        {'corner': CORNER},
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', FILES)
def test_rays_are_those_of_the_tool(tmp_path, name):
    text, camera, kind, formula, lens, options = FILES[name]
    path = tmp_path / 'file.txt'
    path.write_text(text)
    calibration = read_calibration(f'{path}:{camera}' if camera else path)
    assert calibration.source.startswith(str(path))
    assert calibration.source.endswith(f'({kind})')
    assert camera in calibration.source
    check(calibration.camera, pixels_of(formula, lens, **options))


@pytest.mark.parametrize(
    ('kind', 'values', 'lens'),
    [
        ('SIMPLE_PINHOLE', [FX, CX, CY], []),
        ('SIMPLE_RADIAL', [FX, CX, CY, -0.2], [-0.2]),
        ('RADIAL', [FX, CX, CY, -0.2, 0.1], [-0.2, 0.1]),
    ],
)
def test_colmap_with_one_focal_length(tmp_path, kind, values, lens):
    (tmp_path / 'cameras.txt').write_text(colmap(kind, *values))
    camera = Camera.from_yaml(f'{tmp_path / "cameras.txt"}:1')
    x, y = plumb_bob(*RAYS.T, lens)
    check(camera, np.column_stack([FX * x + CX - CORNER, FX * y + CY - CORNER]))


@pytest.mark.parametrize(
    ('name', 'model'),
    [
        ('Kannala Brandt4', 'equidistant'),
        ('FISHEYE', 'equidistant'),
        ('equi', 'equidistant'),
        ('radial-tangential', 'plumb_bob'),
        (' RadTan ', 'plumb_bob'),
        ('Pinhole', 'plumb_bob'),
    ],
)
def test_names_of_lens_models(name, model):
    matrix = np.array([[FX, 0, CX], [0, FY, CY], [0, 0, 1]])
    camera = Camera(WIDTH, HEIGHT, matrix, name, np.array(RADTAN))
    assert camera.distortion_model == model


@pytest.mark.parametrize(
    ('text', 'camera', 'message'),
    [
        (ros('double_sphere', RADTAN), '', "'double_sphere'; known are plumb_bob, .*fisheye"),
        (ros('equidistant', [*EQUI, 0.1]), '', 'at most 4 coefficients, got 5'),
        (kalibr('radtan', RADTAN), '', r'several cameras: name one, as in .*file\.txt:cam0'),
        (kalibr('radtan', RADTAN), 'cam7', r"no camera 'cam7'; it has 'cam0', 'cam1'"),
        (kalibr('radtan', RADTAN).replace('pinhole', 'ds'), 'cam1', "camera_model is 'ds'"),
        (kalibr('fov', [0.9]), 'cam1', "unknown distortion model 'fov'"),
        (ros('plumb_bob', RADTAN), 'left', "no camera 'left'; ROS files have one"),
        (colmap('FOV', 1, 1, 1, 1, 1), '1', "line 4: its model is 'FOV'; known are SIMPLE"),
        (colmap('OPENCV', 1, 1, 1), '1', 'takes 8 parameters, found 3'),
        (orb_slam('PinHole', {}).replace('Camera1.cy', 'x'), '', 'the field Camera1.cy'),
        (ros('plumb_bob', RADTAN).replace('610', '-610'), '', 'ICL-NUIM, write fy as positive'),
        (EUROC.replace('640, ', ''), '', 'resolution must be a list of 2 numbers'),
        (OPENCV_XML.replace('<?xml', '<!DOCTYPE x><?xml'), '', 'it has a document type'),
        (OPENCV_XML.replace('</opencv_storage>', ''), '', 'not XML that can be read: no element'),
        (
            echoed(RADTAN).replace('width: 640', 'width: wide'),
            '',
            "width must be a whole .*'wide'",
        ),
        (echoed(RADTAN).replace('d:\n', 'e:\n'), '', 'the field d is missing'),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, camera, message):
    path = tmp_path / 'file.txt'
    path.write_text(text)
    with pytest.raises(CalibrationError, match=message) as caught:
        read_calibration(f'{path}:{camera}' if camera else path)
    assert str(path) in str(caught.value)


def test_an_echoed_camera_info_has_its_region_of_interest(tmp_path):
    region = '{x_offset: 100, y_offset: 40, height: 240, width: 320}'
    (tmp_path / 'info.yaml').write_text(echoed(RADTAN, region=region))
    camera = Camera.from_yaml(tmp_path / 'info.yaml')
    assert (camera.width, camera.height) == (320, 240)
    expected = pixels_of(plumb_bob, RADTAN) - [100, 40]
    np.testing.assert_allclose(
        camera.project(np.column_stack([RAYS, np.ones(len(RAYS))])), expected, atol=1e-6
    )


def test_a_recording_takes_a_camera_of_a_file(tmp_path, capsys):
    text = kalibr('radtan', RADTAN).replace('640, 480', '64, 48')
    (tmp_path / 'camchain.yaml').write_text(text)
    given = f'{tmp_path / "camchain.yaml"}:cam1'
    folder = recordings.write_folder(tmp_path / 'walk')
    assert open_sequence(folder, camera=given).camera.matrix[0, 0] == FX
    bag = recordings.write_bag(tmp_path / 'bag', info=False)
    assert main.main(['topics', str(bag), '--camera', given]) == 0
    assert 'camchain.yaml, cam1 (Kalibr)' in capsys.readouterr().out
