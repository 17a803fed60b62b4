"""Shows events to a person at a terminal, to a log, or to a program.

At a terminal partials change in place above a progress bar. Without one there are whole lines
only, and no control character. A program gets JSON, one line an event.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from .captions import Captions, Line, Partial
from .received import Received, json_line

STYLES = {"final": "", "news": "dim", "trouble": "yellow"}


class Screen(Protocol):
    """Where events go. Entered before the first and left after the last."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def hear(self, received: Received) -> None:
        """An event came, perhaps for the second time."""

    def tell(self, text: str) -> None:
        """Something happened on our side."""

    def advance(self, seconds: float) -> None:
        """So much audio has been sent."""


class JsonScreen:
    """Every event as it came, duplicates too."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def hear(self, received: Received) -> None:
        print_plain(self._console, json_line(received))

    def tell(self, text: str) -> None: ...

    def advance(self, seconds: float) -> None: ...


class LineScreen:
    """Whole lines; partials are not shown."""

    def __init__(self, console: Console, *, name_streams: bool = False) -> None:
        self._console = console
        self._name_streams = name_streams
        self._captions = Captions()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def hear(self, received: Received) -> None:
        for change in self._captions.apply(received):
            if isinstance(change, Line):
                self._show_line(change)
            else:
                self._show_partial(change)

    def tell(self, text: str) -> None:
        self._show_line(Line("", "news", text))

    def advance(self, seconds: float) -> None: ...

    def _show_line(self, line: Line) -> None:
        print_plain(self._console, self._text(line).plain)

    def _show_partial(self, partial: Partial) -> None: ...

    def _text(self, line: Line) -> Text:
        text = Text()
        if self._name_streams and line.stream_id:
            text.append(f"{line.stream_id}  ", "cyan")
        time = "·" if line.start_time is None else _clock(line.start_time)
        return text.append(f"{time:>8}  ", "dim").append(line.text, STYLES[line.kind])


class LiveScreen(LineScreen):
    """A terminal: lines scroll by, and below them stand the partials and a progress bar.

    ``total`` is the seconds of audio to send; without it there is no bar.
    """

    PARTIALS_SHOWN = 8
    NARROWEST_BAR = 32

    def __init__(
        self, console: Console, *, name_streams: bool = False, total: float | None = None
    ) -> None:
        super().__init__(console, name_streams=name_streams)
        self._partials: dict[tuple[str, str | None], str] = {}
        self._bar = _progress_bar(console)
        self._with_bar = total is not None
        self._task = self._bar.add_task("", total=total)
        self._live = Live(
            get_renderable=self._picture, console=console, transient=True, refresh_per_second=15
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def advance(self, seconds: float) -> None:
        self._bar.update(self._task, completed=seconds)

    def _show_line(self, line: Line) -> None:
        self._console.print(self._text(line), highlight=False)

    def _show_partial(self, partial: Partial) -> None:
        key = partial.stream_id, partial.channel
        self._partials.pop(key, None)
        if partial.text:
            self._partials[key] = partial.text

    def _picture(self) -> Group:
        newest = list(self._partials.items())[-self.PARTIALS_SHOWN :]
        lines = [self._partial_line(stream_id, text) for (stream_id, _), text in newest]
        with_bar = self._with_bar and self._console.width >= self.NARROWEST_BAR
        return Group(*lines, self._bar) if with_bar else Group(*lines)

    def _partial_line(self, stream_id: str, text: str) -> Text:
        head = self._text(Line(stream_id, "final", ""))
        room = max(self._console.width - head.cell_len, 1)
        line = head.append(end_of(text, room), "italic dim")
        line.no_wrap, line.overflow = True, "crop"
        return line


class _Position(ProgressColumn):
    """How much of the audio has been sent."""

    def render(self, task: Task) -> Text:
        return Text(f"{_clock(task.completed)} / {_clock(task.total or 0)}")


def _progress_bar(console: Console) -> Progress:
    columns = (TextColumn("sending "), BarColumn(table_column=Column(ratio=1)), _Position())
    return Progress(*columns, console=console, expand=True, auto_refresh=False)


def screen_for(
    console: Console, *, as_json: bool, name_streams: bool = False, total: float | None = None
) -> Screen:
    """What suits the console."""
    if as_json:
        return JsonScreen(console)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveScreen(console, name_streams=name_streams, total=total)
    return LineScreen(console, name_streams=name_streams)


def print_plain(console: Console, text: str) -> None:
    """One line as it is: neither wrapped nor coloured nor read as markup; flushed at once."""
    console.file.write(text + "\n")
    console.file.flush()


def end_of(text: str, cells: int) -> str:
    """What fits of the text's end: of a partial, the newest words matter."""
    if cell_len(text) <= cells:
        return text
    text = text[-cells:]
    while text and cell_len(text) > cells - 1:
        text = text[1:]
    return f"…{text}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds * 10), 600)
    return f"{minutes:02}:{rest / 10:04.1f}"
