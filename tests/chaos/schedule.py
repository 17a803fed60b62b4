"""What goes wrong and when, drawn from a seed. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass

# How often each kind comes, in proportion; every kind comes at least once where there is time.
WORKER_KINDS = {
    "worker: kill -9": 14,
    "worker: SIGTERM": 8,
    "worker: SIGTERM twice": 2,
    "worker: frozen, short": 7,
    "worker: frozen, long": 3,
    "worker: broker TCP cut": 5,
    "worker: broker TCP black hole": 3,
}
BROKER_KINDS = {
    "broker: stop and start": 2,
    "broker: kill -9 and start": 2,
    "broker: memory alarm": 2,
}
PUBLISHER_KINDS = {
    "publisher: chunk late": 6,
    "publisher: chunk twice": 6,
}
# A fault of one session that listens, by the text that the emulator takes.
SESSION_KINDS = {
    "upstream: drop": ("drop", 12),
    "upstream: half-open": ("silence", 6),
    "upstream: stall of 3 s": ("silence for=3s", 3),
    "upstream: close 1000": ("close code=1000", 2),
    "upstream: close 1011": ("close code=1011", 4),
    "upstream: close 4013": ("close code=4013", 3),
    "upstream: job_error": ("error type=job_error", 3),
    "upstream: garbage": ("garbage", 2),
    "upstream: AudioAdded withheld": ("withhold message=AudioAdded", 3),
    "upstream: finals late": ("delay message=AddTranscript by=2s for=6s", 3),
    "upstream: finals withheld, drop": ("delay message=AddTranscript,EndOfTranscript by=60s", 2),
    "upstream: drop before EndOfTranscript": ("drop on=EndOfTranscript", 5),
    "upstream: stall before EndOfTranscript": ("withhold message=EndOfTranscript", 3),
}
# A fault of the next sessions to begin, or of all that are open.
COMING_KINDS = {
    "upstream: all dropped at once": ("drop now", 3),
    "upstream: refuses, 503": ("refuse status=503 times=2", 3),
    "upstream: handshake hangs": ("hang for=3s times=2", 2),
    "upstream: drop before RecognitionStarted": ("drop on=RecognitionStarted times=2", 4),
    "upstream: drop behind RecognitionStarted": ("drop behind=RecognitionStarted times=2", 4),
    "upstream: quota_exceeded (4005)": ("error type=quota_exceeded recognition times=2", 3),
    "upstream: 4013 at start": ("close code=4013 recognition times=2", 2),
}
WEIGHTS = {
    **WORKER_KINDS,
    **BROKER_KINDS,
    **PUBLISHER_KINDS,
    **{kind: weight for kind, (_, weight) in SESSION_KINDS.items()},
    **{kind: weight for kind, (_, weight) in COMING_KINDS.items()},
}


@dataclass(frozen=True, slots=True)
class Load:
    """How much of what. ``seconds`` is for how long streams begin, ``every`` the time between
    two faults, ``lengths`` the shortest and the longest stream in seconds."""

    workers: int = 3
    streams: int = 40
    seconds: float = 300.0
    every: float = 2.0
    lengths: tuple[float, float] = (5.0, 45.0)


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault to come, ``at`` seconds behind the beginning."""

    at: float
    kind: str


def schedule(load: Load, seed: int, kinds: frozenset[str] = frozenset(WEIGHTS)) -> list[Strike]:
    """The same for the same arguments."""
    dice = random.Random(f"schedule {seed}")
    count = int(load.seconds / load.every)
    chosen = sorted(kinds)
    weights = [WEIGHTS[kind] for kind in chosen]
    deck = dice.sample(chosen, k=min(count, len(chosen)))
    deck += dice.choices(chosen, weights, k=count - len(deck))
    dice.shuffle(deck)
    return [Strike((number + 1) * load.every, kind) for number, kind in enumerate(deck)]
