# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural textures: how they are painted, many at a time in several processes.

The kinds cover what cameras meet: occluding shapes ("dead leaves", whose statistics are those of
natural pictures: Lee, Mumford, Huang, IJCV 2001), fractal noise, tiles, bricks, writing, foliage,
and walls with next to nothing on them.

Without torch, whose import would cost each process seconds.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np

Painter = Callable[[np.random.Generator, int], np.ndarray]

# Textures that one generator paints, one after the other.
CHUNK = 64


def random_textures(
    count: int, size: int, seed: int = 0, processes: int | None = None
) -> np.ndarray:
    """Paint ``count`` textures, the same for the same seed however many processes there are.

    Args:
        count: T.
        size: S, their side in texels.
        seed: of all of them; each chunk of ``CHUNK`` textures has a generator of its own.
        processes: at most; as many as there are cores by default. One chunk, or one process, is
            painted in the calling one.

    Returns:
        (T, S, S) float32 in [0, 1].
    """
    chunks = range(-(-count // CHUNK))
    counts = [min(CHUNK, count - CHUNK * chunk) for chunk in chunks]
    sizes, seeds = [size] * len(chunks), [seed] * len(chunks)
    workers = min(processes or len(os.sched_getaffinity(0)), len(chunks))
    if workers < 2:
        return np.concatenate(list(map(_paint_chunk, chunks, counts, sizes, seeds)))
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(workers, context, cv2.setNumThreads, (1,)) as pool:
        return np.concatenate(list(pool.map(_paint_chunk, chunks, counts, sizes, seeds)))


def _paint_chunk(chunk: int, count: int, size: int, seed: int) -> np.ndarray:
    # The first chunk's generator is the seed's own: small banks came before there were chunks.
    generator = np.random.default_rng([seed, chunk] if chunk else seed)
    return np.stack([random_texture(generator, size) for _ in range(count)])


def random_texture(generator: np.random.Generator, size: int) -> np.ndarray:
    """Return one (size, size) float32 texture in [0, 1] of a random kind."""
    painters = list(PAINTERS)
    weights = np.array([PAINTERS[painter] for painter in painters], float)
    painter = painters[generator.choice(len(painters), p=weights / weights.sum())]
    return np.clip(painter(generator, size), 0.0, 1.0).astype(np.float32)


def dead_leaves(generator: np.random.Generator, size: int) -> np.ndarray:
    """Discs, polygons and bars of power-law sizes, each hiding what was there before."""
    canvas = np.full((size, size), generator.uniform(0, 255), np.uint8)
    for _ in range(int(generator.choice([60, 200, 600]))):
        radius = int(size * 0.3 * generator.random() ** 3 + 2)
        centre = generator.integers(0, size, 2)
        grey = int(generator.integers(0, 256))
        shape = generator.random()
        if shape < 0.4:
            cv2.circle(canvas, _point(centre), radius, grey, -1, cv2.LINE_AA)
        elif shape < 0.75:
            corners = centre + generator.normal(0, radius, (int(generator.integers(3, 7)), 2))
            cv2.fillPoly(canvas, [corners.astype(np.int32)], grey, cv2.LINE_AA)
        else:
            end = centre + generator.normal(0, 3 * radius, 2)
            width = int(generator.integers(1, 5))
            cv2.line(canvas, _point(centre), _point(end), grey, width, cv2.LINE_AA)
    return canvas / 255.0


def fractal_noise(generator: np.random.Generator, size: int) -> np.ndarray:
    """Sum of octaves of smoothed noise, from cloudy to rough."""
    roughness = generator.uniform(0.4, 1.2)
    noise = np.zeros((size, size), np.float32)
    octave = 2
    while octave <= size:
        coarse = generator.normal(size=(octave, octave)).astype(np.float32)
        noise += (
            cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC) / octave**roughness
        )
        octave *= 2
    return (noise - noise.min()) / (np.ptp(noise) + 1e-6)


def tiles(generator: np.random.Generator, size: int) -> np.ndarray:
    """Checkers, tiles or bricks: repeated, with joints, each tile a little different."""
    width = int(generator.integers(8, 64))
    height = int(generator.integers(8, 64))
    y, x = np.mgrid[:size, :size]
    row = y // height
    shifted = x + (row % 2) * int(width * generator.choice([0.0, 0.5]))
    column = shifted // width
    tones = generator.normal(0.5, generator.uniform(0.02, 0.25), (size, size))
    pattern = tones[row % size, column % size] + generator.uniform(0, 0.4) * ((row + column) % 2)
    joint = int(generator.integers(0, 4))
    in_joint = (y % height < joint) | (shifted % width < joint)
    pattern = np.where(in_joint, generator.uniform(0, 1), pattern)
    return pattern + generator.uniform(0, 0.15) * (fractal_noise(generator, size) - 0.5)


def writing(generator: np.random.Generator, size: int) -> np.ndarray:
    """Words and signs of many sizes on a plain or cloudy ground."""
    ground = 255 * (0.5 + generator.uniform(0, 0.8) * (fractal_noise(generator, size) - 0.5))
    canvas = np.clip(ground, 0, 255).astype(np.uint8)
    letters = list('abcdefghkmnprstuvwxyzABCDEFGHKLMNPRSTXYZ0123456789#&%')
    for _ in range(int(generator.integers(10, 120))):
        word = ''.join(generator.choice(letters, int(generator.integers(1, 8))))
        cv2.putText(
            canvas,
            word,
            _point(generator.integers(-size // 8, size, 2)),
            int(generator.integers(0, 6)),
            float(generator.uniform(0.25, 2.0)),
            int(generator.integers(0, 256)),
            int(generator.integers(1, 4)),
            cv2.LINE_AA,
        )
    return canvas / 255.0


def foliage(generator: np.random.Generator, size: int) -> np.ndarray:
    """Many small leaves of like size and tone: dense, fine and self-similar."""
    canvas = np.full((size, size), generator.uniform(0, 120), np.uint8)
    length = generator.uniform(2, 9)
    for _ in range(int(min(6000, 2.5 * size * size / length**2))):
        axes = (max(1, int(generator.normal(length, 1))), max(1, int(length * 0.4)))
        grey = int(min(max(generator.normal(130, 55), 0.0), 255.0))
        angle = float(generator.uniform(0, 180))
        # Two numbers at a time take four times as long, and there are thousands of leaves.
        centre = int(generator.integers(0, size)), int(generator.integers(0, size))
        cv2.ellipse(canvas, centre, axes, angle, 0, 360, grey, -1, cv2.LINE_AA)
    return canvas / 255.0


def plain_wall(generator: np.random.Generator, size: int) -> np.ndarray:
    """Nearly nothing: a soft gradient, faint stains, now and then a mark."""
    wall = generator.uniform(0.2, 0.9) + generator.uniform(0.02, 0.15) * (
        fractal_noise(generator, size) - 0.5
    )
    canvas = np.clip(wall * 255, 0, 255).astype(np.float32)
    for _ in range(int(generator.integers(0, 8))):
        radius = int(generator.integers(1, 8))
        tone = float(generator.uniform(0, 255))
        cv2.circle(canvas, _point(generator.integers(0, size, 2)), radius, tone, -1, cv2.LINE_AA)
    grain = generator.normal(0, generator.uniform(0, 0.03), (size, size))
    return canvas / 255.0 + cv2.GaussianBlur(grain, (0, 0), 1.0)


# Each painter with how often it is drawn.
PAINTERS: dict[Painter, float] = {
    dead_leaves: 0.34,
    fractal_noise: 0.18,
    tiles: 0.16,
    writing: 0.10,
    foliage: 0.10,
    plain_wall: 0.12,
}


def _point(xy: np.ndarray) -> tuple[int, int]:
    return int(xy[0]), int(xy[1])
