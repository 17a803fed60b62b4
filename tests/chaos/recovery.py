"""How long each stream was without a recogniser behind a fault. Pure.

From the fault to the first audio of the stream's next session, less the pauses that the retry
policy prescribes and the stream told of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.observer import Heard
from tests.chaos.recogniser import Fired, Session
from tests.chaos.saboteur import Deed

from speechmq_schemas import StreamResumed, StreamStarted, StreamWarning

PAUSE_TOLD = re.compile(r"trying again in ([0-9.]+) s")
# A worker that was frozen may still lose its sessions so long after.
AFTERMATH = 2.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """``is_alone``: no other fault was in force that the stream could have met meanwhile."""

    kind: str
    stream: str
    at: float
    seconds: float
    is_alone: bool


def recoveries(
    sessions: Iterable[Session],
    deeds: Sequence[Deed],
    fired: Sequence[Fired],
    heard: Mapping[str, list[Heard]],
) -> list[Recovery]:
    lives = _by_stream(sessions)
    pauses = {stream: told_pauses(heard.get(stream, [])) for stream in lives}
    found = []
    for stream, life in lives.items():
        for session, following in pairwise(life):
            causes = [*_deeds_of(session, following, deeds), *_fired_in(session, fired)]
            for kind, at in causes:
                assert following.audio is not None
                told = pauses[stream].get(following.id, 0.0)
                # Another worker does not wait for what the first one had told.
                pause = told if following.worker == session.worker else 0.0
                seconds = max(0.0, following.audio - at - pause)
                alone = _is_alone((kind, at), following, deeds, fired, session)
                found.append(Recovery(kind, stream, at, seconds, alone))
    return found


def _by_stream(sessions: Iterable[Session]) -> dict[str, list[Session]]:
    """Only those that had audio: a session without is part of the pause between two others."""
    lives: dict[str, list[Session]] = {}
    for session in sessions:
        if session.stream is not None and session.audio is not None:
            lives.setdefault(session.stream, []).append(session)
    for life in lives.values():
        life.sort(key=lambda session: session.audio or 0.0)
    return lives


def _deeds_of(
    session: Session, following: Session, deeds: Sequence[Deed]
) -> list[tuple[str, float]]:
    """The first fault that hit the session's worker while it was open, if the loss is its work."""
    assert following.audio is not None
    for deed in deeds:
        hit = deed.worker in (None, session.worker) and session.was_open(deed.at)
        is_between = (session.audio or 0.0) < deed.at < following.audio
        is_its_work = following.worker != session.worker or following.opened < _felt_until(deed)
        if hit and is_between and is_its_work:
            return [(deed.kind, deed.at)]
    return []


def _felt_until(deed: Deed) -> float:
    return deed.until + AFTERMATH


def _fired_in(session: Session, fired: Sequence[Fired]) -> list[tuple[str, float]]:
    mine = [one for one in fired if one.session == session.id]
    return [(one.kind, one.at) for one in mine[-1:]]


def _is_alone(
    cause: tuple[str, float],
    following: Session,
    deeds: Sequence[Deed],
    fired: Sequence[Fired],
    session: Session,
) -> bool:
    since, until = cause[1], following.audio or 0.0
    others = [
        deed
        for deed in deeds
        if (deed.kind, deed.at) != cause and deed.at < until and deed.until + AFTERMATH > since
    ]
    struck = [
        one
        for one in fired
        if since < one.at < until and one.session in (None, session.id, following.id)
    ]
    return not others and not struck


def told_pauses(heard: Sequence[Heard]) -> dict[str, float]:
    """By the id of the session that followed, the seconds that the stream said it would wait."""
    pauses, total, seen = dict[str, float](), 0.0, set[str]()
    for one in heard:
        if one.message_id in seen:
            continue
        seen.add(one.message_id)
        if isinstance(one.event, StreamWarning):
            match = PAUSE_TOLD.search(one.event.reason)
            total += float(match[1]) if match else 0.0
        elif isinstance(one.event, StreamStarted | StreamResumed):
            pauses[one.event.session_id] = total
            total = 0.0
    return pauses
