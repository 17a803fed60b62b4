"""Whether what was heard is what was said. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.observer import LAST_WORDS, Heard
from tests.support.speaker import BLOCK_SECONDS

from speechmq_schemas import FinalTranscript, StreamEnded

# What upstream's own rounding and one sample come to.
TOLERANCE = 0.002


@dataclass
class Verdict:
    """``repeated`` counts words that came twice, before deduplication by ``message_id``
    (``repeats_published``) and behind it; ``complaints`` says of everything wrong what it is."""

    words: int = 0
    lost: int = 0
    repeated: int = 0
    repeats_published: int = 0
    wrong_times: int = 0
    complaints: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.repeated or self.wrong_times or self.complaints)


def judge(said: Mapping[str, Sequence[int]], heard: Mapping[str, list[Heard]]) -> Verdict:
    """``said`` are the numbers of each stream."""
    verdict = Verdict()
    for stream_id, numbers in said.items():
        _judge_stream(verdict, stream_id, numbers, heard.get(stream_id, []))
    return verdict


def _judge_stream(
    verdict: Verdict, stream_id: str, numbers: Sequence[int], heard: list[Heard]
) -> None:
    ours = [one for one in heard if not one.is_redelivered]
    events = list({one.message_id: one for one in heard}.values())
    events.sort(key=lambda one: (one.epoch, one.seq))
    copies = Counter(one.message_id for one in ours if one.kind == "FinalTranscript")
    for one in events:
        if one.kind == "FinalTranscript" and copies[one.message_id] > 1:
            verdict.repeats_published += (copies[one.message_id] - 1) * len(_words([one]))
    _judge_words(verdict, stream_id, numbers, _words(events))
    seconds = len(numbers) * BLOCK_SECONDS
    complaints = [
        *_complaints_of_bodies(heard),
        *_complaints_of_epochs(heard),
        *_complaints_of_the_end(events, seconds),
    ]
    verdict.complaints += [f"{stream_id}: {complaint}" for complaint in complaints]


def _words(events: Iterable[Heard]) -> list[tuple[str, float, float]]:
    finals = [one.event for one in events if isinstance(one.event, FinalTranscript)]
    return [
        (result.alternatives[0].content, result.start_time, result.end_time)
        for final in finals
        for result in final.results
        if result.type == "word"
    ]


def _judge_words(
    verdict: Verdict,
    stream_id: str,
    numbers: Sequence[int],
    words: list[tuple[str, float, float]],
) -> None:
    expected = [f"w{number}" for number in numbers]
    found = [word for word, _, _ in words]
    missing, surplus = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    verdict.words += len(expected)
    verdict.lost += missing.total()
    verdict.repeated += surplus.total()
    if missing or surplus:
        verdict.complaints.append(f"{stream_id}: lost {[*missing]}, too much {[*surplus]}")
    elif found != expected:
        verdict.complaints.append(f"{stream_id}: the words are in another order")
    places = {word: place for place, word in enumerate(expected)}
    for word, start, end in words:
        right = places.get(word, 0) * BLOCK_SECONDS
        if abs(start - right) > TOLERANCE or abs(end - right - BLOCK_SECONDS) > TOLERANCE:
            verdict.wrong_times += 1
            verdict.complaints.append(f"{stream_id}: {word} at {start}-{end}, not {right:.1f}")


def _complaints_of_bodies(heard: list[Heard]) -> list[str]:
    bodies: dict[str, bytes] = {}
    return [
        f"{one.message_id} has two bodies"
        for one in heard
        if bodies.setdefault(one.message_id, one.digest) != one.digest
    ]


def _complaints_of_epochs(heard: list[Heard]) -> list[str]:
    """What the observer is given a second time is no news. Admission speaks in epoch 0."""
    newest, seen, complaints = 0, set[str](), []
    for one in heard:
        is_news = one.message_id not in seen or not one.is_redelivered
        seen.add(one.message_id)
        if is_news and 0 < one.epoch < newest:
            complaints.append(f"{one.kind} {one.message_id} came behind epoch {newest}")
        newest = max(newest, one.epoch)
    return complaints


def _complaints_of_the_end(events: list[Heard], seconds: float) -> list[str]:
    last = [one for one in events if one.kind in LAST_WORDS]
    complaints = [f"{one.kind}: {one.event}" for one in events if one.kind == "AudioGap"]
    if len(last) != 1:
        said = "; ".join(f"{one.message_id} {one.event}" for one in last)
        return [*complaints, f"has {len(last)} last events: {said}"]
    ended = last[0].event
    if not isinstance(ended, StreamEnded):
        return [*complaints, f"did not end well: {ended}"]
    if events[-1] is not last[0]:
        complaints.append(f"{events[-1].kind} came behind the last event")
    totals = (ended.received_seconds, ended.finalised_seconds, ended.gap_seconds, ended.reason)
    if totals != (round(seconds, 6), round(seconds, 6), 0.0, "end"):
        complaints.append(f"ends with {totals}, and had {seconds:.1f} s")
    return complaints
