"""The image services of AceData Cloud, and what is different in each."""

from __future__ import annotations

from ..fields import Fields
from ..tasks import Order, Task
from . import bodies
from .api import AceDataApi
from .orders import read_flux_order


class Flux(AceDataApi):
    """`/flux`; in the ledger, its tasks are those of `acedata-flux`, whoever has sent them."""

    name = provider = "acedata-flux"
    service = "flux"

    def read_order(self, fields: Fields) -> Order:
        """Return the order in a submission."""
        return read_flux_order(fields, only_edit=self.state.options.only_edit)


class NanoBanana(AceDataApi):
    """`/nano-banana`."""

    name = "acedata-nano-banana"
    service = "nano-banana"
    has_actions = True


class Seedream(AceDataApi):
    """`/seedream`."""

    name = "acedata-seedream"
    service = "seedream"


class QwenImage(AceDataApi):
    """`/qwen-image`."""

    name = "acedata-qwen-image"
    service = "qwen-image"


class OpenAIImages(AceDataApi):
    """`/openai`."""

    name = "acedata-openai"
    service = "openai"
    paths = ("images/generations", "images/edits")

    def build_result(self, task: Task, task_id: str) -> dict[str, object]:
        """Return the result in its own form."""
        return bodies.build_openai_result(task, task_id)


class Midjourney(AceDataApi):
    """`/midjourney`."""

    name = "acedata-midjourney"
    service = "midjourney"
    paths = ("imagine", "edits")
    has_models = False

    def build_result(self, task: Task, task_id: str) -> dict[str, object]:
        """Return the result in its own form."""
        return bodies.build_flat_result(task, task_id)


SERVICES = (Flux, NanoBanana, Seedream, QwenImage, OpenAIImages, Midjourney)
