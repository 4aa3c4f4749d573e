# Written by `make client` from _async/submits.py: change that one.
# Written by `make client` from the providers' models.
"""The typed forms of `run` and `submit`: a wrong provider or parameter is an error of the types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from .results import Job, OnUpdate
from .submitting import Submitting

if TYPE_CHECKING:
    from .. import catalogue
    from ..inputs import SubmitOptions

WAIT_TIMEOUT_S = 3600.0


class Submits(Submitting):
    """Submits a job with the parameters of each provider."""

    @overload
    def submit(
        self,
        provider: Literal["kie"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit"] = ...,
        params: catalogue.KieAnyParams,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def submit(
        self,
        provider: Literal["kie-flux-kontext"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit"] = ...,
        params: catalogue.KieFluxKontextAnyParams = ...,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def submit(
        self,
        provider: Literal["kie-midjourney"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit", "upscale", "vary", "extend"] = ...,
        params: catalogue.KieMidjourneyAnyParams = ...,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def submit(
        self,
        provider: Literal["acedata-flux"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit"] = ...,
        params: catalogue.AcedataFluxAnyParams = ...,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def submit(
        self,
        provider: Literal["acedata"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit", "upscale", "vary", "extend", "reroll"] = ...,
        params: catalogue.AcedataAnyParams,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def submit(
        self,
        provider: Literal["openai-images"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit"] = ...,
        params: catalogue.OpenaiImagesAnyParams,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def submit(
        self,
        provider: catalogue.OtherProvider,
        prompt: str = ...,
        *,
        action: str = ...,
        params: Mapping[str, Any] = ...,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    def submit(
        self,
        provider: str,
        prompt: str = "",
        *,
        params: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Job:
        """Queue a job and return it at once.

        Raises InvalidRequestError with every problem, IdempotencyConflictError, LimitError or
        BudgetExceededError; then nothing was queued.
        """
        return self._submit(provider, prompt, params, options)

    @overload
    def run(
        self,
        provider: Literal["kie"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit"] = ...,
        params: catalogue.KieAnyParams,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def run(
        self,
        provider: Literal["kie-flux-kontext"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit"] = ...,
        params: catalogue.KieFluxKontextAnyParams = ...,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def run(
        self,
        provider: Literal["kie-midjourney"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit", "upscale", "vary", "extend"] = ...,
        params: catalogue.KieMidjourneyAnyParams = ...,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def run(
        self,
        provider: Literal["acedata-flux"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit"] = ...,
        params: catalogue.AcedataFluxAnyParams = ...,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def run(
        self,
        provider: Literal["acedata"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit", "upscale", "vary", "extend", "reroll"] = ...,
        params: catalogue.AcedataAnyParams,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def run(
        self,
        provider: Literal["openai-images"],
        prompt: str = ...,
        *,
        action: Literal["generate", "edit"] = ...,
        params: catalogue.OpenaiImagesAnyParams,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    @overload
    def run(
        self,
        provider: catalogue.OtherProvider,
        prompt: str = ...,
        *,
        action: str = ...,
        params: Mapping[str, Any] = ...,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
        **options: Unpack[SubmitOptions],
    ) -> Job: ...
    def run(
        self,
        provider: str,
        prompt: str = "",
        *,
        params: Mapping[str, Any] | None = None,
        timeout_s: float | None = WAIT_TIMEOUT_S,
        on_update: OnUpdate | None = None,
        **options: Any,
    ) -> Job:
        """Submit a job, wait until it is finished and return it with its images.

        Raises JobFailedError with the reason if it does not succeed, TimeoutError, after which the
        job goes on, and what `submit` raises. `on_update` is called with it after each change.
        """
        return self._run(provider, prompt, params, options, timeout_s, on_update)
