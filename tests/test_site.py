"""What the site makes of the repository's address and of translations; the browser tests read the site itself."""

import re

import pytest

from authoring.build import sources
from authoring.site import complete_languages, run_links


@pytest.mark.parametrize(
    "address",
    ["https://github.com/ada/course", "https://github.com/ada/course.git", "https://github.com/ada/course/"],
)
def test_a_page_is_run_at_the_repositorys_own_address(address):
    page = "notebooks/deeper/5a_how_fast_exactly.ipynb"
    assert re.findall('href="([^"]+)"', run_links(*sources(["5a"]), address)) == [
        f"https://github.com/ada/course/blob/main/{page}",
        "https://mybinder.org/v2/gh/ada/course/main?labpath=" + page.replace("/", "%2F"),
        f"https://colab.research.google.com/github/ada/course/blob/main/{page}",
    ]


@pytest.mark.parametrize("address", ["https://github.com/OWNER/course", "https://example.org/ada/course"])
def test_nothing_is_run_where_the_address_is_not_known(address):
    assert run_links(*sources(["05"]), address) == ""


def test_a_language_counts_once_every_text_is_translated(tmp_path):
    texts, locale = tmp_path / "texts", tmp_path / "locale" / "zh_TW" / "LC_MESSAGES"
    texts.mkdir()
    locale.mkdir(parents=True)
    (texts / "index.pot").write_text(
        'msgid "batch"\nmsgstr ""\n\nmsgid "momentum"\nmsgstr ""\n', encoding="utf-8"
    )
    half = 'msgid "batch"\nmsgstr "批次"\n\n'
    for rest, complete in (
        ("", []),
        ('#, fuzzy\nmsgid "momentum"\nmsgstr "動量"\n', []),
        ('msgid "momentum"\nmsgstr "動量"\n', ["zh_TW"]),
    ):
        (locale / "index.po").write_text(half + rest, encoding="utf-8")
        assert complete_languages(tmp_path / "locale", texts) == complete
