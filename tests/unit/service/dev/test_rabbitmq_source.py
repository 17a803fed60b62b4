from dataclasses import replace
from pathlib import Path

import pytest

from speechmq.dev.rabbitmq_source import (
    NOTHING_FOUND,
    URL_MALFORMED,
    DebianPackage,
    DockerEngine,
    Facts,
    GivenUrl,
    InstalledServer,
    Nothing,
    choose,
    find_server,
    is_debian,
)

URL = "amqp://user:secret@broker.example:5672/"
SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
EVERYTHING = Facts(
    amqp_url=URL,
    server=SCRIPT,
    uid=0,
    is_debian=True,
    has_apt_get=True,
    has_docker_engine=True,
)
NOT_GIVEN = replace(EVERYTHING, amqp_url="")
NOT_INSTALLED = replace(NOT_GIVEN, server=None)


def test_source_is_the_given_url_before_all_else() -> None:
    assert choose(EVERYTHING) == GivenUrl(URL)


def test_source_is_the_installed_server_when_no_url_is_given() -> None:
    assert choose(NOT_GIVEN) == InstalledServer(SCRIPT)


def test_source_is_the_debian_package_when_root_has_no_server() -> None:
    assert choose(NOT_INSTALLED) == DebianPackage()


@pytest.mark.parametrize(
    "lacking",
    [
        replace(NOT_INSTALLED, uid=1000),
        replace(NOT_INSTALLED, is_debian=False),
        replace(NOT_INSTALLED, has_apt_get=False),
    ],
    ids=["not root", "not Debian", "no apt-get"],
)
def test_source_is_docker_when_the_package_cannot_be_installed(lacking: Facts) -> None:
    assert choose(lacking) == DockerEngine()


def test_source_is_nothing_with_advice_when_every_way_is_closed() -> None:
    assert choose(Facts()) == Nothing(NOTHING_FOUND)


@pytest.mark.parametrize(
    "url", ["localhost:5672", "http://localhost:5672", "amqp://", "amqp://h:port", "amqp://[::1"]
)
def test_source_is_nothing_when_the_given_url_is_malformed(url: str) -> None:
    assert choose(replace(EVERYTHING, amqp_url=url)) == Nothing(URL_MALFORMED)


def test_advice_is_one_sentence_that_names_every_way_out() -> None:
    assert NOTHING_FOUND.count(". ") == 0
    for way in ("rabbitmq-server", "brew", "Docker", "SPEECHMQ_AMQP_URL"):
        assert way in NOTHING_FOUND


@pytest.mark.parametrize(
    ("os_release", "expected"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n', True),
        ("ID=ubuntu\nID_LIKE=debian\n", True),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', True),
        ('ID=fedora\nNAME="not debian"\n', False),
        ("", False),
    ],
)
def test_debian_is_recognised_by_its_identifiers(os_release: str, expected: bool) -> None:
    assert is_debian(os_release) is expected


def test_server_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechmq.dev.rabbitmq_source.PREFERRED_SERVER", tmp_path / "none")
    server = _executable(tmp_path / "bin" / "rabbitmq-server")
    assert find_server(f"/nowhere:{server.parent}") == server


def test_server_that_any_user_may_run_goes_before_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preferred = _executable(tmp_path / "lib" / "rabbitmq-server")
    monkeypatch.setattr("speechmq.dev.rabbitmq_source.PREFERRED_SERVER", preferred)
    wrapper = _executable(tmp_path / "bin" / "rabbitmq-server")
    assert find_server(str(wrapper.parent)) == preferred


def test_server_is_none_when_it_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechmq.dev.rabbitmq_source.PREFERRED_SERVER", tmp_path / "none")
    monkeypatch.setattr("speechmq.dev.rabbitmq_source.SERVER_FOLDERS", (str(tmp_path),))
    assert find_server(str(tmp_path)) is None


def _executable(path: Path) -> Path:
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path
