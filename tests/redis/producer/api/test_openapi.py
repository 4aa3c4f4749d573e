"""The API behaves as its OpenAPI document says, for requests generated from it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from imagequeue.jobs.job import Job
from support.asgi import Serve
from support.examples import examples

KEY = "a-key"
AUTH = {"Authorization": f"Bearer {KEY}"}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
FETCHED: list[bytes] = []
# Streams do not end by themselves; test_events.py reads them.
STREAMS = {"follow_job", "follow_jobs"}
OPERATIONS = {
    "submit_job",
    "list_jobs",
    "export_jobs",
    "get_job",
    "cancel_job",
    "retry_job",
    "acknowledge_job",
    "change_jobs",
    "submit_batch",
    "list_batches",
    "get_batch",
    "list_batch_jobs",
    "get_budgets",
    "get_costs",
    "get_image",
    "get_thumbnail",
    "list_pauses",
    "pause",
    "resume",
    "upload_image",
    "create_images",
    "edit_images",
    "get_images",
    "get_signed_image",
    "list_models",
    "get_me",
    "get_processes",
    "list_providers",
    "get_provider",
    "health",
    "readiness",
}


@pytest.fixture
def api(serve: Serve) -> str:
    return serve(api_keys=KEY)


@pytest.fixture
def document(api: str) -> Any:
    """The document, which every API of these tests has in common."""
    if not FETCHED:
        FETCHED.append(requests.get(f"{api}/openapi.json", headers=AUTH, timeout=60).content)
    return json.loads(FETCHED[0])


def operations(document: Any) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def test_operation_ids_are_stable(document: Any) -> None:
    assert {one["operationId"] for one in operations(document)} == OPERATIONS | STREAMS


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from references(each)


def test_every_reference_leads_to_a_schema(document: Any) -> None:
    names = set(references(document))
    assert "#/components/schemas/ProblemDocument" in names
    for name in names:
        found = document
        for step in name.removeprefix("#/").split("/"):
            found = found[step]


def test_every_operation_is_described(document: Any) -> None:
    tags = {tag["name"] for tag in document["tags"]}
    for operation in operations(document):
        assert operation["summary"], operation
        assert operation["description"], operation
        assert set(operation["tags"]) <= tags
        for status, answer in operation["responses"].items():
            assert answer["description"], (operation["operationId"], status)


def test_request_examples_are_accepted(api: str, document: Any) -> None:
    body = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        answer = requests.post(f"{api}/v1/jobs", json=example["value"], headers=AUTH, timeout=30)
        assert answer.status_code == 202, answer.text
    body = document["paths"]["/v1/batches"]["post"]["requestBody"]["content"]["application/json"]
    answer = requests.post(f"{api}/v1/batches", json=body["example"], headers=AUTH, timeout=30)
    assert answer.status_code == 202, answer.text


def test_response_examples_have_all_fields(api: str, document: Any) -> None:
    for path, request in (
        ("/v1/jobs", {"provider": "acedata-flux", "prompt": "a cat"}),
        ("/v1/batches", {"items": [{"provider": "acedata-flux", "prompt": "a cat"}]}),
    ):
        said = document["paths"][path]["post"]["responses"]["202"]["content"]["application/json"]
        answer = requests.post(f"{api}{path}", json=request, headers=AUTH, timeout=30).json()
        # FastAPI leaves fields out of an example that are null.
        left_out = {name for name, value in answer.items() if value is None}
        assert set(said["example"]) | left_out == set(answer)


def make_real(case: schemathesis.Case, known: dict[str, str]) -> None:
    """Let a case use existing ids and providers, which random values would never hit."""
    for name in set(case.path_parameters or ()) & set(known):
        case.path_parameters[name] = known[name]
    for item in case.body.get("items", [case.body]) if isinstance(case.body, dict) else ():
        if isinstance(item, dict) and "provider" in item:
            item["provider"] = "acedata-flux"


def for_generator(document: Any) -> Any:
    """The document with the requests of one provider: all are more than the generator takes."""
    body = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    names = ("JobRequest", "AcedataFluxGenerate", "AcedataFluxEdit")
    body["schema"] = {"anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}
    return document


@pytest.mark.parametrize("operation_id", sorted(OPERATIONS))
def test_every_response_matches_the_document(api: str, document: Any, operation_id: str) -> None:
    batch = {"items": [{"provider": "acedata-flux", "prompt": "a cat"}] * 2}
    made = requests.post(f"{api}/v1/batches", json=batch, headers=AUTH, timeout=30).json()
    known = {"name": "acedata-flux", "job_id": made["jobs"][0], "batch_id": made["id"]}
    schema = schemathesis.openapi.from_dict(for_generator(document))
    (found,) = schema.include(operation_id=operation_id).get_all_operations()

    @examples(
        6,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=found.ok().as_strategy(), real=st.booleans())
    def ask(case: schemathesis.Case, real: bool) -> None:
        if real:
            make_real(case, known)
        if isinstance(wait := (case.query or {}).get("wait"), float | int):
            case.query["wait"] = min(wait, 0.01)
        if operation_id.endswith("_images"):  # without it, what runs on is a 503
            case.headers["prefer"] = "respond-async"
        case.validate_response(case.call(base_url=api, headers=AUTH, timeout=30), checks=CHECKS)

    ask()


def test_pages_are_not_in_the_document(document: Any) -> None:
    known = ("/v1/", "/healthz", "/readyz", "/metrics")
    assert [path for path in document["paths"] if not path.startswith(known)] == []


def test_openapi_document_lists_every_error(document: Any) -> None:
    paths = document["paths"]
    assert len(paths) == 30
    for path, method, status in [
        ("/v1/jobs", "post", "400"),
        ("/v1/jobs", "get", "401"),
        ("/v1/jobs/{job_id}", "get", "404"),
        ("/v1/jobs/{job_id}/cancel", "post", "409"),
        ("/v1/jobs/{job_id}/retry", "post", "422"),
        ("/v1/jobs:{action}", "post", "409"),
        ("/v1/jobs/{job_id}/images/{n}", "get", "404"),
        ("/readyz", "get", "503"),
    ]:
        assert "application/problem+json" in paths[path][method]["responses"][status]["content"]
    assert set(document["components"]["schemas"]["Job"]["properties"]) == {
        *(name for name, field in Job.model_fields.items() if not field.exclude),
        *Job.model_computed_fields,
    }
    assert "HTTPValidationError" not in document["components"]["schemas"]
