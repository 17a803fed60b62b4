"""What a stream is like at one moment: all that telemetry and status read of the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .audio.timeline import Piece
from .states import State
from .values.spec import Channel


@dataclass(frozen=True, slots=True)
class ChannelSnapshot:
    """Of one channel: ``position`` is the sample up to which audio is in place, ``sent`` the one up
    to which it went upstream, ``kept_from`` the first that may be sent again. ``watermark`` is the
    end of the newest final in seconds."""

    position: int
    sent: int
    kept_from: int
    watermark: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``pieces`` are kept until a confirmed event covers them. ``gap_samples`` and ``replayed`` are
    samples of one channel; ``retries`` counts the sessions that followed a failed one."""

    state: State
    channels: Mapping[Channel, ChannelSnapshot]
    pieces: tuple[Piece, ...]
    replayed: int
    gap_samples: int
    duplicates: int
    retries: int
