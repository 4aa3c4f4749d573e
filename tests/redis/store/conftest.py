import pytest
import redis

from imagequeue.store.jobs import Store


@pytest.fixture
def client(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


@pytest.fixture
def store(client: redis.Redis) -> Store:
    return Store(client)
