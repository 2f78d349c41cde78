# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Sub-pixel matches on the full picture: the network's word and Lucas-Kanade's, fused.

The network works on a smaller picture and its fine stage ends at a fraction of a pixel there.
Iterative Lucas-Kanade (Bouguet 2001, OpenCV's) from that match reaches a tenth of a pixel of the
camera across every edge it sees, and nothing along it. How sure it is in each direction follows
from the texture around the point (Förstner and Gülch 1987), so both are fused by their
information: across edges Lucas-Kanade counts, along them and where there is none the network.
The less alike both windows are once they lie on each other, by blur, light or perspective, the
less Lucas-Kanade counts.

What it follows is a window and not a point. Where the window also grows or shears from one
picture to the other, the shift found is that of its texture, so the point it belongs to is the
centre of the texture, up to half a window from the window's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from loftr_vo.geometry.matrix2x2 import (
    largest_eigenvalue,
    multiply,
    quadratic_form,
    solve,
    with_variance_added,
)
from loftr_vo.imaging.contrast_normalisation import contrast_gain
from loftr_vo.matching.matches import Matches

WINDOW = 15  # pixels, that Lucas-Kanade looks at
_LEVELS = 0  # above the picture itself: the network is near enough
_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03)
# The way back only has to show that it leads back: to a tenth of what is allowed.
_CRITERIA_BACK = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.05)
# Pixels, across the edges, between a point and where tracking there and back brings it.
_LARGEST_RETURN = 0.5
# OpenCV's threshold on texture; low, since what texture tells is weighed here.
_LEAST_EIGENVALUE = 1e-6
# What texture does not tell: perspective and light change within the window, in pixels.
_MODEL_SIGMA = 0.1
# Pixels of a window whose difference, beyond noise, is one and the same error.
_MAX_DISSIMILARITY = 25
_NETWORK_SIGMA = 0.2  # pixels along an axis; the network is not surer than this, whatever it says
_LEAST_NOISE = 1.0  # grey levels; rounding, interpolation, compression
_CONSISTENT = 3.0  # standard deviations between both words
# What noise adds to the squared gradient: the sum of squares of the Scharr kernel, 0.23, and half
# as much again, since it differs from window to window and none may pass for texture.
_SCHARR_NOISE = 0.345
# Immerkær's mask (Fast Noise Variance Estimation, 1996): blind to edges, six times the noise.
_NOISE_MASK = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


@dataclass(frozen=True, eq=False)
class LocatedMatches:
    """Where N points of one picture lie in another, and how sure that is.

    Attributes:
        points: (N, 2) float64, pixels of the second picture.
        information: (N, 2, 2), inverse covariance of the points, per square pixel.
        tracked: (N,) bool, where Lucas-Kanade had a say.
    """

    points: np.ndarray
    information: np.ndarray
    tracked: np.ndarray

    def select(self, chosen: np.ndarray) -> LocatedMatches:
        """Return those that the mask or the indices ``chosen`` name."""
        return LocatedMatches(self.points[chosen], self.information[chosen], self.tracked[chosen])


@dataclass(frozen=True, eq=False)
class Texture:
    """What Lucas-Kanade can see around N points.

    Attributes:
        information: (N, 2, 2) of a displacement, per square pixel: the structure tensor over the
            window, with the noise's part taken off, over the variance of the noise; not below
            zero in any direction.
        centre: (N, 2) pixels from the points to the texture's centre of gravity.
        noise: (N,) its standard deviation in grey levels of the picture in even light.
    """

    information: np.ndarray
    centre: np.ndarray
    noise: np.ndarray

    def select(self, chosen: np.ndarray) -> Texture:
        """Return that of the points that the mask or the indices ``chosen`` name."""
        return Texture(self.information[chosen], self.centre[chosen], self.noise[chosen])


def texture_at(image: np.ndarray, points: np.ndarray) -> Texture:
    """Measure the texture around points (N, 2), in pixels, of an image (H, W) uint8."""
    grey = image.astype(np.float32)
    gradient_x = cv2.Scharr(grey, cv2.CV_32F, 1, 0, scale=1 / 32)
    gradient_y = cv2.Scharr(grey, cv2.CV_32F, 0, 1, scale=1 / 32)
    response = np.abs(cv2.filter2D(grey, cv2.CV_32F, _NOISE_MASK))
    # The median of a normal variable's absolute value is 0.6745 of its standard deviation.
    noise = max(_LEAST_NOISE, float(np.median(response)) / (6 * 0.6745))
    x, y = np.clip(points.round().astype(int), 0, np.array(image.shape[::-1]) - 1).T
    squared_x, squared_y = gradient_x * gradient_x, gradient_y * gradient_y
    tensor = np.empty((len(points), 2, 2))
    for row, column, product in (
        (0, 0, squared_x),
        (0, 1, gradient_x * gradient_y),
        (1, 1, squared_y),
    ):
        total = cv2.boxFilter(product, cv2.CV_32F, (WINDOW, WINDOW), normalize=False)
        tensor[:, row, column] = tensor[:, column, row] = total[y, x]
    # Noise is everywhere alike, so its part in the sum draws the centre to the window's own.
    strength = np.maximum(tensor[:, 0, 0] + tensor[:, 1, 1], 1e-9)
    centre = np.column_stack(
        [moment[y, x] / strength for moment in _moments(squared_x + squared_y)]
    )
    values, vectors = np.linalg.eigh(tensor)
    values = np.maximum(values / noise**2 - _SCHARR_NOISE * WINDOW**2, 0.0)
    information = np.einsum('nij,nj,nkj->nik', vectors, values, vectors)
    return Texture(information, centre, noise * contrast_gain(grey)[y, x])


def _moments(strength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First moments of a picture (H, W) over the window around each pixel, along x and y."""
    even = np.ones(WINDOW, np.float32)
    ramp = np.arange(WINDOW, dtype=np.float32) - WINDOW // 2
    return (
        cv2.sepFilter2D(strength, cv2.CV_32F, ramp, even),
        cv2.sepFilter2D(strength, cv2.CV_32F, even, ramp),
    )


def locate(
    image0: np.ndarray, texture: Texture, image1: np.ndarray, matches: Matches
) -> LocatedMatches:
    """Find the matches' ``keypoints0`` in the second picture to sub-pixel.

    Args:
        image0: (H, W) uint8, first picture in even light (``light``).
        texture: what ``texture_at`` says of keypoints0 in the first picture, as the camera took
            it: noise is known there.
        image1: (H, W) uint8, second picture in even light.
        matches: of the network, in pixels of both.
    """
    network = network_locations(matches)
    if not len(matches):
        return network
    start = matches.keypoints1
    forward, found, dissimilarity = _track(image0, image1, matches.keypoints0, start, _CRITERIA)
    back, found_back, _ = _track(
        image1, image0, forward, matches.keypoints0, _CRITERIA_BACK, positions_only=True
    )
    returned = _across_edges(back - matches.keypoints0, texture.information)
    tracked = found & found_back & (returned < _LARGEST_RETURN)
    information = _limit_by_dissimilarity(texture, np.where(found, dissimilarity, 0.0))
    information = with_variance_added(information, _MODEL_SIGMA**2)
    moved = (forward - start).astype(np.float64)
    tracked &= _distance(moved, information, 1 / network.information[:, 0, 0]) < _CONSISTENT
    information = information * tracked[:, None, None]
    total = information + network.information
    shift = solve(total, multiply(information, moved))
    return LocatedMatches(start + shift, total, tracked)


def network_locations(matches: Matches) -> LocatedMatches:
    """Take the network's word alone."""
    # The spread is of both axes together, the variance of either.
    variance = np.maximum(matches.spread.astype(np.float64) ** 2 / 2, _NETWORK_SIGMA**2)
    return LocatedMatches(
        matches.keypoints1.astype(np.float64),
        np.eye(2) / variance[:, None, None],
        np.zeros(len(matches), bool),
    )


def _limit_by_dissimilarity(texture: Texture, dissimilarity: np.ndarray) -> np.ndarray:
    """Information (N, 2, 2) of windows that differ by (N,) grey levels in the mean.

    That much follows from the noise of both pictures. What is beyond has the windows' own scale:
    an edge more blurred in one than in the other, a shadow. It adds up over neighbouring pixels,
    where noise averages out.
    """
    noise = 2 * texture.noise**2
    # A normal variable's mean absolute value is sqrt(2 / pi) of its standard deviation.
    beyond = np.maximum(np.pi / 2 * dissimilarity.astype(np.float64) ** 2 - noise, 0.0)
    return texture.information * (noise / (noise + _MAX_DISSIMILARITY * beyond))[:, None, None]


def _across_edges(difference: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Length (N,) in pixels of differences (N, 2); directions count by how sure they are."""
    surest = np.maximum(largest_eigenvalue(texture), 1e-9)
    return np.sqrt(quadratic_form(texture, difference) / surest)


def _distance(
    difference: np.ndarray, information: np.ndarray, network_variance: np.ndarray
) -> np.ndarray:
    """Difference (N, 2) of both words in standard deviations of it, (N,)."""
    joint = with_variance_added(information, network_variance)
    return np.sqrt(quadratic_form(joint, difference))


def _track(
    image0: np.ndarray,
    image1: np.ndarray,
    points: np.ndarray,
    start: np.ndarray,
    criteria: tuple[int, int, float],
    *,
    positions_only: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Follow points (N, 2) from the first picture to the second, where they start at others.

    Returns:
        (N, 2) places; (N,) whether they were found; and (N,) by how many grey levels the windows
        then differ in the mean, which means nothing where only places were asked for: to sum that
        up is a tenth of the time.
    """
    flags = cv2.OPTFLOW_USE_INITIAL_FLOW
    if positions_only:
        flags |= cv2.OPTFLOW_LK_GET_MIN_EIGENVALS
    moved, found, dissimilarity = cv2.calcOpticalFlowPyrLK(
        image0,
        image1,
        points[:, None],
        start[:, None].copy(),
        winSize=(WINDOW, WINDOW),
        maxLevel=_LEVELS,
        criteria=criteria,
        flags=flags,
        minEigThreshold=_LEAST_EIGENVALUE,
    )
    return moved[:, 0], found[:, 0] > 0, dissimilarity[:, 0]
