"""The command that makes these settings those of the deployment."""

from __future__ import annotations

import click


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

    settings = start_process()
    storage = open_storage(settings.images_url, settings.scratch)
    archive = prepare_archive(settings)()
    with connect(settings) as client, reachable():
        Deployment(client).adopt(storage, archive)
    click.echo(f"the storage of all processes is {storage.url}")
    if archive:
        archive.close()
    click.echo(f"the archive of all processes is {archive.url if archive else 'none'}")
