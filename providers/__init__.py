"""The image APIs that jobs are sent to, by name, and the accounts that pay there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidRequestError, Problem
from ..suggest import describe_unknown
from .account import Account
from .acedata.flux import AceDataFlux
from .acedata.images import AceDataImages
from .base import Provider
from .kie.flux_kontext import KieFluxKontext
from .kie.jobs import KieJobs
from .kie.midjourney import KieMidjourney
from .openai.images import OpenAIImages
from .registry import Registry

# A new provider needs one more entry here, or an entry point of its own distribution.
PROVIDERS = Registry(
    (
        KieJobs(),
        KieFluxKontext(),
        KieMidjourney(),
        AceDataFlux(),
        AceDataImages(),
        OpenAIImages(),
    )
)


def find(name: str, params: Mapping[str, Any] | None = None) -> Provider | None:
    """Return the provider called `name` in the service that `params` are for, if there is one."""
    known = PROVIDERS.get(name)
    return known.select(params or {}) if known else None


def get(name: str, params: Mapping[str, Any] | None = None) -> Provider:
    """Return what `find` does; raises InvalidRequestError if there is none."""
    if found := find(name, params):
        return found
    raise InvalidRequestError([Problem("provider", describe_unknown("provider", name, PROVIDERS))])


def accounts() -> tuple[type[Account], ...]:
    """Return the accounts of all providers, each once, in the providers' order."""
    return tuple(dict.fromkeys(provider.account for provider in PROVIDERS.values()))


def list_services() -> list[Provider]:
    """Return every provider in each of its services; some have the same quota."""
    return [each for provider in PROVIDERS.values() for each in provider.services]


def find_services(account: type[Account]) -> set[str]:
    """Return the services that a key of the account may be limited to."""
    return {each.service for each in list_services() if each.account is account and each.service}


def sandbox_settings(url: str) -> dict[str, str]:
    """Return the settings that send every account's requests to the sandbox at `url`."""
    addresses = {
        f"{account.name}_{field}": url
        for account in accounts()
        for field in account.model_fields
        if field.endswith("_url")
    }
    # Real keys of the environment must not get there.
    keys = {"api_key": "", "api_keys": "sandbox:sandbox"}
    return addresses | {
        f"{account.name}_{field}": value for account in accounts() for field, value in keys.items()
    }
