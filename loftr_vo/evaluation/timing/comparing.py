# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Times our matcher and a peer in turn on the same pictures."""

from __future__ import annotations

import contextlib
import multiprocessing
import platform
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from loftr_vo.config import MatcherSettings
from loftr_vo.evaluation.timing.measuring import StreamedMatcher, host_memory_mib
from loftr_vo.evaluation.timing.peer import PUBLISHED, start_peer
from loftr_vo.imaging.frame import Frame
from loftr_vo.matching.matcher import Matcher
from loftr_vo.synthetic.sequence import SyntheticSequence

# Pictures that are streamed; the camera goes round a room, so that they overlap as real ones do.
PICTURES = 8


@dataclass(frozen=True)
class Plan:
    """The plan of a comparison.

    Attributes:
        settings: of our matcher.
        size: (W, H) of the pictures.
        peer: its name; None measures ours alone.
        rounds: number of turns of each.
        frames: that ours streams in a turn, while the peer matches one pair.
    """

    settings: MatcherSettings
    size: tuple[int, int]
    peer: str | None = None
    rounds: int = 5
    frames: int = 6


def settings_for(weights: str, device: str, precision: str) -> MatcherSettings:
    """Return the settings that weights are compared with.

    ``compact`` gets its default size, a shrunk picture; published networks get the whole picture,
    as the peer does.
    """
    defaults = MatcherSettings(weights=weights, device=device, precision=precision)
    if weights == defaults_weights():
        return defaults
    return MatcherSettings(weights=weights, device=device, precision=precision, image_size=2048)


def defaults_weights() -> str:
    """Return the name of the default weights."""
    return MatcherSettings().weights


def render_pictures(size: tuple[int, int]) -> list[np.ndarray]:
    """Return (H, W) uint8 pictures of a camera that goes round a furnished room."""
    return [frame.image for frame in render_frames(size, PICTURES)]


def render_frames(size: tuple[int, int], count: int) -> list[Frame]:
    """Return frames of a camera of (W, H) that goes round a furnished room.

    Rendered in a separate process: PyTorch on two threads of one process slows both down for good
    (see ``CpuBackend``).
    """
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(1, context) as process:
        return process.submit(_render, size, count).result()


def _render(size: tuple[int, int], count: int) -> list[Frame]:
    width, height = size
    return list(SyntheticSequence('room', count, (height, width)))


def compare(plan: Plan, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Run the plan and return the figures; times are milliseconds.

    Raises:
        WeightsError, DeviceError, PictureError, PeerError: something is not available.
    """
    progress('rendering the pictures')
    pictures = render_pictures(plan.size)
    matcher = Matcher(plan.settings)
    peer_weights = (
        PUBLISHED if plan.settings.weights == defaults_weights() else plan.settings.weights
    )
    on_cuda = matcher.device.type == 'cuda'
    with contextlib.ExitStack() as stack:
        peer = None
        if plan.peer:
            progress(f'loading {plan.peer}')
            pair = pictures[0], pictures[1]
            peer = stack.enter_context(
                start_peer(plan.peer, peer_weights, pair, str(matcher.device))
            )
        ours = StreamedMatcher(matcher, pictures)
        streamed: list[tuple[float, int]] = []
        theirs: list[tuple[float, int]] = []
        theirs_mixed: list[tuple[float, int]] = []
        stages: list[dict[str, float]] = []
        for turn in range(plan.rounds):
            progress(f'round {turn + 1} of {plan.rounds}')
            streamed += [ours.frame() for _ in range(plan.frames)]
            stages += [ours.stages() for _ in range(2)]
            if peer:
                theirs.append(peer.match())
                if on_cuda:
                    theirs_mixed.append(peer.match(mixed=True))
        rate = ours.rate(plan.frames * 2)
    return _figures(plan, matcher, ours, streamed, stages, rate) | _peer_figures(
        streamed, theirs, theirs_mixed, plan.peer, peer_weights
    )


def _figures(
    plan: Plan,
    matcher: Matcher,
    ours: StreamedMatcher,
    streamed: list[tuple[float, int]],
    stages: list[dict[str, float]],
    rate: float,
) -> dict[str, Any]:
    times = [time for time, _ in streamed]
    width, height = plan.size
    return {
        'device': device_name(matcher.device),
        'size': f'{width}x{height}',
        'weights': plan.settings.weights,
        'working_size': '{1}x{0}'.format(*matcher.working_shape((height, width))),
        'precision': str(matcher.dtype).removeprefix('torch.'),
        'threads': torch.get_num_threads(),
        'torch': torch.__version__,
        'frames': len(times),
        'matches': int(np.median([count for _, count in streamed])),
        'ours_ms_median': float(np.median(times)),
        'ours_ms_p95': float(np.percentile(times, 95)),
        'frames_per_second': rate,
        'stages_ms': {
            stage: float(np.median([each[stage] for each in stages])) for stage in stages[0]
        },
        'gpu_memory_mib': ours.gpu_memory_mib(),
        'host_memory_mib': host_memory_mib(),
    }


def _peer_figures(
    streamed: list[tuple[float, int]],
    theirs: list[tuple[float, int]],
    theirs_mixed: list[tuple[float, int]],
    name: str | None,
    weights: str,
) -> dict[str, Any]:
    def median(runs: list[tuple[float, int]]) -> float | None:
        return float(np.median([time for time, _ in runs])) if runs else None

    ours, plain, mixed = median(streamed), median(theirs), median(theirs_mixed)
    assert ours
    return {
        'peer': name,
        'peer_weights': weights if name else None,
        'peer_matches': int(np.median([count for _, count in theirs])) if theirs else None,
        'peer_ms_median': plain,
        'peer_amp_ms_median': mixed,
        'ratio': plain / ours if plain else None,
        'ratio_amp': mixed / ours if mixed else None,
    }


def device_name(device: torch.device) -> str:
    """Return the device with the model of the GPU, or of the CPU and its threads."""
    if device.type == 'cuda':
        return f'{device} ({torch.cuda.get_device_name(device)})'
    return f'cpu ({_processor()}, {torch.get_num_threads()} threads)'


def _processor() -> str:
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            for line in file:
                if line.startswith('model name'):
                    return line.split(':', 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
