"""Every model of kie's catalogue takes what it documents, in its own field names, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from imagequeue.errors import InvalidRequestError
from imagequeue.providers import get
from imagequeue.providers.catalogue import load_models, parse_models
from support.catalogues import URL, break_each_bound, make_request

KIE = get("kie")
MODELS = load_models("imagequeue.providers.kie")
BACK = "https://example.com/callbacks/1"


def build(request: dict[str, Any], callback_url: str | None = None) -> Any:
    checked = KIE.validate_request(
        request.get("action", "generate"),
        request.get("prompt", ""),
        request.get("image_urls", ()),
        request["params"],
    )
    sent = KIE.build_submit_request(checked, callback_url, KIE.api_versions[0])
    assert (sent.method, sent.path) == ("POST", "/api/v1/jobs/createTask")
    return sent.body


def find_problems(request: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        build(request)
    return {problem.field: problem.message for problem in caught.value.problems}


def rename(name: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return the input of a request as kie's documentation spells it."""
    model = MODELS[name]
    params = {key: value for key, value in request["params"].items() if key != "model"}
    parameters = model.list_params(request["action"])
    fields = {parameters[key].send_as or key: value for key, value in params.items()}
    if "prompt" in request:
        fields["prompt"] = request["prompt"]
    if "image_urls" in request:
        assert model.images
        urls = request["image_urls"]
        fields[model.images.field] = urls[0] if model.images.single else urls
    return fields


@pytest.mark.parametrize("name", MODELS)
def test_model_takes_what_it_documents_and_no_more(name: str) -> None:
    model = MODELS[name]
    for action in model.actions:
        least = make_request(model, action)
        # kie requires these even where it documents a default.
        required = {
            key: param.default
            for key, param in model.list_params(action).items()
            if param.required and param.default is not None
        }
        assert build(least) == {"model": name, "input": rename(name, least) | required}

        most = make_request(model, action, largest=True)
        assert build(most, BACK) == {
            "model": name,
            "input": rename(name, most),
            "callBackUrl": BACK,
        }
        for field, request in break_each_bound(model, action, least):
            assert list(find_problems(request)) == [field], request
    for action in {"generate", "edit"} - set(model.actions):
        message = find_problems({**make_request(model, model.actions[0]), "action": action})
        others = [each.name for each in MODELS.values() if action in each.actions]
        assert any(other in message["action"] for other in others)


def test_catalogue_holds_every_documented_model() -> None:
    assert len(MODELS) == 61
    assert sum("edit" in model.actions for model in MODELS.values()) == 37
    assert sum("generate" in model.actions for model in MODELS.values()) == 31


def test_whole_number_stays_an_integer() -> None:
    params = {"model": "bytedance/seedream-v4-text-to-image", "max_images": 2}
    sent = build({"prompt": "a cat", "params": params})["input"]["max_images"]
    assert (sent, type(sent)) == (2, int)


def test_null_is_not_sent() -> None:
    params = {"model": "z-image", "nsfw_checker": None}
    sent = build({"prompt": "a cat", "params": params})
    assert sent["input"] == {"prompt": "a cat", "aspect_ratio": "1:1"}


def test_edit_of_flux_kontext_is_less_tolerant() -> None:
    request = make_request(MODELS["flux1-kontext"], "edit")
    request["params"]["safety_tolerance"] = 3
    assert "2" in find_problems(request)["params.safety_tolerance"]


@pytest.mark.parametrize("given", [{}, {"task_id": "t1", "image_urls": [URL.format(0)]}])
def test_exactly_one_source_of_a_segment_map(given: dict[str, Any]) -> None:
    request: dict[str, Any] = {"action": "edit", "params": {"model": SEGMENTS}}
    if given:
        request["image_urls"] = given["image_urls"]
        request["params"]["task_id"] = given["task_id"]
    advice = "give exactly one of image_urls and params.task_id"
    assert find_problems(request) == {"image_urls": advice}
    params = {"model": SEGMENTS, "task_id": "t1"}
    assert build({"action": "edit", "params": params})["input"] == {"task_id": "t1"}


SEGMENTS = "grok-imagine-image-2-0/segment-map"


def test_unknown_model_is_refused_with_the_nearest_names() -> None:
    message = find_problems({"prompt": "a cat", "params": {"model": "seedream/4.5-edti"}})
    assert "did you mean seedream/4.5-edit or" in message["params.model"]
    assert '"unchecked": true' in message["params.model"]
    for params in ({}, {"model": None}, {"model": ["z-image"]}):
        assert list(find_problems({"prompt": "a cat", "params": params})) == ["params.model"]


UNCHECKED: dict[str, Any] = {
    "model": "veo-3-1",
    "unchecked": True,
    "duration": 8,
    "x": [{"y": None}],
}


@pytest.mark.parametrize("action", ["generate", "edit"])
@pytest.mark.parametrize(
    ("params", "count", "images"),
    [
        ({}, 0, {}),
        ({}, 1, {"image_urls": [URL]}),
        ({"images_field": "imageUrls"}, 2, {"imageUrls": [URL, URL]}),
        ({"images_field": "image_url"}, 1, {"image_url": URL}),
        ({"images_field": "image_input"}, 2, {"image_input": [URL, URL]}),
    ],
)
def test_unchecked_parameters_are_sent_as_they_are(
    action: str, params: dict[str, Any], count: int, images: dict[str, Any]
) -> None:
    sent = build(
        {"action": action, "prompt": "a cat", "image_urls": [URL] * count}
        | {"params": UNCHECKED | params},
        BACK,
    )
    assert sent == {
        "model": "veo-3-1",
        "input": {"prompt": "a cat", "duration": 8, "x": [{"y": None}], **images},
        "callBackUrl": BACK,
    }


def test_unchecked_request_without_prompt_sends_none() -> None:
    assert build({"params": UNCHECKED})["input"] == {"duration": 8, "x": [{"y": None}]}


@pytest.mark.parametrize(
    ("params", "urls", "field"),
    [
        ({"image_url": URL, "images_field": "image_url"}, [URL], "params.image_url"),
        ({"images_field": ""}, [URL], "params.images_field"),
        ({"model": ""}, [], "params.model"),
        ({"model": None}, [], "params.model"),
        ({}, ["a.png"], "image_urls.0"),
        ({"prompt": "a dog"}, [], "params.prompt"),
    ],
)
def test_unchecked_request_is_checked_for_its_images(
    params: dict[str, Any], urls: list[str], field: str
) -> None:
    request = {"image_urls": urls, "params": UNCHECKED | params}
    assert list(find_problems(request)) == [field]


ENTRY = """
[descriptions]
size = "How large."
[models.new]
title = "New"
params.size = { enum = ["S", "L"] }
"""


def test_one_table_adds_a_model() -> None:
    model = parse_models(ENTRY)["new"]
    assert (model.actions, model.params["size"].description) == (("generate",), "How large.")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('params.sise = { enum = ["S"] }', "params.sise.description"),
        ("params.size2 = { kind = 1 }", "params.size2.kind"),
        ("credits = { by.sise = { S = 1 } }", "no parameters of new: sise"),
        ('count = "n"', "no parameters of new: n"),
        (
            "count = 'n'\nparams.n = { type = 'integer', max = 4, description = 'N.' }",
            "n multiplies the price",
        ),
        ('one_of = ["image_urls", "x"]', "no parameters of new: x"),
        ("edit_params.x = { type = 'text', description = 'X.' }", "no parameters of new: x"),
    ],
)
def test_misspelt_entry_is_refused(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        parse_models(ENTRY + line)


def test_price_depends_on_what_the_price_list_says() -> None:
    def price(name: str, images: int = 0, **params: Any) -> str:
        return str(MODELS[name].estimate(params, images))

    assert price("z-image") == "0.8"
    assert price("nano-banana-pro") == "18"
    assert price("nano-banana-pro", resolution="4K") == "24"
    assert price("grok-imagine/text-to-image") == "4"
    assert price("grok-imagine/text-to-image", enable_pro=True) == "5"
    assert price("qwen3/image-to-image", 3) == "6.3"
    assert price("seedream/5-pro-image-to-image", 1) == "7.0"
    assert price("seedream/5-pro-image-to-image", 3, quality="high") == "15.0"
    assert price("ideogram/v3-remix", 1, rendering_speed="TURBO", num_images="3") == "10.5"
    assert price("wan/2-7-image", n=3) == "14.4"
    # Not in the price list, by the megapixel, and by a size that kie chooses.
    for name in ("bytedance/seedream", "qwen/text-to-image", "seedream/5-pro-layer-decomposition"):
        assert price(name) == "None"
    assert price("gpt-image-2-text-to-image") == "None"
    assert price("gpt-image-2-text-to-image", resolution="1K") == "6"
