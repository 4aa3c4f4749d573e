"""What every provider has to hold, checked on requests made from its models and recorded bodies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..base import Provider
from .account_checks import ACCOUNT_CHECKS
from .cases import Case, Subject
from .request_checks import REQUEST_CHECKS
from .response_checks import RESPONSE_CHECKS

CHECKS = (*ACCOUNT_CHECKS, *REQUEST_CHECKS, *RESPONSE_CHECKS)
"""Each yields what is wrong with a provider; the first line of its docstring is what must hold."""


class Result(NamedTuple):
    """What one check found."""

    what: str
    problems: list[str]


def check_provider(provider: Provider, cases: Sequence[Case]) -> Iterator[Result]:
    """Run every check on a provider and its recorded bodies."""
    subject = Subject(provider, cases)
    for check in CHECKS:
        what = (check.__doc__ or "").partition("\n")[0].rstrip(".")
        try:
            yield Result(what, list(dict.fromkeys(check(subject))))
        except Exception as error:  # the provider's own, which none of its functions may raise
            yield Result(what, [f"raised {type(error).__name__}: {error}"[:300]])
