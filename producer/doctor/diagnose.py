"""Run every check; each finding is ok or says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from ...config.settings import PREFIX, Settings, read_settings
from ...errors import ImageQueueError
from ...jobs.private_urls import find_webhook_problem
from ...providers import PROVIDERS, list_services
from ...storage import FileStorage, open_storage
from . import limit_checks, redis_checks, web_checks
from .archive_check import check_archive
from .broker_check import check_broker
from .process_checks import check_processes


class Finding(NamedTuple):
    """The result of one check."""

    what: str
    ok: bool
    detail: str


def diagnose() -> Iterator[Finding]:
    """Check everything that jobs depend on, one finding at a time."""
    try:
        settings = read_settings()
    except ImageQueueError as error:
        yield Finding("settings", False, str(error))
        return
    yield Finding("settings", True, "valid")
    said: set[str] = set()
    for what, check in CHECKS.items():
        try:
            finding = Finding(what, True, check(settings))
        except (ImageQueueError, OSError) as error:
            finding = Finding(what, False, str(error) or type(error).__name__)
        # The same message for every further check of Redis would not help.
        if finding.ok or finding.detail not in said:
            yield finding
        if not finding.ok:
            said.add(finding.detail)
    yield from (each for each in _list_processes(settings) if each.detail not in said)


def _list_processes(settings: Settings) -> list[Finding]:
    try:
        return [Finding(*each) for each in check_processes(settings)]
    except ImageQueueError as error:
        return [Finding("processes", False, str(error))]


def _check_secret(settings: Settings) -> str:
    return f"{len(settings.signing_secrets)} set"


def _check_webhooks(settings: Settings) -> str:
    if settings.webhook_url:
        if problem := find_webhook_problem(settings, settings.webhook_url):
            raise ImageQueueError(f"{PREFIX}WEBHOOK_URL: {problem}")
        return f"signed under {len(settings.webhook_secrets)} secrets"
    return f"only those that jobs name ({PREFIX}WEBHOOK_URL is unset)"


def _check_plugins(settings: Settings) -> str:
    if PROVIDERS.problems:
        raise ImageQueueError("; ".join(PROVIDERS.problems))
    names = [each.name for each in PROVIDERS.values() if each not in PROVIDERS.built_in]
    return ", ".join(names) or "none"


def _check_storage(settings: Settings) -> str:
    storage = open_storage(settings.images_url, settings.scratch)
    if isinstance(storage, FileStorage) and (missing := storage.find_missing()):
        return f"{missing} does not exist yet; the first process that saves an image makes it"
    storage.check()
    works = f"images can be written to and read from {storage.url}"
    return f"{works}; {storage.warning}" if storage.warning else works


CHECKS: dict[str, Callable[[Settings], str]] = {
    "plug-ins": _check_plugins,
    "provider keys": web_checks.check_provider_keys,
    "secret": _check_secret,
    "storage": _check_storage,
    "redis": redis_checks.check_durability,
    "redis latency": redis_checks.check_latency,
    "redis memory": redis_checks.check_memory,
    "broker": check_broker,
    "clock": redis_checks.check_clock,
    "deployment": redis_checks.check_deployment,
    "archive": check_archive,
    "records": redis_checks.check_records,
    "outgoing": web_checks.check_outgoing,
    "callbacks": web_checks.check_callbacks,
    "webhooks": _check_webhooks,
    "api keys": redis_checks.check_api_keys,
    **{
        f"{quota} limits": partial(limit_checks.describe_limits, quota)
        for quota in dict.fromkeys(provider.quota for provider in list_services())
    },
}
"""In the order of a first start: what has to be set, then what has to run."""
