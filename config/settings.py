"""Every setting, once: `IMAGEQUEUE_*` variables and `.env`, checked before a start."""

from __future__ import annotations

import base64
import difflib
import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    create_model,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ..errors import ConfigError
from ..field_types import BaseURL, HttpURL, Unset
from ..providers import accounts
from ..providers.account import Account
from .local_up import find_local_up

PREFIX = "IMAGEQUEUE_"
ENV_FILE = ".env"

A = TypeVar("A", bound=Account)


def _split(value: Any) -> Any:
    """Turn `a, b` into ("a", "b"); an empty text is no entry."""
    if not isinstance(value, str):
        return value
    return tuple(part for part in (raw.strip() for raw in value.split(",")) if part)


def _redis_url(url: str) -> str:
    if not re.match(r"(redis|rediss|unix)://.", url):
        raise ValueError("must start with redis://, rediss:// or unix://")
    return url


def _storage_url(url: str) -> str:
    bucket = r"(s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]*(/[^\s/?#]+)*/?"
    if not re.fullmatch(rf"file:///[^?#]+|{bucket}", url):
        raise ValueError(
            "must be file:///folder, s3://bucket/prefix, gs://bucket/prefix or "
            "az://container/prefix; credentials go into the provider's own variables"
        )
    if {".", ".."} & set(unquote(url).split("/")):
        raise ValueError("must name its folder or prefix without . and ..")
    return url


def _webhook_secrets(secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for secret in secrets:
        try:
            key = base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)
        except ValueError:
            key = b""
        if not 24 <= len(key) <= 64:
            raise ValueError("must be `whsec_` and 24 to 64 random bytes in base64")
    return secrets


# Beyond this a date cannot be counted on: `inf` would stop a worker in the middle of its work.
MAX_SECONDS = 10 * 365 * 86400

Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
RedisURL = Annotated[str, AfterValidator(_redis_url)]
StorageURL = Annotated[str, AfterValidator(_storage_url)]
Commas = (NoDecode, BeforeValidator(_split))


class Settings(BaseSettings):
    """The settings of every process; a name or value that is not understood stops the start."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    # Where things are
    redis_url: Annotated[RedisURL | None, Unset] = Field(
        None, description="The Redis that holds the jobs; unset, the one `imagequeue up` embeds."
    )
    broker_url: Annotated[RedisURL | None, Unset] = Field(
        None, description="The Redis that carries Celery's messages; unset, `REDIS_URL`."
    )
    data_dir: Path = Field(
        Path("data"), description="The folder of the embedded Redis, the secrets and the pictures."
    )
    storage_url: Annotated[StorageURL | None, Unset] = Field(
        None,
        description="Where pictures are saved: `file:///folder`, `s3://bucket/prefix`, "
        "`gs://bucket/prefix` or `az://container/prefix`; unset, `pictures/` under `DATA_DIR`.",
    )
    public_url: Annotated[BaseURL | None, Unset] = Field(
        None, description="The receiver's address as providers see it; unset, jobs are polled."
    )

    # Secrets
    secret_key: Annotated[tuple[SecretStr, ...], *Commas] = Field(
        (), description="Signs callback URLs: the first signs, all verify; comma separated."
    )
    api_keys: Annotated[tuple[SecretStr, ...], *Commas] = Field(
        (),
        description="Keys of the HTTP API, `KEY` or `NAME:KEY`, comma separated; "
        "`imagequeue keys` makes more. Without any, only this machine gets in.",
    )

    # Webhooks
    webhook_url: Annotated[HttpURL | None, Unset] = Field(
        None, description="Where the ends of jobs are told to that name no URL of their own."
    )
    webhook_secret: Annotated[tuple[SecretStr, ...], AfterValidator(_webhook_secrets), *Commas] = (
        Field((), description="Signs webhooks (`whsec_...`, comma separated: all sign).")
    )
    webhook_give_up_s: Seconds = Field(
        86400, description="How long a webhook that nobody takes is sent again."
    )
    webhook_trusted_hosts: Annotated[tuple[str, ...], *Commas] = Field(
        (), description="`host:port` list of webhooks that may lie on private addresses."
    )

    # What a callback is believed
    callback_trust: Literal["url", "requery"] = Field(
        "url", description="`requery` asks the provider before a callback is believed."
    )
    callback_hosts: Annotated[tuple[str, ...], *Commas] = Field(
        (),
        description="Hosts (`*.example.com` too) that a callback's pictures may lie on; "
        "the provider is asked about others. Unset, all.",
    )

    # Time, in seconds
    poll_countdowns: Annotated[tuple[Seconds, ...], *Commas] = Field(
        (60, 300, 900),
        min_length=1,
        description="Pauses before the first polls: each counts from the poll before it.",
    )
    poll_tail_s: Seconds = Field(
        1800, description="Pause between polls once the countdowns are used up (`overdue`)."
    )
    give_up_after_s: Seconds = Field(
        86400, description="From acceptance to `failed` with reason `timed_out`."
    )
    submit_timeout_s: Seconds = Field(
        20, description="Deadline of one submission, answer included."
    )
    unconfirmed_after_s: Seconds = Field(
        3600, description="How long a job whose answer was lost waits for its own callback."
    )
    url_lifetime_s: Seconds = Field(
        3600, description="How long a result URL is taken to live where nobody says."
    )
    download_timeout_s: Seconds = Field(300, description="Deadline of one image's transfer.")
    sweep_every_s: Seconds = Field(1, description="How often a worker looks for due jobs.")
    lease_s: Seconds = Field(
        25, description="How long a hint or a worker may be silent before its job is woken again."
    )
    retention_s: Seconds = Field(
        2592000, description="How long the record of an ended job is kept; pictures stay."
    )

    # Bounds
    submit_attempts: PositiveInt = Field(
        20, description="Refusals for now (not rate limits) before a job fails."
    )
    download_attempts: PositiveInt = Field(
        8, description="Tries for each image before a job is `unsaved`."
    )
    max_crashes: PositiveInt = Field(
        10, description="Times that a step may break its worker before its job is ended."
    )
    download_max_bytes: PositiveInt = Field(
        536870912, description="The largest image or video that is saved."
    )
    download_trusted_hosts: Annotated[tuple[str, ...], *Commas] = Field(
        (), description="`host:port` list that may lie on private addresses, comma separated."
    )
    max_queued_messages: PositiveInt = Field(
        16, description="Hints that may stand in one queue; the rest wait in Redis, in order."
    )
    rate_limit_pause_s: Annotated[float, Field(ge=0, le=MAX_SECONDS)] = Field(
        10, description="Pause after a rate limit that names none."
    )

    # Logs
    log_format: Literal["console", "json"] = Field(
        "console", description="One line for people, or one JSON object, for each event."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least severe event that is logged."
    )

    @property
    def signing_secrets(self) -> tuple[bytes, ...]:
        """The secrets of callback URLs, the signing one first; raises ConfigError without one."""
        if not self.secret_key:
            raise ConfigError(
                f"{PREFIX}SECRET_KEY is not set: give every process the same long random text "
                "(`imagequeue up` makes one and keeps it under its data folder)"
            )
        return tuple(secret.get_secret_value().encode() for secret in self.secret_key)

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that sign webhooks; raises ConfigError without one."""
        if not self.webhook_secret:
            raise ConfigError(
                f"{PREFIX}WEBHOOK_SECRET is not set: webhooks would go out unsigned "
                "(`imagequeue up` makes one and keeps it under its data folder)"
            )
        return tuple(secret.get_secret_value() for secret in self.webhook_secret)

    def account(self, kind: type[A]) -> A:
        """Return a vendor's account as these settings describe it; its key may be missing."""
        fields = {name: getattr(self, f"{kind.name}_{name}") for name in kind.model_fields}
        return kind.model_validate(fields)

    def account_with_key(self, kind: type[A]) -> A:
        """Return an account that can pay; raises ConfigError without its key."""
        account = self.account(kind)
        if not account.key:
            raise ConfigError(f"no key for {kind.name}: set {variable_of(kind, 'api_key')}")
        return account

    @property
    def api_versions(self) -> dict[str, str]:
        """The API versions that settings fix, by provider; others start with their first."""
        versions: dict[str, str] = {}
        for kind in accounts():
            versions |= self.account(kind).api_versions()
        return versions

    @property
    def images_url(self) -> str:
        """The storage that images are saved in, as a URL."""
        if self.storage_url:
            return self.storage_url
        folder = self.data_dir.resolve()
        # Earlier releases saved to `pictures/`: where it exists, its images must stay readable.
        old = folder / "pictures"
        return (old if old.is_dir() else folder / "images").as_uri()

    @property
    def scratch(self) -> Path:
        """Where files lie on their way to a bucket."""
        return self.data_dir.resolve() / "incoming"


def settings_class() -> type[Settings]:
    """Return `Settings` with the fields of every provider's account, such as `kie_api_key`."""
    return _with_accounts(accounts())


@lru_cache
def _with_accounts(kinds: tuple[type[Account], ...]) -> type[Settings]:
    fields: dict[str, Any] = {
        f"{kind.name}_{name}": (field.annotation, field)
        for kind in kinds
        for name, field in kind.model_fields.items()
    }
    return create_model("Settings", __base__=Settings, **fields)


def variable_of(kind: type[Account], field: str) -> str:
    """Return the environment variable of an account's field."""
    return f"{PREFIX}{kind.name}_{field}".upper()


def read_settings(*, alone: bool = False, **overrides: Any) -> Settings:
    """The settings of this process; raises ConfigError with one line that says what to change.

    What is set nowhere comes from the `imagequeue up` that runs in the same data folder, unless
    the process stands alone, or on another Redis.
    """
    _refuse_unknown_names(overrides)
    model = settings_class()
    try:
        settings = model(**overrides)
        up = None if alone or settings.redis_url else find_local_up(settings.data_dir)
        return model(_env_file=(up, ENV_FILE), **overrides) if up else settings
    except ValidationError as error:
        lines = (
            f"{PREFIX}{'.'.join(str(part) for part in detail['loc']).upper()}: "
            f"{detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_url=False, include_input=False)
        )
        raise ConfigError("; ".join(lines)) from None


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings, read once a process."""
    return read_settings()


def _refuse_unknown_names(overrides: Iterable[str]) -> None:
    """Stop at a name that is no setting: a typo would silently leave the default in place."""
    known = {name.upper() for name in settings_class().model_fields}
    prefixed = (f"{PREFIX}{name}" for name in overrides)
    given = {name.upper() for name in (*os.environ, *_env_file_names(), *prefixed)}
    # Without the prefix that all share, or every name would be near to some.
    for name in sorted({n.removeprefix(PREFIX) for n in given if n.startswith(PREFIX)} - known):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {PREFIX}{near[0]}?" if near else "see .env.example for all of them"
        raise ConfigError(f"{PREFIX}{name} is no setting; {hint}")


def _env_file_names() -> Iterable[str]:
    try:
        return dotenv_values(ENV_FILE)
    except UnicodeDecodeError:
        raise ConfigError(f"{ENV_FILE} is not UTF-8 text: save it as that") from None
