# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The camera model: every lens model there and back, and calibrations that are none."""

import copy

import cv2
import numpy as np
import pytest
import yaml

from loftr_vo.imaging.calibration_checks import CalibrationError
from loftr_vo.imaging.camera import Camera

GOOD = {
    'image_width': 640,
    'image_height': 480,
    'camera_matrix': {'rows': 3, 'cols': 3, 'data': [520.0, 0, 325, 0, 521, 249, 0, 0, 1]},
    'distortion_model': 'plumb_bob',
    'distortion_coefficients': {'rows': 1, 'cols': 5, 'data': [0.23, -0.78, -0.003, 0, 0.9]},
}


def make_camera(model='plumb_bob', coefficients=(), focal=520.0, width=640, height=480):
    matrix = np.array([[focal, 0, width / 2 + 5], [0, focal * 1.002, height / 2 - 3], [0, 0, 1]])
    return Camera(width, height, matrix, model, np.array(coefficients))


def pixel_grid(camera, step=16):
    x = np.append(np.arange(0, camera.width, step), camera.width - 1)
    y = np.append(np.arange(0, camera.height, step), camera.height - 1)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(float)


@pytest.mark.parametrize(
    ('model', 'coefficients', 'focal'),
    [
        ('plumb_bob', [], 520.0),
        ('plumb_bob', [0.2312, -0.7849, -0.0033, -0.0001, 0.9172], 520.0),
        ('plumb_bob', [-0.2834, 0.0739, 0.0002, 2e-5], 400.0),
        ('rational_polynomial', [8.0, 4.0, 0.001, -0.001, 0.2, 8.3, 6.5, 1.1], 350.0),
        ('rational_polynomial', [0.5, -0.3, 0.01, 0.01, 0.2, 0.1, 0.3, 0.02], 350.0),
        ('equidistant', [0.0034, 0.0008, -0.002, 0.0002], 290.0),
    ],
)
def test_every_pixel_projects_back_to_itself(model, coefficients, focal):
    camera = make_camera(model, coefficients, focal)
    pixels = pixel_grid(camera)
    rays = camera.undistort(pixels)
    depth = np.linspace(0.5, 20.0, len(rays))[:, None]
    back = camera.project(np.hstack([rays, np.ones((len(rays), 1))]) * depth)
    assert np.abs(back - pixels).max() < 1e-3


def test_plumb_bob_is_the_published_polynomial():
    k1, k2, p1, p2, k3 = 0.2, -0.5, 0.003, -0.002, 0.4
    camera = make_camera('plumb_bob', [k1, k2, p1, p2, k3])
    x, y = 0.3, -0.2
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    wanted = [
        camera.matrix[0, 0] * (x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x))
        + camera.matrix[0, 2],
        camera.matrix[1, 1] * (y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y)
        + camera.matrix[1, 2],
    ]
    np.testing.assert_allclose(camera.project(np.array([[3 * x, 3 * y, 3.0]]))[0], wanted)


def test_rim_of_a_fisheye_has_no_ray_in_front():
    camera = make_camera('equidistant', [0.0034, 0.0008, -0.002, 0.0002], 190.0, 512, 512)
    rays = camera.undistort(np.array([[0.0, 0.0], [camera.matrix[0, 2], camera.matrix[1, 2]]]))
    assert np.isnan(rays[0]).all()
    np.testing.assert_allclose(rays[1], 0.0, atol=1e-9)


@pytest.mark.parametrize(
    ('coefficients', 'focal', 'whole'),
    [
        ([0.2312, -0.7849, -0.0033, -0.0001, 0.9172], 520.0, True),
        ([-0.2834, 0.0739, 0.0002, 2e-5], 400.0, True),
        ([-0.3, 0.0, 0.0, 0.0], 250.0, False),
    ],
)
def test_rays_are_the_same_whether_each_is_checked_or_all_at_once(coefficients, focal, whole):
    camera, checked = (make_camera('plumb_bob', coefficients, focal) for _ in range(2))
    checked._lens.__dict__['_has_all_rays'] = False
    camera._lens.__dict__['_ray_table'] = None
    pixels = pixel_grid(camera)
    np.testing.assert_array_equal(camera.undistort(pixels), checked.undistort(pixels))
    assert np.isfinite(camera.undistort(pixels)).all() == whole
    far = np.array([[-3000.0, 5000.0], [10.0, 10.0]])
    np.testing.assert_array_equal(camera.undistort(far), checked.undistort(far))


@pytest.mark.parametrize(
    ('model', 'coefficients', 'focal'),
    [
        ('plumb_bob', [0.2312, -0.7849, -0.0033, -0.0001, 0.9172], 520.0),
        ('plumb_bob', [-0.2834, 0.0739, 0.0002, 2e-5], 400.0),
        ('rational_polynomial', [0.5, -0.3, 0.001, 0.001, 0.2, 0.1, 0.3, 0.02], 400.0),
    ],
)
def test_rays_looked_up_are_those_of_the_lens_model(model, coefficients, focal):
    camera, plain = (make_camera(model, coefficients, focal) for _ in range(2))
    plain._lens.__dict__['_ray_table'] = None
    assert camera._lens._ray_table is not None
    points = np.random.default_rng(3).uniform((-16, -16), (656, 496), (20000, 2))
    corners = np.array([[-16, -16], [655.99, -16], [-16, 495.99], [655.99, 495.99]])
    points = np.vstack([points, corners])
    error = np.abs(camera.undistort(points) - plain.undistort(points)).max() * focal
    assert 0 < error < 0.002  # pixels; not zero, since it was looked up


def test_rays_are_not_looked_up_where_a_lens_bends_them_too_sharply():
    camera = make_camera(
        'rational_polynomial', [8.0, 4.0, 0.001, -0.001, 0.2, 8.3, 6.5, 1.1], 350.0
    )
    assert camera._lens._has_all_rays
    assert camera._lens._ray_table is None


def test_point_behind_the_camera_has_no_pixel():
    assert np.isnan(make_camera().project(np.array([[0.1, 0.1, -1.0], [0.1, 0.1, 0.0]]))).all()


@pytest.mark.parametrize('model', ['plumb_bob', 'equidistant'])
def test_no_points_are_fine(model):
    camera = make_camera(model, [0.1, 0.0, 0.0, 0.0])
    assert camera.undistort(np.empty((0, 2))).shape == (0, 2)
    assert camera.project(np.empty((0, 3))).shape == (0, 2)


def test_reads_what_camera_calibration_writes(tmp_path):
    path = tmp_path / 'camera.yaml'
    path.write_text(yaml.safe_dump(GOOD))
    camera = Camera.from_yaml(path)
    assert (camera.width, camera.height) == (640, 480)
    assert camera.focal == pytest.approx(520.5)
    np.testing.assert_array_equal(camera.distortion, [0.23, -0.78, -0.003, 0, 0.9])


def test_reads_the_same_fields_from_what_opencv_writes(tmp_path):
    path = tmp_path / 'camera.yaml'
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, value in GOOD.items():
        if isinstance(value, dict):
            value = np.array(value['data'], np.float64).reshape(value['rows'], value['cols'])
        storage.write(name, value)
    storage.release()
    camera = Camera.from_yaml(path)
    assert camera.matrix.tolist() == np.reshape(GOOD['camera_matrix']['data'], (3, 3)).tolist()
    assert camera.distortion.tolist() == GOOD['distortion_coefficients']['data']


@pytest.mark.parametrize('field', list(GOOD))
def test_missing_field_is_named_with_its_file(tmp_path, field):
    path = tmp_path / 'camera.yaml'
    path.write_text(yaml.safe_dump({k: v for k, v in GOOD.items() if k != field}))
    with pytest.raises(CalibrationError, match=rf'camera\.yaml.*{field}'):
        Camera.from_yaml(path)


def changed(field, value):
    values = copy.deepcopy(GOOD)
    if isinstance(values[field], dict):
        values[field]['data'] = value
    else:
        values[field] = value
    return values


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        (changed('camera_matrix', [0.0] * 9), 'all zero'),
        (changed('camera_matrix', [520.0, 0, 325, 0, -1, 249, 0, 0, 1]), 'focal'),
        (changed('camera_matrix', [520.0, 0, float('nan'), 0, 1, 249, 0, 0, 1]), 'not finite'),
        (changed('camera_matrix', [520.0, 0, 325, 3, 521, 249, 0, 0, 1]), 'form'),
        (changed('camera_matrix', [520.0, 0, 325]), 'needs 9 numbers, has 3'),
        (changed('camera_matrix', ['a'] * 9), 'list of numbers'),
        (changed('distortion_coefficients', [0.1] * 15), 'at most 14 coefficients, got 15'),
        (changed('distortion_coefficients', [float('inf'), 0, 0, 0, 0]), 'not finite'),
        (changed('distortion_model', 'double_sphere'), 'plumb_bob, rational_poly.*equidistant'),
        (changed('image_width', '640'), 'whole number'),
        (changed('image_height', 0), 'not positive'),
        (['no', 'mapping'], 'camera calibration'),
    ],
)
def test_impossible_calibration_is_refused(values, message):
    with pytest.raises(CalibrationError, match=message) as caught:
        Camera.from_dict(values, 'somewhere')
    assert str(caught.value).startswith('somewhere')


def test_file_that_is_absent_or_no_yaml(tmp_path):
    with pytest.raises(CalibrationError, match='cannot read'):
        Camera.from_yaml(tmp_path / 'none.yaml')
    (tmp_path / 'bad.yaml').write_text('{: [')
    with pytest.raises(CalibrationError, match='not YAML'):
        Camera.from_yaml(tmp_path / 'bad.yaml')


def test_picture_of_another_size_is_refused():
    camera = make_camera()
    camera.check_size((480, 640))
    with pytest.raises(CalibrationError, match=r'1x1 pixels.*640x480'):
        camera.check_size((1, 1))
