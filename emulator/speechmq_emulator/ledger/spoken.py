"""What one block says, and the 11 bits that carry all of it but the number."""

from dataclasses import dataclass
from typing import Literal, get_args

AudioEventKind = Literal["music", "applause", "laughter"]
MAX_NUMBER = 2**32 - 1

_KINDS: tuple[AudioEventKind, ...] = get_args(AudioEventKind)


@dataclass(frozen=True, slots=True)
class Spoken:
    """The word ``w<number>``, or the English words of ``number`` when it is ``in_words``.

    ``voice`` is 1 or 2; ``ends_sentence`` puts a full stop behind the word. An audio event
    of the kind ``begins`` starts where the block does, one of the kind ``ends`` ends with it.

    Raises:
        ValueError: the number is not in 0..2**32-1, the voice neither 1 nor 2, or a kind of
            event is unknown.
    """

    number: int
    voice: Literal[1, 2] = 1
    ends_sentence: bool = False
    disfluency: bool = False
    in_words: bool = False
    quiet: bool = False
    begins: AudioEventKind | None = None
    ends: AudioEventKind | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.number <= MAX_NUMBER:
            raise ValueError(f"number {self.number} is not within 0 and {MAX_NUMBER}")
        if self.voice not in {1, 2}:
            raise ValueError(f"voice {self.voice} is neither 1 nor 2")
        for kind in (self.begins, self.ends):
            if kind is not None and kind not in _KINDS:
                raise ValueError(f"audio event {kind!r} is none of {', '.join(_KINDS)}")

    @property
    def flags(self) -> int:
        """Bit 0: voice, 1: sentence, 2: disfluency, 3: in words, 4: quiet, 5-6: the event that
        begins, 7-8: the one that ends. Bits 9 and 10 are zero in this version."""
        return (
            (self.voice - 1)
            | self.ends_sentence << 1
            | self.disfluency << 2
            | self.in_words << 3
            | self.quiet << 4
            | _bits(self.begins) << 5
            | _bits(self.ends) << 7
        )

    @classmethod
    def read(cls, number: int, flags: int) -> "Spoken":
        """The inverse of ``flags``; a bit without a meaning says nothing."""
        if not flags:
            return cls(number)
        return cls(
            number,
            voice=2 if flags & 1 else 1,
            ends_sentence=bool(flags & 1 << 1),
            disfluency=bool(flags & 1 << 2),
            in_words=bool(flags & 1 << 3),
            quiet=bool(flags & 1 << 4),
            begins=_kind(flags >> 5 & 3),
            ends=_kind(flags >> 7 & 3),
        )


def _bits(kind: AudioEventKind | None) -> int:
    return 0 if kind is None else _KINDS.index(kind) + 1


def _kind(bits: int) -> AudioEventKind | None:
    return _KINDS[bits - 1] if bits else None
