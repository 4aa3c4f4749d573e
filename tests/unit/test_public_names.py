"""Everything a caller can catch or get back is importable from `imagequeue` itself."""

import imagequeue
from imagequeue import errors

PUBLIC_ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, Exception)
}


def test_every_error_is_exported() -> None:
    assert {"ImageQueueError", "LimitError", "UnknownBatchError"} <= PUBLIC_ERRORS
    assert set(imagequeue.__all__) >= PUBLIC_ERRORS


def test_every_error_has_the_same_base() -> None:
    kinds = [getattr(imagequeue, name) for name in PUBLIC_ERRORS]
    assert [kind for kind in kinds if not issubclass(kind, imagequeue.ImageQueueError)] == []


def test_every_exported_name_resolves() -> None:
    for name in imagequeue.__all__:
        assert getattr(imagequeue, name).__name__ == name
