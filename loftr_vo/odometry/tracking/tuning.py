# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tuned constants of tracking, each with its measurement where one was kept.

They are no settings: after a change the tables of docs/accuracy.md are measured again. Ratios
without a unit are shares. Depth is the median depth of the scene. ATE is in percent of the path.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrackingTuning:
    """Constants of tracks, of the search for a reference, of rest and of loss."""

    # keyframe_tracks; whole recordings matched with them and without are in docs/accuracy.md
    # ("When the network sees a frame"). No figure was kept for a single one.

    # Cells of known and of unknown depth that are tracked, at most. ATE and time with 500
    # and 300 are in docs/accuracy.md ("How many cells are tracked").
    max_known_cells: int = 400
    max_unknown_cells: int = 200
    # Share of a new keyframe's cells whose depth must be known.
    min_carried_ratio: float = 0.4
    # Cells that the first pose is estimated from, at most and at least.
    max_pose_cells: int = 120
    min_pose_cells: int = 40
    # Pixels within which a cell agrees with the first pose, and the share that must.
    agreeing_pixels: float = 3.0
    min_agreeing_ratio: float = 0.6
    # Pyramidal Lucas-Kanade: side of the window in pixels, levels above the picture at least,
    # width in pixels of the coarsest one, iterations, step in pixels that ends them, and OpenCV's
    # threshold on texture. Of 600 pictures of a rendered room at 1280x720 and 30 Hz, with three
    # levels, the network had to match so many that 95 % were below 143 ms; with four 44 ms.
    window: int = 15
    least_levels: int = 3
    coarsest_width: int = 80
    iterations: int = 10
    least_step: float = 0.05
    least_eigenvalue: float = 1e-4
    # Pixels, standard deviation of such a track.
    track_sigma: float = 0.5
    # Pixels along an axis, standard deviation of a predicted position. As a prior of Lucas-Kanade
    # it hardly counts; it bounds how far from there a cell may be found.
    predicted_sigma: float = 2.0
    # Per square pixel, largest eigenvalue of the information below which a cell is not tracked.
    min_texture: float = 25.0
    # Cells that must be tracked, as a number and as a share of those that should be in view.
    min_tracked: int = 240
    min_tracked_ratio: float = 0.6
    # Share of the keyframe's cells in view, above which a live camera gets no new keyframe while
    # the last one is still refined or matched. Of 601 pictures at 30 Hz, on two slow cores, a
    # rendered room and redkitchen: 221 and 332 with odometry; with 0.6 189 and 172, since the new
    # keyframe has too few known depths to be tracked, and the network matches the next picture.
    min_overlap_while_busy: float = 0.8
    # Ratio of depth in the frame to that in the keyframe, below which a cell is not predicted.
    min_depth_ratio: float = 0.1

    # reference_search

    # Frames between two searches of old maps while a new one is tracked. Chosen by hand; no figure
    # kept.
    old_map_interval: int = 3
    # A place is recognised with so many times the inliers that a pose needs, or this share of the
    # keyframe's best, and with this share of the matches: two rooms may have the same door. Chosen
    # by hand; no figure kept.
    place_inlier_factor: int = 2
    place_inliers_of_best: float = 0.5
    place_inlier_ratio: float = 0.5

    # Seconds since a keyframe over which a gyroscope measures how the camera turned. Chosen by
    # hand: a keyframe of a camera that moves is rarely older.
    longest_measured_turn: float = 1.0

    # failure_reason

    # Share of the inliers expected, below which the view is another. Chosen by hand; the network
    # matches a few cells of any two pictures.
    jump_inlier_ratio: float = 0.1

    # stationary

    # Matches that two frames must share to be compared. Chosen by hand; no figure kept.
    min_shared_matches: int = 20
    # Pixels that three matches in four must move by for the camera to move without a fit. Chosen
    # by hand; noise does not reach it.
    clear_displacement: float = 3.0
    # Rounds of the robust affine fit. Chosen by hand; no figure kept.
    affine_rounds: int = 3
    # Radians of rotation from which on a camera may only rotate. Chosen by hand; no figure kept.
    min_rotation: float = 0.005
    # ``pure_rotation_ratio`` of ``pose.tuning`` for a camera that rotates already and sees no
    # known depth: its position is a guess anyway. Chosen by hand; no figure kept.
    pure_rotation_ratio_without_depth: float = 0.5
    # Standard deviations of the position within which it is held: to begin with, and once the
    # camera rotates, since depths get worse from keyframe to keyframe. Chosen by hand; on a turn
    # of 200 degrees the rotation's error is 0.03 degrees with both, 0.13 in the first 60 without.
    enter_rotation_sigmas: float = 6.0
    leave_rotation_sigmas: float = 12.0

    # motion_model

    # Tracked poses that the velocity is taken over: one step is noisy, a second is too long.
    # Chosen by hand; no figure kept.
    max_poses: int = 4
    # Multiples of the last speed that a camera can reach while not tracked, and above which a step
    # is a jump; the second also allows for a start from rest. Chosen by hand; no figure kept.
    max_speed_ratio: float = 3.0
    jump_speed_ratio: float = 10.0
    # The same at any speed: translation in depths and rotation in radians, per second unseen, and
    # per frame for a jump. Chosen by hand; no figure kept.
    max_speed_at_rest: tuple[float, float] = (0.05, 0.35)
    jump_at_rest: tuple[float, float] = (0.25, 0.5)

    # camera_step

    # Share of the variance of a pose against its keyframe that is an error of the step itself.
    # First for a step between two frames: their poses share the keyframe's errors, which cancel.
    # Second for a step from the keyframe itself: what accumulates from keyframe to keyframe is
    # not an error of one step. On rendered rooms and streets (seeds 5 to 12), covered lenses and
    # relocalisations included, 85 % of 328 normalised errors are within their 95 % bounds and 6 %
    # above. With 0.1 and 0.25 it is 84 % and 11 %.
    own_error_ratio: float = 0.13
    own_error_ratio_from_keyframe: float = 0.33

    # odom_frame

    # Least speed at which the pose in odom is blended back: depths a second and radians a second.
    # Chosen by hand; no figure kept.
    min_blending_speed: tuple[float, float] = (0.05, 0.2)

    # relocalisation

    # Growth of the standard deviation while lost, in depths a second and radians a second. Chosen
    # by hand; no figure kept.
    lost_drift: float = 0.5
    # Seconds, least time lost in that. Chosen by hand; no figure kept.
    min_seconds_lost: float = 0.1

    # dead_reckoning

    # Of an odometry that does not state how its covariance grows: standard deviation of the
    # position along an axis, as a share of the way. The root mean square error of the rendered
    # wheels, which slip 8 % of the time, is 14 to 15 % of ways of 1.6 to 6 m (12 rooms and
    # streets).
    wheel_way_share: float = 0.1
    # The same of the rotation, as a share of the angle and in radians a metre. Chosen by hand: the
    # rendered wheels have 0.4 % and 0.002 (90th and 95th percentile); real ones slip in turns.
    wheel_angle_share: float = 0.05
    wheel_turn_per_metre: float = 0.02
    # Standard deviation of the velocity by wheels that stand still, in metres and radians a
    # second. Chosen by hand; no figure kept.
    wheel_rest_sigma: tuple[float, float] = (0.02, 0.02)


TUNING = TrackingTuning()
