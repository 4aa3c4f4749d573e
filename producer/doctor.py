"""`imagequeue doctor`: what the settings lead to, each line ok or what to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import requests
from redis.exceptions import RedisError

from ..config.redis import REMEDY, Guarantee, connect, guarantee
from ..config.settings import PREFIX, Settings, read_settings
from ..errors import ImageQueueError


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
    for what, check in CHECKS.items():
        try:
            yield Finding(what, True, check(settings))
        except (ImageQueueError, RedisError, OSError) as error:
            yield Finding(what, False, str(error) or type(error).__name__)


def _redis(settings: Settings) -> str:
    client = connect(settings)
    version = client.info("server")["redis_version"]
    promise = guarantee(client)
    if promise in (Guarantee.NONE, Guarantee.EVERY_SECOND):
        raise ImageQueueError(f"Redis {version}: {promise}; {REMEDY}")
    return f"Redis {version} evicts nothing; {promise}"


def _secret(settings: Settings) -> str:
    secrets = settings.signing_secrets
    return f"{len(secrets)} set"


def _keys(settings: Settings) -> str:
    found = [name for name in ("kie", "acedata") if getattr(settings, f"{name}_api_key")]
    if not found:
        raise ImageQueueError(f"none: set {PREFIX}KIE_API_KEY or {PREFIX}ACEDATA_API_KEY")
    return f"set for {' and '.join(found)}"


def _callbacks(settings: Settings) -> str:
    if not settings.public_url:
        return f"off: jobs are polled ({PREFIX}PUBLIC_URL is unset)"
    try:
        answer = requests.get(f"{settings.public_url}/healthz", timeout=10)
    except requests.RequestException as error:
        raise ImageQueueError(
            f"{settings.public_url} does not answer ({type(error).__name__}): start the receiver "
            f"there, or mend {PREFIX}PUBLIC_URL"
        ) from None
    if not answer.ok:
        raise ImageQueueError(f"{settings.public_url}/healthz answers {answer.status_code}")
    return f"the receiver answers at {settings.public_url}"


def _storage(settings: Settings) -> str:
    folder = Path(unquote(urlsplit(settings.pictures_url).path))
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise ImageQueueError(f"{folder} cannot be written")
    return f"{folder} can be written"


CHECKS: dict[str, Callable[[Settings], str]] = {
    "redis": _redis,
    "secret": _secret,
    "provider keys": _keys,
    "callbacks": _callbacks,
    "storage": _storage,
}
