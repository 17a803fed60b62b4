"""Faults as text, both ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechmq_emulator.faults import grammar
from speechmq_emulator.faults.fault import (
    AfterReceived,
    AfterSent,
    AtAudio,
    Before,
    Behind,
    Close,
    Delay,
    Drop,
    Fault,
    FaultError,
    Garbage,
    Hang,
    Moment,
    Oversize,
    Quota,
    Refuse,
    Selection,
    SendError,
    SendWarning,
    Silence,
    Slow,
    Span,
    Unknown,
    Withhold,
)
from speechmq_emulator.faults.grammar import build, parse, write
from speechmq_emulator.protocol.errors import ErrorType, WarningType

EXAMPLES = {
    "drop": Fault(Drop(), Moment.START),
    "drop handshake": Fault(Drop(), Moment.HANDSHAKE),
    "drop now": Fault(Drop(), Moment.NOW),
    "drop at=3.5s": Fault(Drop(), AtAudio(Span(3.5, 3.5))),
    "drop at=1s..20s probability=0.2": Fault(
        Drop(), AtAudio(Span(1, 20)), Selection(probability=0.2)
    ),
    "close code=4013 reason='out of tea' after=7": Fault(
        Close(4013, "out of tea"), AfterReceived(Span(7, 7))
    ),
    "silence sent=5..1000000000": Fault(Silence(), AfterSent(Span(5, 10**9))),
    "silence for=0.25s on=EndOfTranscript": Fault(Silence(0.25), Before("EndOfTranscript")),
    "refuse": Fault(Refuse(503), Moment.HANDSHAKE),
    "refuse status=429 retry_after=5 times=3 language=fr": Fault(
        Refuse(429, 5), Moment.HANDSHAKE, Selection(times=3, language="fr")
    ),
    "hang for=20s": Fault(Hang(20), Moment.HANDSHAKE),
    "error type=job_error behind=RecognitionStarted": Fault(
        SendError(ErrorType.JOB_ERROR), Behind("RecognitionStarted")
    ),
    "error type=invalid_model reason=no recognition": Fault(
        SendError(ErrorType.INVALID_MODEL, "no"), Moment.RECOGNITION
    ),
    "warning type=idle_timeout at=1s": Fault(
        SendWarning(WarningType.IDLE_TIMEOUT), AtAudio(Span(1, 1))
    ),
    "quota sessions=0": Fault(Quota(0), Moment.RECOGNITION),
    "delay message=AddTranscript,EndOfUtterance by=2s for=60s": Fault(
        Delay(("AddTranscript", "EndOfUtterance"), 2, 60), Moment.START
    ),
    "withhold message=AudioAdded now": Fault(Withhold(("AudioAdded",)), Moment.NOW),
    "garbage sent=1": Fault(Garbage(), AfterSent(Span(1, 1))),
    "unknown name=Hello": Fault(Unknown("Hello"), Moment.START),
    "oversize size=1000": Fault(Oversize(1000), Moment.START),
    "slow rate=8000 for=5s": Fault(Slow(8000, 5), Moment.START),
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_fault_is_read_and_written(text: str) -> None:
    assert parse(text) == EXAMPLES[text]
    assert write(EXAMPLES[text]) == text


def test_every_action_has_an_example() -> None:
    used = {type(fault.action) for fault in EXAMPLES.values()}
    assert used == {action for action, _ in grammar.ACTIONS.values()}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("  drop   at=1500ms ", Fault(Drop(), AtAudio(Span(1.5, 1.5)))),
        ("drop at=2m", Fault(Drop(), AtAudio(Span(120, 120)))),
        ("drop at=3", Fault(Drop(), AtAudio(Span(3, 3)))),
        ("drop when=start", Fault(Drop(), Moment.START)),
        ("refuse when=handshake", Fault(Refuse(), Moment.HANDSHAKE)),
        ("oversize size=50M", Fault(Oversize(50 * 2**20), Moment.START)),
    ],
)
def test_other_ways_to_say_it_are_read(text: str, fault: Fault) -> None:
    assert parse(text) == fault


@given(
    at=st.floats(0, 600_000, allow_nan=False),
    more=st.floats(0, 1000, allow_nan=False),
    probability=st.floats(0, 1, allow_nan=False),
    reason=st.text(max_size=30),
)
def test_what_is_written_is_read_back(
    at: float, more: float, probability: float, reason: str
) -> None:
    span = Span(round(at, 6), round(at, 6) + round(more, 6))
    span = Span(span.low, round(span.high, 6))
    error = SendError(ErrorType.JOB_ERROR, reason)
    fault = Fault(error, AtAudio(span), Selection(probability, times=2))
    assert parse(write(fault)) == fault


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "'' is no fault; there are: drop, close, silence, refuse, "),
        ("explode at=1s", "'explode' is no fault; there are: drop, close, "),
        ("drop 'at=1s", '"drop \'at=1s" is no fault: No closing quotation'),
        ("drop soon", "'soon' is neither WORD=VALUE nor one of handshake, now, recognition, start"),
        ("drop colour=red", "'colour' is no word of 'drop'; allowed are: at, after, sent, on, "),
        ("drop code=1000", "'code' is no word of 'drop'; allowed are: at, after, sent, on, "),
        ("drop at=1s at=2s", "'at' is given twice in 'drop at=1s at=2s'"),
        ("drop at=1s now", "a fault has one trigger, not 'at' and 'when'"),
        ("drop at=soon", "at='soon' is not a time such as 2.5s, or a range such as 1s..20s"),
        ("drop at=-1s", "at='-1s' is not a time such as 2.5s, "),
        ("drop at=1e9h", "at='1e9h' is not a time such as 2.5s, "),
        ("drop at=inf", "at='inf' is not a time such as 2.5s, "),
        ("drop at=20s..1s", "20..1 does not go up from 0 or more"),
        ("drop after=0", "after='0' is not a whole number, or a range such as 5..20"),
        ("drop after=1.5", "after='1.5' is not a whole number, or a range such as 5..20"),
        ("drop on=RecognitionStart", "on='RecognitionStart' is not a message of the server (AddP"),
        ("drop probability=nan", "probability='nan' is not a number from 0 to 1"),
        ("drop probability=1.1", "probability='1.1' is not a number from 0 to 1"),
        ("drop when=later", "when='later' is not one of handshake, start, recognition, now"),
        ("close code=1005", "code=1005 is no close code that may be sent"),
        ("close reason=" + "x" * 124, "reason has more than 123 bytes"),
        ("refuse status=200", "status=200 is no HTTP status from 400 to 599"),
        ("refuse at=1s", "Refuse happens at 'handshake' only; leave the trigger out"),
        ("quota sessions=2 now", "Quota happens at 'recognition' only; leave the trigger out"),
        ("silence handshake", "Silence can not happen at 'handshake'; use 'start'"),
        ("error", "'error' needs type=..., one of invalid_message, invalid_model, "),
        ("error type=sad", "type='sad' is not one of invalid_message, invalid_model, "),
        ("warning type=job_error", "type='job_error' is not one of duration_limit_exceeded, "),
        ("delay message=AudioAdded", "'delay' needs by=..., a time such as 2.5s, 200ms or 3m"),
        ("withhold message=AudioAdded,Tea", "message='AudioAdded,Tea' is not a message of the "),
        ("oversize size=2G", "size='2G' is not a size such as 900k or 50M"),
        ("oversize size=900M", "size=943718400 is not within 1k and 256M"),
        ("slow rate=0", "rate='0' is not a whole number, 1 or more"),
        ("drop " + "x" * 2000, "a fault has at most 2000 characters, not 2005"),
    ],
)
def test_bad_text_is_refused_by_its_word(text: str, sentence: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse(text)
    assert str(caught.value)[: len(sentence)] == sentence


def test_fault_is_built_from_words() -> None:
    words = {"message": "AudioAdded", "by": "2"}
    assert build("delay", words) == Fault(Delay(("AudioAdded",), 2), Moment.START)
