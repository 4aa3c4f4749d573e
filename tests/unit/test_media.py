"""Which files are accepted as images and videos, and what others are called."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imagequeue.storage.media.validate import Media, NotMediaError
from support.media import validate_file
from support.media_samples import (
    AVIF,
    EXIF,
    GOOD,
    PNG,
    SIZE,
    VIDEO,
    WEBM,
    box,
    chunk,
    made,
    make_image,
    patched,
    png,
    webm,
)


@pytest.fixture
def check(tmp_path: Path) -> Callable[[bytes], Media]:
    def checked(data: bytes) -> Media:
        (tmp_path / "file").write_bytes(data)
        return validate_file(tmp_path / "file")

    return checked


@pytest.mark.parametrize(("media", "data"), GOOD.values(), ids=GOOD)
def test_valid_file_is_identified(check: Any, media: Media, data: bytes) -> None:
    width, height = (None, None) if media.content_type.startswith("video/") else SIZE
    found = check(data)
    assert found._replace(ignored_bytes=0) == media._replace(width=width, height=height)
    # The second image of a JPEG for print stands behind the first.
    assert bool(found.ignored_bytes) == (b"MPF\0" in data)


def test_interlaced_png_is_accepted(check: Any) -> None:
    data = png(1, 1, b"\0\x80", interlace=1)
    assert Image.open(io.BytesIO(data)).getpixel((0, 0)) == 0x80
    assert check(data) == PNG._replace(width=1, height=1)


def test_largest_item_of_an_avif_counts(check: Any) -> None:
    tile, whole = (b"ispe" + struct.pack(">III", 0, *size) for size in [(64, 90), (128, 80)])
    data = box(b"ftyp", b"mif1\0\0\0\0avif") + box(b"mdat")
    for items in (tile + whole, whole + tile):
        assert check(data + box(b"meta", items)) == AVIF._replace(width=128, height=80)


MORE = {"zeros": bytes(64), "page": b"<html>Bad gateway</html>", "image": EXIF, "video": VIDEO}


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
@pytest.mark.parametrize("name", GOOD)
def test_bytes_after_the_end_are_ignored(check: Any, name: str, more: bytes) -> None:
    data = GOOD[name][1]
    before = check(data)
    # More boxes belong to a video.
    ignored = 0 if name.startswith(("MP4", "MOV", "AVIF")) and more == VIDEO else len(more)
    assert check(data + more) == before._replace(ignored_bytes=before.ignored_bytes + ignored)


@pytest.mark.parametrize("length", [b"\xff", b"\x01" + b"\xff" * 7])
def test_webm_of_a_recorder_is_accepted_if_its_parts_fit(check: Any, length: bytes) -> None:
    data = webm(length)
    assert check(data) == WEBM
    for cut in (1, 30, 59):
        with pytest.raises(NotMediaError):
            check(data[:-cut])


def test_missing_end_marker_is_accepted(check: Any) -> None:
    for name, length in (("PNG", 12), ("JPEG, plain", 2), ("GIF", 1)):
        data = GOOD[name][1]
        for less in range(1, length + 1):
            assert check(data[:-less])._replace(ignored_bytes=0) == check(data)


def test_missing_end_marker_before_junk_is_accepted(check: Any) -> None:
    for name, length in (("PNG", 12), ("JPEG, plain", 2), ("GIF", 1)):
        data = GOOD[name][1]
        whole = check(data)
        assert check(data[:-length] + bytes(20))._replace(ignored_bytes=0) == whole


def test_jpeg_without_end_is_refused_where_no_decoder_notices(check: Any) -> None:
    for name in ("JPEG, progressive", "JPEG, with restarts"):
        with pytest.raises(NotMediaError, match="cut off"):
            check(GOOD[name][1][:-2])


def test_checksum_of_ancillary_png_chunk_is_ignored(check: Any) -> None:
    data = GOOD["PNG"][1]
    spoilt = data[:33] + chunk(b"tEXt", b"a note")[:-1] + b"!" + data[33:]
    assert check(spoilt) == check(data)
    assert check(data[:-1] + b"!") == check(data)


@pytest.mark.parametrize("name", ["WebP", "WebP, lossless", "WebP, alpha", "WebP, animated"])
@pytest.mark.parametrize("change", [-40, -1, 2, 100, 0xFFFF_0000])
def test_wrong_length_in_a_webp_header_is_no_fault(check: Any, name: str, change: int) -> None:
    data = GOOD[name][1]
    wrong = struct.pack("<I", len(data) - 8 + change)
    if name == "WebP, animated" and change > 0:  # frames may be missing
        with pytest.raises(NotMediaError, match="cut off"):
            check(patched(data, 4, wrong))
        return
    assert check(patched(data, 4, wrong))._replace(ignored_bytes=0) == check(data)


def test_jpeg_fill_bytes_are_accepted(check: Any) -> None:
    data = GOOD["JPEG, progressive"][1]
    assert check(data[:2] + b"\xff\xff" + data[2:]) == check(data)


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
        (made("TIFF", make_image()), "a TIFF image"),
        (made("BMP", make_image()), "a BMP image"),
        (box(b"ftyp", b"heic\0\0\0\0mif1heic"), "a HEIC image"),
        (b"\xff\x0a\xfa\x1f", "a JPEG XL image"),
        (b"\x1a\x45\xdf\xa3\x01", "a Matroska video"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"PK\x03\x04\x14\0", "a ZIP archive"),
        (b"\x00\x01\x02\x03", "no known image or video"),
    ],
)
def test_other_kinds_of_files_are_named(check: Any, data: bytes, kind: str) -> None:
    with pytest.raises(NotMediaError, match=f"^the file is {kind}$"):
        check(data)
