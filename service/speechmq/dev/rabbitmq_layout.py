"""What makes a RabbitMQ node private: its folder, ports, name, secret, configuration, environment.

Pure but for `free_ports`, which asks the kernel which ports are free.
"""

import random
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from urllib.parse import quote

# Below every system's ephemeral range. Inside it, a client that keeps reconnecting to a stopped
# node may be given that very port as its own, connect to itself, and so keep the node out.
PORT_RANGE = range(20000, 32000)

# Everything else, secrets of the caller above all, stays out of the node's environment.
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
EXTRA_PATH = "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin"

# Every process of the node carries this variable, and by it is found and killed, however far it
# has moved away (epmd daemonises, port programs start sessions of their own).
MARK = "SPEECHMQ_PRIVATE_NODE"

# Erlang reads it from the home folder, and refuses one that others may read.
COOKIE = ".erlang.cookie"

ONE_YEAR_MS = 365 * 24 * 3600 * 1000
ERLANG_FLAGS = (
    # Two schedulers that sleep when idle, and distribution on loopback alone.
    "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
)

FRESH_MS = 200
ADVANCED_CONFIGURATION = """\
[{rabbit, [%s]},
 {rabbitmq_management, [{sample_retention_policies,
   [{global, [{60, 1}]}, {basic, [{60, 1}]}, {detailed, [{10, 1}]}]}]}].
"""


class Management(Enum):
    """Whether a node has the HTTP API, and how old what that says of queues may be."""

    NONE = auto()
    USUAL = auto()
    """Up to five seconds: RabbitMQ's own intervals."""
    FRESH = auto()
    """Up to 0.2 s, which costs the node more with every queue."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The four ports of a node, all on 127.0.0.1."""

    amqp: int
    distribution: int
    epmd: int
    management: int


@dataclass(frozen=True, slots=True)
class NodeLayout:
    """A node before it runs: where it lives and how it is reached."""

    folder: Path
    ports: Ports
    password: str
    management: Management = Management.NONE
    cookie: str | None = None
    """The secret of a cluster's nodes. A node without one makes its own."""
    joins: str | None = None
    """The name of a running node whose cluster this one joins at its first start."""

    @property
    def name(self) -> str:
        """As RabbitMQ has it."""
        return f"{self.folder.name}@localhost"

    @property
    def url(self) -> str:
        """The AMQP URL, with credentials that only this node accepts."""
        return f"amqp://speechmq:{quote(self.password, safe='')}@127.0.0.1:{self.ports.amqp}/"

    @property
    def management_url(self) -> str | None:
        """The base URL of the HTTP API, without credentials."""
        if self.management is Management.NONE:
            return None
        return f"http://127.0.0.1:{self.ports.management}"

    @property
    def log(self) -> Path:
        return self.folder / "rabbitmq.log"

    @property
    def output(self) -> Path:
        return self.folder / "output.log"

    def files(self) -> dict[str, str]:
        """Name and text of every file that the node reads."""
        plugins = "" if self.management is Management.NONE else "rabbitmq_management"
        is_fresh = self.management is Management.FRESH
        tick = f"{{quorum_tick_interval, {FRESH_MS}}}" if is_fresh else ""
        cookie = {} if self.cookie is None else {COOKIE: self.cookie}
        return cookie | {
            "rabbitmq.conf": self._configuration(),
            "advanced.config": ADVANCED_CONFIGURATION % tick,
            "enabled_plugins": f"[{plugins}].\n",
        }

    def _configuration(self) -> str:
        lines = [
            f"listeners.tcp.1 = 127.0.0.1:{self.ports.amqp}",
            "default_user = speechmq",
            f"default_pass = {self.password}",
            f"consumer_timeout = {ONE_YEAR_MS}",
            "disk_free_limit.absolute = 50MB",
            "log.console = false",
            "log.file.level = info",
        ]
        if self.joins is not None:
            lines.append("cluster_formation.peer_discovery_backend = classic_config")
            for number, name in enumerate((self.joins, self.name), 1):
                lines.append(f"cluster_formation.classic_config.nodes.{number} = {name}")
        if self.management is not Management.NONE:
            lines.append("management.tcp.ip = 127.0.0.1")
            lines.append(f"management.tcp.port = {self.ports.management}")
        if self.management is Management.FRESH:
            lines.append(f"collect_statistics_interval = {FRESH_MS}")
        return "\n".join(lines) + "\n"

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The whole environment of the node's processes; nothing else of `inherited` gets in."""
        folder = str(self.folder)
        kept = {name: inherited[name] for name in INHERITED if name in inherited}
        return kept | {
            "PATH": f"{kept.get('PATH', '')}:{EXTRA_PATH}".lstrip(":"),
            "HOME": folder,  # the cookie lives here
            MARK: folder,
            "ERL_CRASH_DUMP_BYTES": "0",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.ports.epmd),
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced.config",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none.conf",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONFIG_FILES": f"{folder}/conf.d",
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/generated",
            "RABBITMQ_LOG_BASE": folder,
            "RABBITMQ_LOGS": str(self.log),
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_SCHEMA_DIR": f"{folder}/schema",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_FLAGS,
            # Makes the script replace itself by the Erlang VM instead of keeping a shell around
            # it, so that a signal to the supervised process reaches the node.
            "RUNNING_UNDER_SYSTEMD": "true",
        }


def free_ports() -> Ports:
    """Pick four ports that are free now. They may be taken a moment later: the node tells us."""
    with ExitStack() as bound:
        found: list[int] = []
        for port in random.SystemRandom().sample(PORT_RANGE, len(PORT_RANGE)):
            probe = bound.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
            if len(found) == 4:
                return Ports(*found)
    raise OSError(f"No four free ports in {PORT_RANGE} on 127.0.0.1.")
