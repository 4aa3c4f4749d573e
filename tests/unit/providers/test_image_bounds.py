"""The bounds of input images, and what the first bytes of a file say of it."""

import pytest

from imagequeue.providers import get
from imagequeue.providers.describe import describe_provider
from imagequeue.providers.image_bounds import ImageBounds, ImageFacts
from imagequeue.storage.media.head import read_head
from imagequeue.storage.media.validate import NotMediaError
from support.media_samples import EXIF, made, make_image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")


@pytest.mark.parametrize("kind", FORMATS)
def test_head_of_a_cut_off_image_has_its_size(kind: str) -> None:
    data = made(kind, make_image(size=(1200, 900)))
    media = read_head(data[:1000])
    assert media.content_type == f"image/{kind.lower()}"
    assert (media.width, media.height) == (1200, 900)


def test_thumbnail_in_a_jpeg_is_not_its_size() -> None:
    media = read_head(made("JPEG", make_image(size=(640, 480)), exif=EXIF))
    assert (media.width, media.height) == (640, 480)


@pytest.mark.parametrize("options", [{"lossless": True}, {"exif": EXIF}])
def test_every_kind_of_webp_has_a_size(options: dict[str, object]) -> None:
    media = read_head(made("WEBP", make_image(size=(320, 200)), **options))
    assert (media.width, media.height) == (320, 200)


@pytest.mark.parametrize("kind", FORMATS)
def test_head_without_the_size_is_still_an_image(kind: str) -> None:
    data = made(kind, make_image())
    for length in range(12, 40):
        assert read_head(data[:length]).content_type == f"image/{kind.lower()}"


@pytest.mark.parametrize("data", [b"", b"<html>", b"{}", b"some words", bytes(100), b"%PDF-1.4"])
def test_other_files_are_no_images(data: bytes) -> None:
    with pytest.raises(NotMediaError):
        read_head(data)


def test_unknown_facts_are_no_faults() -> None:
    bounds = ImageBounds(types=("png",), max_mb=1, min_side=9, max_side=9, max_megapixels=1)
    assert bounds.find_fault(ImageFacts("image/png")) == ""
    assert bounds.find_fault(ImageFacts("", 100)) == ""
    assert ImageBounds().find_fault(ImageFacts("image/avif", 10**9, 9, 90_000)) == ""


def test_edge_of_each_bound_is_within_it() -> None:
    bounds = ImageBounds(max_mb=1, min_side=500, max_side=2000, max_megapixels=1)
    assert bounds.find_fault(ImageFacts("image/png", 1024 * 1024, 500, 2000)) == ""
    for words, *size in [
        ("up to 1 MB", 1024 * 1024 + 60_000, 500, 500),
        ("at least 500", 9, 499, 600),
        ("up to 2000", 9, 501, 2001),
        ("1 megapixels", 9, 1001, 1000),
    ]:
        assert words in bounds.find_fault(ImageFacts("image/png", *size))


def test_described_request_says_what_the_images_may_be() -> None:
    (request,) = describe_provider("kie", "recraft/remove-background").requests
    assert request.json_schema["properties"]["image_urls"]["description"] == (
        "The image to use: JPEG, PNG or WEBP, up to 5 MB, up to 16 megapixels, "
        "sides of at least 256 pixels, sides of up to 4096 pixels."
    )


def test_only_documented_bounds_of_a_model_hold() -> None:
    assert get("kie-flux-kontext").find_image_bounds({}) == ImageBounds()
    assert get("kie").find_image_bounds({"model": "z-image"}) is None
    assert get("acedata").find_image_bounds({"unchecked": True, "service": "flux"}) is None


def test_catalogue_says_which_parameters_are_images() -> None:
    params = {"model": "ideogram/character-edit"}
    assert get("kie").list_image_params(params) == ["mask_url", "reference_image_urls"]
    assert get("kie").list_image_params({**params, "unchecked": True}) == ()
    assert get("kie").list_image_params({"model": "z-image"}) == []
