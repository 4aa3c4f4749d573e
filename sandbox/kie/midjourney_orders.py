"""Reading of Midjourney's submissions, with the checks that kie makes."""

from __future__ import annotations

from dataclasses import replace

from ..fields import Fields
from ..tasks import Order

RATIOS = ("1:2", "9:16", "2:3", "3:4", "5:6", "6:5", "4:3", "3:2", "1:1", "16:9", "2:1")
VERSIONS = ("7", "6.1", "6", "5.2", "5.1", "niji6")
IMAGE_TYPES = ("mj_txt2img", "mj_img2img", "mj_style_reference", "mj_omni_reference")
VIDEO_TYPES = ("mj_video", "mj_video_hd")
EXTEND_TYPES = ("mj_video_extend_manual", "mj_video_extend_auto")

CREDITS = {"relaxed": 3, "fast": 8, "turbo": 16}
FOLLOW_UP_CREDITS = 8
VIDEO_CREDITS = 15
"""For each video of a batch."""


def read_generate(fields: Fields) -> Order:
    """Return the order of four images, or of as many videos as the batch size."""
    task_type = fields.read_choice("taskType", IMAGE_TYPES + VIDEO_TYPES)
    images = _read_images(fields)
    if task_type != "mj_txt2img" and not images:
        raise fields.build_refusal("fileUrls", "is required for this taskType")
    _check_style(fields)
    order = Order(
        prompt=fields.read_text("prompt", required=True, max_length=2000),
        body=fields.body,
        callback_url=fields.read_url("callBackUrl"),
        credits=CREDITS[fields.read_choice("speed", CREDITS, "fast")],
        ratio=fields.read_choice("aspectRatio", RATIOS, "1:1"),
        count=4,
        edit=bool(images),
    )
    return _to_video(fields, order, images) if task_type in VIDEO_TYPES else order


def read_upscale(fields: Fields, parent: Order) -> Order:
    """Return the order of one image of an earlier four, larger."""
    fields.read_integer("imageIndex", low=0, high=3)
    return _follow_up(fields, parent, "mj_upscale", count=1)


def read_vary(fields: Fields, parent: Order) -> Order:
    """Return the order of four variations; some pages count the index from 0, others from 1."""
    fields.read_integer("imageIndex", low=0, high=4)
    return _follow_up(fields, parent, "mj_vary", count=4)


def read_extend(fields: Fields, parent: Order) -> Order:
    """Return the order of a longer video; a manual one has a prompt of its own."""
    task_type = fields.read_choice("taskType", EXTEND_TYPES)
    fields.read_integer("index", low=0, high=parent.count - 1)
    prompt = fields.read_text("prompt", required=task_type == EXTEND_TYPES[0], max_length=2000)
    if parent.extension != "mp4":
        raise fields.build_refusal("taskId", "must name a video task")
    order = _follow_up(fields, parent, task_type, count=1)
    return replace(order, prompt=prompt or parent.prompt, credits=VIDEO_CREDITS)


def _follow_up(fields: Fields, parent: Order, task_type: str, count: int) -> Order:
    """Return an order with the earlier prompt, and so with its faults."""
    fields.read_text("waterMark")
    return replace(
        parent,
        body={"taskType": task_type, **fields.body},
        callback_url=fields.read_url("callBackUrl"),
        credits=FOLLOW_UP_CREDITS,
        count=count,
        edit=True,
    )


def _to_video(fields: Fields, order: Order, images: list[str]) -> Order:
    if len(images) != 1:
        raise fields.build_refusal("fileUrls", "must name exactly one image for a video")
    fields.read_choice("motion", ("high", "low"), "high")
    count = fields.read_choice("videoBatchSize", (1, 2, 4), 1)
    return replace(order, extension="mp4", count=count, credits=VIDEO_CREDITS * count)


def _read_images(fields: Fields) -> list[str]:
    single, several = fields.read_url("fileUrl"), fields.read_urls("fileUrls")
    if single and several:
        raise fields.build_refusal("fileUrl", "and fileUrls exclude each other")
    return several or ([single] if single else [])


def _check_style(fields: Fields) -> None:
    fields.read_choice("version", VERSIONS, "7")
    if fields.read_integer("variety", 0, low=0, high=100) % 5:
        raise fields.build_refusal("variety", "must be a multiple of 5")
    fields.read_integer("stylization", 0, low=0, high=1000)
    fields.read_integer("weirdness", 0, low=0, high=3000)
    fields.read_integer("ow", 1, low=1, high=1000)
    fields.check_flags("enableTranslation")
    fields.read_text("waterMark")
