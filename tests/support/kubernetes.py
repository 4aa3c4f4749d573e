"""Manifests for Kubernetes, as kustomize and Helm build them."""

from __future__ import annotations

from functools import cache
from typing import Any

import kubernetes_validate
from ruamel.yaml import YAML

from support.checkout import run
from support.paths import ROOT
from support.processes import BIN

OVERLAY = ROOT / "deploy" / "kubernetes" / "overlays" / "example"
PREFIX = "imagequeue-"
Manifest = dict[str, Any]


@cache
def build_overlay() -> list[Manifest]:
    """Return the manifests of the example: the base with everything that belongs to it."""
    return parse_manifests(run(BIN / "kubectl", "kustomize", OVERLAY, folder=ROOT))


def parse_manifests(text: str) -> list[Manifest]:
    return list(YAML(typ="safe").load_all(text))


def validate(manifest: Manifest) -> None:
    """Raise unless a manifest of a kind that Kubernetes itself has is valid."""
    kubernetes_validate.validate(manifest, "1.33", strict=True)
