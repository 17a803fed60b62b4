"""Renders the chart with Helm: the one on PATH, or one that scripts/helm fetches."""

import subprocess
from pathlib import Path

import pytest
import yaml
from charts.tests.manifests import Manifests

CHECKOUT = Path(__file__).parents[2]
CHART = CHECKOUT / "charts" / "speechmq"
MATRIX = sorted(path.stem.removesuffix("-values") for path in (CHART / "ci").glob("*-values.yaml"))


@pytest.fixture(scope="session")
def rendered() -> "Chart":
    return Chart()


class Chart:
    """Runs Helm; keeps what it rendered."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], Manifests] = {}

    def helm(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [str(CHECKOUT / "scripts" / "helm"), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    def render(self, *options: str) -> Manifests:
        if options not in self._kept:
            done = self.helm("template", "calls", str(CHART), "--namespace", "speech", *options)
            assert done.returncode == 0, done.stderr
            self._kept[options] = Manifests([one for one in yaml.safe_load_all(done.stdout) if one])
        return self._kept[options]

    def of(self, case: str, *options: str) -> Manifests:
        """One of the matrix, `ci/CASE-values.yaml`."""
        return self.render("--values", str(CHART / "ci" / f"{case}-values.yaml"), *options)

    def refusal(self, *options: str) -> str:
        """What Helm says of values that are wrong."""
        minimal = ("--values", str(CHART / "ci" / "minimal-values.yaml"))
        done = self.helm("template", "calls", str(CHART), *minimal, *options)
        assert done.returncode != 0, done.stdout
        return done.stderr
