"""The baseline: a loop over urllib3 that downloads, hashes and writes, and nothing else.

    python -m benchmarks.downloads.urllib3_loop --folder FOLDER --port 9000 --threads 32

For each line `first last step` on its input it downloads these images, and then prints a line.
"""

from __future__ import annotations

import argparse
import hashlib
import queue
import subprocess
import sys
import threading
from pathlib import Path

import urllib3

from benchmarks.downloads.files import put_aside
from imagequeue.producer.local.ports import LOOPBACK

CHUNK_BYTES = 256 * 1024


class Urllib3Loop:
    """The processes of the baseline, with `threads` in all."""

    def __init__(self, folder: Path, port: int, processes: int, threads: int) -> None:
        self.folder = folder / f"urllib3-{processes}"
        self.folder.mkdir()
        command = [
            *(sys.executable, "-m", "benchmarks.downloads.urllib3_loop"),
            *("--folder", str(self.folder), "--port", str(port)),
            *("--threads", str(threads // processes)),
        ]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(processes)
        ]

    @property
    def pids(self) -> list[int]:
        """Return the ids of its processes."""
        return [process.pid for process in self._processes]

    def prepare(self, images: int, images_per_job: int) -> None:
        """Do nothing: there is no job to store."""

    def download(self, images: int) -> None:
        """Download `images` images; each process takes its share."""
        for nth, process in enumerate(self._processes):
            assert process.stdin
            process.stdin.write(f"{nth} {images} {len(self._processes)}\n")
            process.stdin.flush()
        for process in self._processes:
            assert process.stdout
            process.stdout.readline()
        assert len(list(self.folder.iterdir())) == images

    def clear(self) -> None:
        """Put the downloaded files aside."""
        put_aside(self.folder)
        self.folder.mkdir()

    def stop(self) -> None:
        """Kill its processes."""
        for process in self._processes:
            process.kill()
            process.wait()


def run(folder: Path, port: int, threads: int) -> None:
    """Run one process of the baseline until its input ends."""
    pool = urllib3.PoolManager(maxsize=threads)
    for line in sys.stdin:
        numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(*map(int, line.split())):
            numbers.put(number)
        args = (pool, f"http://{LOOPBACK}:{port}/", folder, numbers)
        workers = [threading.Thread(target=_download_all, args=args) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print("done", flush=True)


def _download_all(
    pool: urllib3.PoolManager, url: str, folder: Path, numbers: queue.SimpleQueue[int]
) -> None:
    while True:
        try:
            number = numbers.get_nowait()
        except queue.Empty:
            return
        digest = hashlib.sha256()
        response = pool.request("GET", f"{url}{number}", preload_content=False)
        with (folder / str(number)).open("wb") as file:
            for chunk in response.stream(CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
        response.release_conn()
        digest.hexdigest()


def main() -> None:
    """Run one process."""
    parser = argparse.ArgumentParser(description="A loop over urllib3.")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    run(options.folder, options.port, options.threads)


if __name__ == "__main__":
    main()
