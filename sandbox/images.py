"""Drawing of the images: a landscape derived from the prompt, and the prompt as text."""

from __future__ import annotations

import io
import textwrap

from PIL import Image, ImageDraw, ImageFont

from .scenes import draw_scene
from .tasks import Task, parse_size

_MARGIN = 24
_PROMPT_LINES = 2


def draw(task: Task, index: int) -> bytes:
    """Return one image of a task, with the same bytes each time, so that none is stored."""
    size = parse_size(task.order.ratio)
    image = draw_scene(f"{task.scene}/{index}", f"{task.order.prompt}/{index}", size)
    label = "edited" if task.order.edit else "generated"
    _write_text(image, task.order.prompt, f"{task.provider}, {label}, #{index}\n{task.task_id}")
    file = io.BytesIO()
    # PNG at level 1: half the time of the default, and size does not matter here.
    image.save(file, task.order.extension, quality=85, compress_level=1)
    return file.getvalue()


def _write_text(image: Image.Image, prompt: str, caption: str) -> None:
    width, height = image.size
    large, small = ImageFont.load_default(22), ImageFont.load_default(13)
    pen = ImageDraw.Draw(image)
    lines = textwrap.wrap(prompt, max(8, (width - 2 * _MARGIN) // 12))
    if len(lines) > _PROMPT_LINES:
        lines = [*lines[: _PROMPT_LINES - 1], f"{lines[_PROMPT_LINES - 1]} ..."]
    foot = height - _MARGIN
    pen.multiline_text((_MARGIN, foot), caption, "white", small, anchor="ld", spacing=3)
    pen.multiline_text((_MARGIN, foot - 40), "\n".join(lines), "white", large, anchor="ld")
