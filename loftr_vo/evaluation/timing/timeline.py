# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A timeline of a few streamed frames: which stages ran when."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from loftr_vo.config import MatcherSettings, Settings
from loftr_vo.evaluation.plots import save_figure
from loftr_vo.evaluation.timing.comparing import render_frames
from loftr_vo.matching.stage_trace import Span, Trace
from loftr_vo.odometry import VisualOdometry

# From the bottom up: the device's lanes, then the host's.
LANES = ('copy', 'encode', 'match', 'waiting', 'geometry')
_COLOURS = ('tab:grey', 'tab:blue', 'tab:orange', 'lightgrey', 'tab:green')
_WARM_UP, _SHOWN = 6, 5


def trace_odometry(settings: MatcherSettings, size: tuple[int, int]) -> list[Span]:
    """Return the spans of an odometry over a few frames, each with the next one available.

    The network sees every one.

    Args:
        settings: of the matcher.
        size: (W, H) of the camera.
    """
    trace = Trace()
    every_frame = replace(settings, when='every_frame')
    odometry = VisualOdometry(Settings(matcher=every_frame), trace=trace)
    frames = render_frames(size, _WARM_UP + _SHOWN + 1)
    for index, frame in enumerate(frames[:-1]):
        if index == _WARM_UP:
            trace.spans.clear()
        odometry.track(frame, frames[index + 1])
    odometry.synchronize()
    return list(trace.spans)


def overlap(spans: list[Span], lane: str, others: tuple[str, ...]) -> float:
    """Return the share of a lane's time in which one of the others was busy too."""
    total = sum(span.end - span.start for span in spans if span.lane == lane)
    shared = sum(
        max(0.0, min(span.end, other.end) - max(span.start, other.start))
        for span in spans
        if span.lane == lane
        for other in spans
        if other.lane in others
    )
    return shared / total if total else 0.0


def draw_timeline(spans: list[Span], path: Path, title: str) -> None:
    """Draw spans as bars, a row for each lane.

    Raises:
        OutputError: the picture cannot be written.
    """
    origin = min(span.start for span in spans)
    figure = Figure(figsize=(11, 3), dpi=130, layout='constrained')
    axes = figure.add_subplot()
    for row, (lane, colour) in enumerate(zip(LANES, _COLOURS, strict=True)):
        bars = [
            (1e3 * (span.start - origin), 1e3 * (span.end - span.start))
            for span in spans
            if span.lane == lane
        ]
        axes.broken_barh(bars, (row - 0.4, 0.8), facecolors=colour, edgecolor='white')
    axes.set_yticks(range(len(LANES)), LANES)
    axes.set_xlabel('milliseconds')
    axes.set_title(title, fontsize='medium', parse_math=False)
    save_figure(figure, path)
