"""The check of limits: what each quota may send, with which keys, and what is in flight."""

from __future__ import annotations

from ...config.settings import Settings
from ...store.clock import RedisClock
from ...store.submit.queue import read_quotas
from ...store.submit.usage import measure_usage
from .redis_checks import connect


def describe_limits(name: str, settings: Settings) -> str:
    """Return the limits and keys of a quota, and the jobs of each key in flight now."""
    quota = read_quotas(settings)[name]
    with connect(settings) as client:
        usage = measure_usage(client, {name: quota}, RedisClock(client)()).keys
    rate = f"{quota.tasks} in {quota.seconds:g} s" if quota.tasks else "any rate"
    in_flight = f"{quota.max_in_flight} in flight" if quota.max_in_flight else "any in flight"
    keys = ", ".join(f"{each.key} {each.in_flight} in flight now" for each in usage)
    return f"{rate}, {in_flight} for each key ({keys or 'no key'})"
