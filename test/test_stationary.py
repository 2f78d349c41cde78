# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A resting camera rests; a creeping one is followed."""

from types import SimpleNamespace

import numpy as np
import pytest
from exact_world import pose
from scipy.spatial.transform import Rotation

from loftr_vo.geometry.rigid_motion import inverse_transform, transform
from loftr_vo.geometry.rotation import angle_of
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.tracking.stationary import PureRotationDetector, StationaryDetector

COUNT = 200
THRESHOLD = 0.3  # pixels
KEYFRAME = SimpleNamespace(rays=np.ones((COUNT, 3)))


@pytest.fixture
def random():
    return np.random.default_rng(4)


def motion(random, shift=0.0, cells=None, noise=0.1):
    """Return what the detector reads of a motion: matches ``shift`` pixels to the right."""
    cells = np.arange(COUNT) if cells is None else cells
    rest = np.stack([cells % 20 * 16.0, cells // 20 * 24.0], axis=1)
    moved = rest + np.array([shift, 0.0])
    keypoints1 = (moved + random.normal(0, noise, rest.shape)).astype(np.float32)
    one = np.ones(len(cells), np.float32)
    return SimpleNamespace(
        matches=Matches(rest.astype(np.float32), keypoints1, one, one, cells),
        inliers=np.ones(len(cells), bool),
    )


def shaken(random):
    return pose(random.normal(0, 0.01, 3), random.normal(0, 0.1, 3))


def test_a_resting_camera_keeps_its_pose_bit_by_bit(random):
    detector, first = StationaryDetector(), shaken(random)
    held, resting = detector.hold(KEYFRAME, motion(random), first, THRESHOLD)
    assert not resting
    assert np.array_equal(held, first)
    for _ in range(100):
        held, resting = detector.hold(KEYFRAME, motion(random), shaken(random), THRESHOLD)
        assert resting
        assert np.array_equal(held, first)


def test_a_step_is_followed_at_once(random):
    detector = StationaryDetector()
    detector.hold(KEYFRAME, motion(random), shaken(random), THRESHOLD)
    moved = shaken(random)
    held, resting = detector.hold(KEYFRAME, motion(random, 1.0), moved, THRESHOLD)
    assert not resting
    assert np.array_equal(held, moved)


def test_a_creeping_camera_is_followed_in_the_end(random):
    """0.05 px a frame: never more behind than the threshold and what noise adds to it."""
    detector = StationaryDetector()
    for frame in range(60):
        shift = 0.05 * frame
        where = pose((shift, 0.0, 0.0))
        held, _ = detector.hold(KEYFRAME, motion(random, shift), where, THRESHOLD)
        assert shift - held[0, 3] < THRESHOLD + 0.05
    assert held[0, 3] > 2.5


@pytest.mark.parametrize('noise', [0.3, 0.6])
def test_noise_is_no_motion(random, noise):
    """Two noisy positions differ by more than the threshold, in median, in both cases."""
    detector, first = StationaryDetector(), shaken(random)
    detector.hold(KEYFRAME, motion(random, noise=noise), first, THRESHOLD)
    for _ in range(50):
        seen = motion(random, noise=noise)
        held, resting = detector.hold(KEYFRAME, seen, shaken(random), THRESHOLD)
        assert resting
        assert np.array_equal(held, first)
    stepped = motion(random, 1.0, noise=noise)
    assert not detector.hold(KEYFRAME, stepped, shaken(random), THRESHOLD)[1]


@pytest.mark.parametrize('kind', ['turn', 'zoom', 'roll'])
def test_every_way_to_move_together_is_motion(random, kind):
    detector = StationaryDetector()
    cells = np.arange(COUNT)
    places = np.stack([cells % 20 * 16.0, cells // 20 * 24.0], axis=1)
    moved = {
        'turn': places + np.array([0.0, 0.6]),
        'zoom': places + 0.006 * (places - places.mean(axis=0)),
        'roll': places + 0.006 * (places - places.mean(axis=0)) @ np.array([[0, 1], [-1, 0]]),
    }[kind]
    for where, resting in ((places, False), (places, True), (moved, False)):
        seen = motion(random, noise=0.0)
        seen.matches.keypoints1[:] = where + random.normal(0, 0.3, where.shape)
        assert detector.hold(KEYFRAME, seen, np.eye(4), THRESHOLD)[1] == resting


def test_another_keyframe_ends_the_comparison(random):
    detector = StationaryDetector()
    detector.hold(KEYFRAME, motion(random), shaken(random), THRESHOLD)
    other = SimpleNamespace(rays=KEYFRAME.rays)
    assert not detector.hold(other, motion(random), shaken(random), THRESHOLD)[1]


def test_too_few_common_cells_do_not_prove_rest(random):
    detector = StationaryDetector()
    detector.hold(KEYFRAME, motion(random, cells=np.arange(0, 105)), np.eye(4), THRESHOLD)
    after = motion(random, cells=np.arange(95, COUNT))
    assert not detector.hold(KEYFRAME, after, np.eye(4), THRESHOLD)[1]


def test_outliers_have_no_say(random):
    detector = StationaryDetector()
    detector.hold(KEYFRAME, motion(random), np.eye(4), THRESHOLD)
    after = motion(random)
    after.inliers[:120] = False
    after.matches.keypoints1[:120] += 50
    assert detector.hold(KEYFRAME, after, np.eye(4), THRESHOLD)[1]


def test_a_threshold_of_zero_never_rests(random):
    detector = StationaryDetector()
    for _ in range(3):
        still = motion(random, noise=0.0)
        assert not detector.hold(KEYFRAME, still, np.eye(4), 0.0)[1]


def test_on_the_spot_the_known_position_corrects_the_rotation(random):
    """A step aside and a turn look alike; where there is none of the one, less is of the other."""
    keyframe = SimpleNamespace(
        pose=pose((1.0, -2.0, 0.5), (30, 10, -5)),
        reference_depth=3.0,
        encoded=SimpleNamespace(image_pixels_per_network_pixel=np.full(2, 2.0)),
    )
    exact = inverse_transform(pose((0, 0, 0), (6, 1, -2)))  # frame from keyframe
    of_motion = np.diag([1e-6, 1e-6, 1e-6, 1e-7, 1e-7, 1e-7])
    # Along x by going, or about y by turning: one is nearly the other.
    of_motion[0, 4] = of_motion[4, 0] = 0.95 * np.sqrt(1e-6 * 1e-7)
    of_motion[1, 3] = of_motion[3, 1] = -of_motion[0, 4]
    true = keyframe.pose @ inverse_transform(exact)
    before, after = [], []
    for error in random.multivariate_normal(np.zeros(6), of_motion, 300):
        turned = Rotation.from_rotvec(error[3:]).as_matrix() @ exact[:3, :3]
        found = SimpleNamespace(
            frame_from_keyframe=transform(turned, exact[:3, 3] + error[:3]),
            covariance=of_motion,
            has_depth=True,
            sampled=1.0,
        )
        seen = keyframe.pose @ inverse_transform(found.frame_from_keyframe)
        detector = PureRotationDetector()
        detector.move_to(keyframe.pose)
        settled, turning = detector.hold(keyframe, found, seen)
        assert turning
        np.testing.assert_array_equal(settled[:3, 3], keyframe.pose[:3, 3])
        before.append(angle_of(true[:3, :3].T @ seen[:3, :3]))
        after.append(angle_of(true[:3, :3].T @ settled[:3, :3]))
    assert np.sqrt(np.mean(np.square(after))) < 0.75 * np.sqrt(np.mean(np.square(before)))
