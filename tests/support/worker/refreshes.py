"""A provider that refreshes URLs, as a stub."""

from collections.abc import Callable
from typing import Any

from support.hostile import (
    picture,
)
from support.jobs import kie_refused
from support.stub import Stub

PNG = picture()

REFRESH_PATH = "/api/v1/common/download-url"

FOREIGN = kie_refused(422, "The URL is not one of ours")

Answer = Callable[[str, str, Any], Any]


def answering(refresh: Any = FOREIGN, lookup: Any = (404, {})) -> Answer:
    return lambda _, path, __: refresh if path == REFRESH_PATH else lookup


def refreshed(url: str) -> tuple[int, dict[str, Any]]:
    return 200, {"code": 200, "msg": "success", "data": url}


def asked(stub: Stub) -> list[str]:
    return [path.split("?")[0].rpartition("/")[2] for _, path, _ in stub.asked]
