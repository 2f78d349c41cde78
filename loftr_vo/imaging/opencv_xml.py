# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""OpenCV's FileStorage in XML, the format in which its calibration sample writes by default."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from loftr_vo.files.numbers import number, whole_number
from loftr_vo.imaging.calibration_checks import CalibrationError

_HEAD = '<opencv_storage>'


def is_opencv_xml(text: str) -> bool:
    """Whether a text is a FileStorage in XML."""
    return _HEAD in text[:200]


def parse_opencv_xml(text: str) -> dict[str, Any]:
    """Return the fields of a FileStorage as its YAML has them.

    Matrices are mappings with ``rows``, ``cols``, ``dt`` and ``data``, several numbers a list.

    Raises:
        CalibrationError: it is no XML, or defines entities, which stand for more than they are.
    """
    if '<!' in text.replace('<!--', ''):
        raise CalibrationError('it has a document type, which no file of OpenCV has')
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise CalibrationError(f'it is not XML that can be read: {error}') from error
    return {field.tag: _value(field) for field in root}


def _value(field: ElementTree.Element) -> Any:
    if field.get('type_id') == 'opencv-matrix':
        matrix = {part.tag: _numbers(part.text) for part in field}
        matrix['dt'] = (field.findtext('dt') or '').strip()
        data = matrix.get('data')
        return {**matrix, 'data': data if isinstance(data, list) else [data]}
    return _numbers(field.text)


def _numbers(text: str | None) -> Any:
    """Return the number, or the list of numbers, in a text; the text if it is something else."""
    words = (text or '').split()
    try:
        found = [_number(word) for word in words]
    except ValueError:
        return (text or '').strip()
    return found[0] if len(found) == 1 else found


def _number(word: str) -> float:
    return whole_number(word) if word.lstrip('+-').isdigit() else number(word)
