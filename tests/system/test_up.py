"""`imagequeue up` and `imagequeue demo`: all processes or none, restarted and stopped cleanly."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from imagequeue.errors import ConfigError
from imagequeue.producer.local import up as local_up
from imagequeue.producer.local.ports import free_port, require_free
from imagequeue.producer.local.supervisor import Supervisor, parse_procfile
from support.media import validate_file
from support.processes import BIN, Process, answers, clean_environment, eventually, up


def processes_of(process: Process) -> dict[str, psutil.Process]:
    """Return the running children by what they run."""
    names = ("valkey-server", "producer.api", "receiver", "download", "submit", "flower", "sandbox")
    children = psutil.Process(process.popen.pid).children(recursive=True)
    lines = {child: " ".join(child.cmdline()) for child in children}
    return {name: child for child, line in lines.items() for name in names if name in line}


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


class Reader:
    """Reads what a system prints, until its output is closed."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.file = os.fdopen(fd, "rb", buffering=0)
        self.text = ""

    def wait_for(self, text: str) -> None:
        def has_printed() -> bool:
            self.text += (self.file.read() or b"").decode()
            return text in self.text

        eventually(has_printed, 60)


def submit(urls: dict[str, str], prompt: str, **fields: str) -> str:
    request = {"provider": "acedata-flux", "prompt": prompt, **fields}
    return str(requests.post(f"{urls['api']}/v1/jobs", json=request, timeout=10).json()["id"])


def get(urls: dict[str, str], job_id: str) -> Any:
    return requests.get(f"{urls['api']}/v1/jobs/{job_id}", timeout=20).json()


def test_up_ends_what_it_started_and_jobs_survive(tmp_path: Path) -> None:
    # With a prefix, Flower answers nowhere else: `up` must look there to be ready.
    images = (tmp_path / "my images").as_uri()
    process, urls = up(tmp_path, FLOWER_URL_PREFIX="/tasks/", IMAGEQUEUE_STORAGE_URL=images)
    try:
        process.wait_for("ready api=")
        assert re.search(rf"^ready api=.* images={images}$", process.output, re.M)
        # Commands in another shell name the images where they are, and read the same archive.
        published = (tmp_path / "data" / "up.env").read_text()
        assert f"IMAGEQUEUE_STORAGE_URL='{images}'" in published
        assert f"IMAGEQUEUE_ARCHIVE_URL='sqlite:///{tmp_path}/data/archive.sqlite'" in published
        children = processes_of(process)
        assert len(children) == 7
        assert f"flower={urls['flower']}/tasks " in process.output
        log = tmp_path / "data" / "up.log"
        process.wait_for(f"logs       {log}")
        assert "worker | " in log.read_text()
        assert "worker | " not in process.output
        port = int(urls["api"].rpartition(":")[2])
        with pytest.raises(
            ConfigError, match=f"by pid {children['producer.api'].pid}, `.*producer.api"
        ):
            require_free(port, "--api-port")
        job_id = submit(urls, "a city [stuck]")
        second, _ = up(tmp_path)
        assert second.popen.wait(30) == 2
        assert re.fullmatch(r"starting; .*\nimagequeue: .* is in use by .*\n", second.output)
        process.popen.kill()
        eventually(lambda: not any(is_alive(child) for child in children.values()), 60)
    finally:
        process.kill()
    check_restarts_and_a_clean_stop(tmp_path, job_id)


def check_restarts_and_a_clean_stop(folder: Path, job_id: str) -> None:
    """Start the system again: it has the job, and restarts what dies while anyone reads or not."""
    reading, writing = os.pipe()
    process, urls = up(
        folder,
        writing,
        "--logs",
        IMAGEQUEUE_POLL_COUNTDOWNS="3,1,1",
        IMAGEQUEUE_LEASE_S="3",
        IMAGEQUEUE_STORAGE_URL=(folder / "my images").as_uri(),
    )
    os.close(writing)
    printed = Reader(reading)

    def flower_shows(task_id: str) -> bool:
        page = requests.get(f"{urls['flower']}/task/{task_id}", timeout=10)
        return page.ok and task_id in page.text

    try:
        printed.wait_for("logs       here")
        assert re.search(r"^  submit +\S*imagequeue submit kie-flux-kontext", printed.text, re.M)
        assert f"images     {folder / 'my images'}\n" in printed.text
        link = re.search(r"^  dashboard +(http\S+)$", printed.text, re.M)[1]  # type: ignore[index]
        assert link.startswith(f"{urls['api']}/login/")
        assert requests.get(link, headers={"Via": "1.1 proxy"}, timeout=20).ok
        # In the same folder, other programs find its settings.
        command = [str(BIN / "imagequeue"), "submit", "kie-flux-kontext", "tea", "--json"]
        ran = subprocess.run(command, cwd=folder, env=clean_environment(), capture_output=True)
        assert json.loads(ran.stdout)["delivery"] == "callback", ran.stderr
        children = processes_of(process)
        job = submit(urls, "tea", delivery="poll")
        eventually(lambda: get(urls, job)["state"] == "waiting")
        for victim in ("submit", "valkey-server", "receiver"):
            children[victim].send_signal(signal.SIGKILL)
        for line in (
            "starting worker again",
            "redis ended (status -9): starting it again",
            "receiver ended (signal SIGKILL): again in 1 s",
        ):
            printed.wait_for(line)
        eventually(lambda: get(urls, job)["state"] == "succeeded", 60)
        eventually(lambda: answers(f"{urls['callback']}/healthz"))
        eventually(lambda: flower_shows(f"{job}.download"))
        # A worker may log the traceback of what failed while Redis was away, but it must not end.
        printed.wait_for("")
        ended = re.findall(r"^ +up \| (\w+) ended", printed.text, re.M)
        assert sorted(ended) == ["receiver", "redis", "worker"], printed.text

        printed.file.close()
        victim = processes_of(process)["receiver"]
        victim.kill()
        eventually(lambda: not is_alive(victim) and answers(f"{urls['callback']}/healthz"))
        assert get(urls, job_id)["prompt"] == "a city [stuck]"
        children = processes_of(process)
    finally:
        status = process.stop()
    assert status == 0
    assert not any(child.is_running() for child in children.values())


def test_process_that_cannot_start_stops_all_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (flower,) = re.findall(r"^flower:.*\n", local_up.PROCFILE.read_text(), re.M)
    monkeypatch.setattr(local_up, "PROCFILE", tmp_path / "Procfile")
    local_up.PROCFILE.write_text(f"other: tail -f {tmp_path}/Procfile\n{flower}")
    for name in ("FLOWER_ADDRESS", "FLOWER_HOST"):
        monkeypatch.setenv(name, "0.0.0.0")
    names = ("api_port", "callback_port", "flower_port")
    options = local_up.Options(**{name: free_port() for name in names})
    with pytest.raises(ConfigError, match=r"^flower cannot start \(.* needs a password"):  # noqa: SIM117
        with local_up.running(options, lambda *_: None):
            pass
    assert not [c for c in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(c.info)]


def test_only_the_line_of_the_refusal_is_the_reason() -> None:
    command = {"worker": "sh -c 'echo a warning; echo imagequeue: set a key; exit 2'"}
    supervisor = Supervisor(command, clean_environment(), lambda *_: None, grace_s=5)
    supervisor.start()
    supervisor.children[0]._process.wait()  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match=r"^worker cannot start \(status 2\): set a key$"):
        supervisor.restart_dead(ready=False)
    supervisor.stop()


def test_restart_pauses_grow() -> None:
    lines: list[str] = []
    command = {"mayfly": "true"}
    write_line = lambda _, line: lines.append(line)  # noqa: E731
    supervisor = Supervisor(command, clean_environment(), write_line, grace_s=5)
    supervisor.start()

    def has_died_twice() -> bool:
        supervisor.restart_dead(ready=True)
        return sum("ended" in line for line in lines) == 2

    eventually(has_died_twice)
    supervisor.stop()
    assert [line for line in lines if "ended" in line] == [
        "mayfly ended (status 0): again in 1 s",
        "mayfly ended (status 0): again in 2 s",
    ]


def test_procfile_comments_are_ignored() -> None:
    assert parse_procfile("# a: b\n\nweb: run --url http://x\n") == {"web": "run --url http://x"}


def test_demo_ends_by_itself_with_valid_images(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    process = Process([str(BIN / "imagequeue"), "demo"], {"COLUMNS": "120"}, folder)
    try:
        assert process.popen.wait(120) == 0, process.output
    finally:
        process.kill()
    assert "redis: Valkey 9." in process.output
    assert "7 of 7 jobs succeeded" in process.output
    listed = re.findall(r"^  (/.*)$", process.output, re.MULTILINE)
    assert len(listed) >= 7
    for name in listed:
        assert validate_file(Path(name)).content_type.startswith(("image/", "video/"))
    left = psutil.process_iter(["cmdline", "cwd"])
    assert [process.info for process in left if process.info["cwd"] == str(folder)] == []
