"""How far a stream has come, for whoever asks. A look at the state, never a part of it."""

from __future__ import annotations

from dataclasses import dataclass

from .states import State
from .stream import Stream


@dataclass(frozen=True, slots=True)
class Status:
    """Seconds of audio. What was ``received`` is ``finalised``, or a gap before that, or ``lag``:
    not final yet, with the gaps in it."""

    state: State
    received: float
    finalised: float
    gaps: float
    lag: float


def status_of(stream: Stream) -> Status:
    spec, intake = stream.spec, stream.intake
    received = spec.seconds(intake.timeline.position)
    final_until = min(stream.journal.watermark, received)
    gaps = intake.totals.gap_samples
    to_come = intake.timeline.gap_samples_after(spec.samples(final_until))
    return Status(
        stream.state,
        received=received,
        finalised=max(0.0, final_until - spec.seconds(gaps - to_come)),
        gaps=spec.seconds(gaps),
        lag=received - final_until,
    )
