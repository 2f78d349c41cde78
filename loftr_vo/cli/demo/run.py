# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The demo: a rendered camera, streamed over DDS to the node in a process of its own, scored.

It uses the node only as any other program would: by its topics.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loftr_vo.cli.demo.pictures import draw_pictures
from loftr_vo.cli.demo.streaming import (
    THREADS,
    await_replies,
    progress_bar,
    send,
    sustainable_rate,
)
from loftr_vo.evaluation.report import write_json
from loftr_vo.evaluation.run_record import FrameRecord, Run
from loftr_vo.evaluation.scoring import (
    Alignment,
    align,
    require_evo,
    score_alignment,
)
from loftr_vo.files.output_files import check_folder, check_writable
from loftr_vo.geometry.trajectory import Trajectory
from loftr_vo.imaging.frame import Frame
from loftr_vo.odometry.estimate import State
from loftr_vo.ros.node_process import (
    LiveNodeError,
    await_ready,
    camera_and_listener,
    keep_to_this_host,
    node_process,
)
from loftr_vo.synthetic.sequence import SyntheticSequence

if TYPE_CHECKING:
    from loftr_vo.ros.odometry_listener import OdometryListener

LEAST_TRACKED = 0.95
LARGEST_ERROR = 5.0  # percent of the path
# No frame is dropped, so that a busy machine changes the latency only.
PARAMETERS = {'queue_policy': 'all', 'publish_tf': 'false'}
_TRIAL = 12  # frames that measure the speed of the network here


@dataclass(frozen=True)
class _Stream:
    """Frames that were sent, and what came back.

    Attributes:
        frames: as rendered.
        stamps: nanoseconds at which they were sent.
        rate: frames a second sent.
        listener: what came back.
    """

    frames: list[Frame]
    stamps: list[int]
    rate: float
    listener: OdometryListener


def run_demo(output: Path, frames: int = 150, size: tuple[int, int] = (240, 320)) -> int:
    """Stream a rendered room through the node, score the odometry, and write pictures.

    Args:
        output: folder for what is written; made if absent.
        frames: how many to stream.
        size: (H, W) of the pictures.

    Returns:
        The exit code: 0 if the node tracked the camera, else 1.
    """
    keep_to_this_host()
    _check_outputs(output)
    output.mkdir(parents=True, exist_ok=True)
    try:
        require_evo()
        with node_process(output / 'node.log', PARAMETERS, THREADS) as check_node:
            sequence = SyntheticSequence('room', frames, size)
            with camera_and_listener(sequence.camera, 'demo_camera') as (camera, listener):
                rendered = list(progress_bar(sequence, 'rendering the camera', frames))
                rate = sustainable_rate(rendered[:_TRIAL])
                await_ready(camera, listener, check_node)
                stamps = send(rendered, rate, camera, listener, check_node)
                await_replies(stamps, check_node, listener)
    except LiveNodeError as error:
        print(f'loftr_vo: the demo failed: {error}', file=sys.stderr)
        return 1
    return _report(output, sequence, _Stream(rendered, stamps, rate, listener))


def _check_outputs(output: Path) -> None:
    """Make sure that the files can be written, before the minutes that it takes."""
    check_folder(output)
    for name in ('node.log', 'metrics.json', 'trajectory.txt', 'demo.gif'):
        check_writable(output / name)


def _report(output: Path, sequence: SyntheticSequence, stream: _Stream) -> int:
    """Score, draw, print; return the exit code."""
    truth = sequence.ground_truth
    assert truth is not None  # rendered scenes have it
    run = _as_run(stream.listener)
    alignment = align(run.trajectory, Trajectory(np.array(stream.stamps), truth.poses), False)
    metrics = _metrics(run, alignment, stream)
    write_json(output / 'metrics.json', metrics)
    run.trajectory.write_tum(output / 'trajectory.txt')
    print(_table(metrics))
    draw_pictures(output, alignment, stream.listener.pictures, metrics)
    print(f'\nPictures are in {output}: demo.gif, top_view.png, error.png, contact_sheet.jpg')
    failures = _failures(metrics)
    for failure in failures:
        print(f'loftr_vo: the demo failed: {failure}', file=sys.stderr)
    return 1 if failures else 0


def _as_run(listener: OdometryListener) -> Run:
    records = []
    for received in listener.odometry:
        status = listener.statuses.get(received.stamp, {})
        records.append(
            FrameRecord(
                stamp=received.stamp,
                state=State(status.get('state', State.LOST.value)),
                reason=status.get('reason', ''),
                pose=received.pose,
                matches=int(status.get('matches', 0)),
                inliers=int(status.get('inliers', 0)),
                parallax=float(status.get('parallax', 0.0)),
                is_keyframe=False,
                metric=False,
                latency_ms=(received.arrival - received.stamp) / 1e6,
            )
        )
    return Run(records)


def _metrics(run: Run, alignment: Alignment, stream: _Stream) -> dict[str, Any]:
    scores = score_alignment(alignment)
    latencies = [record.latency_ms for record in run.records]
    return {
        'frames': len(stream.frames),
        'tracked': run.tracked,
        'dropped': len(stream.frames) - run.frames,
        'path_length_m': scores.path_length_m,
        'ate_rmse_m': scores.ate_rmse_m,
        'ate_percent': scores.ate_percent,
        'rpe_rotation_deg': scores.rpe_rotation_deg,
        'latency_ms_median': float(np.median(latencies)),
        'latency_ms_p95': float(np.percentile(latencies, 95)),
        'matches_median': float(np.median([record.matches for record in run.records])),
        'inliers_median': float(np.median([record.inliers for record in run.records])),
        'rate_hz': stream.rate,
        'width': stream.frames[0].image.shape[1],
        'height': stream.frames[0].image.shape[0],
    }


def _table(metrics: dict[str, Any]) -> str:
    share = 100.0 * metrics['tracked'] / metrics['frames']
    size = f'{metrics["width"]}x{metrics["height"]}'
    rows = [
        ('camera', f'{metrics["frames"]} frames of {size} at {metrics["rate_hz"]:g} Hz'),
        ('tracked', f'{metrics["tracked"]} frames ({share:.1f} %)'),
        ('dropped', f'{metrics["dropped"]} frames'),
        ('matches', f'{metrics["matches_median"]:.0f}, {metrics["inliers_median"]:.0f} inliers'),
        ('path', f'{metrics["path_length_m"]:.2f} m'),
        (
            'error (ATE)',
            f'{1e3 * metrics["ate_rmse_m"]:.1f} mm, {metrics["ate_percent"]:.2f} % of the path, '
            'after Sim(3) alignment',
        ),
        ('rotation', f'{metrics["rpe_rotation_deg"]:.3f} deg error per frame'),
        (
            'latency',
            f'{metrics["latency_ms_median"]:.0f} ms median, {metrics["latency_ms_p95"]:.0f} ms '
            'p95, from publishing a picture to its odometry',
        ),
    ]
    return '\n' + '\n'.join(f'  {name:<12} {value}' for name, value in rows)


def _failures(metrics: dict[str, Any]) -> list[str]:
    failures = []
    if metrics['tracked'] < LEAST_TRACKED * metrics['frames']:
        failures.append(
            f'{metrics["tracked"]} of {metrics["frames"]} frames are tracked, '
            f'less than {LEAST_TRACKED:.0%}; see node.log'
        )
    if not metrics['ate_percent'] <= LARGEST_ERROR:
        failures.append(
            f'the trajectory is {metrics["ate_percent"]:.1f} % off, more than {LARGEST_ERROR:g} %'
        )
    return failures
