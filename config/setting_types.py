"""Types of settings, each with its check."""

from __future__ import annotations

import base64
import re
import ssl
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator, Field, IPvAnyNetwork, SecretStr

from ..field_types import COMMAS, MAX_SECONDS
from .amqp import is_amqp_url, normalize_amqp_url
from .host_patterns import check_pattern
from .redis_url import SCHEMES as REDIS_SCHEMES
from .redis_url import normalize_redis_url
from .sentinel import SCHEMES as SENTINEL_SCHEMES

NO_ARCHIVE = "none"
_BUCKET_URL = r"(s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]*(/[^\s/?#]+)*/?"


def _normalize_broker_url(url: str) -> str:
    if is_amqp_url(url):
        return normalize_amqp_url(url)
    if url.partition("://")[0] not in (*REDIS_SCHEMES, *SENTINEL_SCHEMES):
        raise ValueError(
            "must start with redis://, rediss://, unix://, redis+sentinel://, rediss+sentinel://, "
            "amqp:// or amqps://: no other broker is supported"
        )
    return normalize_redis_url(url)


def _check_storage_url(url: str) -> str:
    if not re.fullmatch(rf"file:///[^?#]+|{_BUCKET_URL}", url):
        raise ValueError(
            "must be file:///folder, s3://bucket/prefix, gs://bucket/prefix or "
            "az://container/prefix; credentials go into the provider's own variables"
        )
    if not unquote(url).isprintable():
        raise ValueError("must not contain control characters")
    if url.startswith("file:///~"):
        raise ValueError("must have the path of the home folder instead of ~")
    if {".", ".."} & set(unquote(url).split("/")):
        raise ValueError("must name its folder or prefix without . and ..")
    return url


def _check_archive_url(url: str) -> str:
    if url != NO_ARCHIVE and not re.fullmatch(r"sqlite:////[^?#]+|postgresql\+psycopg://\S+", url):
        raise ValueError(
            "must be sqlite:////folder/file, postgresql+psycopg://user:password@host/database, or "
            f"{NO_ARCHIVE}"
        )
    return url


def _check_proxy_url(url: SecretStr) -> SecretStr:
    if not re.fullmatch(r"https?://[^\s/?#]+/?", url.get_secret_value()):
        raise ValueError("must be http://host:port or https://host:port")
    return url


def _check_path(path: object) -> object:
    """Refuse what is no path: an empty one would be the working directory."""
    if isinstance(path, str) and (not path.strip() or not path.isprintable() or "://" in path):
        raise ValueError("must be a path, not a URL, and without control characters")
    return path


def _expand_home(path: Path) -> Path:
    """Replace a leading `~`, as a shell would: no shell reads `.env` or a unit file."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("starts with ~, and there is no home folder: write the path out") from None


def _check_certificate_file(path: Path) -> Path:
    try:
        ssl.create_default_context(cafile=path)
    except OSError:  # also for a file without certificates
        raise ValueError("must be a PEM file of certificates") from None
    return path


def _check_webhook_secrets(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for secret in secrets:
        try:
            key = base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
        except ValueError:
            key = b""
        if not 24 <= len(key) <= 64:
            raise ValueError("must be `whsec_` and 24 to 64 random bytes in base64")
    return secrets


SecondsOrZero = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
Networks = Annotated[tuple[IPvAnyNetwork, ...], *COMMAS]
Host = Annotated[str, AfterValidator(partial(check_pattern, needs_port=False))]
HostWithPort = Annotated[str, AfterValidator(partial(check_pattern, needs_port=True))]
Hosts = Annotated[tuple[Host, ...], *COMMAS]
HostsWithPort = Annotated[tuple[HostWithPort, ...], *COMMAS]
WebhookSecrets = Annotated[tuple[SecretStr, ...], AfterValidator(_check_webhook_secrets), *COMMAS]
RedisURL = Annotated[str, AfterValidator(normalize_redis_url)]
BrokerURL = Annotated[str, AfterValidator(_normalize_broker_url)]
ProxyURL = Annotated[SecretStr, AfterValidator(_check_proxy_url)]
ArchiveURL = Annotated[str, AfterValidator(_check_archive_url)]
FilePath = Annotated[Path, BeforeValidator(_check_path), AfterValidator(_expand_home)]
CertificateFile = Annotated[FilePath, AfterValidator(_check_certificate_file)]
StorageURL = Annotated[str, AfterValidator(_check_storage_url)]
