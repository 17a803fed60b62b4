"""`speechmq doctor` against a real broker and the emulator, in health and in sickness."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import aiormq
import pytest
import trustme
from tests.support.broker import Namespace
from tests.support.command_line import Finished, speechmq

from speechmq.broker.topology import declare, shared
from speechmq_emulator.protocol.limits import Limits
from speechmq_emulator.server import Emulator, serve
from speechmq_schemas import Names

KEY = "a-secret-key"


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with serve(api_keys=[KEY], limits=Limits(quota=5)) as server:
        yield server


async def doctor(
    url: str, upstream: str, *options: str, key: str = KEY, **settings: str
) -> Finished:
    environment = {
        "SPEECHMQ_BROKER__URL": url,
        "SPEECHMQ_UPSTREAM__URL": upstream,
        "SPEECHMQ_UPSTREAM__API_KEY": key,
        **settings,
    }
    async with speechmq("doctor", *options, environment=environment) as running:
        done = await running.finish()
    assert done.err == ""
    assert key not in done.out
    return done


async def findings(url: str, upstream: str, *options: str, **settings: str) -> list[dict[str, Any]]:
    done = await doctor(url, upstream, "--json", *options, **settings)
    found = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == int("failed" in {one["verdict"] for one in found})
    return found


def verdicts(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(one["check"], one["verdict"]) for one in found]


BROKER_REACHED = [("settings", "ok"), ("broker address", "ok"), ("broker TCP", "ok")]
UPSTREAM_REACHED = [("upstream address", "ok"), ("upstream TCP", "ok")]
UPSTREAM_WELL = [
    *UPSTREAM_REACHED,
    ("upstream handshake", "ok"),
    ("upstream clock", "ok"),
    ("upstream session", "ok"),
    ("upstream quota", "ok"),
]


async def test_doctor_finds_nothing_wrong_and_leaves_nothing_behind(
    namespace: Namespace, emulator: Emulator
) -> None:
    management = namespace.management._base_url
    found = await findings(namespace.url, emulator.url, "--management-url", management)
    consumer_timeout = ("consumer_timeout", found[6]["verdict"])  # by the broker's version
    assert verdicts(found) == [
        *BROKER_REACHED,
        ("broker login", "ok"),
        ("broker version", "ok"),
        ("broker permissions", "ok"),
        consumer_timeout,
        ("broker clock", "ok"),
        *UPSTREAM_WELL,
    ]
    assert consumer_timeout[1] in {"ok", "unknown"}
    assert found[-1]["text"] == "1 of 5 sessions in use, ours included"
    assert (await namespace.queues(), await namespace.exchanges()) == ({}, set())


async def test_doctor_changes_nothing_of_a_worker(namespace: Namespace, emulator: Emulator) -> None:
    connection = await aiormq.connect(namespace.url)
    channel = await connection.channel()
    await declare(channel, shared(Names(), "quorum"))
    listening = await channel.queue_declare(exclusive=True)
    await channel.queue_bind(listening.queue or "", "speechmq.events", "#")
    for queue in ("speechmq.start", "speechmq.claims", "speechmq.dead"):
        await channel.basic_publish(queue.encode(), routing_key=queue)
    before = await namespace.exchanges()
    found = await findings(namespace.url, emulator.url)
    letters = [
        (await channel.basic_get(queue, no_ack=True))
        for queue in ("speechmq.start", "speechmq.claims", "speechmq.dead", listening.queue or "")
    ]
    await connection.close()
    assert [(one.body, one.redelivered) for one in letters[:3]] == [
        (b"speechmq.start", False),
        (b"speechmq.claims", False),
        (b"speechmq.dead", False),
    ]
    assert letters[3].body == b""
    assert letters[3].delivery_tag is None
    assert await namespace.exchanges() == before
    assert ("broker permissions", "ok") in verdicts(found)


@asynccontextmanager
async def user(namespace: Namespace, **permissions: str) -> AsyncIterator[str]:
    """A URL with a user of these permissions."""
    name, api = f"u-{namespace.prefix}", namespace.management
    await _put(api, f"/api/users/{name}", {"password": KEY, "tags": ""})
    try:
        if permissions:
            await _put(api, f"/api/permissions/{namespace.prefix}/{name}", permissions)
        parts = urlsplit(namespace.url)
        host = parts.netloc.rpartition("@")[2]
        yield urlunsplit(parts._replace(netloc=f"{name}:{quote(KEY)}@{host}"))
    finally:
        await api._ask("DELETE", f"/api/users/{name}")


async def _put(api: Any, path: str, body: dict[str, str]) -> None:
    import asyncio  # noqa: PLC0415
    from urllib.request import Request, urlopen  # noqa: PLC0415

    def put() -> None:
        request = Request(  # noqa: S310
            api._base_url + path,
            method="PUT",
            headers=api._headers,
            data=json.dumps(body).encode(),
        )
        urlopen(request, timeout=20).close()  # noqa: S310

    await asyncio.to_thread(put)


async def test_doctor_names_each_permission_that_is_missing(
    namespace: Namespace, emulator: Emulator
) -> None:
    connection = await aiormq.connect(namespace.url)
    await declare(await connection.channel(), shared(Names(), "quorum"))
    await connection.close()
    async with user(namespace, configure=r"^speechmq\.[^i]", write=r"^speechmq", read="") as url:
        found = await findings(url, emulator.url)
    missing = [one for one in found if one["check"] == "broker permissions"]
    rights = [one["text"].removeprefix("may not ").split(": ")[0] for one in missing]
    assert rights == [
        "declare exchange speechmq.in",
        "read queue speechmq.start",
        "read queue speechmq.early",
        "read queue speechmq.claims",
        "read queue speechmq.temporary-key",
        "read queue speechmq.dead",
        "read queue speechmq.stream.doctor",
        "read queue speechmq.state.doctor",
        "read queue speechmq.memo.doctor",
        "read queue speechmq.status.doctor",
        "publish to exchange amq.default",
        "bind queue speechmq.start to exchange speechmq.in",
        "bind queue speechmq.temporary-key to exchange speechmq.in",
        "bind queue speechmq.early to exchange speechmq.unrouted",
        "bind queue speechmq.stream.doctor to exchange speechmq.in",
        "bind queue speechmq.state.doctor to exchange speechmq.events",
        "bind queue speechmq.status.doctor to exchange speechmq.in",
    ]
    assert {one["cure"] for one in missing} == {
        f"rabbitmqctl set_permissions -p '{namespace.prefix}' 'u-{namespace.prefix}' "
        r"'^speechmq\.' '^speechmq\.|^amq\.default$' '^speechmq\.'"
    }
    assert "ACCESS_REFUSED" in missing[0]["text"]


async def test_doctors_cure_cures(namespace: Namespace, emulator: Emulator) -> None:
    own = r"^speechmq\."
    async with user(namespace, configure=own, write=rf"{own}|^amq\.default$", read=own) as url:
        found = await findings(url, emulator.url)
    assert ("broker permissions", "ok") in verdicts(found)


async def test_doctor_tells_login_from_vhost(namespace: Namespace, emulator: Emulator) -> None:
    async with user(namespace) as url:
        no_permission = await findings(url, emulator.url)
        wrong_password = await findings(url.replace(KEY, "wrong"), emulator.url)
    no_vhost = await findings(namespace.url + "-none", emulator.url)
    assert [one[3]["check"] for one in (no_permission, wrong_password, no_vhost)] == [
        "broker vhost",
        "broker login",
        "broker vhost",
    ]
    assert "user or password refused: ACCESS_REFUSED" in wrong_password[3]["text"]
    assert f"/{namespace.prefix}-none is refused: there is no such" in no_vhost[3]["text"]
    assert verdicts(no_vhost)[4:] == UPSTREAM_WELL


async def test_doctor_tells_address_from_port_from_protocol(
    namespace: Namespace, emulator: Emulator, unused_port: int
) -> None:
    upstream_only = UPSTREAM_WELL
    nowhere = await findings("amqp://u:p@nowhere.invalid/", emulator.url)
    closed = await findings(f"amqp://u:p@127.0.0.1:{unused_port}/", emulator.url)
    tls = await findings(namespace.url.replace("amqp:", "amqps:", 1), emulator.url)
    assert verdicts(nowhere) == [("settings", "ok"), ("broker address", "failed"), *upstream_only]
    assert verdicts(closed) == [*BROKER_REACHED[:2], ("broker TCP", "failed"), *upstream_only]
    assert verdicts(tls)[:4] == [*BROKER_REACHED, ("broker TLS", "failed")]


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_doctor_tells_what_is_wrong_upstream(
    namespace: Namespace, emulator: Emulator, unused_port: int
) -> None:
    upstreams = {
        "wrong key": (emulator.url, "wrong"),
        "wrong path": (emulator.url.replace("/v2", "/nothing"), KEY),
        "closed": (f"ws://127.0.0.1:{unused_port}/v2", KEY),
        "nowhere": ("ws://nowhere.invalid/v2", KEY),
        "no websocket": (namespace.management._base_url.replace("http", "ws"), KEY),
    }
    told = {}
    for name, (url, key) in upstreams.items():
        last = (await findings(namespace.url, url, key=key))[-1]
        told[name] = (last["check"], last["verdict"], last["text"].split(":")[0])
    assert told == {
        "wrong key": ("upstream handshake", "failed", "HTTP status 401"),
        "wrong path": ("upstream handshake", "failed", "HTTP status 404"),
        "closed": ("upstream TCP", "failed", "127.0.0.1"),
        "nowhere": ("upstream address", "failed", "nowhere.invalid has no address"),
        "no websocket": ("upstream handshake", "failed", "what answers is no WebSocket server"),
    } | {"no websocket": told["no websocket"]}
    assert told["no websocket"][:2] == ("upstream handshake", "failed")


async def test_doctor_tells_that_a_certificate_is_not_trusted(namespace: Namespace) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    async with serve(api_keys=[KEY], tls=context) as server:
        found = await findings(namespace.url, f"wss://localhost:{server.port}/v2")
    assert verdicts(found)[-1] == ("upstream TLS", "failed")
    assert "self-signed" in found[-1]["text"] or "unable to get" in found[-1]["text"]


async def test_doctor_hides_a_token_in_the_url(namespace: Namespace, emulator: Emulator) -> None:
    done = await doctor(namespace.url, emulator.url + "?jwt=hidden", key=KEY)
    assert "hidden" not in done.out
    assert f"{emulator.url} lets us in" in done.out


async def test_doctor_examines_every_region(namespace: Namespace, emulator: Emulator) -> None:
    async with serve(api_keys=["another"]) as other:
        found = await findings(
            namespace.url,
            emulator.url,
            SPEECHMQ_UPSTREAM__FALLBACK_URLS=json.dumps([other.url]),
        )
    assert verdicts(found)[-9:] == [
        *UPSTREAM_WELL,
        *UPSTREAM_REACHED,
        ("upstream handshake", "failed"),
    ]


async def test_doctor_examines_every_credential(
    namespace: Namespace, emulator: Emulator, unused_port: int
) -> None:
    """Each by its name, with cures that name its own variables."""
    closed = f"http://127.0.0.1:{unused_port}/v1"
    async with serve(api_keys=["hush"], http_port=0) as lab:
        clinic = {"URL": emulator.url, "API_KEY": "wrong"}
        lab_well = {
            "URL": lab.url,
            "API_KEY": "hush",
            "AUTH": "temporary_key",
            "MANAGEMENT_URL": f"{lab.http_url}/v1",
        }
        found = await findings(
            namespace.url,
            emulator.url,
            **_credential("CLINIC", clinic),
            **_credential("LAB", lab_well),
            **_credential("REFUSED", {**lab_well, "API_KEY": "wrong"}),
            **_credential("CLOSED", {**lab_well, "MANAGEMENT_URL": closed}),
        )
    [_, *beyond] = [one for one in found if one["check"].startswith("upstream ")]
    named = beyond[beyond.index(next(one for one in beyond if "clinic" in one["check"])) :]
    assert verdicts(named) == [
        ("upstream clinic address", "ok"),
        ("upstream clinic TCP", "ok"),
        ("upstream clinic handshake", "failed"),
        ("upstream closed key", "failed"),
        ("upstream lab key", "ok"),
        ("upstream lab address", "ok"),
        ("upstream lab TCP", "ok"),
        ("upstream lab handshake", "ok"),
        ("upstream lab clock", "ok"),
        ("upstream lab session", "ok"),
        ("upstream lab quota", "ok"),
        ("upstream refused key", "failed"),
    ]
    assert {one["check"]: one["cure"] for one in named if one["verdict"] == "failed"} == {
        "upstream clinic handshake": "mend SPEECHMQ_UPSTREAM__CREDENTIALS__CLINIC__API_KEY",
        "upstream closed key": "check SPEECHMQ_UPSTREAM__CREDENTIALS__CLOSED__MANAGEMENT_URL "
        "and SPEECHMQ_UPSTREAM__PROXY",
        "upstream refused key": "mend SPEECHMQ_UPSTREAM__CREDENTIALS__REFUSED__API_KEY, "
        "or SPEECHMQ_UPSTREAM__CREDENTIALS__REFUSED__MANAGEMENT_URL",
    }
    assert "hush" not in json.dumps(found)


def _credential(name: str, fields: dict[str, str]) -> dict[str, str]:
    return {
        f"SPEECHMQ_UPSTREAM__CREDENTIALS__{name}__{key}": value for key, value in fields.items()
    }


async def test_doctor_stops_at_settings_that_are_none(namespace: Namespace) -> None:
    done = await doctor(namespace.url, "nonsense")
    assert (done.code, done.out.splitlines()) == (
        1,
        [
            "failed   settings           the settings cannot be used: SPEECHMQ_UPSTREAM__URL: "
            "Value error, must be a WebSocket URL: ws://host:port/v2 or wss://…, "
            "or one of eu, us, global",
            "                            -> mend the variables; docs/settings.md lists them",
        ],
    )
