"""What telemetry may cost a stream when it fails: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from speechmq.core.values.events import EndOfUtterance
from speechmq.core.values.inputs import DeadlinePassed
from speechmq.core.values.outputs import Publish
from speechmq.telemetry.observer import StreamObserver

PUBLISH = Publish(EndOfUtterance("s", 1.0, 1.0), 2)


class Defect:
    """Stands for a trace or a measure that raises whatever it is asked."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


@pytest.mark.parametrize("part", ["_trace", "_measure"])
def test_defect_of_telemetry_ends_the_telemetry_of_its_stream_and_nothing_else(part: str) -> None:
    observer = StreamObserver("s")
    setattr(observer, part, Defect())
    observer.is_sampling = True
    headers = observer.sending(PUBLISH)
    observer.published(PUBLISH)
    observer.sample(DeadlinePassed(), 0.0)
    observer.over()
    assert (headers, observer.is_sampling, getattr(observer, part)) == ({}, False, None)
