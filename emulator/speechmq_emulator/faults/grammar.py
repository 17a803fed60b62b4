"""Faults as text: ``drop at=1s..20s probability=0.2`` <-> ``Fault``.

The first word is the action, the others come in any order. ``ACTIONS`` is the vocabulary.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from typing import Any, TypeVar

from speechmq_emulator.faults.fault import (
    SERVER_MESSAGES,
    Action,
    AfterReceived,
    AfterSent,
    AtAudio,
    Before,
    Behind,
    Close,
    Delay,
    Drop,
    Fault,
    FaultError,
    Garbage,
    Hang,
    Moment,
    Oversize,
    Quota,
    Refuse,
    Selection,
    SendError,
    SendWarning,
    Silence,
    Slow,
    Span,
    Trigger,
    Unknown,
    Withhold,
    usual_trigger,
)
from speechmq_emulator.protocol.errors import ErrorType, WarningType

_Number = TypeVar("_Number", int, float)

_LONGEST_TEXT = 2000
_LONGEST_WAIT = 7 * 86_400.0
_LARGEST_COUNT = 10**9
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZES = {"k": 2**10, "M": 2**20}


@dataclass(frozen=True, slots=True)
class Value:
    """How the value of a word is read and written; ``expected`` says what it must be."""

    expected: str
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str


def _seconds(text: str) -> float:
    unit = text.lstrip("0123456789.")
    value = float(text.removesuffix(unit)) * (_UNITS[unit] if unit else 1.0)
    return _within(round(value, 6), 0, _LONGEST_WAIT)


def _count(text: str) -> int:
    return _within(_integer(text), 1, _LARGEST_COUNT)


def _integer(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        raise ValueError(text)
    return int(text)


def _size(text: str) -> int:
    number, unit = (text[:-1], _SIZES[text[-1]]) if text[-1:] in _SIZES else (text, 1)
    return _integer(number) * unit


def _within(value: _Number, low: float, high: float) -> _Number:
    if not low <= value <= high:
        raise ValueError(value)
    return value


def _span(read: Callable[[str], float]) -> Callable[[str], Span]:
    def span(text: str) -> Span:
        low, dots, high = text.partition("..")
        return Span(read(low), read(high if dots else low))

    return span


def _write_seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".") + "s"


def _write_span(write: Callable[[float], str]) -> Callable[[Span], str]:
    return lambda span: (
        write(span.low) if span.low == span.high else f"{write(span.low)}..{write(span.high)}"
    )


def _message(text: str) -> str:
    if text not in SERVER_MESSAGES:
        raise ValueError(text)
    return text


def _messages(text: str) -> tuple[str, ...]:
    return tuple(_message(name) for name in text.split(","))


def _member(kind: type[Enum]) -> Value:
    return Value(f"one of {', '.join(m.value for m in kind)}", kind, lambda m: str(m.value))


_SENT = f"a message of the server ({', '.join(SERVER_MESSAGES)})"
SECONDS = Value("a time such as 2.5s, 200ms or 3m", _seconds, _write_seconds)
COUNT = Value("a whole number, 1 or more", _count)
NUMBER = Value("a whole number", _integer)
TEXT = Value("a text", str)
MESSAGE = Value(_SENT, _message)
MESSAGES = Value(f"{_SENT}, or several with commas", _messages, ",".join)
PROBABILITY = Value("a number from 0 to 1", lambda text: _within(float(text), 0.0, 1.0), repr)
AUDIO = Value(
    "a time such as 2.5s, or a range such as 1s..20s", _span(_seconds), _write_span(_write_seconds)
)
COUNTS = Value("a whole number, or a range such as 5..20", _span(_count), _write_span(str))

Words = Mapping[str, tuple[str, Value]]
"""By word: the field that it sets, and what its value is."""

_FOR: Words = {"for": ("lasting", SECONDS)}
_REASON: Words = {"reason": ("reason", TEXT)}
ACTIONS: Mapping[str, tuple[type[Action], Words]] = {
    "drop": (Drop, {}),
    "close": (Close, {"code": ("code", NUMBER), **_REASON}),
    "silence": (Silence, _FOR),
    "refuse": (Refuse, {"status": ("status", NUMBER), "retry_after": ("retry_after", COUNT)}),
    "hang": (Hang, _FOR),
    "error": (SendError, {"type": ("type", _member(ErrorType)), **_REASON}),
    "warning": (SendWarning, {"type": ("type", _member(WarningType)), **_REASON}),
    "quota": (Quota, {"sessions": ("sessions", NUMBER)}),
    "delay": (Delay, {"message": ("messages", MESSAGES), "by": ("by", SECONDS), **_FOR}),
    "withhold": (Withhold, {"message": ("messages", MESSAGES), **_FOR}),
    "garbage": (Garbage, {}),
    "unknown": (Unknown, {"name": ("name", TEXT)}),
    "oversize": (Oversize, {"size": ("size", Value("a size such as 900k or 50M", _size))}),
    "slow": (Slow, {"rate": ("rate", COUNT), **_FOR}),
}
TRIGGERS: Mapping[str, tuple[type[Any], Value]] = {
    "at": (AtAudio, AUDIO),
    "after": (AfterReceived, COUNTS),
    "sent": (AfterSent, COUNTS),
    "on": (Before, MESSAGE),
    "behind": (Behind, MESSAGE),
    "when": (Moment, _member(Moment)),
}
SELECTION: Words = {
    "probability": ("probability", PROBABILITY),
    "times": ("times", COUNT),
    "language": ("language", TEXT),
}
_MOMENTS = {moment.value for moment in Moment}
_NAMES = {action: name for name, (action, _) in ACTIONS.items()}


def parse(text: str) -> Fault:
    """Read a fault, such as ``error type=job_error at=3s reason='out of tea'``.

    Raises:
        FaultError: it is none; the error names the word and what is allowed.
    """
    if len(text) > _LONGEST_TEXT:
        raise FaultError(f"a fault has at most {_LONGEST_TEXT} characters, not {len(text)}")
    try:
        action, *rest = shlex.split(text) or [""]
    except ValueError as error:
        raise FaultError(f"{text!r} is no fault: {error}") from error
    words: dict[str, str] = {}
    for word in rest:
        key, given = _key_and_value(word)
        if key in words:
            raise FaultError(f"{key!r} is given twice in {text!r}")
        words[key] = given
    return build(action, words)


def _key_and_value(word: str) -> tuple[str, str]:
    if word in _MOMENTS:
        return "when", word
    key, equals, given = word.partition("=")
    if not equals:
        moments = ", ".join(sorted(_MOMENTS))
        raise FaultError(f"{word!r} is neither WORD=VALUE nor one of {moments}")
    return key, given


def build(action: str, words: Mapping[str, str]) -> Fault:
    """The fault of this action and these words.

    Raises:
        FaultError: as for ``parse``.
    """
    if action not in ACTIONS:
        raise FaultError(f"{action!r} is no fault; there are: {', '.join(ACTIONS)}")
    kind, vocabulary = ACTIONS[action]
    allowed = [*vocabulary, *TRIGGERS, *SELECTION]
    for key in words:
        if key not in allowed:
            raise FaultError(f"{key!r} is no word of {action!r}; allowed are: {', '.join(allowed)}")
    given = _fields(vocabulary, words)
    _check_complete(action, kind, vocabulary, given)
    selection = Selection(**_fields(SELECTION, words))
    return Fault(kind(**given), _trigger(kind, words), selection)


def _check_complete(
    action: str, kind: type[Action], vocabulary: Words, given: Mapping[str, Any]
) -> None:
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    for key, (name, value) in vocabulary.items():
        if name in needed and name not in given:
            raise FaultError(f"{action!r} needs {key}=..., {value.expected}")


def _fields(vocabulary: Words, words: Mapping[str, str]) -> dict[str, Any]:
    return {
        name: _read(key, value, words[key])
        for key, (name, value) in vocabulary.items()
        if key in words
    }


def _read(key: str, value: Value, given: str) -> Any:
    try:
        return value.read(given)
    except FaultError:
        raise
    except (ValueError, KeyError) as error:
        raise FaultError(f"{key}={given!r} is not {value.expected}") from error


def _trigger(action: type[Action], words: Mapping[str, str]) -> Trigger:
    given = [key for key in TRIGGERS if key in words]
    if len(given) > 1:
        raise FaultError(f"a fault has one trigger, not {' and '.join(map(repr, given))}")
    if not given:
        return usual_trigger(action)
    (key,) = given
    kind, value = TRIGGERS[key]
    read = _read(key, value, words[key])
    trigger: Trigger = read if kind is Moment else kind(read)
    return trigger


def write(fault: Fault) -> str:
    """The shortest text that ``parse`` reads as this fault."""
    name = _NAMES[type(fault.action)]
    words = _written(ACTIONS[name][1], fault.action)
    if fault.trigger != usual_trigger(type(fault.action)):
        words.append(_write_trigger(fault.trigger))
    return " ".join([name, *words, *_written(SELECTION, fault.selection)])


def _written(vocabulary: Words, values: Action | Selection) -> list[str]:
    defaults = {field.name: field.default for field in fields(values)}
    return [
        f"{key}={shlex.quote(value.write(getattr(values, name)))}"
        for key, (name, value) in vocabulary.items()
        if getattr(values, name) != defaults[name]
    ]


def _write_trigger(trigger: Trigger) -> str:
    if isinstance(trigger, Moment):
        return trigger.value
    for key, (kind, value) in TRIGGERS.items():
        if kind is type(trigger):
            (only,) = fields(trigger)
            return f"{key}={value.write(getattr(trigger, only.name))}"
    raise TypeError(f"{trigger!r} is no trigger")
