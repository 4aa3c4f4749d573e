"""Landscapes for the simulated images: cheap to draw, and the same for the same words."""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Size = tuple[int, int]

# The sky's top, the sky's foot, the light, the ground.
_PALETTES: list[tuple[Colour, Colour, Colour, Colour]] = [
    ((43, 88, 150), (250, 205, 160), (255, 244, 214), (22, 40, 66)),
    ((255, 150, 102), (255, 226, 176), (255, 250, 230), (96, 40, 74)),
    ((10, 18, 48), (62, 82, 140), (240, 240, 250), (6, 10, 26)),
    ((120, 186, 214), (236, 244, 236), (255, 255, 250), (30, 84, 78)),
    ((70, 36, 96), (248, 140, 130), (255, 216, 170), (30, 16, 48)),
    ((96, 150, 120), (244, 232, 190), (255, 252, 226), (32, 62, 44)),
    ((250, 196, 182), (255, 240, 226), (255, 255, 255), (124, 84, 108)),
    ((206, 92, 74), (250, 190, 110), (255, 238, 190), (60, 20, 30)),
    ((150, 170, 196), (232, 234, 240), (255, 255, 255), (58, 72, 96)),
    ((24, 92, 110), (150, 214, 196), (232, 255, 244), (8, 38, 52)),
]


def draw_scene(shape: str, light: str, size: Size) -> Image.Image:
    """Return a landscape whose shapes depend on one text, and whose colours on another."""
    rng = Random(shape)  # noqa: S311
    sky, haze, sun, ground = Random(light).choice(_PALETTES)  # noqa: S311
    image = _draw_sky(size, sky, haze)
    pen = ImageDraw.Draw(image)
    _draw_sun(pen, rng, size, haze, sun)
    rng.choice((_draw_ridges, _draw_sea, _draw_city, _draw_forest))(pen, rng, size, (haze, ground))
    return image


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _draw_sky(size: Size, top: Colour, foot: Colour) -> Image.Image:
    ramp = Image.new("RGB", (1, 64))
    ramp.putdata([_mix(top, foot, min(1.0, row / 44)) for row in range(64)])
    return ramp.resize(size, Image.Resampling.BILINEAR)


def _draw_sun(pen: ImageDraw.ImageDraw, rng: Random, size: Size, haze: Colour, sun: Colour) -> None:
    width, height = size
    x, y = width * rng.uniform(0.2, 0.8), height * rng.uniform(0.2, 0.45)
    radius = min(size) * rng.uniform(0.06, 0.13)
    pen.circle((x, y), radius * 1.25, _mix(haze, sun, 0.45))
    pen.circle((x, y), radius, sun)


def _make_ridge(
    rng: Random, size: Size, base: float, height: float, steps: int
) -> list[tuple[float, float]]:
    """Return the outline of hills around `base`, closed at the foot of the image."""
    waves = [(rng.uniform(0, 6.3), 1.7**octave) for octave in range(1, 6)]
    points = [(0.0, float(size[1]))]
    for step in range(steps + 1):
        at = step / steps
        lift = sum(math.sin(phase + at * 3 * rate) / rate for phase, rate in waves)
        points.append((at * size[0], base - height * lift))
    return [*points, (float(size[0]), float(size[1]))]


def _draw_ridges(
    pen: ImageDraw.ImageDraw, rng: Random, size: Size, colours: tuple[Colour, Colour]
) -> None:
    for layer in range(5):
        base = size[1] * (0.5 + 0.11 * layer)
        ridge = _make_ridge(rng, size, base, size[1] * 0.12, 96)
        pen.polygon(ridge, _mix(*colours, 0.25 + 0.18 * layer))


def _draw_sea(
    pen: ImageDraw.ImageDraw, rng: Random, size: Size, colours: tuple[Colour, Colour]
) -> None:
    width, height = size
    pen.polygon(_make_ridge(rng, size, height * 0.56, height * 0.05, 64), _mix(*colours, 0.35))
    for row in range(round(height * 0.6), height, 2):
        share = (row / height - 0.6) / 0.4
        pen.line((0, row, width, row), _mix(*colours, 0.3 + 0.6 * share), 2)
        if rng.random() < 0.7:
            x, length = rng.uniform(-0.1, 1) * width, rng.uniform(0.02, 0.1 + 0.3 * share) * width
            pen.line((x, row, x + length, row), _mix(*colours, 0.1 + 0.5 * share), 2)


def _draw_city(
    pen: ImageDraw.ImageDraw, rng: Random, size: Size, colours: tuple[Colour, Colour]
) -> None:
    width, height = size
    for layer in range(3):
        x = 0.0
        while x < width:
            wide, top = (
                width * rng.uniform(0.05, 0.12),
                height * (rng.uniform(0.36, 0.68) + layer * 0.1),
            )
            pen.rectangle((x, top, x + wide, height), _mix(*colours, 0.4 + 0.27 * layer))
            if layer == 2:
                _light_windows(pen, rng, (x, top, wide, height), colours[0])
            x += wide


def _light_windows(
    pen: ImageDraw.ImageDraw, rng: Random, house: tuple[float, float, float, float], colour: Colour
) -> None:
    x, top, wide, height = house
    for row in range(round(top) + 12, round(height) - 8, 16):
        for column in range(round(x) + 8, round(x + wide) - 10, 14):
            if rng.random() < 0.35:
                pen.rectangle((column, row, column + 5, row + 7), colour)


def _draw_forest(
    pen: ImageDraw.ImageDraw, rng: Random, size: Size, colours: tuple[Colour, Colour]
) -> None:
    height = size[1]
    for layer in range(4):
        colour = _mix(*colours, 0.3 + 0.23 * layer)
        base = height * (0.58 + 0.14 * layer)
        ridge = _make_ridge(rng, size, base, height * 0.04, 60)
        pen.polygon(ridge, colour)
        for x, y in ridge[1:-1]:
            tall = height * rng.uniform(0.06, 0.16) * (0.7 + layer * 0.25)
            pen.polygon([(x - tall * 0.22, y + 4), (x, y - tall), (x + tall * 0.22, y + 4)], colour)
