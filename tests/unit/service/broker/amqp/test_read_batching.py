"""A busy connection is read in batches; a quiet one is read as soon as something comes."""

from __future__ import annotations

import pytest

from speechmq.broker.amqp.read_batching import (
    BUSY,
    LEAST,
    LONGEST_BATCH,
    QUIET,
    SHORTEST_BATCH,
    WINDOW,
    ReadBatching,
)

START = 100.0
CHUNK = 3200
"""Bytes of 100 ms of audio."""


def read_for(batching: ReadBatching, start: float, seconds: float, rate: float) -> list[float]:
    """One message a read at ``rate`` a second; the wait that each next read would have had."""
    waits = []
    for number in range(1, int(seconds * rate) + 1):
        now = start + number / rate
        batching.has_read(now, messages=1, size=CHUNK, is_full=False)
        waits.append(batching.wait(now))
    return waits


def busy(now: float = START, size: int = CHUNK) -> ReadBatching:
    batching = ReadBatching(now - 2 * WINDOW)
    count = int(4 * BUSY * WINDOW)
    batching.has_read(now, messages=count, size=count * size, is_full=False)
    return batching


def test_first_read_waits_for_nothing() -> None:
    assert ReadBatching(START).wait(START) == 0


@pytest.mark.parametrize("rate", [10, 100, BUSY - 10])
def test_quiet_connection_is_read_at_once(rate: float) -> None:
    assert set(read_for(ReadBatching(START), START, 20 * WINDOW, rate)) == {0}


def test_busy_connection_is_read_in_batches_within_two_windows() -> None:
    waits = read_for(ReadBatching(START), START, 3 * WINDOW, 2 * BUSY)
    windows = int(2 * WINDOW * 2 * BUSY)
    assert waits[windows:] == pytest.approx([LONGEST_BATCH] * (len(waits) - windows))


def test_rate_between_the_bounds_changes_nothing() -> None:
    between = (BUSY + QUIET) / 2
    assert set(read_for(ReadBatching(START), START, 20 * WINDOW, between)) == {0}
    waits = read_for(busy(), START, 20 * WINDOW, between)
    assert waits == pytest.approx([LONGEST_BATCH] * len(waits))


def test_batching_ends_when_the_rate_falls() -> None:
    waits = read_for(busy(), START, 20 * WINDOW, QUIET / 2)
    assert waits[-1] == 0
    assert 0 < len([wait for wait in waits if wait]) <= 2 * WINDOW * QUIET / 2


def test_first_message_after_a_pause_waits_for_nothing() -> None:
    batching = busy()
    assert batching.wait(START + 1) == 0
    batching.has_read(START + 1, messages=1, size=CHUNK, is_full=False)
    assert batching.wait(START + 1) == 0


def test_what_is_left_of_the_batch_is_waited_for() -> None:
    assert busy().wait(START + LONGEST_BATCH / 4) == pytest.approx(0.75 * LONGEST_BATCH)
    assert busy().wait(START + LONGEST_BATCH - LEAST / 2) == 0


def test_more_than_is_read_at_once_waits_for_nothing() -> None:
    """Or the largest piece in each batch would be all that a worker can take."""
    batching = busy()
    batching.has_read(START, messages=20, size=20 * CHUNK, is_full=True)
    assert batching.wait(START) == 0


@pytest.mark.parametrize(
    ("size", "batch"),
    [
        (0, SHORTEST_BATCH),
        (160, SHORTEST_BATCH),
        (640, 0.0008),
        (1600, 0.002),
        (3200, 0.004),
        (100_000, LONGEST_BATCH),
    ],
)
def test_short_chunks_wait_for_less_than_long_ones(size: int, batch: float) -> None:
    assert busy(size=size).wait(START) == pytest.approx(batch)
