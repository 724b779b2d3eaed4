"""Lesson 2 and its deeper pages: their clocks on a device whose time is counted, and the numbers behind their figures."""

import ast
from collections import Counter

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from matplotlib.text import Text
from torch.utils._python_dispatch import TorchDispatchMode

from authoring.build import page_of, sources
from course_utils import timing
from course_utils.claims import load_claims
from course_utils.data import load_mnist
from course_utils.explore import still
from course_utils.models import mlp
from course_utils.results import by_seed, read_results
from course_utils.training import evaluate, minibatches, train
from lessons.lesson_2 import draw
from lessons.lesson_2.exercises import PretendDevice

SIZES = {"784-128-10": (784, 128, 10)}


def from_page(prefix, *names, **known):
    """Return what the page defines under each of `names`, compiled from its own source beside what is `known`."""
    (source,) = sources([prefix])
    body = ast.parse(source.read_text(encoding="utf-8")).body
    found = [n for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name in names]
    assert {n.name for n in found} == set(names)
    exec(compile(ast.Module(found, []), source.name, "exec"), known)
    return known[names[0]] if len(names) == 1 else [known[name] for name in names]


def waiting(device):
    return timing.synchronised_clock("cpu", clock=device.clock, synchronise=device.wait)


def test_the_right_way_of_the_lesson_is_not_misled_by_a_queue_or_a_slow_first_call():
    device = PretendDevice(0.004, start_up=0.3)
    right_way = from_page("02", "right_way", np=np, waiting_clock=waiting(device))
    assert right_way(device.update) == pytest.approx(4, rel=0.01)


def test_the_right_way_of_the_lesson_reads_what_measure_reads():
    by_hand, measured = PretendDevice(0.004, start_up=0.3), PretendDevice(0.004, start_up=0.3)
    right_way = from_page("02", "right_way", np=np, waiting_clock=waiting(by_hand))
    spread = timing.measure(measured.update, clock=waiting(measured), warm_up=3, repeats=5, at_least=0)
    assert right_way(by_hand.update) == pytest.approx(spread.median)
    assert by_hand.orders == measured.orders


@pytest.mark.parametrize(
    ("fault", "milliseconds"),
    [("the loader", 4 + 3), ("the first call", 4 + 200 / 5), ("the missing wait", 0)],
)
def test_each_planted_fault_falsifies_the_wrong_way_as_the_lesson_says(fault, milliseconds):
    device = PretendDevice(0.004)

    def sleep(seconds):
        device.now += seconds

    planted, wrong_way = from_page("02", "planted", "wrong_way", sleep=sleep, clock=device.clock)
    faults = planted(lambda: (device.update(), device.wait()), first=True)
    assert wrong_way(faults[fault]) == pytest.approx(milliseconds, abs=0.01)


def test_the_page_was_built_where_the_missing_wait_drew_the_flattest_curve():
    cells = nbformat.read(page_of(*sources(["02"])), as_version=4).cells
    (cell,) = (cell for cell in cells if cell.id == "four-clocks")
    assert "It is the missing wait." in cell.outputs[-1].text


def test_the_updates_needed_are_those_after_which_training_has_just_reached_the_target():
    train_set, valid_set, _ = load_mnist()
    known = {"mlp": mlp, "minibatches": minibatches, "evaluate": evaluate, "rates": {64: 1 / 4}, "np": np}
    known |= {"train_set": train_set, "valid_set": valid_set, "timing": timing, "torch": torch}
    n = from_page("02", "updates_needed", **known)(64, seed=0)
    history = train(
        mlp((784, 128, 10), seed=0),
        train_set,
        batch_size=64,
        lr=1 / 4,
        num_steps=n,
        valid=valid_set,
        generator=torch.Generator().manual_seed(0),
        eval_steps=[n - 2, n],  # it looks at every second update
    )
    assert n < 30 and history.valid_accuracy[0] < 0.85 <= history.valid_accuracy[1]


def test_the_chain_rule_by_hand_makes_the_update_of_autograd():
    by_hand = from_page("2a", "by_hand", torch=torch)
    images, labels = torch.rand(6, 1, 28, 28), torch.arange(6)
    ours, theirs = (mlp((784, 8, 10), seed=0) for _ in range(2))
    by_hand(ours, images, labels, lr=0.5)()
    timing.make_update(theirs, images, labels, lr=0.5)()
    for w, v in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(w, v)


def test_calls_are_as_many_for_a_thousand_examples_and_without_arithmetic_and_half_as_many_by_hand():
    known = {"TorchDispatchMode": TorchDispatchMode, "Counter": Counter}
    _, calls_of, by_hand = from_page("2a", "CountCalls", "calls_of", "by_hand", torch=torch, **known)

    def calls(make, sizes, n):
        data = torch.rand(n, sizes[0]), torch.zeros(n, dtype=torch.int64)
        return calls_of(make(mlp(sizes, seed=0), *data)).total()

    one = calls(timing.make_update, (784, 128, 10), 1)
    assert one == calls(timing.make_update, (784, 128, 10), 1000)
    assert abs(one - calls(timing.make_update, (1, 1, 1), 1000)) <= 2
    assert calls(by_hand, (784, 128, 10), 1) <= 0.6 * one


def test_a_run_needs_the_updates_at_which_it_first_reaches_the_target_between_two_looks_along_log_step():
    updates_to = from_page("2b", "updates_to", np=np)
    run = pd.DataFrame({"step": [0, 1, 10, 100, 1000], "valid_accuracy": [0.1, 0.5, 0.8, 0.9, 0.7]})
    assert updates_to(run, target=0.85) == pytest.approx(10**1.5, rel=1e-6)
    assert np.isnan(updates_to(run, target=0.95))


def test_the_best_batch_is_the_geometric_mean_of_the_two_bends():
    grid = np.geomspace(1, 10_000, 100_001)
    wait = (1 + 58 / grid) * (1 + grid / 45)
    assert grid[wait.argmin()] == pytest.approx((58 * 45) ** 0.5, rel=1e-3)


def test_the_forward_pass_keeps_pixels_hidden_units_and_probabilities_of_each_example():
    data = {"images": torch.rand(200, 1, 28, 28), "labels": torch.zeros(200, dtype=torch.int64)}
    kept_bytes = from_page("2c", "kept_bytes", mlp=mlp, networks=SIZES, torch=torch, F=F, **data)
    assert kept_bytes(200) - kept_bytes(100) == 100 * (
        4 * (784 + 128 + 10) + 8
    )  # float32, and an int64 label


def test_parts_of_unequal_size_pay_into_the_gradient_of_the_whole_batch():
    accumulated = from_page("2c", "accumulated_gradient", torch=torch, F=F)
    model, images, labels = mlp((5, 4, 3), seed=0), torch.rand(7, 5), torch.arange(7) % 3
    F.cross_entropy(model(images), labels).backward()
    whole = torch.cat([w.grad.flatten() for w in model.parameters()])
    torch.testing.assert_close(accumulated(model, images, labels, parts=3), whole)  # 3 + 3 + 1


def runs_of(network="784-128-10", threads=1):
    rows = read_results("batch_timing.amd-epyc-2-cores", network=network, threads=threads)
    return by_seed(rows, "update_ms", "batch_size", seed="run")


def test_the_numbers_in_the_findings_are_those_of_the_recording():
    t = runs_of().median()
    assert f"{t[10] / t[1]:.1f} times as long from B = 1" in load_claims()["C10"].finding
    assert f"{t[1000] / t[100]:.1f} times as long from B = 100" in load_claims()["C10"].finding
    assert f"grew {t[1000] / t[1]:.0f}-fold" in load_claims()["C18"].finding
    assert round(1000 * t[1] / t[1000]) == 40 and "a fortieth" in load_claims()["C18"].finding


def test_the_numbers_about_a_gpu_are_those_of_the_recording():
    claims, four, t = load_claims(), [1, 10, 100, 1000], {}
    for mode in ("eager", "graph"):
        choice = {"network": "784-128-10", "mode": mode, "precision": "fp32"}
        rows = read_results("batch_timing.nvidia-h100", **choice)
        t[mode] = by_seed(rows, "update_ms", "batch_size", seed="run").median()
    calls, graph = (x[four].max() / x[four].min() for x in t.values())
    assert f"factor of {calls:.1f}; as one CUDA graph by {graph:.1f}" in claims["C12"].finding
    calls, graph = (x[60_000] / x[1000] for x in t.values())
    assert f"took {graph:.1f} times" in claims["C14"].finding and f"{calls:.1f}" in ("1.0", "1.1")
    calls, graph = (x[10_000] / x[1000] for x in t.values())
    assert f"{graph:.1f} and" in claims["C15"].finding and f"{calls:.1f} times and" in claims["C15"].finding
    calls, graph = (x[20] / x[1] for x in t.values())
    assert f"took {calls:.1f} times" in claims["C23"].finding and f"fp32 {graph:.1f}" in claims["C23"].finding


def texts(fig):
    return {text.get_text() for text in fig.findobj(Text)}


def test_the_explorer_puts_the_knee_where_floor_and_slope_meet_and_says_what_the_chosen_batch_costs():
    fig, alt = still(*draw.machine(), batch_size=200, t0=0.5, rate=100)
    assert {"knee at B = 50", "B = 200: 2 ms", "B = 200: 300 updates, 0.6 s"} <= texts(fig)
    assert "knee at B = 50" in alt and "2 ms and an epoch of 300 updates 0.6 s" in alt


def test_the_explorer_works_for_a_data_set_smaller_than_most_batches():
    fig, _ = still(*draw.machine(num_examples=50), batch_size=100, t0=0.5, rate=100)
    assert "B = 100: 1 updates, 0.001 s" in texts(fig)


def lines_of(ax, label):
    return next(line for line in ax.lines if line.get_label() == label)


def test_an_epoch_in_the_figure_is_a_whole_number_of_updates():
    runs = pd.DataFrame([[1.0, 2.0], [1.0, 4.0], [3.0, 4.0]], columns=[1, 8])
    fig, alt = draw.update_and_epoch({"there": (runs, 5)}, ([1, 8], np.array([1.0, 2.0])), 20, guess=7)
    assert lines_of(fig.axes[0], "there").get_ydata().tolist() == [1, 4]  # medians of the runs
    np.testing.assert_allclose(lines_of(fig.axes[1], "there").get_ydata(), [20 * 0.001, 3 * 0.004])
    assert "there 5" in alt and "Your guess, 7," in alt


def test_four_clocks_are_four_curves_and_the_guessed_one_is_ringed():
    names = ["the first call", "the loader", "the right clock", "the missing wait"]
    readings = pd.DataFrame({name: [i + 1.0] * 3 for i, name in enumerate(names)})
    fig, alt = draw.clocks([1, 10, 100], readings, guess="the loader")
    drawn = [line.get_ydata()[0] for line in fig.axes[0].lines if len(line.get_ydata()) == 3]
    assert sorted(drawn) == [1, 2, 3, 4] and set(names) <= texts(fig)
    assert "Your guess, the loader, is ringed." in alt


def test_the_alt_text_of_the_floor_reads_the_numbers_off_the_curves_and_the_recording_ends_with_them():
    recorded = pd.Series([0.2, 0.3, 5.0, 50.0], [1, 10, 1000, 10_000])
    fig, alt = draw.floor([1, 10, 1000], {"by hand": np.array([0.1, 0.2, 4.0])}, recorded)
    assert lines_of(fig.axes[0], "784-128-10, recorded").get_ydata().tolist() == [0.2, 0.3, 5]
    assert "0.2 to 5 ms" in alt and "At B = 1 and at 1,000: by hand 0.1 and 4 ms here" in alt


def test_the_shortest_reading_is_not_misled_by_what_ran_beside_others():
    device, rounds = PretendDevice(0.004), iter([0] * 15 + [0.3] * 5 + [0] * 5)

    def update():
        device.update()
        device.now += next(rounds)  # what another program took

    shortest = from_page("02", "shortest", timing=timing, waiting_clock=waiting(device), np=np)
    assert shortest([update], rounds=5) == pytest.approx([4], rel=0.01)


def test_the_wait_is_the_product_and_the_alt_text_names_its_minimum():
    needed = np.array([[100, 30, 20], [120, 30, 20]])
    fig, alt = draw.wait([1, 16, 256], needed, np.array([0.2, 0.3, 2.0]))
    np.testing.assert_allclose(fig.axes[2].lines[0].get_ydata(), [0.022, 0.009, 0.04])
    assert "smallest at B = 16" in alt


def test_the_roofline_lies_below_what_was_recorded_for_large_batches():
    medians = {"784-128-10": runs_of().median(), "784-512x5-10": runs_of("784-512x5-10").median()}
    limits = {"784-128-10": (0.0043, 0.12), "784-512x5-10": (0.083, 1.7)}
    fig, _ = draw.roofline(medians, limits)
    for ax, (network, milliseconds) in zip(fig.axes, medians.items(), strict=True):
        arithmetic = lines_of(ax, "arithmetic at measured peak").get_ydata()[-1]
        assert arithmetic == pytest.approx(limits[network][0] * milliseconds.index[-1])
        assert arithmetic < milliseconds.iloc[-1]
