"""The lectures' claims, and the line that says what became of one of them."""

import difflib
import re
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

CLAIMS_FILE = Path(__file__).resolve().parent.parent / "notebooks" / "claims.toml"
LESSONS = (1, 2, 3, 4, 5)
SPEAKERS = ("Lee", "Raschka")
KINDS = ("measured", "definition", "history")
VERDICTS = ("holds", "holds if", "not seen here", "slip", "open", "pending", "owed")


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

    def __post_init__(self) -> None:
        self._allow("lesson", LESSONS)
        self._allow("says", SPEAKERS)
        self._allow("kind", KINDS)
        self._allow("verdict", VERDICTS)
        for name in ("claim", "condition", "finding", "reference"):
            self._check_text(name)
        if self.verdict in ("holds if", "owed"):
            self._require("condition", f"verdict {self.verdict!r}")
        if self.verdict in ("slip", "open"):
            self._require("finding", f"verdict {self.verdict!r}")
        if self.kind != "measured":
            self._require("reference", f"kind {self.kind!r}")

    def _allow(self, name: str, allowed: tuple) -> None:
        if (value := getattr(self, name)) not in allowed:
            raise ValueError(
                f"{self.id}: {name} must be one of {', '.join(map(str, allowed))}, got {value!r}"
            )

    def _check_text(self, name: str) -> None:
        text = getattr(self, name)
        if text is None:
            return
        if not isinstance(text, str) or not text.strip() or text.endswith(".") or "\n" in text:
            raise ValueError(
                f"{self.id}: {name} must be one line of text without a final full stop, got {text!r}"
            )

    def _require(self, name: str, reason: str) -> None:
        if getattr(self, name) is None:
            raise ValueError(f"{self.id}: {name} is missing, which {reason} needs")


def _claim(claim_id: str, entry: Any) -> Claim:
    """Return the entry of one claim, or raise ValueError with what is wrong with it."""
    if not re.fullmatch(r"[CE]\d\d", claim_id):
        raise ValueError(f"claim ids are C or E and two digits, got {claim_id!r}")
    if not isinstance(entry, dict):
        raise ValueError(f"{claim_id} must be a table, got {entry!r}")
    known = {field.name for field in fields(Claim)} - {"id"}
    if unknown := sorted(entry.keys() - known):
        raise ValueError(
            f"{claim_id}: unknown field {', '.join(unknown)}; fields are {', '.join(sorted(known))}"
        )
    if missing := [name for name in ("says", "claim", "lesson", "kind", "verdict") if name not in entry]:
        raise ValueError(f"{claim_id}: {', '.join(missing)} missing")
    return Claim(id=claim_id, **entry)


@cache
def load_claims(path: Path = CLAIMS_FILE) -> dict[str, Claim]:
    """Return every claim by its id, in the order of the file; the file is read once.

    Raises FileNotFoundError where the file is not there, ValueError where an entry is not valid.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no claims at {path}: the course reads them from its own folder, so install it from there "
            "with: pip install -e ."
        )
    entries = tomllib.loads(path.read_text(encoding="utf-8"))
    return {claim_id: _claim(claim_id, entry) for claim_id, entry in entries.items()}


def verdict(claim_id: str, *conditions: Any) -> None:
    """Print in one line what became of a claim, or that its conditions were not met here.

    The conditions state what we saw, so for a slip they are the opposite of the claim.
    An owed claim takes none. Raises ValueError for an unknown id, for a claim that no
    experiment decides or that has no verdict yet, and for a condition that is no truth value.
    """
    claims = load_claims()
    if claim_id not in claims:
        padded = f"{claim_id[:1]}{claim_id[1:]:0>2}".upper()  # c5 → C05
        close = difflib.get_close_matches(padded, claims, n=1, cutoff=0.7)
        hint = f": did you mean {close[0]}?" if close else ""
        raise ValueError(f"no claim {claim_id!r} (C01 to C72, E01 to E21){hint}")
    print(verdict_line(claims[claim_id], *conditions))


def verdict_line(claim: Claim, *conditions: Any) -> str:
    """Return the line that `verdict` prints."""
    if claim.kind != "measured":
        raise ValueError(f"{claim.id} is {claim.kind}: it carries a reference, not an experiment")
    if claim.verdict == "pending":
        raise ValueError(f"{claim.id} is pending: give it a verdict in claims.toml first")
    if claim.verdict == "owed":
        if conditions:
            raise ValueError(f"{claim.id} is owed, yet there is something to judge it by: update claims.toml")
        return _sentence(claim)
    if not conditions:
        raise ValueError(f"{claim.id} needs at least one condition: what did you see?")
    # All of them are looked at before any is judged: a bad one must not hide behind a false one.
    seen = [_truth(claim.id, number, value) for number, value in enumerate(conditions, start=1)]
    return _sentence(claim) if all(seen) else f"{claim.id} not seen with these settings"


def _sentence(claim: Claim) -> str:
    """Return the claim with its verdict, as one sentence to read aloud."""
    match claim.verdict:
        case "holds if":
            return f"{claim.id} holds if {claim.condition}: {claim.claim}."
        case "slip":
            return f"{claim.id} is a slip: {claim.finding}."
        case "open":
            return f"{claim.id} is open: {claim.claim}; {claim.finding}."
        case "owed":
            return f"{claim.id} owed: {claim.claim} ({claim.condition})."
        case plain:
            return f"{claim.id} {plain}: {claim.claim}."


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
