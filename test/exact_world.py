# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A small ray-cast world, and a matcher that knows its geometry and so matches exactly."""

import math
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from loftr_vo.camera import Camera
from loftr_vo.frame import Frame
from loftr_vo.loftr.model import Features
from loftr_vo.matcher import EncodedPicture, working_shape
from loftr_vo.matches import Matches
from loftr_vo.synthetic.render import render
from loftr_vo.synthetic.scene import Rectangles, boxes, rectangles, upright
from loftr_vo.synthetic.textures import TextureBank, dead_leaves

WIDTH, HEIGHT, FOCAL = 320, 240, 260.0
RATE = 10.0  # frames a second
_BORDER = 16  # pixels at the picture's edge in which LoFTR finds no match


def camera(width=WIDTH, height=HEIGHT, focal=FOCAL):
    """Return a pinhole camera that looks through the middle of its picture."""
    matrix = [[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]]
    return Camera(width, height, np.array(matrix), 'plumb_bob', np.zeros(5))


def pose(position=(0.0, 0.0, 0.0), degrees=(0.0, 0.0, 0.0)):
    """Return the (4, 4) pose of a camera turned by yaw, pitch and roll."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler('yxz', degrees, degrees=True).as_matrix()
    matrix[:3, 3] = position
    return matrix


class World:
    """Boxes in front of walls, 2 to 6 m from the origin; it remembers what it has shown.

    Args:
        seed: of the textures, of where the boxes stand, and of the noise of the pictures.
        noise: standard deviation of the pictures, in grey levels.
    """

    def __init__(self, seed=0, noise=1.0):
        self.noise = noise
        self.shown = {}
        painter = np.random.default_rng(seed)
        textures = np.stack([dead_leaves(painter, 256) for _ in range(8)]).astype(np.float32)
        self._bank = TextureBank.from_textures(torch.from_numpy(textures))
        self._scene = _walls_and_boxes(self._bank, seed)
        self._noise_source = np.random.default_rng([seed, 1])

    @torch.no_grad()
    def see(self, world_from_camera, seconds, of=None):
        """Return the frame that a camera takes there; ``of`` is the camera if not the usual."""
        of = of or camera()
        seen = render(
            self._scene,
            self._bank,
            torch.from_numpy(world_from_camera[None]).float(),
            torch.from_numpy(of.matrix[None]).float(),
            (of.height, of.width),
            taps=2,
        )
        grey = seen.image[0].numpy() * 255
        grey = grey + self._noise_source.normal(0.0, self.noise, grey.shape)
        image = np.clip(grey.round(), 0, 255).astype(np.uint8)
        frame = Frame(image, round(1e9 * (1 + seconds)), of, seen.depth[0].numpy())
        self.shown[image.tobytes()] = frame, world_from_camera
        return frame

    def film(self, poses, start=0.0):
        """Return the frames of a camera that goes through ``poses``, one every 1 / RATE s."""
        return [self.see(each, start + index / RATE) for index, each in enumerate(poses)]


@dataclass(frozen=True)
class _EncodedView(EncodedPicture):
    picture: bytes = b''


class ExactMatcher:
    """Stands in for ``Matcher``: matches are where the world's geometry has them.

    A picture that the world has not shown has no matches.

    Args:
        world: what the pictures show.
        noise: standard deviation of a match, in pixels.
        outliers: share of the matches that lie anywhere.
    """

    def __init__(self, world, noise=0.2, outliers=0.05):
        self.world, self.noise, self.outliers = world, noise, outliers

    def configure(self, settings):
        """Accept the settings; none of them matters here."""

    def encode(self, image):
        """Return what names the picture, and the grid that the network would have."""
        shape = working_shape(image.shape, 640)
        empty = torch.empty(1, 0, shape[0] // 8, shape[1] // 8)
        return _EncodedView(Features(empty, empty), image.shape, shape, image.tobytes())

    def match(self, keyframe, frame):
        """Match every cell of the keyframe that the frame sees too."""
        nothing = np.empty((0, 2), np.float32), np.empty(0, int)
        both_shown = {keyframe.picture, frame.picture} <= self.world.shown.keys()
        expected, cells = self._expected(keyframe, frame) if both_shown else nothing
        random = np.random.default_rng([zlib.crc32(keyframe.picture), zlib.crc32(frame.picture)])
        keypoints1 = expected + random.normal(0.0, self.noise, expected.shape)
        wrong = random.random(len(cells)) < self.outliers
        size = np.array(frame.shape[::-1])
        keypoints1[wrong] = random.uniform(0, size - 1, (wrong.sum(), 2))
        return Matches(
            keyframe.cell_centres()[cells].astype(np.float32),
            np.clip(keypoints1, 0, size - 1).astype(np.float32),
            np.full(len(cells), 0.9, np.float32),
            np.full(len(cells), max(self.noise, 0.01), np.float32),
            cells,
        )

    def _expected(self, keyframe, frame):
        """Return where cells are seen, (M, 2), and which these are, (M,)."""
        (frame0, pose0), (frame1, pose1) = (
            self.world.shown[each.picture] for each in (keyframe, frame)
        )
        centres = keyframe.cell_centres()
        x, y = centres.round().astype(int).T
        rays = np.column_stack([frame0.camera.undistort(centres), np.ones(len(centres))])
        there = np.linalg.inv(pose1) @ pose0
        points = rays * frame0.depth[y, x, None] @ there[:3, :3].T + there[:3, 3]
        pixels = frame1.camera.project(points)
        size0, size1 = np.array(keyframe.shape[::-1]), np.array(frame.shape[::-1])
        inside = ((centres >= _BORDER) & (centres < size0 - _BORDER)).all(axis=1)
        inside &= ((pixels >= _BORDER) & (pixels < size1 - _BORDER)).all(axis=1)
        cells = np.flatnonzero(inside)
        x, y = pixels[cells].round().astype(int).T
        visible = np.abs(frame1.depth[y, x] / points[cells, 2] - 1) < 0.03
        return pixels[cells[visible]], cells[visible]


def _walls_and_boxes(bank, seed):
    generator = torch.Generator().manual_seed(seed)
    density = 256 / 4.0  # texels per metre
    walls = rectangles(
        torch.tensor([[[0.0, 0, 6], [-4, 0, 3], [4, 0, 3], [0, 1.6, 3], [0, 0, -6]]]),
        torch.tensor(
            [
                [
                    [[1.0, 0, 0], [0, 1, 0]],
                    [[0, 0, 1], [0, 1, 0]],
                    [[0, 0, 1], [0, 1, 0]],
                    [[1, 0, 0], [0, 0, 1]],
                    [[1, 0, 0], [0, 1, 0]],
                ]
            ]
        ),
        torch.tensor([[[9.0, 5], [9, 5], [9, 5], [9, 9], [9, 5]]]),
        bank,
        torch.full((1, 5), density),
        generator,
    )
    feet = [[-1.6, 3.2], [-0.5, 4.4], [0.5, 2.8], [1.7, 4.0], [2.4, 3.2], [-2.6, 4.6]]
    centre = torch.tensor([[x, 0.6, z] for x, z in feet])[None]
    turn = upright(torch.rand(1, len(feet), generator=generator) * math.pi)
    size = 0.35 + 0.35 * torch.rand(1, len(feet), 3, generator=generator)
    size[..., 1] += 0.4
    full = torch.full((1, len(feet)), density)
    return Rectangles.cat([walls, boxes(centre, turn, size, bank, full, generator)])
