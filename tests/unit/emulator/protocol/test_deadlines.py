"""A session that lasts too long, hears nothing or is left alone."""

from collections.abc import Callable

from tests.unit.emulator.protocol.sessions import (
    CHUNK,
    end_of_stream,
    new_session,
    recognising_session,
    refused,
    session_in,
    start,
    warned,
)

from speechmq_emulator.protocol.limits import HOUR, MINUTE, Limits
from speechmq_emulator.protocol.outputs import Close, Output
from speechmq_emulator.protocol.session import Session
from speechmq_emulator.protocol.states import State
from speechmq_emulator.speech.events import ChunkTaken

NEVER = 1e12


def alarms(session: Session, until: float = NEVER) -> list[tuple[float, list[Output]]]:
    """What a session says at each of its deadlines, if nothing else happens."""
    said = []
    while session.deadline is not None and session.deadline < until:
        at = session.deadline
        said.append((at, session.tick(at)))
    return said


def repeat(session: Session, step: Callable[[Session], object], every: float, until: float) -> None:
    """Tell the time and take the step again and again; nothing is said meanwhile."""
    now = 0.0
    while now + every <= until:
        now += every
        assert session.tick(now) == []
        step(session)


def take_audio(session: Session) -> None:
    session.receive(CHUNK)
    session.recognised(ChunkTaken())


def test_start_that_does_not_come_is_an_idle_timeout() -> None:
    session = new_session(limits=Limits(start_timeout=20), now=100.0)
    reason = "No StartRecognition came; send it right behind the handshake"
    assert session.tick(119.9) == []
    assert alarms(session) == [(120.0, refused("idle_timeout", 1008, reason))]


def test_start_ends_the_wait_for_it() -> None:
    session = session_in(State.STARTING)
    assert (session.deadline, session.tick(NEVER)) == (None, [])


def test_session_is_warned_and_ended_without_audio() -> None:
    session = recognising_session(Limits(contact=NEVER))
    told = "no audio sent within the last"
    soon = "Session will timeout in"
    assert alarms(session) == [
        (
            45 * MINUTE,
            [warned("idle_timeout", f"{soon} 15m due to inactivity, {told} 45m")],
        ),
        (
            50 * MINUTE,
            [warned("idle_timeout", f"{soon} 10m due to inactivity, {told} 50m")],
        ),
        (
            55 * MINUTE,
            [warned("idle_timeout", f"{soon} 5m due to inactivity, {told} 55m")],
        ),
        (
            HOUR,
            refused("idle_timeout", 1008, f"Session timed out due to inactivity, {told} 60m"),
        ),
    ]


def test_session_is_warned_and_ended_after_its_longest_time() -> None:
    session = recognising_session(Limits(contact=NEVER, idle=NEVER))
    told = "due to max duration, session has been active for"
    soon = "Session will timeout in"
    assert alarms(session) == [
        (48 * HOUR - 45 * MINUTE, [warned("session_timeout", f"{soon} 45m {told} 2835m")]),
        (48 * HOUR - 30 * MINUTE, [warned("session_timeout", f"{soon} 30m {told} 2850m")]),
        (48 * HOUR - 15 * MINUTE, [warned("session_timeout", f"{soon} 15m {told} 2865m")]),
        (48 * HOUR, refused("session_timeout", 1008, f"Session timed out {told} 2880m")),
    ]


def test_session_hears_all_that_was_due_when_time_leaps() -> None:
    session = recognising_session(Limits(contact=NEVER))
    outputs = session.tick(3 * HOUR)
    assert [getattr(out, "message", {}).get("message") for out in outputs] == [
        "Warning",
        "Warning",
        "Warning",
        "Error",
        None,
    ]


def test_session_ends_by_the_first_limit_when_time_leaps_over_several() -> None:
    outputs = recognising_session(Limits(idle=NEVER)).tick(50 * HOUR)
    assert outputs[-1] == Close(1008, "session_timeout")
    assert len(outputs) == 5


def test_session_left_alone_is_ended() -> None:
    session = recognising_session()
    reason = "Session timed out due to inactivity, no audio or ping sent within the last 3m"
    assert alarms(session) == [(3 * MINUTE, refused("idle_timeout", 1008, reason))]


def test_pings_keep_a_session_but_are_no_audio() -> None:
    session = recognising_session()
    repeat(session, Session.pinged, every=100, until=2600)
    assert session.deadline == 45 * MINUTE


def test_audio_keeps_a_session() -> None:
    session = recognising_session()
    repeat(session, take_audio, every=100, until=2 * HOUR)
    assert session.deadline == 2 * HOUR + 3 * MINUTE


def test_ping_before_the_start_counts_for_nothing() -> None:
    session = new_session()
    session.pinged()
    assert session.deadline == 60.0


def test_client_that_waits_for_room_is_not_idle() -> None:
    session = recognising_session()
    session.receive(CHUNK)
    assert session.deadline == 48 * HOUR - 45 * MINUTE
    session.tick(1000.0)
    session.recognised(ChunkTaken())
    assert session.deadline == 1000.0 + 3 * MINUTE


def test_finishing_session_is_not_idle() -> None:
    session = recognising_session()
    session.receive(end_of_stream(0))
    assert session.deadline == 48 * HOUR - 45 * MINUTE


def test_time_runs_fast_by_its_scale() -> None:
    session = recognising_session(Limits(time_scale=3600))
    assert session.deadline == 3 * MINUTE / 3600


def test_limits_count_from_the_start_of_recognition() -> None:
    session = new_session(now=50.0)
    session.tick(60.0)
    session.receive(start())
    session.tick(70.0)
    session.engine_started()
    assert session.deadline == 70.0 + 3 * MINUTE
