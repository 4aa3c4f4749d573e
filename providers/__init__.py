"""The image APIs this queue can ask, by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from ..errors import InvalidRequestError, Problem
from .acedata.flux import AceDataFlux
from .base import Provider
from .kie.flux_kontext import KieFluxKontext
from .kie.midjourney import KieMidjourney

PROVIDERS: Mapping[str, Provider] = {
    provider.name: provider for provider in (KieFluxKontext(), KieMidjourney(), AceDataFlux())
}


def get(name: str) -> Provider:
    """The provider called `name`; raises InvalidRequestError where there is none."""
    if name in PROVIDERS:
        return PROVIDERS[name]
    near = difflib.get_close_matches(name, PROVIDERS, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise InvalidRequestError(
        [Problem("provider", f"unknown provider; {hint}known: {', '.join(PROVIDERS)}")]
    )
