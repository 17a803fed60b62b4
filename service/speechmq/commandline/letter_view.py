"""Dead letters as text: a table of many, one in full. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from rich.cells import cell_len

from speechmq_schemas import Names

from .captions import one_line
from .letters import UNKNOWN, DeadLetter

HEADINGS = ("#", "id", "code", "age", "queue", "type", "stream", "bytes")
BYTES_SHOWN = 4096
MINUTE, HOUR, DAY = 60, 3600, 86_400


def table(letters: Sequence[DeadLetter], names: Names, now: datetime) -> list[str]:
    """A heading, and a line for each."""
    rows = [HEADINGS, *(_row(letter, names, now) for letter in letters)]
    widths = [max(cell_len(row[n]) for row in rows) for n in range(len(HEADINGS))]
    return ["  ".join(map(_padded, row, widths)).rstrip() for row in rows]


def _row(letter: DeadLetter, names: Names, now: datetime) -> tuple[str, ...]:
    return (
        str(letter.number),
        letter.id,
        letter.code,
        duration(letter.age(now)),
        letter.queue,
        one_line(letter.type) or UNKNOWN,
        letter.stream_id(names) or UNKNOWN,
        str(len(letter.body)),
    )


def _padded(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text))


def duration(seconds: float | None) -> str:
    if seconds is None:
        return UNKNOWN
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def json_row(letter: DeadLetter, names: Names, now: datetime) -> str:
    """One line for a program."""
    fields: dict[str, Any] = {
        "number": letter.number,
        "id": letter.id,
        "code": letter.code,
        "reason": letter.reason,
        "age_seconds": letter.age(now),
        "queue": letter.queue,
        "type": letter.type,
        "stream_id": letter.stream_id(names),
        "bytes": len(letter.body),
    }
    return json.dumps(fields, ensure_ascii=False)


def whole(letter: DeadLetter, names: Names, now: datetime) -> Iterator[str]:
    """Everything of it, line by line; of a long body the beginning."""
    facts = {
        "id": letter.id,
        "code": letter.code,
        "reason": letter.reason,
        "age": duration(letter.age(now)),
        "queue": letter.queue,
        "type": one_line(letter.type) or UNKNOWN,
        "stream": letter.stream_id(names) or UNKNOWN,
        "content type": one_line(letter.content_type or UNKNOWN),
    }
    yield from (f"{name:<13} {value}" for name, value in facts.items())
    for name, value in letter.own_headers.items():
        yield f"header        {one_line(str(name))}: {one_line(repr(value))}"
    yield f"body          {len(letter.body)} bytes"
    yield ""
    yield from body_lines(letter.body)


def body_lines(body: bytes) -> Iterator[str]:
    """Text as it is, anything else as a hex dump."""
    shown = body[:BYTES_SHOWN]
    text = _text(shown)
    yield from hexdump(shown) if text is None else map(one_line, text.splitlines())
    if len(body) > len(shown):
        yield f"… and {len(body) - len(shown)} bytes more"


def _text(body: bytes) -> str | None:
    """The body as text, unless it looks like audio; the last character may have been cut."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(body) < BYTES_SHOWN or error.start < len(body) - 3:
            return None
        text = body[: error.start].decode("utf-8")
    return text if all(c.isprintable() or c.isspace() for c in text) else None


def hexdump(body: bytes) -> Iterator[str]:
    """Sixteen bytes a line: where, in hex, as ASCII."""
    for at in range(0, len(body), 16):
        row = body[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{at:08x}  {row.hex(' '):<47}  |{shown}|"
