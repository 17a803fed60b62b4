"""What a successor begins with, made from what is in place and what was said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..audio.placement import Placement
from ..audio.sequencer import REMEMBERED_GAPS, Sequencer
from ..audio.timeline import Piece
from ..values.checkpoint import ChannelMark, Checkpoint, Gap, Totals
from ..values.spec import Channel, StreamSpec, Track
from .said import Said


def checkpoint_of(
    spec: StreamSpec,
    placement: Placement,
    sequencer: Sequencer,
    pieces: Sequence[Piece],
    said: Mapping[Channel, Said],
) -> Checkpoint:
    """What a successor begins with when only ``pieces`` are left to be heard."""
    entry = placement.entry_of(pieces)
    if entry is not None:
        pieces = placement.timeline.from_message(entry.unit.seq)
    gaps = _gaps_of(pieces)
    next_seq = pieces[0].seq if pieces else sequencer.next_seq
    starts = placement.timeline.starts(pieces)
    ended = placement.channels.ended_before(next_seq)
    return Checkpoint(
        next_seq=next_seq if entry is None else entry.unit.seq,
        position=min(starts.values()) if entry is None else entry.position,
        watermark=min(one.watermark for one in said.values()),
        gaps=gaps,
        totals=_totals_without(pieces, gaps, placement, sequencer.repeats, said),
        channels={
            label: _mark(starts[spec.track_of(label)], said[label], label in ended)
            for label in spec.channel_labels
        },
        entry=entry,
    )


def _gaps_of(pieces: Sequence[Piece]) -> tuple[Gap, ...]:
    gaps: dict[tuple[int, Track], Gap] = {}
    for piece in pieces:
        if piece.gap:
            gaps.setdefault((piece.seq, piece.track), piece.gap)
    return tuple(gaps.values())[:REMEMBERED_GAPS]


def _totals_without(
    pieces: Sequence[Piece],
    gaps: Iterable[Gap],
    placement: Placement,
    repeats: int,
    said: Mapping[Channel, Said],
) -> Totals:
    """The successor will count what it hears again."""
    return Totals(
        chunks=placement.chunks - sum(_is_chunk(piece) for piece in pieces),
        duplicates=repeats,
        finals=sum(one.finals for one in said.values()),
        gap_samples=placement.gap_samples - sum(gap.end - gap.start for gap in gaps),
    )


def _is_chunk(piece: Piece) -> bool:
    """Whether a publisher sent it as audio."""
    return piece.tag is not None and piece.command is None


def _mark(start: int, said: Said, has_ended: bool) -> ChannelMark:
    return ChannelMark(start, said.watermark, said.finals, has_ended)
