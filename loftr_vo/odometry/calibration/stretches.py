# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The error of a calibration from the equations of many pairs, with an honest covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loftr_vo.odometry.calibration.pair_equations import CalibrationEquations
from loftr_vo.odometry.calibration.tuning import TUNING


@dataclass(frozen=True, eq=False)
class CalibrationError:
    """The error of a calibration: focal length, distortion; see ``pixel_shifts``.

    Attributes:
        error: (2,).
        sigma: (2,), standard deviations.
        smallest: (2,), what is nearest to zero of the errors without one of the stretches; zero
            where their signs differ.
    """

    error: np.ndarray
    sigma: np.ndarray
    smallest: np.ndarray


def summed(pairs: Sequence[CalibrationEquations]) -> CalibrationEquations:
    """Add up the pairs of a stretch, whose matches share errors.

    Neighbouring matches err alike: by perspective, light, a slightly wrong pose, a rolling
    shutter. The error that N matches of spread 1 have in common has the standard deviation s,
    ``shared_error``, so their mean has the variance (1 + N s^2) / N instead of 1 / N.
    """
    count = sum(pair.count for pair in pairs)
    inflation = 1 + count * TUNING.shared_error**2
    information = np.sum([pair.information for pair in pairs], axis=0) / inflation
    gradient = np.sum([pair.gradient for pair in pairs], axis=0) / inflation
    return CalibrationEquations(information, gradient, count)


def solve(stretches: Sequence[CalibrationEquations]) -> CalibrationError:
    """Return the error of the calibration by M stretches, at least two.

    Its standard deviation is that of the equations or that of the scatter between stretches
    (jackknife, Efron and Stein 1981), whichever is larger.
    """
    information = np.stack([stretch.information for stretch in stretches])
    gradient = np.stack([stretch.gradient for stretch in stretches])
    prior = np.diag(np.array(TUNING.prior) ** -2.0)
    covariance = np.linalg.inv(information.sum(axis=0) + prior)
    error = covariance @ gradient.sum(axis=0)
    without = np.linalg.solve(
        information.sum(axis=0) - information + prior,
        (gradient.sum(axis=0) - gradient)[:, :, None],
    )[:, :, 0]
    count = len(stretches)
    scatter = (count - 1) * np.mean((without - without.mean(axis=0)) ** 2, axis=0)
    sigma = np.sqrt(np.maximum(np.diag(covariance), scatter))
    agree = np.abs(np.sign(without).sum(axis=0)) == count
    smallest = np.where(agree, np.sign(error) * np.abs(without).min(axis=0), 0.0)
    return CalibrationError(error, sigma, smallest)
