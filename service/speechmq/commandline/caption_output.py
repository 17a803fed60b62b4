"""Where captions are written to: a file that is whole at every moment, or a stream of text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol, TextIO

from speechmq.errors import RequestError
from speechmq_schemas import Transcript

from .caption_formats import Document, Format, render


class Output(Protocol):
    def write(self, transcript: Transcript) -> None:
        """The captions so far."""

    def finish(self, transcript: Transcript) -> None:
        """All captions."""


class CaptionFile:
    """Replaced as a whole by each write, so that no reader ever sees half a document.

    Raises ``RequestError`` when the file cannot be written.
    """

    def __init__(self, path: Path, style: Format) -> None:
        # A link stays one, and shows the file that it names.
        self._path = Path(os.path.realpath(path))
        self._style = style
        self._written: str | None = None
        if self._path.exists() and not self._path.is_file():
            raise RequestError(f"{path} is not a file; leave -o out to write to stdout")

    def write(self, transcript: Transcript) -> None:
        text = render(transcript, self._style).text
        if text == self._written:
            return
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        try:
            try:
                beside.write_text(text, encoding="utf-8", newline="\n")
                beside.replace(self._path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            raise RequestError(
                f"{self._path} cannot be written: {error.strerror or error}"
            ) from error
        self._written = text

    def finish(self, transcript: Transcript) -> None:
        self.write(transcript)


class CaptionStream:
    """Written on and on: each block as soon as no later word changes it."""

    def __init__(self, stream: TextIO, style: Format) -> None:
        self._stream = stream
        self._style = style
        self._has_header = False
        self._blocks = 0

    def write(self, transcript: Transcript) -> None:
        document = render(transcript, self._style)
        self._write_up_to(document, document.settled)

    def finish(self, transcript: Transcript) -> None:
        document = render(transcript, self._style)
        self._write_up_to(document, len(document.blocks))

    def _write_up_to(self, document: Document, count: int) -> None:
        text = "" if self._has_header else document.header
        text += "".join(document.blocks[self._blocks : count])
        self._has_header, self._blocks = True, max(self._blocks, count)
        if text:
            self._stream.write(text)
            self._stream.flush()
