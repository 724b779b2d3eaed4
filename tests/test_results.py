"""Recorded rows become arrays: chosen by name, laid out by seed, with Student's interval."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from course_utils.results import at_step, by_seed, interval, mean_interval, read_results


def rows_of(**columns):
    return pd.DataFrame(columns).assign(status="ok")


def test_a_recording_is_found_by_its_name_and_selected_by_value_or_list():
    rows = read_results("warm_up_digits", batch_size=64, lr=[1 / 16, 1 / 8])
    assert set(rows["batch_size"]) == {64}
    assert set(rows["lr"]) == {1 / 16, 1 / 8}
    assert rows.attrs["provenance"]["device"]


@pytest.mark.parametrize(
    ("name", "choice", "complaint"),
    [
        ("joy", {}, "no joy in the course's notebooks/results; there are .*momentum_grid"),
        ("momentum_grid", {"beta": 0.9}, "no column beta; it has batch_size, momentum"),
        ("momentum_grid", {"momentum": 0.5}, r"no row has momentum = 0.5; there are \[0.0, 0.9, 0.99\]"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(name, choice, complaint):
    with pytest.raises((ValueError, FileNotFoundError), match=complaint):
        read_results(name, **choice)


def test_levels_are_sorted_whatever_the_order_in_which_cells_ended():
    rows = rows_of(lr=[2, 1, 2, 1], size=[64, 64, 16, 16], seed=[0] * 4, loss=[264, 164, 216, 116])
    table = by_seed(rows, "loss", "size", "lr")
    assert table.loc[0].tolist() == [116, 216, 164, 264]
    assert by_seed(rows[rows["lr"] == 2], "loss", "size").columns.tolist() == [16, 64]


def test_pairs_share_a_seed():
    rows = rows_of(size=[16] * 3 + [64] * 3, seed=[0, 1, 2, 2, 1, 0], loss=[11, 22, 33, 30, 20, 10])
    table = by_seed(rows, "loss", "size")
    assert (table[16] - table[64]).tolist() == [1, 2, 3]


def test_a_run_that_diverged_or_is_missing_is_nan_and_so_is_its_mean():
    rows = rows_of(lr=[1, 1, 2], seed=[0, 1, 0], loss=[5.0, 6.0, 7.0])
    rows.loc[1, "status"] = "diverged"
    table = by_seed(rows, "loss", "lr")
    np.testing.assert_equal(table.to_numpy(), [[5, 7], [math.nan, math.nan]])
    assert math.isnan(interval(table[1]).mean)


def test_a_seed_twice_at_one_level_is_an_error():
    rows = rows_of(lr=[1, 1], step=[0, 1], seed=[0, 0], loss=[1, 2])
    with pytest.raises(ValueError, match="two rows have lr = 1, seed = 0; select, or name the column"):
        by_seed(rows, "loss", "lr")


def test_between_two_steps_a_value_is_read_off_along_their_logarithm():
    rows = rows_of(batch_size=[16] * 3 + [64] * 3, step=[0, 1, 100] * 2, seed=0, loss=[9, 5, 1, 9, 7, 3])
    assert at_step(rows, "loss", 10, "batch_size").loc[0].tolist() == pytest.approx([3, 5])
    assert at_step(rows, "loss", {16: 100, 64: 1}, "batch_size").loc[0].tolist() == pytest.approx([1, 7])


def test_after_a_run_diverged_its_value_is_nan():
    rows = rows_of(step=[1, 10, 11], seed=0, lr=1, loss=[5, 4, math.nan])
    rows.loc[2, "status"] = "diverged"
    assert at_step(rows, "loss", 10, "lr")[1][0] == 4
    assert math.isnan(at_step(rows, "loss", 100, "lr")[1][0])


@pytest.mark.parametrize("steps", [1, 101])
def test_a_step_before_or_behind_what_was_measured_is_an_error(steps):
    rows = rows_of(step=[2, 100], seed=0, lr=1, loss=[5, 4])
    with pytest.raises(ValueError, match=f"{steps} updates lie outside of what was measured, 2 to 100"):
        at_step(rows, "loss", steps, "lr")


def test_runs_that_nothing_tells_apart_are_an_error():
    rows = rows_of(step=[1, 1], seed=0, momentum=[0, 0.9], lr=1, loss=[5, 4])
    with pytest.raises(ValueError, match="two rows at one step; select, or name a column"):
        at_step(rows, "loss", 1, "lr")


def test_the_interval_is_students():
    # 2 ± t s / √n, with s = 1, n = 3 and t = 4.302653, from a table: 95 %, two degrees of freedom
    assert interval([1, 2, 3]) == pytest.approx((2, 4.302653 / math.sqrt(3), 3))
    assert f"{interval([1, 2, 3]):.2f}" == "2.00 ± 2.48"


def test_each_column_of_an_array_has_its_interval():
    runs = np.array([[1.0, 4.0], [2.0, 4.5], [4.0, 7.0]])
    mean, half_width = mean_interval(runs)
    ends = stats.t.interval(0.95, 2, loc=runs.mean(0), scale=stats.sem(runs))
    np.testing.assert_allclose([mean - half_width, mean + half_width], ends)


def test_one_seed_has_no_interval():
    with pytest.raises(ValueError, match="at least 2 seeds, got 1"):
        mean_interval([[1.0, 2.0]])
