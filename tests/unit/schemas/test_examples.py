from speechmq_schemas import (
    AmqpMessage,
    AudioGap,
    EndOfUtterance,
    FinalTranscript,
    to_command,
    to_event,
    to_reply,
)
from speechmq_schemas.commands import COMMANDS
from speechmq_schemas.events import EVENTS
from speechmq_schemas.examples import EXAMPLES, tone
from speechmq_schemas.replies import REPLIES


def test_every_kind_of_message_has_an_example() -> None:
    assert list(EXAMPLES) == [message.type for message in EXAMPLES.values()]
    assert set(EXAMPLES) == {*COMMANDS, *EVENTS, *REPLIES}


def test_every_example_is_read_as_its_kind() -> None:
    assert {name: type(read(message)) for name, message in EXAMPLES.items()} == {
        **COMMANDS,
        **EVENTS,
        **REPLIES,
    }


def read(message: AmqpMessage) -> object:
    if message.type in REPLIES:
        return to_reply(message)
    return to_command(message).command if message.type in COMMANDS else to_event(message)


def test_example_events_have_message_ids_of_their_own() -> None:
    ids = [EXAMPLES[name].message_id for name in EVENTS]
    assert len(set(ids)) == len(EVENTS)


def test_example_transcript_spells_its_results() -> None:
    final = to_event(EXAMPLES["FinalTranscript"])
    assert isinstance(final, FinalTranscript)
    words = [one.alternatives[0].content for one in final.results]
    assert f"{words[0]} {words[1]}{words[2]} " == final.transcript


def test_example_times_run_forward() -> None:
    gap, pause = to_event(EXAMPLES["AudioGap"]), to_event(EXAMPLES["EndOfUtterance"])
    assert isinstance(gap, AudioGap)
    assert isinstance(pause, EndOfUtterance)
    assert pause.start_time == pause.end_time < gap.start_time < gap.end_time


def test_tone_lasts_as_long_as_asked_and_is_centred() -> None:
    samples = memoryview(tone(milliseconds=20)).cast("h")
    assert (len(samples), max(samples), min(samples), sum(samples)) == (320, 8_000, -8_000, 0)
