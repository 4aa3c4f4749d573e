"""`imagequeue up`: every process on this machine, with a Redis of its own where none is set."""

from __future__ import annotations

import base64
import os
import secrets
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from celery import Celery
from celery.utils.nodenames import host_format

from ...config.celery import make_celery
from ...config.local_up import publish_local_up
from ...config.redis import connect, get_durability
from ...config.settings import PREFIX, Settings, read_settings
from ...errors import ConfigError
from .embedded_redis import EmbeddedRedis
from .ports import LOOPBACK, require_free
from .supervisor import Supervisor, Tell, read_procfile

PROCFILE = Path(__file__).with_name("Procfile")
READY_TIMEOUT_S = 90.0
TICK_S = 0.1
# Workers that are up answer at once; one that is not listening yet never hears this ping.
PING_TIMEOUT_S = 0.5
# On top of the longest exchange with a provider: time to write its answer down, and to leave.
STOP_MARGIN_S = 20.0
# Paths that answer without a key, on the processes that listen.
PROBES = {"api": "/healthz", "receiver": "/readyz", "flower": "/healthcheck"}
# The names in the Procfile that Celery's workers carry too.
WORKERS = frozenset({"worker", "downloader"})


@dataclass(frozen=True, kw_only=True)
class Options:
    """Where the processes listen; everything else comes from the settings."""

    api_port: int = 8000
    callback_port: int = 8001
    flower_port: int = 5555
    sandbox_port: int | None = None
    """Where the sandbox listens, if it runs in the place of the real providers."""
    sandbox_arguments: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    """Settings by their names, for every process; they win over the environment."""

    @property
    def urls(self) -> dict[str, str]:
        """Where each process that listens is found."""
        ports = {
            "api": self.api_port,
            "receiver": self.callback_port,
            "flower": self.flower_port,
            "sandbox": self.sandbox_port,
        }
        return {name: f"http://{LOOPBACK}:{port}" for name, port in ports.items() if port}


class System:
    """All the processes of one machine, running."""

    def __init__(
        self, settings: Settings, supervisor: Supervisor, redis: EmbeddedRedis | None, tell: Tell
    ) -> None:
        self.settings = settings
        self.supervisor = supervisor
        self._redis = redis
        self._tell = tell

    def wait_until_ready(self, urls: dict[str, str]) -> None:
        """Return once every process answers; raises ConfigError if one cannot start."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        with make_celery(self.settings) as celery:
            while silent := _silent(urls) or _silent_workers(celery):
                if time.monotonic() > deadline:
                    raise ConfigError(f"no answer from {silent} in {READY_TIMEOUT_S:g} s")
                self.supervisor.tend(ready=False)
                time.sleep(TICK_S)

    def tend(self) -> None:
        """Start again what died."""
        if self._redis is not None and self._redis.exit_status is not None:
            self._tell("up", f"redis ended (status {self._redis.exit_status}): starting it again")
            self._redis.start()
        self.supervisor.tend(ready=True)


@contextmanager
def running(options: Options, tell: Tell) -> Iterator[System]:
    """Start everything, and stop everything however this ends: never half a system."""
    with ExitStack() as stack:
        _require_free_ports(options)
        overrides = _sandbox_settings(options) | options.settings
        settings = read_settings(alone=True, **overrides)
        overrides["data_dir"] = str(settings.data_dir.resolve())
        redis = None
        if settings.redis_url is None:
            redis = EmbeddedRedis(settings)
            stack.callback(redis.stop)
            overrides["redis_url"] = redis.start()
        if not settings.secret_key:
            overrides["secret_key"] = _kept_secret(settings.data_dir / "secret_key")
        if not settings.webhook_secret:
            path = settings.data_dir / "webhook_secret"
            overrides["webhook_secret"] = _kept_secret(path, prefix="whsec_")
        settings = read_settings(alone=True, **overrides)
        stack.enter_context(publish_local_up(settings.data_dir, _variables(overrides)))
        with connect(settings) as client:
            tell("up", f"redis: {get_durability(client)}")
        environment = _environment(options, overrides)
        # A submission under way is answered and written down; a long download is begun again.
        grace_s = settings.submit_timeout_s + STOP_MARGIN_S
        supervisor = Supervisor(_commands(options), environment, tell, grace_s)
        stack.callback(supervisor.stop)
        supervisor.start()
        system = System(settings, supervisor, redis, tell)
        system.wait_until_ready(options.urls)
        yield system


def _require_free_ports(options: Options) -> None:
    require_free(options.api_port, "--api-port")
    require_free(options.callback_port, "--callback-port")
    require_free(options.flower_port, "--flower-port")
    if options.sandbox_port:
        require_free(options.sandbox_port, "--sandbox-port")


def _sandbox_settings(options: Options) -> dict[str, str]:
    """The settings of a user who pays the sandbox instead of the real providers."""
    if not options.sandbox_port:
        return {}
    sandbox = options.urls["sandbox"]
    return {
        "kie_base_url": sandbox,
        "kie_upload_url": sandbox,
        "kie_api_key": "sandbox",
        "acedata_base_url": sandbox,
        "acedata_api_key": "sandbox",
        "public_url": options.urls["receiver"],
        "download_trusted_hosts": f"{LOOPBACK}:{options.sandbox_port}",
    }


def _commands(options: Options) -> dict[str, str]:
    commands = read_procfile(PROCFILE.read_text())
    if options.sandbox_port:
        sandbox = [sys.executable, "-m", "imagequeue.sandbox", "--port", str(options.sandbox_port)]
        commands["sandbox"] = shlex.join([*sandbox, *options.sandbox_arguments])
    return commands


def _environment(options: Options, overrides: dict[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        # Celery and uvicorn are beside this Python, whether or not its folder is on the path.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
        "PYTHONUNBUFFERED": "1",
        "API_PORT": str(options.api_port),
        "CALLBACK_PORT": str(options.callback_port),
        "FLOWER_PORT": str(options.flower_port),
        **_variables(overrides),
    }


def _variables(overrides: dict[str, str]) -> dict[str, str]:
    return {f"{PREFIX}{name.upper()}": value for name, value in overrides.items()}


def _kept_secret(path: Path, prefix: str = "") -> str:
    """A secret of this machine, made once: for its callback URLs, or to sign its webhooks."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        # Standard Webhooks wants plain base64; to a callback URL's signature any text will do.
        path.write_text(prefix + base64.b64encode(secrets.token_bytes(32)).decode())
    return path.read_text().strip()


def _silent(urls: dict[str, str]) -> str:
    return ", ".join(name for name, path in PROBES.items() if not _answers(urls[name] + path))


def _silent_workers(celery: Celery) -> str:
    nodes = {host_format(f"{name}@%h"): name for name in WORKERS}
    # Named, they are waited for no longer than until the last has answered.
    replies = celery.control.ping(destination=[*nodes], timeout=PING_TIMEOUT_S)
    heard = {node for reply in replies or [] for node in reply}
    return ", ".join(sorted(name for node, name in nodes.items() if node not in heard))


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
