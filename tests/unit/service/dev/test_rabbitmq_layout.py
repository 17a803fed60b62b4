from pathlib import Path

import pytest

from speechmq.dev.rabbitmq_layout import PORT_RANGE, Management, NodeLayout, Ports, free_ports

FOLDER = Path("/tmp/speechmq-rabbitmq-x")  # noqa: S108  # never made
PORTS = Ports(amqp=20001, distribution=20002, epmd=20003, management=20004)


def layout(management: Management = Management.NONE) -> NodeLayout:
    return NodeLayout(FOLDER, PORTS, "secret", management)


def test_environment_lets_nothing_in_but_what_finds_programs_and_speaks_a_language() -> None:
    inherited = {
        "PATH": "/here",
        "LANG": "C.UTF-8",
        "SPEECHMQ_UPSTREAM__API_KEY": "key",
        "RABBITMQ_NODENAME": "rabbit@somewhere",
        "HOME": "/home/me",
        "ERL_FLAGS": "-name me",
    }
    entered = {
        name: value
        for name, value in layout().environment(inherited).items()
        if value in inherited.values()
    }
    assert entered == {"LANG": "C.UTF-8"}
    assert layout().environment(inherited)["PATH"].startswith("/here:")


def test_environment_keeps_every_file_of_the_node_in_its_folder() -> None:
    outside = {
        name: value
        for name, value in layout().environment({}).items()
        if value.startswith("/") and name != "PATH" and not value.startswith(str(FOLDER))
    }
    assert outside == {}


def test_configuration_listens_on_loopback_alone() -> None:
    assert layout().files()["rabbitmq.conf"].splitlines() == [
        "listeners.tcp.1 = 127.0.0.1:20001",
        "default_user = speechmq",
        "default_pass = secret",
        "consumer_timeout = 31536000000",
        "disk_free_limit.absolute = 50MB",
        "log.console = false",
        "log.file.level = info",
    ]


def test_management_is_off_unless_asked_for() -> None:
    assert layout().files()["enabled_plugins"] == "[].\n"
    assert layout().management_url is None


def test_management_listens_on_loopback_when_asked_for() -> None:
    node = layout(Management.FRESH)
    assert node.files()["enabled_plugins"] == "[rabbitmq_management].\n"
    assert (
        "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = 20004\n"
        in (node.files()["rabbitmq.conf"])
    )
    assert node.management_url == "http://127.0.0.1:20004"


@pytest.mark.parametrize(
    ("management", "is_fresh"),
    [(Management.NONE, False), (Management.USUAL, False), (Management.FRESH, True)],
)
def test_node_looks_at_its_queues_more_often_than_usual_only_where_that_was_asked_for(
    management: Management, is_fresh: bool
) -> None:
    files = layout(management).files()
    assert ("quorum_tick_interval" in files["advanced.config"]) is is_fresh
    assert ("collect_statistics_interval" in files["rabbitmq.conf"]) is is_fresh


def test_url_carries_the_nodes_own_credentials() -> None:
    assert layout().url == "amqp://speechmq:secret@127.0.0.1:20001/"


def test_free_ports_are_four_different_ones_below_the_ephemeral_range() -> None:
    ports = free_ports()
    chosen = {ports.amqp, ports.distribution, ports.epmd, ports.management}
    assert len(chosen) == 4
    assert chosen <= set(PORT_RANGE)
    assert max(PORT_RANGE) < 32768
