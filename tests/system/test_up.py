"""`imagequeue up` and `imagequeue demo`: all of it or nothing, started again and stopped clean."""

import json
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil
import requests

from imagequeue.producer.local.ports import free_port
from imagequeue.producer.local.supervisor import Supervisor, parse_procfile
from support.media import examined
from support.processes import BIN, Process, answers, clean_environment, eventually


def up(folder: Path, **env: str) -> tuple[Process, dict[str, str]]:
    """A system of one's own with a sandbox, and where it answers."""
    ports = {name: str(free_port()) for name in ("api", "callback", "flower", "sandbox")}
    flags = [text for name, port in ports.items() for text in (f"--{name}-port", port)]
    process = Process([str(BIN / "imagequeue"), "up", "--sandbox", *flags], env, folder)
    return process, {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


def processes_of(process: Process) -> dict[str, psutil.Process]:
    """The running children by what they run."""
    names = ("valkey-server", "producer.api", "receiver", "download", "submit", "flower", "sandbox")
    children = psutil.Process(process.popen.pid).children(recursive=True)
    lines = {child: " ".join(child.cmdline()) for child in children}
    return {name: child for child, line in lines.items() for name in names if name in line}


def test_up_runs_everything_starts_again_what_dies_and_stops_clean(tmp_path: Path) -> None:
    process, urls = up(tmp_path, IMAGEQUEUE_POLL_COUNTDOWNS="3,1,1", IMAGEQUEUE_LEASE_S="3")

    def state_of(job_id: str) -> Any:
        answer = requests.get(f"{urls['api']}/v1/jobs/{job_id}", timeout=20)
        return answer.json().get("state")

    def flower_shows(task_id: str) -> bool:
        page = requests.get(f"{urls['flower']}/task/{task_id}", timeout=10)
        return page.ok and task_id in page.text

    try:
        process.wait_for("ready api=")
        assert re.search(
            rf"^ready api=.* images={(tmp_path / 'data/images').as_uri()}$", process.output, re.M
        )
        children = processes_of(process)
        assert len(children) == 7
        # Beside it, in the same folder, nothing has to be set.
        find_local_up = [str(BIN / "imagequeue"), "submit", "kie-flux-kontext", "tea", "--json"]
        ran = subprocess.run(
            find_local_up, cwd=tmp_path, env=clean_environment(), capture_output=True
        )
        assert json.loads(ran.stdout)["delivery"] == "callback", ran.stderr
        request = {"provider": "acedata-flux", "prompt": "tea", "delivery": "poll"}
        job = requests.post(f"{urls['api']}/v1/jobs", json=request, timeout=10).json()
        eventually(lambda: state_of(job["id"]) == "waiting")
        for victim in ("submit", "valkey-server", "receiver"):
            children[victim].send_signal(signal.SIGKILL)
        process.wait_for("starting worker again")
        assert "redis ended (status -9): starting it again" in process.output
        assert "receiver ended (signal SIGKILL): again in 1 s" in process.output
        eventually(lambda: state_of(job["id"]) == "succeeded", 60)
        eventually(lambda: answers(f"{urls['callback']}/healthz"))
        eventually(lambda: flower_shows(f"{job['id']}.download"))
        children = processes_of(process)
    finally:
        status = process.stop()
    assert status == 0, process.output
    assert not any(child.is_running() for child in children.values())
    assert "Traceback" not in process.output


def test_a_second_up_on_the_same_folder_is_refused_and_jobs_outlive_the_first(
    tmp_path: Path,
) -> None:
    process, urls = up(tmp_path)
    try:
        process.wait_for("ready api=")
        request = {"provider": "acedata-flux", "prompt": "kept [stuck]"}
        job = requests.post(f"{urls['api']}/v1/jobs", json=request, timeout=10).json()
        second, _ = up(tmp_path)
        assert second.popen.wait(30) == 2
        assert re.fullmatch(r"imagequeue: .* is in use by .*\n", second.output)
    finally:
        process.stop()
    process, urls = up(tmp_path)
    try:
        process.wait_for("ready api=")
        found = requests.get(f"{urls['api']}/v1/jobs/{job['id']}", timeout=10).json()
        assert found["prompt"] == "kept [stuck]"
    finally:
        assert process.stop() == 0


def test_a_process_that_cannot_start_brings_everything_down_with_its_reason(
    tmp_path: Path,
) -> None:
    process, _ = up(tmp_path, FLOWER_ADDRESS="0.0.0.0", FLOWER_HOST="0.0.0.0")
    try:
        assert process.popen.wait(90) == 2, process.output
        last = process.output.splitlines()[-1]
        assert last.startswith("imagequeue: flower cannot start")
        assert "needs a password" in last
    finally:
        process.kill()
    assert not [c for c in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(c.info)]


def test_pauses_grow_from_one_death_to_the_next() -> None:
    told: list[str] = []
    command = {"mayfly": "true"}
    tell = lambda _, line: told.append(line)  # noqa: E731
    supervisor = Supervisor(command, clean_environment(), tell, grace_s=5)
    supervisor.start()

    def died_twice() -> bool:
        supervisor.restart_dead(ready=True)
        return sum("ended" in line for line in told) == 2

    eventually(died_twice)
    supervisor.stop()
    assert [line for line in told if "ended" in line] == [
        "mayfly ended (status 0): again in 1 s",
        "mayfly ended (status 0): again in 2 s",
    ]


def test_a_procfile_is_read_with_its_comments_left_out() -> None:
    assert parse_procfile("# a: b\n\nweb: run --url http://x\n") == {"web": "run --url http://x"}


def test_the_demo_ends_by_itself_with_every_picture_real(tmp_path: Path) -> None:
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
        assert examined(Path(name)).content_type.startswith(("image/", "video/"))
    left = psutil.process_iter(["cmdline", "cwd"])
    assert [process.info for process in left if process.info["cwd"] == str(folder)] == []
