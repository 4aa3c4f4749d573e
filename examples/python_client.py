"""The Python client: a URL and a key are all it needs. IMAGEQUEUE_URL=http://localhost:8000"""

import sys

from imagequeue import Client, JobFailedError

with Client() as client:
    try:
        job = client.run(
            "kie-flux-kontext",
            sys.argv[1] if len(sys.argv) > 1 else "a lighthouse in a storm, oil on canvas",
            params={"aspect_ratio": "16:9"},
            on_update=lambda job: print(job.id, job.state),
        )
    except JobFailedError as error:
        sys.exit(f"{error.reason}: {error}")
    for image in job.images:
        kind = (image.content_type or "image/png").partition("/")[2]
        print(image.save(f"{job.id}-{image.index}.{kind}"))
