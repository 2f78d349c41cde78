# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Messages made wrong at random, against the live node over DDS.

``python -m experiments.fuzz`` sends 100,000 of them and prints what came of it. After
each round of them the node must track good pictures again; all that it ever publishes must be
finite. The same seed sends the same messages.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy

from experiments import mutations
from experiments.live_rig import LiveRig, RigError
from experiments.scene import Scene
from loftr_vo.ros.node_process import keep_to_this_host

SIZE = 96, 128  # pixels, height and width
# Messages between two looks whether all is well.
_ROUND = 250
_MOST_LINES = 100  # of the terminal, for a round
_LONGEST_LINE = 1000  # characters
_MOST_GROWTH = 300.0  # MiB of memory since the first round
_SHARE_OF_STAMPS = 0.1
# Name, source of scale, and whether pictures are compressed.
_NODES = (
    ('raw_depth', 'depth', False),
    ('compressed_wheels', 'odometry', True),
    ('raw_imu', 'imu', False),
)


class FuzzError(RuntimeError):
    """The node did what it must not; says what, and after which messages."""


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        sent: messages made wrong, by kind.
        odometry: messages on ``odom``; all finite.
        said: how often ``~/status`` gave each kind of reason.
        seconds: in all.
        growth: MiB of memory since the first round, of the node that grew most.
    """

    sent: Counter[str] = field(default_factory=Counter)
    odometry: int = 0
    said: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    growth: float = 0.0

    def table(self) -> str:
        """Return it in words."""
        rows = [f'{sum(self.sent.values())} messages made wrong in {self.seconds:.0f} s:']
        rows += [f'  {count:7d} {kind}' for kind, count in sorted(self.sent.items())]
        rows += [f'{self.odometry} odometries, all finite', 'reasons in ~/status:']
        rows += [f'  {count:7d} {reason}' for reason, count in self.said.most_common(20)]
        return '\n'.join([*rows, f'memory grew by {self.growth:.0f} MiB'])


class _Attack:
    """One node, and the messages for it."""

    def __init__(self, name: str, source: str, compressed: bool, seed: int, folder: Path) -> None:
        self.name = name
        self._seed = seed
        encode = _png if compressed else None
        parameters = {'scale.source': source, 'input_timeout': 30.0}
        self.rig = LiveRig(name, parameters, Scene(SIZE), encode, folder)
        self._source = source

    def send(self, index: int) -> list[str]:
        """Send what belongs to one picture, at least one of it made wrong; return those kinds."""
        rig, rng = self.rig, np.random.default_rng([self._seed, index])
        frame, stamp = rig.scene.next(), rig.next_stamp()
        wrong = []

        def publish(kind: str, publisher: Any, message: Any, change: Callable[..., None]) -> None:
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 10**9)
            if rng.random() < _SHARE_OF_STAMPS:
                mutations.mutate_stamp(message.header, rng)
            else:
                change(message, rng)
            publisher.publish(message)
            wrong.append(kind)

        if rng.random() < 0.5:
            publish('CameraInfo', rig.infos, rig.info(), mutations.mutate_info)
        if rng.random() < 0.5:
            rig.calibrate()
        if self._source == 'depth':
            assert frame.depth is not None  # a scene has it
            depth = rig.image(frame.depth, '32FC1')
            publish('depth Image', rig.depths, depth, mutations.mutate_depth)
        elif self._source == 'imu':
            # Good ones between, or nothing would ever be integrated.
            for good in rig.measurements(stamp)[:-1]:
                rig.imus.publish(good)
            publish('Imu', rig.imus, rig.measurements(stamp)[-1], mutations.mutate_imu)
        else:
            wheels = rig.wheel_message(rig.scene.base_pose(rig.scene.index), stamp)
            publish('Odometry', rig.wheels, wheels, mutations.mutate_odometry)
        if rig.is_compressed:
            picture = rig.compressed(_png(frame.image))
            publish('CompressedImage', rig.images, picture, mutations.mutate_compressed)
        else:
            publish('Image', rig.images, rig.image(frame.image), mutations.mutate_image)
        return wrong


def fuzz(messages: int, seed: int, folder: Path, report: Callable[[str], None]) -> Outcome:
    """Send messages made wrong to three nodes, and hold them to what is promised.

    Args:
        messages: how many, in all.
        seed: of the messages.
        folder: that the nodes work in.
        report: told how far it is.

    Raises:
        FuzzError: a node ended, published a number that is not finite, showed a traceback or
            too much on the terminal, grew, or did not come back to tracking.
    """
    outcome = Outcome()
    start = time.monotonic()
    for name, source, compressed in _NODES:
        attack = _Attack(name, source, compressed, seed, folder)
        try:
            _run(attack, math.ceil(messages / len(_NODES)), outcome, report)
        finally:
            attack.rig.close()
    outcome.seconds = time.monotonic() - start
    return outcome


def _run(attack: _Attack, messages: int, outcome: Outcome, report: Callable[[str], None]) -> None:
    rig = attack.rig
    rig.meet()
    rig.track()
    sent, index, memory = 0, 0, 0.0
    while sent < messages:
        first, since, said = index, time.monotonic(), len(rig.ears.statuses)
        goal = min(sent + _ROUND, messages)
        while sent < goal:
            kinds = attack.send(index)
            outcome.sent.update(kinds)
            sent, index = sent + len(kinds), index + 1
        try:
            rig.track()
            _check(rig, since)
        except RigError as error:
            raise FuzzError(f'{attack.name}, messages {first} to {index - 1}: {error}') from error
        memory = memory or rig.process.resources().memory
        outcome.growth = max(outcome.growth, rig.process.resources().memory - memory)
        outcome.said.update(_kind_of(status.message) for status in rig.ears.statuses[said:])
        report(f'{attack.name}: {sent} of {messages} messages')
    if outcome.growth > _MOST_GROWTH:
        raise FuzzError(f'{attack.name}: memory grew by {outcome.growth:.0f} MiB')
    outcome.odometry += rig.ears.heard['odom']
    code, _ = rig.process.stop()
    if code != 0:
        raise FuzzError(f'{attack.name} ended with code {code}')


def _check(rig: LiveRig, since: float) -> None:
    if rig.ears.violations:
        raise RigError(rig.ears.violations[0])
    text = rig.process.terminal(since)
    if 'Traceback' in text:
        raise RigError(f'a traceback:\n{text[:3000]}')
    lines = text.splitlines()
    if len(lines) > _MOST_LINES:
        raise RigError(f'{len(lines)} lines on the terminal:\n{text[:3000]}')
    longest = max(lines, key=len, default='')
    if len(longest) > _LONGEST_LINE:
        raise RigError(f'a line of {len(longest)} characters: {longest[:300]}')


def _kind_of(reason: str) -> str:
    """Return a reason without what is particular to one picture."""
    words = reason.split(': ')
    last = words[-2] if len(words) > 1 and words[0].startswith('/') else words[0]
    return ''.join('#' if letter.isdigit() else letter for letter in last)[:60]


def _png(picture: np.ndarray) -> bytes:
    data: bytes = cv2.imencode('.png', picture)[1].tobytes()
    return data


def main(words: list[str] | None = None) -> int:
    """Run the attack, print what came of it, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog='python -m experiments.fuzz',
        description='Send messages made wrong at random to the live node.',
    )
    parser.add_argument('--messages', type=int, default=100_000, help='default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the counts here')
    arguments = parser.parse_args(words)
    keep_to_this_host()
    rclpy.init(args=[])
    try:
        with tempfile.TemporaryDirectory() as folder:
            outcome = fuzz(
                arguments.messages,
                arguments.seed,
                Path(folder),
                lambda text: print(text, file=sys.stderr),
            )
    except FuzzError as error:
        print(f'fuzz: error: {error}', file=sys.stderr)
        return 1
    finally:
        rclpy.try_shutdown()
    print(outcome.table())
    if arguments.json:
        counts = {'sent': dict(outcome.sent), 'odometry': outcome.odometry}
        arguments.json.write_text(json.dumps(counts, indent=1) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
