import pytest

from course_utils.homework import Paper, graded_for


def test_a_paper_is_the_same_on_every_machine():
    # by hand: sha256 of "momentum\nann\nbeta" begins with these four bytes
    assert Paper("momentum", "ann").seed("beta") == int("009d7c04", 16)


def test_id_assignment_and_name_each_change_the_draw():
    seeds = {Paper(a, i).seed(n) for a in ("momentum", "timing") for i in ("", "ann", "bob") for n in "xy"}
    assert len(seeds) == 2 * 3 * 2


def test_space_upper_case_and_the_way_an_accent_is_typed_do_not_count():
    assert Paper("timing", " Zo\u00eb ").seed("x") == Paper("timing", "zoe\u0308").seed("x")


def test_every_option_is_drawn_by_some_student():
    options = [0.5, 0.8, 0.9, 0.95]
    assert {Paper("momentum", f"b{i}").choose("beta", options) for i in range(60)} == set(options)


def test_a_bad_id_and_an_empty_choice_are_named():
    with pytest.raises(TypeError, match=r"text in quotes.*got 9902001"):
        Paper("momentum", 9902001)
    with pytest.raises(ValueError, match="beta needs at least one option"):
        Paper("momentum").choose("beta", [])


def test_only_the_folder_that_nbgrader_runs_in_says_whose_paper_is_graded(tmp_path, monkeypatch):
    folder = tmp_path / "autograded" / "B0990 " / "timing"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert graded_for() == "b0990"
    monkeypatch.chdir(folder.parent)
    assert graded_for() is None
