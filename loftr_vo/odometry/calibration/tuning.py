# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Tuned constants of the check of the calibration, each with its measurement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CalibrationTuning:
    """Constants of the equations of a pair, of their sum, and of the alarm."""

    # pair_equations

    # Rounds in which the motion is fitted and the residuals are weighted anew. Chosen by hand; no
    # figure kept.
    motion_rounds: int = 2
    weight_rounds: int = 3
    # Information of a match that noise alone can make: on 20 pairs of a straight drive through a
    # fisheye it was 0.3 to 1, and with it the focal length came out 90 % short.
    noise_information: float = 25.0
    # Smallest spread of the residuals, in standard deviations of the matcher. Chosen by hand, for
    # exact matches; no figure kept.
    min_spread: float = 0.02
    # Standard deviations of the parameters before anything is measured: a tenth of the focal
    # length, and a tenth of the corner's distance. Chosen by hand; no figure kept.
    prior: tuple[float, float] = (0.1, 0.1)

    # keyframe_pair

    # Pixels, largest difference from the position that the map has. Chosen by hand; no figure
    # kept.
    max_correction: float = 3.0

    # calibration_check

    # Matches of a pair at most, evenly selected, and at least. Chosen by hand; no figure kept.
    max_matches: int = 150
    min_matches: int = 50
    # Degrees, median parallax at least: without it the direction of motion is not determined.
    # Chosen by hand; no figure kept.
    min_parallax: float = 0.5
    # Pairs of a stretch, stretches kept, and stretches that a statement needs. Chosen by hand; no
    # figure kept.
    pairs_per_stretch: int = 4
    max_stretches: int = 30
    min_stretches: int = 3

    # stretches

    # Error that the matches of a stretch have in common, as a share of their spread: with 0.05 the
    # focal length of redkitchen is 13.4 % too long by 4.5 standard deviations, with 0.1 by 2.5.
    shared_error: float = 0.1

    # alarm

    # Errors that are warned of, as shares of the focal length and of half of the diagonal, and
    # standard deviations that they have to be. With right calibrations the focal length is off by
    # 1.2 % and 4 standard deviations on euroc_mh05_b, and less sure elsewhere.
    min_focal_error: float = 0.02
    min_corner_error: float = 0.015
    min_sigmas: float = 4.0


TUNING = CalibrationTuning()
