"""The system under test, with its parts on their cores."""

from __future__ import annotations

import secrets
import sys
from datetime import datetime, timedelta
from pathlib import Path

import redis
import requests
from PIL import Image

from benchmarks.receiver.posts import PROMPT, Post, make_post
from benchmarks.system import BIN, System, is_up, wait_until
from benchmarks.usage import pin, pinned
from imagequeue.config.settings import Settings
from imagequeue.jobs.job import FINISHED, Job, State, new_job, utc_now
from imagequeue.jobs.tokens import build_callback_url
from imagequeue.producer.local.ports import LOOPBACK, free_port
from imagequeue.store.jobs import Store

SERVER_CORE, OTHER_CORE = 0, 1
PROVIDER = "kie-flux-kontext"
BATCH = 1000


class Bench:
    """The receiver, its baseline, workers and an image host."""

    def __init__(self, folder: Path) -> None:
        image_port = free_port()
        self.image_url = f"http://{LOOPBACK}:{image_port}/image.png"
        Image.new("RGB", (64, 36), "teal").save(folder / "image.png")
        settings = {
            "log_level": "WARNING",
            "download_trusted_hosts": f"{LOOPBACK}:{image_port}",
        }
        self.system = system = System(folder, settings)
        self.receiver_port = int(system.receiver_url.rpartition(":")[2])
        self.baseline_port = free_port()
        system.commands |= {
            "baseline": [
                *(str(BIN / "uvicorn"), "benchmarks.receiver.baseline:app"),
                *("--port", str(self.baseline_port), "--no-access-log"),
                *("--http", "h11", "--loop", "asyncio"),
            ],
            "images": [
                *(sys.executable, "-m", "http.server", str(image_port)),
                *("--bind", LOOPBACK, "--directory", str(folder)),
            ],
        }
        self.settings: Settings = system.settings
        self.redis = redis.Redis.from_url(system.redis.url)
        self.store = Store(self.redis)
        self.redis_pid = int(self.redis.info("server")["process_id"])
        self.jobs: dict[str, str] = {}
        """The ids of the waiting jobs, by their task ids."""

    def start_servers(self) -> None:
        """Start the receiver and its baseline on one core."""
        with pinned({SERVER_CORE}):
            self.system.start("receiver")
            self.system.start("baseline")
        wait_until(lambda: is_up(f"{self.system.receiver_url}/healthz"))
        wait_until(lambda: _listens(self.baseline_port))

    def start_workers(self) -> None:
        """Start the workers and the image host."""
        for name in (*self.system.workers, "images"):
            self.system.start(name)
        wait_until(lambda: is_up(self.image_url))
        wait_until(lambda: self.redis.exists("_kombu.binding.imagequeue"))

    def callback_path(self, job_id: str) -> str:
        """Return a job's own callback path."""
        return build_callback_url("", self.settings.signing_secrets, PROVIDER, job_id)

    def add_waiting_jobs(self, count: int) -> list[Post]:
        """Store jobs that wait for their callbacks, and return these callbacks."""
        now = utc_now()
        jobs = [_make_waiting_job(now) for _ in range(count)]
        for start in range(0, count, BATCH):
            self.store.add(jobs[start : start + BATCH])
        self.jobs = {str(job.task_id): job.id for job in jobs}
        return [
            make_post(self.callback_path(job_id), task_id, self.image_url)
            for task_id, job_id in self.jobs.items()
        ]

    def pin_workers(self, *cores: int) -> None:
        """Let the workers and the image host use these cores only."""
        for name in (*self.system.workers, "images"):
            pin(self.system.pid(name), *cores)

    def count_finished(self) -> int:
        """Return how many jobs have ended."""
        counts = self.store.count_by_state()
        return sum(counts[state] for state in FINISHED)


def _make_waiting_job(now: datetime) -> Job:
    job = new_job(
        now,
        provider=PROVIDER,
        action="generate",
        prompt=PROMPT,
        params={"aspect_ratio": "16:9"},
        delivery="callback",
    )
    sent = job.transition_to(State.SUBMITTING, "submit", now, now, attempts=1, api_version="jobs")
    poll_at = now + timedelta(hours=1)
    return sent.transition_to(
        State.WAITING, "accepted", now, poll_at, task_id=secrets.token_hex(16)
    )


def _listens(port: int) -> bool:
    try:
        requests.get(f"http://{LOOPBACK}:{port}/", timeout=2)
    except requests.RequestException:
        return False
    return True
