# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A furnished room, and a camera carried around in it."""

from __future__ import annotations

import cv2
import numpy as np

from loftr_vo.synthetic import furnishings, materials
from loftr_vo.synthetic.camera_path import CameraPath, Tremor, looking_along
from loftr_vo.synthetic.stage import DOWN, Stage, light

WIDTH, DEPTH, HEIGHT = 7.0, 5.6, 2.7  # metres along x, z, y
LAP = 15.0  # seconds of one way round the room
_RADII = (1.75, 1.15)  # metres, of the way round
_EYE_HEIGHT = 1.45
_FINE = 280.0  # texels per metre of things that are looked at closely

# Walls by the direction that they face, with the distance of the wall from the middle.
_NORTH, _SOUTH = np.array([0.0, 0.0, -1.0]), np.array([0.0, 0.0, 1.0])
_EAST, _WEST = np.array([-1.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0])


def build_room(rng: np.random.Generator) -> Stage:
    """Return the room, its middle at the origin."""
    stage = Stage(rng, scale=146.0)
    furniture = _furnish(stage)
    _walls(stage)
    _floor(stage, furniture)
    return stage


def room_path(rng: np.random.Generator) -> CameraPath:
    """Return a way round the room, the camera looking ahead and to the outside."""
    tremor = Tremor(rng, [0.02, 0.02, 0.02, 0.02, 0.02, 0.012], (0.2, 0.9))
    glance = Tremor(rng, [0.22, 0.08], (0.06, 0.16))

    def pose(seconds: float) -> np.ndarray:
        angle = 2 * np.pi * seconds / LAP
        shake, (aside, up) = tremor(seconds), glance(seconds)
        position = np.array([_RADII[0] * np.sin(angle), -_EYE_HEIGHT, _RADII[1] * np.cos(angle)])
        # `angle` looks straight out of the ellipse; a quarter turn more looks along the way.
        yaw = angle + 0.45 + aside + shake[3]
        return looking_along(position + shake[:3], yaw, -0.12 + up + shake[4], shake[5])

    return pose


def _walls(stage: Stage) -> None:
    plain, papered = materials.plaster, materials.papered_wall
    middle = -HEIGHT / 2
    for outward, width, distance, painter in (
        (_NORTH, WIDTH, DEPTH / 2, papered),
        (_SOUTH, WIDTH, DEPTH / 2, papered),
        (_EAST, DEPTH, WIDTH / 2, plain),
        (_WEST, DEPTH, WIDTH / 2, materials.masonry),
    ):
        stage.upright(painter, middle * DOWN - distance * outward, outward, (width, HEIGHT))
    overhead = stage.paint(materials.ceiling, (WIDTH, DEPTH), stage.scale) * 0.85
    stage.place(overhead, -HEIGHT * DOWN, _WEST, _SOUTH, (WIDTH, DEPTH))
    for outward, along, height, size, painter in (
        (_NORTH, -2.5, 1.55, (0.9, 0.7), furnishings.painting),
        (_NORTH, -0.1, 1.6, (1.3, 0.9), furnishings.painting),
        (_NORTH, 1.2, 1.75, (0.5, 0.7), furnishings.poster),
        (_NORTH, 2.6, 1.02, (0.9, 2.04), furnishings.door),
        (_SOUTH, -2.2, 1.6, (1.5, 1.3), furnishings.window),
        (_SOUTH, 0.2, 1.6, (0.7, 0.9), furnishings.poster),
        (_SOUTH, 2.1, 1.6, (1.5, 1.3), furnishings.window),
        (_EAST, -1.7, 1.65, (0.8, 0.6), furnishings.painting),
        (_EAST, 0.0, 1.6, (1.0, 1.2), furnishings.poster),
        (_EAST, 1.7, 1.75, (0.6, 0.8), furnishings.painting),
        (_WEST, -1.5, 1.6, (0.9, 0.9), furnishings.painting),
        (_WEST, 1.6, 1.65, (1.2, 0.8), furnishings.painting),
    ):
        distance = (DEPTH if outward[2] else WIDTH) / 2 - 0.03
        right = np.cross(DOWN, -outward)
        centre = -distance * outward + along * right - height * DOWN
        stage.upright(painter, centre, outward, size, _FINE)


def _furnish(stage: Stage) -> list[tuple[np.ndarray, tuple[float, float], float]]:
    """Add the furniture; return (foot, (width, depth), heading) of what stands on the floor."""
    wood, cloth, paper = materials.planks, furnishings.fabric, furnishings.carton
    shelf, chest = furnishings.books, furnishings.drawers
    quarter = np.pi / 2
    standing = (
        # x, z, (width, height, depth), heading, front, side, top
        (0.9, 2.5, (1.3, 2.0, 0.34), 0.0, shelf, wood, wood),
        (-1.3, 2.52, (1.1, 0.85, 0.45), 0.0, chest, wood, wood),
        (-0.6, -2.5, (1.6, 0.8, 0.5), np.pi, chest, wood, wood),
        (1.0, -2.45, (1.0, 1.9, 0.36), np.pi, shelf, wood, wood),
        (3.0, 0.2, (1.9, 0.45, 0.75), quarter, cloth, cloth, cloth),
        (3.4, 0.2, (1.9, 0.95, 0.2), quarter, cloth, cloth, cloth),
        (3.25, -1.9, (0.9, 1.8, 0.36), quarter, shelf, wood, wood),
        (-3.2, 0.1, (1.5, 2.0, 0.34), -quarter, shelf, wood, wood),
        (-3.1, -1.8, (0.7, 0.6, 0.6), -1.3, paper, paper, paper),
        (-2.95, 1.9, (0.8, 0.75, 0.6), -1.9, chest, wood, wood),
        (0.0, 0.0, (0.95, 0.45, 0.6), 0.5, wood, wood, cloth),
    )
    for x, z, size, heading, front, side, top in standing:
        stage.box(side, top, np.array([x, 0.0, z]), size, heading, 200.0, front)
    for x, height, z, size, heading in (
        (-1.5, 0.85, 2.5, (0.4, 0.3, 0.3), 0.3),
        (-1.05, 0.85, 2.5, (0.25, 0.42, 0.2), -0.4),
        (-0.9, 0.8, -2.5, (0.45, 0.35, 0.35), 2.9),
        (-0.2, 0.8, -2.5, (0.3, 0.5, 0.25), 3.6),
        (-3.05, 0.6, -1.8, (0.45, 0.4, 0.4), -1.1),
        (-2.95, 0.75, 1.9, (0.5, 0.35, 0.35), -2.2),
        (0.1, 0.45, 0.05, (0.35, 0.22, 0.25), 1.0),
    ):
        stage.box(paper, paper, np.array([x, -height, z]), size, heading, _FINE)
    return [
        (np.array([x, z]), (size[0], size[2]), heading) for x, z, size, heading, *_ in standing
    ]


def _floor(stage: Stage, furniture: list[tuple[np.ndarray, tuple[float, float], float]]) -> None:
    """Boards with a rug on them, and shade around what stands there."""
    boards = stage.paint(materials.planks, (WIDTH, DEPTH), stage.scale)
    carpet = stage.paint(furnishings.rug, (3.4, 2.4), stage.scale)
    height, width = boards.shape
    top, left = (height - carpet.shape[0]) // 2, (width - carpet.shape[1]) // 2
    boards[top : top + carpet.shape[0], left : left + carpet.shape[1]] = carpet
    shade = np.zeros_like(boards)
    cv2.rectangle(shade, (0, 0), (width - 1, height - 1), 1.0, int(0.1 * stage.scale))
    for foot, size, heading in furniture:
        corners = cv2.boxPoints(((0, 0), size, float(np.degrees(heading)))) * (1, -1)
        corners = (foot + corners) * (1, -1) * stage.scale + (width / 2, height / 2)
        cv2.fillPoly(shade, [corners.astype(np.int32)], 1.0)
    shade = cv2.GaussianBlur(shade, (0, 0), 0.12 * stage.scale)
    picture = boards * (1.0 - 0.55 * shade) * light(-DOWN)
    stage.place(picture, np.zeros(3), _WEST, _NORTH, (WIDTH, DEPTH))
