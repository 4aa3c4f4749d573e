"""Thumbnails: small, upright, without metadata, and few at once."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imagequeue.storage import thumbnails
from imagequeue.storage.thumbnails import NoThumbnailError, make_thumbnail
from support.media_samples import GOOD, HUGE, SIZE, VIDEO, made, make_image
from support.paths import ROOT

IMAGES = {
    name: data for name, (media, data) in GOOD.items() if media.content_type.startswith("image/")
}


@pytest.fixture
def thumbnail(tmp_path: Path) -> Callable[..., Image.Image]:
    def drawn(data: bytes, **options: Any) -> Image.Image:
        (tmp_path / "source").write_bytes(data)
        make_thumbnail(tmp_path / "source", tmp_path / "thumbnail", **options)
        image = Image.open(tmp_path / "thumbnail", formats=["WEBP"])
        image.load()
        return image

    return drawn


@pytest.mark.parametrize("data", IMAGES.values(), ids=IMAGES)
def test_small_image_is_not_enlarged(thumbnail: Any, data: bytes) -> None:
    assert thumbnail(data).size == SIZE


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_longer_side_is_limited(thumbnail: Any, kind: str) -> None:
    assert thumbnail(made(kind, Image.new("RGB", (1000, 500)))).size == (320, 160)
    assert thumbnail(made(kind, Image.new("RGB", (500, 1000))), px=100).size == (50, 100)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_thumbnail_is_upright_without_metadata(thumbnail: Any, kind: str) -> None:
    image = Image.new("RGB", (800, 400), "red")
    image.paste("blue", (400, 0, 800, 400))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: what is left goes up
    exif[0x010E] = "secret"
    upright = thumbnail(made(kind, image, exif=exif, icc_profile=b"profile", xmp=b"<x/>"))
    assert upright.size == (160, 320)
    assert upright.getpixel((80, 40))[0] > 200
    assert upright.getpixel((80, 280))[2] > 200
    assert set(upright.info) <= {"loop", "background", "timestamp", "duration"}


def test_alpha_is_kept(thumbnail: Any) -> None:
    image = Image.new("RGBA", (640, 640), (255, 0, 0, 0))
    image.paste((0, 255, 0, 255), (0, 0, 320, 640))
    for data in (made("PNG", image), made("GIF", image), made("PNG", image.convert("P"))):
        small = thumbnail(data)
        assert small.mode == "RGBA"
        assert [small.getpixel((x, 100))[3] for x in (40, 280)] == [255, 0]


def test_palette_colours_are_mixed(thumbnail: Any) -> None:
    fine = Image.frombytes("L", (640, 640), (b"\0\xff" * 320 + b"\xff\0" * 320) * 320)
    assert 90 < thumbnail(made("PNG", fine.convert("P"))).getpixel((100, 100))[0] < 165


def test_animation_shows_its_first_frame(thumbnail: Any) -> None:
    red, blue = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue")
    for kind in ("GIF", "WEBP", "AVIF"):
        small = thumbnail(made(kind, red, save_all=True, append_images=[blue]))
        assert small.getpixel((32, 32))[0] > 200
        assert small.n_frames == 1


@pytest.mark.parametrize(
    "data",
    [
        VIDEO,
        HUGE["PNG"],
        made("PNG", Image.new("1", (7_100, 7_100))),
        made("JPEG", make_image(size=(200, 200)))[:4000],
        GOOD["PNG"][1][:300],
        made("TIFF", make_image()),
        b"<html>",
        b"",
    ],
    ids=["video", "bomb", "large", "half a JPEG", "half a PNG", "TIFF", "HTML", "empty"],
)
def test_undrawable_file_has_no_thumbnail(thumbnail: Any, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NoThumbnailError):
        thumbnail(data)
    assert not (tmp_path / "thumbnail").exists()


def test_disk_failure_is_an_os_error(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with pytest.raises(FileNotFoundError):
        make_thumbnail(source, tmp_path / "thumbnail")
    source.write_bytes(GOOD["PNG"][1])
    with pytest.raises(FileNotFoundError):
        make_thumbnail(source, tmp_path / "missing" / "thumbnail")


def test_at_most_two_are_drawn_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = threading.Barrier(2, timeout=30)
    lock, inside, most = threading.Lock(), 0, 0

    def drawn(*_: Any) -> Image.Image:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        two.wait()
        time.sleep(0.01)  # so that a third would be seen
        with lock:
            inside -= 1
        return make_image()

    monkeypatch.setattr(thumbnails, "_draw", drawn)
    source = tmp_path / "source"
    source.write_bytes(b"anything")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: make_thumbnail(source, tmp_path / f"{n}.webp"), range(6)))
    assert most == 2


DRAW = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from imagequeue.storage.thumbnails import make_thumbnail
source = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with ThreadPoolExecutor(2) as pool:
    list(pool.map(lambda n: make_thumbnail(source, Path(f"{source}.{n}")), range(2)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    ("kind", "side"), [("WEBP", 4096), ("JPEG", 7000)], ids=["webp", "reduced jpeg"]
)
def test_largest_images_are_drawn_in_bounded_memory(tmp_path: Path, kind: str, side: int) -> None:
    source = tmp_path / "source"
    Image.new("RGB", (side, side)).save(source, kind, method=0)
    command = [sys.executable, "-c", DRAW, str(source)]
    drawn = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(drawn.stdout) < 400 * 1024


@pytest.mark.parametrize(("kind", "side"), [("PNG", 4097), ("JPEG", 7100)])
def test_image_beyond_the_limit_is_refused_before_it_is_decoded(
    thumbnail: Any, monkeypatch: pytest.MonkeyPatch, kind: str, side: int
) -> None:
    monkeypatch.setattr(thumbnails, "_decode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(NoThumbnailError, match=f"{side} x {side} pixels are too many"):
        thumbnail(made(kind, Image.new("L", (side, side))))
