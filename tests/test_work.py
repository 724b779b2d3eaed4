"""The reader works on copies: nothing of theirs is lost, nothing of the course's is held up."""

import re

import pytest

from authoring.work import COURSE, lay_out

PAGE = "notebooks/01_first.ipynb"


@pytest.fixture
def course(tmp_path):
    """Return a course of one page, laid out once."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / PAGE).write_text("old", encoding="utf-8")
    assert lay_out(tmp_path) == []
    return tmp_path


def text(course, name=PAGE):
    return (course / "work" / name).read_text(encoding="utf-8")


def test_a_page_that_nobody_touched_follows_the_course(course):
    (course / PAGE).write_text("new", encoding="utf-8")
    assert lay_out(course) == [] and text(course) == "new"


def test_a_page_that_the_reader_ran_stays_as_it_is(course):
    (course / "work" / PAGE).write_text("mine", encoding="utf-8")
    assert lay_out(course) == [] and text(course) == "mine" and (course / PAGE).read_text("utf-8") == "old"


def test_where_both_changed_a_page_both_are_kept(course):
    (course / "work" / PAGE).write_text("mine", encoding="utf-8")
    (course / PAGE).write_text("new", encoding="utf-8")
    (line,) = lay_out(course)
    aside = re.fullmatch(rf"{PAGE} is new; yours is now (01_first\.[\d-]+\.ipynb)", line).group(1)
    assert text(course) == "new" and text(course, f"notebooks/{aside}") == "mine"
    assert lay_out(course) == [] and text(course) == "new"


def test_a_page_that_the_reader_threw_away_comes_back(course):
    (course / "work" / PAGE).unlink()
    assert lay_out(course) == [] and text(course) == "old"


def test_git_keeps_out_of_it():
    assert "work/" in (COURSE / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_every_link_of_the_copies_leads_to_a_copy(tmp_path):
    for folder in ("notebooks", "benchmarks"):
        (tmp_path / folder).symlink_to(COURSE / folder)
    for name in ("README.md", "CONTRIBUTING.md", "CITATION.cff", "LICENSE"):
        (tmp_path / name).symlink_to(COURSE / name)
    lay_out(tmp_path)
    pages = [page for suffix in ("md", "ipynb") for page in (tmp_path / "work").rglob(f"*.{suffix}")]
    for page in pages:
        for link in re.findall(
            r"\]\(((?!https?:)[^)#\s]+\.(?:ipynb|md|png|py))[)#]", page.read_text("utf-8")
        ):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
