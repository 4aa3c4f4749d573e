"""Write the typed forms of `run` and `submit`, one for each provider."""

from imagequeue.providers.describe import list_providers
from support.client_parameters import to_class_name
from support.client_types import needs_params, to_literal

SIGNATURES = '''# Written by `make client` from the providers' models.
"""The typed forms of `run` and `submit`: a wrong provider or parameter is an error of the types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from .results import AsyncJob, OnUpdate
from .submitting import AsyncSubmitting

if TYPE_CHECKING:
    from .. import catalogue
    from ..inputs import SubmitOptions

WAIT_TIMEOUT_S = 3600.0


class AsyncSubmits(AsyncSubmitting):
    """Submits a job with the parameters of each provider."""
'''
METHODS = {
    "submit": (
        "",
        """Queue a job and return it at once.

        Raises InvalidRequestError with every problem, IdempotencyConflictError, LimitError or
        BudgetExceededError; then nothing was queued.
        """,
        "self._submit(provider, prompt, params, options)",
    ),
    "run": (
        "timeout_s: float | None = WAIT_TIMEOUT_S, on_update: OnUpdate | None = None,",
        """Submit a job, wait until it is finished and return it with its images.

        Raises JobFailedError with the reason if it does not succeed, TimeoutError, after which the
        job goes on, and what `submit` raises. `on_update` is called with it after each change.
        """,
        "self._run(provider, prompt, params, options, timeout_s, on_update)",
    ),
}


def write_signatures() -> str:
    """Return the module of the typed methods."""
    lines = [SIGNATURES]
    for method, (options, docstring, call) in METHODS.items():
        for each in list_providers():
            default = "" if needs_params(each.name) else " = ..."
            lines += [
                "    @overload",
                f"    async def {method}(",
                f"        self, provider: Literal[{each.name!r}], prompt: str = ...,",
                f"        *, action: {to_literal(each.actions)} = ...,",
                f"        params: catalogue.{to_class_name(each.name)}AnyParams{default},",
                f"        {options} **options: Unpack[SubmitOptions]) -> AsyncJob: ...",
            ]
        lines += [
            "    @overload",
            f"    async def {method}(self, provider: catalogue.OtherProvider, prompt: str = ...,",
            "        *, action: str = ..., params: Mapping[str, Any] = ...,",
            f"        {options} **options: Unpack[SubmitOptions]) -> AsyncJob: ...",
            f"    async def {method}(self, provider: str, prompt: str = '',",
            "        *, params: Mapping[str, Any] | None = None,",
            f"        {options} **options: Any) -> AsyncJob:",
            f'        """{docstring.rstrip()}\n        """',
            f"        return await {call}\n",
        ]
    return "\n".join(lines)
