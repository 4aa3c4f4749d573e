"""`imagequeue up`: every process on this machine, with an embedded Redis where none is set."""

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

import redis

from ...config.celery import make_celery
from ...config.durability import describe_durability
from ...config.local_up import publish_local_up
from ...config.redis import connect, name_server
from ...config.settings import PREFIX, Settings, read_settings
from ...errors import ConfigError
from ...providers import sandbox_settings
from .embedded_redis import EmbeddedRedis
from .guard import Guard
from .ports import LOOPBACK, require_free
from .readiness import list_silent
from .supervisor import Supervisor, WriteLine, parse_procfile

PROCFILE = Path(__file__).with_name("Procfile")
READY_TIMEOUT_S = 90.0
TICK_S = 0.1
# Beyond the longest exchange with a provider: time to record its response, and to exit.
STOP_MARGIN_S = 20.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """The ports of the processes; everything else comes from the settings."""

    api_port: int = 8000
    callback_port: int = 8001
    flower_port: int = 5555
    sandbox_port: int | None = None
    """The sandbox's port, if it replaces the real providers."""
    sandbox_arguments: tuple[str, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    """Settings by name, for every process; they win over the environment."""

    @property
    def urls(self) -> dict[str, str]:
        """The URL of each process that listens."""
        ports = {
            "api": self.api_port,
            "receiver": self.callback_port,
            "flower": self.flower_port,
            "sandbox": self.sandbox_port,
        }
        urls = {name: f"http://{LOOPBACK}:{port}" for name, port in ports.items() if port}
        # Flower reads this variable itself, and then answers nowhere else.
        prefix = os.environ.get("FLOWER_URL_PREFIX", "").strip("/")
        return {**urls, "flower": f"{urls['flower']}/{prefix}".rstrip("/")}


class System:
    """All the processes of one machine, running."""

    def __init__(
        self,
        settings: Settings,
        supervisor: Supervisor,
        embedded: EmbeddedRedis | None,
        guard: Guard,
        redis_description: str,
        write_line: WriteLine,
    ) -> None:
        self.settings = settings
        self.supervisor = supervisor
        self.redis_description = redis_description
        self._embedded = embedded
        self._guard = guard
        self._write_line = write_line

    def wait_until_ready(self, urls: dict[str, str]) -> None:
        """Return once every process answers; raises ConfigError if one cannot start."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        with make_celery(self.settings) as celery:
            while silent := list_silent(urls, celery):
                if time.monotonic() > deadline:
                    raise ConfigError(f"no answer from {silent} in {READY_TIMEOUT_S:g} s")
                self.supervisor.restart_dead(ready=False)
                self.guard()
                time.sleep(TICK_S)

    def restart_dead(self) -> None:
        """Restart the processes that died, the embedded Redis first."""
        if self._embedded is not None and (status := self._embedded.exit_status) is not None:
            self._write_line("up", f"redis ended (status {status}): starting it again")
            self._embedded.start()
        self.supervisor.restart_dead(ready=True)
        self.guard()

    def guard(self) -> None:
        """Have everything that runs now stopped if this process is killed."""
        server = self._embedded.pid if self._embedded else None
        self._guard.watch(server, self.supervisor.pids)


@contextmanager
def running(options: Options, write_line: WriteLine) -> Iterator[System]:
    """Start every process, yield the system once it is ready, and stop every process at the end.

    Raises ConfigError, with nothing left running, if one cannot start.
    """
    with ExitStack() as stack:
        _require_free_ports(options)
        overrides = _build_sandbox_settings(options) | options.settings
        settings = read_settings(alone=True, **overrides)
        overrides["data_dir"] = str(settings.data_dir.resolve())
        # A running submission is finished and recorded; a long download starts again later.
        grace_s = settings.max_submit_timeout_s + STOP_MARGIN_S
        guard = Guard(grace_s)
        stack.callback(guard.stop)
        embedded = None
        if settings.redis_url is None:
            embedded = EmbeddedRedis(settings)
            stack.callback(embedded.stop)
            overrides["redis_url"] = embedded.start()
            guard.watch(embedded.pid, ())
            # All processes are on this machine then, wherever their images are.
            overrides["archive_url"] = settings.archive_url or settings.local_archive
        if not settings.secret_key:
            overrides["secret_key"] = read_or_make_secret(settings.data_dir / "secret_key")
        if not settings.webhook_secret:
            path = settings.data_dir / "webhook_secret"
            overrides["webhook_secret"] = read_or_make_secret(path, prefix="whsec_")
        settings = read_settings(alone=True, **overrides)
        published = _read_own_variables() | _to_variables(overrides)
        stack.enter_context(publish_local_up(settings.data_dir, published))
        with connect(settings) as client:
            redis_description = _describe_redis(client, settings)
        write_line("up", f"redis: {redis_description}")
        environment = _build_environment(options, overrides)
        supervisor = Supervisor(_build_commands(options), environment, write_line, grace_s)
        stack.callback(supervisor.stop)
        supervisor.start()
        system = System(settings, supervisor, embedded, guard, redis_description, write_line)
        system.guard()
        system.wait_until_ready(options.urls)
        yield system


def _describe_redis(client: redis.Redis, settings: Settings) -> str:
    """Return the server's name, version and durability."""
    return f"{name_server(client)}, {describe_durability(client, settings.durability)}"


def _require_free_ports(options: Options) -> None:
    require_free(options.api_port, "--api-port")
    require_free(options.callback_port, "--callback-port")
    require_free(options.flower_port, "--flower-port")
    if options.sandbox_port:
        require_free(options.sandbox_port, "--sandbox-port")


def _build_sandbox_settings(options: Options) -> dict[str, str]:
    """Return the settings that send every request to the sandbox instead of the providers."""
    if not options.sandbox_port:
        return {}
    sandbox = options.urls["sandbox"]
    return {
        **sandbox_settings(sandbox),
        "public_url": options.urls["receiver"],
        "download_trusted_hosts": f"{LOOPBACK}:{options.sandbox_port}",
        # Nothing is paid there, and the URLs of examples lead nowhere.
        "check_input_images": "false",
    }


def _build_commands(options: Options) -> dict[str, str]:
    commands = parse_procfile(PROCFILE.read_text())
    if options.sandbox_port:
        sandbox = [sys.executable, "-m", "imagequeue.sandbox", "--port", str(options.sandbox_port)]
        commands["sandbox"] = shlex.join([*sandbox, *options.sandbox_arguments])
    return commands


def _build_environment(options: Options, overrides: dict[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        # Celery and uvicorn are installed beside this Python, which may not be on the PATH.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
        "PYTHONUNBUFFERED": "1",
        "API_PORT": str(options.api_port),
        "CALLBACK_PORT": str(options.callback_port),
        "FLOWER_PORT": str(options.flower_port),
        **_to_variables(overrides),
    }


def _read_own_variables() -> dict[str, str]:
    variables = {name.upper(): value for name, value in os.environ.items()}
    return {name: value for name, value in variables.items() if name.startswith(PREFIX)}


def _to_variables(overrides: dict[str, str]) -> dict[str, str]:
    return {f"{PREFIX}{name.upper()}": value for name, value in overrides.items()}


def read_or_make_secret(path: Path, prefix: str = "") -> str:
    """Return the secret in the file, made at the first call: 32 random bytes in base64."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        # Standard Webhooks needs plain base64; a callback URL is signed with any text.
        path.write_text(prefix + base64.b64encode(secrets.token_bytes(32)).decode())
    return path.read_text(encoding="utf-8-sig").strip()
