# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""One view of a scene by a pinhole camera, rendered block by block."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from loftr_vo.imaging.camera import Camera
from loftr_vo.synthetic.render import render
from loftr_vo.synthetic.scene import Rectangles
from loftr_vo.synthetic.textures import TextureBank

_BLOCK = 80  # pixels


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch to one thread: on blocks this small, several mostly wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_view(scene: Rectangles, pose: np.ndarray, camera: Camera) -> Rectangles:
    """Return the rectangles of a scene (B = 1) without most of those that a camera cannot see.

    Left out are those seen from behind (the surfaces of a ``Stage`` have one side), and those
    with all corners beyond one side of the view.
    """
    centre = scene.centre[0].double().numpy()
    reach = (scene.axes * scene.half_size[..., None])[0].double().numpy()  # (P, 2, 3)
    signs = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
    corners = centre[:, None] + np.einsum('cs,psx->pcx', signs, reach)  # (P, 4, 3)
    x, y, z = np.moveaxis((corners - pose[:3, 3]) @ pose[:3, :3], -1, 0)
    # Half a pixel is seen beyond the centres of the outermost.
    low, high = camera.undistort(np.array([[-0.5, -0.5], [camera.width, camera.height]]))
    beyond = [
        z <= 0,
        x < low[0] * z,
        x > high[0] * z,
        y < low[1] * z,
        y > high[1] * z,
    ]
    outside = np.any([side.all(axis=1) for side in beyond], axis=0)
    normal = np.cross(reach[:, 0], reach[:, 1])
    facing = ((centre - pose[:3, 3]) * normal).sum(axis=1) > 0
    kept = np.flatnonzero(facing & ~outside)
    # A scene needs a rectangle, which need not be seen.
    index = torch.from_numpy(kept if kept.size else np.zeros(1, np.int64))
    names = [entry.name for entry in dataclasses.fields(Rectangles)]
    return Rectangles(**{name: getattr(scene, name)[:, index] for name in names})


def part_of(camera: Camera, left: int, top: int, size: tuple[int, ...]) -> Camera:
    """Return the camera that sees the (H, W) pixels right of and below (left, top)."""
    matrix = camera.matrix.copy()
    matrix[:2, 2] -= left, top
    return Camera(size[1], size[0], matrix, camera.distortion_model, camera.distortion)


def render_in_blocks(
    scene: Rectangles, bank: TextureBank, pose: np.ndarray, camera: Camera, supersampling: int
) -> tuple[np.ndarray, np.ndarray]:
    """Render as ``render_visible`` does; few rectangles reach into each block, which stays cached.

    Returns:
        See ``render_visible``.
    """
    light, depth = np.empty((2, camera.height, camera.width), np.float32)
    for top in range(0, camera.height, _BLOCK):
        for left in range(0, camera.width, _BLOCK):
            block = np.s_[top : top + _BLOCK, left : left + _BLOCK]
            part = part_of(camera, left, top, light[block].shape)
            light[block], depth[block] = render_visible(scene, bank, pose, part, supersampling)
    return light, depth


@torch.no_grad()
def render_visible(
    scene: Rectangles, bank: TextureBank, pose: np.ndarray, camera: Camera, supersampling: int
) -> tuple[np.ndarray, np.ndarray]:
    """Render the rectangles that are in view.

    Args:
        scene: one scene (B = 1).
        bank: its textures.
        pose: (4, 4), world from camera.
        camera: a pinhole camera.
        supersampling: rays per pixel along each axis.

    Returns:
        Picture in [0, 1] and depth in metres, both (H, W) float32.
    """
    seen = render(
        in_view(scene, pose, camera),
        bank,
        torch.from_numpy(pose[None].astype(np.float32)),
        torch.from_numpy(camera.matrix[None].astype(np.float32)),
        (camera.height, camera.width),
        taps=2,
        supersampling=supersampling,
    )
    return seen.image[0].numpy(), seen.depth[0].numpy()
