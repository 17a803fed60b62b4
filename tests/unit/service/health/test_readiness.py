"""When a worker is ready: consuming, and the broker says so, and not about to leave."""

from __future__ import annotations

from speechmq.health.readiness import FRESH, Readiness, Verdict


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def readiness() -> tuple[Readiness, Clock]:
    clock = Clock()
    return Readiness(clock), clock


def test_worker_that_starts_is_neither_started_nor_ready() -> None:
    found, _ = readiness()
    assert not found.is_started
    assert found.verdict == Verdict(False, "the worker is starting")


def test_worker_that_consumes_is_ready() -> None:
    found, _ = readiness()
    found.consuming()
    assert found.is_started
    assert found.verdict == Verdict(True)


def test_loss_is_told_at_once_and_forgotten_behind_the_next_start() -> None:
    found, _ = readiness()
    found.consuming()
    found.lost("the queue is gone")
    found.lost("the connection is gone")
    assert found.verdict == Verdict(False, "the connection is gone")
    assert found.is_started
    assert found.interruptions == 1
    found.consuming()
    assert found.verdict == Verdict(True)


def test_broker_that_says_nothing_is_not_believed_for_long() -> None:
    found, clock = readiness()
    found.consuming()
    clock.now += FRESH
    assert found.verdict == Verdict(True)
    clock.now += 0.5
    assert found.verdict == Verdict(False, "RabbitMQ has not answered for 4.5 s")
    found.verified()
    assert found.verdict == Verdict(True)


def test_worker_that_drains_is_not_ready_whatever_it_consumes() -> None:
    found, _ = readiness()
    found.consuming()
    found.drain()
    found.consuming()
    assert found.verdict == Verdict(False, "the worker is stopping")
