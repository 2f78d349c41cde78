# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Text from messages, files and libraries, made fit for a log, a terminal and an error."""

from __future__ import annotations

import os

# Characters of a value, of a line of an error, and of a whole message, that are shown.
_QUOTED, _LINE, _SHOWN = 80, 400, 1000


def quoted(value: object, most: int = _QUOTED) -> str:
    """Return a value as Python writes it: text in quotes and escaped; cut if long.

    Args:
        value: what a file or message holds.
        most: characters of it that are shown. Of longer text the number of characters follows.
    """
    if isinstance(value, str):
        if len(value) <= most:
            return repr(value)
        return f'{value[:most]!r}... ({len(value)} characters)'
    try:
        shown = repr(value)
    except ValueError:  # a whole number of thousands of digits
        return f'a {type(value).__name__}'
    return shown if len(shown) <= most else f'{shown[: most - 4]}...{shown[-1]}'


def printable(text: str | os.PathLike[str], most: int = _SHOWN) -> str:
    """Return text with what is not printable escaped, but for ends of lines, and cut if long.

    Names of files may hold bytes that are not UTF-8: Linux takes any. Python carries these as lone
    surrogates, which cannot be printed or written, and OpenCV ends the process where it is given
    one. They are shown as a backslash, an x and two digits.
    """
    name = os.fspath(text)
    shown = name[:most]
    if not shown.isprintable():
        shown = ''.join(_escaped(each) for each in shown)
    return shown if len(name) <= most else f'{shown}... ({len(name)} characters)'


def summary(error: BaseException) -> str:
    """Return the first line of an error of a library, cut where it is long."""
    lines = str(error).splitlines()
    text = lines[0] if lines else type(error).__name__
    if isinstance(error, KeyError):
        return f'the field {text} is missing'
    return without_middle(text)


def without_middle(text: str, most: int = _LINE) -> str:
    """Return a text without its middle, where it is long; what it begins and ends with is kept."""
    half = most // 2
    return text if len(text) <= most else f'{text[:half]}...{text[-half:]}'


def _escaped(character: str) -> str:
    if character == '\n' or character.isprintable():
        return character
    if '\udc80' <= character <= '\udcff':  # a byte that is not UTF-8
        return f'\\x{ord(character) - 0xDC00:02x}'
    return repr(character)[1:-1]
