# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The table of all results as a file: Parquet where pyarrow is installed, else CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loftr_vo.evaluation.batch import storage
from loftr_vo.evaluation.batch.schema import COLUMNS, Column
from loftr_vo.files.errors import InputError, naming
from loftr_vo.files.numbers import number, whole_number

PARQUET, CSV = 'results.parquet', 'results.csv'


class ResultsError(InputError):
    """Results cannot be read; the message says why."""


def write_table(folder: str, rows: list[dict[str, Any]]) -> str:
    """Write ``results.parquet`` or ``results.csv``; return its name.

    Args:
        folder: path or URL.
        rows: as ``Result.row`` gives them, with ``folder``.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        content = _parquet(rows)
    except ImportError:
        storage.write(storage.join(folder, CSV), _csv(rows).encode())
        return CSV
    storage.write(storage.join(folder, PARQUET), content)
    return PARQUET


def read_results(place: str) -> list[dict[str, Any]]:
    """Return the rows of results, whatever form they have.

    Args:
        place: the output folder of ``evaluate`` of one or several recordings, or its table, or
            the file of its ``--json``.

    Raises:
        ResultsError: there are none, or they are malformed.
    """
    if storage.is_url(place) or Path(place).is_dir():
        return _read_folder(place)
    with naming(place, ResultsError):
        content = Path(place).read_bytes()
        if place.endswith('.parquet'):
            return _read_parquet(content)
        if place.endswith('.csv'):
            return _read_csv(content)
        values = json.loads(content)
        rows = values if isinstance(values, list) else [values]
        if not rows or not all(isinstance(row, dict) and 'sequence' in row for row in rows):
            raise ResultsError(f'{place} has no results of loftr_vo evaluate')
        return rows


def _read_folder(folder: str) -> list[dict[str, Any]]:
    with naming(folder, ResultsError):
        if (content := storage.read(storage.join(folder, PARQUET))) is not None:
            return _read_parquet(content)
        if (content := storage.read(storage.join(folder, CSV))) is not None:
            return _read_csv(content)
        if (content := storage.read(storage.join(folder, 'metrics.json'))) is not None:
            return [json.loads(content)]
    raise ResultsError(f'there are no results in {folder}: no {PARQUET}, {CSV} or metrics.json')


def _csv(rows: list[dict[str, Any]]) -> str:
    file = io.StringIO(newline='')
    writer = csv.writer(file)
    writer.writerow([column.name for column in COLUMNS])
    for row in rows:
        writer.writerow(['' if (value := _value(row, c)) is None else value for c in COLUMNS])
    return file.getvalue()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    types = {
        'text': pyarrow.string(),
        'integer': pyarrow.int64(),
        'number': pyarrow.float64(),
        'truth': pyarrow.bool_(),
    }
    schema = pyarrow.schema(
        [
            pyarrow.field(c.name, types[c.kind], metadata={'unit': c.unit, 'text': c.text})
            for c in COLUMNS
        ]
    )
    values = {c.name: [_value(row, c) for row in rows] for c in COLUMNS}
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(values, schema=schema), file)
    return file.getvalue()


def _value(row: dict[str, Any], column: Column) -> Any:
    """Return the value of a cell; None where it is not known."""
    value = row.get(column.name)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(value) if column.kind == 'number' and value is not None else value


def _read_parquet(content: bytes) -> list[dict[str, Any]]:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ResultsError('reading .parquet needs pyarrow ("pip install pyarrow")') from error
    try:
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
    except pyarrow.ArrowException as error:
        raise ResultsError(f'it is no Parquet file: {error}') from error
    return rows


def _read_csv(content: bytes) -> list[dict[str, Any]]:
    kinds = {column.name: column.kind for column in COLUMNS}
    parse: dict[str, Callable[[str], Any]] = {
        'integer': whole_number,
        'number': number,
        'truth': lambda text: text == 'True',
        'text': str,
    }
    return [
        {
            name: parse[kinds[name]](text) if text else (None if kinds[name] != 'text' else '')
            for name, text in row.items()
            if name in kinds
        }
        for row in csv.DictReader(io.StringIO(content.decode('utf-8'), newline=''))
    ]
