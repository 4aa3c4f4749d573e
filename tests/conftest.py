"""Fixtures: a real Redis for the session, settings and a context for each test."""

import gc
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis
import pytest
import redis
import structlog

from imagequeue.config.celery import make_celery
from imagequeue.config.settings import PREFIX, Settings, read_settings
from imagequeue.producer.local import embedded_redis
from imagequeue.producer.local.embedded_redis import EmbeddedRedis
from imagequeue.worker.context import Context, open_context
from support import processes
from support.clock import Clock
from support.examples import examples
from support.logs import restoring_logs
from support.processes import Process
from support.redis import find_memory_folder
from support.s3 import s3, s3_server  # noqa: F401
from support.sandbox import QUICK, Receiver, Sandbox, receiving, running
from support.stub import Stub, stub_server

# The same examples in every CI run, new ones each time elsewhere.
hypothesis.settings.register_profile("ci", examples(25), derandomize=True)
hypothesis.settings.register_profile("local", examples(25))
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "local")

# Rich takes half a second to draw a traceback with the values of every frame.
plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])

# The folders of the tests are in memory: files and fsyncs there wait for no disk.
if MEMORY_FOLDER := find_memory_folder():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY_FOLDER))


# The path of another server than the embedded one, for all tests that start one in this process.
if OTHER_SERVER := os.environ.get("TEST_REDIS_SERVER"):
    embedded_redis.find_server_binary = lambda: OTHER_SERVER


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what is imported out of the garbage collector: it would look at all of it each time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


TOGETHER = ("tests/system/dashboard", "tests/system/examples")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Keep the tests of a folder in one process if what they share takes seconds to start."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class FolderScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            folder, _, _ = nodeid.rpartition("/")
            return folder if folder in TOGETHER else super()._split_scope(nodeid)

    return FolderScheduling(config, log)


SETTINGS = {
    "secret_key": "a secret of the tests",
    "kie_api_key": "a kie key",
    # A scrape asks for the credit: nothing listens there.
    "kie_base_url": "http://127.0.0.1:9",
    "acedata_api_key": "an acedata key",
    # Tests of the archive name one.
    "archive_url": "none",
    "retention_s": "2592000",
    # Most tests of several images have one of each kind.
    "save_origins": "true",
    # The input URLs of most tests lead nowhere.
    "check_input_images": "false",
    # The stubs and sandboxes of most tests have no limits.
    "kie_rate_limit": "off",
    "kie_max_in_flight": "off",
    "kie_lookups_per_s": "off",
    "acedata_rate_limit": "off",
    "acedata_max_in_flight": "off",
    "acedata_lookups_per_s": "off",
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No .env and no variable of the person who runs the tests gets in."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _own_logs() -> Iterator[None]:
    """A test that configures the logs does it for itself alone."""
    with restoring_logs():
        yield


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    with TemporaryDirectory(prefix="imagequeue-tests-", dir=MEMORY_FOLDER) as folder:
        server = EmbeddedRedis(Settings(data_dir=Path(folder)))
        yield server.start()
        server.stop()


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The address of a Redis that is empty."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture
def overrides(redis_url: str, tmp_path: Path) -> dict[str, str]:
    """The settings of a test, by their names; change them before `settings` is used."""
    return {**SETTINGS, "redis_url": redis_url, "data_dir": str(tmp_path / "data")}


@pytest.fixture
def settings(overrides: dict[str, str]) -> Settings:
    return read_settings(**overrides)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ctx(settings: Settings, clock: Clock) -> Iterator[Context]:
    """Everything a step of the work needs, with a clock that the test moves."""
    with make_celery(settings) as celery:
        yield open_context(settings, celery, now=clock)


@pytest.fixture(scope="session")
def sandbox_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A quick sandbox that all tests share: a task takes a fifth of a second."""
    with processes.sandbox(
        tmp_path_factory.mktemp("sandbox"), "--latency", "0.2", "--kie-limit", "0"
    ) as url:
        yield url


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A provider that answers as the test says."""
    with stub_server() as server:
        yield server


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox in a hurry, for the tests of one file."""
    with running(*QUICK) as one:
        yield one


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """What takes that sandbox's callbacks."""
    with receiving() as one:
        yield one


Start = Callable[..., Process]


@pytest.fixture
def start(overrides: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts a command with the settings of the test; whatever is left at the end is killed."""
    processes: list[Process] = []

    def start_one(*command: str, **env: str) -> Process:
        variables = {f"{PREFIX}{name.upper()}": value for name, value in overrides.items()}
        processes.append(Process(list(command), {**variables, **env}, tmp_path))
        return processes[-1]

    yield start_one
    for process in processes:
        process.kill()
