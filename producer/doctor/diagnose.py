"""`imagequeue doctor`: what the settings lead to, each line ok or what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ...config.settings import PREFIX, Settings, read_settings
from ...errors import ImageQueueError, RedisUnavailableError
from ...storage import open_storage
from . import redis_checks, web_checks


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str


def diagnose() -> Iterator[Finding]:
    """Look at everything a job depends on, one finding at a time."""
    try:
        settings = read_settings()
    except ImageQueueError as error:
        yield Finding("settings", False, str(error))
        return
    yield Finding("settings", True, "understood")
    away = False
    for what, check in CHECKS.items():
        try:
            yield Finding(what, True, check(settings))
        except RedisUnavailableError as error:
            # The same words again for all that is to be read there would help nobody.
            if not away:
                yield Finding(what, False, str(error))
            away = True
        except (ImageQueueError, OSError) as error:
            yield Finding(what, False, str(error) or type(error).__name__)


def _secret(settings: Settings) -> str:
    return f"{len(settings.signing_secrets)} set"


def _webhooks(settings: Settings) -> str:
    if settings.webhook_url:
        return f"signed under {len(settings.webhook_secrets)} secrets"
    return f"none but those that jobs name ({PREFIX}WEBHOOK_URL is unset)"


def _storage(settings: Settings) -> str:
    storage = open_storage(settings.images_url, settings.scratch)
    storage.check()
    return f"pictures can be written to and read from {storage.url}"


CHECKS: dict[str, Callable[[Settings], str]] = {
    "redis": redis_checks.promise,
    "redis latency": redis_checks.latency,
    "redis memory": redis_checks.memory,
    "clock": redis_checks.clock,
    "secret": _secret,
    "provider keys": web_checks.provider_keys,
    "callbacks": web_checks.callbacks,
    "webhooks": _webhooks,
    "api keys": redis_checks.api_keys,
    "storage": _storage,
}
