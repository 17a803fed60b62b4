"""A pytest plug-in: every message that an emulator sends in any test conforms, or the test fails.

It looks at what in-process emulators put into their outboxes, and at the text messages that
their sessions accept. What fault injection spoils, it spoils behind the outbox.

``--asyncapi PATH`` checks the same traffic against the published description as well.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.protocol.emulator.conformance.checker import (
    Description,
    Sender,
    own_description,
    published_description,
)

from speechmq_emulator.outbox import Outbox
from speechmq_emulator.protocol.session import Close, Output, Send, Session

_WORKER_COUNTS = "wire_messages"


class WireCheck:
    """``checked`` counts messages by name; faults gather until they are taken."""

    def __init__(self, *descriptions: Description) -> None:
        self.descriptions = descriptions
        self.checked: Counter[str] = Counter()
        self._faults: list[str] = []
        self._patch = pytest.MonkeyPatch()

    def install(self) -> None:
        put, receive = Outbox.put, Session.receive

        def checked_put(outbox: Outbox, item: Send | Close) -> None:
            if isinstance(item, Send):
                self.check(Sender.SERVER, json.dumps(item.message))
            put(outbox, item)

        def checked_receive(session: Session, message: str | bytes) -> list[Output]:
            outputs = receive(session, message)
            if isinstance(message, str) and outputs and not _refuses(outputs):
                self.check(Sender.CLIENT, message)
            return outputs

        self._patch.setattr(Outbox, "put", checked_put)
        self._patch.setattr(Session, "receive", checked_receive)

    def remove(self) -> None:
        self._patch.undo()

    def check(self, sender: Sender, text: str) -> None:
        """Take note of a message as it goes over the wire."""
        message = json.loads(text, parse_constant=self._note_constant)
        self.checked[str(message.get("message"))] += 1
        for description in self.descriptions:
            self._faults += description.faults(sender, message)

    def _note_constant(self, name: str) -> float:
        self._faults.append(f"{name} is not JSON")
        return 0.0

    def take_faults(self) -> list[str]:
        faults, self._faults = self._faults, []
        return faults


def _refuses(outputs: list[Output]) -> bool:
    return any(isinstance(out, Send) and out.message["message"] == "Error" for out in outputs)


CHECK = pytest.StashKey[WireCheck]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--asyncapi",
        type=Path,
        metavar="PATH",
        help="the published AsyncAPI file: the emulator's traffic is checked against it as well",
    )


def pytest_configure(config: pytest.Config) -> None:
    published: Path | None = config.getoption("--asyncapi")
    descriptions = [own_description()]
    if published is not None:
        if not published.is_file():
            raise pytest.UsageError(f"--asyncapi: there is no file {published}")
        descriptions.append(published_description(published))
    check = config.stash[CHECK] = WireCheck(*descriptions)
    check.install()


def pytest_unconfigure(config: pytest.Config) -> None:
    if CHECK in config.stash:
        config.stash[CHECK].remove()


@pytest.fixture(autouse=True)
def _wire_messages_conform(pytestconfig: pytest.Config) -> Iterator[None]:
    yield
    faults = pytestconfig.stash[CHECK].take_faults()
    assert not faults, "\n".join(faults[:10])


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_WORKER_COUNTS] = dict(session.config.stash[CHECK].checked)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """An xdist worker has ended: add its counts to the controller's."""
    counts = getattr(node, "workeroutput", {}).get(_WORKER_COUNTS, {})
    node.config.stash[CHECK].checked.update(counts)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    check = config.stash[CHECK]
    if check.checked:
        names = " and ".join(description.name for description in check.descriptions)
        total, kinds = check.checked.total(), len(check.checked)
        terminalreporter.write_line(f"{total} messages of {kinds} kinds checked against {names}")
