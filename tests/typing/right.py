"""What type checkers accept: each call as a user writes it, in both clients."""

from imagequeue import AsyncClient, Client, Job, JobFailedError, OtherParams, OtherProvider, State
from imagequeue.client.catalogue import Request


def use(client: Client, chosen: str) -> None:
    job: Job = client.run(
        "kie-flux-kontext",
        "a cat",
        params={"aspect_ratio": "16:9"},
        timeout_s=60,
        on_update=lambda job: print(job.state),
    )
    edited = client.submit(
        "kie",
        "a hat",
        action="edit",
        image=["cat.png", b"..."],
        params={"model": "seedream/4.5-edit", "aspect_ratio": "1:1", "quality": "basic"},
        priority="low",
    )
    client.submit(OtherProvider("acme"), "a cat", params={"anything": 1})
    client.submit(OtherProvider(chosen), "a cat")
    client.submit("kie", "a cat", params=OtherParams({"model": "new", "unchecked": True}))
    client.submit("kie-flux-kontext", fallback=[{"provider": "acedata-flux"}])
    requests: list[Request] = [
        {"provider": "kie-flux-kontext", "prompt": "a cat", "params": {"aspect_ratio": "1:1"}},
        {"provider": OtherProvider("acme"), "params": {"anything": 1}},
    ]
    for accepted in client.submit_many(requests):
        print(accepted.index, client.wait(accepted).state)
    for failed in client.list(state="failed", provider="kie"):
        if failed.reason == "credit" and failed.state == "failed":
            client.retry(failed, pay_again=True)
    width: int | None = edited.image.width
    data: bytes = job.image.read()
    print(width, data, [each.state for each in client.list(state=State.QUEUED)])


async def use_async(client: AsyncClient) -> None:
    try:
        job = await client.run("openai-images", "a cat", params={"model": "gpt-image-2", "n": 2})
    except JobFailedError as error:
        print(error.reason)
        return
    async for each in client.as_completed([job, job.id], timeout_s=60):
        data: bytes = await each.image.read()
        print(data)
