"""How far a stream has come, for whoever asks. A look at the state, never a part of it."""

from __future__ import annotations

from dataclasses import dataclass

from .audio.timeline import gap_samples_after
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
    spec, now = stream.spec, stream.snapshot()
    received = finalised = to_come = 0
    for name, channel in now.channels.items():
        final_until = min(spec.samples(channel.watermark), channel.position)
        received += channel.position
        finalised += final_until
        to_come += gap_samples_after(now.pieces, final_until, spec.track_of(name))
    gaps = now.gap_samples * spec.width
    return Status(
        now.state,
        received=spec.seconds(received),
        finalised=max(0.0, spec.seconds(finalised - gaps + to_come)),
        gaps=spec.seconds(gaps),
        lag=spec.seconds(received - finalised),
    )
