"""Workers are killed while they download: is a picture lost, or half a one ever at a final name?

    python -m benchmarks.download_kills --kills 200

Exits with status 1 if a job did not succeed, or a picture was missing or not whole at any time.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import redis
from PIL import Image as Picture

from benchmarks.system import BIN, System, until
from imagequeue.jobs.job import Image, Job, State, add_seconds, new_job, utc_now
from imagequeue.producer.local.ports import LOOPBACK
from imagequeue.store import keys
from imagequeue.store.jobs import Store
from imagequeue.worker.media.validate import NotMediaError, validate_media

SETTINGS = {"lease_s": "1.5", "sweep_every_s": "0.1", "log_level": "WARNING"}
WORKERS, THREADS = 3, 4
IMAGES_A_JOB = 4
# So much work there always is: whenever a worker is killed, it is in the middle of some.
JOBS_OPEN = 40
# A transfer of a quarter of a second, in as many pieces.
PIECES, PIECE_PAUSE_S = 10, 0.025
# A worker takes about a second to start again.
KILL_EVERY_S = (0.3, 1.1)
LIFETIME_S = 86400
CALM_TIMEOUT_S = 60.0
LOOK_EVERY_S = 0.005


class Verdict(NamedTuple):
    """What a run came to."""

    kills: int
    under_way: int
    """Transfers that were cut off by a kill."""
    jobs: int
    succeeded: int
    looks: int
    not_whole: int
    """Files at a final name that were not whole when they were first seen, or at the end."""
    missing: int
    twice: int
    """Pictures that were sent whole more than once: their worker died before it was on record."""
    left_over: int
    """Unfinished files under `.incoming`, which is where they belong until they are swept."""

    @property
    def clean(self) -> bool:
        """Whether the promises held."""
        return self.succeeded == self.jobs and not (self.not_whole or self.missing)


class ImageHost:
    """Sends a picture of its own for each path, slowly, and counts what it sent whole."""

    def __init__(self) -> None:
        self.whole: dict[str, int] = {}
        self.cut_off = 0
        self._lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(handler) -> None:  # noqa: N805
                self._send(handler)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.address = f"{LOOPBACK}:{self._server.server_port}"
        self._thread.start()

    def _send(self, request: BaseHTTPRequestHandler) -> None:
        data = picture(request.path)
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        step = -(-len(data) // PIECES)
        try:
            for at in range(0, len(data), step):
                request.wfile.write(data[at : at + step])
                time.sleep(PIECE_PAUSE_S)
        except OSError:
            self.cut_off += 1
            return
        with self._lock:
            self.whole[request.path] = self.whole.get(request.path, 0) + 1

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def picture(path: str) -> bytes:
    """The bytes behind a path: noise, and always the same."""
    rng = random.Random(path)
    buffer = BytesIO()
    noise = Picture.frombytes("RGB", (128, 128), rng.randbytes(3 * 128 * 128))
    noise.save(buffer, rng.choice(("PNG", "JPEG")), compress_level=1)
    return buffer.getvalue()


class Watcher(threading.Thread):
    """Looks at each final name as soon as there is one: is what lies there whole?"""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._over = threading.Event()
        self.seen: set[Path] = set()
        self.not_whole: set[Path] = set()

    def run(self) -> None:
        """Look until it is over, and once more."""
        while not self._over.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        """Check what is new at a final name."""
        for path in set(final_files(self._folder)) - self.seen:
            self.seen.add(path)
            if not is_whole(path):
                self.not_whole.add(path)

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        if self.is_alive():
            self.join()


def final_files(folder: Path) -> Iterator[Path]:
    """Whatever a reader of the pictures would find, records beside them left out."""
    for path in folder.glob("job_*/*"):
        if path.suffix != ".json":
            yield path


def is_whole(path: Path) -> bool:
    """Whether a file has the bytes that the server has for it, and its own name is no other's."""
    try:
        with path.open("rb") as file:
            validate_media(file)
    except (NotMediaError, OSError):
        return False
    return path.read_bytes() == picture(f"/{path.parent.name}/{path.stem}")


def run(kills: int, seed: int, folder: Path) -> Verdict:
    """Kill workers at random while they download, and count when all is done."""
    rng = random.Random(seed)
    with images() as host:
        system = System(
            folder, {**SETTINGS, "download_trusted_hosts": host.address}, workers=WORKERS
        )
        for name in system.workers:
            system.commands[name] = [
                *(str(BIN / "celery"), "-A", "imagequeue.worker", "worker", "-Q", "download"),
                *("-P", "threads", "-c", str(THREADS), "-n", f"{name}@%h"),
                *("--without-gossip", "--without-mingle"),
            ]
        pictures = Path(unquote(urlsplit(system.settings.images_url).path))
        watcher = Watcher(pictures)
        try:
            store = Store(redis.Redis.from_url(system.redis.url))
            jobs = feed(store, host, [])
            for name in system.workers:
                system.start(name)
            watcher.start()
            until(lambda: host.whole, CALM_TIMEOUT_S)
            for _ in range(kills):
                time.sleep(rng.uniform(*KILL_EVERY_S))
                system.revive()
                jobs = feed(store, host, jobs)
                name = rng.choice(system.workers)
                system.kill(name)
                system.start(name)
            settle_down(system, store)
            return judge(store, host, watcher, pictures, kills, jobs)
        finally:
            watcher.stop()
            system.stop()


@contextmanager
def images() -> Iterator[ImageHost]:
    """An image host for the time of a run."""
    host = ImageHost()
    try:
        yield host
    finally:
        host.stop()


def feed(store: Store, host: ImageHost, jobs: list[str]) -> list[str]:
    """All jobs so far, and new ones for those that have ended."""
    missing = JOBS_OPEN - store.counts()[State.DOWNLOADING]
    if missing <= 0:
        return jobs
    new = [downloading(host, utc_now()) for _ in range(missing)]
    store.add(new)
    # As the move would have done that made them so.
    deadlines = {job.id: job.deadline.timestamp() for job in new if job.deadline}
    store.redis.zadd(keys.DEADLINES, deadlines)
    return [*jobs, *(job.id for job in new)]


def downloading(host: ImageHost, now: datetime) -> Job:
    """A job whose URLs are known, and which is due."""
    job = new_job(now, provider="kie-midjourney", action="generate", delivery="callback")
    sent = job.transition_to(State.SUBMITTING, "submit", now, now)
    taken = sent.transition_to(State.WAITING, "accepted", now, now, task_id=job.id.lower())
    dies = add_seconds(now, LIFETIME_S)
    urls = [f"http://{host.address}/{job.id}/{n}" for n in range(IMAGES_A_JOB)]
    known = tuple(Image(index=n, source_url=url, expires_at=dies) for n, url in enumerate(urls))
    return taken.transition_to(State.DOWNLOADING, "callback", now, now, images=known)


def settle_down(system: System, store: Store) -> None:
    """Wait until nothing is left to download, or it takes too long."""
    deadline = time.monotonic() + CALM_TIMEOUT_S
    while store.counts()[State.DOWNLOADING] and time.monotonic() < deadline:
        system.revive()
        time.sleep(0.1)


def judge(
    store: Store, host: ImageHost, watcher: Watcher, pictures: Path, kills: int, ids: list[str]
) -> Verdict:
    """Compare what is on disk with what is on record and with what the server has."""
    watcher.stop()
    watcher.look()
    jobs = store.get_many(ids)
    missing = sum(not is_kept(image) for job in jobs for image in job.images)
    at_end = {path for path in final_files(pictures) if not is_whole(path)}
    return Verdict(
        kills=kills,
        under_way=host.cut_off,
        jobs=len(ids),
        succeeded=sum(job.state is State.SUCCEEDED for job in jobs),
        looks=len(watcher.seen),
        not_whole=len(watcher.not_whole | at_end),
        missing=missing,
        twice=sum(count > 1 for count in host.whole.values()),
        left_over=len(list((pictures / ".incoming").glob("*.part"))),
    )


def is_kept(image: Image) -> bool:
    """Whether an image on record is on disk with the server's bytes and SHA-256."""
    path = Path(unquote(urlsplit(image.uri or "").path))
    data = picture(urlsplit(image.source_url).path)
    sha256 = hashlib.sha256(data).hexdigest()
    return path.is_file() and path.read_bytes() == data and image.sha256 == sha256


def report(verdict: Verdict, seed: int, took_s: float) -> str:
    """The verdict as a Markdown table."""
    rows = {
        "seed": seed,
        "seconds": f"{took_s:.0f}",
        "kills (SIGKILL)": verdict.kills,
        "transfers cut off by them": verdict.under_way,
        "jobs": verdict.jobs,
        "**succeeded**": verdict.succeeded,
        "final names looked at as they came": verdict.looks,
        "**not whole at a final name**": verdict.not_whole,
        "**pictures missing**": verdict.missing,
        "pictures fetched more than once": verdict.twice,
        "unfinished files, none at a final name": verdict.left_over,
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "|---|---|", *lines])


def main() -> None:
    """Run once, print the table, and exit by it."""
    parser = argparse.ArgumentParser(description="Kill workers while they download.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="download-kills-") as folder:
        started = time.monotonic()
        verdict = run(options.kills, options.seed, Path(folder))
        print(report(verdict, options.seed, time.monotonic() - started))
    sys.exit(0 if verdict.clean else 1)


if __name__ == "__main__":
    main()
