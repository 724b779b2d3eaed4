import ast
import json
import re
from collections import Counter
from dataclasses import replace

import jupytext
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup

from authoring.build import lesson_of, sources
from authoring.claims_table import TABLE_FILE, claims_table
from course_utils.claims import CLAIMS_FILE, LESSONS, Claim, box, is_seen, load_claims, sentence, verdict

NOTEBOOKS = CLAIMS_FILE.parent
MEASURED = Claim("C05", "Lee", "the cat sleeps", lesson=1, kind="measured", verdict="holds")
DEFINED = replace(MEASURED, id="C01", kind="definition", reference="Cat 1998")
ELSEWHERE = replace(MEASURED, id="C26", lesson=3)
ENTRY = """
[C05]
says = "Lee"
claim = "the cat sleeps"
lesson = 1
kind = "measured"
verdict = "holds"
"""


def lesson_faults(lesson, pages, claims):
    """Return what is wrong between a lesson's pages (sources, percent format) and the claims; [] where they agree."""
    cells = [cell for page in pages for cell in jupytext.reads(page, fmt="py:percent").cells]
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    calls = verdict_calls(re.sub(r"^[%!].*", "", code, flags=re.MULTILINE))
    faults = [f"{name} is no claim's id" for name in calls if name not in claims]
    for claim in claims.values():
        count = calls[claim.id]
        if claim.lesson != lesson or claim.kind != "measured":
            if count:
                faults.append(f"{claim.id} is {claim.kind}, of lesson {claim.lesson}, yet in a verdict call")
        elif count != 1:
            faults.append(f"{claim.id} is in {count} verdict calls")
        if claim.lesson == lesson and claim.kind != "measured" and claim.id not in text:
            faults.append(f"{claim.id} is nowhere in the text")
    return faults


def verdict_calls(code):
    """Return how often each first argument of a `verdict` call occurs in the code."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    calls = [
        call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", None)) == "verdict"
    ]
    return Counter(ast.unparse(call.args[0]).strip("'") if call.args else "" for call in calls)


def faults_of(code, *claims, text="C01"):
    source = f"# %% [markdown]\n# {text}\n\n# %%\n%time 1\n{code}\n"
    return lesson_faults(1, [source], {claim.id: claim for claim in claims})


# The file


def test_claims_are_exactly_those_of_the_two_lectures_in_order():
    lee, raschka = [f"C{n:02}" for n in range(1, 73)], [f"E{n:02}" for n in range(1, 22)]
    assert list(load_claims()) == lee + raschka


def test_each_claim_is_said_by_the_lecturer_its_letter_stands_for():
    assert {(claim.id[0], claim.says) for claim in load_claims().values()} == {("C", "Lee"), ("E", "Raschka")}


def test_no_claim_is_longer_than_can_be_read_aloud_in_one_breath():
    assert not [claim.id for claim in load_claims().values() if len(claim.claim.split()) > 25]


def test_claims_and_conditions_of_measured_claims_have_no_colon_of_their_own():
    measured = [claim for claim in load_claims().values() if claim.kind == "measured"]
    assert not [claim.id for claim in measured if ":" in claim.claim + (claim.condition or "")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('says = "Lee"', ""), "C05: says missing"),
        (("lesson = 1", "lesson = 99"), "C05: lesson must be one of 1, 2, .*, got 99"),
        (('"Lee"', '"Li"'), "C05: says must be one of Lee, Raschka, got 'Li'"),
        (('"measured"', '"guess"'), "C05: kind must be one of .*, got 'guess'"),
        (('"measured"', '"definition"'), "C05: reference is missing, which kind 'definition' needs"),
        (('"holds"', '"true"'), "C05: verdict must be one of .*, got 'true'"),
        (('"holds"', '"holds if"'), "C05: condition is missing, which verdict 'holds if' needs"),
        (('"holds"', '"owed"'), "C05: condition is missing, which verdict 'owed' needs"),
        (('"holds"', '"slip"'), "C05: finding is missing, which verdict 'slip' needs"),
        (('"holds"', '"open"'), "C05: finding is missing, which verdict 'open' needs"),
        (('"holds"', '"not seen here"'), "C05: finding is missing, which verdict 'not seen here' needs"),
        (("sleeps", "sleeps."), "C05: claim must be one line of text without a final full stop"),
        (("[C05]", "[C5]"), "claim ids are C or E and two digits, got 'C5'"),
        (("[C05]", "colour = 1\n[C05]"), "claim ids are C or E and two digits, got 'colour'"),
        (("says", "sais"), "C05: unknown field sais"),
    ],
)
def test_a_faulty_entry_is_named_with_what_is_wrong(tmp_path, change, message):
    path = tmp_path / "claims.toml"
    path.write_text(ENTRY.replace(*change), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_claims(path)


def test_an_entry_is_read_into_a_claim(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(ENTRY, encoding="utf-8")
    assert load_claims(path) == {"C05": MEASURED}


def test_missing_claims_file_says_how_to_install(tmp_path):
    with pytest.raises(FileNotFoundError, match="pip install -e"):
        load_claims(tmp_path / "claims.toml")


# The verdict


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"verdict": "holds"}, "holds"),
        ({"verdict": "holds if", "condition": "it is day"}, "holds if it is day."),
        (
            {"verdict": "not seen here", "finding": "ten cats were looked at"},
            "not seen here. Ten cats were looked at.",
        ),
        ({"verdict": "slip", "finding": "the dog sleeps"}, "slip. The dog sleeps."),
        ({"verdict": "open", "finding": "nobody looked"}, "open. Nobody looked."),
        ({"verdict": "owed", "condition": "a run by night is missing"}, "owed. A run by night is missing."),
    ],
)
def test_a_verdict_quotes_the_claim_and_then_says_what_became_of_it(changes, verdict):
    claim = replace(MEASURED, **changes)
    assert sentence(claim) == f'Lee, C05: "the cat sleeps." Verdict: {verdict}'
    assert sentence(claim, False) == 'Lee, C05: "the cat sleeps." Verdict: C05 not seen with these settings'


def test_a_box_says_what_the_sentence_says():
    claim = replace(MEASURED, verdict="holds if", condition="1 < 2", finding="it is so")
    words = BeautifulSoup(box(claim), "html.parser").text.strip()
    assert words == "Lee, C05: “the cat sleeps.”holds if 1 < 2. It is so."


def test_verdict_displays_sentence_and_box(published):
    verdict("C05", True)
    claim = load_claims()["C05"]
    assert published[0]["data"] == {"text/plain": sentence(claim), "text/html": box(claim)}


def test_a_claim_is_seen_only_if_every_condition_is_met():
    conditional = replace(MEASURED, verdict="holds if", condition="it is day")
    assert is_seen(MEASURED, True, True) and not is_seen(MEASURED, True, False)
    assert is_seen(conditional, True, without=[True]) and not is_seen(conditional, True, without=[False])


def test_a_claim_that_holds_if_needs_its_other_side_and_no_other_claim_has_one():
    conditional = replace(MEASURED, verdict="holds if", condition="it is day")
    for claim, without in ((conditional, []), (MEASURED, [True])):
        with pytest.raises(ValueError, match="`without` says where a claim"):
            is_seen(claim, True, without=without)
    assert is_seen(replace(conditional, one_sided="there is no night"), True)


def test_an_owed_claim_takes_no_condition():
    owed = replace(MEASURED, verdict="owed", condition="a run by night is missing")
    assert is_seen(owed)
    with pytest.raises(ValueError, match=r"update claims\.toml"):
        is_seen(owed, True)


@pytest.mark.parametrize(
    "value", [np.bool_(True), np.array([2]).all(), torch.tensor(True), torch.tensor(2) > 1]
)
def test_truth_values_of_numpy_and_torch_are_conditions(value):
    assert is_seen(MEASURED, value)


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        np.float32("nan"),
        torch.tensor(float("nan")),
        1.0,
        1,
        "yes",
        None,
        [True],
        np.array([True]),
        torch.tensor([True]),
    ],
)
def test_a_condition_that_is_no_truth_value_is_refused_even_after_a_false_one(value):
    with pytest.raises(ValueError, match=r"condition 2 of C05 must be a single truth value, .* of type"):
        is_seen(MEASURED, False, value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "definition", "reference": "Cat 1998"}, "C05 is definition: it carries a reference"),
        ({"kind": "history", "reference": "Cat 1998"}, "C05 is history: it carries a reference"),
    ],
)
def test_a_claim_that_nothing_can_be_said_of_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        is_seen(replace(MEASURED, **changes), True)


def test_verdict_without_a_condition_is_refused():
    with pytest.raises(ValueError, match="C05 needs at least one condition"):
        is_seen(MEASURED)


@pytest.mark.parametrize("typed", ["C5", "c05", "C005"])
def test_unknown_id_names_the_close_one(typed):
    with pytest.raises(ValueError, match=rf"no claim '{typed}' .*did you mean C05\?"):
        verdict(typed, True)


def test_an_id_like_no_other_gets_no_guess():
    with pytest.raises(ValueError, match=r"no claim 'batch' \(C01 to C72, E01 to E21\)$"):
        verdict("batch", True)


# The pages


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_with_its_deeper_pages_has_each_of_its_claims_once(lesson):
    pages = [page.read_text(encoding="utf-8") for page in sources() if lesson_of(page) == lesson]
    assert lesson_faults(lesson, pages, load_claims()) == []


def test_no_page_shows_a_verdict_that_was_not_seen():
    for page in [*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("deeper/*.ipynb")]:
        cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
        assert "not seen with these settings" not in json.dumps([c.get("outputs") for c in cells]), page.name


def boxes(page):
    """Yield the link of each verdict's box that a built page shows, and the claim's id."""
    for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]:
        shown = ["".join(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", [])]
        yield from (
            (a["href"], a.text) for a in BeautifulSoup("".join(shown), "html.parser").select(".verdict a")
        )


def test_each_box_links_to_the_table_and_its_row_there_back_to_the_page_with_the_box():
    table = TABLE_FILE.read_text(encoding="utf-8")
    measured_on = dict(re.findall(r"^\| \*\*([CE]\d\d)\*\* .*\[measured\]\((\S+)\) \|$", table, re.M))
    for page in [*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("deeper/*.ipynb")]:
        for link, claim_id in boxes(page):
            assert (page.parent / link).resolve() == TABLE_FILE
            assert NOTEBOOKS / measured_on.pop(claim_id) == page
    assert not measured_on


@pytest.mark.parametrize("folder", ["", "deeper"])
def test_a_box_links_to_the_table_wherever_its_page_runs(folder, monkeypatch):
    monkeypatch.chdir(NOTEBOOKS / folder)
    link = BeautifulSoup(box(MEASURED), "html.parser").a["href"]
    assert (NOTEBOOKS / folder / link).resolve() == TABLE_FILE


def test_each_measured_claim_in_one_call_and_each_other_in_the_text_is_no_fault():
    assert faults_of('verdict("C05", x > 1)', MEASURED, DEFINED, ELSEWHERE) == []


@pytest.mark.parametrize(
    ("code", "claims", "fault"),
    [
        ("", [MEASURED], "C05 is in 0 verdict calls"),
        ("claims.verdict('C05', x)\nverdict('C05', y)", [MEASURED], "C05 is in 2 verdict calls"),
        ("# verdict('C05', x)", [MEASURED], "C05 is in 0 verdict calls"),
        ("verdict('C26', x)", [ELSEWHERE], "C26 is measured, of lesson 3, yet in a verdict call"),
        ("verdict('C01', x)", [DEFINED], "C01 is definition, of lesson 1, yet in a verdict call"),
        ("verdict('C99', x)", [], "C99 is no claim's id"),
        ("verdict(name, x)", [], "name is no claim's id"),
        ("", [replace(DEFINED, id="C02")], "C02 is nowhere in the text"),
    ],
)
def test_a_planted_fault_is_found(code, claims, fault):
    assert faults_of(code, *claims) == [fault]


# The table


def test_table_of_claims_is_up_to_date():
    table = claims_table(load_claims(), NOTEBOOKS)
    assert TABLE_FILE.read_text(encoding="utf-8") == table, "stale: run make build"


def test_table_has_one_row_for_each_claim():
    table = claims_table(load_claims(), NOTEBOOKS)
    rows = re.findall(r"^\| \*\*([CE]\d\d)\*\*", table, re.MULTILINE)
    assert sorted(rows) == sorted(load_claims())


@pytest.fixture
def course(tmp_path):
    deeper = tmp_path / "src" / "deeper" / "1a_cats.py"
    deeper.parent.mkdir(parents=True)
    deeper.write_text('# %% [markdown]\n# # Cats\n\n# %%\nverdict("C05", True)\n', encoding="utf-8")
    (tmp_path / "src" / "01_animals.py").write_text(
        "# %% [markdown]\n# # 1 · What sleeps?\n", encoding="utf-8"
    )
    return tmp_path


def test_table_links_lessons_and_the_page_that_measures_a_claim(course):
    table = claims_table({"C05": MEASURED}, course)
    assert "## Lesson [1 · What sleeps?](01_animals.ipynb)" in table
    assert "| **C05** | Lee | the cat sleeps | **holds** | [measured](deeper/1a_cats.ipynb) |" in table


def test_table_shows_verdict_finding_and_linked_reference(course):
    claim = replace(MEASURED, verdict="slip", finding="a | b", reference="Cat 1998, arXiv:1234.56789")
    row = r"**slip**; a \| b. See Cat 1998, [arXiv:1234.56789](https://arxiv.org/abs/1234.56789) |"
    assert row in claims_table({"C05": claim}, course)
