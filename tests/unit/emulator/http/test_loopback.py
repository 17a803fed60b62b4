"""Who may call the admin API."""

import pytest

from speechmq_emulator.http.loopback import refusal

CLIENT = "The admin API answers to this machine only"
HOST = "The admin API is called localhost or by a loopback address, not by another Host"
ORIGIN = "The admin API is not for pages of another Origin"


@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8001", "127.0.0.1:1", "[::1]:8001"])
def test_program_on_this_machine_is_served(client: str, host: str) -> None:
    assert refusal(client=client, hosts=[host], origins=[]) is None


def test_page_that_this_port_serves_is_served() -> None:
    same = ["http://localhost:8001"]
    assert refusal(client="127.0.0.1", hosts=["localhost:8001"], origins=same) is None


@pytest.mark.parametrize("client", ["", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "testclient"])
def test_other_machine_is_refused(client: str) -> None:
    assert refusal(client=client, hosts=["localhost"], origins=[]) == CLIENT


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [""],
        ["rebound.example:8001"],
        ["localhost.rebound.example"],
        ["127.0.0.1.rebound.example"],
        ["localhost", "localhost"],
        ["user@localhost"],
        ["[::1"],
        ["10.0.0.1:8001"],
    ],
)
def test_name_that_is_not_ours_is_refused(hosts: list[str]) -> None:
    assert refusal(client="127.0.0.1", hosts=hosts, origins=[]) == HOST


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://localhost:3000", "http://[", "localhost:8001"],
)
def test_page_of_another_origin_is_refused(origin: str) -> None:
    assert refusal(client="::1", hosts=["localhost:8001"], origins=[origin]) == ORIGIN
