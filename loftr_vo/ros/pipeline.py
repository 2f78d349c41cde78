# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of the node that are made and taken away with the lifecycle."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from loftr_vo.config import NodeSettings, Settings
from loftr_vo.ros.device import release_memory
from loftr_vo.ros.health import Health
from loftr_vo.ros.limited_log import LimitedLog
from loftr_vo.ros.managed_node import ManagedNode
from loftr_vo.ros.outputs import Outputs
from loftr_vo.ros.stream import Stream
from loftr_vo.ros.transforms import Extrinsics

# Makes the odometry, network included; calls its second argument with a line of text a step.
Load = Callable[[Settings, Callable[[str], None]], Any]


class Pipeline:
    """Publishers, extrinsics, the odometry with its network, and the stream of pictures.

    One thread at a time calls its methods; any may use ``apply_settings`` and ``stream``.

    Args:
        node: to publish and subscribe with.
        load: makes the odometry.
        settings: returns the settings of now.
        published: called on the worker's thread after each estimate.
        health: where everything is noted.
        log: for lines that messages cause.

    Attributes:
        odometry: a ``VisualOdometry``; None while the network is not loaded.
        outputs, extrinsics: None while not configured.
        stream: None while not active.
    """

    def __init__(
        self,
        node: ManagedNode,
        load: Load,
        settings: Callable[[], tuple[NodeSettings, Settings]],
        published: Callable[[], None],
        health: Health,
        log: LimitedLog,
    ) -> None:
        self._node = node
        self._load = load
        self._settings = settings
        self._published = published
        self._health = health
        self._log = log
        self.odometry: Any = None
        self.outputs: Outputs | None = None
        self.extrinsics: Extrinsics | None = None
        self.stream: Stream | None = None

    def make_outputs(self) -> Outputs:
        """Make the publishers and, where a ``base_frame`` is given, listen to TF."""
        settings, odometry_settings = self._settings()
        self.extrinsics = Extrinsics(
            self._node,
            settings.base_frame,
            settings.lookup_extrinsics,
            others='imu' in odometry_settings.companions,
        )
        self.outputs = Outputs(self._node, settings)
        self._health.transform = self.outputs.transform
        return self.outputs

    def load_network(self) -> None:
        """Load the network, unless it is loaded."""
        if self.odometry is not None:
            return
        assert self.outputs is not None  # configured
        self.odometry = self._load(self._settings()[1], self._report)
        self._health.device = getattr(self.odometry, 'device', '')
        self.outputs.restart()

    def start_stream(self) -> None:
        """Subscribe, and start to work on pictures."""
        node_settings, settings = self._settings()
        assert self.extrinsics is not None  # configured
        assert self.outputs is not None
        self._health.active_since = time.monotonic()
        self.stream = Stream(
            self._node,
            node_settings,
            settings,
            self.extrinsics,
            self.odometry,
            self.outputs,
            self._published,
            self._health,
            self._log,
        )
        # They may have changed since the network was loaded.
        self.apply_settings()

    def apply_settings(self) -> None:
        """Apply the settings before the next picture; without a stream, the next one does."""

        def apply() -> None:
            node_settings, settings = self._settings()
            if self.odometry is not None:
                self.odometry.configure(settings)
            if self.outputs is not None:
                self.outputs.configure(node_settings)

        stream = self.stream
        if stream is not None:
            stream.configure(self._settings()[1])
            stream.between_frames(apply)

    def stop_stream(self) -> None:
        """Unsubscribe and finish the picture in work."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None
        self._health.estimate = None

    def reload_network(self) -> None:
        """Load the network anew after its device failed, and start again.

        Raises:
            RuntimeError: it cannot be loaded; the device counts as failed still.
        """
        self.stop_stream()
        self.free_network()
        try:
            self.load_network()
        except Exception as error:
            self._health.device_fault = str(error)
            self._node.get_logger().error(f'the network cannot be loaded anew: {error}')
            raise RuntimeError(f'the network cannot be loaded anew: {error}') from error
        finally:
            self._health.progress = ''
        self.start_stream()

    def free_network(self) -> None:
        """Free the network and its memory."""
        self.odometry = None
        self._health.device_fault = self._health.device = ''
        release_memory()

    def free(self) -> None:
        """Free everything but the stream, which is stopped already."""
        self.free_network()
        for part in (self.outputs, self.extrinsics):
            if part is not None:
                part.close()
        self.outputs = self.extrinsics = None

    def _report(self, progress: str) -> None:
        self._health.progress = progress
        self._node.get_logger().info(progress)
