"""kie's callback signature: made with openssl here, and changed in every part."""

from __future__ import annotations

import pytest

from imagequeue.providers.kie.signature import is_signed

# printf 'task12345.1760000000' | openssl dgst -sha256 -hmac 'whk_secret' -binary | base64
SIGNED = ("whk_secret", "task12345", "1760000000", "BxupiOMpm0Hh1koES2kya9KH1fIURy/kX5+YWSmH7r4=")


def test_genuine_signature_is_valid() -> None:
    assert is_signed(*SIGNED)


@pytest.mark.parametrize("part", [1, 2, 3], ids=["task id", "timestamp", "signature"])
@pytest.mark.parametrize("changed", ["", "x", "ü", "\ud800"])
def test_changed_part_is_invalid(part: int, changed: str) -> None:
    arguments = list(SIGNED)
    arguments[part] = changed
    assert not is_signed(*arguments)


def test_signature_of_another_key_is_invalid() -> None:
    assert not is_signed("whk_other", *SIGNED[1:])
