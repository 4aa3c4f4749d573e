"""The README says what the code does today."""

import json
import re

import pytest

from imagequeue.jobs.job import TRANSITIONS
from imagequeue.producer.cli.main import cli
from imagequeue.providers import PROVIDERS
from support.paths import ROOT

README = (ROOT / "README.md").read_text()


def test_the_picture_of_the_states_is_the_table_of_moves() -> None:
    drawn = set(re.findall(r"^ +(\w+) --> (\w+):", README, re.MULTILINE))
    assert drawn == {
        (left.value, to.value) for left, entered in TRANSITIONS.items() for to in entered
    }


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_providers_table_names_every_action_and_parameter(name: str) -> None:
    rows = README.partition(f"| `{name}` |")[2].partition("\n\n")[0]
    rows = rows.partition("\n| `")[0]
    for action, model in PROVIDERS[name].actions.items():
        assert f"`{action}`" in rows
        for parameter in set(model.model_fields) - {"prompt", "image_urls"}:
            assert f"`{parameter}`" in rows, parameter


def test_every_command_the_readme_shows_exists() -> None:
    shown = set(re.findall(r"imagequeue (\w+)", README)) - {"speaks"}
    assert shown & set(cli.commands) >= {"up", "submit", "batch", "list", "retry", "doctor"}


def test_the_readmes_python_program_compiles_and_its_curl_body_is_json() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    compile(program, "README.md", "exec")
    assert len([line for line in program.splitlines() if line]) <= 10
    (body,) = re.findall(r"-d '(\{.*?\})'", README, re.DOTALL)
    assert json.loads(body)["provider"] in PROVIDERS
