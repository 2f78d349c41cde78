# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tuned constants of pose estimation, each with its measurement where one was kept.

They are no settings: after a change the tables of docs/accuracy.md are measured again. Ratios
without a unit are shares. ATE is in percent of the path.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PoseTuning:
    """Constants of ``frame_pose``, ``static_scene``, ``pose_refinement`` and the others."""

    # frame_pose

    # Fewest matches of known depth that give the translation its length. Chosen by hand; no
    # figure kept.
    min_known_depths: int = 15
    # Sub-pixel matches that are enough for a pose; with more, those that Lucas-Kanade did not
    # refine are left out. Chosen by hand; no figure kept.
    sufficient_matches: int = 150
    # Matches that a pose is refined on at most. With all of them (some 2000) the errors of the
    # rendered sequences differ by less than 1 %, and the solve takes twice as long.
    max_matches: int = 1000
    # Inlier ratio above which RANSAC is skipped. With the skip a plain frame of redkitchen takes
    # 18 ms and not 27; ATE of kitti06 0.03, tum_fr2_desk 0.75, fountain 0.02, redkitchen 1.93 %
    # with and without.
    clear_inlier_ratio: float = 0.75
    # Multiple of the threshold within which a match is an inlier of a motion by known depths.
    # Chosen by hand; no figure kept.
    loose_threshold_ratio: float = 2.0
    # Ratio of baseline to median depth below which errors of depth dominate the direction of the
    # translation. With this case, a frame's geometry on tum_fr2_desk takes 2.6 ms and not 3.6;
    # redkitchen's ATE 1.63 for 1.57 %, its rotation 0.092 for 0.104 degrees.
    min_baseline_ratio: float = 0.01
    # Radians of rotation, and of the translation over the median depth, between a pose and its
    # prediction, from which on other starts are tried. Chosen by hand; without other starts one
    # of five seeds ended 15 degrees off after a second of darkness.
    max_prediction_error: float = 0.01

    # static_scene

    # Consecutive frames in which a cell's depth must have agreed for it to vote. Chosen by hand;
    # no figure kept.
    min_agreements: int = 3
    # Cells that must vote. Chosen by hand; no figure kept.
    min_voting_cells: int = 15
    # Share of the voting cells that the essential matrix explains, above which no other motion is
    # searched for. Chosen by hand; no figure kept.
    uncontested_ratio: float = 0.9
    # The motion by depth must explain so many times as many of these cells. Chosen by hand; no
    # figure kept.
    clear_support_ratio: float = 1.08
    # Multiple of the threshold for cells of known depth: the depths have errors of their own.
    # Chosen by hand; no figure kept.
    depth_threshold_ratio: float = 3.0
    # RANSAC of P3P: its confidence, and the iterations at most. Chosen by hand; no figure kept.
    p3p_confidence: float = 0.999
    p3p_iterations: int = 200

    # pose_refinement

    # Iterations at most: of pose and depths, of a rotation alone, and of the approach by known
    # depths, which takes four or five from afar, where the full solve took twelve.
    pose_iterations: int = 12
    rotation_iterations: int = 5
    approach_iterations: int = 10
    # Length of a step in standard deviations, below which the iteration ends: each step leaves
    # about a quarter of the error. Chosen by hand; no figure kept.
    last_step_sigmas: float = 0.5
    # Standard deviations within which a match is an inlier whatever its pixels. Chosen by hand; no
    # figure kept.
    inlier_sigmas: float = 2.5
    # Standard deviations of inverse depth by which a cell is behind the camera. Chosen by hand; no
    # figure kept.
    behind_sigmas: float = 3.0

    # initialisation; chosen together on the slow recordings of docs/accuracy.md ("Slow
    # recordings"), before and after: tum_fr2_desk 1.35 (worst 8.08) and 1.35 (2.60) %, four rooms
    # at 120 Hz 0.13 to 1.28 (0.49 to 3.58) and 0.09 to 0.13 (0.21 to 0.82) %.

    # Relative standard deviation of the guessed depth, and of how many independent surfaces the
    # guesses of all cells are worth.
    guessed_depth_sigma: float = 0.5
    independent_surfaces: int = 20
    # A camera only rotates if the errors along the epipolar lines are no larger than so many times
    # those across them. With it, 190 degrees of rotation from the first frame on end 0.06 to 0.08
    # degrees off, and 0.13 to 0.24 before.
    max_anisotropy: float = 2.5
    # Ratio of the way to rotation times median depth below which a camera only rotates. Chosen by
    # hand; on a turn of 200 degrees the rotation's error is 0.03 degrees with the position held,
    # and 0.13 in the first 60 without.
    pure_rotation_ratio: float = 0.05
    # Factor by which the translation is changed at most to have the median depth the assumed one.
    max_scale_correction: float = 2.0
    # Median error in standard deviations below which rotation alone explains the matches; noise
    # alone leaves 1.18, and the perspective of a rotation adds to it.
    rotation_only_error: float = 2.0
    # Standard deviations from which on a match is left out of the second solve for first depths.
    # Chosen by hand; no figure kept.
    outlier_sigmas: float = 3.0
    # Share of the cells that must be in front of both cameras for first depths. Chosen by hand; no
    # figure kept.
    min_in_front_ratio: float = 0.75

    # two_view

    # Matches used by the robust fit after USAC. It is still exact with 42 % of outliers.
    polish_matches: int = 300
    # Cost by which a motion from another start must be better than that of the essential matrix,
    # in variances of a match: a likelihood e^10 times as high.
    other_start_gain: float = 20.0
    # Standard deviations of a match that the threshold in pixels is taken for. Chosen by hand; no
    # figure kept.
    threshold_sigmas: float = 3.0


TUNING = PoseTuning()
