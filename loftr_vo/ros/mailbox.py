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
    """A bounded queue between two threads; when it is full, items give way.

    Iterating waits for items and ends when the mailbox is closed, whatever still waits in it.

    Work may be left, too, for the thread that iterates: it is done before the next item, though
    none comes, and in any case: by ``finish`` at the latest.

    Args:
        capacity: most items that wait.
        held: start without handing items out, until ``release``.
        choose: returns which of several waiting items, oldest first, is handed out next; those
            before it give way. It is called on the thread that iterates. When the mailbox is
            full, every other item gives way, and the oldest stays. Without it the oldest item is
            handed out, and gives way when the mailbox is full.
        size: of an item, in bytes; by default nothing.
        max_size: of the items that wait, together; one more may.
    """

    def __init__(
        self,
        capacity: int,
        held: bool = False,
        choose: Callable[[list[Item]], int] | None = None,
        size: Callable[[Item], int] = lambda item: 0,
        max_size: int = 0,
    ) -> None:
        self._capacity = capacity
        self._size = size
        self._max_size = max_size
        self._choose = choose
        self._items: deque[tuple[int, Item]] = deque()
        self._count = 0
        self._cleared = 0
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
            while self._is_full():
                self._make_room()
            self._items.append((self._count, item))
            self._count += 1
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
        # It refers to the odometry, whose memory is to be freed.
        self._choose = None
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
            self._cleared = self._count

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
                waiting = list(self._items)
            if work is not None:
                work()
                continue
            number, item = self._chosen(waiting)
            if self._take(number):
                yield item

    def _chosen(self, waiting: list[tuple[int, Item]]) -> tuple[int, Item]:
        if self._choose is None or len(waiting) == 1:
            return waiting[0]
        try:
            return waiting[self._choose([item for _, item in waiting])]
        except Exception:
            # Else it would fail on the same items again.
            self._take(waiting[-1][0])
            raise

    def _is_full(self) -> bool:
        waiting = sum(self._size(item) for _, item in self._items)
        return len(self._items) >= self._capacity or waiting > self._max_size

    def _make_room(self) -> None:
        before = len(self._items)
        if self._choose is None or before == 1:
            self._items.popleft()
        else:
            self._items = deque(list(self._items)[::2])
        self._dropped += before - len(self._items)

    def _take(self, number: int) -> bool:
        """Remove an item by its number; those before it are dropped.

        Returns:
            Whether it may be handed out: it was not cleared meanwhile.
        """
        with self._changed:
            if number < self._cleared:
                return False
            while self._items and self._items[0][0] <= number:
                self._items.popleft()
                self._dropped += 1
            # It is handed out; where it gave way meanwhile, it was counted then.
            self._dropped -= 1
            return True

    def _something_to_do(self) -> bool:
        return self._closed or bool(self._work) or bool(self._items and not self._held)
