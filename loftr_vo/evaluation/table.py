# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of several recordings as a text table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

# Heading, name in the metrics, and how to write the value.
COLUMNS = (
    ('sequence', 'sequence', '{}'),
    ('tracked', 'tracked', '{}'),
    ('frames', 'frames', '{}'),
    ('path m', 'path_length_m', '{:.4g}'),
    ('ATE m', 'ate_rmse_m', '{:.4f}'),
    ('ATE %', 'ate_percent', '{:.2f}'),
    ('rotation deg/frame', 'rpe_rotation_deg', '{:.3f}'),
    ('KITTI %', 'kitti_translation_percent', '{:.2f}'),
    ('KITTI deg/m', 'kitti_rotation_deg_per_m', '{:.4f}'),
    ('scale error %', 'scale_error_percent', '{:+.2f}'),
    ('scale drift', 'scale_drift', '{:.2f}'),
    ('ms/frame', 'latency_ms_median', '{:.0f}'),
)


def format_table(rows: list[dict[str, Any]]) -> str:
    """Return a line for each recording under a heading; unknown values are dashes.

    Args:
        rows: the metrics of each, as ``collect_metrics`` gives them; columns that none of them
            has are left out.
    """
    columns = columns_of(rows)
    cells = [[heading for heading, _, _ in columns]]
    cells += [format_row(row, columns) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(columns))]
    return '\n'.join(
        '  '.join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )


def columns_of(rows: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return those of ``COLUMNS`` that any of the rows has."""
    columns = [column for column in COLUMNS if any(column[1] in row for row in rows)]
    # Most recordings are not in metres, and a column of dashes has no use.
    if all(_is_missing(row.get('scale_error_percent')) for row in rows):
        columns = [column for column in columns if column[1] != 'scale_error_percent']
    return columns


def format_row(row: dict[str, Any], columns: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return the cells of one recording's row; unknown values are dashes."""
    return [_cell(row.get(name), style) for _, name, style in columns]


def _cell(value: Any, style: str) -> str:
    return '-' if _is_missing(value) else style.format(value)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
