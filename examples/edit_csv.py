"""Edit every image of a CSV file, with progress: python edit_csv.py edits.csv

Its columns are sku, image (a path or a URL) and prompt. The results lie beside it, in edits/. A run
that was interrupted is started again: what is saved is left out, and what was submitted within 24
hours is the same job, so nothing is paid twice.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.progress import Progress

from imagequeue import Client, SubmittedJob
from imagequeue.client.catalogue import Request

source = Path(sys.argv[1])
folder = source.with_suffix("")
folder.mkdir(exist_ok=True)


def make_requests() -> Iterator[Request]:
    with source.open(newline="") as file:
        for row in csv.DictReader(file):
            if not any(folder.glob(f"{row['sku']}.*")):
                yield {
                    "provider": "kie-flux-kontext",
                    "action": "edit",
                    "prompt": row["prompt"],
                    "image": row["image"],
                    "metadata": {"sku": row["sku"]},
                    "idempotency_key": f"{source.name}/{row['sku']}",
                }


failed = 0
with Client() as client, Progress() as progress:
    submitted = progress.add_task("submitted", total=None)
    jobs: list[SubmittedJob] = []
    for job in client.submit_many(make_requests(), on_refused=progress.print):
        jobs.append(job)
        progress.advance(submitted)
    progress.update(submitted, total=len(jobs))
    for done in progress.track(client.as_completed(jobs), len(jobs), description="edited"):
        if done.state == "succeeded":
            kind = (done.image.content_type or "image/png").partition("/")[2]
            done.image.save(folder / f"{done.metadata['sku']}.{kind}")
        else:
            failed += 1
            progress.print(done.metadata["sku"], done.state, done.error)
sys.exit(bool(failed))
