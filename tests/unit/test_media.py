"""What is taken for a picture or a video, what is refused and as what; and thumbnails."""

import io
import os
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imagequeue.storage import thumbnails
from imagequeue.storage.thumbnails import NoThumbnailError, make_thumbnail
from imagequeue.worker.media.validate import Media, NotMediaError
from support.media import examined
from support.paths import VIDEO as SAMPLE

VIDEO = SAMPLE.read_bytes()
SIZE = (33, 21)


def picture(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.effect_noise(size, 80).convert(mode)


def made(kind: str, image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, pixels: bytes, interlace: int = 0) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlace)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


FRAMES = {"save_all": True, "append_images": [picture(), picture("L")], "duration": 40}
# An EXIF block that ends in a thumbnail, which is a whole JPEG by itself.
EXIF = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + made("JPEG", picture(size=(8, 8)))
PNG, JPEG, WEBP = Media("image/png", "png"), Media("image/jpeg", "jpg"), Media("image/webp", "webp")
GIF, AVIF, MP4 = Media("image/gif", "gif"), Media("image/avif", "avif"), Media("video/mp4", "mp4")
GOOD: dict[str, tuple[Media, bytes]] = {
    "PNG": (PNG, made("PNG", picture())),
    "PNG, palette": (PNG, made("PNG", picture("P"))),
    "PNG, alpha": (PNG, made("PNG", picture("LA"))),
    "PNG, animated": (PNG, made("PNG", picture(), **FRAMES)),
    "JPEG, with a thumbnail": (JPEG, made("JPEG", picture(), exif=EXIF)),
    "JPEG, progressive": (JPEG, made("JPEG", picture(), exif=EXIF, progressive=True)),
    "JPEG, with restarts": (JPEG, made("JPEG", picture("CMYK"), restart_marker_blocks=1)),
    "JPEG, for print": (JPEG, made("MPO", picture(), save_all=True, append_images=[picture()])),
    "WebP": (WEBP, made("WEBP", picture())),
    "WebP, lossless": (WEBP, made("WEBP", picture(), lossless=True)),
    "WebP, alpha": (WEBP, made("WEBP", picture("RGBA"), exif=b"odd")),
    "WebP, animated": (WEBP, made("WEBP", picture(), **FRAMES)),
    "GIF": (GIF, made("GIF", picture("P"))),
    "GIF, animated": (GIF, made("GIF", picture(), comment=b"frames", **FRAMES)),
    "AVIF": (AVIF, made("AVIF", picture("RGBA"))),
    "MP4": (MP4, VIDEO),
    "MP4, long": (MP4, VIDEO[:32] + box(b"moov") + struct.pack(">I4sQ", 1, b"mdat", 20) + b"1234"),
}
IMAGES = {name: data for name, (media, data) in GOOD.items() if media != MP4}


@pytest.fixture
def check(tmp_path: Path) -> Callable[[bytes], Media]:
    def checked(data: bytes) -> Media:
        (tmp_path / "file").write_bytes(data)
        return examined(tmp_path / "file")

    return checked


def patched(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


@pytest.mark.parametrize(("media", "data"), GOOD.values(), ids=GOOD)
def test_a_good_file_is_what_it_is(check: Any, media: Media, data: bytes) -> None:
    width, height = (None, None) if media == MP4 else SIZE
    assert check(data) == media._replace(width=width, height=height)


def test_an_interlaced_png_is_taken(check: Any) -> None:
    data = png(1, 1, b"\0\x80", interlace=1)
    assert Image.open(io.BytesIO(data)).getpixel((0, 0)) == 0x80
    assert check(data) == PNG._replace(width=1, height=1)


def test_the_largest_item_of_an_avif_is_the_picture(check: Any) -> None:
    tile, whole = (b"ispe" + struct.pack(">III", 0, *size) for size in [(64, 90), (128, 80)])
    data = box(b"ftyp", b"mif1\0\0\0\0avif") + box(b"mdat")
    for items in (tile + whole, whole + tile):
        assert check(data + box(b"meta", items)) == AVIF._replace(width=128, height=80)


@pytest.mark.parametrize("name", GOOD)
def test_wherever_a_file_is_cut_off_it_is_refused(tmp_path: Path, name: str) -> None:
    cut = tmp_path / "cut"
    data = GOOD[name][1]
    # Of several pictures, the first has to be whole.
    end = data.index(b"\xff\xd9", data.index(b"MPF\0")) + 2 if b"MPF\0" in data else len(data)
    cut.write_bytes(data)
    for length in reversed(range(end)):
        os.truncate(cut, length)
        with pytest.raises(NotMediaError):
            examined(cut)


@pytest.mark.parametrize("name", [name for name in GOOD if name.startswith("PNG")])
def test_no_byte_of_a_png_can_change(check: Any, name: str) -> None:
    data = GOOD[name][1]
    for at in range(len(data)):
        with pytest.raises(NotMediaError):
            check(patched(data, at, bytes([data[at] ^ 0x10])))


# Where a length stands, counted from a word near it.
LENGTHS = [
    ("PNG", b"IHDR", -1),
    ("PNG", b"IDAT", -1),
    ("JPEG, with a thumbnail", b"Exif", -1),
    ("WebP", b"WEBP", -4),
    ("WebP", b"VP8 ", 4),
    ("WebP, lossless", b"VP8L", 4),
    ("WebP, animated", b"ANMF", 4),
    ("GIF, animated", b"!\xfe", 2),
    ("AVIF", b"meta", -1),
    ("AVIF", b"mdat", -1),
    ("MP4", b"moov", -1),
]


@pytest.mark.parametrize(("name", "word", "offset"), LENGTHS)
@pytest.mark.parametrize("bit", [2, 4, 16])
def test_a_length_that_is_wrong_is_noticed(
    check: Any, name: str, word: bytes, offset: int, bit: int
) -> None:
    data = GOOD[name][1]
    at = data.index(word) + offset
    with pytest.raises(NotMediaError):
        check(patched(data, at, bytes([data[at] ^ bit])))


@pytest.mark.parametrize("name", [name for name in GOOD if not name.startswith("JPEG")])
@pytest.mark.parametrize("more", [b"\0\0", b"<html>Bad gateway</html>"])
def test_a_file_ends_where_its_format_says(check: Any, name: str, more: bytes) -> None:
    with pytest.raises(NotMediaError):
        check(GOOD[name][1] + more)


@pytest.mark.parametrize("more", [b"\0" * 64, EXIF, VIDEO], ids=["zeros", "preview", "motion"])
def test_a_camera_may_append_to_a_jpeg(check: Any, more: bytes) -> None:
    data = GOOD["JPEG, progressive"][1]
    assert check(data + more) == check(data)


def test_a_jpeg_may_have_bytes_that_fill_up_between_segments(check: Any) -> None:
    data = GOOD["JPEG, progressive"][1]
    assert check(data[:2] + b"\xff\xff" + data[2:]) == check(data)


@pytest.mark.parametrize(
    "data",
    [
        GOOD["PNG"][1][:8] + chunk(b"tEXt", b"\0\0\0\1" * 4) + GOOD["PNG"][1][8:],
        GOOD["PNG"][1][:33] + chunk(b"IEND", b""),
        bytes.fromhex("ffd8 ffc0 000b 08 0010 0010 01 011100 ffd9"),
        bytes.fromhex("ffd8 ffda 0008 01 0100 003f00 00 ffd9"),
        b"GIF89a\x08\0\x08\0\0\0\0\x3b",
        b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0" + bytes(10) + b"EXIF\0\0\0\0",
        patched(GOOD["WebP"][1], 23, b"\0"),
        patched(GOOD["WebP, lossless"][1], 20, b"\0"),
        box(b"ftyp", b"avif") + box(b"meta", b"ispe" + bytes(12)) + box(b"mdat"),
        box(b"ftyp", b"avif") + box(b"mdat") + box(b"meta", b"ispe" + bytes(4)),
        box(b"ftyp", b"isom") + box(b"moov"),
        box(b"ftyp", b"isom") + box(b"mdat"),
        VIDEO + struct.pack(">I4sQ", 1, b"free", 0),
        png(0, 5, b""),
    ],
)
def test_a_file_without_a_picture_is_refused(check: Any, data: bytes) -> None:
    with pytest.raises(NotMediaError):
        check(data)


HUGE = {
    "PNG": png(60_000, 60_000, bytes(1000)),
    "JPEG": bytes.fromhex("ffd8 ffc0 000b 08 ea60 ea60 01 011100 ffda 0002 ffd9"),
    "GIF": patched(GOOD["GIF"][1], 6, struct.pack("<HH", 60_000, 60_000)),
    "WebP": patched(GOOD["WebP, alpha"][1], 24, b"\x5f\xea\0\x5f\xea\0"),
    "AVIF": GOOD["AVIF"][1].replace(
        b"ispe" + struct.pack(">III", 0, *SIZE), b"ispe" + struct.pack(">III", 0, 60_000, 60_000)
    ),
}


@pytest.mark.parametrize("data", HUGE.values(), ids=HUGE)
def test_a_decompression_bomb_is_refused_by_its_header(check: Any, data: bytes) -> None:
    with pytest.raises(NotMediaError, match="60000 x 60000 pixels"):
        check(data)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>sorry</html>", "a web page"),
        (b"\xef\xbb\xbf\n <html><svg/></html>", "a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML document"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG image"),
        (b"<!DOCTYPE svg PUBLIC ''>\n<svg/>", "an SVG image"),
        (b'{"error": "expired"}', "JSON"),
        (b'[\n  {"error": 1}]', "JSON"),
        (b"Not found, s\xc3\xb6rry\n", "text"),
        (b"gif89a is how a GIF begins", "text"),
        (made("TIFF", picture()), "a TIFF image"),
        (made("BMP", picture()), "a BMP image"),
        (box(b"ftyp", b"heic\0\0\0\0mif1heic"), "a HEIC image"),
        (b"\xff\x0a\xfa\x1f", "a JPEG XL image"),
        (b"\x1a\x45\xdf\xa3\x01", "a WebM video"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"PK\x03\x04\x14\0", "a ZIP archive"),
        (b"\x00\x01\x02\x03", "no known image or video"),
    ],
)
def test_what_is_sent_instead_of_a_picture_is_named(check: Any, data: bytes, kind: str) -> None:
    with pytest.raises(NotMediaError, match=f"^the file is {kind}$"):
        check(data)


@given(data=st.data())
def test_nothing_but_a_verdict_comes_of_damaged_bytes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = data.draw(st.sampled_from([each for _, each in GOOD.values()]))
    at = data.draw(st.integers(0, min(len(whole), 600)))
    damaged = (
        whole[:at] + data.draw(st.binary(max_size=12)) + whole[at + data.draw(st.integers(0, 12)) :]
    )
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(damaged)
    try:
        assert examined(path).content_type
    except NotMediaError as error:
        assert str(error)  # noqa: PT017


@pytest.mark.parametrize("kind", ["MP4", "PNG"])
def test_memory_is_the_same_for_any_length(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "long"
    length = 500_000_000 if kind == "MP4" else 50_000_000
    with path.open("wb") as file:  # a hole, which takes no place on the disk
        if kind == "MP4":
            file.write(VIDEO[:32] + box(b"moov") + struct.pack(">I4s", 8 + length, b"mdat"))
            file.truncate(file.tell() + length)
        else:
            file.write(GOOD["PNG"][1][:33] + struct.pack(">I4s", length, b"IDAT"))
            file.seek(length, os.SEEK_CUR)
            checksum = zlib.crc32(bytes(length), zlib.crc32(b"IDAT"))
            file.write(struct.pack(">I", checksum) + chunk(b"IEND", b""))
    tracemalloc.start()
    try:
        assert examined(path).extension == kind.lower()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


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
def test_a_thumbnail_of_a_small_picture_is_not_larger(thumbnail: Any, data: bytes) -> None:
    assert thumbnail(data).size == SIZE


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_thumbnail_keeps_to_its_longer_side(thumbnail: Any, kind: str) -> None:
    assert thumbnail(made(kind, picture(size=(1000, 500)))).size == (320, 160)
    assert thumbnail(made(kind, picture(size=(500, 1000))), px=100).size == (50, 100)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_thumbnail_stands_upright_and_tells_nothing(thumbnail: Any, kind: str) -> None:
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


def test_a_thumbnail_keeps_alpha(thumbnail: Any) -> None:
    image = Image.new("RGBA", (640, 640), (255, 0, 0, 0))
    image.paste((0, 255, 0, 255), (0, 0, 320, 640))
    for data in (made("PNG", image), made("GIF", image), made("PNG", image.convert("P"))):
        small = thumbnail(data)
        assert small.mode == "RGBA"
        assert [small.getpixel((x, 100))[3] for x in (40, 280)] == [255, 0]


def test_the_colours_of_a_palette_are_mixed(thumbnail: Any) -> None:
    fine = Image.frombytes("L", (640, 640), (b"\0\xff" * 320 + b"\xff\0" * 320) * 320)
    assert 90 < thumbnail(made("PNG", fine.convert("P"))).getpixel((100, 100))[0] < 165


def test_a_thumbnail_of_an_animation_is_its_first_frame(thumbnail: Any) -> None:
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
        made("JPEG", picture(size=(200, 200)))[:4000],
        GOOD["PNG"][1][:300],
        made("TIFF", picture()),
        b"<html>",
        b"",
    ],
    ids=["video", "bomb", "large", "half a JPEG", "half a PNG", "TIFF", "HTML", "empty"],
)
def test_what_cannot_be_drawn_has_no_thumbnail(thumbnail: Any, tmp_path: Path, data: bytes) -> None:
    with pytest.raises(NoThumbnailError):
        thumbnail(data)
    assert not (tmp_path / "thumbnail").exists()


def test_a_disk_in_trouble_is_no_fault_of_the_picture(tmp_path: Path) -> None:
    source = tmp_path / "source"
    with pytest.raises(FileNotFoundError):
        make_thumbnail(source, tmp_path / "thumbnail")
    source.write_bytes(GOOD["PNG"][1])
    with pytest.raises(FileNotFoundError):
        make_thumbnail(source, tmp_path / "missing" / "thumbnail")


def test_two_thumbnails_are_drawn_at_once_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        return picture()

    monkeypatch.setattr(thumbnails, "_draw", drawn)
    source = tmp_path / "source"
    source.write_bytes(b"anything")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: make_thumbnail(source, tmp_path / f"{n}.webp"), range(6)))
    assert most == 2
