"""Messages that only a broken or unusual server sends."""

import json
from typing import Any

from speechmq_emulator.faults.fault import Garbage, Oversize, SendWarning, Unknown
from speechmq_emulator.protocol import replies
from speechmq_emulator.protocol.errors import ErrorType

_CUT_OFF = '{"message":"AddTranscript","format":"2.9","results":[{"type":"wo'


def forged(action: Garbage | Unknown | Oversize | SendWarning) -> str:
    """The text that this fault sends."""
    match action:
        case Garbage():
            return _CUT_OFF
        case Unknown(name):
            return _text({"message": name, "content": "not in the published description"})
        case Oversize(size):
            return _text({"message": "Info", "type": "oversize", "reason": "x" * size})
        case SendWarning(type=kind, reason=reason):
            return _text(dict(replies.warning(kind, reason)))


def error(kind: ErrorType, reason: str) -> str:
    return _text(dict(replies.error(kind, reason)))


def with_quota(info: str, quota: int) -> str:
    """An ``Info`` that tells of this quota in place of its own."""
    message = json.loads(info)
    reason = f"{message['usage']} concurrent sessions active out of quota {quota}"
    return _text(message | {"quota": quota, "reason": reason})


def _text(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))
