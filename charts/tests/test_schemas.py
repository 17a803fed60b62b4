"""Every manifest of every case is one that Kubernetes takes; values that are wrong are refused."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from charts.tests.conftest import CHART, MATRIX, Chart

OLDEST, NEWEST = "1.27", "1.34"
CRDS = Path(__file__).parent / "crds"  # of operators; generate.py says where they are from
OF_OPERATORS = {path.stem for path in CRDS.glob("*.json")}


@pytest.mark.parametrize("case", MATRIX)
def test_chart_is_well_formed(rendered: Chart, case: str) -> None:
    values = str(CHART / "ci" / f"{case}-values.yaml")
    done = rendered.helm("lint", "--strict", str(CHART), "--values", values)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("case", MATRIX)
def test_kubernetes_takes_every_manifest(rendered: Chart, case: str, version: str) -> None:
    manifests = [one for one in rendered.of(case).found if one["kind"] not in OF_OPERATORS]
    assert len(manifests) >= 3
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_schema_check_can_fail(rendered: Chart) -> None:
    deployment = {**rendered.of("minimal").one("Deployment"), "spec": {"replicas": "two"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


def operators_take(manifest: dict[str, Any]) -> None:
    """Raises ``ValidationError``."""
    schema = json.loads((CRDS / f"{manifest['kind']}.json").read_text())
    jsonschema.validate(manifest, schema, cls=jsonschema.Draft202012Validator)


def test_operators_take_every_manifest_of_theirs(rendered: Chart) -> None:
    seen = set()
    for case in MATRIX:
        for manifest in rendered.of(case).found:
            if manifest["kind"] in OF_OPERATORS:
                operators_take(manifest)
                seen.add(manifest["kind"])
    assert seen == {"ServiceMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}


@pytest.mark.parametrize(
    ("kind", "path", "wrong"),
    [
        ("ScaledObject", ["spec", "triggers", 0, "type"], None),
        ("ScaledObject", ["spec", "maxReplicaCount"], "many"),
        ("ScaledObject", ["spec", "maxReplicas"], 3),
        ("ScaledObject", ["spec", "triggers", 0, "metadata", "value"], 5),  # strings alone
        ("TriggerAuthentication", ["spec", "secretTargetRef", 0, "key"], None),
        ("ServiceMonitor", ["spec", "endpoints", 0, "interval"], "soon"),
        ("ServiceMonitor", ["spec", "selector"], None),
        ("PrometheusRule", ["spec", "groups", 0, "rules", 0, "expr"], None),
        ("PrometheusRule", ["spec", "groups", 0, "rules", 0, "for"], "a while"),
    ],
)
def test_check_of_operators_manifests_can_fail(
    rendered: Chart, kind: str, path: list[str | int], wrong: object
) -> None:
    manifest: Any = next(one for case in MATRIX for one in rendered.of(case).of(kind))
    manifest = copy.deepcopy(manifest)
    *way, last = path
    place = manifest
    for step in way:
        place = place[step]
    if wrong is None:
        del place[last]
    else:
        place[last] = wrong
    with pytest.raises(jsonschema.ValidationError):
        operators_take(manifest)


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("workers=2", "additional properties 'workers' not allowed"),
        ("worker.capcity=2", "additional properties 'capcity' not allowed"),
        ("broker.url.name=x", "additional properties 'name' not allowed"),
        ("worker.capacity=0", "/worker/capacity"),
        ("worker.capacity=many", "/worker/capacity"),
        ("worker.shutdownGrace=0", "/worker/shutdownGrace"),
        ("upstream.url=https://eu.rt.speechmatics.com", "/upstream/url"),
        ("broker.namespace=a.b", "/broker/namespace"),
        ("broker.queueType=stream", "/broker/queueType"),
        ("image.digest=latest", "/image/digest"),
        ("autoscaling.type=vpa", "/autoscaling/type"),
        ("worker.settings.UPSTREAM__API_KEY=secret", "invalid propertyName 'UPSTREAM__API_KEY'"),
        ("worker.settings.BROKER__URL=amqp://u:p@h", "invalid propertyName 'BROKER__URL'"),
        ("worker.settings.UPSTREAM__PROXY=http://u:p@h", "invalid propertyName 'UPSTREAM__PROXY'"),
        ("worker.settings.TELEMETRY__OTLP_HEADERS=x", "invalid propertyName"),
        ("worker.settings.UPSTREAM__CREDENTIALS__A__API_KEY=x", "invalid propertyName"),
        ("worker.settings.UPSTREAM__CREDENTIALS__A__URL=wss://u:p@h", "does not match pattern"),
        ("worker.settings.UPSTREAM__MANAGEMENT_URL=https://u:p@h", "does not match pattern"),
        ("upstream.url=wss://u:p@h/v2", "/upstream/url"),
        ("upstream.url=wss://h/v2?jwt=x", "/upstream/url"),
        ("telemetry.otlpEndpoint=http://u:p@h", "/telemetry/otlpEndpoint"),
        ("extraEnv[0].name=SPEECHMQ_UPSTREAM__PROXY,extraEnv[0].value=x", "/extraEnv/0"),
        ("extraEnv[0].name=speechmq_upstream__api_key,extraEnv[0].value=x", "/extraEnv/0"),
        ("extraEnv[0].name=SPEECHMQ_UPSTREAM,extraEnv[0].value=x", "/extraEnv/0"),
        ("console.enabled=true,console.broker.secretName=x", "Say who may see the console"),
        ("console.enabled=true,console.userHeader=X-User", "a consumer's URL of RabbitMQ"),
        ("worker.settings.WORKER__CAPACITY=3", "invalid propertyName 'WORKER__CAPACITY'"),
        ("worker.settings.capacity=3", "invalid propertyName 'capacity'"),
        ("podDisruptionBudget.maxUnavailable=0", "/podDisruptionBudget/maxUnavailable"),
        ("health.port=80", "/health/port"),
        ("broker.url.secretName=", "Say where RabbitMQ is"),
        ("upstream.apiKey.secretName=", "Name the existing secret with Speechmatics' key"),
        ("autoscaling.type=keda", "Name the existing secret with the URL of RabbitMQ's HTTP API"),
    ],
)
def test_wrong_values_are_refused(rendered: Chart, option: str, told: str) -> None:
    assert told in rendered.refusal("--set", option)
