# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The map moves under the pose, and the pose does not jump; what a camera may do unseen."""

import numpy as np
import pytest
from exact_world import pose
from point_scenes import degrees_between

from loftr_vo.odometry.tracking.motion_model import MotionModel
from loftr_vo.odometry.tracking.odom_frame import OdomFrame

SURE = 1e-8 * np.eye(6)
PERIOD = 100_000_000  # nanoseconds
TWIST = np.array([1.0, 0, 0, 0, 0.2, 0])


def going(speed=1.0, degrees=0.0, count=4):
    """Return the motion model of a camera that moves to its right, units and degrees a second."""
    model = MotionModel()
    for index in range(count):
        seconds = index * PERIOD * 1e-9
        model.add_pose(index * PERIOD, pose((speed * seconds, 0, 0), (degrees * seconds, 0, 0)))
    return model


class TestCourse:
    def test_prediction_goes_on_at_the_last_velocity(self):
        model = going(1.0)
        there = model.predict(pose((0.3, 0, 0)), 0.5)
        assert there == pytest.approx(pose((0.8, 0, 0)))

    def test_a_turning_camera_is_predicted_along_its_bend(self):
        model = MotionModel()
        for index in range(4):
            angle = 0.1 * index
            model.add_pose(
                index * PERIOD,
                pose((np.sin(angle), 0, 1 - np.cos(angle)), (-np.degrees(angle), 0, 0)),
            )
        there = model.predict(pose((np.sin(0.3), 0, 1 - np.cos(0.3)), (-np.degrees(0.3), 0, 0)), 1)
        assert there == pytest.approx(
            pose((np.sin(1.3), 0, 1 - np.cos(1.3)), (-np.degrees(1.3), 0, 0)), abs=0.01
        )

    def test_nothing_is_known_of_a_camera_seen_once(self):
        model = going(count=1)
        assert not model.known
        assert not model.twist().any()
        assert not model.is_jump(pose((100, 0, 0)), 0.1, 1.0)

    @pytest.mark.parametrize(
        ('step', 'within_reach'),
        [((1.0, 0, 0), True), ((-2.0, 0, 0), True), ((4.0, 0, 0), False)],
    )
    def test_reach_grows_with_speed_and_time(self, step, within_reach):
        assert going(1.0).reaches(pose(step), 1.0, 1.0) == within_reach
        assert going(10.0).reaches(pose(step), 1.0, 1.0)

    def test_a_turn_out_of_reach_is_a_jump_too(self):
        assert not going(1.0).reaches(pose((0, 0, 0), (90, 0, 0)), 1.0, 1.0)
        assert going(1.0, 60).reaches(pose((0, 0, 0), (90, 0, 0)), 1.0, 1.0)

    def test_a_start_from_rest_is_no_jump(self):
        assert not going(0.0).is_jump(pose((0.2, 0, 0), (20, 0, 0)), 0.1, 1.0)
        assert going(0.0).is_jump(pose((0.4, 0, 0)), 0.1, 1.0)

    def test_two_frames_of_one_stamp_do_no_harm(self):
        model = going(1.0)
        model.add_pose(3 * PERIOD, pose((9.0, 0, 0)))
        assert np.isfinite(model.twist()).all()


class TestContinuity:
    def test_staying_leaves_the_pose_and_moves_the_map(self):
        continuity = OdomFrame()
        shown, found = pose((1, 2, 3), (10, 0, 0)), pose((-4, 0, 1), (80, 5, 0))
        continuity.move_map(shown, found, SURE)
        assert continuity.to_odom(found) == pytest.approx(shown)
        continuity.blend(found, TWIST, 0.1, 1.0)
        assert continuity.to_odom(found) == pytest.approx(shown)
        onward = found @ pose((0.1, 0, 0))
        assert continuity.to_odom(onward) == pytest.approx(shown @ pose((0.1, 0, 0)))

    def test_its_covariance_stays_from_then_on(self):
        continuity = OdomFrame()
        continuity.move_map(pose(), pose((1, 0, 0), (90, 0, 0)), 4 * np.eye(6))
        along_x = np.diag([1.0, 0, 0, 0, 0, 0])
        covariance = continuity.covariance_of(pose(), along_x)
        # The map's x axis is odom's z axis.
        assert covariance.diagonal() == pytest.approx([4, 4, 5, 4, 4, 4])

    def test_a_glide_starts_where_the_pose_was_and_ends_where_the_camera_is(self):
        continuity = OdomFrame()
        shown, found = pose((1, 0, 0)), pose((1.5, 0.2, 0), (0, 5, 0))
        continuity.blend_from(shown, found)
        assert continuity.to_odom(found) == pytest.approx(shown)
        last, count = shown, 0
        while not np.array_equal(continuity.odom_from_map, np.eye(4)):
            continuity.blend(found, TWIST, 0.1, 1.0)
            here = continuity.to_odom(found)
            assert np.linalg.norm(here[:3, 3] - last[:3, 3]) < 0.1 + 1e-9
            assert degrees_between(here[:3, :3], last[:3, :3]) < np.degrees(0.02) + 1e-6
            last, count = here, count + 1
            assert count < 50
        assert continuity.to_odom(found) == pytest.approx(found)
        assert count == pytest.approx(max(0.54 / 0.1, np.radians(5) / 0.02), abs=1)

    def test_a_glide_that_only_turns_turns_no_faster_than_the_camera(self):
        continuity = OdomFrame()
        found = pose((1, 0, 0), (20, 0, 0))
        continuity.blend_from(pose((1, 0, 0)), found)
        last, steps = continuity.to_odom(found), []
        while not np.array_equal(continuity.odom_from_map, np.eye(4)):
            continuity.blend(found, TWIST, 0.1, 1.0)
            here = continuity.to_odom(found)
            steps.append(degrees_between(here[:3, :3], last[:3, :3]))
            last = here
            assert len(steps) < 50
        # 0.2 radians a second, in tenths of a second.
        assert max(steps) == pytest.approx(np.degrees(0.02), rel=1e-6)
        assert len(steps) == np.ceil(20 / np.degrees(0.02))

    def test_a_glide_in_a_glide_ends_at_the_first_ones_goal(self):
        continuity = OdomFrame()
        continuity.blend_from(pose((1, 0, 0)), pose((1.5, 0, 0)))
        continuity.blend(pose((1.5, 0, 0)), TWIST, 0.1, 1.0)
        continuity.blend_from(pose((1, 0, 0)), pose((2.0, 0, 0)))
        for _ in range(30):
            continuity.blend(pose((2.0, 0, 0)), TWIST, 0.1, 1.0)
        assert continuity.odom_from_map == pytest.approx(np.eye(4))

    def test_what_is_left_of_a_glide_is_in_the_covariance(self):
        continuity = OdomFrame()
        continuity.blend_from(pose((1, 0, 0)), pose((1.5, 0, 0)))
        covariance = continuity.covariance_of(pose((1.5, 0, 0)), np.zeros((6, 6)))
        assert covariance[0, 0] == pytest.approx(0.25)
        assert covariance[1, 1] == pytest.approx(0.0)

    def test_even_a_camera_that_rests_arrives(self):
        continuity = OdomFrame()
        continuity.blend_from(pose(), pose((0.5, 0, 0)))
        for _ in range(101):
            continuity.blend(pose((0.5, 0, 0)), np.zeros(6), 0.1, 1.0)
        assert np.array_equal(continuity.odom_from_map, np.eye(4))
