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
    # The training needs it here alone.
    from matplotlib.figure import Figure

    from loftr_vo.evaluation.plots import save_figure

    panels = [
        ('loss', 'loss', ('coarse', 'unmatched', 'fine')),
        ('held-out pairs', 'share', ('precision', 'recall', 'false_rate')),
        (
            'held-out pairs',
            'median error of a match (px at 320 x 240)',
            ('fine_error_px', 'clean_error_px'),
        ),
        ('real pairs', 'median error of the rotation (deg)', _ending(entries, '_rotation_deg')),
        ('real pairs', 'median error of the direction (deg)', _ending(entries, '_direction_deg')),
    ]
    panels = [panel for panel in panels if panel[2]]
    figure = Figure(figsize=(3.7 * len(panels), 4), dpi=120, layout='constrained')
    axes = figure.subplots(1, len(panels))
    for axis, (title, label, names) in zip(axes, panels, strict=True):
        for name in names:
            # A loss of zero was not computed, for lack of targets.
            known = [entry for entry in entries if entry.get(name)]
            axis.plot(
                [entry['step'] for entry in known],
                [entry[name] for entry in known],
                label=name.removesuffix('_rotation_deg').removesuffix('_direction_deg'),
            )
        axis.set(title=title, xlabel='step', ylabel=label)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend()
    save_figure(figure, picture)


def _ending(entries: list[dict[str, float]], ending: str) -> tuple[str, ...]:
    """Names of the entries that end so, in the order in which they appear."""
    return tuple(
        dict.fromkeys(name for entry in entries for name in entry if name.endswith(ending))
    )
