"""How far the translations of a stream go, and which of them its coverage waits for."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..values.checkpoint import Checkpoint


class TranslationProgress:
    """``until`` is the end of the last sentence by target language, ``spoken`` that of the last
    word that was published; both in seconds."""

    def __init__(self, languages: Iterable[str], began: Checkpoint) -> None:
        self.until = {language: began.translated.get(language, 0.0) for language in languages}
        self.spoken = began.spoken if self.until else 0.0
        self._untranslated: set[str] = set()

    @property
    def is_wanted(self) -> bool:
        return bool(self.until)

    def speak(self, until: float) -> None:
        """A word that is published ends at ``until``."""
        self.spoken = max(self.spoken, until)

    def translate(self, language: str, until: float) -> None:
        """The last sentence of a translation that is published ends at ``until``."""
        self._untranslated.discard(language)
        if language in self.until:
            self.until[language] = max(self.until[language], until)

    def doubt(self, reason: str) -> None:
        """Upstream will not translate into some language, which must not hold back the coverage."""
        # Upstream names the language in prose only; a translation shows that it was not that one.
        never = {language for language, end in self.until.items() if not end}
        named = never & set(re.findall(r"[A-Za-z][A-Za-z0-9_-]*", reason))
        self._untranslated = named or never

    def end_session(self) -> None:
        self.spoken = 0.0  # no translation of it will come any more

    def coverage(self, watermark: float) -> float:
        """Up to where all is published that was asked for; ``watermark`` is that of finals."""
        # A translation comes after its words, and covers the silence that follows them: it holds
        # coverage back only while a final word after its own end waits for it.
        waiting = [
            end
            for language, end in self.until.items()
            if language not in self._untranslated and end < self.spoken
        ]
        return min([watermark, *waiting])
