# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Sub-pixel positions of matches: the network's and Lucas-Kanade's, weighted by information.

The network works on a smaller picture and is exact to a fraction of a pixel there. Iterative
Lucas-Kanade (Bouguet 2001, in OpenCV) starts from its match. On the full picture it is exact to a
tenth of a pixel across an edge, and does not constrain the position along it. Its information
matrix follows from the structure tensor of the window (Förstner and Gülch 1987). The result is the
information-weighted mean of both positions: Lucas-Kanade decides across edges, the network along
them and where there is no texture. The information of Lucas-Kanade is reduced where the aligned
windows differ, by blur, light or perspective.

Lucas-Kanade tracks a window, not a point. Where the window also scales or shears between the
pictures, the shift is that of its texture. So the point of a match is the centre of the texture,
up to half a window from the window's own centre.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
from loftr_vo.imaging.image_quality import noise_of
from loftr_vo.matching.matches import Matches
from loftr_vo.matching.optical_flow import FlowOptions, optical_flow
from loftr_vo.matching.tuning import TUNING

WINDOW = TUNING.window
_LEVELS = 0  # of the pyramid, beside the picture itself: the network's match is near enough
_FORWARD = FlowOptions(
    WINDOW, _LEVELS, TUNING.iterations, TUNING.least_step, TUNING.least_eigenvalue
)
_BACK = replace(_FORWARD, iterations=TUNING.iterations_back, least_step=TUNING.least_step_back)
# Steps small enough for the initial position to be forgotten.
_ALONE = replace(_FORWARD, iterations=30, least_step=0.01)
# Of a normal variable: the ratio of the variance to the squared mean absolute value.
_SQUARED_OVER_MEAN_ABSOLUTE = np.pi / 2


@dataclass(frozen=True, eq=False)
class LocatedMatches:
    """Positions of N points in another picture, with their information.

    Attributes:
        points: (N, 2) float64, pixels of the second picture.
        information: (N, 2, 2), inverse covariance of the points, per square pixel.
        tracked: (N,) bool, where Lucas-Kanade contributes.
    """

    points: np.ndarray
    information: np.ndarray
    tracked: np.ndarray

    def select(self, chosen: np.ndarray) -> LocatedMatches:
        """Return the points of ``chosen``, a mask or indices."""
        return LocatedMatches(self.points[chosen], self.information[chosen], self.tracked[chosen])


@dataclass(frozen=True, eq=False)
class Texture:
    """The texture in Lucas-Kanade's window around N points.

    Attributes:
        information: (N, 2, 2) of a displacement, per square pixel: the structure tensor over the
            window less the part of the noise, over the variance of the noise; positive
            semi-definite.
        centre: (N, 2) pixels from the points to the texture's centre of gravity.
        noise: (N,) standard deviation of a pixel, in grey levels of the contrast-normalised
            picture.
    """

    information: np.ndarray
    centre: np.ndarray
    noise: np.ndarray

    def select(self, chosen: np.ndarray) -> Texture:
        """Return the texture of the points of ``chosen``, a mask or indices."""
        return Texture(self.information[chosen], self.centre[chosen], self.noise[chosen])


def texture_at(image: np.ndarray, points: np.ndarray) -> Texture:
    """Measure the texture around points (N, 2), in pixels, of an image (H, W) uint8."""
    grey = image.astype(np.float32)
    gradient_x = cv2.Scharr(grey, cv2.CV_32F, 1, 0, scale=1 / 32)
    gradient_y = cv2.Scharr(grey, cv2.CV_32F, 0, 1, scale=1 / 32)
    noise = max(TUNING.least_noise, noise_of(image))
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
    # The noise is part of the sums. It is uniform, which shifts the centre towards the window's.
    strength = np.maximum(tensor[:, 0, 0] + tensor[:, 1, 1], 1e-9)
    centre = np.column_stack(
        [moment[y, x] / strength for moment in _moments(squared_x + squared_y)]
    )
    values, vectors = np.linalg.eigh(tensor)
    values = np.maximum(values / noise**2 - TUNING.gradient_noise * WINDOW**2, 0.0)
    information = np.einsum('nij,nj,nkj->nik', vectors, values, vectors)
    return Texture(information, centre, noise * contrast_gain(grey)[y, x])


def _moments(strength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First moments of a picture (H, W) over the window around each pixel, along x and y."""
    uniform = np.ones(WINDOW, np.float32)
    ramp = np.arange(WINDOW, dtype=np.float32) - WINDOW // 2
    return (
        cv2.sepFilter2D(strength, cv2.CV_32F, ramp, uniform),
        cv2.sepFilter2D(strength, cv2.CV_32F, uniform, ramp),
    )


def locate(
    image0: np.ndarray, texture: Texture, image1: np.ndarray, matches: Matches
) -> LocatedMatches:
    """Find the matches' ``keypoints0`` in the second picture to sub-pixel.

    Args:
        image0: (H, W) uint8, first picture, contrast-normalised (``contrast_normalisation``).
        texture: of keypoints0, by ``texture_at`` from the first picture as the camera took it,
            where the noise is known.
        image1: (H, W) uint8, second picture, contrast-normalised.
        matches: of the network, in pixels of both.
    """
    network = network_locations(matches)
    if not len(matches):
        return network
    start = matches.keypoints1
    forward, found, dissimilarity = optical_flow(
        image0, image1, matches.keypoints0, start, _FORWARD
    )
    back, found_back, _ = optical_flow(
        image1, image0, forward, matches.keypoints0, _BACK, positions_only=True
    )
    returned = _across_edges(back - matches.keypoints0, texture.information)
    tracked = found & found_back & (returned < TUNING.largest_return)
    information = _information(texture, np.where(found, dissimilarity, 0.0))
    moved = (forward - start).astype(np.float64)
    variance = 1 / network.information[:, 0, 0]
    tracked &= _mahalanobis_distance(moved, information, variance) < TUNING.gate
    information = information * tracked[:, None, None]
    total = information + network.information
    shift = solve(total, multiply(information, moved))
    return LocatedMatches(start + shift, total, tracked)


def locate_alone(
    image0: np.ndarray,
    texture: Texture,
    image1: np.ndarray,
    points: np.ndarray,
    start: np.ndarray,
) -> LocatedMatches:
    """Find points in the second picture by Lucas-Kanade alone, whatever was expected of them.

    Args:
        image0, texture, image1: as of ``locate``.
        points: (N, 2) pixels of the first picture.
        start: (N, 2) pixels of the second, where it begins; the result does not lean on them.
    """
    moved, found, dissimilarity = optical_flow(image0, image1, points, start, _ALONE)
    information = _information(texture, np.where(found, dissimilarity, 0.0))
    return LocatedMatches(moved.astype(np.float64), information, found)


def network_locations(matches: Matches) -> LocatedMatches:
    """Return the network's positions, with the information that follows from their spread."""
    # The spread is of both axes together, the variance of one.
    variance = np.maximum(matches.spread.astype(np.float64) ** 2 / 2, TUNING.network_sigma**2)
    return LocatedMatches(
        matches.keypoints1.astype(np.float64),
        np.eye(2) / variance[:, None, None],
        np.zeros(len(matches), bool),
    )


def _information(texture: Texture, dissimilarity: np.ndarray) -> np.ndarray:
    """Information (N, 2, 2) of windows that differ by (N,) grey levels in the mean.

    Part of the difference is the noise of both pictures. The rest, by blur or a shadow, is
    correlated over ``TUNING.dissimilar_pixels`` neighbouring pixels, where noise averages out. A
    model error of ``TUNING.model_sigma`` pixels is added.
    """
    noise = 2 * texture.noise**2
    squared = _SQUARED_OVER_MEAN_ABSOLUTE * dissimilarity.astype(np.float64) ** 2
    beyond = TUNING.dissimilar_pixels * np.maximum(squared - noise, 0.0)
    information = texture.information * (noise / (noise + beyond))[:, None, None]
    return with_variance_added(information, TUNING.model_sigma**2)


def _across_edges(difference: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """Length (N,) in pixels of differences (N, 2), weighted by information in each direction."""
    largest = np.maximum(largest_eigenvalue(texture), 1e-9)
    return np.sqrt(quadratic_form(texture, difference) / largest)


def _mahalanobis_distance(
    difference: np.ndarray, information: np.ndarray, network_variance: np.ndarray
) -> np.ndarray:
    """Length (N,) of differences (N, 2) between both positions, in standard deviations."""
    joint = with_variance_added(information, network_variance)
    return np.sqrt(quadratic_form(joint, difference))
