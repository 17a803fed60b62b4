"""Fixtures for all tests: the run's broker, and one test's namespace in it."""

import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from tests.support.broker import (
    BrokerAddress,
    BrokerKeeper,
    Namespace,
    ask_for_broker,
    new_namespace,
)

# No property depends on how fast this machine is just now.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

pytest_plugins = ("tests.support.wire_check",)

KEEPER = pytest.StashKey[BrokerKeeper]()
WORKER_INPUT = "broker_desk"


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that runs them in the background makes tests, and all that they start, deaf to it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.stash[KEEPER] = BrokerKeeper()


def pytest_unconfigure(config: pytest.Config) -> None:
    if KEEPER in config.stash:
        config.stash[KEEPER].close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever asks for the broker first may wait for a package or an image: not the test's time."""
    for item in items:
        if "broker" in getattr(item, "fixturenames", ()):
            own = item.get_closest_marker("timeout") or pytest.mark.timeout.mark
            seconds: dict[str, Any] = {**own.kwargs, "func_only": True}
            item.add_marker(pytest.mark.timeout(*own.args, **seconds), append=False)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker where the controller's broker keeper listens."""
    node.workerinput[WORKER_INPUT] = node.config.stash[KEEPER].desk


@pytest.fixture(scope="session")
def broker(pytestconfig: pytest.Config) -> BrokerAddress:
    """The run's broker, shared by all workers; started when the first test asks for it."""
    if KEEPER in pytestconfig.stash:
        return ask_for_broker(pytestconfig.stash[KEEPER].desk)
    worker_input: dict[str, tuple[int, str]] = pytestconfig.workerinput  # type: ignore[attr-defined]
    return ask_for_broker(worker_input[WORKER_INPUT])


@pytest.fixture
async def namespace(broker: BrokerAddress) -> AsyncIterator[Namespace]:
    """A part of the broker that is this test's alone and disappears with it."""
    async with new_namespace(broker) as mine:
        yield mine
