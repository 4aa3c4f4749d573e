"""docker-compose.yml and the Procfile, read for the tests."""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml import YAML

from imagequeue.producer.local.supervisor import parse_procfile
from support.paths import ROOT

COMPOSE_FILE = ROOT / "docker-compose.yml"
COMPOSE = YAML(typ="safe").load(COMPOSE_FILE)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROCESSES = {name: each for name, each in SERVICES.items() if each["image"] == "imagequeue"}
WORKERS = {name: service for name, service in PROCESSES.items() if "-Q" in service["command"]}
PROCFILE = parse_procfile((ROOT / "Procfile").read_text())
COMMANDS = {
    "Procfile": list(PROCFILE.values()),
    "docker-compose.yml": [service["command"] for service in PROCESSES.values()],
}
SECRET = re.compile(r"KEY|SECRET|PASS|TOKEN|AUTH|CREDENTIAL|ARCHIVE_URL", re.IGNORECASE)
VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?:(:-|:\?)([^}]*))?\}|\$(\w+)")


def interpolate(text: str, env: dict[str, str]) -> str:
    """Interpolate as Compose does, as far as the file needs it."""

    def value(match: re.Match[str]) -> str:
        name, kind, rest, _ = match.groups()
        if match[0] == "$$":
            return "$"
        assert env.get(name) or kind == ":-", f"{name}: {rest}"
        return env.get(name) or rest

    return VARIABLE.sub(value, text)
