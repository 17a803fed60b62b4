"""Whether this server can do what a well-formed ``StartRecognition`` asks for."""

from collections.abc import Callable
from dataclasses import dataclass

from speechmq_emulator.protocol.config import RawAudio, StartRecognition
from speechmq_emulator.protocol.errors import ErrorType, Refusal
from speechmq_emulator.protocol.languages import LANGUAGES


@dataclass(frozen=True, slots=True)
class Offer:
    """What a connection can have: ``path_language`` is that of ``/v2/<language>``."""

    speaks: Callable[[str], bool]
    version: str
    path_language: str | None = None


def check_start(start: StartRecognition, offer: Offer) -> None:
    """Raise the ``Refusal`` that names the first field which can not be served."""
    if not isinstance(start.audio_format, RawAudio):
        reason = "audio_format.type: 'file' is not supported by this version; send raw audio"
        raise Refusal(ErrorType.INVALID_AUDIO_TYPE, reason)
    _check_language(start.transcription_config.language, offer)
    diarization = start.transcription_config.diarization
    if diarization.startswith("channel"):
        reason = f"transcription_config.diarization: {diarization!r} needs channels, "
        raise Refusal(ErrorType.INVALID_CONFIG, reason + "which this version does not take")


def _check_language(language: str, offer: Offer) -> None:
    field = "transcription_config.language"
    if offer.path_language is not None and language != offer.path_language:
        reason = f"{field}: {language!r} differs from {offer.path_language!r} in the URL"
        raise Refusal(ErrorType.INVALID_LANGUAGE, reason)
    if language not in LANGUAGES:
        raise Refusal(ErrorType.INVALID_LANGUAGE, f"{field}: {language[:40]!r} is not a language")
    if not offer.speaks(language):
        reason = f"{field}: this engine does not recognise {LANGUAGES[language]} ({language!r})"
        raise Refusal(ErrorType.INVALID_LANGUAGE, reason)
