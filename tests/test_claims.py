import ast
import json
import re
from collections import Counter
from dataclasses import replace

import jupytext
import numpy as np
import pytest
import torch

from authoring.claims_table import TABLE_FILE, claims_table
from course_utils.claims import CLAIMS_FILE, LESSONS, Claim, load_claims, verdict, verdict_line

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


def lesson_faults(lesson, source, claims):
    """Return what is wrong between a lesson's source (percent format) and the claims; [] where they agree."""
    cells = jupytext.reads(source, fmt="py:percent").cells
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
        if claim.lesson == lesson and claim.verdict == "pending":
            faults.append(f"{claim.id} is pending")
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
    return lesson_faults(1, source, {claim.id: claim for claim in claims})


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
        (("lesson = 1", "lesson = 6"), "C05: lesson must be one of 1, 2, 3, 4, 5, got 6"),
        (('"Lee"', '"Li"'), "C05: says must be one of Lee, Raschka, got 'Li'"),
        (('"measured"', '"guess"'), "C05: kind must be one of .*, got 'guess'"),
        (('"measured"', '"definition"'), "C05: reference is missing, which kind 'definition' needs"),
        (('"holds"', '"true"'), "C05: verdict must be one of .*, got 'true'"),
        (('"holds"', '"holds if"'), "C05: condition is missing, which verdict 'holds if' needs"),
        (('"holds"', '"owed"'), "C05: condition is missing, which verdict 'owed' needs"),
        (('"holds"', '"slip"'), "C05: finding is missing, which verdict 'slip' needs"),
        (('"holds"', '"open"'), "C05: finding is missing, which verdict 'open' needs"),
        (("sleeps", "sleeps."), "C05: claim must be one line of text without a final full stop"),
        (("[C05]", "[C5]"), "claim ids are C or E and two digits, got 'C5'"),
        (("[C05]", "colour = 1\n[C05]"), "claim ids are C or E and two digits, got 'colour'"),
        (("says", "sais"), "C05: unknown field sais"),
    ],
)
def test_a_faulty_entry_is_named_with_what_is_wrong(tmp_path, change, message):
    path = tmp_path / "claims.toml"
    path.write_text(ENTRY.replace(*change))
    with pytest.raises(ValueError, match=message):
        load_claims(path)


def test_an_entry_is_read_into_a_claim(tmp_path):
    path = tmp_path / "claims.toml"
    path.write_text(ENTRY)
    assert load_claims(path) == {"C05": MEASURED}


def test_missing_claims_file_says_how_to_install(tmp_path):
    with pytest.raises(FileNotFoundError, match="pip install -e"):
        load_claims(tmp_path / "claims.toml")


# The line


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"verdict": "holds"}, "C05 holds: the cat sleeps."),
        ({"verdict": "holds if", "condition": "it is day"}, "C05 holds if it is day: the cat sleeps."),
        ({"verdict": "not seen here"}, "C05 not seen here: the cat sleeps."),
        ({"verdict": "slip", "finding": "the dog sleeps"}, "C05 is a slip: the dog sleeps."),
        ({"verdict": "open", "finding": "nobody looked"}, "C05 is open: the cat sleeps; nobody looked."),
    ],
)
def test_verdict_line_is_one_sentence(changes, line):
    claim = replace(MEASURED, **changes)
    assert verdict_line(claim, True, True) == line
    assert verdict_line(claim, True, False) == "C05 not seen with these settings"


def test_verdict_prints_exactly_the_line(capsys):
    verdict("C05", True)
    assert capsys.readouterr().out == verdict_line(load_claims()["C05"], True) + "\n"


def test_owed_claim_says_what_is_missing_until_there_is_a_condition():
    owed = replace(MEASURED, verdict="owed", condition="a run by night")
    assert verdict_line(owed) == "C05 owed: the cat sleeps (a run by night)."
    with pytest.raises(ValueError, match=r"update claims\.toml"):
        verdict_line(owed, True)


@pytest.mark.parametrize(
    "value", [np.bool_(True), np.array([2]).all(), torch.tensor(True), torch.tensor(2) > 1]
)
def test_truth_values_of_numpy_and_torch_are_conditions(value):
    assert verdict_line(MEASURED, value) == "C05 holds: the cat sleeps."


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
        verdict_line(MEASURED, False, value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "definition", "reference": "Cat 1998"}, "C05 is definition: it carries a reference"),
        ({"kind": "history", "reference": "Cat 1998"}, "C05 is history: it carries a reference"),
        ({"verdict": "pending"}, "C05 is pending"),
    ],
)
def test_a_claim_that_nothing_can_be_said_of_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        verdict_line(replace(MEASURED, **changes), True)


def test_verdict_without_a_condition_is_refused():
    with pytest.raises(ValueError, match="C05 needs at least one condition"):
        verdict_line(MEASURED)


@pytest.mark.parametrize("typed", ["C5", "c05", "C005"])
def test_unknown_id_names_the_close_one(typed):
    with pytest.raises(ValueError, match=rf"no claim '{typed}' .*did you mean C05\?"):
        verdict(typed, True)


def test_an_id_like_no_other_gets_no_guess():
    with pytest.raises(ValueError, match=r"no claim 'batch' \(C01 to C72, E01 to E21\)$"):
        verdict("batch", True)


# The lessons


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_and_its_claims_agree_and_without_a_lesson_they_are_pending(lesson):
    source = next((NOTEBOOKS / "src").glob(f"{lesson:02}_*.py"), None)
    if source:
        assert lesson_faults(lesson, source.read_text(encoding="utf-8"), load_claims()) == []
    else:
        own = [claim for claim in load_claims().values() if claim.lesson == lesson]
        assert {claim.verdict for claim in own} == {"pending"}


def test_no_page_shows_a_verdict_that_was_not_seen():
    for page in NOTEBOOKS.glob("*.ipynb"):
        cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
        assert "not seen with these settings" not in json.dumps([cell.get("outputs") for cell in cells]), (
            page.name
        )


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
        ("verdict('C05', x)", [replace(MEASURED, verdict="pending")], "C05 is pending"),
        ("", [replace(DEFINED, verdict="pending")], "C01 is pending"),
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


def test_table_links_a_lesson_once_its_page_exists(tmp_path):
    assert "## Lesson 5: Momentum" in claims_table({}, tmp_path)
    (tmp_path / "05_momentum.ipynb").touch()
    assert "## [Lesson 5: Momentum](05_momentum.ipynb)" in claims_table({}, tmp_path)


def test_table_keeps_findings_of_pending_claims_to_itself(tmp_path):
    claim = replace(MEASURED, verdict="pending", finding="the dog sleeps")
    assert "| **C05** | Lee | the cat sleeps | *pending* | measured |" in claims_table(
        {"C05": claim}, tmp_path
    )


def test_table_shows_verdict_finding_and_linked_reference(tmp_path):
    claim = replace(MEASURED, verdict="slip", finding="a | b", reference="Cat 1998, arXiv:1234.56789")
    row = r"**slip**; a \| b. See Cat 1998, [arXiv:1234.56789](https://arxiv.org/abs/1234.56789) |"
    assert row in claims_table({"C05": claim}, tmp_path)
