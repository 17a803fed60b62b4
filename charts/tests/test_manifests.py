"""What a cluster is told, case by case."""

import json
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from charts.tests.conftest import CHART, MATRIX, Chart
from charts.tests.manifests import Manifest, component, container, environment
from scripts.generate_chart import OBSERVABILITY, UndescribedError, described_values, drifted

from speechmq.settings import Settings

TMP = "/tmp"  # noqa: S108  # a volume's place


def pods(rendered: Chart) -> list[Manifest]:
    return [pod for case in MATRIX for pod in rendered.of(case).pods()]


def test_readme_alerts_and_dashboards_are_up_to_date() -> None:
    assert drifted() == []


def test_value_without_a_description_is_noticed() -> None:
    with pytest.raises(UndescribedError, match=r"a\.c has no"):
        list(described_values("a:\n  # -- told\n  b: 1\n  c: 2\n"))


def test_schema_knows_exactly_the_values_that_there_are() -> None:
    def known(schema: Any, values: Any, path: str = "") -> None:
        if isinstance(values, dict) and "properties" in schema:
            assert schema["additionalProperties"] is False, path
            optional = {"global"} if not path else {"claims"}
            assert set(schema["properties"]) - set(values) <= optional | {"limits", "requests"}, (
                path
            )
            for key, value in values.items():
                known(schema["properties"][key], value, f"{path}.{key}")

    schema = json.loads((CHART / "values.schema.json").read_text())
    known(schema, yaml.safe_load((CHART / "values.yaml").read_text()))


@pytest.mark.parametrize(
    ("case", "seconds"), [("minimal", 30), ("production", 56), ("staging", 30), ("bare", 15)]
)
def test_pod_is_left_alone_for_longer_than_its_hand_over(
    rendered: Chart, case: str, seconds: int
) -> None:
    pod = rendered.of(case).worker
    grace = float(environment(pod)["SPEECHMQ_WORKER__SHUTDOWN_GRACE"])
    assert pod["spec"]["terminationGracePeriodSeconds"] == seconds
    assert 10 <= seconds - grace < 11


@pytest.mark.parametrize("case", MATRIX)
def test_worker_is_probed_at_its_own_endpoints(rendered: Chart, case: str) -> None:
    worker = container(rendered.of(case).worker)
    probes = {
        name: worker[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")
    }
    assert probes == {
        "startup": {"path": "/started", "port": "health"},
        "liveness": {"path": "/live", "port": "health"},
        "readiness": {"path": "/ready", "port": "health"},
    }
    (port,) = worker["ports"]
    address = environment(rendered.of(case).worker)["SPEECHMQ_HEALTH__ADDRESS"]
    assert address == f"0.0.0.0:{port['containerPort']}"


def test_every_pod_is_confined(rendered: Chart) -> None:
    found = pods(rendered)
    assert len(found) == 2 * len(MATRIX) + 2
    for pod in found:
        spec, only = pod["spec"], container(pod)
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert (spec["automountServiceAccountToken"], spec["enableServiceLinks"]) == (False, False)
        assert {"name": "tmp", "mountPath": TMP} in only["volumeMounts"]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)


def test_secrets_come_from_existing_secrets_alone(rendered: Chart) -> None:
    for case in MATRIX:
        assert rendered.of(case).of("Secret") == []
    minimal = environment(rendered.of("minimal").worker)
    assert minimal["SPEECHMQ_BROKER__URL"] == ("rabbitmq", "url")
    assert minimal["SPEECHMQ_UPSTREAM__API_KEY"] == ("speechmatics", "api-key")
    production = environment(rendered.of("production").worker)
    assert production["BROKER_USERNAME"] == ("rabbitmq-default-user", "username")
    assert production["BROKER_PASSWORD"] == ("rabbitmq-default-user", "password")
    assert production["SPEECHMQ_UPSTREAM__API_KEY"] == ("speechmatics", "key")
    for pod in pods(rendered):
        assert not any("amqp" in word for word in container(pod)["args"])


def test_each_host_of_a_cluster_is_an_address(rendered: Chart) -> None:
    variables = environment(rendered.of("cluster").worker)
    assert variables["SPEECHMQ_BROKER__URL"] == ",".join(
        f"amqps://$(BROKER_USERNAME):$(BROKER_PASSWORD)@rabbitmq-{number}.rabbitmq:5671/speechmq"
        for number in range(3)
    )


def test_authorities_of_ones_own_are_trusted(rendered: Chart) -> None:
    pod = rendered.of("production").worker
    variables = environment(pod)
    assert variables["SPEECHMQ_BROKER__URL"] == (
        "amqps://$(BROKER_USERNAME):$(BROKER_PASSWORD)@rabbitmq.example:5671/calls%2Feu"
        "?cafile=/etc/speechmq/broker-ca/ca.crt"
    )
    assert variables["SPEECHMQ_UPSTREAM__CA_FILE"] == "/etc/speechmq/upstream-ca/ca.crt"
    mounted = {one["name"]: one["mountPath"] for one in container(pod)["volumeMounts"]}
    assert mounted == {
        "keys": "/etc/speechmq/keys",
        "tmp": TMP,
        "broker-ca": "/etc/speechmq/broker-ca",
        "upstream-ca": "/etc/speechmq/upstream-ca",
    }
    secrets = {
        one["name"]: (one["secret"]["secretName"], one["secret"].get("items"))
        for one in pod["spec"]["volumes"]
        if "secret" in one
    }
    assert secrets.pop("keys") == ("speechmatics-keys", None)
    assert secrets == {
        "broker-ca": ("rabbitmq-tls", [{"key": "ca.pem", "path": "ca.crt"}]),
        "upstream-ca": ("authorities", [{"key": "ca.crt", "path": "ca.crt"}]),
    }


@pytest.mark.parametrize("case", MATRIX)
def test_worker_takes_the_settings_that_it_is_given(
    rendered: Chart, case: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As Kubernetes would: secrets, files and references to variables filled in."""
    trusted = tmp_path / "ca.crt"
    trustme.CA().cert_pem.write_to_path(str(trusted))
    secrets = {"url": "amqps://u:p@h/v", "amqp": "amqps://u:p@h/v"}
    given = environment(rendered.of(case).worker)
    plain = {
        name: secrets.get(one[1], "x") if isinstance(one, tuple) else one
        for name, one in given.items()
    }
    for name, value in plain.items():
        for other in ("BROKER_USERNAME", "BROKER_PASSWORD"):
            value = value.replace(f"$({other})", plain.get(other, ""))  # noqa: PLW2901
        monkeypatch.setenv(name, value.replace("/etc/speechmq/upstream-ca/ca.crt", str(trusted)))
    settings = Settings.load()
    assert settings.worker.shutdown_grace == float(given["SPEECHMQ_WORKER__SHUTDOWN_GRACE"])
    assert settings.worker.capacity == int(given["SPEECHMQ_WORKER__CAPACITY"])
    if case == "production":
        assert settings.session.window == 6
        assert settings.upstream.app == "calls"
        assert settings.upstream.fallback_urls == ("wss://us.rt.speechmatics.com/v2",)


def test_network_policy_opens_what_a_worker_needs(rendered: Chart) -> None:
    rules = rendered.of("production").one("NetworkPolicy", "calls-speechmq")["spec"]
    assert [(rule["ports"][0]["port"], "from" in rule) for rule in rules["ingress"]] == [
        (8080, True)
    ]
    ports = [sorted({port["port"] for port in rule["ports"]}) for rule in rules["egress"]]
    assert ports == [[53], [5671], [443, 7443, 8443, 9443], [4318], [3128]]
    assert [bool(rule.get("to")) for rule in rules["egress"]] == [False, True, True, False, False]
    staging = rendered.of("staging")
    worker = staging.one("NetworkPolicy", "calls-speechmq")["spec"]
    ports = [sorted({port["port"] for port in rule["ports"]}) for rule in worker["egress"]]
    assert ports == [[53], [5672], [9000]]
    emulator = staging.one("NetworkPolicy", "-emulator")["spec"]
    assert (emulator["ingress"][0]["ports"], "egress" in emulator) == (
        [{"protocol": "TCP", "port": 9000}],
        False,
    )
    assert rendered.of("bare").of("NetworkPolicy") == []


@pytest.mark.parametrize("case", MATRIX)
def test_selectors_meet_the_workers_and_no_other_pod(rendered: Chart, case: str) -> None:
    found = rendered.of(case)
    selectors = [
        one["spec"]["selector"].get("matchLabels", one["spec"]["selector"])
        for kind in ("Deployment", "PodDisruptionBudget", "Service", "ServiceMonitor")
        for one in found.of(kind)
        if component(one["metadata"]) == "worker"
    ]
    assert len(selectors) >= 2
    for selector in selectors:
        met = [
            component(pod["metadata"])
            for pod in found.pods()
            if selector.items() <= pod["metadata"]["labels"].items()
        ]
        assert met == ["worker"]


def test_spread_and_disruptions(rendered: Chart) -> None:
    production = rendered.of("production")
    spread = production.worker["spec"]["topologySpreadConstraints"]
    assert [(one["topologyKey"], one["whenUnsatisfiable"]) for one in spread] == [
        ("topology.kubernetes.io/zone", "DoNotSchedule"),
        ("kubernetes.io/hostname", "DoNotSchedule"),
    ]
    budget = production.one("PodDisruptionBudget")["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (
        "25%",
        "AlwaysAllow",
    )
    bare = rendered.of("bare")
    assert "topologySpreadConstraints" not in bare.worker["spec"]
    assert bare.of("PodDisruptionBudget") == []
    assert bare.one("Deployment")["metadata"]["name"] == "calls"


def test_keda_scales_by_the_streams_that_there_are(rendered: Chart) -> None:
    found = rendered.of("production")
    spec = found.one("ScaledObject")["spec"]
    assert "replicas" not in found.one("Deployment", "calls-speechmq")["spec"]
    assert (
        spec["scaleTargetRef"]["name"]
        == found.one("Deployment", "calls-speechmq")["metadata"]["name"]
    )
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 40)
    (trigger,) = spec["triggers"]
    assert trigger["metadata"] == {
        "protocol": "http",
        "queueName": "speechmq.claims",
        "mode": "QueueLength",
        "value": "75",
    }
    authentication = found.one("TriggerAuthentication")
    assert authentication["metadata"]["name"] == trigger["authenticationRef"]["name"]
    assert authentication["spec"]["secretTargetRef"] == [
        {"parameter": "host", "name": "rabbitmq-monitoring", "key": "url"}
    ]


def test_hpa_is_the_alternative(rendered: Chart) -> None:
    found = rendered.of("staging")
    hpa = found.one("HorizontalPodAutoscaler")["spec"]
    assert found.of("ScaledObject") == []
    assert hpa["scaleTargetRef"]["name"] == "calls-speechmq"
    assert hpa["metrics"][0]["resource"]["target"]["averageUtilization"] == 70
    assert hpa["behavior"]["scaleDown"]["policies"] == [
        {"type": "Pods", "value": 1, "periodSeconds": 60}
    ]


def test_emulator_takes_the_place_of_speechmatics(rendered: Chart) -> None:
    found = rendered.of("staging")
    variables = environment(found.worker)
    assert variables["SPEECHMQ_UPSTREAM__URL"] == "ws://calls-speechmq-emulator:9000/v2"
    assert variables["SPEECHMQ_UPSTREAM__API_KEY"] == "dev"
    assert found.one("Service", "-emulator")["spec"]["ports"][0]["port"] == 9000
    assert [one for one in rendered.of("production").found if "emulator" in str(one)] == []


def test_doctor_examines_the_workers_own_settings(rendered: Chart) -> None:
    for case in MATRIX:
        found = rendered.of(case)
        doctor = found.one("Pod")
        assert doctor["metadata"]["annotations"]["helm.sh/hook"] == "test"
        assert container(doctor)["args"] == ["doctor"]
        assert environment(doctor) == environment(found.worker)
        assert container(doctor)["volumeMounts"] == container(found.worker)["volumeMounts"]


def test_prometheus_finds_the_workers(rendered: Chart) -> None:
    found = rendered.of("production")
    (endpoint,) = found.one("ServiceMonitor")["spec"]["endpoints"]
    service = found.one("Service", "-metrics")
    assert (endpoint["port"], endpoint["path"]) == (service["spec"]["ports"][0]["name"], "/metrics")
    assert found.one("ServiceMonitor")["metadata"]["labels"]["release"] == "prometheus"


def test_alerts_and_dashboards_are_those_of_the_checkout(rendered: Chart) -> None:
    found = rendered.of("production")
    alerts = yaml.safe_load((OBSERVABILITY / "alerts.yml").read_text())
    assert found.one("PrometheusRule")["spec"] == alerts
    dashboards = {one.name: one.read_text() for one in OBSERVABILITY.glob("dashboards/*.json")}
    assert len(dashboards) >= 3
    assert found.one("ConfigMap")["data"] == dashboards


def test_notes_warn_of_a_broker_in_the_clear(tmp_path: Path, rendered: Chart) -> None:
    values = str(CHART / "ci" / "staging-values.yaml")
    done = rendered.helm(
        "install", "calls", str(CHART), "--dry-run=client", "--values", values, "--namespace", "x"
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING: broker.tls is off" in done.stdout
    assert "helm test --namespace x calls --logs" in done.stdout


def test_console_has_a_login_and_a_consumers_rights(rendered: Chart) -> None:
    found = rendered.of("production")
    pod = found.one("Deployment", "-console")["spec"]["template"]
    assert container(pod)["args"] == [
        *("console", "--listen", "0.0.0.0:8080", "--allowed-host", "calls.example"),
        *("--user-header", "X-Forwarded-User"),
    ]
    assert environment(pod) == {
        "SPEECHMQ_BROKER__URL": ("rabbitmq-consumer", "url"),
        "SPEECHMQ_BROKER__NAMESPACE": "speechmq",
    }
    with_token = rendered.of(
        "production", "--set", "console.userHeader=,console.token.secretName=t"
    )
    pod = with_token.one("Deployment", "-console")["spec"]["template"]
    assert environment(pod)["SPEECHMQ_CONSOLE_TOKEN"] == ("t", "token")
    assert "--user-header" not in container(pod)["args"]


def test_variables_come_from_config_maps_and_secrets_too(rendered: Chart) -> None:
    worker = container(rendered.of("production").worker)
    assert worker["envFrom"] == [{"configMapRef": {"name": "speech-settings"}}]
