"""The image services of AceData Cloud, and what is different in each."""

from __future__ import annotations

from ..fields import Fields
from ..tasks import Order, Task
from . import bodies
from .api import AceDataApi
from .orders import read_flux_order, read_follow_up


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

    def read_order(self, fields: Fields) -> Order:
        """Return the order in a submission, which may work on an earlier result."""
        if fields.body.get("action", "generate") == "generate":
            return super().read_order(fields)
        image_id, now = fields.read_text("image_id", required=True), self.state.clock.now()
        for task in self.state.tasks.values():
            is_own = task.api == self.name and bodies.make_image_id(task) == image_id
            if is_own and task.state(now) == "success":
                return read_follow_up(fields, task.order)
        raise self.build_refusal(400, "image_id: there is no such image")

    def build_result(self, task: Task, task_id: str) -> dict[str, object]:
        """Return the result in its own form."""
        return bodies.build_flat_result(task, task_id)


SERVICES = (Flux, NanoBanana, Seedream, QwenImage, OpenAIImages, Midjourney)
