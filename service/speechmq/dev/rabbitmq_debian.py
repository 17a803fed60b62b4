"""Installs Debian's rabbitmq-server without letting the system-wide node start."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechmq.dev.rabbitmq_errors import CommandFailedError
from speechmq.dev.rabbitmq_source import find_server

APT_GET = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")  # somebody else's apt may be at work
INSTALL = (*APT_GET, "install", "-y", "--no-install-recommends", "rabbitmq-server")
UPDATE = (*APT_GET, "update")
COMMAND_SECONDS = 900.0

# In the folder for temporary files, which is looked for when it is needed: there may be none.
LOCK = Path("speechmq-install.lock")

# Debian's own switch: packages ask this program before they start a service. 101 means no.
POLICY = Path("/usr/sbin/policy-rc.d")
POLICY_TEXT = "#!/bin/sh\n# speechmq installs rabbitmq-server: no service is to start.\nexit 101\n"


def install_server() -> Path:
    """Install the package if it is still missing, and return the server's script.

    Only one process at a time does it; the others wait and find it done. Blocks for about a
    minute. Raises CommandFailedError with apt-get's last words.
    """
    with _one_at_a_time(), _services_held_back():
        found = find_server(os.environ.get("PATH", ""))
        if found is not None:
            return found
        _install()
        _disable_service()
    found = find_server(os.environ.get("PATH", ""))
    if found is None:
        raise CommandFailedError(" ".join(INSTALL), "It succeeded, but brought no rabbitmq-server.")
    return found


def _install() -> None:
    try:
        run_command(INSTALL)
    except CommandFailedError:  # the lists are missing or older than the archive
        run_command(UPDATE)
        run_command(INSTALL)


def _disable_service() -> None:
    """Keep the packaged node down after the next boot too."""
    if shutil.which("systemctl") is None:
        return
    now = ["--now"] if Path("/run/systemd/system").is_dir() else []
    run_command(("systemctl", "disable", "--quiet", *now, "rabbitmq-server"))


def run_command(command: tuple[str, ...]) -> None:
    """Run a command to its end; raises CommandFailedError with its last words."""
    # In a session of its own: Ctrl-C must not leave a package half configured.
    done = subprocess.run(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        start_new_session=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise CommandFailedError(" ".join(command), "\n".join(done.stdout.splitlines()[-15:]))


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    lock = Path(tempfile.gettempdir()) / LOCK
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _services_held_back() -> Iterator[None]:
    """Put our policy in place, unless the machine has one of its own: that is never touched."""
    ours = _is_our_leftover() or _write_policy()
    try:
        yield
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def _is_our_leftover() -> bool:
    try:
        return POLICY.read_text() == POLICY_TEXT
    except (OSError, UnicodeDecodeError):
        return False


def _write_policy() -> bool:
    try:
        descriptor = os.open(POLICY, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o755)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w") as policy:
        os.fchmod(descriptor, 0o755)
        policy.write(POLICY_TEXT)
    return True
