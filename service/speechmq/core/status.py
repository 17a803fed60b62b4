"""How far a stream has come, for whoever asks. A look at the state, never a part of it."""

from __future__ import annotations

from dataclasses import dataclass

from .states import State
from .stream import Stream


@dataclass(frozen=True, slots=True)
class Status:
    """Seconds of audio, over all channels as in ``StreamEnded``. What was ``received`` is
    ``finalised``, or a gap before that, or ``lag``: not final yet, with the gaps in it."""

    state: State
    received: float
    finalised: float
    gaps: float
    lag: float


def status_of(stream: Stream) -> Status:
    spec, intake = stream.spec, stream.intake
    received = finalised = to_come = 0
    for channel, said in stream.journal.said.items():
        track = spec.track_of(channel)
        position = intake.timeline.tracks[track].position
        final_until = min(spec.samples(said.watermark), position)
        received += position
        finalised += final_until
        to_come += intake.timeline.gap_samples_after(final_until, track)
    gaps = intake.gap_samples * spec.width
    return Status(
        stream.state,
        received=spec.seconds(received),
        finalised=max(0.0, spec.seconds(finalised - gaps + to_come)),
        gaps=spec.seconds(gaps),
        lag=spec.seconds(received - finalised),
    )
