"""The command that makes these settings those of the deployment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ...config.settings import Settings


@click.command()
@click.confirmation_option(
    prompt="Processes with another storage, archive or other secrets will refuse to start. Go on?"
)
def adopt() -> None:
    """Let all processes use the storage, archive and secrets of these settings from now on.

    Restart them afterwards. Images and jobs that are not there are not found any more: move them
    first.
    """
    from ...archive import prepare_archive
    from ...config.process import start_process
    from ...config.redis import connect, reachable
    from ...storage import open_storage
    from ...store.deployment.agreement import Deployment

    with _run_own_redis(start_process()) as settings:
        storage = open_storage(settings.images_url, settings.scratch)
        archive = prepare_archive(settings)()
        with connect(settings) as client, reachable():
            Deployment(client).adopt(storage, archive)
    click.echo(f"the storage of all processes is {storage.url}")
    if archive:
        archive.close()
    click.echo(f"the archive of all processes is {archive.url if archive else 'none'}")


@contextmanager
def _run_own_redis(settings: Settings) -> Iterator[Settings]:
    """Run the Redis of a data folder while its `up` does not run; yield the settings of `up`.

    An `up` that is refused for its storage ends, and its Redis with it.
    """
    from ...config.redis import embedded_folder
    from ..local.embedded_redis import EmbeddedRedis

    if settings.redis_url or not embedded_folder(settings).is_dir():
        yield settings
        return
    server = EmbeddedRedis(settings)
    try:
        url = server.start()
        yield settings.model_copy(
            update={"redis_url": url, "archive_url": settings.archive_url or settings.local_archive}
        )
    finally:
        server.stop()
