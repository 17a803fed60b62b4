"""Whether this server can do what a well-formed ``StartRecognition`` asks for.

``check_start`` raises; ``serveable`` leaves out what is merely warned about.
"""

from collections.abc import Callable
from dataclasses import dataclass

from speechmq_emulator.protocol import replies
from speechmq_emulator.protocol.config import StartRecognition, TranscriptionConfig
from speechmq_emulator.protocol.errors import ErrorType, Refusal, WarningType
from speechmq_emulator.protocol.languages import (
    DOMAINS,
    LANGUAGES,
    MULTILINGUAL,
    is_translated,
    language_pack,
)
from speechmq_emulator.protocol.outputs import Channel
from speechmq_emulator.protocol.replies import Message
from speechmq_emulator.protocol.results import Rendering


@dataclass(frozen=True, slots=True)
class Offer:
    """What a connection can have: ``path_language`` is that of ``/v2/<language>``."""

    speaks: Callable[[str], bool]
    version: str
    path_language: str | None = None


def check_start(start: StartRecognition, offer: Offer, max_channels: int) -> None:
    """Raise the ``Refusal`` that names the first field which can not be served."""
    config = start.transcription_config
    _check_language(config.language, offer)
    _check_model(config)
    _check_domain(config)
    if config.in_channels:
        _check_channels(config.channel_diarization_labels, max_channels)


def channels_of(config: TranscriptionConfig) -> list[Channel]:
    """The labels of the session's channels; one None where audio comes in no channels."""
    return [*config.channel_diarization_labels] if config.in_channels else [None]


def rendering_of(config: TranscriptionConfig) -> Rendering:
    """How the session's words are shown."""
    # No engine here tells languages apart: of many, each word is English.
    language = "en" if config.language == MULTILINGUAL else config.language
    delimiter = language_pack(config.language).word_delimiter
    return Rendering(language, delimiter, config.tells_speakers)


def serveable(start: StartRecognition) -> tuple[StartRecognition, list[Message]]:
    """The start with only those translations that are offered, and warnings of the others."""
    wanted = start.translation_config
    if wanted is None:
        return start, []
    source = start.transcription_config.language
    targets = list(dict.fromkeys(wanted.target_languages))
    offered = [target for target in targets if is_translated(source, target)]
    warnings = [_unsupported(source, target) for target in targets if target not in offered]
    if not offered:
        reason = "No supported target language is left: nothing is translated"
        warnings.append(replies.warning(WarningType.EMPTY_TRANSLATION_TARGET_LIST, reason))
    translation = wanted.model_copy(update={"target_languages": offered}) if offered else None
    return start.model_copy(update={"translation_config": translation}), warnings


def _unsupported(source: str, target: str) -> Message:
    reason = f"Translation from {source} to {target[:40]} is not offered"
    return replies.warning(WarningType.UNSUPPORTED_TRANSLATION_PAIR, reason)


def _check_language(language: str, offer: Offer) -> None:
    field = "transcription_config.language"
    if offer.path_language is not None and language != offer.path_language:
        reason = f"{field}: {language[:40]!r} differs from {offer.path_language!r} in the URL"
        raise Refusal(ErrorType.INVALID_LANGUAGE, reason)
    if language not in LANGUAGES and language != MULTILINGUAL:
        raise Refusal(ErrorType.INVALID_LANGUAGE, f"{field}: {language[:40]!r} is not a language")
    if not offer.speaks(language):
        name = LANGUAGES.get(language, "many languages at once")
        reason = f"{field}: this engine does not recognise {name} ({language!r})"
        raise Refusal(ErrorType.INVALID_LANGUAGE, reason)


def _check_model(config: TranscriptionConfig) -> None:
    """``operating_point`` is the older name of ``model``."""
    named = {config.model, config.operating_point} - {None}
    if len(named) > 1:
        reason = f"{config.operating_point!r} contradicts the model {config.model!r}; give one"
        field = "transcription_config.operating_point"
        raise Refusal(ErrorType.INVALID_CONFIG, f"{field}: {reason}")
    if (config.language == MULTILINGUAL) != ("melia-1" in named):
        reason = f"the language {MULTILINGUAL!r} and the model 'melia-1' go with each other only"
        raise Refusal(ErrorType.INVALID_MODEL, f"transcription_config.model: {reason}")


def _check_domain(config: TranscriptionConfig) -> None:
    field = "transcription_config.domain"
    if config.domain is None:
        return
    if config.domain not in DOMAINS:
        raise Refusal(ErrorType.INVALID_MODEL, f"{field}: {config.domain[:40]!r} is not a domain")
    languages = DOMAINS[config.domain]
    if languages is not None and config.language not in languages:
        reason = f"{field}: {config.domain!r} is not offered for {config.language!r}"
        raise Refusal(ErrorType.INVALID_MODEL, reason)


def _check_channels(labels: list[str], most: int) -> None:
    field = "transcription_config.channel_diarization_labels"
    fault = None
    if not labels:
        fault = "channel diarization needs a label for each channel"
    elif len(labels) > most:
        fault = f"{len(labels)} channels are asked for, but a session may have {most}"
    elif "" in labels:
        fault = "a label must not be empty"
    elif len(set(labels)) < len(labels):
        fault = "labels must be unique"
    if fault is not None:
        raise Refusal(ErrorType.INVALID_CONFIG, f"{field}: {fault}")
