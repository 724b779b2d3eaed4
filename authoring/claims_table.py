"""Make `claims.md`, the table of all claims, from `claims.toml`.

Run it by `python -m authoring.claims_table`; titles and links are read off the pages' sources.
"""

import re
from collections import Counter
from pathlib import Path

from authoring.build import lesson_of, page_of, sources
from course_utils.claims import CLAIMS_FILE, VERDICTS, Claim, load_claims

TABLE_FILE = CLAIMS_FILE.with_suffix(".md")
MEANINGS = {
    "holds": "it is as the lecture says",
    "holds if": "it is as the lecture says under the condition that follows, not in general",
    "not seen here": "we looked for it and did not see it",
    "slip": "the lecture misspoke; what is true follows",
    "open": "the evidence is divided; what is disputed follows",
    "owed": "no verdict yet: the run that follows is still to be made",
}
INTRO = """<!-- generated from claims.toml by `make build`: do not edit -->

# What the lectures claim, and what became of it

Two lectures make {count} claims about batch size and momentum: Hung-yi Lee's "Batch and Momentum"
(Machine Learning, 2021; C01 to C72) and Raschka's L12.3 on momentum (STAT453, 2021; E01 to E21).
The tables below give each of them in our own words, right or wrong, with its verdict.

A claim is *measured* where an experiment or plain arithmetic decides it: its lesson does so on your machine
and prints the verdict that stands here. It is a *definition* where it fixes a name or a rule, and *history*
where it says who did what or what a paper found: these two carry a reference in place of an experiment.

In the claims, B is the batch size, η the learning rate lr, β the momentum coefficient (the lectures' λ and α)
and λ_max the largest eigenvalue of the Hessian.
"""


def claims_table(claims: dict[str, Claim], notebooks: Path) -> str:
    """Return the text of `claims.md` for the pages whose sources lie below the folder `notebooks`."""
    pages = {s: s.read_text(encoding="utf-8") for s in sources(folder=notebooks)}
    parts = [INTRO.format(count=len(claims)), _counts(claims)]
    for number in sorted({claim.lesson for claim in claims.values()}):
        lesson = next(source for source in pages if lesson_of(source) == number)
        heading = f"## Lesson {_link(_title(pages[lesson]), lesson, notebooks)}"
        rows = [_row(claim, pages, notebooks) for claim in claims.values() if claim.lesson == number]
        parts.append(f"{heading}\n\n" + _table("Id Who Claim Verdict Kind", rows))
    return "\n".join(parts)


def _title(source: str) -> str:
    return re.search(r"^# # (.+)$", source, re.MULTILINE)[1]


def _link(text: str, source: Path, notebooks: Path) -> str:
    return f"[{text}]({page_of(source).relative_to(notebooks).as_posix()})"


def _counts(claims: dict[str, Claim]) -> str:
    """Return the table of verdicts: what each means and how many claims have it."""
    count = Counter(claim.verdict for claim in claims.values())
    rows = [(f"**{name}**", MEANINGS[name], str(count[name])) for name in VERDICTS]
    return _table("Verdict Meaning Claims", rows)


def _table(header: str, rows: list[tuple[str, ...]]) -> str:
    names = header.split()
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def measured_on(claim: Claim, pages: dict[Path, str]) -> Path | None:
    """Return the source whose text has the claim's `verdict(…)`, which a long condition breaks into lines."""
    call = re.compile(rf'\bverdict\(\s*"{claim.id}"')
    return next((source for source, text in pages.items() if call.search(text)), None)


def _row(claim: Claim, pages: dict[Path, str], notebooks: Path) -> tuple[str, ...]:
    """Return a claim's line; its kind links to the page that measures it."""
    owner = measured_on(claim, pages)
    kind = _link(claim.kind, owner, notebooks) if owner else claim.kind
    return f"**{claim.id}**", claim.says, _plain(claim.claim), _judged(claim), kind


def _judged(claim: Claim) -> str:
    """Return the verdict with what belongs to it."""
    text = f"**{claim.verdict}**"
    if claim.condition:
        text += (
            f" {_plain(claim.condition)}" if claim.verdict == "holds if" else f": {_plain(claim.condition)}"
        )
    if claim.finding:
        text += f"; {_plain(claim.finding)}"
    return f"{text}. See {_linked(claim.reference)}" if claim.reference else text


def _plain(text: str) -> str:
    """Return a text in which Markdown sees nothing but text."""
    return re.sub(r"([\\|*_<`$])", r"\\\1", text)


def _linked(reference: str) -> str:
    """Return a reference whose arXiv numbers are links."""
    return re.sub(r"arXiv:(\d{4}\.\d{5})", r"[\g<0>](https://arxiv.org/abs/\1)", _plain(reference))


def write_table() -> None:
    """Write `claims.md` beside `claims.toml`."""
    TABLE_FILE.write_text(claims_table(load_claims(), TABLE_FILE.parent), encoding="utf-8")


if __name__ == "__main__":
    write_table()
