"""The bodies of the answers, and examples, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from ..api.examples import describe_response
from . import examples
from .body import ImageRequest
from .errors import ErrorDetails


class ImageData(BaseModel):
    """One image."""

    url: str | None = Field(None, description="Needs no API key, and lives for an hour.")
    b64_json: str | None = Field(None, description="The file as base64.")


class ImagesAnswer(BaseModel):
    """The images, in the form that OpenAI's SDKs read."""

    created: int = Field(description="When they were finished, in epoch seconds.")
    id: str = Field(description="Ours: the job, or the batch of several.")
    job: str = Field(description="Ours: the same.")
    errors: list[ErrorDetails] = Field(
        [], description="Ours: the jobs that failed, if others succeeded."
    )
    data: list[ImageData]


class PendingImages(BaseModel):
    """A request whose images are not made yet."""

    id: str
    job: str = Field(description="The same: the job, or the batch of several.")
    object: Literal["image.pending"] = "image.pending"
    status: str = Field(description="The state of the job, or of the first that is not finished.")
    created: int = Field(description="When it was accepted, in epoch seconds.")


class Model(BaseModel):
    """A model, in OpenAI's form."""

    id: str = Field(examples=[examples.MODEL])
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = Field(description="The provider.")


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


_PENDING = PendingImages(**examples.PENDING)
_TEXT = {"schema": {"type": "string"}}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {**describe_response(examples.ANSWER), "model": ImagesAnswer},
    202: {
        **describe_response(_PENDING.model_dump()),
        "model": PendingImages,
        "description": "Accepted, and not finished yet: `Prefer: respond-async` was sent.",
        "headers": {
            "Location": {"description": "Where the images will be.", **_TEXT},
            "Preference-Applied": {"description": "What was preferred.", **_TEXT},
            "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
        },
    },
}


def describe_form() -> dict[str, Any]:
    """Return the description of the form of an edit."""
    schema = ImageRequest.model_json_schema()
    file = {"type": "string", "format": "binary"}
    fields = dict(schema["properties"])
    fields["image"] = {
        "anyOf": [file, {"type": "array", "items": file}],
        "description": "The image, or several, also as `image[]`: PNG, JPEG, WebP or GIF, each of "
        "up to 30 MB.",
    }
    fields["mask"] = {**file, "description": "What to change, where the model takes a mask."}
    form = {"type": "object", "properties": fields, "required": [*schema["required"], "image"]}
    content = {"multipart/form-data": {"schema": form, "example": examples.EDIT}}
    return {"requestBody": {"required": True, "content": content}}
