"""The command that makes these settings those of the deployment."""

from __future__ import annotations

import click


@click.command()
@click.confirmation_option(
    prompt="Processes with another storage or other secrets will refuse to start. Go on?"
)
def adopt() -> None:
    """Let all processes use the storage and the secrets of these settings from now on.

    Restart them afterwards. Images that are not in this storage are not found any more: move them
    first.
    """
    from ...config.process import start_process
    from ...config.redis import connect, reachable
    from ...storage import open_storage
    from ...store.deployment import Deployment

    settings = start_process()
    storage = open_storage(settings.images_url, settings.scratch)
    with connect(settings) as client, reachable():
        Deployment(client).adopt(storage)
    click.echo(f"the storage of all processes is {storage.url}")
