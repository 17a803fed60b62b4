"""Ledger audio that says any words: a script gives each word a number, and reads it back."""

from __future__ import annotations

from speechmq_emulator.in_process import InProcessEngine
from speechmq_emulator.ledger.codec import encode
from speechmq_emulator.ledger.recogniser import LedgerRecogniser
from speechmq_emulator.ledger.spoken import Spoken
from speechmq_emulator.protocol.config import StartRecognition


class Script:
    """Words and their numbers. Audio of one script says nothing to another."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._numbers: dict[str, int] = {}

    def speech(self, text: str, *, sample_rate: int = 16_000, encoding: str = "pcm_s16le") -> bytes:
        """Audio of 200 ms a word; a word that ends in a full stop ends a sentence."""
        return encode(
            [self._spoken(word) for word in text.split()],
            sample_rate=sample_rate,
            encoding=encoding,
        )

    def word(self, number: int) -> str:
        """What a number says; ``w<number>`` for one that the script does not have."""
        return self._words[number] if number < len(self._words) else f"w{number}"

    def _spoken(self, word: str) -> Spoken:
        bare = word.rstrip(".") or word
        if bare not in self._numbers:
            self._numbers[bare] = len(self._words)
            self._words.append(bare)
        return Spoken(self._numbers[bare], ends_sentence=word != bare)


class ScriptEngine(InProcessEngine):
    """The ledger engine with the words of ``script`` in the place of numbers."""

    def __init__(self, script: Script, quota: int = 10_000) -> None:
        def recogniser(start: StartRecognition, rate: int) -> LedgerRecogniser:
            return LedgerRecogniser(start, rate, word=script.word)

        super().__init__("script", recogniser, quota)
