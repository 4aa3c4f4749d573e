"""What type checkers refuse: every line that ends in `# wrong` is an error of both."""

from imagequeue import AsyncClient, Client
from imagequeue.client.catalogue import Request


def use(client: Client, chosen: str) -> None:
    client.submit("kie-flux-contekst", "a cat")  # wrong
    client.submit(chosen, "a cat")  # wrong
    client.submit("kie-flux-kontext", "a cat", params={"aspect": "1:1"})  # wrong
    client.submit("kie-flux-kontext", "a cat", params={"aspect_ratio": "17:1"})  # wrong
    client.submit("kie-flux-kontext", "a cat", action="upscale")  # wrong
    client.submit("kie", "a cat")  # wrong
    client.submit("kie", "a cat", params={"model": "z-imagine"})  # wrong
    client.submit("kie-flux-kontext", "a cat", priority="urgent")  # wrong
    client.submit("kie-flux-kontext", "a cat", timeout_s=60)  # wrong
    client.run("kie-flux-kontext", "a cat", on_update="print")  # wrong
    client.list(state="done")  # wrong
    job = client.run("kie-flux-kontext", "a cat")
    if job.state == "sucess":  # wrong
        print("done")
    print(job.imagse)  # wrong
    requests: list[Request] = [{"provider": "kie", "prompts": "a cat"}]  # wrong
    print(requests)


async def use_async(client: AsyncClient) -> None:
    job = await client.submit("kie-flux-kontext", "a cat", params={"aspect": "1:1"})  # wrong
    print(job, client.submit("kie-flux-kontext").id)  # wrong


async def read(client: AsyncClient) -> bytes:
    job = await client.get("job_1")
    return job.image.read()  # wrong
