"""The HTTP server for probes and scrapers."""

from __future__ import annotations

import re

from pydantic import field_validator

from .section import Section

HIGHEST_PORT = 65_535


class HealthSettings(Section):
    """HTTP for probes and scrapers."""

    address: str | None = None
    """`host:port` to listen on, as `0.0.0.0:8080`; of port 0, which is any, the log tells"""

    @field_validator("address")
    @classmethod
    def _is_address(cls, address: str | None) -> str | None:
        if address is not None:
            found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]/]*):([0-9]{1,5})", address)
            if found is None or int(found[2]) > HIGHEST_PORT:
                raise ValueError("must be host:port, as 0.0.0.0:8080 or [::]:8080")
        return address

    def host_and_port(self) -> tuple[str, int]:
        """Of an address that is set."""
        host, _, port = (self.address or "").rpartition(":")
        return host.strip("[]"), int(port)
