# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Text that came from others, made fit for a log, a terminal and a status."""

from __future__ import annotations

# Characters of a name, and of a whole message, that are shown.
_QUOTED, _SHOWN = 60, 1000


def quoted(text: str, most: int = _QUOTED) -> str:
    """Return foreign text in quotes, with what is not printable escaped and what is long cut."""
    if len(text) <= most:
        return repr(text)
    return f'{text[:most]!r}... ({len(text)} characters)'


def printable(text: str, most: int = _SHOWN) -> str:
    """Return text with what is not printable escaped, but for ends of lines, and cut if long."""
    shown = text[:most]
    if not shown.isprintable():
        shown = ''.join(each if _is_harmless(each) else repr(each)[1:-1] for each in shown)
    return shown if len(text) <= most else f'{shown}... ({len(text)} characters)'


def _is_harmless(character: str) -> bool:
    return character == '\n' or character.isprintable()
