"""The lectures' claims, and the line that says what became of one of them."""

import difflib
import html
import os
import re
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

CLAIMS_FILE = Path(__file__).resolve().parent.parent / "notebooks" / "claims.toml"
LESSONS = tuple(sorted(int(page.stem[:2]) for page in CLAIMS_FILE.parent.glob("src/[0-9][0-9]_*.py")))
SPEAKERS = ("Lee", "Raschka")
KINDS = ("measured", "definition", "history")
COLORS = {  # of the badges; every verdict, in the order of the table
    "holds": "#0072B2",
    "holds if": "#00694C",
    "not seen here": "#555555",
    "slip": "#A84300",
    "open": "#8B1A62",
    "owed": "#555555",
}
VERDICTS = tuple(COLORS)
CHOICES = {"lesson": LESSONS, "says": SPEAKERS, "kind": KINDS, "verdict": VERDICTS}
NEEDED = (  # the field that has to be there where another has one of these values
    ("condition", "verdict", ("holds if", "owed")),
    ("finding", "verdict", ("slip", "open", "not seen here")),
    ("reference", "kind", ("definition", "history")),
)


@dataclass(frozen=True)
class Claim:
    """One entry of `claims.toml`; the texts are clauses without a final full stop."""

    id: str
    says: str
    claim: str
    lesson: int
    kind: str
    verdict: str
    condition: str | None = None
    finding: str | None = None
    reference: str | None = None
    one_sided: str | None = None  # why a claim that "holds if" can't be shown to fail without its condition

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if (value := getattr(self, name)) not in allowed:
                listed = ", ".join(map(str, allowed))
                raise ValueError(f"{self.id}: {name} must be one of {listed}, got {value!r}")
        for name in ("claim", "condition", "finding", "reference", "one_sided"):
            text = getattr(self, name)
            if text is not None and not (isinstance(text, str) and re.fullmatch(r".*\S.*(?<!\.)", text)):
                bound = "one line of text without a final full stop"
                raise ValueError(f"{self.id}: {name} must be {bound}, got {text!r}")
        for needed, name, values in NEEDED:
            if (value := getattr(self, name)) in values and getattr(self, needed) is None:
                raise ValueError(f"{self.id}: {needed} is missing, which {name} {value!r} needs")


def _claim(claim_id: str, entry: dict) -> Claim:
    """Return the entry of one claim, or raise ValueError with what is wrong with it."""
    if not re.fullmatch(r"[CE]\d\d", claim_id):
        raise ValueError(f"claim ids are C or E and two digits, got {claim_id!r}")
    known = {field.name for field in fields(Claim)} - {"id"}
    if unknown := ", ".join(sorted(entry.keys() - known)):
        raise ValueError(f"{claim_id}: unknown field {unknown}; fields are {', '.join(sorted(known))}")
    if missing := [name for name in ("says", "claim", "lesson", "kind", "verdict") if name not in entry]:
        raise ValueError(f"{claim_id}: {', '.join(missing)} missing")
    return Claim(id=claim_id, **entry)


@cache
def load_claims(path: Path = CLAIMS_FILE) -> dict[str, Claim]:
    """Return every claim by its id, in the order of the file; the file is read once.

    Raises FileNotFoundError where the file is not there, ValueError where an entry is not valid.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no claims at {path}: install the course from its folder, pip install -e .")
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    return {claim_id: _claim(claim_id, entry) for claim_id, entry in entries.items()}


def verdict(claim_id: str, *conditions: Any, without: Any = ()) -> None:
    """Display what became of a claim, or that its conditions were not met here.

    The conditions state what we saw, so for a slip they are the opposite of the claim; `without`, one condition or
    several, states that a claim which "holds if" fails where its condition isn't met. An owed claim takes none.
    Raises ValueError for an unknown id, for a claim that no experiment decides, for a condition that is no truth
    value, and where a side is not tested.
    """
    from IPython.display import display

    claims = load_claims()
    if claim_id not in claims:
        padded = f"{claim_id[:1]}{claim_id[1:]:0>2}".upper()  # c5 → C05
        close = difflib.get_close_matches(padded, claims, n=1, cutoff=0.7)
        hint = f": did you mean {close[0]}?" if close else ""
        raise ValueError(f"no claim {claim_id!r} (C01 to C72, E01 to E21){hint}")
    claim = claims[claim_id]
    without = without if isinstance(without, tuple | list) else (without,)
    seen = is_seen(claim, *conditions, without=without)
    display({"text/html": box(claim, seen), "text/plain": sentence(claim, seen)}, raw=True)


def is_seen(claim: Claim, *conditions: Any, without: tuple | list = ()) -> bool:
    """Return whether all conditions of `claim` are met; raise ValueError as `verdict` does."""
    if claim.kind != "measured":
        raise ValueError(f"{claim.id} is {claim.kind}: it carries a reference, not an experiment")
    if claim.verdict == "owed":
        if conditions or without:
            raise ValueError(f"{claim.id} is owed, yet there is something to judge it by: update claims.toml")
        return True
    if not conditions:
        raise ValueError(f"{claim.id} needs at least one condition: what did you see?")
    if (claim.verdict == "holds if") != bool(without or claim.one_sided):
        raise ValueError(
            f'{claim.id} has the verdict {claim.verdict!r}: `without` says where a claim that "holds if" fails, is '
            "needed there, and goes with no other; where it can't be shown, claims.toml says why in a line one_sided"
        )
    # All of them are looked at before any is judged: a bad one must not hide behind a false one.
    return all([_truth(claim.id, n, value) for n, value in enumerate([*conditions, *without], start=1)])


def judgement(claim: Claim, seen: bool = True) -> tuple[str, str]:
    """Return a claim's badge, and the sentences that belong to it, each with its full stop."""
    if not seen:
        return f"{claim.id} not seen with these settings", ""
    texts = [f"{text}." for text in (claim.condition, claim.finding) if text]
    first = 1 if claim.verdict == "holds if" else 0  # its condition goes on from the badge
    sentences = texts[:first] + [text[:1].upper() + text[1:] for text in texts[first:]]
    return claim.verdict, " ".join(sentences)


def sentence(claim: Claim, seen: bool = True) -> str:
    """Return what `verdict` displays, as plain text."""
    badge, text = judgement(claim, seen)
    colon = "" if claim.verdict == "holds if" or not text else "."
    return f'{claim.says}, {claim.id}: "{claim.claim}." Verdict: {badge}{colon} {text}'.rstrip()


def box(claim: Claim, seen: bool = True) -> str:
    """Return what `verdict` displays, as HTML: the claim in quotation marks, below it the badge and what is true."""
    badge, text = judgement(claim, seen)
    color = COLORS[claim.verdict] if seen else "#555555"
    table = next(
        filter(os.path.exists, ("claims.md", "../claims.md")), "claims.md"
    )  # of the page, or of its copy
    label = f'<a href="{table}" title="all verdicts">{claim.id}</a>'
    return (
        " \n"  # by its first line JupyterLab labels what is collapsed
        f'<div class="verdict" style="border-left: 5px solid {color}; padding: 2px 0 2px 14px; margin: 6px 0; '
        f'max-width: 56em; line-height: 1.5"><div>{claim.says}, {label}: “{html.escape(claim.claim)}.”</div>'
        f'<div><strong style="background-color: {color}; color: white; padding: 1px 9px; border-radius: 9px">'
        f"{badge}</strong> {html.escape(text)}</div></div>"
    )


def _truth(claim_id: str, number: int, value: Any) -> bool:
    """Return a condition as a bool; only a bool, of Python, NumPy or PyTorch, is one."""
    # NumPy's and PyTorch's are known by their type's name, so that neither has to be imported here.
    single = getattr(value, "ndim", None) == 0 and str(getattr(value, "dtype", "")) in ("bool", "torch.bool")
    if isinstance(value, bool) or single:
        return bool(value)
    raise ValueError(
        f"condition {number} of {claim_id} must be a single truth value, such as acc[16] > acc[1024], "
        f"got {value!r:.60} of type {type(value).__name__}"
    )
