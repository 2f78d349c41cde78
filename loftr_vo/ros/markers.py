# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The matches in space, for RViz: lines between the keyframe's picture and the camera's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from loftr_vo.drawing.match_segments import PICTURE_DEPTH, match_segments
from loftr_vo.geometry.rigid_motion import transform_points
from loftr_vo.imaging.camera import Camera
from loftr_vo.odometry.estimate import Estimate, State

MAX_KEYFRAMES = 1000

_GREEN = ColorRGBA(r=0.2, g=0.9, b=0.3, a=0.5)
_RED = ColorRGBA(r=1.0, g=0.2, b=0.2, a=0.35)
_BLUE = ColorRGBA(r=0.2, g=0.5, b=1.0, a=1.0)
# The camera's, by how it stands; as in ~/match_image.
_STATE_COLOURS = {
    State.INITIALISING: ColorRGBA(r=1.0, g=0.7, b=0.1, a=1.0),
    State.TRACKING: ColorRGBA(r=0.2, g=0.9, b=0.3, a=1.0),
    State.LOST: ColorRGBA(r=1.0, g=0.2, b=0.2, a=1.0),
}


def match_markers(
    header: Header,
    estimate: Estimate,
    camera: Camera,
    keyframes: Sequence[np.ndarray],
    odom_from_world: np.ndarray,
    afresh: bool = False,
) -> MarkerArray:
    """Return the namespaces inliers, outliers, keyframes and camera as markers.

    Each namespace is one marker, which takes the place of the one before it. Of many matches an
    even choice is drawn, of many keyframes the newest ones.

    Args:
        header: stamp of the picture, and the odom frame.
        estimate: of the picture.
        camera: that took it.
        keyframes: (4, 4) poses, world from keyframe, of all keyframes to draw.
        odom_from_world: (4, 4), from the odometry's world to the odom frame.
        afresh: take away all that was drawn before, also by a node that ran earlier.
    """
    inliers, outliers = (each.reshape(-1, 3) for each in match_segments(estimate, camera))
    frustum, colour = (
        transform_points(estimate.pose, _frustum(camera)),
        _STATE_COLOURS[estimate.state],
    )
    newest = list(keyframes)[-MAX_KEYFRAMES:]
    positions = np.array([pose[:3, 3] for pose in newest]).reshape(-1, 3)
    markers = [
        _marker(header, 'inliers', Marker.LINE_LIST, inliers, odom_from_world, _GREEN, 0.003),
        _marker(header, 'outliers', Marker.LINE_LIST, outliers, odom_from_world, _RED, 0.002),
        _marker(header, 'keyframes', Marker.SPHERE_LIST, positions, odom_from_world, _BLUE, 0.1),
        _marker(header, 'camera', Marker.LINE_LIST, frustum, odom_from_world, colour, 0.02),
    ]
    clearing = [Marker(header=header, action=Marker.DELETEALL)] if afresh else []
    return MarkerArray(markers=[*clearing, *markers])


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


def pose_of_frustum(points: np.ndarray) -> np.ndarray:
    """Return the (4, 4) pose of the camera that the (16, 3) points of ``camera`` are drawn of.

    The pose is that of its optical frame, in the frame of the points.
    """
    top_left, top_right, _, bottom_right = points[:4]
    right, down = top_right - top_left, bottom_right - top_right
    right, down = right / np.linalg.norm(right), down / np.linalg.norm(down)
    pose = np.eye(4)
    pose[:3, :3] = np.column_stack([right, down, np.cross(right, down)])
    pose[:3, 3] = points[8]  # where the first edge from the centre begins
    return pose


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
    marker.points = [
        Point(x=x, y=y, z=z) for x, y, z in transform_points(odom_from_world, points).tolist()
    ]
    return marker
