"""Writes `.env.example` and `docs/settings.md` from the settings: `make settings`."""

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


FILES = {ROOT / ".env.example": build_example, ROOT / "docs" / "settings.md": build_docs}

if __name__ == "__main__":
    for path, build in FILES.items():
        path.write_text(build())
