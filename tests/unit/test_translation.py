"""Both READMEs have the same facts, and the drawing the words of its source."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

import pytest

from support.paths import ROOT

FENCE = re.compile(r"```\w*\n.*?```", re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\(([^)]+)\)")
LANGUAGES = {"README.md", "README.zh.md"}


class Facts(NamedTuple):
    """What a section says in any language."""

    blocks: list[str]
    code: Counter[str]
    links: Counter[str]
    figures: Counter[str]
    rows: list[tuple[list[str], int]]
    """Of each row of a table: the code in its first column, and the number of columns."""


def read_facts(section: str) -> Facts:
    prose = FENCE.sub("", section)
    rows = [line.split("|")[1:-1] for line in prose.splitlines() if line.startswith("| ")]
    return Facts(
        FENCE.findall(section),
        Counter(CODE.findall(prose)),
        Counter(link for link in LINK.findall(prose) if link not in LANGUAGES),
        Counter(re.findall(r"\d+(?:[.,]\d+)*", LINK.sub("", CODE.sub("", prose)))),
        [(CODE.findall(cells[0]), len(cells)) for cells in rows],
    )


def read_sections(name: str) -> list[Facts]:
    return [
        read_facts(each) for each in re.split(r"^## .*$", (ROOT / name).read_text(), flags=re.M)
    ]


SECTIONS = list(zip(read_sections("README.md"), read_sections("README.zh.md"), strict=True))


@pytest.mark.parametrize("number", range(len(SECTIONS)))
@pytest.mark.parametrize("field", Facts._fields)
def test_both_readmes_have_the_same_facts(number: int, field: str) -> None:
    english, chinese = SECTIONS[number]
    assert getattr(chinese, field) == getattr(english, field)


def test_each_readme_links_to_the_other() -> None:
    for name in LANGUAGES:
        assert LANGUAGES - set(LINK.findall((ROOT / name).read_text())) == {name}


def test_drawing_has_the_words_of_its_source() -> None:
    images = ROOT / "docs/images"
    source, drawing = ((images / f"architecture.{kind}").read_text() for kind in ("d2", "svg"))
    words = re.findall(r': "([^"#]+)"', source)
    drawn = [re.sub(r"<[^>]+>", "\n", text) for text in re.findall(r"<text .*?</text>", drawing)]
    assert Counter("".join(each.split()) for each in drawn) == Counter(
        "".join(each.replace("\\n", "").split()) for each in words
    )
