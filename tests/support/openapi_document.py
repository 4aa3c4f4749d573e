"""Writes the OpenAPI document, for programs that generate clients: `make typescript`."""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from imagequeue.config.settings import settings_class
from imagequeue.producer.api.application import create_app
from imagequeue.producer.local.embedded_redis import EmbeddedRedis


def write_document(path: Path) -> None:
    """Write the document of an API with the default settings and no plug-in of a provider."""
    with TemporaryDirectory() as folder:
        settings = settings_class()(
            _env_file=None, data_dir=folder, secret_key="only-for-the-document-1"
        )
        server = EmbeddedRedis(settings)
        try:
            app = create_app(settings.model_copy(update={"redis_url": server.start()}))
            path.write_text(json.dumps(app.openapi()))
        finally:
            server.stop()


if __name__ == "__main__":
    write_document(Path(sys.argv[1]))
