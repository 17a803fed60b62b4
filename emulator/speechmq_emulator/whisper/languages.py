"""Speechmatics' languages and the names that Whisper has for them."""

from collections.abc import Mapping
from types import MappingProxyType

from speechmq_emulator.protocol.languages import LANGUAGES, MULTILINGUAL

_OTHER_NAMES: Mapping[str, str] = MappingProxyType({"cmn": "zh", "yue": "yue"})
_SPACELESS = frozenset({"cmn", "ja", "th", "yue"})
_BILINGUAL = frozenset({"ar_en", "cmn_en", "cmn_en_ms_ta", "en_ms", "en_ta"})


def whisper_language(language: str) -> str | None:
    """Whisper's name; None where the model guesses the language of each utterance."""
    if language == MULTILINGUAL or language in _BILINGUAL:
        return None
    return _OTHER_NAMES.get(language, language)


def from_whisper(language: str) -> str:
    """Speechmatics' name for a language of the model."""
    return next((ours for ours, theirs in _OTHER_NAMES.items() if theirs == language), language)


def is_spaced(language: str) -> bool:
    """Whether spaces part the words of one of Speechmatics' languages."""
    return language not in _SPACELESS


def spoken(model_languages: frozenset[str]) -> frozenset[str]:
    """The languages of the service that a model with these languages takes."""
    single = {ours for ours in LANGUAGES if whisper_language(ours) in model_languages}
    mixed = {MULTILINGUAL, *_BILINGUAL} if len(model_languages) > 1 else set()
    return frozenset(single | mixed)
