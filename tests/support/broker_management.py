"""Asks a broker's HTTP API for what AMQP does not tell: vhosts, and every queue in one."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

REQUEST_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class QueueState:
    """What the broker says of a queue. None: it does not know yet, the queue being so new.

    On a private node messages are up to 0.2 s and consumers up to 1 s old, on another broker up
    to 5 s.
    """

    ready: int | None
    unacked: int | None
    consumers: int | None


class ManagementApi:
    """A small client. `amqp_url` lends its user and password."""

    def __init__(self, base_url: str, amqp_url: str) -> None:
        parts = urlsplit(amqp_url)
        user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}

    async def create_vhost(self, name: str) -> None:
        await self._ask("PUT", f"/api/vhosts/{quote(name, safe='')}")

    async def delete_vhost(self, name: str) -> None:
        await self._ask("DELETE", f"/api/vhosts/{quote(name, safe='')}")

    async def put_user(
        self,
        name: str,
        password: str,
        vhost: str,
        permissions: Mapping[str, str] | None = None,
        tags: str = "",
    ) -> None:
        """`permissions` are the patterns `configure`, `write` and `read`."""
        await self._ask("PUT", f"/api/users/{name}", {"password": password, "tags": tags})
        if permissions:
            await self._ask("PUT", f"/api/permissions/{quote(vhost, safe='')}/{name}", permissions)

    async def confine(
        self, user: str, vhost: str, exchange: str, patterns: Mapping[str, str]
    ) -> None:
        """Topic permissions: `write` is for routing keys, `read` for those of bindings."""
        path = f"/api/topic-permissions/{quote(vhost, safe='')}/{user}"
        await self._ask("PUT", path, {"exchange": exchange, **patterns})

    async def delete_user(self, name: str) -> None:
        await self._ask("DELETE", f"/api/users/{name}")

    async def version(self) -> str:
        found: str = (await self._ask("GET", "/api/overview"))["rabbitmq_version"]
        return found

    async def memory(self) -> int:
        """Bytes that the nodes use."""
        return sum(node["mem_used"] for node in await self._ask("GET", "/api/nodes"))

    async def queues(self, vhost: str) -> dict[str, QueueState]:
        """Every queue of the vhost that exists now.

        Two listings: one that skips the statistics knows the messages sooner, and no consumers.
        """
        path = f"/api/queues/{quote(vhost, safe='')}"
        full = {row["name"]: row for row in await self._ask("GET", path)}
        totals = await self._ask("GET", f"{path}?disable_stats=true&enable_queue_totals=true")
        return {
            row["name"]: QueueState(
                ready=row.get("messages_ready"),
                unacked=row.get("messages_unacknowledged"),
                consumers=full.get(row["name"], {}).get("consumers"),
            )
            for row in totals
        }

    async def exchanges(self, vhost: str) -> set[str]:
        """Names of all exchanges but the built-in ones."""
        rows = await self._ask("GET", f"/api/exchanges/{quote(vhost, safe='')}")
        return {row["name"] for row in rows if not row["name"].startswith("amq.")} - {""}

    async def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        return await asyncio.to_thread(self._ask_and_block, method, path, body)

    def _ask_and_block(self, method: str, path: str, body: Mapping[str, str] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(  # noqa: S310
            self._base_url + path, method=method, headers=self._headers, data=data
        )
        try:
            with urlopen(request, timeout=REQUEST_SECONDS) as answer:  # noqa: S310
                found = answer.read()
        except HTTPError as error:
            with error:
                raise RuntimeError(f"{method} {path}: {error.code} {error.reason}") from error
        except URLError as error:
            raise RuntimeError(
                f"The management API at {self._base_url} does not answer ({error.reason}). Broker "
                "tests need it: enable rabbitmq_management, or set SPEECHMQ_MANAGEMENT_URL."
            ) from error
        return json.loads(found) if found else None
