"""Several hosts on one machine: network namespaces on a bridge, or processes on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil

from benchmarks.chaos.slow_link import DEVICE, SlowLink
from benchmarks.system import LOCAL, Host
from imagequeue.producer.local.ports import LOOPBACK

# A range that is meant for benchmarks (RFC 2544), in a network that nothing else is in.
ADDRESS = "198.18.0.{}"
ISOLATED = "CHAOS_IS_ISOLATED"
# With its first process, all others and the whole network end, however that happens.
UNSHARE = (
    *("unshare", "--net", "--mount", "--mount-proc", "--pid", "--fork", "--kill-child"),
    *(() if os.geteuid() == 0 else ("--user", "--map-root-user")),
)
PROBE = "mount -t tmpfs tmpfs /run && ip link add name br0 type bridge && ip netns add probe"


class Network(Protocol):
    """The hosts, and what can happen to their links."""

    @property
    def description(self) -> str:
        """What the hosts are."""

    slow_links: dict[str, SlowLink]
    """The links that can be slow, by the names of their hosts."""
    outside: Host
    """Where providers and the bucket are: never cut off, and reached over each host's link."""

    def add(self, name: str, *, can_be_slow: bool = False) -> Host:
        """Add a host; its link can be slow if that is asked for, and the system allows it."""

    def cut(self, name: str) -> None:
        """Cut a host off."""

    def join(self, name: str) -> None:
        """End what `cut` did."""


def isolate() -> None:
    """Run this program again in namespaces of its own, if it is not yet and the system allows it.

    They need no root where users may create namespaces.
    """
    if ISOLATED in os.environ:
        return
    with suppress(FileNotFoundError):
        if not subprocess.run([*UNSHARE, "sh", "-c", PROBE], capture_output=True).returncode:
            os.environ[ISOLATED] = "1"
            os.execvp(UNSHARE[0], [*UNSHARE, *sys.orig_argv])


def open_network(folder: Path) -> Network:
    """Return a network without hosts; each has a folder of its own below `folder`."""
    return Namespaces(folder) if ISOLATED in os.environ else Loopback(folder)


class Namespaces:
    """Hosts with a link each to a bridge, on which this process is as well."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._links: dict[str, str] = {}
        subprocess.run(("mount", "-t", "tmpfs", "tmpfs", "/run"), check=True)
        _ip("link set lo up", "link add name br0 type bridge", "link set br0 up")
        _ip(f"addr add {ADDRESS.format(1)}/24 dev br0")
        self.slow_links: dict[str, SlowLink] = {}
        self.outside = Host(ADDRESS.format(1))

    @property
    def description(self) -> str:
        """What the hosts are."""
        slow = "" if self.slow_links else f"; no link is slow: {DEVICE} is missing or forbidden"
        return f"hosts are network namespaces on one bridge{slow}"

    def add(self, name: str, *, can_be_slow: bool = False) -> Host:
        """Add a namespace, and a link from it to the bridge."""
        number = len(self._links) + 2
        link = self._links[name] = f"veth{number}"
        address = ADDRESS.format(number)
        _ip(f"netns add {name}")
        if not can_be_slow or not self._add_slow_link(name, link):
            _ip(f"link add {link} type veth peer name eth0 netns {name}")
        _ip(
            f"link set {link} master br0 up",
            f"-n {name} addr add {address}/24 dev eth0",
            f"-n {name} link set eth0 up",
            f"-n {name} link set lo up",
        )
        enter = ("ip", "netns", "exec", name)
        return Host(address, (*enter, *_make_environment(self._folder, name)))

    def _add_slow_link(self, name: str, link: str) -> bool:
        peer = f"{link}-peer"
        try:
            self.slow_links[name] = SlowLink(link, peer)
        except OSError:
            return False
        _ip(f"link set {peer} netns {name} name eth0")
        return True

    def cut(self, name: str) -> None:
        """Set its link down."""
        _ip(f"link set {self._links[name]} down")

    def join(self, name: str) -> None:
        """Set its link up."""
        _ip(f"link set {self._links[name]} up")


class Loopback:
    """Hosts that share an address; one that is cut off is frozen, which its peers cannot tell."""

    description = "hosts are processes on loopback, and one that is cut off is frozen"
    outside = LOCAL

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.slow_links: dict[str, SlowLink] = {}

    def add(self, name: str, *, can_be_slow: bool = False) -> Host:
        """Add a host, whose processes are known by their environment."""
        return Host(LOOPBACK, _make_environment(self._folder, name))

    def cut(self, name: str) -> None:
        """Stop its processes."""
        self._signal(name, signal.SIGSTOP)

    def join(self, name: str) -> None:
        """Let its processes go on."""
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        mark = _make_environment(self._folder, name)[-1]
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if mark in (f"{k}={v}" for k, v in process.environ().items()):
                    process.send_signal(number)


def _make_environment(folder: Path, name: str) -> tuple[str, ...]:
    """Return a command that gives a program the host's own data folder."""
    return ("env", f"IMAGEQUEUE_DATA_DIR={folder / name}")


def _ip(*commands: str) -> None:
    for command in commands:
        subprocess.run(("ip", *command.split()), check=True)
