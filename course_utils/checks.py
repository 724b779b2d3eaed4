"""Instant feedback on the lessons' exercises: `check("1A", answer)`, `hint("1A")`, `solution("1A")`.

The exercises of lesson 1 are in `lessons.lesson_1.exercises`: a judge each, which raises `Wrong`. Whatever the
reader hands in, a check prints one line and never a traceback.
"""

import copy
import dis
import importlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, MappingView
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np


class Wrong(Exception):
    """What is wrong with an answer: one sentence to the reader that names the misconception, not the answer."""


class Exercise(NamedTuple):
    """One exercise; `solution` is code that imports all it needs and ends with its `check(…)` line."""

    name: str
    judge: Callable[[Any], None]
    right: str  # what the right answer shows, one sentence
    hint: str
    solution: str


EXERCISES: dict[str, Exercise] = {}


def exercise(name: str, *, right: str, hint: str, solution: str):
    """Register the decorated judge: it takes the reader's answer and raises `Wrong`, or returns if it is right."""

    def register(judge: Callable[[Any], None]) -> Callable[[Any], None]:
        EXERCISES[name] = Exercise(name, judge, right, hint, solution.strip("\n"))
        return judge

    return register


def check(name: str, answer: Any) -> None:
    """Print in one line whether `answer` to exercise `name` is right, and if not, which misconception it shows.

    Raises ValueError for a name that no exercise has; nothing that the reader's answer does raises.
    """
    print(feedback(name, answer))


def feedback(name: str, answer: Any) -> str:
    """Return the line that `check` prints."""
    found = find(name)
    if answer is ... or answer is None or _untouched(answer):
        return f"· {name} is open: put your answer in place of the three dots and run the cell again."
    try:
        found.judge(list(answer) if isinstance(answer, Iterator) else answer)
    except Wrong as wrong:
        return f"✗ {name} not yet: {wrong}"
    except (Exception, SystemExit) as error:
        return f"✗ {name} not yet: your answer could not be used ({_told(error)})."
    return f"✓ {name} right: {found.right}"


def hint(name: str) -> None:
    """Print a hint to exercise `name`."""
    print(f"{name} hint: {find(name).hint}")


def solution(name: str) -> None:
    """Print the model answer to exercise `name`."""
    print(find(name).solution)


def reply(guess: Any, answer: float | str, unit: str = "") -> None:
    """Print how the reader's `guess` compares with the `answer`, both numbers in `unit` or both texts; None skips it.

    Raises ValueError for a guess of another kind, and for a number that isn't finite.
    """
    kind = str if isinstance(answer, str) else int | float | np.number
    if guess is None:
        print(f"No guess made.\nIt is {_spoken(answer, unit)}.")  # the first line labels a collapsed output
    elif isinstance(guess, kind) and (kind is str or np.isfinite(guess)):
        print(f"You said {_spoken(guess, unit)}; it is {_spoken(answer, unit)}{_apart(guess, answer)}.")
    else:
        wanted = "a text, such as one that the question offers" if kind is str else "a finite number"
        raise ValueError(f"your guess must be {wanted}, or None to skip it, got {guess!r}")


def _spoken(value: float | str, unit: str) -> str:
    number = value if isinstance(value, str) else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{number} {unit}".rstrip()


def _apart(guess: float | str, answer: float | str) -> str:
    """Return how far `answer` is from `guess`, in words."""
    if guess == answer:
        return ", as you said"
    if isinstance(answer, str) or guess * answer <= 0:
        return ""
    ratio = answer / guess
    if 1 / 1.1 < ratio < 1.1:
        return ": close"
    return f", {ratio:.2g} times as much" if ratio > 1 else f", smaller by a factor of {1 / ratio:.2g}"


def find(name: str) -> Exercise:
    """Return exercise `name`, a lesson's number and a letter; raise ValueError where there is none."""
    lesson = name[:1] if isinstance(name, str) else ""
    if not lesson.isdigit() or importlib.util.find_spec(f"lessons.lesson_{lesson}") is None:
        raise ValueError(f"an exercise is a lesson's number and a letter, such as '1A', got {name!r}")
    importlib.import_module(f"lessons.lesson_{lesson}.exercises")
    if name not in EXERCISES:
        known = ", ".join(sorted(key for key in EXERCISES if key.startswith(lesson)))
        raise ValueError(f"lesson {lesson} has no exercise {name!r}; it has {known}")
    return EXERCISES[name]


def floats(answer: Any, wanted: str, *, finite: bool = True) -> np.ndarray:
    """Return `answer` as an array of floats of its own shape; raise Wrong, which says what is `wanted`, for anything else.

    A tensor may have a gradient, a view of a dictionary is as good as a list, and a text is no number.
    """
    if callable(answer):
        raise Wrong(f"{wanted}, this is a function: call it.")
    try:
        plain = _plain(answer)
        if any(isinstance(value, str | bytes) for value in np.asarray(plain).flat):
            raise Wrong(f"{wanted}, this is {_described(plain)}: leave the quotation marks out.")
        values = np.asarray(plain, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"{wanted}, this is {_described(answer)}.") from None
    if finite and not np.isfinite(values).all():
        raise Wrong(f"{wanted}, infinity and NaN are none: this is {_described(plain)}.")
    return values


def _plain(answer: Any) -> Any:
    """Return `answer` with views and tensors in it as lists, a tensor of one number as that number."""
    if isinstance(answer, MappingView | list | tuple):
        return [_plain(part) for part in answer]
    return answer.tolist() if hasattr(answer, "detach") else answer


def number(answer: Any) -> float:
    """Return `answer` as a float; raise Wrong where it is no single number or not finite."""
    values = floats(answer, "a number is wanted")
    if values.size != 1:
        raise Wrong(f"one number is wanted, these are {values.size}.")
    return values.item()


def expect(answer: Any, truth: float, mistakes: Mapping[float, str], *, rel: float = 1e-3) -> None:
    """Raise Wrong unless the number `answer` is within `rel` of `truth`; one of `mistakes` as near says why.

    `mistakes` maps what a misconception would give to the sentence that names it.
    """
    value = number(answer)
    if _close(value, truth, rel):
        return
    for mistake, sentence in mistakes.items():
        if _close(value, mistake, rel):
            raise Wrong(sentence)
    raise Wrong(f"{value:g} is too {'large' if value > truth else 'small'}.")


@contextmanager
def tried(case: str) -> Iterator[None]:
    """Put `case` before what a Wrong says that is raised within: which input was tried, or which part is meant."""
    try:
        yield
    except Wrong as wrong:
        raise Wrong(f"{case}: {wrong}") from None


def numbers(answer: Any, count: int) -> np.ndarray:
    """Return `answer` as `count` finite floats, shape (count,); raise Wrong where it is anything else."""
    values = floats(answer, f"{count} numbers are wanted")
    if values.size != count or values.ndim == 0:
        raise Wrong(f"{count} numbers are wanted, the shape of these is {values.shape}.")
    return values.flatten()


def call(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what the reader's `function` gives for copies of the arguments, an iterator as a list.

    Raises Wrong where the function fails or leaves the program; only the stop button's KeyboardInterrupt passes.
    """
    if not callable(function):
        raise Wrong(f"a function is wanted, this is {_described(function)}: hand it over without calling it.")
    try:
        result = function(*copy.deepcopy(args), **copy.deepcopy(kwargs))
        if isinstance(result, Iterator):
            result = list(result)
    except Wrong:
        raise
    except (Exception, SystemExit) as error:
        raise Wrong(f"your function stops with {_told(error)}.") from None
    if result is None or result is ...:
        raise Wrong("your function returns nothing: is there a return?")
    return result


def _untouched(answer: Any) -> bool:
    """Return whether `answer` is a function with nothing in it but its docstring and three dots."""
    code = getattr(answer, "__code__", None)
    return code is not None and all(
        step.opname in ("RESUME", "NOP", "RETURN_VALUE") or ("CONST" in step.opname and step.argval is None)
        for step in dis.get_instructions(code)
    )


def _close(value: float, wanted: float, rel: float) -> bool:
    return abs(value - wanted) <= rel * max(abs(wanted), 1e-9)


def _described(answer: Any) -> str:
    return f"{' '.join(repr(answer).split()):.40} of type {type(answer).__name__}"


def _told(error: BaseException) -> str:
    """Return the name of `error` and the first line of what it says, if it says anything."""
    first = str(error).strip().partition("\n")[0].rstrip(". ")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
