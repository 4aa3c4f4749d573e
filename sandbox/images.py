"""Draws the pictures: the prompt in words, on colours that follow from it."""

from __future__ import annotations

import colorsys
import hashlib
import io
import textwrap

from PIL import Image, ImageDraw, ImageFont, ImageOps

from .tasks import Task, size_of

_MARGIN = 32


def draw(task: Task, index: int) -> bytes:
    """Draw one picture of a task: the same bytes each time, so that none need be kept."""
    size = size_of(task.order.ratio)
    picture = _background(f"{task.order.prompt}/{index}", size)
    label = "edited" if task.order.edit else "generated"
    _write(picture, task.order.prompt, f"{task.provider}, {label}, #{index}\n{task.task_id}")
    file = io.BytesIO()
    # PNG at level 1: half the time of the default, and nobody pays for these bytes.
    picture.save(file, task.order.extension, quality=85, compress_level=1)
    return file.getvalue()


def _background(seed: str, size: tuple[int, int]) -> Image.Image:
    hue = hashlib.sha256(seed.encode()).digest()[0] / 256
    ramp = Image.linear_gradient("L").resize(size)
    return ImageOps.colorize(ramp, _colour(hue, 0.45), _colour((hue + 0.12) % 1, 0.8))


def _colour(hue: float, brightness: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, brightness)
    return round(red * 255), round(green * 255), round(blue * 255)


def _write(picture: Image.Image, prompt: str, caption: str) -> None:
    width, height = picture.size
    large, small = ImageFont.load_default(36), ImageFont.load_default(15)
    pen = ImageDraw.Draw(picture)
    columns = max(8, (width - 2 * _MARGIN) // 19)
    lines = textwrap.wrap(prompt, columns)[: max(1, (height - 120) // 44)]
    pen.multiline_text((_MARGIN, _MARGIN), "\n".join(lines), "white", large, spacing=8)
    pen.multiline_text((_MARGIN, height - _MARGIN), caption, "white", small, anchor="ld")
