"""What telemetry may cost a stream when it fails: nothing."""

from __future__ import annotations

from typing import Any

import pytest

from speechmq.core.values.events import EndOfUtterance
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
    answers = [observer.sending(PUBLISH), observer.published(PUBLISH), observer.left(b"audio")]
    observer.over()
    assert (answers, getattr(observer, part)) == ([{}, False, True], None)
