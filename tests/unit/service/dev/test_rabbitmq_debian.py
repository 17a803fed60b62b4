import subprocess
import sys
from pathlib import Path

import pytest

from speechmq.dev import rabbitmq_debian
from speechmq.dev.rabbitmq_debian import INSTALL, POLICY_TEXT, UPDATE, install_server
from speechmq.dev.rabbitmq_errors import CommandFailedError


class RecordingShell:
    """Stands in for apt-get: notes each command and the policy in force while it ran."""

    def __init__(self, machine: Path, *, fails: int = 0, brings_server: bool = True) -> None:
        self.machine = machine
        self.commands: list[tuple[str, ...]] = []
        self.policies: list[str] = []
        self._fails = fails
        self._brings_server = brings_server

    def run(self, command: tuple[str, ...]) -> None:
        self.commands.append(command)
        if command != INSTALL:
            return
        self.policies.append((self.machine / "policy-rc.d").read_text())
        if self._fails:
            self._fails -= 1
            raise CommandFailedError("apt-get", "404  Not Found")
        if self._brings_server:
            (self.machine / "rabbitmq-server").touch()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Debian machine: no server, no policy, no systemd."""
    server = tmp_path / "rabbitmq-server"
    monkeypatch.setattr(rabbitmq_debian, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(rabbitmq_debian, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(
        rabbitmq_debian, "find_server", lambda _: server if server.exists() else None
    )
    monkeypatch.setattr(rabbitmq_debian, "_disable_service", lambda: None)
    return tmp_path


def installing(shell: RecordingShell, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(rabbitmq_debian, "run_command", shell.run)
    return install_server()


def test_install_holds_services_back_while_it_runs_and_not_after(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = RecordingShell(machine)
    assert installing(shell, monkeypatch) == machine / "rabbitmq-server"
    assert shell.commands == [INSTALL]
    assert shell.policies == [POLICY_TEXT]
    assert not (machine / "policy-rc.d").exists()


def test_install_leaves_the_machines_own_policy_untouched(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = machine / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 104\n")
    installing(RecordingShell(machine), monkeypatch)
    assert policy.read_text() == "#!/bin/sh\nexit 104\n"


def test_install_takes_away_a_policy_that_an_earlier_one_left_when_it_was_killed(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "policy-rc.d").write_text(POLICY_TEXT)
    installing(RecordingShell(machine), monkeypatch)
    assert not (machine / "policy-rc.d").exists()


def test_install_updates_the_lists_and_tries_again_when_they_are_old(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = RecordingShell(machine, fails=1)
    installing(shell, monkeypatch)
    assert shell.commands == [INSTALL, UPDATE, INSTALL]


def test_install_takes_its_policy_away_when_it_fails(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandFailedError, match="404"):
        installing(RecordingShell(machine, fails=2), monkeypatch)
    assert not (machine / "policy-rc.d").exists()


def test_install_runs_nothing_when_another_process_has_just_done_it(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine / "rabbitmq-server").touch()
    shell = RecordingShell(machine)
    installing(shell, monkeypatch)
    assert shell.commands == []


def test_install_says_so_when_the_package_brought_no_server(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CommandFailedError, match="brought no rabbitmq-server"):
        installing(RecordingShell(machine, brings_server=False), monkeypatch)


def test_failed_command_shows_its_last_words() -> None:
    with pytest.raises(CommandFailedError) as failure:
        rabbitmq_debian.run_command(("sh", "-c", "echo out; echo err >&2; exit 3"))
    assert str(failure.value) == "`sh -c echo out; echo err >&2; exit 3` failed:\nout\nerr"


def test_command_line_needs_no_folder_for_temporary_files() -> None:
    """As in a container whose root file system is read-only, without a tmpfs."""
    nowhere = "import tempfile; tempfile._get_default_tempdir = lambda: 1 / 0; import speechmq.cli"
    subprocess.run([sys.executable, "-c", nowhere], check=True)
