# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A strip of text above a picture, with words in colour; readable when the picture is shrunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from loftr_vo.files.text import printable

Colour = tuple[int, int, int]  # BGR

BACKGROUND: Colour = (40, 34, 30)
WHITE: Colour = (235, 235, 235)

_FONT = cv2.FONT_HERSHEY_SIMPLEX
# Letters that fill the width. On a screen 320 pixels wide they are 7 pixels each then, which can
# still be read.
_LARGE_ROW = 46
# Letters of a long sentence are smaller, but not on a small picture.
_SMALL_ROW = 110
_LEAST_SCALE = 0.45


@dataclass(frozen=True)
class Words:
    """Some words of a heading.

    Attributes:
        text: the words; they are not broken. What OpenCV would end the process for is escaped.
        colour: of the letters, or of the badge.
        badge: whether they stand white on a patch of the colour.
    """

    text: str
    colour: Colour = WHITE
    badge: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, 'text', printable(self.text))


# A heading is large and has colours; a sentence is small and white. Both are wrapped.
Line = Sequence[Words] | str


@dataclass(frozen=True)
class _Style:
    """Sizes in pixels, from the scale of the letters."""

    scale: float

    @property
    def thickness(self) -> int:
        return max(1, round(self.scale * 1.4))

    @property
    def row_height(self) -> int:
        return round(40 * self.scale)

    @property
    def space(self) -> int:
        return round(12 * self.scale)

    def width(self, text: str) -> int:
        width: int = cv2.getTextSize(text, _FONT, self.scale, self.thickness)[0][0]
        return width


def caption(lines: Sequence[Line], width: int) -> np.ndarray:
    """Return the lines as a strip: (H, ``width``, 3) uint8, BGR; H is 0 if there are none."""
    strips = [_strip(line, width) for line in lines]
    return np.vstack([np.empty((0, width, 3), np.uint8), *strips])


def _strip(line: Line, width: int) -> np.ndarray:
    if isinstance(line, str):
        style, words = _style(width, _SMALL_ROW), [Words(word) for word in line.split()]
    else:
        style, words = _style(width, _LARGE_ROW), list(line)
    rows = _wrap(words, width - 2 * style.space, style)
    height = style.row_height * len(rows) + style.space // 2
    strip = np.full((height, width, 3), BACKGROUND, np.uint8)
    for number, row in enumerate(rows):
        _write(strip, row, style.row_height * number + style.space // 4, style)
    return strip


def _style(width: int, letters: int) -> _Style:
    letter = cv2.getTextSize('n' * letters, _FONT, 1.0, 1)[0][0]
    return _Style(max(_LEAST_SCALE, width / letter))


def _wrap(words: Sequence[Words], width: int, style: _Style) -> list[list[Words]]:
    rows: list[list[Words]] = []
    x = width
    for word in words:
        if x + style.width(word.text) > width:
            rows.append([])
            x = 0
        rows[-1].append(word)
        x += style.width(word.text) + style.space * (2 if word.badge else 1)
    return rows


def _write(strip: np.ndarray, words: Sequence[Words], top: int, style: _Style) -> None:
    x, bottom = style.space, top + style.row_height
    for word in words:
        text_width = style.width(word.text)
        if word.badge:
            corner, end = (
                (x - style.space // 2, top + 2),
                (x + text_width + style.space // 2, bottom),
            )
            cv2.rectangle(strip, corner, end, word.colour, cv2.FILLED)
        origin = (x, bottom - round(10 * style.scale))
        colour = WHITE if word.badge else word.colour
        cv2.putText(
            strip, word.text, origin, _FONT, style.scale, colour, style.thickness, cv2.LINE_AA
        )
        x += text_width + style.space * (2 if word.badge else 1)
