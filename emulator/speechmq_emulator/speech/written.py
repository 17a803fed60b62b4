"""Words as they are written down, spread over the time in which they were said."""

from collections.abc import Sequence
from dataclasses import replace

from speechmq_emulator.speech.events import Entity, Word


def spread(contents: Sequence[str], over: Word) -> tuple[Word, ...]:
    """A word for each content, like ``over`` and in equal parts of its time."""
    step = (over.end - over.start) / max(1, len(contents))
    edges = [over.start + i * step for i in range(len(contents))] + [over.end]
    return tuple(
        replace(over, content=content, start=edges[i], end=edges[i + 1])
        for i, content in enumerate(contents)
    )


def entity(content: str, entity_class: str, spoken: Sequence[Word]) -> Entity:
    """As sure as its least sure word and as loud as its loudest; ``spoken`` is not empty."""
    volumes = [word.volume for word in spoken if word.volume is not None]
    over = Word(
        content,
        spoken[0].start,
        spoken[-1].end,
        min(word.confidence for word in spoken),
        spoken[0].speaker,
        max(volumes, default=None),
    )
    return Entity(
        content,
        over.start,
        over.end,
        entity_class,
        tuple(spoken),
        spread(content.split(), over),
        over.confidence,
        over.speaker,
        over.volume,
    )


def rewritten(of: Entity, content: str) -> Entity:
    """The entity with other content: the same words spoken, others written."""
    over = replace(of.written[0], start=of.start, end=of.end)
    return replace(of, content=content, written=spread(content.split(), over))
