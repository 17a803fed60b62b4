"""The ledger engine: numbers become words, at the times that they really have."""

from collections.abc import Sequence
from typing import Any

from speechmq_emulator.ledger import decode, encode
from speechmq_emulator.ledger.engine import LedgerRecogniser, LedgerStream
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.speech.events import (
    ChunkTaken,
    Ended,
    EngineEvent,
    Final,
    Partial,
    Transcript,
    UtteranceEnded,
    Word,
)


def recognise(numbers: Sequence[int | None], *, skip: int = 0, **config: Any) -> list[Transcript]:
    """The transcripts of ledger audio at 16 kHz whose first ``skip`` samples are missing."""
    audio = encode(numbers)[2 * skip :]
    settings = TranscriptionConfig.model_validate({"language": "en", **config})
    recogniser = LedgerRecogniser(16000, settings)
    events = [event for span in decode(audio) for event in recogniser.read(span)]
    return events + recogniser.finish(len(audio) // 2)


def w(number: int, start: float, end: float) -> Word:
    return Word(f"w{number}", start, end)


def test_words_become_final_two_at_a_time() -> None:
    assert recognise([1, 2, 3]) == [
        Final(0.0, 0.4, (w(1, 0.0, 0.2), w(2, 0.2, 0.4))),
        Final(0.4, 0.6, (w(3, 0.4, 0.6),)),
    ]


def test_partial_shows_a_word_before_it_is_final() -> None:
    assert recognise([1, 2], enable_partials=True) == [
        Partial(0.0, 0.2, (w(1, 0.0, 0.2),)),
        Final(0.0, 0.4, (w(1, 0.0, 0.2), w(2, 0.2, 0.4))),
    ]


def test_silence_settles_words_and_is_covered() -> None:
    assert recognise([1, None, None, None]) == [
        Final(0.0, 0.2, (w(1, 0.0, 0.2),)),
        Final(0.2, 0.56),
        Final(0.56, 0.8),
    ]


def test_utterance_ends_once_when_the_silence_is_as_long_as_asked() -> None:
    config = {"end_of_utterance_silence_trigger": 0.5}
    assert recognise([1, None, None, None, None], conversation_config=config) == [
        Final(0.0, 0.2, (w(1, 0.0, 0.2),)),
        Final(0.2, 0.56),
        Final(0.56, 0.62),
        UtteranceEnded(0.7),
        Final(0.62, 0.98),
        Final(0.98, 1.0),
    ]


def test_utterance_does_not_end_before_anything_was_said() -> None:
    config = {"end_of_utterance_silence_trigger": 0.2}
    events = recognise([None, None, None], conversation_config=config)
    assert events == [Final(0.0, 0.36), Final(0.36, 0.6)]


def test_damaged_sound_is_a_word_that_no_number_gives() -> None:
    audio = encode([1, 2, 3])
    settings = TranscriptionConfig(language="en")
    recogniser = LedgerRecogniser(16000, settings)
    spans = decode(audio[:9600] + audio[12800:])
    assert [event for span in spans for event in recogniser.read(span)] == [
        Final(0.0, 0.3, (w(1, 0.0, 0.2), Word("w?", 0.2, 0.3))),
    ]
    assert recogniser.finish(8000) == [Final(0.3, 0.5, (w(3, 0.3, 0.5),))]


def test_fragment_at_the_start_is_covered_and_says_nothing() -> None:
    assert recognise([1, 2, 3], skip=800) == [
        Final(0.0, 0.55, (w(2, 0.15, 0.35), w(3, 0.35, 0.55))),
    ]


def stream_events(audio: bytes) -> list[EngineEvent]:
    events: list[EngineEvent] = []
    start = StartRecognition.model_validate(
        {
            "message": "StartRecognition",
            "audio_format": {"type": "raw", "encoding": "pcm_s16le", "sample_rate": 16000},
            "transcription_config": {"language": "en"},
        }
    )
    stream = LedgerStream(start, events.append)
    drive(stream.feed(audio))
    drive(stream.finish())
    return events


def drive(coroutine: Any) -> None:
    """Run a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("it waited")


def test_stream_confirms_the_chunk_and_covers_the_last_part_of_a_block() -> None:
    assert stream_events(encode([1, 2])[:9600]) == [
        ChunkTaken(),
        Final(0.0, 0.2, (w(1, 0.0, 0.2),)),
        Final(0.2, 0.3),
        Ended(),
    ]


def test_stream_without_audio_ends_without_a_final() -> None:
    assert stream_events(b"") == [ChunkTaken(), Ended()]
