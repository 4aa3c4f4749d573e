"""Many jobs at once with the asyncio client, which waits for all by one connection."""

import asyncio
import sys

from imagequeue import AsyncClient, JobFailedError


async def draw(client: AsyncClient, prompt: str) -> str:
    try:
        job = await client.run("acedata-flux", prompt)
    except JobFailedError as error:
        return f"{prompt}: {error.reason}"
    return f"{prompt}: {await job.image.save(f'{job.id}.png')}"


async def main() -> None:
    prompts = sys.argv[1:] or ["a red fox", "a white cat", "a blue bird"]
    async with AsyncClient() as client:
        for drawn in asyncio.as_completed([draw(client, prompt) for prompt in prompts]):
            print(await drawn)


asyncio.run(main())
