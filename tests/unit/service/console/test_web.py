from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.support.received_events import came, ended, final, partial

from speechmq.commandline.caption_formats import Format, render
from speechmq.console.board import Board, Limits
from speechmq.console.hub import BROWSERS, Hub
from speechmq.console.web import HEADERS, application
from speechmq_schemas import Transcript

HOSTILE = '<script>alert(1)</script>\u202e "quoted" & more'
EVENTS = [
    came(final("good", HOSTILE), 1),
    came(partial("hm", segment=2, start=1), 2),
    came(final("bye", segment=2, start=9), 3),
    came(ended(seconds=10), 4),
]


@pytest.fixture
def hub() -> Hub:
    made = Hub(Board(Limits()), lambda: 1000.0, lambda: "token")
    for received in EVENTS:
        made.take(received)
    return made


@pytest.fixture
async def client(hub: Hub) -> AsyncIterator[httpx.AsyncClient]:
    app = application(hub, ["localhost", "127.0.0.1"])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost:8642"
    ) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/", 200, "text/html; charset=utf-8"),
        ("/streams/s", 200, "text/html; charset=utf-8"),
        ("/streams/unknown", 200, "text/html; charset=utf-8"),
        ("/assets/console.css", 200, "text/css; charset=utf-8"),
        ("/assets/stream.js", 200, "text/javascript; charset=utf-8"),
        ("/assets/favicon.svg", 200, "image/svg+xml"),
        ("/streams/s/transcript.txt", 200, "text/plain; charset=utf-8"),
        ("/streams/s/transcript.json", 200, "application/json"),
        ("/streams/s/transcript.doc", 404, "text/plain; charset=utf-8"),
        ("/streams/unknown/transcript.txt", 404, "text/plain; charset=utf-8"),
        ("/streams/%3Cscript%3E", 404, "text/plain; charset=utf-8"),
        ("/streams/%3Cscript%3E/events", 404, "text/plain; charset=utf-8"),
        ("/assets/../web.py", 404, "text/plain; charset=utf-8"),
        ("/assets/%2e%2e/web.py", 404, "text/plain; charset=utf-8"),
        ("/nowhere", 404, "text/plain; charset=utf-8"),
    ],
)
async def test_every_answer_has_its_type_and_the_strict_policy(
    client: httpx.AsyncClient, path: str, status: int, kind: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


async def test_pages_hold_nothing_of_a_stream_and_name_no_other_host(
    client: httpx.AsyncClient,
) -> None:
    paths = ["/", "/streams/s", *(f"/assets/{name}" for name in ASSETS)]
    for path in paths:
        text = (await client.get(path)).text
        assert "script>alert" not in text
        assert "://" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    scripts = "".join([(await client.get(f"/assets/{name}")).text for name in ASSETS])
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert sink not in scripts


ASSETS = ("common.js", "overview.js", "stream.js", "console.css", "favicon.svg")


@pytest.mark.parametrize("style", list(Format))
async def test_file_is_what_the_captions_command_writes(
    client: httpx.AsyncClient, style: Format
) -> None:
    transcript = Transcript()
    for received in EVENTS:
        assert received.event is not None
        transcript.apply(received.event, epoch=received.position[0], seq=received.position[1])
    answer = await client.get(f"/streams/s/transcript.{style}")
    assert answer.text == render(transcript, style).text
    assert answer.headers["content-disposition"] == f'attachment; filename="s.{style}"'


async def test_half_a_character_does_not_cost_the_file(hub: Hub, client: httpx.AsyncClient) -> None:
    hub.take(came(final("a\ud83d b".encode("utf-8", "surrogatepass").decode("utf-8", "replace"))))
    assert (await client.get("/streams/s/transcript.txt")).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8642", 200),
        ("127.0.0.1", 200),
        ("evil.example", 400),
        ("localhost.evil.example:8642", 400),
        ("", 400),
    ],
)
async def test_foreign_name_that_points_here_is_refused(
    client: httpx.AsyncClient, host: str, status: int
) -> None:
    answer = await client.get("/", headers={"Host": host})
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


async def test_too_many_browsers_are_told_to_come_later(
    hub: Hub, client: httpx.AsyncClient
) -> None:
    watching = [hub.browser(None) for _ in range(BROWSERS)]
    for one in watching:
        one.__enter__()
    answer = await client.get("/events")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert answer.text == f"{BROWSERS} browsers watch this console already\n"
    for one in watching:
        one.__exit__(None, None, None)


async def test_events_hold_text_as_ascii_json_on_one_line(
    hub: Hub, client: httpx.AsyncClient
) -> None:
    hub.publish()
    hub.close()  # so that the answer ends
    answer = await client.get("/events")
    assert (answer.headers["content-type"], answer.text) == (
        "text/event-stream; charset=utf-8",
        "retry: 2000\n\n",
    )
    frame = hub.frame(hub.overview(), None)
    assert frame is not None
    assert frame[0].isascii()
    head, data = frame[0].decode().removesuffix("\n\n").split("\n")
    assert head == "id: token.2"
    assert json.loads(data.removeprefix("data: "))["rows"][0]["lines"][0]["text"] == (
        f"good {HOSTILE}"
    )
