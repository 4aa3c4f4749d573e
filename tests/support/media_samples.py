"""Small files of every format, made here, and the bytes to damage them with."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

from imagequeue.storage.media.validate import Media
from support.paths import VIDEO as SAMPLE

VIDEO = SAMPLE.read_bytes()

SIZE = (33, 21)


def make_image(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
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


def element(kind: str, body: bytes = b"", length: bytes | None = None) -> bytes:
    """An element of WebM; its length takes eight bytes, as most writers have it."""
    return bytes.fromhex(kind) + (length or struct.pack(">Q", 1 << 56 | len(body))) + body


def webm(length: bytes | None = None) -> bytes:
    """A WebM of two clusters; `length` replaces that of the segment and of the clusters."""
    header = element("1a45dfa3", b"\x42\x86\x81\x01" + b"\x42\x82\x84webm")
    frame = element("e7", b"\0") + element("a3", b"\x81\0\0\x80" + bytes(60))
    clusters = element("1f43b675", frame, length) * 2
    return header + element("18538067", element("1654ae6b", bytes(30)) + clusters, length)


FRAMES = {"save_all": True, "append_images": [make_image(), make_image("L")], "duration": 40}

# An EXIF block that ends in a thumbnail, which is a whole JPEG by itself.
EXIF = b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0" + made("JPEG", make_image(size=(8, 8)))

PNG, JPEG, WEBP = Media("image/png", "png"), Media("image/jpeg", "jpg"), Media("image/webp", "webp")

GIF, AVIF, MP4 = Media("image/gif", "gif"), Media("image/avif", "avif"), Media("video/mp4", "mp4")
MOV, WEBM = Media("video/quicktime", "mov"), Media("video/webm", "webm")

GOOD: dict[str, tuple[Media, bytes]] = {
    "PNG": (PNG, made("PNG", make_image())),
    "PNG, palette": (PNG, made("PNG", make_image("P"))),
    "PNG, alpha": (PNG, made("PNG", make_image("LA"))),
    "PNG, animated": (PNG, made("PNG", make_image(), **FRAMES)),
    "JPEG, plain": (JPEG, made("JPEG", make_image())),
    "JPEG, with a thumbnail": (JPEG, made("JPEG", make_image(), exif=EXIF)),
    "JPEG, progressive": (JPEG, made("JPEG", make_image(), exif=EXIF, progressive=True)),
    "JPEG, with restarts": (JPEG, made("JPEG", make_image("CMYK"), restart_marker_blocks=1)),
    "JPEG, for print": (
        JPEG,
        made("MPO", make_image(), save_all=True, append_images=[make_image()]),
    ),
    "WebP": (WEBP, made("WEBP", make_image())),
    "WebP, lossless": (WEBP, made("WEBP", make_image(), lossless=True)),
    "WebP, alpha": (WEBP, made("WEBP", make_image("RGBA"), exif=b"odd")),
    "WebP, animated": (WEBP, made("WEBP", make_image(), **FRAMES)),
    "GIF": (GIF, made("GIF", make_image("P"))),
    "GIF, animated": (GIF, made("GIF", make_image(), comment=b"frames", **FRAMES)),
    "AVIF": (AVIF, made("AVIF", make_image("RGBA"))),
    "MP4": (MP4, VIDEO),
    "MOV": (MOV, VIDEO.replace(VIDEO[8:12], b"qt  ", 1)),
    "MOV, old": (MOV, box(b"wide") + box(b"mdat", b"1234") + box(b"moov")),
    "WebM": (WEBM, webm()),
    "MP4, long": (MP4, VIDEO[:32] + box(b"moov") + struct.pack(">I4sQ", 1, b"mdat", 20) + b"1234"),
}


def patched(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


HUGE = {
    "PNG": png(60_000, 60_000, bytes(1000)),
    "JPEG": bytes.fromhex("ffd8 ffc0 000b 08 ea60 ea60 01 011100 ffda 0002 ffd9"),
    "GIF": patched(GOOD["GIF"][1], 6, struct.pack("<HH", 60_000, 60_000)),
    "WebP": patched(GOOD["WebP, alpha"][1], 24, b"\x5f\xea\0\x5f\xea\0"),
    "AVIF": GOOD["AVIF"][1].replace(
        b"ispe" + struct.pack(">III", 0, *SIZE), b"ispe" + struct.pack(">III", 0, 60_000, 60_000)
    ),
}
