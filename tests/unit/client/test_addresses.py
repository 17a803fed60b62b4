"""Which address comes next, and when."""

from __future__ import annotations

import pytest

from speechmq_client.addresses import Address, Addresses


def steady() -> float:
    return 0.5


def test_addresses_go_round_with_a_pause_after_each_round() -> None:
    addresses = Addresses(["amqp://a", "amqp://b:5673/calls"], steady)
    tried = [(str(addresses.current), addresses.failed()) for _ in range(6)]
    assert tried == [
        ("a:5672", 0.0),
        ("b:5673/calls", 0.25),
        ("a:5672", 0.0),
        ("b:5673/calls", 0.5),
        ("a:5672", 0.0),
        ("b:5673/calls", 1.0),
    ]


def test_pause_has_a_longest_and_begins_again_after_a_success() -> None:
    addresses = Addresses("amqp://a", steady)
    assert [addresses.failed() for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    addresses.succeeded()
    assert addresses.failed() == 0.25


@pytest.mark.parametrize("text", ["", "localhost", "http://localhost", "amqp://"])
def test_what_is_no_amqp_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an AMQP URL looks like"):
        Address.of(text)


def test_no_address_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one AMQP URL"):
        Addresses([], steady)


def test_user_and_password_are_not_shown() -> None:
    address = Address.of("amqps://me:secret@broker.example/calls")
    assert (str(address), address.user) == ("broker.example:5671/calls", "me")
