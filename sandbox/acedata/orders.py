"""Reading of AceData's submissions, with the checks that AceData makes."""

from __future__ import annotations

from ..fields import Fields
from ..tasks import Order

CREDITS = {
    "flux-dev": 1,
    "flux-pro": 2,
    "flux-kontext-pro": 2,
    "flux-kontext-max": 4,
    "flux-2-flex": 3,
    "flux-2-pro": 2,
    "flux-2-max": 4,
    "flux-2-klein": 1,
}
"""The price of one image."""

RATIOS = ("21:9", "16:9", "4:3", "3:2", "1:1", "2:3", "3:4", "9:16", "9:21")
PIXELS = ("1024x1024", "1024x1792", "1792x1024")
_PIXELS_TOO = ("flux-dev", "flux-pro")
_SIZE_REQUIRED = ("flux-2-flex", "flux-2-pro", "flux-2-max")


def read_order(fields: Fields, *, only_edit: bool) -> Order:
    """Return the order of an image or an edit; `only_edit` refuses the action `edits`."""
    actions = ("generate", "edit") if only_edit else ("generate", "edit", "edits")
    edit = fields.read_choice("action", actions) != "generate"
    model = fields.read_choice("model", CREDITS, "flux-dev")
    if edit and model in _PIXELS_TOO:
        raise fields.build_refusal("model", f"{model} cannot edit")
    fields.read_url("image_url", required=edit)
    fields.check_flags("async")
    # The count has no effect on an edit.
    count = 1 if edit else fields.read_integer("count", 1, low=1, high=10)
    return Order(
        prompt=fields.read_text("prompt", required=True),
        body=fields.body,
        callback_url=fields.read_url("callback_url"),
        credits=CREDITS[model] * count,
        ratio=_read_size(fields, model),
        extension="png",
        count=count,
        edit=edit,
    )


def _read_size(fields: Fields, model: str) -> str:
    sizes = RATIOS + PIXELS if model in _PIXELS_TOO else RATIOS
    default = None if model in _SIZE_REQUIRED else "1:1"
    size: str = fields.read_choice("size", sizes, default)
    return size
