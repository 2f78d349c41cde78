# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""Where pictures wait between the thread that receives them and the one that works on them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Item = TypeVar('Item')


class Mailbox(Generic[Item]):
    """A bounded queue between two threads; when it is full the oldest item gives way.

    With a capacity of one, whoever iterates always gets the newest item next. Iterating waits
    for items and ends when the mailbox is closed, whatever still waits in it.

    Work may be left, too, for the thread that iterates: it is done before the next item, though
    none comes, and in any case: by ``finish`` at the latest.

    Args:
        capacity: most items that wait.
        held: start without handing items out, until ``release``.
    """

    def __init__(self, capacity: int, held: bool = False) -> None:
        self._items: deque[Item] = deque(maxlen=capacity)
        self._changed = threading.Condition()
        self._held = held
        self._closed = False
        self._dropped = 0
        self._work: deque[Callable[[], None]] = deque()
        self._finished = False

    @property
    def dropped(self) -> int:
        """How many items gave way to newer ones."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._items)

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def put(self, item: Item) -> None:
        """Leave an item; never waits."""
        with self._changed:
            if len(self._items) == self._items.maxlen:
                self._dropped += 1
            self._items.append(item)
            self._changed.notify()

    def do(self, work: Callable[[], None]) -> None:
        """Leave work to whoever iterates; after ``finish`` it is done at once, by the caller."""
        with self._changed:
            if not self._finished:
                self._work.append(work)
                self._changed.notify()
                return
        work()

    def finish(self) -> None:
        """Close, and do what work is left; to be called by whoever iterated, when all is done."""
        self.close()
        while True:
            with self._changed:
                if not self._work:
                    self._finished = True
                    return
                work = self._work.popleft()
            work()

    def clear(self) -> None:
        """Throw the waiting items away without counting them as dropped."""
        with self._changed:
            self._items.clear()

    def hold(self) -> None:
        """Keep items back from now on."""
        with self._changed:
            self._held = True

    def release(self) -> None:
        """Hand items out, those kept back first."""
        with self._changed:
            self._held = False
            self._changed.notify()

    def close(self) -> None:
        """End every iteration at once."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Item]:
        while True:
            with self._changed:
                self._changed.wait_for(self._something_to_do)
                if self._closed:
                    return
                work = self._work.popleft() if self._work else None
                if work is None:
                    item = self._items.popleft()
            if work is None:
                yield item
            else:
                work()

    def _something_to_do(self) -> bool:
        return self._closed or bool(self._work) or bool(self._items and not self._held)
