"""Every manifest of every case is one that Kubernetes takes; values that are wrong are refused."""

import kubernetes_validate
import pytest
from charts.tests.conftest import CHART, MATRIX, Chart

OLDEST, NEWEST = "1.27", "1.34"
OF_OPERATORS = {"ServiceMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication"}


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
