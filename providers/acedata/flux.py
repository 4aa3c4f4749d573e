"""Flux at AceData Cloud: pictures from words, and edits of one picture.

Asked asynchronously always. `dialect` is its word for an edit: the user's document says `edits`,
the current one `edit`. Source: both documents, and the official OpenAPI of 2026-08-07.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from ...errors import Problem
from ..base import BatchProvider, ImageURL, Prompt, Request
from ..wire import Answer, Call, Report, Submission, Unavailable
from . import responses, tasks

Pixels = Literal["1024x1024", "1024x1792", "1792x1024"]
Ratio = Literal["21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21"]

_TAKES_PIXELS = ("flux-dev", "flux-pro")
_NEEDS_RATIO = ("flux-2-flex", "flux-2-pro", "flux-2-max")


class Generate(Request):
    """Pictures from a prompt."""

    prompt: Prompt = Field(description="What to draw.")
    model: Literal[
        "flux-dev",
        "flux-pro",
        "flux-kontext-pro",
        "flux-kontext-max",
        "flux-2-flex",
        "flux-2-pro",
        "flux-2-max",
        "flux-2-klein",
    ] = Field("flux-dev", description="The Flux model.")
    size: Literal[Pixels, Ratio] | None = Field(
        None, description="A ratio, or pixels with flux-dev and flux-pro; some flux-2 need one."
    )
    count: int | None = Field(None, ge=1, description="How many pictures, each paid; default 1.")

    def conflicts(self) -> Sequence[Problem]:
        """Which models take which sizes."""
        if self.size is None and self.model in _NEEDS_RATIO:
            return [Problem("params.size", f"{self.model} needs a ratio, such as 1:1")]
        if "x" in (self.size or "") and self.model not in _TAKES_PIXELS:
            return [Problem("params.size", f"{self.model} takes a ratio, such as 1:1, not pixels")]
        return []


class Edit(Request):
    """One picture, changed as the prompt says."""

    prompt: Prompt = Field(description="What to change.")
    image_urls: list[ImageURL] = Field(
        min_length=1, max_length=1, description="The one picture to edit."
    )
    model: Literal["flux-kontext-pro", "flux-kontext-max"] = Field(
        "flux-kontext-pro", description="The Flux model; only these two edit."
    )
    size: Ratio | None = Field(None, description="The ratio of the result.")


class AceDataFlux(BatchProvider):
    """Its callbacks are unsigned, and its look-ups keep no status word."""

    name = "acedata-flux"
    account = "acedata"
    actions: ClassVar[Mapping[str, type[Request]]] = {"generate": Generate, "edit": Edit}
    dialects = ("edits", "edit")
    most_at_once = 50

    def submission(self, request: Request, callback_url: str | None, dialect: str) -> Call:
        """`POST /flux/images`, which would hold the socket for minutes without the last field."""
        fields = request.model_dump(exclude_none=True)
        action = "generate"
        if image_urls := fields.pop("image_urls", None):
            action = dialect
            fields["image_url"] = image_urls[0]
        later = {"callback_url": callback_url} if callback_url else {"async": True}
        return Call(method="POST", path="/flux/images", body={"action": action, **fields, **later})

    def read_submission(self, answer: Answer, dialect: str) -> Submission:
        """As all of AceData's; `edits` may be a word it no longer knows."""
        return responses.read_submission(answer, "edit" if dialect == "edits" else None)

    def lookup(self, task_id: str, dialect: str) -> Call:
        """`POST /flux/tasks`, free of charge."""
        return Call(method="POST", path="/flux/tasks", body={"action": "retrieve", "id": task_id})

    def read_lookup(self, answer: Answer, dialect: str) -> Report:
        """As all of AceData's."""
        return tasks.read_lookup(answer)

    def batch_lookup(self, task_ids: Sequence[str]) -> Call:
        """`POST /flux/tasks` for several, free of charge as well."""
        body: dict[str, object] = {"action": "retrieve_batch", "ids": list(task_ids)}
        return Call(method="POST", path="/flux/tasks", body=body)

    def read_batch_lookup(self, answer: Answer) -> Mapping[str, Report] | Unavailable:
        """As all of AceData's."""
        return tasks.read_batch_lookup(answer)

    def read_callback(self, body: bytes) -> Report:
        """As all of AceData's."""
        return tasks.read_callback(body)
