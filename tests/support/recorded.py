"""The recorded bodies of each built-in provider."""

from __future__ import annotations

from dataclasses import replace

from imagequeue.providers import PROVIDERS
from imagequeue.providers.base import BatchProvider, Provider
from imagequeue.providers.conformance.cases import Case, Parsed, load_cases
from imagequeue.providers.wire import MalformedResponseError
from support.paths import RECORDED

# What these return is the same for all providers of an account, and recorded for one.
OF_THE_ACCOUNT = ("upload", "refresh_url")

CASES = {
    f"{name}/{case.name}": case
    for name, provider in PROVIDERS.items()
    for case in load_cases(provider, RECORDED)
}
BATCH_PROVIDERS = [name for name, each in PROVIDERS.items() if isinstance(each, BatchProvider)]
assert {name.partition("/")[0] for name in CASES} == {*PROVIDERS}


def cases_of(provider: Provider) -> list[Case]:
    """The recorded bodies of a provider, and those of its account."""
    return [
        case if case.provider is provider else replace(case, provider=provider)
        for case in CASES.values()
        if case.provider is provider
        or (case.provider.account is provider.account and case.kind in OF_THE_ACCOUNT)
    ]


def parse_or_none(case: Case, content: bytes, status: int | None = None) -> Parsed | None:
    """Return None for MalformedResponseError, which a submit response must never raise."""
    try:
        return case.parse(content, status)
    except MalformedResponseError:
        assert case.kind != "submit"
        return None
