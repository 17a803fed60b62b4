"""The languages, domains and translation pairs that the service documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        "ar": "Arabic",
        "ar_en": "Arabic and English bilingual",
        "ba": "Bashkir",
        "be": "Belarusian",
        "bg": "Bulgarian",
        "bn": "Bengali",
        "ca": "Catalan",
        "cmn": "Mandarin",
        "cmn_en": "Mandarin and English bilingual",
        "cmn_en_ms_ta": "English, Malay, Mandarin and Tamil",
        "cs": "Czech",
        "cy": "Welsh",
        "da": "Danish",
        "de": "German",
        "el": "Greek",
        "en": "English",
        "en_ms": "English and Malay bilingual",
        "en_ta": "English and Tamil bilingual",
        "eo": "Esperanto",
        "es": "Spanish",
        "et": "Estonian",
        "eu": "Basque",
        "fa": "Persian",
        "fi": "Finnish",
        "fr": "French",
        "ga": "Irish",
        "gl": "Galician",
        "he": "Hebrew",
        "hi": "Hindi",
        "hr": "Croatian",
        "hu": "Hungarian",
        "ia": "Interlingua",
        "id": "Indonesian",
        "it": "Italian",
        "ja": "Japanese",
        "ko": "Korean",
        "lt": "Lithuanian",
        "lv": "Latvian",
        "mn": "Mongolian",
        "mr": "Marathi",
        "ms": "Malay",
        "mt": "Maltese",
        "nl": "Dutch",
        "no": "Norwegian",
        "pl": "Polish",
        "pt": "Portuguese",
        "ro": "Romanian",
        "ru": "Russian",
        "sk": "Slovakian",
        "sl": "Slovenian",
        "sv": "Swedish",
        "sw": "Swahili",
        "ta": "Tamil",
        "th": "Thai",
        "tl": "Tagalog",
        "tr": "Turkish",
        "ug": "Uyghur",
        "uk": "Ukrainian",
        "ur": "Urdu",
        "vi": "Vietnamese",
        "yue": "Cantonese",
    }
)

MULTILINGUAL = "multi"
"""The language of a model that tells languages apart by itself."""

DOMAINS: Mapping[str, frozenset[str] | None] = MappingProxyType(
    {
        "finance": None,
        "medical": None,
        "bilingual-en": frozenset({"es"}),
    }
)
"""Each domain with the languages that have it; None for all."""

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ug", "ur"})
_WITHOUT_SPACES = frozenset({"cmn", "ja", "th", "yue"})
_WITH_ENTITIES = frozenset({"en"})

_TRANSLATED = frozenset(LANGUAGES) - {
    *("ar", "ar_en", "ba", "be", "bn", "cmn_en", "cmn_en_ms_ta", "cy", "en", "en_ms", "en_ta"),
    *("eo", "eu", "fa", "ga", "he", "ia", "mn", "mr", "mt", "sw", "ta", "th", "tl", "ug", "ur"),
    "yue",
}
"""Languages into which English is translated, and which are translated into English."""


@dataclass(frozen=True, slots=True)
class LanguagePack:
    """``itn`` tells whether spoken numbers and dates are written as such."""

    description: str
    word_delimiter: str
    writing_direction: Literal["left-to-right", "right-to-left"]
    itn: bool


def language_pack(language: str) -> LanguagePack:
    """What ``RecognitionStarted`` tells of a known language."""
    return LanguagePack(
        description="Multilingual" if language == MULTILINGUAL else LANGUAGES[language],
        word_delimiter="" if language in _WITHOUT_SPACES else " ",
        writing_direction="right-to-left" if language in _RIGHT_TO_LEFT else "left-to-right",
        itn=language in _WITH_ENTITIES,
    )


def is_translated(source: str, target: str) -> bool:
    """Whether the service offers translation from one into the other."""
    if source == "en":
        return target in _TRANSLATED
    return target == "en" and source in _TRANSLATED
