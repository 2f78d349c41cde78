# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A small ray-cast world, and a matcher that knows its geometry and so matches exactly."""

import functools
import math
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from loftr_vo.imaging.camera import Camera
from loftr_vo.imaging.frame import Frame
from loftr_vo.loftr.model import Features
from loftr_vo.matching.encoded_image import EncodedImage
from loftr_vo.matching.matches import Matches, PendingMatches
from loftr_vo.matching.working_size import working_shape
from loftr_vo.synthetic.painters import dead_leaves
from loftr_vo.synthetic.render import render
from loftr_vo.synthetic.scene import (
    Rectangles,
    boxes,
    rectangles,
    upright,
)
from loftr_vo.synthetic.textures import TextureBank

WIDTH, HEIGHT, FOCAL = 320, 240, 260.0
PERIOD = 0.1  # seconds from frame to frame
_TEXELS_PER_METRE = 64.0
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
        seed: of the textures, of the boxes' size and turn, and of the noise of the pictures.
        noise: standard deviation of the pictures' noise, in grey levels.
    """

    def __init__(self, seed=0, noise=1.0):
        self._seed = seed
        self._noise = noise
        self._noise_source = np.random.default_rng([seed, 1])
        self._shown = {}

    def see(self, world_from_camera, seconds=0.0, through=None):
        """Return the frame that a camera takes there, ``through`` another camera if given."""
        through = through or camera()
        grey, depth = _rendered(
            self._seed,
            world_from_camera.astype(np.float32).tobytes(),
            through.matrix.astype(np.float32).tobytes(),
            (through.height, through.width),
        )
        grey = grey + self._noise_source.normal(0.0, self._noise, grey.shape)
        image = np.clip(grey.round(), 0, 255).astype(np.uint8)
        frame = Frame(image, round(1e9 * (1 + seconds)), through, depth.copy())
        self._shown[image.tobytes()] = frame, world_from_camera
        return frame

    def film(self, poses, start=0.0):
        """Return the frames of a camera that goes through ``poses``, one every ``PERIOD``."""
        return [self.see(each, start + index * PERIOD) for index, each in enumerate(poses)]

    def forget(self, image):
        """Have no more to say of a picture."""
        del self._shown[image.tobytes()]

    def shown(self, picture):
        """Return the frame and the pose that belong to the bytes of a picture, or None."""
        return self._shown.get(picture)


@functools.cache
def _scene_of(seed):
    """Return the rectangles and the textures of a world, which are painted once."""
    painter = np.random.default_rng(seed)
    textures = np.stack([dead_leaves(painter, 256) for _ in range(8)]).astype(np.float32)
    bank = TextureBank.from_textures(torch.from_numpy(textures))
    generator = torch.Generator().manual_seed(seed)
    return Rectangles.cat([_walls(bank, generator), _boxes(bank, generator)]), bank


# The walk of one file of tests, from several cameras, has fewer views; each takes 0.6 MB.
@functools.lru_cache(maxsize=100)
@torch.no_grad()
def _rendered(seed, world_from_camera, matrix, shape):
    """Return grey levels without noise and depth, (H, W) each; most are seen in many tests.

    Args:
        seed: of the world.
        world_from_camera, matrix: bytes of the (4, 4) pose and the (3, 3) matrix, float32.
        shape: (H, W).
    """
    pose, matrix = (
        torch.from_numpy(np.frombuffer(each, np.float32).reshape(1, side, side).copy())
        for each, side in ((world_from_camera, 4), (matrix, 3))
    )
    seen = render(*_scene_of(seed), pose, matrix, shape, taps=1)
    return seen.image[0].numpy() * 255, seen.depth[0].numpy()


@dataclass(frozen=True)
class _EncodedView(EncodedImage):
    picture: bytes = b''


class ExactMatcher:
    """Stands in for ``Matcher``: matches are where the worlds' geometry has them.

    A picture that no world has shown has no matches, and neither have two worlds.

    Args:
        worlds: what the pictures show.
        noise: standard deviation of a match, in pixels along each axis.
        outliers: share of the matches that lie anywhere.
    """

    can_speculate = True
    encoded = 0

    def __init__(self, *worlds, noise=0.2, outliers=0.05):
        self.worlds, self.noise, self.outliers = worlds, noise, outliers

    def configure(self, settings):
        """Take no notice: none of the settings matters to exact matches."""

    def leave_a_core(self, leave):
        """Take no notice: exact matches take no time."""

    def encode(self, image):
        """Return what names the picture, and the grid that the network would have."""
        shape = working_shape(image.shape, 640)
        empty = torch.empty(1, 0, shape[0] // 8, shape[1] // 8)
        return _EncodedView(Features(empty, empty), image.shape, shape, image.tobytes())

    encode_later = encode

    @property
    def sees_every_frame(self):
        """Say that it is no network, whose work is to be saved."""
        return True

    def match(self, keyframe, frame):
        """Match every cell of the keyframe that the frame sees too."""
        expected, cells = np.empty((0, 2)), np.empty(0, int)
        for world in self.worlds:
            views = world.shown(keyframe.picture), world.shown(frame.picture)
            if None not in views:
                expected, cells = _common(keyframe.cell_centres(), *views)
        random = np.random.default_rng([zlib.crc32(keyframe.picture), zlib.crc32(frame.picture)])
        keypoints1 = expected + random.normal(0.0, self.noise, expected.shape)
        wrong = random.random(len(cells)) < self.outliers
        last = np.array(frame.shape[::-1]) - 1
        keypoints1[wrong] = random.uniform(0, last, (wrong.sum(), 2))
        matches = Matches(
            keyframe.cell_centres()[cells].astype(np.float32),
            np.clip(keypoints1, 0, last).astype(np.float32),
            np.full(len(cells), 0.9, np.float32),
            np.full(len(cells), max(self.noise, 0.01), np.float32),
            cells,
        )
        return PendingMatches(lambda: matches)


def _common(centres, view0, view1):
    """Return where the cells at ``centres`` are seen in view1, (M, 2), and which they are."""
    (frame0, pose0), (frame1, pose1) = view0, view1
    x, y = centres.round().astype(int).T
    rays = np.column_stack([frame0.camera.undistort(centres), np.ones(len(centres))])
    there = np.linalg.inv(pose1) @ pose0
    points = rays * frame0.depth[y, x, None] @ there[:3, :3].T + there[:3, 3]
    pixels = frame1.camera.project(points)
    inside = _within(centres, frame0) & _within(pixels, frame1)
    cells = np.flatnonzero(inside)
    x, y = pixels[cells].round().astype(int).T
    visible = np.abs(frame1.depth[y, x] / points[cells, 2] - 1) < 0.03
    return pixels[cells[visible]], cells[visible]


def _within(pixels, frame):
    size = np.array(frame.image.shape[::-1])
    return ((pixels >= _BORDER) & (pixels < size - _BORDER)).all(axis=1)


def _walls(bank, generator):
    """Back, left, right and floor."""
    x, y, z = torch.eye(3)
    return rectangles(
        torch.tensor([[[0.0, 0, 6], [-4, 0, 3], [4, 0, 3], [0, 1.6, 3]]]),
        torch.stack([torch.stack(axes) for axes in ((x, y), (z, y), (z, y), (x, z))])[None],
        torch.full((1, 4, 2), 9.0),
        bank,
        torch.full((1, 4), _TEXELS_PER_METRE),
        generator,
    )


def _boxes(bank, generator):
    feet = [(-1.6, 3.2), (-0.5, 4.4), (0.5, 2.8), (1.7, 4.0)]
    count = len(feet)
    centre = torch.tensor([[x, 0.6, z] for x, z in feet])[None]
    turn = upright(torch.rand(1, count, generator=generator) * math.pi)
    half_size = 0.35 + 0.35 * torch.rand(1, count, 3, generator=generator)
    half_size[..., 1] += 0.4
    density = torch.full((1, count), _TEXELS_PER_METRE)
    return boxes(centre, turn, half_size, bank, density, generator)
