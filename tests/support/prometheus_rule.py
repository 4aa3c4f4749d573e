"""Writes the alerts in the forms for kustomize and Helm: `make alerts`."""

from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from support.paths import ROOT

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
RULE = ROOT / "deploy" / "kubernetes" / "components" / "monitoring" / "prometheus-rule.yaml"
CHART_ALERTS = ROOT / "deploy" / "helm" / "imagequeue" / "alerts.yaml"
HEAD = """\
# Written by `make alerts` from deploy/prometheus/alerts.yml.
"""


def dump(document: dict[str, Any]) -> str:
    text = StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.width = 100
    yaml.dump(document, text)
    return HEAD + text.getvalue()


def read_groups() -> dict[str, Any]:
    groups: dict[str, Any] = YAML(typ="safe").load(ALERTS)
    return groups


def build_rule() -> str:
    return dump(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": "imagequeue"},
            "spec": read_groups(),
        }
    )


FILES = {RULE: build_rule, CHART_ALERTS: lambda: dump(read_groups())}
"""Each file, and what builds it; a chart reads no file outside its folder."""

if __name__ == "__main__":
    for path, build in FILES.items():
        path.write_text(build())
