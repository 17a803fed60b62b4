"""Where the health server listens."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from speechmq.settings import HealthSettings


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("10.0.0.7:8080", ("10.0.0.7", 8080)),
        ("[::1]:0", ("::1", 0)),
        (":9464", ("", 9464)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_address_has_a_host_and_a_port(address: str, found: tuple[str, int]) -> None:
    assert HealthSettings(address=address).host_and_port() == found


@pytest.mark.parametrize("address", ["8080", "", "host", "http://host:80", "host:65536", "::1:80"])
def test_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="must be host:port"):
        HealthSettings(address=address)
