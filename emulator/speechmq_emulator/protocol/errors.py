"""What goes wrong in a session, in the protocol's own terms.

Owns the names of errors and warnings and the close code of each error. A ``Refusal`` is
the only exception that the protocol package raises on account of a client.
"""

from dataclasses import dataclass
from enum import StrEnum


class ErrorType(StrEnum):
    """The ``type`` of an ``Error`` message."""

    INVALID_MESSAGE = "invalid_message"
    INVALID_MODEL = "invalid_model"
    INVALID_LANGUAGE = "invalid_language"
    INVALID_CONFIG = "invalid_config"
    INVALID_AUDIO_TYPE = "invalid_audio_type"
    INVALID_OUTPUT_FORMAT = "invalid_output_format"
    NOT_AUTHORISED = "not_authorised"
    NOT_ALLOWED = "not_allowed"
    JOB_ERROR = "job_error"
    PROTOCOL_ERROR = "protocol_error"
    QUOTA_EXCEEDED = "quota_exceeded"
    TIMELIMIT_EXCEEDED = "timelimit_exceeded"
    IDLE_TIMEOUT = "idle_timeout"
    SESSION_TIMEOUT = "session_timeout"
    UNKNOWN_ERROR = "unknown_error"


class WarningType(StrEnum):
    """The ``type`` of a ``Warning`` message."""

    DURATION_LIMIT_EXCEEDED = "duration_limit_exceeded"
    UNSUPPORTED_TRANSLATION_PAIR = "unsupported_translation_pair"
    IDLE_TIMEOUT = "idle_timeout"
    SESSION_TIMEOUT = "session_timeout"
    EMPTY_TRANSLATION_TARGET_LIST = "empty_translation_target_list"
    ADD_AUDIO_AFTER_EOS = "add_audio_after_eos"
    SPEAKER_ID = "speaker_id"


CLOSE_NORMALLY = 1000

# The service documents a code for some types; every other one is a fault in what the
# client sent, which it closes with 1003 ("unsupported data").
_DOCUMENTED_CLOSE_CODES = {
    ErrorType.INVALID_MODEL: 4004,
    ErrorType.NOT_AUTHORISED: 4001,
    ErrorType.NOT_ALLOWED: 4003,
    ErrorType.JOB_ERROR: 4013,
    ErrorType.QUOTA_EXCEEDED: 4005,
    ErrorType.TIMELIMIT_EXCEEDED: 4006,
    ErrorType.IDLE_TIMEOUT: 1008,
    ErrorType.SESSION_TIMEOUT: 1008,
    ErrorType.UNKNOWN_ERROR: 1011,
}


def close_code(error: ErrorType) -> int:
    """The WebSocket close code that follows an ``Error`` of this type."""
    return _DOCUMENTED_CLOSE_CODES.get(error, 1003)


# Not frozen: an exception's traceback is set while it passes through a context manager.
@dataclass(unsafe_hash=True)
class Refusal(Exception):
    """A session ends here: an ``Error`` of this type with this reason, then the close."""

    type: ErrorType
    reason: str

    def __str__(self) -> str:
        return f"{self.type}: {self.reason}"
