"""Writes the PrometheusRule for Kubernetes from the alerts: `make alerts`."""

from io import StringIO

from ruamel.yaml import YAML

from support.paths import ROOT

ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
RULE = ROOT / "deploy" / "kubernetes" / "components" / "monitoring" / "prometheus-rule.yaml"
HEAD = """\
# Written by `make alerts` from deploy/prometheus/alerts.yml.
"""


def build_rule() -> str:
    text = StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.width = 100
    yaml.dump(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": "imagequeue"},
            "spec": yaml.load(ALERTS),
        },
        text,
    )
    return HEAD + text.getvalue()


if __name__ == "__main__":
    RULE.write_text(build_rule())
