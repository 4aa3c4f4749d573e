"""Truncated and damaged files are rejected, in constant memory."""

import io
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
from PIL import Image, ImageSequence

from imagequeue.storage.media import walk
from imagequeue.storage.media.validate import Media, NotMediaError, validate_media
from support.media import validate_file
from support.media_samples import GOOD, HUGE, VIDEO, box, chunk, patched, png


@pytest.fixture
def check(tmp_path: Path) -> Callable[[bytes], Media]:
    def checked(data: bytes) -> Media:
        (tmp_path / "file").write_bytes(data)
        return validate_file(tmp_path / "file")

    return checked


def refuses_or_shows_all(check: Any, data: bytes, whole: bytes) -> bool:
    """Return whether a damaged file is refused; an accepted one has to show all the pixels."""
    try:
        media = check(data)
    except NotMediaError:
        return True
    # An AVIF says by itself where its pixels are.
    end = len(data) - (0 if media.extension == "avif" else media.ignored_bytes)
    assert pixels(data[:end]) == pixels(whole)
    return False


def pixels(data: bytes) -> list[bytes]:
    """Return the pixels of every frame, from a decoder that gets what it insists on."""
    if data[:4] == b"RIFF":
        data = patched(data, 4, struct.pack("<I", len(data) - 8))
    if data[:2] == b"\xff\xd8":
        data += b"\xff\xd9"
    with Image.open(io.BytesIO(data)) as image:
        return [frame.convert("RGBA").tobytes() for frame in ImageSequence.Iterator(image)]


GIF_SEAMS = (b"\0!", b"\0,")


@pytest.mark.parametrize("name", GOOD)
def test_truncated_file_is_refused(tmp_path: Path, check: Any, name: str) -> None:
    data = GOOD[name][1]
    # Of several images, the first has to be complete.
    end = data.index(b"\xff\xd9", data.index(b"MPF\0")) + 2 if b"MPF\0" in data else len(data)
    lengths = {*range(0, end, 53), *range(max(end - 40, 0), end)}
    # Between two frames of a GIF, nothing says that more should follow.
    lengths -= {n for n in lengths if name == "GIF, animated" and data[n - 1 : n + 1] in GIF_SEAMS}
    accepted = [n for n in lengths if not refuses_or_shows_all(check, data[:n], data)]
    # Only the end marker may be missing, or what follows the pixels.
    assert len(accepted) < 25


@pytest.mark.parametrize("name", ["PNG", "PNG, palette", "PNG, alpha"])
def test_changed_byte_of_a_png_changes_no_pixel(check: Any, name: str) -> None:
    data = GOOD[name][1]
    refused = [
        refuses_or_shows_all(check, patched(data, at, bytes([data[at] ^ 0x10])), data)
        for at in (*range(60), *range(60, len(data), 41), *range(len(data) - 40, len(data)))
    ]
    assert sum(refused) > len(refused) - 20


# Where a length stands, counted from a word near it.
LENGTHS = [
    ("PNG", b"IHDR", -1),
    ("PNG", b"IDAT", -1),
    ("JPEG, with a thumbnail", b"Exif", -1),
    ("WebP", b"WEBP", -4),
    ("WebP", b"VP8 ", 4),
    ("WebP, lossless", b"VP8L", 4),
    ("WebP, animated", b"ANMF", 4),
    ("AVIF", b"meta", -1),
    ("AVIF", b"mdat", -1),
    ("MP4", b"moov", -1),
    ("MOV", b"moov", -1),
    ("WebM", bytes.fromhex("18538067"), 11),
    ("WebM", bytes.fromhex("1f43b675"), 11),
]


@pytest.mark.parametrize(("name", "word", "offset"), LENGTHS)
@pytest.mark.parametrize("bit", [2, 4, 16])
def test_wrong_length_loses_no_pixel(
    check: Any, name: str, word: bytes, offset: int, bit: int
) -> None:
    data = GOOD[name][1]
    at = data.index(word) + offset
    wrong = patched(data, at, bytes([data[at] ^ bit]))
    if name.startswith(("MP4", "MOV", "WebM")):
        with pytest.raises(NotMediaError):
            check(wrong)
    else:
        refuses_or_shows_all(check, wrong, data)


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


PARTS = 10_000

TINY_PARTS = {
    "PNG": GOOD["PNG"][1][:33] + chunk(b"tEXt", b"") * (PARTS + 1),
    "JPEG": b"\xff\xd8" + b"\xff\xfe\0\2" * (PARTS + 1),
    "GIF": GOOD["GIF"][1][:13] + bytes(768) + b"!\xfe\0" * (PARTS + 1),
    "WebP": GOOD["WebP, alpha"][1][:30] + b"note\0\0\0\0" * (PARTS + 1),
    "AVIF": box(b"ftyp", b"avif")
    + box(b"mdat")
    + box(b"meta", b"ispe" * 2 + (b"ispe" + bytes(12)) * (PARTS + 1)),
    "MP4": VIDEO + box(b"free") * (PARTS + 1),
}


@pytest.mark.parametrize("data", TINY_PARTS.values(), ids=TINY_PARTS)
def test_endless_parts_are_refused_in_constant_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(walk, "MAX_STEPS", PARTS)
    path = tmp_path / "parts"
    path.write_bytes(data)
    ticks: list[None] = []
    tracemalloc.start()
    try:
        with path.open("rb") as file, pytest.raises(NotMediaError, match=f"than {PARTS} parts"):
            validate_media(file, lambda: ticks.append(None))
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()
    assert len(ticks) == PARTS // walk.STEPS_PER_TICK


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
