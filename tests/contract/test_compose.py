"""The compose stack, as far as its file tells; `make compose-test` runs it."""

import re
from pathlib import Path

import pytest
import yaml

from speechmq.broker.topology import ONE_YEAR_MS

CHECKOUT = Path(__file__).parents[2]
COMPOSE = (CHECKOUT / "docker-compose.yml").read_text()
SERVICES = yaml.safe_load(COMPOSE)["services"]
# In the place of nothing: a key that the emulator takes, and the name of a file that is not there.
STAND_INS = {"SPEECHMATICS_API_KEY", "COMPOSE_PROFILES"}
EXAMPLE = (CHECKOUT / ".env.example").read_text()


def test_example_names_each_variable_of_the_stack_with_its_default_and_no_other() -> None:
    files = [COMPOSE, *(path.read_text() for path in (CHECKOUT / "deploy/compose").glob("*.env"))]
    used = re.findall(r"\$\{(\w+)(?::-([^}]*))?", "\n".join(files))
    shown = dict(re.findall(r"^#(\w+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert set(shown) == {name for name, _ in used}
    defaults = {name: default for name, default in used if default and name not in STAND_INS}
    assert {name: shown[name] for name in defaults} == defaults


def test_no_image_moves_under_its_name() -> None:
    images = [re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", one["image"]) for one in SERVICES.values()]
    assert len(images) == len(SERVICES)
    assert [image for image in images if not re.search(r":[\w.-]+$", image)] == []
    assert [image for image in images if image.endswith(":latest")] == []


def test_all_that_is_ours_is_confined_and_known_to_be_well() -> None:
    ours = {name: one for name, one in SERVICES.items() if "build" in one}
    assert set(ours) == {"emulator", "worker", "console", "publisher", "listener"}
    for one in ours.values():
        assert (one["read_only"], one["cap_drop"]) == (True, ["ALL"])
        assert one["security_opt"] == ["no-new-privileges:true"]
    for name in ("publisher", "listener", "console", "worker"):
        waits_for = ours[name]["depends_on"].values()
        assert {one["condition"] for one in waits_for} == {"service_healthy"}


@pytest.mark.parametrize("stage", ["emulator", "service"])
def test_image_is_of_the_small_python_has_no_root_and_a_health_check(stage: str) -> None:
    text = (CHECKOUT / "Dockerfile").read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)
    (own,) = (one for one in stages if one.startswith(f"runtime AS {stage}\n"))
    (runtime,) = (one for one in stages if one.startswith("${PYTHON_IMAGE} AS runtime\n"))
    assert "ARG PYTHON_IMAGE=python:3.13-slim\n" in text
    assert "\nUSER 10001:10001\n" in runtime
    assert "\nUSER" not in own
    assert "\nHEALTHCHECK " in own
    assert '\nENTRYPOINT ["' in own  # so that a signal reaches it, and no shell


def test_claims_may_be_held_for_as_long_as_their_queue_says() -> None:
    settings = (CHECKOUT / "deploy/rabbitmq/20-speechmq.conf").read_text()
    assert f"\nconsumer_timeout = {ONE_YEAR_MS}\n" in settings
