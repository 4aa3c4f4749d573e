"""Reads Midjourney submissions: what is asked for, and whether kie would take it."""

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


def generate(fields: Fields) -> Order:
    """Read pictures or videos to make: four pictures, or as many videos as the batch says."""
    task_type = fields.choice("taskType", IMAGE_TYPES + VIDEO_TYPES)
    images = _images(fields)
    if task_type != "mj_txt2img" and not images:
        raise fields.wrong("fileUrls", "is required for this taskType")
    _check_style(fields)
    order = Order(
        prompt=fields.text("prompt", required=True, longest=2000),
        body=fields.body,
        callback_url=fields.url("callBackUrl"),
        credits=CREDITS[fields.choice("speed", CREDITS, "fast")],
        ratio=fields.choice("aspectRatio", RATIOS, "1:1"),
        count=4,
        edit=bool(images),
    )
    return _video(fields, order, images) if task_type in VIDEO_TYPES else order


def upscale(fields: Fields, parent: Order) -> Order:
    """Read one picture of an earlier four to make larger."""
    fields.integer("imageIndex", low=0, high=3)
    return _follow_up(fields, parent, "mj_upscale", count=1)


def vary(fields: Fields, parent: Order) -> Order:
    """Read four variations of one picture; some pages count its index from 0, others from 1."""
    fields.integer("imageIndex", low=0, high=4)
    return _follow_up(fields, parent, "mj_vary", count=4)


def extend(fields: Fields, parent: Order) -> Order:
    """Read a video to make longer, by a prompt of its own where it is manual."""
    task_type = fields.choice("taskType", EXTEND_TYPES)
    fields.integer("index", low=0, high=parent.count - 1)
    prompt = fields.text("prompt", required=task_type == EXTEND_TYPES[0], longest=2000)
    if parent.extension != "mp4":
        raise fields.wrong("taskId", "must name a video task")
    order = _follow_up(fields, parent, task_type, count=1)
    return replace(order, prompt=prompt or parent.prompt, credits=VIDEO_CREDITS)


def _follow_up(fields: Fields, parent: Order, task_type: str, count: int) -> Order:
    """Take over the earlier prompt, and its faults words with it."""
    fields.text("waterMark")
    return replace(
        parent,
        body={"taskType": task_type, **fields.body},
        callback_url=fields.url("callBackUrl"),
        credits=FOLLOW_UP_CREDITS,
        count=count,
        edit=True,
    )


def _video(fields: Fields, order: Order, images: list[str]) -> Order:
    if len(images) != 1:
        raise fields.wrong("fileUrls", "must name exactly one image for a video")
    fields.choice("motion", ("high", "low"), "high")
    count = fields.choice("videoBatchSize", (1, 2, 4), 1)
    return replace(order, extension="mp4", count=count, credits=VIDEO_CREDITS * count)


def _images(fields: Fields) -> list[str]:
    single, several = fields.url("fileUrl"), fields.urls("fileUrls")
    if single and several:
        raise fields.wrong("fileUrl", "and fileUrls exclude each other")
    return several or ([single] if single else [])


def _check_style(fields: Fields) -> None:
    fields.choice("version", VERSIONS, "7")
    if fields.integer("variety", 0, low=0, high=100) % 5:
        raise fields.wrong("variety", "must be a multiple of 5")
    fields.integer("stylization", 0, low=0, high=1000)
    fields.integer("weirdness", 0, low=0, high=3000)
    fields.integer("ow", 1, low=1, high=1000)
    fields.flags("enableTranslation")
    fields.text("waterMark")
