"""One `imagequeue up --sandbox` for all examples."""

from collections.abc import Iterator

import pytest

from imagequeue.producer.local.ports import free_port
from support.processes import up
from support.system import System


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("up")
    service_ports = [free_port() for _ in range(3)]
    trusted = ",".join(f"localhost:{port}" for port in service_ports)
    # In a file, for the service with a client of its own: it checks the address of its webhook.
    (folder / ".env").write_text(f"IMAGEQUEUE_WEBHOOK_TRUSTED_HOSTS={trusted}\n")
    process, urls = up(folder)
    try:
        process.wait_for("ready api=")
        yield System(folder, urls["api"], *service_ports)
    finally:
        status = process.stop()
    assert status == 0, process.output
