"""Who gets into the HTTP API, and the document that describes it."""

import pytest
import requests

from imagequeue.config.settings import Settings, read_settings
from imagequeue.jobs.job import Job
from imagequeue.producer.api import create_app
from support.asgi import serving


@pytest.mark.parametrize("given", ["", "Bearer nobody", "Basic key-one", "Bearer", "Bearer ké"])
def test_with_keys_nobody_gets_in_without_one(overrides: dict[str, str], given: str) -> None:
    with serving(create_app(read_settings(**overrides, api_keys="key-one, key-two"))) as url:
        headers = {"Authorization": given.encode()} if given else {}
        answer = requests.get(f"{url}/v1/jobs", headers=headers, timeout=30)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "Authorization: Bearer KEY" in answer.json()["detail"]
        for key in ("key-one", "key-two"):
            headers = {"Authorization": f"Bearer {key}"}
            assert requests.get(f"{url}/v1/jobs", headers=headers, timeout=30).ok
        assert requests.get(f"{url}/healthz", timeout=30).json() == {"status": "ok"}


def test_without_keys_only_this_machine_gets_in(settings: Settings) -> None:
    # uvicorn believes a proxy on this machine.
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}
    with serving(create_app(settings)) as url:
        answer = requests.get(f"{url}/v1/jobs", headers=elsewhere, timeout=30)
        assert requests.get(f"{url}/v1/jobs", timeout=30).ok
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "application/problem+json")
    assert "IMAGEQUEUE_API_KEYS" in answer.json()["detail"]


def test_the_openapi_document_tells_of_every_problem(settings: Settings) -> None:
    document = create_app(settings).openapi()
    paths = document["paths"]
    assert len(paths) == 6
    for path, method, status in [
        ("/v1/jobs", "post", "400"),
        ("/v1/jobs", "get", "401"),
        ("/v1/jobs/{job_id}", "get", "404"),
        ("/v1/jobs/{job_id}/cancel", "post", "409"),
        ("/v1/jobs/{job_id}/retry", "post", "422"),
        ("/v1/jobs/{job_id}/images/{n}", "get", "404"),
        ("/healthz", "get", "503"),
    ]:
        assert "application/problem+json" in paths[path][method]["responses"][status]["content"]
    assert set(document["components"]["schemas"]["Job"]["properties"]) == {
        *(name for name, field in Job.model_fields.items() if not field.exclude),
        *Job.model_computed_fields,
    }
    assert "HTTPValidationError" not in document["components"]["schemas"]
