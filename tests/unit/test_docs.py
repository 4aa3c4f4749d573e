"""The documentation says what the code does: commands, links, tables and diagrams."""

from __future__ import annotations

import ast
import json
import re
import tomllib

import click
import pytest

from imagequeue.config.settings import CLIENT_NAMES, settings_class
from imagequeue.jobs.chain import stand_in
from imagequeue.jobs.job import TRANSITIONS
from imagequeue.producer.cli.main import cli
from imagequeue.providers import PROVIDERS
from imagequeue.providers.catalogue import parse_models
from imagequeue.providers.request import parse_request
from support.paths import ROOT

README = (ROOT / "README.md").read_text()
MAX_README_WORDS = 1000
PAGES = sorted(
    path
    for pattern in (
        "*.md",
        "docs/*.md",
        "benchmarks/*.md",
        "examples/**/*.md",
        "sandbox/*.md",
        "clients/*/*.md",
    )
    for path in ROOT.glob(pattern)
)
TEXTS = {str(path.relative_to(ROOT)): path.read_text() for path in PAGES}
FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
JOB_ID = "job_01KA0000000000000000000000"
EVERY_PAGE = pytest.mark.parametrize("page", TEXTS)


def read_code(page: str) -> list[str]:
    """Return the code of a page: the lines of its blocks, and what stands between backticks."""
    text = TEXTS[page]
    blocks = [line for _, block in FENCE.findall(text) for line in block.splitlines()]
    return blocks + re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def find_commands(page: str, pattern: str) -> set[str]:
    return {found for code in read_code(page) for found in re.findall(pattern, code)}


def names_command(words: list[str]) -> bool:
    """Return whether `words` begin with a command, or are the whole name of a group."""
    command: click.Command | None = cli
    while isinstance(command, click.Group) and words:
        command = command.commands.get(words.pop(0))
    return command is not None


@EVERY_PAGE
def test_every_cli_command_exists(page: str) -> None:
    lines = find_commands(page, r"(?<!from )\bimagequeue ((?:[a-z]+ ?)+)")
    assert [line for line in lines if not names_command(line.split())] == []


@EVERY_PAGE
def test_every_make_target_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert find_commands(page, r"(?:^|; )make ([a-z-]+)") - targets == set()


@EVERY_PAGE
def test_every_module_that_is_run_exists(page: str) -> None:
    modules = find_commands(page, r"python3? -m ([\w.]+)") - {"pip", "venv"}
    modules |= find_commands(page, r"(benchmarks\.\w+(?:\.\w+)*)")
    wrong = []
    for module in modules:
        path = ROOT / module.removeprefix("imagequeue.").replace(".", "/")
        if not (path / "__main__.py").exists() and not path.with_suffix(".py").exists():
            wrong.append(module)
    assert wrong == []


@EVERY_PAGE
def test_every_relative_link_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", FENCE.sub("", TEXTS[page]))
    own = [link for link in links if "://" not in link]
    assert [link for link in own if not (ROOT / page).parent.joinpath(link).is_file()] == []


def list_anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EVERY_PAGE
def test_every_anchor_leads_to_a_heading(page: str) -> None:
    links = re.findall(r"\]\(([^)#:\s]*\.md|)#([^)]+)\)", FENCE.sub("", TEXTS[page]))
    wrong = []
    for path, anchor in links:
        target = (ROOT / page).parent / path if path else ROOT / page
        if anchor not in list_anchors(target.read_text()):
            wrong.append(f"{path}#{anchor}")
    assert wrong == []


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    site = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    listed = re.findall(r"'([^']+\.md)'", str(site["nav"]))
    assert sorted(listed) == sorted(TEXTS)


@EVERY_PAGE
def test_every_setting_named_exists(page: str) -> None:
    known = {name.upper() for name in settings_class().model_fields} | CLIENT_NAMES
    assert find_commands(page, r"\bIMAGEQUEUE_([A-Z][A-Z_]+[A-Z])") - known == set()


def test_readme_is_short() -> None:
    words = re.findall(r"\w[\w'.,-]*", FENCE.sub("", README))
    assert len(words) <= MAX_README_WORDS


def test_readme_program_compiles_in_ten_lines() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    ast.parse(program)
    assert len([line for line in program.splitlines() if line]) <= 10


def test_readme_names_every_process_and_queue() -> None:
    processes = re.findall(r"^(\w+):", (ROOT / "Procfile").read_text(), re.MULTILINE)
    from imagequeue.config.queues import Queue

    for name in (*processes, *Queue):
        assert f"| `{name}` |" in README, name


def test_api_examples_are_valid_requests() -> None:
    bodies = re.findall(r"v1/jobs -H [^\n]* -d '(\{.*?\})'", TEXTS["docs/api.md"], re.DOTALL)
    assert len(bodies) == 3
    for body in bodies:
        request = parse_request(json.loads(body.replace("job_01...", JOB_ID)))
        urls, params = stand_in(request.image_urls, request.params)
        assert "job" not in params
        PROVIDERS[request.provider].validate_request(request.action, request.prompt, urls, params)


def test_state_diagram_is_the_table_of_transitions() -> None:
    drawn = set(re.findall(r"^ +(\w+) --> (\w+):", TEXTS["docs/states.md"], re.MULTILINE))
    assert drawn == {
        (source.value, target.value)
        for source, targets in TRANSITIONS.items()
        for target in targets
    }


@pytest.mark.parametrize("name", PROVIDERS)
def test_provider_table_names_every_action_and_parameter(name: str) -> None:
    rows = TEXTS["docs/providers.md"].partition(f"| `{name}` |")[2].partition("\n\n")[0]
    rows = rows.partition("\n| `")[0]
    actions, parameters = PROVIDERS[name].actions, {"task_id"} if "task_id" in rows else set()
    for action, model in actions.items():
        assert f"`{action}`" in rows
        parameters |= set(model.model_fields) - {"prompt", "image_urls"}
    named = set(re.findall(r"`(\w+)`", rows)) - set(actions)
    assert named == parameters


def test_model_in_the_docs_is_a_valid_one() -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", TEXTS["docs/providers.md"], re.DOTALL)
    catalogue = (ROOT / "providers/kie/models.toml").read_text()
    assert len(parse_models(catalogue + table)) == len(parse_models(catalogue)) + 1


def find_tests() -> set[str]:
    """Return the names of all tests."""
    texts = [file.read_text() for file in (ROOT / "tests").rglob("test_*.py")]
    return {name for text in texts for name in re.findall(r"^ *def (test_\w+)", text, re.MULTILINE)}


def test_every_test_named_in_contributing_exists() -> None:
    guards = TEXTS["CONTRIBUTING.md"].partition("## What guards what")[2].partition("\n## ")[0]
    rows = [line for line in guards.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 40
    assert [row for row in rows if "`test_" not in row] == []
    assert set(re.findall(r"`(test_\w+)`", guards)) - find_tests() == set()


def test_glossary_is_short() -> None:
    glossary = TEXTS["CONTRIBUTING.md"].partition("## Glossary")[2].partition("\n## ")[0]
    assert 10 < glossary.count("\n| ") - 1 <= 20


def test_clients_page_counts_the_lines_of_each_task() -> None:
    text = TEXTS["docs/clients.md"]
    program = FENCE.findall(text)[-1][1]
    ast.parse(program)
    found = re.findall(r"^# (\d+) (\w+).*\n((?:[^#\n].*\n)+)", program, re.MULTILINE)
    counted = {(number, name): len(code.splitlines()) for number, name, code in found}
    names = ("imagequeue", "fal", "replicate", "openai")
    for number in map(str, range(1, 11)):
        cells = " | ".join(str(counted.get((number, name), "not offered")) for name in names)
        assert re.search(rf"^\| {number} [^|]+\| {re.escape(cells)} \|$", text, re.MULTILINE)
        assert all(counted.get((number, name), 99) >= counted[number, names[0]] for name in names)
