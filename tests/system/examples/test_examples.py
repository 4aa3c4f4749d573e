"""The examples, each run as its own process."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from support.images import PNG
from support.media import validate_file
from support.paths import ROOT
from support.processes import BIN, answers, eventually, find_command, running
from support.system import System

EXAMPLES = ROOT / "examples"


def test_submit_sh_downloads_the_image(system: System) -> None:
    find_command("curl")
    job_id, *_, state, file = system.run(EXAMPLES / "submit.sh")
    assert (state, system.get(f"/{job_id}")["state"]) == ("succeeded", "succeeded")
    assert validate_file(system.folder / file).content_type.startswith("image/")


def test_submit_sh_fails_if_its_job_fails(system: System) -> None:
    find_command("curl")
    request = '{"provider": "acedata-flux", "prompt": "a cow [refuse=403]"}'
    command = (EXAMPLES / "submit.sh", request, "cow")
    ran = subprocess.run(command, cwd=system.folder, env=system.env, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[-1] == "failed"
    assert not (system.folder / "cow").exists()


def test_submit_mjs_follows_the_job_and_saves_the_images(system: System) -> None:
    printed = system.run(find_command("node"), EXAMPLES / "submit.mjs", "a red fox")
    changes = [line.split()[1] for line in printed if " " in line]
    files = printed[len(changes) :]
    assert changes[-1] == "succeeded"
    assert len(changes) > 1
    assert files
    for file in files:
        assert validate_file(system.folder / file).content_type.startswith("image/")


def test_openai_sdk_makes_an_image_and_edits_it(system: System) -> None:
    env = {"OPENAI_BASE_URL": f"{system.api}/v1", "OPENAI_API_KEY": "none"}
    files = system.run(sys.executable, EXAMPLES / "openai_sdk.py", "a red fox", **env)
    assert files == ["image.png", "edited.png"]
    for file in files:
        assert validate_file(system.folder / file).content_type.startswith("image/")


def test_python_client_runs_a_job_and_saves_its_image(system: System) -> None:
    printed = system.run(sys.executable, EXAMPLES / "python_client.py")
    *changes, file = printed
    states = [line.split()[1] for line in changes]
    assert (states[0], states[-1]) == ("queued", "succeeded")
    assert validate_file(system.folder / file).content_type.startswith("image/")


def test_async_client_runs_several_jobs(system: System) -> None:
    printed = system.run(sys.executable, EXAMPLES / "async_client.py")
    assert len(printed) == 3
    for line in printed:
        file = system.folder / line.rpartition(" ")[2]
        assert validate_file(file).content_type.startswith("image/")


def test_flask_service_orders_and_receives_a_webhook(system: System) -> None:
    own = f"http://localhost:{system.flask_port}"
    app = ("--app", str(EXAMPLES / "flask_service.py"))
    command = [str(BIN / "flask"), *app, "run", "--port", str(system.flask_port)]
    with running(command, {**system.env, "SERVICE_URL": own}, system.folder) as service:
        eventually(lambda: answers(f"{own}/images"))
        order = {"prompt": "a red fox", "order": "flask-7"}
        first, again = (requests.post(f"{own}/order", params=order, timeout=20) for _ in range(2))
        assert first.status_code == again.status_code == 202, service.output
        job_id = first.json()["id"]
        assert again.json()["id"] == job_id
        forged = requests.post(f"{own}/webhook", json={"data": {"id": "job_1"}}, timeout=20)
        assert forged.status_code == 400
        eventually(lambda: requests.get(f"{own}/images", timeout=20).json())
        received = requests.get(f"{own}/images", timeout=20).json()
    assert list(received) == [job_id]
    (url,) = received[job_id]
    assert requests.get(url, timeout=20).headers["content-type"].startswith("image/")


def test_fastapi_service_orders_waits_and_receives_a_webhook(system: System) -> None:
    own = f"http://localhost:{system.fastapi_port}"
    app = ("--app-dir", str(EXAMPLES), "fastapi_service:app")
    command = [str(BIN / "uvicorn"), *app, "--port", str(system.fastapi_port)]
    with running(command, {**system.env, "SERVICE_URL": own}, system.folder) as service:
        eventually(lambda: answers(f"{own}/images"))
        headers = {"Idempotency-Key": "fastapi-7"}
        order = {"prompt": "a red fox"}
        first, again = (
            requests.post(f"{own}/order", params=order, headers=headers, timeout=20)
            for _ in range(2)
        )
        assert first.status_code == again.status_code == 202, service.output
        job_id = first.json()["id"]
        assert again.json()["id"] == job_id
        assert requests.post(f"{own}/webhook", json={}, timeout=20).status_code == 400
        ended = requests.get(f"{own}/order/{job_id}", timeout=60).json()
        assert ended["state"] == "succeeded"
        eventually(lambda: requests.get(f"{own}/images", timeout=20).json())
        received = requests.get(f"{own}/images", timeout=20).json()
    stored = system.get(f"/{job_id}")["images"]
    assert received == {job_id: [image["uri"] for image in stored]}


def test_edits_of_a_csv_go_on_where_they_stopped(system: System) -> None:
    (system.folder / "photo.png").write_bytes(PNG)
    made = system.run(EXAMPLES / "submit.sh")[0]
    rows = [("cup", "photo.png"), ("pot", f"{made}/0"), ("jug", "photo.png")]
    lines = [f"{sku},{image},on a table" for sku, image in rows]
    (system.folder / "edits.csv").write_text("\n".join(["sku,image,prompt", *lines]))

    def edit() -> set[str]:
        system.run(sys.executable, EXAMPLES / "edit_csv.py", "edits.csv")
        jobs = system.get("", limit=100)["jobs"]
        return {job["id"] for job in jobs if job["metadata"].get("sku")}

    first = edit()
    saved = {path.stem: path for path in (system.folder / "edits").iterdir()}
    assert (len(first), saved.keys()) == (3, {"cup", "pot", "jug"})
    saved["cup"].unlink()
    assert edit() == first
    assert validate_file(saved["cup"]).content_type.startswith("image/")


def test_celery_program_without_this_package_creates_one_job(
    system: System, tmp_path: Path
) -> None:
    stand_in = tmp_path / "imagequeue.py"
    stand_in.write_text('raise ImportError("not installed here")\n')
    without = {"PYTHONPATH": str(tmp_path)}
    tried = "import sys\ntry: import imagequeue\nexcept ImportError: sys.exit(7)"
    env = {**system.env, **without}
    assert subprocess.run([sys.executable, "-c", tried], cwd=system.folder, env=env).returncode == 7
    for _ in range(2):
        printed = system.run(sys.executable, EXAMPLES / "celery_client.py", "celery-7", **without)
        assert printed == ["order-celery-7"]

    def made() -> list[Any]:
        jobs = system.get("", limit=100)["jobs"]
        return [job for job in jobs if job["metadata"] == {"order": "celery-7"}]

    job = eventually(made)[0]
    ended = system.get(f"/{job['id']}", wait=60)
    assert (ended["state"], ended["submitted_by"]) == ("succeeded", "shop")
    assert len(made()) == 1
