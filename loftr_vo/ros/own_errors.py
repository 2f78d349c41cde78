# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Telling errors that say what is wrong with an input from faults of the code."""

from __future__ import annotations

import traceback

# Whose exceptions speak to a user: rclpy's are about names and qualities of service.
_OWN = ('loftr_vo', 'rclpy')


def is_own(error: BaseException) -> bool:
    """Whether the message of an error was written for who uses the node.

    A library's error is often derived from one of Python's, as numpy's ``LinAlgError`` is a
    ``ValueError``; so what counts is where its class was made. One of Python's own classes
    raised by a library is of no use to a user, either; all of the system's errors are.
    """
    package = type(error).__module__.partition('.')[0]
    return package in _OWN or isinstance(error, OSError)


def details(error: BaseException) -> str:
    """Return what to log of an error: its message if it speaks for itself, else its traceback."""
    if is_own(error):
        return str(error)
    return ''.join(traceback.format_exception(error)).rstrip()
