"""The lecturer's and the teacher's pages and the glossary: their links lead somewhere, their terms are the lessons'."""

import re

import pytest

from authoring.build import NOTEBOOKS, read_source

TEACHING = NOTEBOOKS / "teaching"
ROWS = re.findall(
    r"^\| ([A-Z]?[a-z].*?) \| (.*?[^\x00-\x7f].*?) \| (.+?) \| \[\d[a-z]?\]\(\.\./([\w/]+)\.ipynb\) \|$",
    (TEACHING / "glossary.md").read_text(encoding="utf-8"),
    re.M,
)
WITHOUT_A_NAME = r" \(.*?\)| of t\(B\)|, [A-Zλβηκvt](?:\\?\*|_max|\(B\)|₀)?$|, lr, η$"


def plain(text):
    return re.sub(r"\s+", " ", text.replace("mini-batch", "batch").lower())


def test_every_row_of_the_glossary_was_read():
    lines = (TEACHING / "glossary.md").read_text(encoding="utf-8").splitlines()
    assert len(ROWS) == sum(line.startswith("|") for line in lines) - 2 * 5 > 50


@pytest.mark.parametrize("term, chinese, meaning, page", ROWS, ids=[row[0] for row in ROWS])
def test_a_term_is_used_on_the_page_that_defines_it(term, chinese, meaning, page):
    text = plain("\n".join(cell.source for cell in read_source(NOTEBOOKS / "src" / f"{page}.py").cells))
    names = re.sub(WITHOUT_A_NAME, "", term).split(", ")
    assert any(plain(name) in text for name in names), names
    assert re.search(r"[\u4e00-\u9fff]", chinese)


@pytest.mark.parametrize("page", sorted(TEACHING.glob("*.md")), ids=lambda page: page.stem)
def test_a_link_to_a_file_finds_it(page):
    text = page.read_text(encoding="utf-8")
    targets = [t.partition("#")[0] for t in re.findall(r"\]\((?!https?:)([^)#]+[^)]*)\)", text)]
    assert targets and all((TEACHING / target).exists() for target in targets)
