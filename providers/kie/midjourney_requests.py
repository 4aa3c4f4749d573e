"""The request models of Midjourney at kie.ai: one for each action, in our own field names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ...errors import Problem
from ..base import ImageURL, Prompt, Request

VIDEO_TASKS = ("video", "video_hd")
"""The task types that make videos."""

_PROMPT_LENGTH = 2000


class _Options(Request):
    """The parameters that `generate` and `edit` share."""

    prompt: Prompt = Field(max_length=_PROMPT_LENGTH, description="What to draw, in English.")
    speed: Literal["relaxed", "fast", "turbo"] | None = Field(
        None, description="Faster costs more; videos and omni references need none."
    )
    aspect_ratio: (
        Literal["1:2", "9:16", "2:3", "3:4", "5:6", "6:5", "4:3", "3:2", "1:1", "16:9", "2:1"]
        | None
    ) = Field(None, description="Width to height.")
    version: Literal["7", "6.1", "6", "5.2", "5.1", "niji6"] | None = Field(
        None, description="The Midjourney model."
    )
    variety: int | None = Field(
        None, ge=0, le=100, multiple_of=5, description="How much the images differ, in fives."
    )
    stylization: int | None = Field(
        None, ge=0, le=1000, description="How much of Midjourney's own style; best in fifties."
    )
    weirdness: int | None = Field(
        None, ge=0, le=3000, description="How unusual it may become; best in hundreds."
    )
    watermark: str | None = Field(None, description="A text to put on the image.")
    enable_translation: bool | None = Field(
        None, description="Translate the prompt to English first; default false."
    )


class Generate(_Options):
    """Images or videos from a prompt, with or without reference images."""

    task_type: Literal["txt2img", "style_reference", "omni_reference", "video", "video_hd"] = Field(
        "txt2img", description="What to make; all but txt2img need `image_urls`."
    )
    image_urls: list[ImageURL] | None = Field(
        None, description="The references; for a video, its one first image."
    )
    omni_weight: int | None = Field(
        None, ge=1, le=1000, description="How closely to follow the reference; omni_reference only."
    )
    video_batch_size: Literal[1, 2, 4] | None = Field(
        None, description="How many videos; video and video_hd only; default 1."
    )
    motion: Literal["high", "low"] | None = Field(
        None, description="How much the video moves; video and video_hd only; default high."
    )

    def find_conflicts(self) -> list[Problem]:
        """Check that the task type takes these fields and this many images."""
        problems = self._check_image_count(len(self.image_urls or ()))
        if self.omni_weight is not None and self.task_type != "omni_reference":
            problems.append(Problem("params.omni_weight", "only with task_type omni_reference"))
        if self.task_type not in VIDEO_TASKS:
            problems += [
                Problem(f"params.{name}", "only with task_type video or video_hd")
                for name in ("video_batch_size", "motion")
                if getattr(self, name) is not None
            ]
        return problems

    def _check_image_count(self, count: int) -> list[Problem]:
        if self.task_type == "txt2img" and count:
            advice = "txt2img takes none; use the action edit, or another task_type"
        elif self.task_type in VIDEO_TASKS and count != 1:
            advice = f"{self.task_type} takes exactly one image"
        elif self.task_type != "txt2img" and not count:
            advice = f"{self.task_type} takes at least one image"
        else:
            return []
        return [Problem("image_urls", advice)]


class Edit(_Options):
    """Images made from images."""

    task_type: Literal["img2img"] = Field("img2img", description="The one way to edit.")
    image_urls: list[ImageURL] = Field(min_length=1, description="The images to start from.")


class _FollowUp(Request):
    """Work on the result of an earlier task."""

    task_id: str = Field(min_length=1, description="kie's id of the earlier task.")
    watermark: str | None = Field(None, description="A text to put on the result.")


class Upscale(_FollowUp):
    """One of the four images, larger."""

    image_index: int = Field(ge=0, le=3, description="Which of the four, from 0.")


class Vary(Upscale):
    """Four variations of one of the four images."""


class Extend(_FollowUp):
    """A video, made longer."""

    index: int = Field(ge=0, description="Which of the task's videos, from 0.")
    mode: Literal["manual", "auto"] = Field(
        description="`manual` takes a prompt, `auto` takes none."
    )
    prompt: Annotated[str, StringConstraints(strip_whitespace=True)] = Field(
        "", max_length=_PROMPT_LENGTH, description="What happens next; with mode manual only."
    )

    def find_conflicts(self) -> list[Problem]:
        """Check that there is a prompt with mode manual, and only then."""
        if bool(self.prompt) == (self.mode == "manual"):
            return []
        advice = "takes no prompt" if self.prompt else "needs a prompt"
        return [Problem("prompt", f"mode {self.mode} {advice}")]
