"""What Helm rendered, and questions to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Manifests:
    found: list[Manifest]

    def of(self, kind: str) -> list[Manifest]:
        return [one for one in self.found if one["kind"] == kind]

    def one(self, kind: str, suffix: str = "") -> Manifest:
        """The only one of its kind whose name ends so, where it is given."""
        (only,) = (one for one in self.of(kind) if one["metadata"]["name"].endswith(suffix))
        return only

    @property
    def worker(self) -> Manifest:
        """The pod of a worker."""
        (deployment,) = (
            one for one in self.of("Deployment") if component(one["metadata"]) == "worker"
        )
        pod: Manifest = deployment["spec"]["template"]
        return pod

    def pods(self) -> Iterator[Manifest]:
        """`metadata` and `spec` of every pod."""
        for one in self.found:
            if one["kind"] == "Deployment":
                yield one["spec"]["template"]
            elif one["kind"] == "Pod":
                yield one


def component(metadata: Manifest) -> str:
    label: str = metadata["labels"]["app.kubernetes.io/component"]
    return label


def container(pod: Manifest) -> Manifest:
    (only,) = pod["spec"]["containers"]
    found: Manifest = only
    return found


def environment(pod: Manifest) -> dict[str, Any]:
    """Variables of the only container: a value, or (secret, key)."""
    variables = container(pod)["env"]
    names = [one["name"] for one in variables]
    assert len(names) == len(set(names)), "a variable is set twice"
    return {one["name"]: _value(one) for one in variables}


def _value(variable: Manifest) -> Any:
    if "value" in variable:
        return variable["value"]
    reference = variable["valueFrom"]["secretKeyRef"]
    return reference["name"], reference["key"]
