"""Reading of submissions to AceData, with the checks that AceData makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .. import catalogue
from ..fields import Fields
from ..tasks import Extension, Order

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
_CANNOT_EDIT = ("flux-dev", "flux-pro")
_RATIOS_ONLY = ("flux-kontext-pro", "flux-kontext-max")
_SIZE_REQUIRED = ("flux-2-flex", "flux-2-pro", "flux-2-max")


_SPLIT = 5
"""The files of a split grid: the grid itself and its images."""

_COMMON = ("action", "async", "callback_url", "model")
_EXTENSIONS: Mapping[str, Extension] = {"jpeg": "jpeg", "webp": "webp"}


def read_flux_order(fields: Fields, *, only_edit: bool) -> Order:
    """Return the order of an image or an edit; `only_edit` refuses the action `edits`."""
    actions = ("generate", "edit") if only_edit else ("generate", "edit", "edits")
    edit = fields.read_choice("action", actions) != "generate"
    model = fields.read_choice("model", CREDITS, "flux-dev")
    if edit and model in _CANNOT_EDIT:
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
    sizes = RATIOS if model in _RATIOS_ONLY else RATIOS + PIXELS
    default = None if model in _SIZE_REQUIRED else "1:1"
    size: str = fields.read_choice("size", sizes, default)
    return size


def read_listed_order(
    fields: Fields, service: str, *, has_models: bool, has_actions: bool
) -> Order:
    """Return the order of a model in AceData's catalogue."""
    models = {n: m for n, m in catalogue.load_models("acedata").items() if m["service"] == service}
    name = fields.read_choice("model", models) if has_models else service
    model = models[name]
    given = Fields({k: v for k, v in fields.body.items() if k not in _COMMON}, fields.build_error)
    images = catalogue.check_input(model, given)
    if has_actions:
        fields.read_choice("action", ["edit" if images else "generate"])
    fields.check_flags("async")
    values = catalogue.fill_defaults(model, given.body, edit=bool(images))
    return Order(
        prompt=given.read_text("prompt", required=True),
        body=fields.body,
        callback_url=fields.read_url("callback_url"),
        credits=catalogue.compute_credits(model, values, len(images)),
        ratio=catalogue.choose_ratio(values),
        extension=_EXTENSIONS.get(values.get("output_format", ""), "png"),
        count=_SPLIT if values.get("split_images") else catalogue.count_images(model, values),
        edit=bool(images),
    )


_OF_A_GRID = (*(f"upscale{n}" for n in range(1, 5)), *(f"variation{n}" for n in range(1, 5)))
_OF_AN_IMAGE = (
    *("upscale_2x", "upscale_4x", "variation_subtle", "variation_strong", "variation_region"),
    *("zoom_out_2x", "zoom_out_1_5x", "pan_left", "pan_right", "pan_up", "pan_down"),
)


def list_operations(order: Order) -> list[str]:
    """Return what Midjourney does with the result of an order: a grid, or a single image."""
    is_single = str(order.body.get("action")).startswith("upscale")
    return ["reroll", *(_OF_AN_IMAGE if is_single else _OF_A_GRID)]


def read_follow_up(fields: Fields, parent: Order) -> Order:
    """Return an order of work on an earlier result, with its prompt, and so with its faults."""
    action = fields.read_choice("action", list_operations(parent))
    fields.read_choice("mode", ("fast", "relax", "turbo"), "fast")
    fields.check_flags("async", "split_images")
    fields.read_url("mask", required=action == "variation_region")
    is_split = fields.body.get("split_images") and not action.startswith("upscale")
    return replace(
        parent,
        body=fields.body,
        callback_url=fields.read_url("callback_url"),
        count=_SPLIT if is_split else 1,
        edit=True,
    )
