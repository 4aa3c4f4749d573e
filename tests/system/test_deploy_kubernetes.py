"""The manifests for Kubernetes are valid, and agree with docker-compose.yml; checked offline."""

from __future__ import annotations

import json

from pydantic import BaseModel

from imagequeue.config.queues import Queue
from imagequeue.config.settings import Settings
from imagequeue.producer.local.up import STOP_MARGIN_S
from imagequeue.providers import PROVIDERS
from support.compose import PROCESSES, interpolate
from support.deploy_secrets import GROUPS, SECRETS_OF
from support.kubernetes import PREFIX, Manifest, build_overlay, validate
from support.prometheus_rule import FILES


def find(kind: str) -> dict[str, Manifest]:
    """Return the manifests of a kind, by name."""
    found = [each for each in build_overlay() if each["kind"] == kind]
    return {each["metadata"]["name"].removeprefix(PREFIX): each for each in found}


def find_pods() -> dict[str, Manifest]:
    return {name: each["spec"]["template"]["spec"] for name, each in find("Deployment").items()}


def import_models() -> dict[str, type[BaseModel]]:
    """Return the models of custom resources; their import costs more than all other modules do."""
    from cloudcoil.models.keda.v1alpha1 import ScaledObject
    from cloudcoil.models.prometheus_operator.v1 import PrometheusRule, ServiceMonitor

    models = (ScaledObject, ServiceMonitor, PrometheusRule)
    return {model.__name__: model for model in models}


def test_every_manifest_is_valid() -> None:
    models = import_models()
    for manifest in build_overlay():
        if model := models.get(manifest["kind"]):
            # The models accept unknown fields: what they keep must be all.
            kept = model.model_validate(manifest).model_dump(
                mode="json", by_alias=True, exclude_unset=True
            )
            assert json.dumps(kept, sort_keys=True) == json.dumps(manifest, sort_keys=True)
        else:
            validate(manifest)


def test_deployments_run_the_commands_of_compose() -> None:
    commands = {name: pod["containers"][0]["command"] for name, pod in find_pods().items()}
    assert commands.pop("metrics") == commands["api"]
    assert commands == {
        name: interpolate(service["command"], {}).split() for name, service in PROCESSES.items()
    }


def test_each_pod_gets_the_secrets_that_it_needs() -> None:
    for name, pod in find_pods().items():
        sources = pod["containers"][0]["envFrom"]
        groups = [each["secretRef"]["name"] for each in sources if "secretRef" in each]
        given = set().union(*(GROUPS[group.removeprefix(PREFIX)] for group in groups))
        assert given == SECRETS_OF["api" if name == "metrics" else name], name
        assert f"{PREFIX}redis" in groups


def test_no_pod_has_rights_or_writes_outside_its_volumes() -> None:
    for pod in find_pods().values():
        assert pod["securityContext"]["runAsNonRoot"]
        assert not pod["automountServiceAccountToken"]
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {each["mountPath"] for each in container["volumeMounts"]} == {"/data", "/tmp"}
        assert container["readinessProbe"]
        assert container["resources"]["limits"]["memory"]


def test_no_variable_of_a_service_is_an_unknown_setting() -> None:
    assert [name for name, pod in find_pods().items() if pod["enableServiceLinks"]] == []


def test_pod_that_stops_records_the_last_response() -> None:
    longest = max(each.submit_timeout_s for each in PROVIDERS.values())
    longest = max(longest, Settings.model_fields["submit_timeout_s"].default)
    for pod in find_pods().values():
        assert pod["terminationGracePeriodSeconds"] > longest + STOP_MARGIN_S


def test_every_queue_scales_with_what_is_due() -> None:
    scaled = find("ScaledObject")
    assert scaled.keys() == {*map(str, Queue)}
    for name, each in scaled.items():
        assert each["spec"]["scaleTargetRef"]["name"] == f"{PREFIX}{name}"
        assert "replicas" not in find("Deployment")[name]["spec"], "KEDA sets it"
        queries = [trigger["metadata"]["query"] for trigger in each["spec"]["triggers"]]
        assert queries == [
            f'max(imagequeue_{metric}{{queue="{name}"}})'
            for metric in ("wakeups_due", "wakeup_overdue_seconds")
        ]


def test_rules_are_those_of_prometheus() -> None:
    for path, build in FILES.items():
        assert path.read_text() == build(), "run `make alerts`"


def test_one_api_is_scraped_under_the_name_of_the_alerts() -> None:
    (monitor,) = find("ServiceMonitor").values()
    (service,) = [
        each
        for each in find("Service").values()
        if monitor["spec"]["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
    ]
    assert service["metadata"]["name"] == f"{PREFIX}metrics"
    assert find("Deployment")["metrics"]["spec"]["replicas"] == 1
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": "imagequeue"}]


def test_only_the_receiver_is_public() -> None:
    (ingress,) = find("Ingress").values()
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"]["name"] == f"{PREFIX}receiver"
    assert {each["spec"].get("type") for each in find("Service").values()} == {None}
    allowed = {name for name, each in find("NetworkPolicy").items() if "ingress" in each["spec"]}
    assert allowed == {"api", "metrics", "receiver"}


def test_policies_leave_other_pods_of_the_namespace_alone() -> None:
    for policy in find("NetworkPolicy").values():
        labels = policy["spec"]["podSelector"]["matchLabels"]
        assert labels["app.kubernetes.io/name"] == "imagequeue"


def test_a_drained_node_takes_one_pod_at_a_time() -> None:
    budgets = find("PodDisruptionBudget")
    assert budgets.keys() == find_pods().keys() - {"flower", "metrics"}
    for name, budget in budgets.items():
        labels = find("Deployment")[name]["spec"]["template"]["metadata"]["labels"]
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
