"""OpenAI's images API in front of the queue: programs that use an SDK of OpenAI need no change."""
