# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Measuring methods on single pairs: cases, methods and what is made of their matches."""

import numpy as np
import pytest
from paths import DATA

from loftr_vo.imaging.camera import Camera
from loftr_vo.synthetic.blank_room import blank_room_pairs
from loftr_vo.synthetic.sequence import SyntheticSequence
from training.pairs import __main__ as table
from training.pairs.cases import (
    Pair,
    blurred,
    darkened,
    line_kernel,
    rendered_pairs,
    sequence_pairs,
    strangers,
    thinned,
)
from training.pairs.methods import NONE, orb, sift
from training.pairs.scoring import motion_errors, score_case


@pytest.fixture(scope='module')
def pairs():
    """Pairs of a textured room, 3 frames apart."""
    sequence = SyntheticSequence('room', frames=7, seed=1)
    frames, poses = list(sequence), sequence.ground_truth.poses
    return [
        Pair(
            frames[i].image,
            frames[i + 3].image,
            frames[i].camera,
            np.linalg.inv(poses[i + 3]) @ poses[i],
        )
        for i in (0, 3)
    ]


def exact_points(motion, camera, count=200):
    rng = np.random.default_rng(0)
    points = rng.uniform([-1, -1, 3], [1, 1, 8], (count, 3))
    return camera.project(points), camera.project(points @ motion[:3, :3].T + motion[:3, 3])


def test_exact_matches_have_no_error_and_too_few_have_the_largest(pairs):
    camera = pairs[0].camera
    motion = np.eye(4)
    motion[:3, 3] = 0.3, 0.1, 0.2
    pair = Pair(pairs[0].image0, pairs[0].image1, camera, motion)
    points0, points1 = exact_points(motion, camera)
    assert motion_errors(pair, points0, points1) == pytest.approx((0.0, 0.0), abs=0.01)
    assert motion_errors(pair, points0[:5], points1[:5]) == (180.0, 180.0)
    assert motion_errors(pair, *NONE) == (180.0, 180.0)
    # The length of the true motion does not matter, its direction does.
    motion = motion.copy()
    motion[:3, 3] *= -2
    turned = Pair(pair.image0, pair.image1, camera, motion)
    assert motion_errors(turned, points0, points1)[1] == pytest.approx(180.0, abs=0.1)


@pytest.mark.parametrize('method', [orb, sift])
def test_classical_methods_solve_pairs_with_texture(method, pairs):
    score = score_case(method, pairs)
    assert score.pairs == 2
    assert score.solved == 1.0
    assert score.rotation_deg < 1.0
    assert score.matches > 50
    blank = np.full((120, 160), 128, np.uint8)
    assert len(method(blank, blank)[0]) == 0


def test_a_line_kernel_is_as_long_as_it_says():
    for angle in (0.0, 0.7, np.pi / 2):
        kernel = line_kernel(11.0, angle)
        assert kernel.sum() == pytest.approx(1.0)
        y, x = np.indices(kernel.shape) - (len(kernel) - 1) / 2
        along = x * np.cos(angle) + y * np.sin(angle)
        # A uniform line of length n has the variance n^2 / 12; sharing pixels adds up to 1 / 4.
        assert (kernel * along**2).sum() == pytest.approx(11.0**2 / 12, abs=0.3)
        assert (kernel * along).sum() == pytest.approx(0.0, abs=1e-9)


def test_blur_and_darkness_make_pairs_harder_and_are_the_same_each_time(pairs):
    for change in (lambda each: blurred(each, 12.0), darkened):
        first, again = change(pairs), change(pairs)
        for pair, changed, same in zip(pairs, first, again, strict=True):
            assert np.array_equal(changed.image0, same.image0)
            assert not np.array_equal(changed.image0, pair.image0)
            assert (
                np.diff(changed.image0.astype(float)).std()
                < np.diff(pair.image0.astype(float)).std()
            )
    assert darkened(pairs)[0].image0.mean() == pytest.approx(pairs[0].image0.mean() / 4, rel=0.05)


def test_thinning_keeps_both_ends():
    assert thinned(list(range(10)), 4) == [0, 3, 6, 9]
    assert thinned([1, 2], 5) == [1, 2]


def test_unrelated_pairs_are_of_two_groups(pairs):
    other = [Pair(pair.image0 * 0, pair.image1 * 0, pair.camera, pair.motion) for pair in pairs]
    for image0, image1 in strangers([pairs, other]):
        assert image0.any() and not image1.any()


def test_blank_rooms_are_nearly_blank_and_their_motion_is_true():
    first, same = (blank_room_pairs(2, (120, 160), seed=3) for _ in range(2))
    assert np.array_equal(first[1].image1, same[1].image1)
    for pair in first:
        # Most of the picture changes by less than noise does.
        steps = np.abs(np.diff(pair.image0.astype(float)))
        assert np.median(steps) < 3
        assert 0.1 <= np.linalg.norm(np.linalg.inv(pair.motion)[:3, 3]) <= 0.4
        height, width = pair.image0.shape
        camera = Camera(width, height, pair.intrinsics, 'plumb_bob', np.zeros(5))
        points0, points1 = exact_points(pair.motion, camera)
        one = Pair(pair.image0, pair.image1, camera, pair.motion)
        assert table.epipolar_inliers(one, points0, points1).all()
        assert not table.epipolar_inliers(one, points0, points1 + 9).all()


def test_pairs_of_a_sequence_have_its_true_motion():
    if not (DATA / 'fountain').is_dir():
        pytest.skip('the sequence fountain is not there')
    pairs = sequence_pairs(DATA / 'fountain', apart=1, most=4)
    assert len(pairs) == 4
    assert score_case(sift, pairs).rotation_deg < 0.5


def test_rendered_pairs_have_their_true_motion_and_each_their_own_place():
    pairs = rendered_pairs(5)
    assert score_case(sift, pairs).rotation_deg < 0.5
    assert score_case(sift, pairs).solved == 1
    assert len({pair.image0.tobytes() for pair in pairs}) == 5


def test_the_dark_and_blurred_is_a_case_of_what_is_there(pairs):
    cases = table.all_cases({}, {0.5: pairs}, pairs)
    assert list(cases) == ['blank rooms, contrast 0.5'] + [
        f'rendered rooms, gain 0.25, noise 4, blurred by {length} px' for length in (9, 12, 15)
    ]
    dim = cases['rendered rooms, gain 0.25, noise 4, blurred by 12 px'][0]
    assert dim.image0.mean() == pytest.approx(pairs[0].image0.mean() / 4, rel=0.05)
    assert sum('real, gain' in case for case in table.all_cases({'x': pairs}, {}, [])) == 8


def test_the_table_has_a_row_of_every_case():
    score = {
        'pairs': 3,
        'rotation_deg': 0.5,
        'direction_deg': 2.0,
        'solved': 1.0,
        'exact': 0.25,
        'matches': 100.0,
    }
    text = table.as_table(
        {
            'cases': {'here': {'orb': score}, 'there': {'orb': score}},
            'strangers': {'orb': {'median': 3.0, 'most': 9.0}},
            'itself_px': {'orb': 0.0},
            'held_out': {'recall': 0.5},
        }
    )
    assert '| here (3) | 0.50° / 2.00° (100 %, 25 %) |' in text
    assert '| there (3) |' in text
    assert '3, 9' in text and 'recall 0.500' in text
