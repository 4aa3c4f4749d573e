"""A RabbitMQ of its own, as a process in a folder, which can be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from kombu import Connection

from benchmarks.system import LOCAL, Host, wait_until
from imagequeue.producer.local.ports import LOOPBACK, free_port

# Debian's command of this name on the PATH becomes another user first.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_TIMEOUT_S = 180.0
# It starts in half the CPU time with one scheduler that does not spin.
ERLANG = "+S 1:1 +sbwt none"


def is_installed() -> bool:
    """Whether Debian's RabbitMQ is on this machine."""
    return SERVER.exists() and shutil.which("epmd") is not None


class RabbitMQ:
    """A RabbitMQ with one user, whose password and vhost need quoting in a URL."""

    def __init__(self, folder: Path, host: Host = LOCAL, certificate: Path | None = None) -> None:
        """Keep everything in `folder`; a PEM file with a key adds a port for TLS, `tls_url`."""
        folder.mkdir(parents=True)
        self._host = host
        self._folder = folder
        self._epmd_port, port, distribution_port = free_port(), free_port(), free_port()
        self.url = f"amqp://me:s%2Ft%40x@{host.address}:{port}/jobs%2Fa"
        tls_port = free_port()
        self.tls_url = self.url.replace("amqp:", "amqps:").replace(f":{port}/", f":{tls_port}/")
        (folder / "plugins").write_text("[].")
        (folder / "rabbitmq.conf").write_text(
            "default_user = me\ndefault_pass = s/t@x\ndefault_vhost = jobs/a\n"
            f"listeners.tcp.1 = {host.address}:{port}\n"
            + (_configure_tls(f"{host.address}:{tls_port}", certificate) if certificate else "")
        )
        self._environment = {
            **os.environ,
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "RABBITMQ_NODENAME": f"rabbit{port}@localhost",
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG,
        }
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it and return its URL once it takes connections."""
        self.launch()
        wait_until(self.answers, START_TIMEOUT_S, every_s=0.2)
        return self.url

    def launch(self) -> None:
        """Start it without waiting."""
        if self._epmd is None:
            # As a child of ours: RabbitMQ would leave one behind.
            self._epmd = self._run("epmd", "-port", str(self._epmd_port), "-address", LOOPBACK)
        self._server = self._run(str(SERVER))

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        if self._server is not None:
            with suppress(ProcessLookupError):  # the server runs below a script
                os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()
            self._server = None

    def stop(self) -> None:
        """Kill it for good."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()
            self._epmd = None

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / "output.log").open("ab") as log:
            return subprocess.Popen(
                (*self._host.enter, *command),
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def answers(self) -> bool:
        """Whether it takes connections."""
        with suppress(OSError), Connection(self.url, connect_timeout=2) as connection:
            connection.connect()
            return True
        return False


def _configure_tls(address: str, certificate: Path) -> str:
    files = "".join(f"ssl_options.{kind} = {certificate}\n" for kind in ("certfile", "keyfile"))
    return f"listeners.ssl.1 = {address}\n{files}"
