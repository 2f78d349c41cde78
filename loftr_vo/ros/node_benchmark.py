# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The whole node, streamed to over DDS: how many pictures it follows, how late, at what cost.

The node runs as a process of its own. This process publishes the pictures and subscribes to the
odometry; nothing subscribes to the annotated pictures and the markers.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from loftr_vo.evaluation.timing.process_usage import ProcessUsage
from loftr_vo.imaging.frame import Frame
from loftr_vo.ros.node_process import (
    LiveNodeError,
    await_ready,
    camera_and_listener,
    node_process,
)

if TYPE_CHECKING:
    from loftr_vo.ros.camera_simulator import CameraSimulator
    from loftr_vo.ros.odometry_listener import ReceivedOdometry

_PATIENCE = 3.0  # seconds for what is under way when the camera stops
# Keys of ``~/status`` that are milliseconds, but of no stage of the work.
_NO_STAGES = ('readout_ms', 'wait_ms')


@dataclass
class NodeRun:
    """The results of streaming pictures to the node.

    Attributes:
        stamps: nanoseconds, of the pictures that were published.
        odometry: received for them.
        statuses: the values of ``~/status`` by the stamp of the picture that they are about.
        cpu_percent: CPU time of the node by wall time; 200 is two cores.
        rss_mib_max: most memory that the node had.
    """

    stamps: list[int] = field(default_factory=list)
    odometry: list[ReceivedOdometry] = field(default_factory=list)
    statuses: dict[int, dict[str, str]] = field(default_factory=dict)
    cpu_percent: float = float('nan')
    rss_mib_max: float = float('nan')

    @property
    def latencies(self) -> np.ndarray:
        """(N,) milliseconds from the stamps to the arrival of the odometry."""
        return np.array([1e-6 * (each.arrival - each.stamp) for each in self.odometry])


def stream_to_node(
    frames: list[Frame],
    rate: float,
    seconds: float,
    parameters: Mapping[str, str],
    threads: int | None = None,
) -> NodeRun:
    """Run the node and be its camera for a while.

    Args:
        frames: of one camera, sent there and back again.
        rate: Hz.
        seconds: how long.
        parameters: of the node.
        threads: of the network; as by default where not given.

    Raises:
        LiveNodeError: the node did not start, or said nothing of any picture.
    """
    run = NodeRun()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / 'node.log'
        with (
            node_process(log, parameters, threads) as node,
            camera_and_listener(frames[0].camera, 'benchmark_camera', pictures=False) as ends,
        ):
            camera, listener = ends
            await_ready(camera, listener, node)
            usage = ProcessUsage(node.pid)
            run.stamps = stream(frames, rate, seconds, camera, node)
            run.cpu_percent = usage.cpu_percent()
            time.sleep(_PATIENCE)
            run.rss_mib_max = usage.rss_mib_max()
            run.odometry, run.statuses = list(listener.odometry), dict(listener.statuses)
            if not run.odometry:
                raise LiveNodeError(f'no odometry came; the node says: {listener.last_message}')
    return run


def stream(
    frames: list[Frame],
    rate: float,
    seconds: float,
    camera: CameraSimulator,
    check_node: Callable[[], None],
) -> list[int]:
    """Publish pictures at a rate; return their stamps, the time at which each was sent."""
    from loftr_vo.ros.camera_simulator import picture_message

    stamps: list[int] = []
    start = time.monotonic()
    for number, frame in enumerate(there_and_back(frames)):
        due = number / rate
        if due >= seconds:
            break
        check_node()
        picture = picture_message(frame.image)
        time.sleep(max(0.0, start + due - time.monotonic()))
        stamps.append(time.time_ns())
        camera.send(picture, stamps[-1])
    return stamps


def there_and_back(frames: list[Frame]) -> Iterator[Frame]:
    """Go through frames again and again without a jump."""
    return cycle([*frames, *frames[-2:0:-1]])


def figures(run: NodeRun) -> dict[str, Any]:
    """Return what the run shows, as JSON has it; stages are means over all odometries."""
    latencies = run.latencies
    published, odometries = len(run.stamps), len(run.odometry)
    network = [int(each.get('network_frames', '0')) for each in run.statuses.values()]
    return {
        'published': published,
        'odometries': odometries,
        'dropped': published - odometries,
        'network_frames': max(network, default=0),
        'stamp_to_odom_ms_median': float(np.median(latencies)),
        'stamp_to_odom_ms_p95': float(np.percentile(latencies, 95)),
        'cpu_percent': run.cpu_percent,
        'rss_mib_max': run.rss_mib_max,
        'stages_ms': _stages(run),
    }


def _stages(run: NodeRun) -> dict[str, float]:
    names = {
        key
        for values in run.statuses.values()
        for key in values
        if key.endswith('_ms') and key not in _NO_STAGES
    }
    count = max(len(run.statuses), 1)
    return {
        name.removesuffix('_ms'): sum(
            float(values.get(name, 0.0)) for values in run.statuses.values()
        )
        / count
        for name in sorted(names)
    }


def draw_latency(run: NodeRun, path: Path, title: str) -> None:
    """Draw how late each odometry was, and which pictures the network saw.

    Raises:
        OSError: the picture cannot be written.
    """
    figure = Figure(figsize=(11, 4), layout='constrained')
    axes = figure.add_subplot()
    seconds = np.array([1e-9 * (each.stamp - run.stamps[0]) for each in run.odometry])
    by_network = np.array(
        [run.statuses.get(each.stamp, {}).get('matched_by') == 'network' for each in run.odometry],
        bool,
    )
    for chosen, colour, label in (
        (~by_network, 'tab:blue', 'by tracks'),
        (by_network, 'tab:orange', 'by the network'),
    ):
        axes.plot(seconds[chosen], run.latencies[chosen], '.', color=colour, label=label)
    missing = sorted(set(run.stamps) - {each.stamp for each in run.odometry})
    if missing:
        lost = [1e-9 * (stamp - run.stamps[0]) for stamp in missing]
        axes.plot(lost, np.zeros(len(lost)), '|', color='tab:red', label='without odometry')
    axes.set_ylim(bottom=0)
    axes.set_xlabel('seconds since the first picture')
    axes.set_ylabel('stamp to odometry (ms)')
    axes.set_title(title, fontsize='medium')
    axes.grid(color='#dddddd')
    axes.legend(loc='upper right')
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(path, dpi=130)
    except ValueError as error:
        raise OSError(f'cannot write {path}: {error}; name a .png, .svg or .pdf file') from error
