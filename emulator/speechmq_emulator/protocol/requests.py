"""Text that a client sent -> a request, or the ``Refusal`` that it deserves."""

import base64
import binascii
import json
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from speechmq_emulator.protocol.config import MidSessionTranscriptionConfig, StartRecognition
from speechmq_emulator.protocol.errors import ErrorType, Refusal


def _from_base64(text: Any) -> bytes:
    if not isinstance(text, str):
        raise ValueError("Input should be a string")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"no base64 ({error})") from error


SeqNo = Annotated[int, Field(ge=0)]


class _Message(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class AddChannelAudio(_Message):
    message: Literal["AddChannelAudio"]
    channel: str
    data: Annotated[bytes, BeforeValidator(_from_base64)]


class EndOfChannel(_Message):
    message: Literal["EndOfChannel"]
    channel: str
    last_seq_no: SeqNo


class EndOfStream(_Message):
    message: Literal["EndOfStream"]
    last_seq_no: SeqNo


class ForceEndOfUtterance(_Message):
    """``timestamp`` is in seconds of the channel's audio."""

    message: Literal["ForceEndOfUtterance"]
    channel: str | None = None
    timestamp: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class GetSpeakers(_Message):
    message: Literal["GetSpeakers"]
    final: bool = False


class SetRecognitionConfig(_Message):
    message: Literal["SetRecognitionConfig"]
    transcription_config: MidSessionTranscriptionConfig


Request = (
    StartRecognition
    | AddChannelAudio
    | EndOfChannel
    | EndOfStream
    | ForceEndOfUtterance
    | GetSpeakers
    | SetRecognitionConfig
)

_MODELS: dict[str, type[Request]] = {
    "StartRecognition": StartRecognition,
    "AddChannelAudio": AddChannelAudio,
    "EndOfChannel": EndOfChannel,
    "EndOfStream": EndOfStream,
    "ForceEndOfUtterance": ForceEndOfUtterance,
    "GetSpeakers": GetSpeakers,
    "SetRecognitionConfig": SetRecognitionConfig,
}


def parse(text: str) -> Request:
    """Read one text message.

    Raises:
        Refusal: the text is no JSON object, its ``message`` is unknown, or a field is
            missing, unknown or out of range; the reason names it.
    """
    fields = _object(text)
    name = fields.get("message")
    if not isinstance(name, str):
        raise Refusal(ErrorType.INVALID_MESSAGE, "message: a text message must name its kind")
    if name not in _MODELS:
        raise Refusal(ErrorType.INVALID_MESSAGE, f"message: {name[:80]!r} is not known")
    null = _null_path(fields)
    if null is not None:
        raise Refusal(_error_type(name, null), f"{null}: null is no value; leave the field out")
    try:
        return _MODELS[name].model_validate(fields)
    except ValidationError as error:
        raise _refusal(name, error) from error


def _object(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text, parse_constant=_no_json_number)
    except (ValueError, RecursionError) as error:
        raise Refusal(ErrorType.INVALID_MESSAGE, f"a text message must be JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Refusal(ErrorType.INVALID_MESSAGE, "a text message must be a JSON object")
    return fields


def _no_json_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _null_path(fields: dict[str, Any]) -> str | None:
    """Where a null stands, if one does: the published description has none."""
    waiting: list[tuple[str, Any]] = list(fields.items())
    for path, value in waiting:
        if value is None:
            return path
        if isinstance(value, dict):
            waiting += [(f"{path}.{key}", item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}.{i}", item) for i, item in enumerate(value)]
    return None


def _refusal(name: str, error: ValidationError) -> Refusal:
    faults = [(_path(fault["loc"]), fault["msg"]) for fault in error.errors()]
    reason = "; ".join(f"{path or name}: {sentence}" for path, sentence in faults)
    return Refusal(_error_type(name, faults[0][0]), reason)


def _path(location: tuple[str | int, ...]) -> str:
    """``audio_format.sample_rate``, without the marks that pydantic puts in for unions."""
    parts = [str(part) for part in location]
    if parts[:1] == ["audio_format"] and parts[1:2] in (["raw"], ["file"]):
        del parts[1]
    return ".".join(part for part in parts if not part.startswith("<"))


_START_ERRORS = {
    "audio_format": ErrorType.INVALID_AUDIO_TYPE,
    "output_format": ErrorType.INVALID_OUTPUT_FORMAT,
    "transcription_config.language": ErrorType.INVALID_LANGUAGE,
    "transcription_config.model": ErrorType.INVALID_MODEL,
    "transcription_config.operating_point": ErrorType.INVALID_MODEL,
}


def _error_type(name: str, path: str) -> ErrorType:
    top = path.partition(".")[0]
    if name == "StartRecognition":
        return _START_ERRORS.get(path) or _START_ERRORS.get(top, ErrorType.INVALID_CONFIG)
    if name == "SetRecognitionConfig" and top == "transcription_config":
        return ErrorType.INVALID_CONFIG
    return ErrorType.INVALID_MESSAGE
