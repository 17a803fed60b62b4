"""What SECURITY.md says of permissions is what docker-compose.yml gives."""

import re
from pathlib import Path

from tests.broker.test_permissions import BEYOND, shipped_permissions

PAGE = (Path(__file__).parents[2] / "SECURITY.md").read_text()
ROW = re.compile(r"^\| `(speechmq-\w+)` \| `(.*?)` \| `(.*?)` \| `(.*?)` \|$", re.MULTILINE)


def test_permissions_are_those_of_the_compose_stack() -> None:
    told = {
        user: dict(zip(("configure", "write", "read"), patterns, strict=True))
        for user, *patterns in ROW.findall(PAGE.replace(r"\|", "|"))
    }
    assert told == {user: one for user, one in shipped_permissions().items() if user != "speechmq"}


def test_attempts_are_counted() -> None:
    counts = len(BEYOND["publisher"]), len(BEYOND["consumer"])
    assert "({} attempts of a publisher, {} of a consumer)".format(*counts) in PAGE
