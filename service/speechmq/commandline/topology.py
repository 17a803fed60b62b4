"""The commands `topology apply`, `check` and `print`: exchanges and queues before any worker.

They read the worker's settings, as the queues' arguments come from there.
"""

from __future__ import annotations

import json
from typing import Any

import typer
from aiormq.abc import AbstractChannel
from rich.console import Console

from speechmq.broker.amqp.error_map import translated
from speechmq.broker.amqp.plane import DataPlane, open_plane
from speechmq.broker.topology import (
    Exchange,
    Queue,
    Topology,
    declare,
    declare_exchange,
    declare_queue,
    merged,
    topologies,
)
from speechmq.errors import ArgumentsDiffer, ExchangeMissing, QueueMissing, TopologyMismatch
from speechmq.settings import Settings
from speechmq_schemas import Names

from .exits import ExitCode
from .options import result_of, told
from .screen import print_plain

app = typer.Typer(
    help="Make, compare or show the exchanges and queues that all workers share.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Part = Exchange | Queue


def parts(topology: Topology) -> list[Part]:
    return [*topology.exchanges, *topology.queues]


def definitions(topology: Topology) -> dict[str, list[dict[str, Any]]]:
    """In the format of RabbitMQ's definitions of one vhost."""
    return {
        "exchanges": [
            {
                "name": one.name,
                "type": one.kind,
                "durable": True,
                "auto_delete": False,
                "arguments": dict(one.arguments),
            }
            for one in topology.exchanges
        ],
        "queues": [
            {
                "name": one.name,
                "durable": True,
                "auto_delete": False,
                "arguments": dict(one.arguments),
            }
            for one in topology.queues
        ],
        "bindings": [
            {
                "source": one.exchange,
                "destination": one.queue,
                "destination_type": "queue",
                "routing_key": one.routing_key,
                "arguments": {},
            }
            for one in topology.bindings
        ],
    }


@app.command("print")
def show() -> None:
    """Print them as RabbitMQ's definitions: rabbitmqctl import_definitions, or an operator."""
    with told():
        print(json.dumps(definitions(_topology(Settings.load())), indent=2))


@app.command(
    epilog="Exit codes: 0 all is there; 1 something exists with other arguments; 3 no answer."
)
def apply() -> None:
    """Declare what is missing. Safe to repeat, and while workers run."""
    with told():
        settings = Settings.load()
        raise typer.Exit(result_of(lambda: _apply(settings)))


@app.command(epilog="Exit codes: 0 all is there; 1 something is missing or differs; 3 no answer.")
def check() -> None:
    """Compare what RabbitMQ has with what a worker would declare. Changes nothing.

    Bindings are not compared: AMQP has no question for one.
    """
    with told():
        settings = Settings.load()
        raise typer.Exit(result_of(lambda: _check(settings)))


def _topology(settings: Settings) -> Topology:
    return merged(topologies(Names(settings.broker.namespace), settings.broker))


async def _apply(settings: Settings) -> ExitCode:
    console, topology = Console(), _topology(settings)
    async with open_plane(settings.broker) as plane, plane.asking() as channel:
        try:
            with translated("declaring exchanges and queues"):
                await declare(channel, topology)
        except ArgumentsDiffer as error:
            print_plain(console, str(TopologyMismatch(error.reply_text)))
            return ExitCode.FAILED
    count = len(topology.exchanges) + len(topology.queues)
    print_plain(console, f"{count} exchanges and queues are there, with their bindings")
    return ExitCode.ENDED


async def _check(settings: Settings) -> ExitCode:
    console, code = Console(), ExitCode.ENDED
    async with open_plane(settings.broker) as plane:
        for part in parts(_topology(settings)):
            trouble = await trouble_of(plane, part)
            kind = "exchange" if isinstance(part, Exchange) else "queue"
            print_plain(console, f"{'ok' if trouble is None else 'FAILED':<8} {kind} {part.name}")
            if trouble is not None:
                print_plain(console, f"{'':<8} -> {trouble}")
                code = ExitCode.FAILED
    return code


async def trouble_of(plane: DataPlane, part: Part) -> str | None:
    """Nothing where all is well. Raises ``BrokerError``."""
    try:
        async with plane.asking() as channel:
            with translated(f"looking for {part.name}"):
                await _look(channel, part)
        # It exists, so that a declaration compares its arguments and makes nothing.
        async with plane.asking() as channel:
            with translated(f"comparing {part.name}"):
                await _declare(channel, part)
    except (QueueMissing, ExchangeMissing):
        return "it does not exist; make it with: speechmq topology apply"
    except ArgumentsDiffer as error:
        return f"it exists with other arguments: {error.reply_text}"
    return None


async def _look(channel: AbstractChannel, part: Part) -> None:
    if isinstance(part, Exchange):
        await channel.exchange_declare(part.name, passive=True)
    else:
        await channel.queue_declare(part.name, passive=True)


async def _declare(channel: AbstractChannel, part: Part) -> None:
    if isinstance(part, Exchange):
        await declare_exchange(channel, part)
    else:
        await declare_queue(channel, part)
