# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures through a wide lens, joined from pinhole pictures to several sides.

The ray-caster has pinhole cameras only, and none covers 180 degrees. So a scene is rendered on the
faces of a cube around the camera (Greene: Environment Mapping and Other Applications of World
Projections, 1986), and each pixel of the lens is sampled along its ray.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from loftr_vo.imaging.camera import Camera

# Pixels of a face in one of the lens's, in its middle; fewer would blur.
_FINER = 1.25
# Places that a pixel is averaged over, along each axis; far out it spans several of a face.
_SPREAD = 3
_BORDER = 2  # pixels around what is seen of a face, to interpolate in

View = Callable[[np.ndarray, Camera], tuple[np.ndarray, np.ndarray]]
"""Gives picture and depth, (H, W) float32 each, at a pose (4, 4) through a pinhole camera."""


def _camera(
    width: int, height: int, focal: float, model: str, coefficients: tuple[float, ...]
) -> Camera:
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return Camera(width, height, matrix, model, np.array(coefficients))


LENSES = {
    # As of EuRoC's drone: 45 degrees to either side, 55 to the corners.
    'drone': _camera(320, 240, 195.0, 'plumb_bob', (-0.28, 0.07, 0.0, 0.0)),
    # The same bent farther than it is good for: in the corners it bends outwards again.
    'wide': _camera(320, 240, 150.0, 'plumb_bob', (-0.28, 0.07, 0.0, 0.0)),
    # As of TUM VI: 77 degrees to either side; what the corners see is not in front of the camera.
    'fisheye': _camera(512, 512, 190.0, 'equidistant', (0.0034, 0.0008, -0.002, 0.0002)),
}


@dataclass(frozen=True, eq=False)
class _Part:
    """The part of one face that a lens covers.

    Attributes:
        rotation: (3, 3), camera from face.
        face: the pinhole camera of as much of the face as is seen.
        seen: (H, W) bool, where in the lens's picture.
        places: (S H, S W, 2) float32, the face's pixels at S x S places in each pixel.
        centres: (H, W, 2) float32, the same at the pixels' centres.
        axial: (N,) of ``seen``, depth along the lens's axis over that along the face's.
    """

    rotation: np.ndarray
    face: Camera
    seen: np.ndarray
    places: np.ndarray
    centres: np.ndarray
    axial: np.ndarray


class LensView:
    """Renders through the lens of a camera.

    Pixels that no ray in front of the camera reaches are black, and have no depth.

    Args:
        camera: with its distortion.
    """

    def __init__(self, camera: Camera) -> None:
        self.camera = camera

    def see(self, pose: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Return picture and depth along the optical axis, (H, W) float32 each, at a pose."""
        light, depth = np.zeros((2, self.camera.height, self.camera.width), np.float32)
        for part in self._parts:
            turned = pose.copy()
            turned[:3, :3] = pose[:3, :3] @ part.rotation
            on_face, face_depth = view(turned, part.face)
            light[part.seen] = _averaged(_taken(on_face, part.places, cv2.INTER_LINEAR))[part.seen]
            nearest = _taken(face_depth, part.centres, cv2.INTER_NEAREST)[part.seen]
            depth[part.seen] = nearest * part.axial
        return light, depth

    @cached_property
    def _parts(self) -> list[_Part]:
        shape = self.camera.height, self.camera.width
        rays, fine = self._rays(1), self._rays(_SPREAD)
        parts = []
        left = np.isfinite(rays).all(axis=1)
        focal = _FINER * self.camera.focal
        for axis, sign in ((2, 1.0), (0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0)):
            rotation = _towards(axis, sign)
            on_face = rays @ rotation
            seen = left & (np.abs(on_face[:, :2]).max(axis=1) <= on_face[:, 2])
            if not seen.any():
                continue
            left = left & ~seen
            mask = seen.reshape(shape)
            places, low, high = _on_face(fine @ rotation, focal, mask, _SPREAD)
            matrix = np.diag([focal, focal, 1.0])
            matrix[:2, 2] = -low
            columns, rows = (high - low + 1).astype(int).tolist()
            centres = _on_face(on_face, focal, mask, 1)[0] - low
            parts.append(
                _Part(
                    rotation,
                    Camera(columns, rows, matrix, 'plumb_bob', np.zeros(0)),
                    mask,
                    (places - low).astype(np.float32),
                    centres.astype(np.float32),
                    (1 / on_face[seen, 2]).astype(np.float32),
                )
            )
        return parts

    def _rays(self, spread: int) -> np.ndarray:
        """Rays (N, 3) of all pixels, ``spread`` squared places in each; NaN where there is none.

        A place at the rim that has none takes that of its pixel's centre.
        """
        height, width = self.camera.height, self.camera.width
        x, y = ((np.arange(side * spread) + 0.5) / spread - 0.5 for side in (width, height))
        pixels = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        rays = self.camera.undistort(pixels)
        lost = ~np.isfinite(rays).all(axis=1)
        if spread > 1:
            rays[lost] = self.camera.undistort(pixels[lost].round())
        return np.column_stack([rays, np.ones(len(rays))])


def _on_face(
    rays: np.ndarray, focal: float, seen: np.ndarray, spread: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rays (N, 3) meet a face, (S H, S W, 2), and the first and last pixel (2,) needed."""
    mask = np.kron(seen, np.ones((spread, spread), bool)).ravel()
    places = np.zeros((len(rays), 2))
    places[mask] = focal * rays[mask, :2] / rays[mask, 2:]
    low = np.floor(places[mask].min(axis=0)) - _BORDER
    high = np.ceil(places[mask].max(axis=0)) + _BORDER
    return places.reshape(spread * seen.shape[0], spread * seen.shape[1], 2), low, high


def _taken(values: np.ndarray, places: np.ndarray, how: int) -> np.ndarray:
    """Values at places (H, W, 2) float32, x and y of pixels."""
    x, y = np.ascontiguousarray(np.moveaxis(places, -1, 0))
    return np.asarray(cv2.remap(values, x, y, how))


def _averaged(values: np.ndarray) -> np.ndarray:
    """Means (H, W) of the S x S values in each pixel."""
    height, width = (side // _SPREAD for side in values.shape)
    means: np.ndarray = values.reshape(height, _SPREAD, width, _SPREAD).mean(axis=(1, 3))
    return means


def _towards(axis: int, sign: float) -> np.ndarray:
    """Rotation (3, 3), camera from face, of the face whose optical axis is one of the camera's."""
    forward = np.zeros(3)
    forward[axis] = sign
    down = np.array([0.0, 1.0, 0.0]) if axis != 1 else np.array([0.0, 0.0, -sign])
    return np.column_stack([np.cross(down, forward), down, forward])
