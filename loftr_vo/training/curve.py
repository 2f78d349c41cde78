# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The picture of a training run."""

from __future__ import annotations

import json
from pathlib import Path


def draw_curve(log: Path, picture: Path) -> None:
    """Draw losses and validation scores over the steps; nothing while the log is empty."""
    if not log.exists():
        return
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    from matplotlib.figure import Figure  # the training is the only one to need it here

    figure = Figure(figsize=(11, 4), layout='constrained')
    axes = figure.subplots(1, 3)
    panels = [
        ('loss', 'loss', ('coarse', 'unmatched', 'fine')),
        ('held-out pairs', 'share', ('precision', 'recall', 'false_rate')),
        ('held-out pairs', 'median error of a match (px at 320 x 240)', ('fine_error_px',)),
    ]
    steps = [entry['step'] for entry in entries]
    for axis, (title, label, names) in zip(axes, panels, strict=True):
        for name in names:
            axis.plot(steps, [entry[name] for entry in entries], label=name)
        axis.set(title=title, xlabel='step', ylabel=label)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(picture, dpi=120)
