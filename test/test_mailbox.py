# Copyright 2026 The loftr_vo authors
# SPDX-License-Identifier: Apache-2.0
"""The mailbox between the receiving and the working thread."""

import threading
import time

import numpy as np
import pytest

from loftr_vo.ros.mailbox import Mailbox


def take(mailbox, count):
    """Return the next items; fails the test instead of hanging it."""
    taken = []

    def work():
        for item in mailbox:
            taken.append(item)
            if len(taken) == count:
                return

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(5.0)
    assert len(taken) == count, f'only {taken} of {count} items came'
    return taken


def test_newest_item_wins_and_the_others_count_as_dropped():
    mailbox = Mailbox(1)
    for item in range(5):
        mailbox.put(item)
    assert take(mailbox, 1) == [4]
    assert mailbox.dropped == 4


def test_large_mailbox_hands_out_every_item_in_order():
    mailbox = Mailbox(10)
    for item in range(10):
        mailbox.put(item)
    assert take(mailbox, 10) == list(range(10))
    assert mailbox.dropped == 0


def test_overflow_drops_the_oldest_and_counts():
    mailbox = Mailbox(3)
    for item in range(5):
        mailbox.put(item)
    assert take(mailbox, 3) == [2, 3, 4]
    assert mailbox.dropped == 2


def test_iterating_waits_for_an_item():
    mailbox = Mailbox(1)
    threading.Timer(0.1, mailbox.put, ['late']).start()
    assert take(mailbox, 1) == ['late']


def test_close_ends_a_waiting_iteration():
    mailbox = Mailbox(1)
    threading.Timer(0.1, mailbox.close).start()
    start = time.monotonic()
    assert list(mailbox) == []
    assert time.monotonic() - start < 5.0
    assert mailbox.closed


def test_close_leaves_waiting_items_behind():
    mailbox = Mailbox(5)
    mailbox.put('unseen')
    mailbox.close()
    assert list(mailbox) == []


def test_held_items_come_after_release():
    mailbox = Mailbox(5, held=True)
    mailbox.put('first')
    mailbox.put('second')
    taken = []
    thread = threading.Thread(target=lambda: taken.extend(mailbox), daemon=True)
    thread.start()
    time.sleep(0.1)
    assert taken == []
    mailbox.release()
    deadline = time.monotonic() + 5.0
    while len(taken) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    mailbox.close()
    thread.join(5.0)
    assert taken == ['first', 'second']


def test_cleared_items_are_gone_and_not_counted():
    mailbox = Mailbox(5)
    mailbox.put('old')
    mailbox.clear()
    mailbox.put('new')
    assert take(mailbox, 1) == ['new']
    assert mailbox.dropped == 0


@pytest.mark.parametrize(
    ('capacity', 'choose'), [(1, None), (100, None), (8, lambda items: len(items) // 2)]
)
def test_nothing_is_lost_or_doubled_between_threads(capacity, choose):
    mailbox = Mailbox(capacity, choose=choose)
    taken = []
    thread = threading.Thread(target=lambda: taken.extend(mailbox), daemon=True)
    thread.start()
    for item in range(2000):
        mailbox.put(item)
    deadline = time.monotonic() + 10.0
    while (not taken or taken[-1] != 1999) and time.monotonic() < deadline:
        time.sleep(0.01)
    mailbox.close()
    thread.join(5.0)
    assert len(taken) + mailbox.dropped == 2000
    assert taken == sorted(set(taken))
    assert taken[-1] == 1999


def test_work_is_done_though_no_item_comes():
    mailbox, done = Mailbox(1, held=True), threading.Event()
    mailbox.put('kept back')
    thread = threading.Thread(target=lambda: list(mailbox), daemon=True)
    thread.start()
    mailbox.do(done.set)
    assert done.wait(5.0)
    mailbox.close()
    thread.join(5.0)


def test_work_is_done_before_the_next_item_in_order():
    mailbox, order = Mailbox(2), []
    mailbox.put('item')
    for number in (1, 2):
        mailbox.do(lambda number=number: order.append(number))
    assert take(mailbox, 1) == ['item']
    assert order == [1, 2]


def test_work_that_is_left_is_done_when_all_is_over():
    mailbox, done = Mailbox(1), []
    mailbox.close()
    mailbox.do(lambda: done.append('left'))
    assert list(mailbox) == []
    assert done == []
    mailbox.finish()
    mailbox.do(lambda: done.append('after the end'))
    assert done == ['left', 'after the end']


def newest(waiting):
    return len(waiting) - 1


def test_the_item_chosen_is_next_and_those_before_it_give_way():
    seen = []

    def second(waiting):
        seen.append(list(waiting))
        return 1

    mailbox = Mailbox(8, choose=second)
    for item in range(5):
        mailbox.put(item)
    assert take(mailbox, 3) == [1, 3, 4]
    assert seen == [[0, 1, 2, 3, 4], [2, 3, 4]], 'a single one is not chosen'
    assert mailbox.dropped == 2


def test_a_full_mailbox_with_a_choice_keeps_items_of_all_ages():
    waiting = []
    mailbox = Mailbox(8, choose=lambda items: waiting.extend(items) or newest(items))
    for item in range(100):
        mailbox.put(item)
    assert take(mailbox, 1) == [99]
    assert mailbox.dropped == 99
    assert len(waiting) <= 8
    assert waiting[0] == 0, 'the time since the last item is covered'
    assert np.diff(waiting)[-1] == 1, 'most densely near the newest'


def test_items_that_a_choice_fails_on_are_left_out():
    def fail(waiting):
        raise ValueError('wrong')

    mailbox = Mailbox(8, choose=fail)
    mailbox.put(1)
    mailbox.put(2)
    with pytest.raises(ValueError, match='wrong'):
        next(iter(mailbox))
    assert (mailbox.waiting, mailbox.dropped) == (0, 1)
    mailbox.put(3)
    assert take(mailbox, 1) == [3]


def test_items_cleared_during_a_choice_are_not_handed_out():
    mailbox = Mailbox(8, choose=lambda items: mailbox.clear() or newest(items))
    mailbox.put('old')
    mailbox.put('older')
    threading.Timer(0.1, mailbox.put, ['new']).start()
    assert take(mailbox, 1) == ['new']
    assert mailbox.dropped == 0


def test_large_items_are_fewer():
    waiting = []
    mailbox = Mailbox(
        8, choose=lambda items: waiting.extend(items) or newest(items), size=len, max_size=100
    )
    for item in ('a' * 60, 'b' * 60, 'c' * 60, 'd' * 500, 'e' * 5):
        mailbox.put(item)
        assert mailbox.waiting <= 3
    assert take(mailbox, 1) == ['e' * 5], 'the newest waits, however large the others are'
    assert mailbox.dropped == 4
