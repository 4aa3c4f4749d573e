"""The API describes the providers."""

import pytest
import requests

from imagequeue.providers import PROVIDERS
from support.asgi import Serve

AUTH = {"Authorization": "Bearer a-key"}


@pytest.fixture
def api(serve: Serve) -> str:
    return f"{serve(api_keys='a-key')}/v1/providers"


def test_providers_and_their_requests_are_described(api: str) -> None:
    query = {"details": "false"}
    listed = requests.get(api, params=query, headers=AUTH, timeout=30).json()
    kie = {"name": "kie", "actions": ["generate", "edit"], "models": 61, "requests": []}
    assert listed[0] == kie
    whole = requests.get(f"{api}/kie", headers=AUTH, timeout=30).json()
    assert len({each["model"] for each in whole["requests"]}) == 62
    query = {"model": "seedream/4.5-edit"}
    one = requests.get(f"{api}/kie", params=query, headers=AUTH, timeout=30).json()
    (request,) = one["requests"]
    assert (request["action"], request["price"], request["credits"]) == ("edit", "6.5 credits", 6.5)
    assert request["schema"]["properties"]["params"]["required"] == ["model"]


def test_one_call_describes_every_request_of_every_provider(api: str) -> None:
    every = requests.get(api, headers=AUTH, timeout=30).json()
    assert [each["name"] for each in every] == list(PROVIDERS)
    for each in every:
        one = requests.get(f"{api}/{each['name']}", headers=AUTH, timeout=30).json()
        assert each == one
        assert all(request["schema"]["properties"]["params"] for request in each["requests"])


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [("dall-e", 404, "known: kie"), ("kie?model=seedream", 422, "did you mean")],
)
def test_unknown_name_is_refused(api: str, path: str, status: int, words: str) -> None:
    answer = requests.get(f"{api}/{path}", headers=AUTH, timeout=30)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True)


def test_description_needs_a_key(api: str) -> None:
    assert requests.get(api, timeout=30).status_code == 401
