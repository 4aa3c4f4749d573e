"""What an account has to hold: valid settings, secrets that nothing shows, safe signatures."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from ..account import Account, SignatureError
from ..plugins import find_plugin_problems
from .cases import Subject

SECRET = "a-secret-of-the-checks"  # noqa: S105  shown nowhere, as the checks make sure
_FORBIDDEN = re.compile(
    r"(aiohttp|asyncio|celery|http|httpx|pycurl|random|redis|requests|secrets|socket|subprocess"
    r"|threading|time|urllib3|uuid)(\..*)?|urllib\.request"
)
_SECRET_NAME = re.compile(r"key|secret|token|password")


def check_purity(subject: Subject) -> Iterator[str]:
    """Its module uses no network, no clock and no random numbers."""
    source = inspect.getsource(sys.modules[type(subject.provider).__module__])
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            if _FORBIDDEN.fullmatch(name):
                yield f"it imports {name}: the worker brings what is needed of it"


def check_names(subject: Subject) -> Iterator[str]:
    """Its names and settings are valid."""
    account = subject.provider.account
    yield from find_plugin_problems(type(subject.provider), ())
    for name, info in account.model_fields.items():
        if not info.description:
            yield f"the setting {name} lacks a description"
    if wrong := [each for each in account.signature_headers if each != each.lower()]:
        yield f"signature_headers must be in lower case: {', '.join(wrong)}"


def check_secrets(subject: Subject) -> Iterator[str]:
    """Its secrets are shown nowhere."""
    kind = subject.provider.account
    for name in kind.model_fields:
        account = _set(kind, name)
        if account is not None and SECRET in repr(account) and _SECRET_NAME.search(name):
            yield f"the setting {name} must be an OptionalSecret or Secrets: it is shown"
    shown = repr(_set_secrets(kind))
    if SECRET in shown:
        yield "an account shows its secrets"
    if SECRET not in str(_set_secrets(kind).headers()):
        yield "headers() lacks the key"


def check_signatures(subject: Subject) -> Iterator[str]:
    """Its callbacks without a valid signature are refused."""
    kind = subject.provider.account
    if kind.verify_callback is Account.verify_callback:
        return
    if not kind.signature_headers:
        yield "verify_callback gets no headers: name them in signature_headers"
    account, now = _set_secrets(kind), datetime.now(UTC)
    wrong = dict.fromkeys(kind.signature_headers, "0" * 64)
    dated = {name: str(int(now.timestamp())) if "time" in name else v for name, v in wrong.items()}
    for what, headers in (("none", {}), ("a wrong", wrong), ("a wrong but recent", dated)):
        try:
            account.verify_callback(headers, b"{}", "a-task", now)
        except SignatureError:
            continue
        yield f"a callback with {what} signature is accepted"


def _set(kind: type[Account], name: str, value: str = SECRET) -> Account | None:
    """Return an account with one setting; None if that is not a text."""
    try:
        return kind.model_validate({name: value})
    except ValidationError:
        return None


def _set_secrets(kind: type[Account]) -> Account:
    """Return an account with every secret set."""
    fields: dict[str, Any] = {}
    for name, info in kind.model_fields.items():
        value = getattr(_set(kind, name), name, info.default)
        if value != info.default and SECRET not in repr(value):
            fields[name] = SECRET
    fields.pop("api_keys", None)  # it would be a second key
    return kind.model_validate(fields)


ACCOUNT_CHECKS = (check_purity, check_names, check_secrets, check_signatures)
