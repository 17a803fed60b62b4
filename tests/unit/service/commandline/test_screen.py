import io
import json

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from tests.support.received_events import came, ended, final, partial

from speechmq.commandline.screen import LiveScreen, Screen, end_of, screen_for

LONG = " ".join(f"word{n}" for n in range(60))


def log_console(width: int = 40) -> Console:
    return Console(file=io.StringIO(), width=width, _environ={})


def terminal(width: int = 40) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, _environ={"TERM": "xterm"})


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def use(screen: Screen) -> None:
    with screen:
        screen.tell("connected")
        screen.hear(came(partial("good"), 1))
        screen.advance(1.0)
        screen.hear(came(final("good", "[bold]morning", start=62.34), 2))
        screen.hear(came(ended(), 3))


def test_log_has_whole_lines_and_no_control_character() -> None:
    console = log_console()
    use(screen_for(console, as_json=False, total=5.0))
    assert written(console).splitlines() == [
        "       ·  connected",
        " 01:02.3  good [bold]morning",
        "       ·  ended after 2.0 s of audio",
    ]


def test_log_does_not_wrap_a_line() -> None:
    console = log_console(width=10)
    screen_for(console, as_json=False).hear(came(final(LONG)))
    assert written(console) == f" 00:00.0  {LONG}\n"


def test_log_names_streams_where_there_are_many() -> None:
    console = log_console()
    screen = screen_for(console, as_json=False, name_streams=True)
    screen.hear(came(final("a", stream="one")))
    screen.hear(came(ended("two")))
    assert written(console).splitlines() == [
        "one   00:00.0  a",
        "two         ·  ended after 2.0 s of audio",
    ]


def test_json_has_every_event_and_nothing_else() -> None:
    console = terminal()
    screen = screen_for(console, as_json=True)
    use(screen)
    screen.hear(came(ended(), 3))
    types = [json.loads(line)["type"] for line in written(console).splitlines()]
    assert types == ["PartialTranscript", "FinalTranscript", "StreamEnded", "StreamEnded"]


def picture(console: Console, screen: LiveScreen) -> list[str]:
    """What stands below the lines now."""
    with console.capture() as captured:
        console.print(screen._picture())
    return captured.get().splitlines()


def plain_terminal(width: int = 40) -> Console:
    """One that writes no colours, so that lines can be compared."""
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=True,
        color_system=None,
        _environ={"TERM": "xterm"},
    )


def test_terminal_keeps_finals_and_takes_partials_and_bar_away() -> None:
    console = plain_terminal()
    screen = screen_for(console, as_json=False, total=5.0)
    assert isinstance(screen, LiveScreen)
    use(screen)
    assert " 01:02.3  good [bold]morning" in written(console)
    assert picture(console, screen)[0].startswith("sending ")


def test_terminal_shows_the_partial_above_the_bar() -> None:
    console = plain_terminal()
    screen = LiveScreen(console, total=65.0)
    screen.hear(came(partial("good", "morning")))
    screen.advance(5.0)
    partial_line, bar = picture(console, screen)
    assert partial_line == "       ·  good morning"
    assert bar.startswith("sending ")
    assert bar.endswith(" 00:05.0 / 01:05.0")


def test_terminal_shows_the_end_of_a_partial_that_is_too_long_on_one_line() -> None:
    console = plain_terminal(width=30)
    screen = LiveScreen(console)
    screen.hear(came(partial(*LONG.split())))
    assert picture(console, screen) == ["       ·  …ord57 word58 word59"]


def test_narrow_terminal_gets_one_line_a_partial_and_no_bar() -> None:
    for width in (1, 5, 12, 31):
        console = plain_terminal(width)
        screen = LiveScreen(console, total=5.0)
        screen.hear(came(partial(*LONG.split())))
        (line,) = picture(console, screen)
        assert len(line) <= width


def test_bar_stays_on_one_line() -> None:
    for width in (32, 40, 200):
        console = plain_terminal(width)
        assert len(picture(console, LiveScreen(console, total=5.0))) == 1


def test_terminal_shows_the_streams_that_spoke_last() -> None:
    console = plain_terminal()
    screen = LiveScreen(console, name_streams=True)
    for n in range(12):
        screen.hear(came(partial("hm", stream=f"s{n:02}")))
    screen.hear(came(partial("oh", stream="s05"), 2))
    shown = [line.split()[0] for line in picture(console, screen)]
    assert shown == ["s04", "s06", "s07", "s08", "s09", "s10", "s11", "s05"]


@given(st.text(), st.integers(1, 30))
def test_end_of_a_text_fits(text: str, cells: int) -> None:
    cut = end_of(text, cells)
    assert cell_len(cut) <= cells
    assert text.endswith(cut.removeprefix("…"))
