# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A keyframe: a frame that others are matched to, and the depth of what it sees.

LoFTR leaves the first picture's points on its coarse grid, so a cell of the keyframe is the same
point in every frame matched to it. Depth is kept for each cell, as inverse depth with a variance.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import block_diag
from scipy.spatial import cKDTree

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.epipolar import rays_from_points
from loftr_vo.geometry.matrix2x2 import whitening
from loftr_vo.geometry.rigid_motion import transform
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.lucas_kanade import (
    LocatedMatches,
    Texture,
    locate,
    network_locations,
    texture_at,
)
from loftr_vo.matching.matcher import EncodedImage
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.pose.pose_refinement import Observations
from loftr_vo.odometry.rolling_shutter.model import (
    NO_ROTATION,
    share_of_readout,
    to_middle_row,
)

if TYPE_CHECKING:
    from loftr_vo.odometry.map.motion import Motion

# A cell's depth counts as known under this relative standard deviation.
_KNOWN_SIGMA = 0.3
# Relative standard deviation, of nothing known but the scene's usual depth.
_UNKNOWN_SIGMA = 10.0
# The same in the window's refinement, where it only keeps depths finite.
_LOOSE_SIGMA = 30.0
_FILTERED_DEPTH_INFLATION = 20.0
_NEIGHBOURS = 4
# Neighbours whose inverse depths differ by more, relatively, lie on different surfaces.
_MAX_RELATIVE_SPREAD = 0.15


@dataclass(frozen=True)
class Link:
    """M cells of a keyframe seen in another one.

    Attributes:
        other: the other keyframe.
        cells: (M,) int64, each at most once.
        rays1: (M, 3), where they are seen in the other.
        whitening: (M, 2, 2), see ``Observations``.
    """

    other: Keyframe
    cells: np.ndarray
    rays1: np.ndarray
    whitening: np.ndarray

    def thinned(self, most: int) -> Link:
        """Return it with so many cells at most, evenly from among them."""
        count = len(self.cells)
        if count <= most:
            return self
        chosen = np.argsort(self.cells)[np.arange(most) * count // most]
        return Link(self.other, self.cells[chosen], self.rays1[chosen], self.whitening[chosen])


@dataclass
class Keyframe:
    """A keyframe and what is known of it; C is the number of coarse cells.

    Attributes:
        number: counts the keyframes, from 0.
        frame: the frame itself.
        encoded: its features.
        pose: (4, 4), world from keyframe.
        covariance: (7, 7) of the pose and the scale, see ``uncertainty``.
        reference_depth: median depth of the scene, in the odometry's unit.
        refined: whether matches are refined to sub-pixel on the picture.
        texture: around the cells' centres.
        offsets: (C, 2) pixels, from the cells' centres to the points that they stand for: where
            matches are refined, the centres of their texture.
        rays: (C, 3), rays of these points, lens distortion and rolling shutter taken out.
        inverse_depth: (C,).
        variance: (C,), of the inverse depth.
        agreement_count: (C,) int, in how many frames in a row the depth agreed with the motion,
            those of the keyframes before included.
        filtered_depth, filtered_variance: (C,), see ``store_filtered_depth``.
        best_inliers: most inliers that any frame had with it.
        age: frames matched with it so far.
        readout_rotation: (3,) radians, see ``rolling_shutter``.
        angular_velocity: (3,) radians a second, how the camera turns, in its own axes.
        links: where its cells are seen in other keyframes.
    """

    number: int
    frame: Frame
    encoded: EncodedImage
    pose: np.ndarray
    covariance: np.ndarray
    reference_depth: float
    refined: bool = True
    best_inliers: int = 0
    age: int = 0
    readout_rotation: np.ndarray = field(default_factory=lambda: NO_ROTATION)
    angular_velocity: np.ndarray = field(default_factory=lambda: NO_ROTATION)
    links: list[Link] = field(default_factory=list)
    texture: Texture = field(init=False)
    offsets: np.ndarray = field(init=False)
    rays: np.ndarray = field(init=False)
    inverse_depth: np.ndarray = field(init=False)
    variance: np.ndarray = field(init=False)
    agreement_count: np.ndarray = field(init=False)
    filtered_depth: np.ndarray = field(init=False)
    filtered_variance: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        centres = self.encoded.cell_centres()
        self.texture = texture_at(self.frame.image, centres)
        self.offsets = self.texture.centre if self.refined else np.zeros_like(centres)
        self.set_readout_rotation(self.readout_rotation)
        self.reset_depth(self.reference_depth)

    def set_readout_rotation(self, readout_rotation: np.ndarray) -> None:
        """Recompute the rays for a rotation (3,) during the readout of the rows."""
        self.readout_rotation = readout_rotation
        points = self.encoded.cell_centres() + self.offsets
        self.rays = _rays(points, self.frame.camera, readout_rotation)

    def reset_depth(self, reference_depth: float) -> None:
        """Know no more than that every cell is somewhere about the usual depth."""
        self.reference_depth = reference_depth
        self.inverse_depth = np.full(len(self.rays), 1 / reference_depth)
        self.variance = np.full(len(self.rays), (_UNKNOWN_SIGMA / reference_depth) ** 2)
        self.agreement_count = np.zeros(len(self.rays), int)
        self._best_measured = np.full(len(self.rays), np.inf)
        self.filtered_depth = self.inverse_depth.copy()
        self.filtered_variance = np.full(len(self.rays), (_LOOSE_SIGMA / reference_depth) ** 2)

    def observed(
        self,
        cells: np.ndarray,
        located: LocatedMatches,
        camera: Camera,
        readout_rotation: np.ndarray = NO_ROTATION,
    ) -> Observations:
        """Join where cells are seen in another picture with what is known of them.

        Args:
            cells: (N,) of this keyframe.
            located: where their centres are in the other picture.
            camera: of the other picture.
            readout_rotation: (3,) radians, of the other picture.
        """
        places = located.points + self.offsets.take(cells, axis=0)
        return Observations(
            self.rays.take(cells, axis=0),
            _rays(places, camera, readout_rotation),
            whitening(located.information) * camera.focal,
            self.inverse_depth.take(cells),
            self.variance.take(cells),
        )

    def threshold(self, settings: GeometrySettings) -> float:
        """Return ``ransac_threshold`` in pixels of the camera.

        What is not refined on the full picture is as exact as the network's picture is fine.
        """
        return settings.ransac_threshold * max(
            1.0, self.encoded.image_pixels_per_network_pixel.mean()
        )

    @property
    def known(self) -> np.ndarray:
        """(C,) bool, cells whose depth is known well enough to give the scale."""
        return is_known(self.inverse_depth, self.variance)

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Known cells in the world, (P, 3), and how sure they are, (P,) in [0, 1]."""
        known = self.known
        depth = 1 / self.inverse_depth[known]
        in_camera = self.rays[known] * depth[:, None]
        relative = np.sqrt(self.variance[known]) * depth
        return in_camera @ self.pose[:3, :3].T + self.pose[:3, 3], 1 - relative / _KNOWN_SIGMA

    def move(self, rotation: np.ndarray, translation: np.ndarray, scale: float) -> None:
        """Put the keyframe and its depths into other coordinates: X' = scale R X + t.

        Args:
            rotation: (3, 3).
            translation: (3,), in the new unit.
            scale: new units in an old one.
        """
        position = scale * rotation @ self.pose[:3, 3] + translation
        self.pose = transform(rotation @ self.pose[:3, :3], position)
        adjoint = block_diag(scale * rotation, rotation, 1.0)
        self.covariance = adjoint @ self.covariance @ adjoint.T
        self.reference_depth *= scale
        self.inverse_depth = self.inverse_depth / scale
        self.filtered_depth = self.filtered_depth / scale
        for variance in (self.variance, self.filtered_variance, self._best_measured):
            variance /= scale**2

    def update_reference_depth(self) -> None:
        """Take the median depth of the known cells, where there are enough to have one."""
        known = self.known
        if known.sum() >= 10:
            self.reference_depth = float(1 / np.median(self.inverse_depth[known]))

    def update_depth(self, motion: Motion) -> None:
        """Take over the depths that a motion measured.

        Errors of one match are alike from frame to frame, so many frames from one place do not
        make a depth as sure as their number says: its variance stays above a quarter of the best
        single measurement's.
        """
        inliers = motion.inliers & (motion.inverse_depth > 0)
        cells = motion.matches.cells[inliers]
        best = np.minimum(self._best_measured[cells], motion.measured_variance[inliers])
        self._best_measured[cells] = best
        self.inverse_depth[cells] = motion.inverse_depth[inliers]
        floor = np.maximum(motion.depth_variance[inliers], best)
        # A frame from the same place measures nothing, and what is known stays known.
        self.variance[cells] = np.minimum(self.variance[cells], floor)
        self.agreement_count[motion.matches.cells[~motion.inliers]] = 0
        self.agreement_count[cells] += 1
        self.update_reference_depth()

    def store_filtered_depth(self) -> None:
        """Hold on to what the frames between this keyframe and the next taught of depth.

        For the refinement of the window, which sees keyframes only. It is weighed little, since a
        part of it comes from matches that the window has as links too.
        """
        self.filtered_depth = self.inverse_depth.copy()
        self.filtered_variance = _FILTERED_DEPTH_INFLATION * self.variance

    def propagate_depth(
        self,
        points: np.ndarray,
        inverse_depths: np.ndarray,
        variances: np.ndarray,
        agreement_count: np.ndarray | None = None,
        only: np.ndarray | None = None,
    ) -> None:
        """Interpolate depth at the cells from points that lie between them.

        A cell takes the mean of its nearest neighbours, weighted by nearness; what they differ by
        adds to the variance, and where they lie on different surfaces the cell takes none.

        Args:
            points: (N, 2) pixels of this keyframe's picture.
            inverse_depths: (N,), seen from this keyframe.
            variances: (N,).
            agreement_count: (N,) int, see the attribute.
            only: (C,) bool, the cells that are to have it; all if not given.
        """
        if len(points) < _NEIGHBOURS:
            return
        places = self.encoded.cell_centres() + self.offsets
        cell_size = 8 * self.encoded.image_pixels_per_network_pixel.mean()
        distance, index = cKDTree(points).query(
            places, k=_NEIGHBOURS, distance_upper_bound=1.5 * cell_size
        )
        surrounded = np.isfinite(distance).all(axis=1)
        if only is not None:
            surrounded &= only
        distance, index = distance[surrounded], index[surrounded]
        weight = 1 / (distance + 0.1 * cell_size)
        weight /= weight.sum(axis=1, keepdims=True)
        values = inverse_depths[index]
        mean = np.sum(weight * values, axis=1)
        spread = np.sum(weight * (values - mean[:, None]) ** 2, axis=1)
        one_surface = np.sqrt(spread) < _MAX_RELATIVE_SPREAD * np.abs(mean)
        cells = np.flatnonzero(surrounded)[one_surface]
        self.inverse_depth[cells] = mean[one_surface]
        variance = np.sum(weight * variances[index], axis=1) + spread
        self.variance[cells] = variance[one_surface]
        if agreement_count is not None:
            # Surrounded by cells that agreed, and no longer than the least of them.
            self.agreement_count[cells] = agreement_count[index].min(axis=1)[one_surface]


def _rays(points: np.ndarray, camera: Camera, readout_rotation: np.ndarray) -> np.ndarray:
    """Rays (N, 3), z = 1, of pixels (N, 2), lens distortion and rolling shutter taken out."""
    rays = rays_from_points(camera.undistort(points))
    return to_middle_row(rays, share_of_readout(points[:, 1], camera.height), readout_rotation)


def is_known(inverse_depth: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Whether inverse depths (N,) of these variances (N,) are known well enough to be used."""
    return (inverse_depth > 0) & (variance < (_KNOWN_SIGMA * inverse_depth) ** 2)


def locate_matches(
    keyframe: Keyframe, frame: Frame, matches: Matches, settings: GeometrySettings
) -> LocatedMatches:
    """Find matches to sub-pixel, or take the network's word where that is set."""
    if not settings.refine_matches:
        return network_locations(matches)
    texture = keyframe.texture.select(matches.cells)
    return locate(keyframe.frame.normalised, texture, frame.normalised, matches)
