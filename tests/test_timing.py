"""The device here is a fake whose time is counted, so that every expected number is known exactly."""

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import least_squares
from torch import nn

from course_utils import timing
from course_utils.models import mlp

EXPERIMENT = Path(__file__).parents[1] / "notebooks" / "experiments" / "batch_timing.py"
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class Device:
    """Works off what is queued only while it is waited for, like a GPU; seconds are whole powers of two."""

    def __init__(self, seconds_per_call=2.0, seconds_of_first_call=0.0):
        self.now = self.queued = self.calls = self.waits = 0
        self.seconds, self.first = seconds_per_call, seconds_of_first_call

    def work(self):
        self.queued += self.seconds + (0 if self.calls else self.first)
        self.calls += 1

    def clock(self):
        return self.now

    def synchronise(self):
        self.now, self.queued = self.now + self.queued, 0
        self.waits += 1

    def synchronised_clock(self):
        return timing.synchronised_clock("cpu", clock=self.clock, synchronise=self.synchronise)


def test_a_synchronised_clock_counts_the_work_that_was_only_queued():
    device = Device(seconds_per_call=2.0)
    clock = device.synchronised_clock()
    start = clock()
    device.work()
    assert clock() - start == 2.0


def test_a_clock_that_does_not_wait_sees_no_work_at_all():
    device = Device(seconds_per_call=2.0)
    assert timing.measure(device.work, clock=device.clock) == (0, 0, 0)


@pytest.mark.parametrize(("repeats", "at_least"), [(1, 0), (5, 0), (5, 32)])
def test_a_measured_call_takes_what_it_costs_however_often_it_is_repeated(repeats, at_least):
    device = Device(seconds_per_call=2.0)
    spread = timing.measure(
        device.work, clock=device.synchronised_clock(), repeats=repeats, at_least=at_least
    )
    assert spread == (2000, 2000, 2000)


def test_a_slow_first_call_is_warm_up_and_does_not_count():
    device = Device(seconds_per_call=2.0, seconds_of_first_call=64.0)
    assert timing.measure(device.work, clock=device.synchronised_clock(), warm_up=2).high == 2000


def test_a_reading_spans_the_calls_that_fill_the_time_asked_for():
    device = Device(seconds_per_call=2.0)
    timing.measure(device.work, clock=device.synchronised_clock(), warm_up=3, repeats=5, at_least=8.0)
    assert device.calls == 3 + 5 * 4


def test_the_spread_is_the_median_with_the_quartiles_of_the_readings():
    seconds = iter(
        [0, 1, 10, 11, 20, 22, 30, 33, 40, 44, 50, 55]
    )  # the warm-up, then readings of 1, 2, 3, 4, 5 s
    spread = timing.measure(lambda: None, clock=lambda: next(seconds, 0), warm_up=1, repeats=5, at_least=0)
    assert spread == (3000, 2000, 4000)


def test_the_clock_of_a_processor_is_its_own():
    assert timing.synchronised_clock("cpu") is time.perf_counter


@needs_cuda
def test_the_clock_waits_for_the_very_gpu_that_was_named():
    missing = timing.synchronised_clock(f"cuda:{torch.cuda.device_count()}")
    with pytest.raises(RuntimeError, match="invalid device"):
        missing()


@pytest.mark.parametrize("bad", [{"warm_up": 0}, {"repeats": 0}])
def test_counts_below_one_are_refused(bad):
    with pytest.raises(ValueError, match="whole number of at least 1, got 0"):
        timing.measure(lambda: None, clock=lambda: 0.0, **bad)


def test_an_update_is_one_step_of_plain_sgd():
    images, labels = torch.rand(4, 3), torch.tensor([0, 1, 0, 1])
    ours, theirs = (mlp((3, 5, 2), seed=1) for _ in range(2))
    timing.make_update(ours, images, labels, lr=0.5)()
    nn.functional.cross_entropy(theirs(images), labels).backward()
    torch.optim.SGD(theirs.parameters(), lr=0.5).step()
    for w, v in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(w, v)


class Greedy(nn.Module):
    """Asks for more memory than any computer can address as soon as it sees 8 examples."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x):
        return self.linear(x) if len(x) < 8 else torch.empty(2**50)


def data(n=16):
    return torch.rand(n, 3), torch.zeros(n, dtype=torch.int64)


def test_a_batch_that_does_not_fit_is_a_row_that_says_so_and_the_others_are_timed():
    curve = timing.time_updates(Greedy(), *data(), [2, 8, 4], repeats=1)
    assert [row.status for row in curve.timings] == ["ok", "does not fit in memory", "ok"]
    assert np.isnan(curve.timings[1].update_ms) and list(curve["batch_size"]) == [2, 4]


def test_an_error_that_is_not_about_memory_is_raised():
    with pytest.raises(RuntimeError, match="shapes"):
        timing.time_updates(mlp((4, 2), seed=0), *data(), [2], repeats=1)


def test_a_curve_tells_device_threads_and_version():
    curve = timing.time_updates(mlp((3, 2), seed=0), *data(), [1], repeats=1, num_threads=2)
    assert (curve.device, curve.num_threads) == (timing.device_name("cpu"), 2)
    assert curve.torch == torch.__version__


def test_threads_are_as_many_as_before_after_a_measurement():
    before = torch.get_num_threads()
    with timing.pinned_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("size", [0, 17])
def test_a_batch_size_beyond_the_data_is_refused_with_its_bounds(size):
    with pytest.raises(ValueError, match=rf"between 1 and 16 .* got {size}"):
        timing.time_updates(mlp((3, 2), seed=0), *data(), [size])


def test_load_copy_and_update_are_read_apart_from_the_clock_that_was_given():
    ticks = iter(range(10**6))  # each reading of this clock is 1 s later than the last
    curve = timing.time_updates(mlp((3, 2), seed=0), *data(), [4], repeats=3, clock=lambda: next(ticks))
    assert curve.timings[0][1:4] == (1000, 1000, 1000)


SIZES = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000])


@pytest.mark.parametrize("shape", ["max", "sum"])
def test_a_fit_finds_floor_rate_and_knee_that_made_the_times(shape):
    times = np.maximum(0.5, SIZES / 80) if shape == "max" else 0.5 + SIZES / 80
    knee = timing.fit_knee(SIZES, times, shape=shape)
    assert knee[:3] == pytest.approx((0.5, 80, 40), rel=0.006)  # the scan's step is 0.5 %
    np.testing.assert_allclose(knee.predict(SIZES), times, rtol=0.006)


@pytest.mark.parametrize("shape", ["max", "sum"])
def test_a_fit_to_noisy_times_agrees_with_least_squares_of_scipy(shape):
    noise = np.exp(np.random.default_rng(0).normal(0, 0.1, len(SIZES)))
    times = (0.5 + SIZES / 80) * noise
    shape_of = {"max": np.maximum, "sum": np.add}[shape]
    solution = least_squares(
        lambda p: np.log(shape_of(np.exp(p[0]), SIZES / np.exp(p[1]))) - np.log(times), np.log([0.5, 80])
    )
    assert timing.fit_knee(SIZES, times, shape=shape)[:2] == pytest.approx(np.exp(solution.x), rel=0.006)


def test_the_interval_of_the_knee_covers_the_truth_about_nineteen_times_in_twenty():
    rng = np.random.default_rng(0)
    fits = [
        timing.fit_knee(SIZES, (0.5 + SIZES / 80) * np.exp(rng.normal(0, 0.1, 10)), shape="sum")
        for _ in range(400)
    ]
    assert 0.92 < np.mean([fit.low <= 40 <= fit.high for fit in fits]) < 0.98


def test_a_curve_without_a_slope_has_a_knee_that_nothing_bounds_from_above():
    noise = 1 + 0.01 * np.resize([1, -1], len(SIZES))
    assert timing.fit_knee(SIZES, 0.5 * noise).high == np.inf


def test_a_curve_without_a_floor_has_a_knee_that_nothing_bounds_from_below():
    noise = 1 + 0.01 * np.resize([1, -1], len(SIZES))
    assert timing.fit_knee(SIZES, SIZES / 80 * noise).low == 0


def test_two_sizes_are_too_few_for_a_fit():
    with pytest.raises(ValueError, match="three or more"):
        timing.fit_knee([1, 10], [1.0, 2.0])


def test_peaks_count_two_operations_a_term_and_both_ways_of_a_copy():
    ticks = iter(range(10**6))  # every product and every copy takes 1 s of this clock
    assert timing.measure_peaks("cpu", size=64, clock=lambda: next(ticks)) == (2 * 64**3, 2 * 2**28)


def test_the_experiment_gives_a_row_for_each_batch_size_it_was_allowed():
    names = {"__name__": "experiment"}
    exec(EXPERIMENT.read_text(encoding="utf-8"), names)
    names.update(num_examples=10, matmul_size={"cpu": 16})
    rows = names["run"](**names["grid"][0] | {"device": "cpu", "largest": 5, "mode": "eager"})
    assert [row["batch_size"] for row in rows] == [1, 2, 5]
    assert all(set(row) == {*names["columns"], "status"} for row in rows)


@needs_cuda
def test_a_replayed_graph_changes_the_weights_as_the_update_does():
    images, labels = torch.rand(32, 784, device="cuda"), torch.arange(32, device="cuda") % 10
    replayed, eager = (mlp((784, 128, 10), seed=0).to("cuda") for _ in range(2))
    replay = timing.as_cuda_graph(timing.make_update(replayed, images, labels), replayed, warm_up=3)
    update = timing.make_update(eager, images, labels)
    for call in [replay] * 5 + [update] * 8:  # the graph's warm-up made 3 updates already
        call()
    for w, v in zip(replayed.parameters(), eager.parameters(), strict=True):
        torch.testing.assert_close(w, v)


@needs_cuda
@pytest.mark.parametrize("graph", [False, True])
def test_a_gpu_is_timed_in_both_modes(graph):
    model = mlp((784, 128, 10), seed=0).to("cuda", torch.bfloat16)
    images, labels = torch.rand(100, 784, dtype=torch.bfloat16), torch.arange(100) % 10
    curve = timing.time_updates(model, images, labels, [1, 100], graph=graph, repeats=3)
    assert (curve["update_ms"] > 0).all() and (curve["peak_mib"] > 0).all()
