# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A keyframe: a frame that others are matched with, and the depth of its cells.

LoFTR leaves the first picture's points on its coarse grid, so a cell of the keyframe is the same
point in every frame matched with it. Each cell has an inverse depth with a variance.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.linalg import block_diag

from loftr_vo.config import GeometrySettings
from loftr_vo.geometry.matrix2x2 import inverse, whitening
from loftr_vo.geometry.rigid_motion import transform, transform_points
from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.encoded_image import EncodedImage
from loftr_vo.matching.lucas_kanade import (
    LocatedMatches,
    Texture,
    locate,
    network_locations,
    texture_at,
)
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.map.pixel_rays import PixelRays
from loftr_vo.odometry.map.tuning import TUNING
from loftr_vo.odometry.pose.observations import Observations
from loftr_vo.odometry.rolling_shutter.model import (
    NO_ROTATION,
)


@dataclass(frozen=True, eq=False)
class Link:
    """M cells of a keyframe observed in another one.

    Attributes:
        other: the other keyframe.
        cells: (M,) int64, each at most once.
        rays1: (M, 3), their rays in the other.
        whitening: (M, 2, 2), see ``Observations``.
    """

    other: Keyframe
    cells: np.ndarray
    rays1: np.ndarray
    whitening: np.ndarray

    def thinned(self, most: int) -> Link:
        """Return it with at most ``most`` cells, evenly selected."""
        count = len(self.cells)
        if count <= most:
            return self
        chosen = np.argsort(self.cells)[np.arange(most) * count // most]
        return Link(self.other, self.cells[chosen], self.rays1[chosen], self.whitening[chosen])


@dataclass(eq=False)
class Keyframe:
    """A keyframe with the depth of its C coarse cells.

    Attributes:
        number: counts the keyframes, from 0.
        frame: the frame itself.
        encoded: its features.
        pose: (4, 4), world from keyframe.
        covariance: (7, 7) of the pose and the scale, see ``map.covariance``.
        reference_depth: median depth of the scene, in the odometry's unit.
        refined: whether matches are refined to sub-pixel on the picture.
        texture: around the cells' centres.
        offsets: (C, 2) pixels, from the cells' centres to their points: the centres of texture
            where matches are refined, else zero.
        rays: (C, 3), rays of these points, lens distortion and rolling shutter taken out; NaN
            where not usable.
        by_pixel: (C, 2, 2), derivatives of the rays' x and y by the pixel.
        usable: (C,) bool, whether a cell has a usable ray, see ``PixelRays``; one without is never
            observed and its depth never known.
        inverse_depth: (C,).
        variance: (C,), of the inverse depth.
        agreement_count: (C,) int, in how many consecutive frames the depth agreed with the
            motion, those of the keyframes before included.
        filtered_depth, filtered_variance: (C,), see ``depth_filter.store_filtered_depth``.
        best_measured_variance: (C,), of the best single measurement of the inverse depth.
        best_inliers: most inliers that any frame had with it.
        age: frames matched with it so far.
        readout_rotation: (3,) radians, see ``rolling_shutter.model``.
        angular_velocity: (3,) radians a second, in the camera's axes.
        links: observations of its cells in other keyframes.
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
    by_pixel: np.ndarray = field(init=False)
    usable: np.ndarray = field(init=False)
    inverse_depth: np.ndarray = field(init=False)
    variance: np.ndarray = field(init=False)
    agreement_count: np.ndarray = field(init=False)
    filtered_depth: np.ndarray = field(init=False)
    filtered_variance: np.ndarray = field(init=False)
    best_measured_variance: np.ndarray = field(init=False)

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
        seen = PixelRays.of(points, self.frame.camera, readout_rotation)
        self.rays, self.by_pixel, self.usable = seen.rays, seen.by_pixel, seen.usable

    def release(self) -> None:
        """Free the memory of what can be computed again from the picture, or is not needed again.

        Its features and its contrast-normalised picture are computed again when a frame is matched
        with it; a depth image or a right picture is measured when the keyframe is new.
        """
        self.encoded.release()
        self.frame = self.frame.picture_only()

    def reset_depth(self, reference_depth: float) -> None:
        """Set all cells to the reference depth, with a variance that hardly weighs."""
        self.reference_depth = reference_depth
        self.inverse_depth = np.full(len(self.rays), 1 / reference_depth)
        unknown = (TUNING.unknown_depth_sigma / reference_depth) ** 2
        self.variance = np.full(len(self.rays), unknown)
        self.agreement_count = np.zeros(len(self.rays), int)
        self.best_measured_variance = np.full(len(self.rays), np.inf)
        self.filtered_depth = self.inverse_depth.copy()
        unknown = (TUNING.unknown_prior_sigma / reference_depth) ** 2
        self.filtered_variance = np.full(len(self.rays), unknown)

    def observed(
        self,
        cells: np.ndarray,
        located: LocatedMatches,
        camera: Camera,
        readout_rotation: np.ndarray = NO_ROTATION,
    ) -> tuple[Observations, np.ndarray]:
        """Return observations of cells in another picture, with their depths as a prior.

        This is the only place where matches become observations. So matches without a ray in both
        pictures are left out here (the rim of a fisheye, a corner that the lens model does not
        reach), under the camera's mask, or at a position that is not finite.

        Args:
            cells: (N,) of this keyframe.
            located: where their centres are in the other picture.
            camera: of the other picture.
            readout_rotation: (3,) radians, of the other picture.

        Returns:
            The M observations, all finite, and their indices (M,) int64 among the N.
        """
        points = located.points + self.offsets.take(cells, axis=0)
        seen = PixelRays.of(points, camera, readout_rotation)
        usable = seen.usable & self.usable.take(cells)
        usable &= np.isfinite(located.information).all(axis=(1, 2))
        kept = np.flatnonzero(usable)
        cells, by_pixel1 = cells.take(kept), seen.by_pixel.take(kept, axis=0)
        whitening_of_pixels = whitening(located.information.take(kept, axis=0))
        observations = Observations(
            self.rays.take(cells, axis=0),
            seen.rays.take(kept, axis=0),
            # From an error at z = 1 to pixels, and from pixels to standard deviations.
            whitening_of_pixels @ inverse(by_pixel1),
            self.inverse_depth.take(cells),
            self.variance.take(cells),
            self.by_pixel.take(cells, axis=0),
            by_pixel1,
        )
        return observations, kept

    def threshold(self, settings: GeometrySettings) -> float:
        """Return ``ransac_threshold`` in pixels of the camera.

        It is at least a pixel of the network's picture, which limits matches that are not refined.
        """
        return settings.ransac_threshold * max(
            1.0, self.encoded.image_pixels_per_network_pixel.mean()
        )

    @property
    def known(self) -> np.ndarray:
        """(C,) bool, cells of known depth, see ``is_known``."""
        return self.usable & is_known(self.inverse_depth, self.variance)

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """Cells of known depth in the world, (P, 3), and their confidence, (P,) in [0, 1]."""
        known = self.known
        depth = 1 / self.inverse_depth[known]
        in_camera = self.rays[known] * depth[:, None]
        relative = np.sqrt(self.variance[known]) * depth
        in_world = transform_points(self.pose, in_camera)
        return in_world, 1 - relative / TUNING.known_depth_sigma

    def move(self, rotation: np.ndarray, translation: np.ndarray, scale: float) -> None:
        """Transform the keyframe and its depths to other coordinates: X' = scale R X + t.

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
        for variance in (self.variance, self.filtered_variance, self.best_measured_variance):
            variance /= scale**2

    def update_reference_depth(self) -> None:
        """Set the reference depth to the median of known depths, if there are enough."""
        known = self.known
        if known.sum() >= TUNING.min_cells_for_median:
            self.reference_depth = float(1 / np.median(self.inverse_depth[known]))


def is_known(inverse_depth: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Whether inverse depths (N,) of these variances (N,) count as known, (N,) bool."""
    return (inverse_depth > 0) & (variance < (TUNING.known_depth_sigma * inverse_depth) ** 2)


def locate_matches(
    keyframe: Keyframe, frame: Frame, matches: Matches, settings: GeometrySettings
) -> LocatedMatches:
    """Refine matches to sub-pixel, or return the network's positions where that is set."""
    if not settings.refine_matches:
        return network_locations(matches)
    texture = keyframe.texture.select(matches.cells)
    return locate(keyframe.frame.normalised, texture, frame.normalised, matches)
