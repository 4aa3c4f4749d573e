"""Work on earlier results of Midjourney at AceData Cloud, one request type for each action.

Its requests name the `image_id` of a result. The first half of the operations are of the grid of
four, the others of a single image, which an upscale has made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from ...errors import Problem
from ..base import ImageURL, Request
from ..problems import find_choice_problems

MODEL = "midjourney"


class FollowUp(Request):
    """Work on an earlier result."""

    choices: ClassVar[Mapping[str, str]] = {}
    """What chooses the operation: one of these parameters, with AceData's word for it."""

    model: Literal["midjourney"] = Field(description="The only model whose results are worked on.")
    task_id: str = Field(
        min_length=1,
        serialization_alias="image_id",
        description="AceData's `image_id` of the earlier result.",
    )
    mode: Literal["fast", "relax", "turbo"] | None = Field(None, description="Faster is dearer.")

    @property
    def operation(self) -> str:
        """AceData's name of what is to be done."""
        name = next(name for name in self.choices if getattr(self, name) is not None)
        value = getattr(self, name)
        word = str(value + 1) if isinstance(value, int) else value.replace(".", "_")
        return self.choices[name] + word

    def find_conflicts(self) -> Sequence[Problem]:
        """Check that exactly one parameter chooses the operation."""
        return find_choice_problems(self, self.choices)


class Upscale(FollowUp):
    """One image of a grid, or a single image, larger."""

    choices: ClassVar[Mapping[str, str]] = {"image_index": "upscale", "factor": "upscale_"}

    image_index: int | None = Field(
        None, ge=0, le=3, exclude=True, description="Which of the four of a grid, from 0."
    )
    factor: Literal["2x", "4x"] | None = Field(
        None, exclude=True, description="How much larger a single image becomes."
    )


class _Grid(FollowUp):
    split_images: bool | None = Field(
        None, description="Whether to deliver the four images of the grid, too."
    )


class Vary(_Grid):
    """Four variations of one image of a grid, or of a single image."""

    choices: ClassVar[Mapping[str, str]] = {"image_index": "variation", "strength": "variation_"}

    image_index: int | None = Field(
        None, ge=0, le=3, exclude=True, description="Which of the four of a grid, from 0."
    )
    strength: Literal["subtle", "strong", "region"] | None = Field(
        None, exclude=True, description="How much of a single image changes; `region`: the mask."
    )
    mask: ImageURL | None = Field(
        None, description="The URL of an image that marks what to change, for `region`."
    )

    def find_conflicts(self) -> Sequence[Problem]:
        """Check that a region has a mask, and only that."""
        if (self.strength == "region") != (self.mask is not None):
            words = "is required for" if self.mask is None else "is only for"
            return [*super().find_conflicts(), Problem("params.mask", f"{words} strength region")]
        return super().find_conflicts()


class Extend(_Grid):
    """A single image with more around it, or at one side."""

    choices: ClassVar[Mapping[str, str]] = {"zoom_out": "zoom_out_", "direction": "pan_"}

    zoom_out: Literal["1.5x", "2x"] | None = Field(
        None, exclude=True, description="How much more of the scene is shown."
    )
    direction: Literal["left", "right", "up", "down"] | None = Field(
        None, exclude=True, description="The side at which the scene goes on."
    )


class Reroll(_Grid):
    """The same prompt once more."""

    @property
    def operation(self) -> str:
        """AceData's name of what is to be done."""
        return "reroll"


FOLLOW_UPS: Mapping[str, type[FollowUp]] = {
    "upscale": Upscale,
    "vary": Vary,
    "extend": Extend,
    "reroll": Reroll,
}
"""The request type of each action."""
