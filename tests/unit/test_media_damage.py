"""Truncated and damaged files are rejected, in constant memory."""

import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagequeue.worker.media.validate import Media, NotMediaError
from support.media import validate_file
from support.media_samples import GOOD, HUGE, VIDEO, box, chunk, patched, png


@pytest.fixture
def check(tmp_path: Path) -> Callable[[bytes], Media]:
    def checked(data: bytes) -> Media:
        (tmp_path / "file").write_bytes(data)
        return validate_file(tmp_path / "file")

    return checked


@pytest.mark.parametrize("name", GOOD)
def test_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    cut = tmp_path / "cut"
    data = GOOD[name][1]
    # Of several images, the first has to be complete.
    end = data.index(b"\xff\xd9", data.index(b"MPF\0")) + 2 if b"MPF\0" in data else len(data)
    cut.write_bytes(data)
    for length in reversed(range(end)):
        os.truncate(cut, length)
        with pytest.raises(NotMediaError):
            validate_file(cut)


@pytest.mark.parametrize("name", [name for name in GOOD if name.startswith("PNG")])
def test_any_changed_byte_of_a_png_is_refused(check: Any, name: str) -> None:
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
def test_wrong_length_is_refused(check: Any, name: str, word: bytes, offset: int, bit: int) -> None:
    data = GOOD[name][1]
    at = data.index(word) + offset
    with pytest.raises(NotMediaError):
        check(patched(data, at, bytes([data[at] ^ bit])))


@pytest.mark.parametrize("name", [name for name in GOOD if not name.startswith("JPEG")])
@pytest.mark.parametrize("more", [b"\0\0", b"<html>Bad gateway</html>"])
def test_bytes_after_the_end_are_refused(check: Any, name: str, more: bytes) -> None:
    with pytest.raises(NotMediaError):
        check(GOOD[name][1] + more)


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
def test_file_without_image_is_refused(check: Any, data: bytes) -> None:
    with pytest.raises(NotMediaError):
        check(data)


@pytest.mark.parametrize("data", HUGE.values(), ids=HUGE)
def test_huge_dimensions_are_refused(check: Any, data: bytes) -> None:
    with pytest.raises(NotMediaError, match="60000 x 60000 pixels"):
        check(data)


@given(data=st.data())
def test_damaged_bytes_raise_only_not_media(
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
        assert validate_file(path).content_type
    except NotMediaError as error:
        assert str(error)  # noqa: PT017


@pytest.mark.parametrize("kind", ["MP4", "PNG"])
def test_memory_is_constant_for_any_length(tmp_path: Path, kind: str) -> None:
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
        assert validate_file(path).extension == kind.lower()
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
