# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that the node publishes of an estimate."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
from geometry_msgs.msg import PoseStamped
from nav_msgs.msg import Odometry, Path
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image, PointCloud2
from visualization_msgs.msg import MarkerArray

from loftr_vo.config import DEFAULT_BASE_FRAME, NodeSettings
from loftr_vo.drawing.match_image import dimmed, draw_matches, heading
from loftr_vo.geometry.rigid_motion import transform_points
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.geometry.trajectory_log import TrajectoryLog
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matches import Matches
from loftr_vo.odometry.estimate import Estimate, State
from loftr_vo.odometry.inertial.propagation import MovingPose
from loftr_vo.odometry.tracking.camera_step import CameraStep
from loftr_vo.ros import messages
from loftr_vo.ros.body import Body
from loftr_vo.ros.markers import MAX_KEYFRAMES, match_markers
from loftr_vo.ros.transform_watch import make_watch
from loftr_vo.ros.transforms import make_broadcaster
from loftr_vo.ros.velocity import velocity

NO_MATCHES = Matches(
    np.empty((0, 2), np.float32),
    np.empty((0, 2), np.float32),
    np.empty(0, np.float32),
    np.empty(0, np.float32),
    np.empty(0, np.int64),
)
_DEPTH = 10
# Nanoseconds by which odometry between pictures may be ahead of an estimate. What is further back
# follows a clock that was set back.
_OUTRUN = 10**9
# Poses of a day at 30 Hz; older ones give way, so that memory stays bounded.
_LONGEST_TRAJECTORY = 24 * 3600 * 30


class Outputs:
    """The node's publishers; they are silent until the node is active.

    Pictures, markers, points and the path are made only while someone subscribes to them.
    """

    def __init__(self, node: LifecycleNode, settings: NodeSettings) -> None:
        self._node = node
        self._settings = settings
        create = node.create_lifecycle_publisher
        self._odometry = create(Odometry, 'odom', _DEPTH)
        self._path = create(Path, '~/path', 1)
        self._matches = create(MarkerArray, '~/matches', 1)
        self._match_image = create(Image, '~/match_image', 1)
        self._points = create(PointCloud2, '~/points', 1)
        self._child_frame = settings.base_frame or DEFAULT_BASE_FRAME
        # Publishing copies it, so it serves for all.
        self._odometry_message = Odometry()
        self._one_by_one = threading.Lock()
        self._broadcaster = make_broadcaster(node) if settings.publish_tf else None
        broadcasts = self._broadcaster is not None
        self._watch = make_watch(node, *self._frames()) if broadcasts else None
        self.restart()

    @property
    def transform(self) -> str:
        """Which transform is broadcast, in words."""
        if not self._settings.publish_tf:
            return 'off'
        if self._broadcaster is None:
            return 'none: tf2_ros is not installed'
        return ' -> '.join(self._frames())

    def _frames(self) -> tuple[str, str]:
        """Return the transform's frames, parent and child."""
        frames = self._settings.odom_frame, self._child_frame
        return frames[::-1] if self._settings.invert_tf else frames

    @property
    def trajectory(self) -> Trajectory:
        """The camera's poses while it was not lost, in its optical axes, since the start."""
        return self._trajectory.trajectory()

    def restart(self) -> None:
        """Forget what was: the path, the trajectory, the keyframes and the last pose."""
        self._poses_of_path: deque[PoseStamped] = deque(maxlen=self._settings.path_length)
        self._keyframes: dict[int, np.ndarray] = {}
        self._markers_afresh = True
        self._last_stamp: int | None = None
        self._trajectory = TrajectoryLog(_LONGEST_TRAJECTORY)

    def configure(self, settings: NodeSettings) -> None:
        """Take over settings that may change at run time."""
        self._settings = settings
        self._poses_of_path = deque(self._poses_of_path, maxlen=settings.path_length)

    def end_watch_in_time(self) -> None:
        """End looking for others that broadcast the same transform, when it has lasted enough."""
        watch = self._watch  # the transition's thread may take it away meanwhile
        if watch is not None:
            watch.end_in_time()

    def close(self) -> None:
        """Destroy the publishers."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        for publisher in (
            self._odometry,
            self._path,
            self._matches,
            self._match_image,
            self._points,
        ):
            self._node.destroy_lifecycle_publisher(publisher)
        if self._broadcaster is not None:
            self._node.destroy_publisher(self._broadcaster.pub_tf)
            self._broadcaster = None

    def publish(self, estimate: Estimate, body: Body) -> None:
        """Publish the odometry and the transform of an estimate; of one that is silent, none.

        Args:
            estimate: the odometry's.
            body: what the camera is fixed to.
        """
        if not estimate.silent:
            self._publish_moment(
                estimate.stamp, estimate.pose, estimate.covariance, estimate.step, body
            )

    def publish_between(self, moving: MovingPose, body: Body) -> None:
        """Publish odometry and transform of a time between pictures; on any thread."""
        self._publish_moment(moving.stamp, moving.pose, moving.covariance, moving.step, body)

    def publish_pictures(
        self, estimate: Estimate, frame: Frame, camera_frame: str, body: Body, rate: float
    ) -> None:
        """Remember the estimate published last, and publish what there is to look at of it.

        Args:
            estimate: the odometry's.
            frame: that it is the estimate of.
            camera_frame: name of the frame that its picture was taken in.
            body: what the camera is fixed to.
            rate: estimates a second, to be written into the picture.
        """
        if not estimate.silent:
            self._remember(estimate, body)
            self._publish_path(estimate)
        self._publish_matches(estimate, frame, body)
        self._publish_match_image(estimate, frame, camera_frame, rate)
        self._publish_points(estimate, body)

    def _remember(self, estimate: Estimate, body: Body) -> None:
        self._poses_of_path.append(
            messages.pose_stamped(
                estimate.stamp, self._settings.odom_frame, body.pose(estimate.pose)
            )
        )
        self._keyframes[estimate.keyframe_id] = estimate.keyframe_pose
        if len(self._keyframes) > MAX_KEYFRAMES:
            self._keyframes.pop(next(iter(self._keyframes)))
        if estimate.state is not State.LOST:
            self._trajectory.append(estimate.stamp, estimate.pose)

    def _publish_moment(
        self,
        stamp: int,
        world_from_camera: np.ndarray,
        covariance: np.ndarray,
        step: CameraStep | None,
        body: Body,
    ) -> None:
        """Publish odometry and transform, unless those of a later time were published."""
        with self._one_by_one:
            if self._last_stamp is not None and 0 <= self._last_stamp - stamp < _OUTRUN:
                return
            self._last_stamp = stamp
            pose = body.pose(world_from_camera)
            self._odometry.publish(
                messages.odometry(
                    stamp,
                    self._settings.odom_frame,
                    self._child_frame,
                    pose,
                    body.covariance(world_from_camera, covariance),
                    *velocity(step, body),
                    self._odometry_message,
                )
            )
            self._broadcast(stamp, pose)

    def _broadcast(self, stamp: int, pose: np.ndarray) -> None:
        if self._broadcaster is None:
            return
        if self._watch is not None:
            self._watch.broadcast(stamp)
        pose = np.linalg.inv(pose) if self._settings.invert_tf else pose
        self._broadcaster.sendTransform(messages.transform_stamped(stamp, *self._frames(), pose))

    def _publish_path(self, estimate: Estimate) -> None:
        if self._path.get_subscription_count():
            header = messages.header(estimate.stamp, self._settings.odom_frame)
            self._path.publish(Path(header=header, poses=list(self._poses_of_path)))

    def _publish_matches(self, estimate: Estimate, frame: Frame, body: Body) -> None:
        if self._matches.get_subscription_count():
            self._matches.publish(
                match_markers(
                    messages.header(estimate.stamp, self._settings.odom_frame),
                    estimate,
                    frame.camera,
                    list(self._keyframes.values()),
                    body.odom_from_world,
                    self._markers_afresh,
                )
            )
            self._markers_afresh = False

    def _publish_match_image(
        self, estimate: Estimate, frame: Frame, camera_frame: str, rate: float
    ) -> None:
        if not self._match_image.get_subscription_count():
            return
        if estimate.keyframe_image is None:
            return
        lines = heading(
            estimate.state, estimate.reason, estimate.match_count, estimate.inlier_count, rate
        )
        matches, inliers = estimate.matches, estimate.inliers
        if matches is None or inliers is None:
            matches, inliers = NO_MATCHES, np.zeros(0, bool)
        mask = frame.camera.mask
        image0, image1 = dimmed(estimate.keyframe_image, mask), dimmed(frame.image, mask)
        picture = draw_matches(image0, image1, matches, inliers, lines)
        self._match_image.publish(messages.image_message(estimate.stamp, camera_frame, picture))

    def _publish_points(self, estimate: Estimate, body: Body) -> None:
        if self._points.get_subscription_count():
            points = transform_points(body.odom_from_world, estimate.points)
            self._points.publish(
                messages.point_cloud(
                    estimate.stamp,
                    self._settings.odom_frame,
                    points,
                    estimate.point_confidence,
                )
            )
