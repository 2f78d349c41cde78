# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A street with a bend between two rows of houses, and a camera driven along it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from loftr_vo.synthetic import furnishings, materials, street_materials
from loftr_vo.synthetic.camera_path import CameraPath, Tremor, looking_along
from loftr_vo.synthetic.painters import fractal_noise
from loftr_vo.synthetic.stage import (
    DOWN,
    TILE,
    Stage,
    light,
)

SPEED = 5.0  # metres a second
STRAIGHT, RADIUS, TURN = 32.0, 26.0, np.radians(65.0)
"""Metres up to the bend, the bend's radius, and by how much the street turns to the right."""
LENGTH = 150.0  # metres, of the whole street
LONGEST_DRIVE = 22.0  # seconds; then its end is near
_LANE, _KERB, _HOUSES = 1.6, 4.2, 7.0  # metres from the middle: camera, pavement, fronts
_EYE_HEIGHT = 1.6
_GROUND_SCALE = 32.0  # texels per metre
_BEHIND = 8.0  # metres of street before the start


def build_street(rng: np.random.Generator) -> Stage:
    """Return the street; it starts at the origin along z."""
    stage = Stage(rng, scale=42.0)
    _ground(stage)
    for side in (-1.0, 1.0):
        _houses(stage, side)
        _parked(stage, side)
        _pavement_things(stage, side)
    _horizon(stage)
    return stage


def street_path(rng: np.random.Generator) -> CameraPath:
    """Return a drive along the right lane, with the sway of a car."""
    sway = Tremor(rng, [0.03, 0.012, 0.01, 0.01, 0.006], (0.15, 1.1))

    def pose(seconds: float) -> np.ndarray:
        point, heading = centre_line(SPEED * seconds)
        aside, up, yaw, pitch, roll = sway(seconds)
        position = point + (_LANE + aside) * _right(heading) - (_EYE_HEIGHT + up) * DOWN
        return looking_along(position, heading + yaw, pitch, roll)

    return pose


def centre_line(distance: float) -> tuple[np.ndarray, float]:
    """Return the (3,) point and the heading, radians to the right of z, along the street."""
    if distance <= STRAIGHT:
        return np.array([0.0, 0.0, distance]), 0.0
    turned = min((distance - STRAIGHT) / RADIUS, TURN)
    bend = np.array([RADIUS * (1 - np.cos(turned)), 0.0, RADIUS * np.sin(turned)])
    rest = max(distance - STRAIGHT - RADIUS * TURN, 0.0)
    return np.array([0.0, 0.0, STRAIGHT]) + bend + rest * _ahead(turned), turned


def _ahead(heading: float) -> np.ndarray:
    return np.array([np.sin(heading), 0.0, np.cos(heading)])


def _right(heading: float) -> np.ndarray:
    return np.array([np.cos(heading), 0.0, -np.sin(heading)])


def _beside(distance: float, aside: float) -> np.ndarray:
    """(3,) the point ``aside`` metres to the right of the centre line."""
    point, heading = centre_line(distance)
    beside: np.ndarray = point + aside * _right(heading)
    return beside


def _houses(stage: Stage, side: float) -> None:
    """Fronts wall to wall, and one across the end."""
    start = -_BEHIND
    while start < LENGTH:
        end = start + stage.rng.uniform(8.0, 12.0)
        height = stage.rng.uniform(7.5, 12.0)
        _front(stage, _beside(start, side * _HOUSES), _beside(end, side * _HOUSES), height)
        start = end
    if side > 0:
        _front(stage, _beside(LENGTH, -_HOUSES), _beside(LENGTH, _HOUSES), 11.0)


def _front(stage: Stage, one: np.ndarray, other: np.ndarray, height: float) -> None:
    """A house front from one corner to the other that faces the nearest part of the street."""
    middle, along = (one + other) / 2, other - one
    width = float(np.linalg.norm(along))
    outward = np.cross(along, DOWN) / width
    nearest = min(
        (centre_line(distance)[0] for distance in np.arange(-_BEHIND, LENGTH - 5.0, 1.0)),
        key=lambda point: float(np.linalg.norm(point - middle)),
    )
    if outward @ (nearest - middle) < 0:
        outward = -outward
    stage.upright(street_materials.facade, middle - DOWN * height / 2, outward, (width, height))


def _parked(stage: Stage, side: float) -> None:
    """Vans along the kerb."""
    rng = stage.rng
    distance = rng.uniform(6.0, 12.0)
    while distance < LENGTH - 12.0:
        _, heading = centre_line(distance)
        size = (1.8, rng.uniform(1.5, 2.3), rng.uniform(4.0, 5.2))
        foot = _beside(distance, side * (_KERB - 0.95))
        side_on, end_on = street_materials.vehicle_side, street_materials.vehicle_end
        stage.box(side_on, materials.plaster, foot, size, heading, 80.0, end_on)
        distance += rng.uniform(8.0, 18.0)


def _pavement_things(stage: Stage, side: float) -> None:
    """Advertising pillars, hedges and cartons in front of the houses."""
    rng = stage.rng
    kinds = (
        (furnishings.poster, (1.2, 2.3, 0.4)),
        (street_materials.hedge, (0.7, 1.1, 3.2)),
        (furnishings.carton, (0.8, 0.9, 0.8)),
        (materials.planks, (0.25, 4.5, 0.25)),
    )
    distance = rng.uniform(2.0, 6.0)
    while distance < LENGTH - 12.0:
        painter, size = kinds[int(rng.integers(len(kinds)))]
        foot = _beside(distance, side * (_HOUSES - 1.5))
        heading = centre_line(distance)[1]
        stage.box(painter, street_materials.hedge, foot, size, heading, 80.0)
        distance += rng.uniform(6.0, 12.0)


def _horizon(stage: Stage) -> None:
    """The sky over far roofs, as panels so far away that they show next to no parallax."""
    far, height, below = 450.0, 420.0, 25.0
    panorama = stage.paint(street_materials.sky, (4 * far, height), scale=1.1)
    for outward, view in zip(
        (np.array([0.0, 0.0, -1.0]), np.array([-1.0, 0.0, 0.0])),
        np.split(panorama[:, : panorama.shape[1] // 2 * 2], 2, axis=1),
        strict=True,
    ):
        centre = -far * outward - DOWN * (height / 2 - below)
        stage.place(view, centre, np.cross(DOWN, -outward), DOWN, (2 * far, height))


def _ground(stage: Stage) -> None:
    """Road, kerbs and pavements, painted as seen from above and cut into tiles."""
    picture, on_street, corner = _map(stage.rng)
    side = TILE / _GROUND_SCALE
    right, down = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0])
    for row in range(0, picture.shape[0], TILE):
        for column in range(0, picture.shape[1], TILE):
            tile = np.s_[row : row + TILE, column : column + TILE]
            if not on_street[tile].any():
                continue
            middle = (np.array([column, row]) + TILE / 2) / _GROUND_SCALE
            centre = np.array([corner[0] + middle[0], 0.0, corner[1] - middle[1]])
            stage.place(picture[tile] * light(-DOWN), centre, right, down, (side, side))


def _map(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The street from above, north (z) up: (H, W) tones, where it is, and the corner's (x, z)."""
    distances = np.arange(-_BEHIND - 6.0, LENGTH + 6.0, 0.5)
    line = np.stack([centre_line(distance)[0][[0, 2]] for distance in distances])
    margin = _HOUSES + 1.0
    corner = np.array([line[:, 0].min() - margin, line[:, 1].max() + margin])
    extent = np.array([line[:, 0].max(), -line[:, 1].min()]) + margin - corner * (1, -1)
    width, height = (np.ceil(extent * _GROUND_SCALE / TILE).astype(int) * TILE).tolist()

    def texels(points: np.ndarray) -> np.ndarray:
        inside: np.ndarray = ((points - corner) * (1, -1) * _GROUND_SCALE).astype(np.int32)
        return inside

    def band(canvas: np.ndarray, half_width: float, tone: float) -> None:
        cv2.polylines(canvas, [texels(line)], False, tone, int(2 * half_width * _GROUND_SCALE))

    street = np.zeros((height, width), np.float32)
    band(street, _HOUSES + 0.5, 1.0)
    stones = materials.masonry(rng, (height, width), 0.7 * _GROUND_SCALE) + 0.1
    road = np.zeros_like(street)
    band(road, _KERB, 1.0)
    kerb = np.zeros_like(street)
    band(kerb, _KERB + 0.2, 1.0)
    picture = np.where(kerb > 0, 0.78, stones).astype(np.float32)
    picture = np.where(road > 0, _asphalt(rng, (height, width)), picture)
    _markings(picture, rng, texels)
    return np.clip(picture, 0.02, 0.98), street > 0, corner


def _asphalt(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    stains = cv2.resize(fractal_noise(rng, 1024).astype(np.float32), size[::-1])
    asphalt = 0.2 + 0.3 * stains + rng.normal(0, 0.05, size).astype(np.float32)
    for _ in range(size[0] * size[1] // 12000):
        x, y = int(rng.integers(size[1])), int(rng.integers(size[0]))
        axes = tuple((rng.uniform(0.02, 0.6, 2) * _GROUND_SCALE).astype(int).tolist())
        tone = float(rng.uniform(0.08, 0.6))
        cv2.ellipse(asphalt, (x, y), axes, float(rng.uniform(0, 180)), 0, 360, tone, -1)
    return asphalt


def _markings(picture: np.ndarray, rng: np.random.Generator, texels: Callable[..., Any]) -> None:
    """Dashes along the middle, crossings, manholes and seams."""

    def stroke(start: tuple[float, float], end: tuple[float, float], metres: float) -> None:
        points = texels(np.stack([_beside(*start)[[0, 2]], _beside(*end)[[0, 2]]]))
        thickness = max(1, int(metres * _GROUND_SCALE))
        cv2.line(picture, points[0].tolist(), points[1].tolist(), 0.88, thickness, cv2.LINE_AA)

    for distance in np.arange(-_BEHIND, LENGTH, 4.5):
        stroke((distance, 0.0), (distance + 2.0, 0.0), 0.14)
    for crossing in (13.0, 52.0, 98.0):
        for aside in np.arange(-_KERB + 0.5, _KERB, 1.0):
            stroke((crossing, aside), (crossing + 3.0, aside), 0.5)
    for distance in np.arange(2.0, LENGTH, 9.0):
        cover = _beside(distance + rng.uniform(0, 5), rng.uniform(-2.5, 2.5))[[0, 2]]
        centre = texels(cover).tolist()
        cv2.circle(picture, centre, int(0.38 * _GROUND_SCALE), 0.1, -1, cv2.LINE_AA)
        cv2.circle(picture, centre, int(0.3 * _GROUND_SCALE), 0.55, 2, cv2.LINE_AA)
        cv2.circle(picture, centre, int(0.12 * _GROUND_SCALE), 0.5, -1, cv2.LINE_AA)
