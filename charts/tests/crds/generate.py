"""Writes what operators' custom resources must look like, beside this file, as JSON Schema.

uv run --no-project --with cloudcoil-models-keda==2.16.1.0 \
    --with cloudcoil-models-prometheus-operator==0.80.1.0 python charts/tests/crds/generate.py

These packages are pydantic models that their makers generate from the CRDs of KEDA 2.16.1 and of
Prometheus Operator 0.80.1. What models add is taken out again (titles, defaults, null for what is
optional), and fields that a CRD does not name are refused, which the API server would drop.
"""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ADDED = ("title", "default", "description")


def condensed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [condensed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "anyOf" in schema:
        found = [condensed(one) for one in schema["anyOf"] if one != {"type": "null"}]
        return {"anyOf": found} if len(found) > 1 else found[0]
    kept = {key: one for key, one in schema.items() if key not in ADDED}
    if "pattern" in kept:  # Go takes a flag anywhere
        kept["pattern"] = kept["pattern"].replace("^(?i)", "(?i)^")
    for key in ("properties", "$defs"):
        if key in kept:
            kept[key] = {name: condensed(one) for name, one in kept[key].items()}
    for key in ("items", "additionalProperties"):
        if key in kept:
            kept[key] = condensed(kept[key])
    if kept.get("properties"):
        kept.setdefault("additionalProperties", False)
    return kept


def main() -> None:
    from cloudcoil.models.keda import v1alpha1 as keda  # noqa: PLC0415
    from cloudcoil.models.prometheus_operator import v1 as prometheus  # noqa: PLC0415

    of_keda = [keda.ScaledObject, keda.TriggerAuthentication]
    for kind in [*of_keda, prometheus.ServiceMonitor, prometheus.PrometheusRule]:
        schema = condensed(kind.model_json_schema(by_alias=True))
        path = HERE / f"{kind.__name__}.json"
        path.write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
