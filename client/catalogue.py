# Written by `make client` from the providers' models.
"""The names and requests that this version of the queue knows, for type checkers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NewType, Required, TypedDict, Union

from .inputs import SubmitOptions

if TYPE_CHECKING:
    from .parameters import acedata, kie, openai

OtherProvider = NewType("OtherProvider", str)
"""The name of a provider that is not known here: of a plug-in, or chosen while the program runs."""

OtherParams = NewType("OtherParams", dict[str, Any])
"""Parameters that are not known here: of a model that is sent `unchecked`, or made as it runs."""


class _Request(SubmitOptions, total=False):
    """What every job may have."""

    prompt: str


class Fallback(TypedDict, total=False):
    """Another provider for the same job."""

    provider: Required[ProviderName | OtherProvider]
    params: Mapping[str, Any]


class OtherRequest(_Request, total=False):
    """A job of a provider that is not known here."""

    provider: Required[OtherProvider]
    action: str
    params: Mapping[str, Any]


ProviderName = Literal[
    "kie", "kie-flux-kontext", "kie-midjourney", "acedata-flux", "acedata", "openai-images"
]
ActionName = Literal["generate", "edit", "upscale", "vary", "extend", "reroll"]
Priority = Literal["high", "normal", "low"]
StateName = Literal[
    "queued",
    "submitting",
    "unconfirmed",
    "waiting",
    "overdue",
    "downloading",
    "unsaved",
    "succeeded",
    "failed",
    "cancelled",
]
ReasonName = Literal[
    "policy",
    "bad_input",
    "auth",
    "credit",
    "provider",
    "timed_out",
    "unreadable",
    "unconfirmed",
    "cancelled",
    "unsaved",
]
KieAnyParams = Union["kie.KieKnownParams", OtherParams]


class KieRequest(_Request, total=False):
    """A job of kie."""

    provider: Required[Literal["kie"]]
    action: Literal["generate", "edit"]
    params: Required[KieAnyParams]


KieFluxKontextAnyParams = Union["kie.KieFluxKontextKnownParams", OtherParams]


class KieFluxKontextRequest(_Request, total=False):
    """A job of kie-flux-kontext."""

    provider: Required[Literal["kie-flux-kontext"]]
    action: Literal["generate", "edit"]
    params: KieFluxKontextAnyParams


KieMidjourneyAnyParams = Union["kie.KieMidjourneyKnownParams", OtherParams]


class KieMidjourneyRequest(_Request, total=False):
    """A job of kie-midjourney."""

    provider: Required[Literal["kie-midjourney"]]
    action: Literal["generate", "edit", "upscale", "vary", "extend"]
    params: KieMidjourneyAnyParams


AcedataFluxAnyParams = Union["acedata.AcedataFluxKnownParams", OtherParams]


class AcedataFluxRequest(_Request, total=False):
    """A job of acedata-flux."""

    provider: Required[Literal["acedata-flux"]]
    action: Literal["generate", "edit"]
    params: AcedataFluxAnyParams


AcedataAnyParams = Union["acedata.AcedataKnownParams", OtherParams]


class AcedataRequest(_Request, total=False):
    """A job of acedata."""

    provider: Required[Literal["acedata"]]
    action: Literal["generate", "edit", "upscale", "vary", "extend", "reroll"]
    params: Required[AcedataAnyParams]


OpenaiImagesAnyParams = Union["openai.OpenaiImagesKnownParams", OtherParams]


class OpenaiImagesRequest(_Request, total=False):
    """A job of openai-images."""

    provider: Required[Literal["openai-images"]]
    action: Literal["generate", "edit"]
    params: Required[OpenaiImagesAnyParams]


Request = (
    KieRequest
    | KieFluxKontextRequest
    | KieMidjourneyRequest
    | AcedataFluxRequest
    | AcedataRequest
    | OpenaiImagesRequest
    | OtherRequest
)
