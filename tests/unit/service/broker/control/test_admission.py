import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from speechmq.broker.amqp.plane import DataPlane
from speechmq.broker.control.admission import Admission, deadline_of, warning_of
from speechmq.broker.control.seats import seats_of
from speechmq.errors import BrokerLost
from speechmq.settings import BrokerSettings, SessionSettings, Settings
from speechmq_schemas import AmqpMessage, RawAudioFormat, StartStream, TranscriptionConfig

RAW = RawAudioFormat(encoding="pcm_s16le", sample_rate=16_000)


def start(**config: object) -> StartStream:
    return StartStream(
        stream_id="one",
        audio_format=RAW,
        transcription_config=TranscriptionConfig.model_validate({"language": "en", **config}),
    )


def test_start_that_is_known_altogether_causes_no_warning() -> None:
    assert warning_of(start(model="melia-1")) is None


def test_one_warning_tells_of_all_unknown_fields() -> None:
    warning = warning_of(start(one=1, two=2))
    assert warning is not None
    paths = ["transcription_config.one", "transcription_config.two"]
    assert (warning.stream_id, warning.code) == ("one", "unknown_field")
    assert [field["path"] for field in warning.fields] == paths
    assert ", ".join(paths) in warning.reason


def test_hostile_number_of_unknown_fields_makes_no_long_warning() -> None:
    warning = warning_of(start(**{f"field{n:05}": n for n in range(10_000)}))
    assert warning is not None
    assert len(warning.fields) == 20
    assert "field00019 and 9980 more;" in warning.reason


class SilentPlane(DataPlane):
    """A broker that answers nothing, on a connection that lives."""

    def __init__(self) -> None: ...

    async def channel(self, *, prefetch: int | None = None, confirms: bool = True) -> Any:
        await asyncio.get_running_loop().create_future()


async def test_start_is_given_up_when_the_broker_does_not_answer() -> None:
    """Held for ever, it would never reach the worker that could admit it."""
    settings = Settings(broker=BrokerSettings(answer_timeout=0.01))
    with pytest.raises(BrokerLost, match=r"did not answer for 0\.01 s"):
        await admit(SilentPlane(), settings)


class MutePlane(DataPlane):
    """Channels open, and then nothing that is asked on them has an answer, a closing neither."""

    def __init__(self) -> None:
        self.connection = SimpleNamespace(closings=set())

    async def channel(self, *, prefetch: int | None = None, confirms: bool = True) -> Any:
        never = asyncio.get_running_loop().create_future
        return SimpleNamespace(
            connection=self.connection,
            is_closed=False,
            patience=3600.0,
            queue_declare=lambda *_, **__: never(),
            request_close=never,
        )


@pytest.mark.parametrize(
    ("answer_timeout", "early_wait", "deadline"),
    [(60.0, 30.0, 10.0), (60.0, 90.0, 30.0), (60.0, 1.0, 10.0), (3.0, 30.0, 3.0)],
)
def test_start_is_given_up_while_the_audio_behind_it_still_waits(
    answer_timeout: float, early_wait: float, deadline: float
) -> None:
    settings = Settings(
        broker=BrokerSettings(answer_timeout=answer_timeout),
        session=SessionSettings(early_wait=early_wait),
    )
    assert deadline_of(settings) == deadline


async def test_start_is_given_up_without_a_wait_for_closings_that_have_no_answer() -> None:
    plane = MutePlane()
    settings = Settings(broker=BrokerSettings(answer_timeout=0.01))
    async with asyncio.timeout(20):
        with pytest.raises(BrokerLost, match=r"did not answer for 0\.01 s"):
            await admit(plane, settings)
    closings = plane.connection.closings
    assert len(closings) == 2  # the connection's to wait for
    for closing in closings:
        closing.cancel()


async def admit(plane: DataPlane, settings: Settings) -> None:
    seats = seats_of(plane, settings, clock=lambda: 0.0)
    admission = Admission(plane, settings, lambda _: None, seats)
    body = start().model_dump_json(by_alias=True, exclude_unset=True).encode()
    await admission.admit(AmqpMessage("start", "StartStream", body, {}), redelivered=False)
