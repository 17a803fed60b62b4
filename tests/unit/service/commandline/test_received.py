import json
from datetime import UTC, datetime

from tests.support.received_events import came, final, foreign

from speechmq.commandline.received import json_line, receive
from speechmq_schemas import AmqpMessage


def test_event_is_read_with_its_stream_and_position() -> None:
    received = came(final("a", stream="call-1"), 7, epoch=3, at=1.5)
    assert (received.event, received.problem) == (final("a", stream="call-1"), None)
    assert (received.stream_id, received.position, received.at) == ("call-1", (3, 7), 1.5)


def test_unknown_event_is_no_problem_and_its_stream_is_the_last_word_of_its_key() -> None:
    received = foreign("novelty.final.de.call-1")
    assert (received.event, received.problem, received.stream_id) == (None, None, "call-1")


def test_event_that_breaks_the_contract_is_a_problem() -> None:
    received = receive(AmqpMessage("transcript.final.s", "FinalTranscript", b"{}"), 0.0)
    assert received.event is None
    assert (received.problem or "").startswith("FinalTranscript is not valid: stream_id: ")


def test_position_of_a_message_with_other_headers_is_zero() -> None:
    message = AmqpMessage("x.s", "X", b"", {"epoch": "one", "seq": None})
    assert receive(message, 0.0).position == (0, 0)


def test_json_line_is_one_line_with_the_whole_message() -> None:
    line = json_line(came(final("zwölf\nUhr"), 2))
    assert "\n" not in line
    assert "zwölf" in line
    assert json.loads(line) == {
        "type": "FinalTranscript",
        "routing_key": "transcript.final.s",
        "headers": {"epoch": 1, "seq": 2, "schema_version": "1"},
        "message_id": "s/1/2",
        "body": json.loads(final("zwölf\nUhr").model_dump_json(exclude_unset=True)),
    }


def test_json_line_shows_what_is_not_json_as_text() -> None:
    headers = {"at": datetime(2026, 1, 2, tzinfo=UTC), "raw": b"\xff"}
    message = AmqpMessage("x.s", "X", b"\xffaudio", headers)
    assert json.loads(json_line(receive(message, 0.0))) == {
        "type": "X",
        "routing_key": "x.s",
        "headers": {"at": "2026-01-02 00:00:00+00:00", "raw": "b'\\xff'"},
        "message_id": None,
        "body": "\ufffdaudio",
    }
