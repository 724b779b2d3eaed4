"""The machinery of the exercises: one line for whatever a reader hands in, and never a traceback."""

import sys
from fractions import Fraction

import numpy as np
import pytest
import torch

from course_utils import checks
from course_utils.checks import (
    Wrong,
    call,
    check,
    exercise,
    expect,
    feedback,
    hint,
    number,
    numbers,
    reply,
    solution,
)

checks.find("1A")  # before a test registers exercises of its own


@pytest.fixture
def sample(monkeypatch):
    """Register an exercise whose answer is 6, for one test."""
    monkeypatch.setattr(checks, "EXERCISES", dict(checks.EXERCISES))
    code = 'check("1Z", 2 * 3)'

    @exercise("1Z", right="Two threes.", hint="Multiply.", solution=code)
    def judge(answer):
        expect(answer, 6, {5: "that is their sum."})


def test_right_wrong_and_open_each_have_their_line(sample):
    assert feedback("1Z", 6) == "✓ 1Z right: Two threes."
    assert feedback("1Z", 5) == "✗ 1Z not yet: that is their sum."
    assert feedback("1Z", 7) == "✗ 1Z not yet: 7 is too large."
    assert feedback("1Z", ...) == feedback("1Z", None)
    assert "put your answer in place of the three dots" in feedback("1Z", ...)


def test_a_template_that_was_not_touched_is_open_and_one_that_returns_is_not(sample):
    def template(n):
        """Return something. (about 1 line)"""
        ...

    def passed(n):
        pass

    assert feedback("1Z", template) == feedback("1Z", passed) == feedback("1Z", ...)
    assert feedback("1Z", lambda n: 5).startswith("✗")


class Hostile:
    def __array__(self, *args, **kwargs):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "answer",
    ["six", [], [6, 6], {}, float("nan"), float("inf"), len, object(), Hostile(), 6 + 1j, np.array(["a"])],
)
def test_whatever_is_handed_in_gets_one_line_and_no_traceback(sample, capsys, answer):
    check("1Z", answer)
    out = capsys.readouterr().out
    assert out.startswith("✗ 1Z not yet: ") and out.count("\n") == 1


def test_hint_and_solution_are_printed(sample, capsys):
    hint("1Z")
    solution("1Z")
    assert capsys.readouterr().out == '1Z hint: Multiply.\ncheck("1Z", 2 * 3)\n'


@pytest.mark.parametrize("name", ["9A", "", 1, None, "A1"])
def test_a_name_that_is_none_says_how_names_look(name):
    with pytest.raises(ValueError, match=r"such as '1A', got"):
        check(name, 1)


def test_a_name_that_is_not_there_lists_those_that_are():
    with pytest.raises(ValueError, match=r"lesson 1 has no exercise '1Q'; it has 1A, 1B"):
        check("1Q", 1)


def test_numbers_and_functions_are_taken_as_readers_give_them():
    assert number(np.float32(2)) == number(Fraction(2)) == number([2]) == 2.0
    assert numbers((1, 2), 2).tolist() == numbers([[1], [2]], 2).tolist() == [1, 2]
    assert call(lambda n: iter(range(n)), 3) == call(lambda n: map(int, range(n)), 3) == [0, 1, 2]
    given = [1]
    assert call(lambda items: items.append(2) or items, given) == [1, 2] and given == [1]
    for wrong, what in [
        (lambda x: 1 / 0, "ZeroDivisionError"),
        (3, "a function is wanted"),
        (print, "returns nothing"),
    ]:
        with pytest.raises(Wrong, match=what):
            call(wrong, 1)


def test_a_tensor_with_a_gradient_and_a_view_of_a_dictionary_hold_numbers_as_a_list_does():
    weight, times = torch.tensor(2.0, requires_grad=True), {"short": 1.0, "long": 2.0}
    assert number(weight) == number([weight]) == number(weight.bfloat16()) == 2.0
    for two in (times.values(), torch.tensor([1.0, 2.0], requires_grad=True), [torch.tensor(1.0), weight]):
        assert numbers(two, 2).tolist() == [1, 2]
    assert feedback("2A", iter([0.6, 0.15])).startswith("✓")


@pytest.mark.parametrize(
    "text", ["4690", b"4690", np.array("4690"), ["4690"], np.array([4690, "1"], dtype=object)]
)
def test_a_number_in_quotation_marks_is_told_to_leave_them_out(text):
    assert feedback("1A", text).endswith(": leave the quotation marks out.")


def stop_with(error):
    raise error


@pytest.mark.parametrize("leave", [sys.exit, lambda: stop_with(SystemExit("bye"))])
def test_leaving_the_program_is_a_wrong_answer(leave):
    with pytest.raises(Wrong, match="stops with SystemExit"):
        call(leave)


def test_an_answer_that_leaves_the_program_while_it_is_read_gets_its_line(sample):
    class Leaving:
        def __array__(self, *args, **kwargs):
            sys.exit()

    assert feedback("1Z", Leaving()) == "✗ 1Z not yet: your answer could not be used (SystemExit)."


def test_the_stop_button_passes_through():
    with pytest.raises(KeyboardInterrupt):
        call(lambda: stop_with(KeyboardInterrupt()))


def test_an_error_of_several_lines_shows_its_first():
    with pytest.raises(Wrong) as caught:
        call(lambda: stop_with(ValueError("\nthe first line.\nthe second")))
    assert str(caught.value) == "your function stops with ValueError: the first line."
    with pytest.raises(Wrong, match=r"stops with AssertionError\.$"):
        call(lambda: stop_with(AssertionError()))


def test_a_function_that_fails_as_its_items_are_asked_for_is_a_wrong_answer():
    with pytest.raises(Wrong, match="your function stops with ZeroDivisionError"):
        call(lambda: (1 / item for item in [0]))


def test_what_is_no_number_is_shown_on_one_line(sample):
    assert "\n" not in feedback("1Z", np.array([["a"], ["b"]]))


@pytest.mark.parametrize(
    "guess, answer, line",
    [
        (10, 43, "You said 10 ms; it is 43 ms, 4.3 times as much."),
        (43.0, 10, "You said 43 ms; it is 10 ms, smaller by a factor of 4.3."),
        (np.float64(42), 43, "You said 42 ms; it is 43 ms: close."),
        (43, 43, "You said 43 ms; it is 43 ms, as you said."),
        (0, 43, "You said 0 ms; it is 43 ms."),
        (None, 43_000, "No guess made.\nIt is 43,000 ms."),
    ],
)
def test_a_reply_compares_a_guess_in_words(capsys, guess, answer, line):
    reply(guess, answer, "ms")
    assert capsys.readouterr().out == f"{line}\n"


def test_a_reply_compares_choices_too(capsys):
    reply("B = 16", "B = 64")
    reply("B = 64", "B = 64")
    assert capsys.readouterr().out == (
        "You said B = 16; it is B = 64.\nYou said B = 64; it is B = 64, as you said.\n"
    )


@pytest.mark.parametrize("guess, answer", [("ten", 10), (float("nan"), 10), (10, "B = 64"), ([10], 10)])
def test_a_guess_that_cannot_be_compared_is_named(guess, answer):
    with pytest.raises(ValueError, match=r"your guess must be a .*, or None to skip it, got"):
        reply(guess, answer)
