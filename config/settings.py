"""The settings of a process: `IMAGEQUEUE_*` variables and `.env`, checked before the start."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from dotenv import dotenv_values
from pydantic import ValidationError, create_model
from pydantic_settings import SettingsConfigDict

from ..errors import ConfigError
from ..providers import PROVIDERS, accounts, find_services
from ..providers.account import Account
from ..providers.account_keys import AccountKey, find_key_problem
from ..providers.base import Provider
from ..providers.limits import ProviderLimits
from ..suggest import suggest
from .local_up import find_local_up
from .setting_fields import SettingFields
from .setting_types import NO_ARCHIVE

PREFIX = "IMAGEQUEUE_"
# A machine may be a client of a queue, too: `client/config.py` reads these.
CLIENT_NAMES = frozenset({"URL", "API_KEY"})
ENV_FILE = ".env"
DAY_S = 86400.0
ENCODING = "utf-8-sig"  # UTF-8, with or without the byte-order mark that Windows editors write

A = TypeVar("A", bound=Account)


class Settings(SettingFields):
    """The settings of every process; an unknown name or invalid value stops the start."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_file_encoding=ENCODING,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    @property
    def signing_secrets(self) -> tuple[bytes, ...]:
        """The secrets of callback URLs, the signing one first; raises ConfigError without one."""
        if not self.secret_key:
            raise ConfigError(
                f"{PREFIX}SECRET_KEY is not set: give every process the same long random text "
                "(`imagequeue up` makes one and stores it in its data folder)"
            )
        return tuple(secret.get_secret_value().encode() for secret in self.secret_key)

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """The secrets that sign webhooks; raises ConfigError without one."""
        if not self.webhook_secret:
            raise ConfigError(
                f"{PREFIX}WEBHOOK_SECRET is not set: webhooks would be sent unsigned "
                "(`imagequeue up` makes one and stores it in its data folder)"
            )
        return tuple(secret.get_secret_value() for secret in self.webhook_secret)

    def account(self, kind: type[A]) -> A:
        """Return a vendor's account as these settings describe it; it may have no key."""
        fields = {name: getattr(self, f"{kind.name}_{name}") for name in kind.model_fields}
        return kind.model_validate(fields)

    def usable_keys(self, provider: Provider) -> list[AccountKey]:
        """Return the keys that can pay for a provider, in order of preference, at least one.

        Raises ConfigError without any.
        """
        account = self.account(provider.account)
        usable = [key for key in account.keys if key.serves(provider.service)]
        if not usable:
            field = "api_keys" if account.keys else "api_key"
            of = provider.quota if account.keys else account.name
            raise ConfigError(f"no key for {of}: set {get_variable_name(provider.account, field)}")
        return usable

    def limits(self, provider: Provider) -> ProviderLimits:
        """Return the limits of each key over all jobs of the provider's quota."""
        return self.account(provider.account).adjust_limits(provider.limits)

    @property
    def max_submit_timeout_s(self) -> float:
        """How long a submission may take, to the slowest provider that has a key."""
        usable = [each for each in PROVIDERS.values() if self.account(each.account).keys]
        return max(self.submit_timeout_s, *(each.submit_timeout_s for each in usable), 0.0)

    @property
    def api_versions(self) -> dict[str, str]:
        """The API versions that settings fix, by provider; others start with their first."""
        versions: dict[str, str] = {}
        for kind in accounts():
            versions |= self.account(kind).api_versions()
        return versions

    @property
    def proxy_url(self) -> str:
        """The proxy's URL, with its password; empty without one."""
        return self.http_proxy.get_secret_value() if self.http_proxy else ""

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
    def archive(self) -> str:
        """The database of finished jobs as a URL, with its password; empty without one."""
        if self.archive_url:
            return "" if self.archive_url == NO_ARCHIVE else self.archive_url
        # Where the images are in DATA_DIR, all processes share it.
        return "" if self.storage_url else self.local_archive

    @property
    def local_archive(self) -> str:
        """The archive in DATA_DIR as a URL."""
        return f"sqlite:///{self.data_dir.resolve()}/archive.sqlite"

    @property
    def finished_s(self) -> float:
        """How long a finished job stays in Redis."""
        return self.retention_s or (DAY_S if self.archive else 30 * DAY_S)

    @property
    def upload_s(self) -> float:
        """How long an upload or a quarantined callback is stored."""
        return self.retention_s or 30 * DAY_S

    @property
    def scratch(self) -> Path:
        """The folder of files on their way to a bucket."""
        return self.data_dir.resolve() / "incoming"


def settings_class() -> type[Settings]:
    """Return `Settings` with the fields of every account, each under the account's name."""
    return _with_accounts(accounts())


@lru_cache
def _with_accounts(kinds: tuple[type[Account], ...]) -> type[Settings]:
    fields: dict[str, Any] = {
        f"{kind.name}_{name}": (field.annotation, field)
        for kind in kinds
        for name, field in kind.model_fields.items()
    }
    return create_model("Settings", __base__=Settings, **fields)


def get_variable_name(kind: type[Account], field: str) -> str:
    """Return the environment variable of an account's field."""
    return f"{PREFIX}{kind.name}_{field}".upper()


def read_settings(*, alone: bool = False, **overrides: Any) -> Settings:
    """Return the settings of this process; raises ConfigError, one line that names the remedy.

    Unset values come from the `imagequeue up` that runs with the same data folder, unless the
    process is to stand `alone` or uses another Redis.
    """
    _refuse_unknown_names(overrides)
    model = settings_class()
    try:
        settings = model(**overrides)
        up = None if alone or settings.redis_url else find_local_up(settings.data_dir)
        if up:
            settings = model(_env_file=(up, ENV_FILE), **overrides)
    except ValidationError as error:
        lines = (
            f"{PREFIX}{'.'.join(str(part) for part in detail['loc']).upper()}: "
            f"{detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_url=False, include_input=False)
        )
        raise ConfigError("; ".join(lines)) from None
    _check_account_keys(settings)
    return settings


def _check_account_keys(settings: Settings) -> None:
    for kind in accounts():
        if problem := find_key_problem(settings.account(kind).keys, find_services(kind)):
            raise ConfigError(f"{get_variable_name(kind, 'api_keys')}: {problem}")


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings, read once a process."""
    return read_settings()


def _refuse_unknown_names(overrides: Iterable[str]) -> None:
    """Raise ConfigError for an unknown name: a typo would silently leave the default in place."""
    known = {name.upper() for name in settings_class().model_fields}
    prefixed = (f"{PREFIX}{name}" for name in overrides)
    given = {name.upper() for name in (*os.environ, *_read_env_file_names(), *prefixed)}
    names = {name.removeprefix(PREFIX) for name in given if name.startswith(PREFIX)}
    groups = {name.partition("_")[0] for name in known}
    for name in sorted(names - known - CLIENT_NAMES):
        if PROVIDERS.problems and name.partition("_")[0] not in groups:
            continue  # it may be a setting of the plug-in that could not be loaded
        # Compared without the prefix: it would make every name similar to some other.
        remedy = suggest(name, known, prefix=PREFIX) or ".env.example lists all"
        raise ConfigError(f"Unknown setting {PREFIX}{name}; {remedy}")


def _read_env_file_names() -> Iterable[str]:
    try:
        return dotenv_values(ENV_FILE, encoding=ENCODING)
    except UnicodeDecodeError:
        raise ConfigError(f"{ENV_FILE} is not UTF-8 text: save it as UTF-8") from None
