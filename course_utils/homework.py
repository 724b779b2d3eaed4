"""Each student's own paper: the constants of an assignment follow from the id in its first cell."""

import hashlib
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from IPython import get_ipython


def plain_id(student_id: str) -> str:
    """Return `student_id` without the differences that don't count: outer space, upper case, kinds of typing."""
    return unicodedata.normalize("NFKC", student_id).strip().casefold()


def graded_for() -> str | None:
    """Return the id of the student whose notebook nbgrader is grading, None where nothing is being graded.

    nbgrader runs a submission in `autograded/<student>/<assignment>`; the folder that the kernel started in counts.
    """
    shell = get_ipython()
    folder = Path(shell.starting_dir) if shell else Path.cwd()
    return plain_id(folder.parent.name) if folder.parent.parent.name == "autograded" else None


class Paper:
    """The constants of one student's assignment, drawn by a hash of the id, the assignment and the constant's name.

    The same id gives the same paper on every machine; no id, an empty string, gives the public paper. Of an id
    its `plain_id` counts. Raises TypeError where the id is no string.
    """

    def __init__(self, assignment: str, student_id: str = ""):
        if not isinstance(student_id, str):
            raise TypeError(f"student_id must be text in quotes, such as 'b09902001', got {student_id!r}")
        self.assignment, self.student_id = assignment, plain_id(student_id)

    def __repr__(self) -> str:
        return (
            f"Paper({self.assignment!r}, {self.student_id!r})"  # by which a paper's own test knows it again
        )

    def seed(self, name: str) -> int:
        """Return a whole number from 0 to 2³² − 1 for the constant `name`."""
        text = "\n".join([self.assignment, self.student_id, name])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")

    def choose(self, name: str, options: Sequence) -> Any:
        """Return one of `options` for the constant `name`. Raises ValueError where there is none."""
        if not len(options):
            raise ValueError(f"{name} needs at least one option to choose from, got {options!r}")
        return options[self.seed(name) % len(options)]
