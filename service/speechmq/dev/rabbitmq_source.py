"""Decides where a development RabbitMQ comes from.

`choose` is pure: facts in, one choice out. `look_around` gathers the facts of this machine and
changes nothing. Acting on the choice is done in `rabbitmq.py`.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

URL_VARIABLE = "SPEECHMQ_AMQP_URL"

# Debian's /usr/sbin/rabbitmq-server insists on the user `rabbitmq`, so the script that it wraps
# comes before PATH. The others are where packages put it without telling PATH.
PREFERRED_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
SERVER_FOLDERS = ("/usr/sbin", "/opt/homebrew/sbin", "/usr/local/sbin")


@dataclass(frozen=True, slots=True)
class Facts:
    """What matters about this machine."""

    amqp_url: str = ""
    server: Path | None = None
    uid: int = 1000
    is_debian: bool = False
    has_apt_get: bool = False
    has_docker_engine: bool = False


@dataclass(frozen=True, slots=True)
class GivenUrl:
    """Somebody runs a broker for us."""

    url: str


@dataclass(frozen=True, slots=True)
class InstalledServer:
    """A `rabbitmq-server` script that can run as a private node."""

    script: Path


@dataclass(frozen=True, slots=True)
class DebianPackage:
    """Not here yet, but apt-get and root are."""


@dataclass(frozen=True, slots=True)
class DockerEngine:
    """A Docker engine that answers."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """No way to a broker; `advice` is one sentence for the operator."""

    advice: str


Source = GivenUrl | InstalledServer | DebianPackage | DockerEngine | Nothing

NOTHING_FOUND = (
    "No RabbitMQ found: install the package rabbitmq-server (Debian: `apt-get install "
    "rabbitmq-server`, macOS: `brew install rabbitmq`), or start Docker, or set "
    f"{URL_VARIABLE} to the URL of a running broker."
)
URL_MALFORMED = f"{URL_VARIABLE} must look like amqp://user:password@host:5672/vhost."


def choose(facts: Facts) -> Source:
    """Pick the first way to a broker that is open: given, installed, installable, Docker."""
    if facts.amqp_url:
        return GivenUrl(facts.amqp_url) if _is_amqp(facts.amqp_url) else Nothing(URL_MALFORMED)
    if facts.server is not None:
        return InstalledServer(facts.server)
    if facts.uid == 0 and facts.is_debian and facts.has_apt_get:
        return DebianPackage()
    if facts.has_docker_engine:
        return DockerEngine()
    return Nothing(NOTHING_FOUND)


def look_around(environ: Mapping[str, str] = os.environ) -> Facts:
    """Gather the facts. Docker is asked last and only when its answer can matter."""
    url = environ.get(URL_VARIABLE, "").strip()
    server = find_server(environ.get("PATH", ""))
    return Facts(
        amqp_url=url,
        server=server,
        uid=os.getuid(),
        is_debian=is_debian(_read(Path("/etc/os-release"))),
        has_apt_get=shutil.which("apt-get") is not None,
        has_docker_engine=not url and server is None and docker_engine_answers(),
    )


def find_server(path: str) -> Path | None:
    """Find a `rabbitmq-server` that any user may run."""
    if PREFERRED_SERVER.is_file():
        return PREFERRED_SERVER
    places = os.pathsep.join([path, *SERVER_FOLDERS])
    found = shutil.which("rabbitmq-server", path=places)
    return Path(found) if found else None


def is_debian(os_release: str) -> bool:
    """Tell from the text of /etc/os-release whether this is Debian or made from it."""
    entries = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    ids = f"{entries.get('ID', '')} {entries.get('ID_LIKE', '')}".replace('"', " ").split()
    return "debian" in ids


def docker_engine_answers(within: float = 10.0) -> bool:
    """Ask the Docker engine for its version; `within` is in seconds."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    question = [docker, "version", "--format", "{{.Server.Version}}"]
    try:
        asked = subprocess.run(question, capture_output=True, timeout=within, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def _is_amqp(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a port that is no number raises here
    except ValueError:
        return False
    return parts.scheme in {"amqp", "amqps"} and bool(parts.hostname)


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
