"""Drawing of the images: the prompt as text, on colours derived from it."""

from __future__ import annotations

import colorsys
import hashlib
import io
import textwrap

from PIL import Image, ImageDraw, ImageFont, ImageOps

from .tasks import Task, parse_size

_MARGIN = 32


def draw(task: Task, index: int) -> bytes:
    """Return one image of a task, with the same bytes each time, so that none is stored."""
    size = parse_size(task.order.ratio)
    image = _draw_background(f"{task.order.prompt}/{index}", size)
    label = "edited" if task.order.edit else "generated"
    _write_text(image, task.order.prompt, f"{task.provider}, {label}, #{index}\n{task.task_id}")
    file = io.BytesIO()
    # PNG at level 1: half the time of the default, and size does not matter here.
    image.save(file, task.order.extension, quality=85, compress_level=1)
    return file.getvalue()


def _draw_background(seed: str, size: tuple[int, int]) -> Image.Image:
    hue = hashlib.sha256(seed.encode()).digest()[0] / 256
    ramp = Image.linear_gradient("L").resize(size)
    return ImageOps.colorize(ramp, _to_rgb(hue, 0.45), _to_rgb((hue + 0.12) % 1, 0.8))


def _to_rgb(hue: float, brightness: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, brightness)
    return round(red * 255), round(green * 255), round(blue * 255)


def _write_text(image: Image.Image, prompt: str, caption: str) -> None:
    width, height = image.size
    large, small = ImageFont.load_default(36), ImageFont.load_default(15)
    pen = ImageDraw.Draw(image)
    columns = max(8, (width - 2 * _MARGIN) // 19)
    lines = textwrap.wrap(prompt, columns)[: max(1, (height - 120) // 44)]
    pen.multiline_text((_MARGIN, _MARGIN), "\n".join(lines), "white", large, spacing=8)
    pen.multiline_text((_MARGIN, height - _MARGIN), caption, "white", small, anchor="ld")
