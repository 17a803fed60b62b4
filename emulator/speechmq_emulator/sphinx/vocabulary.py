"""A session's own words, in the decoder: pronounced, probable, and written as the client has them.

Each entry becomes a word of the dictionary and the language model under a name of its own,
so that any content (several words, digits, any script) can be heard and is written back
unchanged. A word that the model knows anyway is heard more easily.
"""

from collections.abc import Sequence
from itertools import count, takewhile

from pocketsphinx import Decoder

from speechmq_emulator.protocol.config import VocabWord
from speechmq_emulator.sphinx.pronunciation import phones_of

MAX_ENTRIES = 1000
"""As many as the service takes; what lies beyond is not heard."""

_MOST_SOUNDS = 10
_WEIGHT = 10.0
"""How much more probable an entry is than a word of the model on average."""


class Vocabulary:
    """``decoder`` is changed for good: give each session one of its own."""

    def __init__(self, decoder: Decoder, entries: Sequence[VocabWord] = ()) -> None:
        self._decoder = decoder
        self._contents: dict[str, str] = {}
        additions = [addition for entry in entries[:MAX_ENTRIES] for addition in self._name(entry)]
        for number, (name, phones) in enumerate(additions, 1):
            # The last one builds the search for all of them.
            decoder.add_word(name, phones, number == len(additions))

    def content(self, word: str) -> str:
        """What to write for a word of the decoder."""
        return self._contents.get(word, word)

    def _name(self, entry: VocabWord) -> list[tuple[str, str]]:
        """An entry's words for the dictionary, one a pronunciation; none for what has no sound."""
        content, sounds = _spoken(entry)
        readings = [way for sound in sounds for way in phones_of(sound, self._look_up)]
        if not readings:
            return []
        name = f"_{len(self._contents)}"
        self._contents[name] = content
        # Before the dictionary has it: that would give it the probability of any word.
        self._decoder.get_lm().add_word(name, _WEIGHT)
        unique = enumerate(dict.fromkeys(readings), 1)
        return [(name if n == 1 else f"{name}({n})", phones) for n, phones in unique]

    def _look_up(self, word: str) -> list[str]:
        variants = (word if n == 1 else f"{word}({n})" for n in count(1))
        return list(takewhile(bool, map(self._decoder.lookup_word, variants)))


def _spoken(entry: VocabWord) -> tuple[str, list[str]]:
    if isinstance(entry, str):
        return entry, [entry]
    return entry.content, (entry.sounds_like or [entry.content])[:_MOST_SOUNDS]
