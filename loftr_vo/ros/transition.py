# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""A transition of the lifecycle: what it does to the diagnosis, and what becomes of its errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rclpy.lifecycle import TransitionCallbackReturn

from loftr_vo.ros.health import Health
from loftr_vo.ros.own_errors import details


class Outcome:
    """How a transition ended."""

    def __init__(self) -> None:
        self.code = TransitionCallbackReturn.SUCCESS

    @property
    def failed(self) -> bool:
        """Whether it did not succeed."""
        return self.code != TransitionCallbackReturn.SUCCESS


@contextlib.contextmanager
def transition(health: Health, logger: Any, during: str, after: str) -> Iterator[Outcome]:
    """Run the block as a transition; an exception in it is logged and becomes the outcome.

    A node that fails to come up stays in the state it was in: ``FAILURE``. One that fails to come
    down may be half taken apart: ``ERROR``, on which rclpy calls ``on_error``.

    Args:
        health: its ``lifecycle`` is set, and its ``fault`` if the block fails.
        logger: the node's.
        during: label of the lifecycle while the block runs, such as ``activating``.
        after: label of the state that the block leads to.
    """
    outcome = Outcome()
    before = health.lifecycle
    health.fault, health.lifecycle = '', during
    try:
        yield outcome
        health.lifecycle = after
    except Exception as error:
        coming_up = during in ('configuring', 'activating')
        failure = TransitionCallbackReturn.FAILURE
        outcome.code = failure if coming_up else TransitionCallbackReturn.ERROR
        health.lifecycle = before
        health.fault = f'{during} failed: {error}'
        logger.error(f'{during} failed: {details(error)}')
    finally:
        health.progress = ''
