"""Writes each file that lists the settings, such as `.env.example`: `make settings`."""

import json
from typing import Any

from pydantic.fields import FieldInfo

from imagequeue.config.settings import PREFIX, settings_class
from imagequeue.providers import accounts
from support.paths import ROOT

SECTIONS = {
    "redis_url": "Addresses",
    "secret_key": "Secrets",
    "webhook_url": "Webhooks",
    "callback_trust": "Callbacks",
    "http_proxy": "Outgoing requests",
    "poll_countdowns": "Time, in seconds",
    "submit_attempts": "Limits",
    "log_format": "Logs",
    **{
        f"{kind.name}_{next(iter(kind.model_fields))}": f"Provider account `{kind.name}`"
        for kind in accounts()
    },
}
"""The headings, by the first setting below each."""

EXAMPLE_HEAD = """\
# Settings of imagequeue: copy this file to .env and uncomment what you change.
# Environment variables win over it. An unknown name or invalid value stops the start.
"""
DOCS_HEAD = """\
# Settings

Environment variables with the prefix `IMAGEQUEUE_`, or lines of a `.env` file in the working
directory (start from `.env.example`). Environment variables win. An unknown name or invalid value
stops the start with one line that names it. `imagequeue doctor` checks the settings and what they
lead to. This page is written by `make settings`.
"""
CHART_SCHEMA = ROOT / "deploy" / "helm" / "imagequeue" / "values.schema.json"
PATTERNS = {"storage_url": "^(s3|gs|az)://", "public_url": "^https?://"}
"""What a chart's values have to be besides: pods share no folder."""
TABLE_HEAD = "| setting | default | meaning |\n|---|---|---|\n"


def format_default(field: FieldInfo) -> str:
    if field.default is None or field.default == ():
        return ""
    if isinstance(field.default, tuple):
        return ",".join(map(str, field.default))
    return str(field.default)


def build_example() -> str:
    text = EXAMPLE_HEAD
    for name, field in settings_class().model_fields.items():
        if name in SECTIONS:
            text += f"\n## {SECTIONS[name]}\n"
        text += f"\n# {field.description}\n#{PREFIX}{name.upper()}={format_default(field)}\n"
    return text


def build_docs() -> str:
    text = DOCS_HEAD
    for name, field in settings_class().model_fields.items():
        if name in SECTIONS:
            text += f"\n## {SECTIONS[name]}\n\n{TABLE_HEAD}"
        default = format_default(field)
        text += (
            f"| `{name.upper()}` | {f'`{default}`' if default else ''} | {field.description} |\n"
        )
    return text


def describe_value(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a setting as a chart's value: a list is a text with commas."""
    schema = schema.get("anyOf", [schema])[0]
    if schema.get("type", "array") == "array":
        return {"type": ["string", "number"]}
    kept = ("type", "enum", "minimum", "exclusiveMinimum", "maximum", "maxLength")
    described = {key: schema[key] for key in kept if key in schema}
    return described | ({"pattern": PATTERNS[name]} if name in PATTERNS else {})


def build_chart_schema() -> str:
    """Return the schema of the chart's values; the settings are its last part."""
    head, start, _ = CHART_SCHEMA.read_text().rpartition('      "properties": {\n')
    settings = settings_class().model_json_schema()["properties"].items()
    lines = [
        f'        "{PREFIX}{name.upper()}": {json.dumps(describe_value(name, schema))}'
        for name, schema in settings
    ]
    return head + start + ",\n".join(lines) + "\n      }\n    }\n  }\n}\n"


FILES = {
    ROOT / ".env.example": build_example,
    ROOT / "docs" / "settings.md": build_docs,
    CHART_SCHEMA: build_chart_schema,
}

if __name__ == "__main__":
    for path, build in FILES.items():
        path.write_text(build())
