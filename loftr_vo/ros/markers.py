# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The matches in space, for RViz: lines between the keyframe's picture and the camera's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from loftr_vo.camera import Camera
from loftr_vo.estimate import Estimate

# How far before a camera its picture is drawn, in units of length of the odometry.
PICTURE_DEPTH = 0.5

_GREEN = ColorRGBA(r=0.2, g=0.9, b=0.3, a=0.5)
_RED = ColorRGBA(r=1.0, g=0.2, b=0.2, a=0.35)
_BLUE = ColorRGBA(r=0.2, g=0.5, b=1.0, a=1.0)
_YELLOW = ColorRGBA(r=1.0, g=0.8, b=0.1, a=1.0)


def match_markers(
    header: Header,
    estimate: Estimate,
    camera: Camera,
    keyframes: Sequence[np.ndarray],
    odom_from_world: np.ndarray,
) -> MarkerArray:
    """Return the namespaces inliers, outliers, keyframes and camera as markers.

    Args:
        header: stamp of the picture, and the odom frame.
        estimate: of the picture.
        camera: that took it.
        keyframes: (4, 4) poses, world from keyframe, of all keyframes to draw.
        odom_from_world: (4, 4), from the odometry's world to the odom frame.
    """
    inliers, outliers = _match_segments(estimate, camera)
    frustum = _moved(estimate.pose, _frustum(camera))
    positions = np.array([pose[:3, 3] for pose in keyframes]).reshape(-1, 3)
    markers = [
        _marker(header, 'inliers', Marker.LINE_LIST, inliers, odom_from_world, _GREEN, 0.003),
        _marker(header, 'outliers', Marker.LINE_LIST, outliers, odom_from_world, _RED, 0.002),
        _marker(header, 'keyframes', Marker.SPHERE_LIST, positions, odom_from_world, _BLUE, 0.1),
        _marker(header, 'camera', Marker.LINE_LIST, frustum, odom_from_world, _YELLOW, 0.02),
    ]
    return MarkerArray(markers=markers)


def _match_segments(estimate: Estimate, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Return (2 I, 3) and (2 O, 3) ends of the lines of inliers and outliers, in the world."""
    if estimate.matches is None or estimate.inliers is None:
        return np.empty((0, 3)), np.empty((0, 3))
    starts = _moved(estimate.keyframe_pose, _on_picture(camera, estimate.matches.keypoints0))
    ends = _moved(estimate.pose, _on_picture(camera, estimate.matches.keypoints1))
    segments = np.stack([starts, ends], axis=1)
    visible = np.isfinite(segments).all(axis=(1, 2))
    inliers = segments[visible & estimate.inliers].reshape(-1, 3)
    outliers = segments[visible & ~estimate.inliers].reshape(-1, 3)
    return inliers, outliers


def _on_picture(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    rays = camera.undistort(pixels)
    return PICTURE_DEPTH * np.column_stack([rays, np.ones(len(rays))])


def _frustum(camera: Camera) -> np.ndarray:
    """Return (16, 3) ends of the 8 edges of the camera's pyramid, in its optical frame."""
    right, bottom = camera.width - 1, camera.height - 1
    corners = np.array([[0, 0], [right, 0], [right, bottom], [0, bottom]], np.float64)
    # Without the distortion: a fisheye lens has no rays for the corners of its picture.
    rays = (corners - camera.matrix[:2, 2]) / camera.matrix[[0, 1], [0, 1]]
    corners = PICTURE_DEPTH * np.column_stack([rays, np.ones(4)])
    sides = np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)
    edges = np.stack([np.zeros((4, 3)), corners], axis=1)
    return np.concatenate([sides, edges]).reshape(-1, 3)


def _moved(pose: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ pose[:3, :3].T + pose[:3, 3]


def _marker(
    header: Header,
    namespace: str,
    kind: int,
    points: np.ndarray,
    odom_from_world: np.ndarray,
    color: ColorRGBA,
    size: float,
) -> Marker:
    # RViz complains of a list without points.
    action = Marker.ADD if len(points) else Marker.DELETE
    marker = Marker(header=header, ns=namespace, id=0, type=kind, action=action, color=color)
    marker.pose.orientation.w = 1.0
    marker.scale.x = marker.scale.y = marker.scale.z = size
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in _moved(odom_from_world, points).tolist()]
    return marker
