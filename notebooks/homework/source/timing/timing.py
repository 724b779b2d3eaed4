# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Homework 2 · What a batch costs
#
# This paper practises what lesson 2 teaches: to read a machine as a floor and a rate, to time an update so that the number means what it says, and to turn time per update into time that you wait.
#
# | Time | Points | You need |
# |---|---|---|
# | 60 to 90 minutes | 20: seven questions marked by tests (16), one in your own words (3), your own paper (1) | lesson 2; Python, NumPy, PyTorch; no GPU |
#
# **How to work.** Write your id into the first cell and run the notebook from the top.
# Your answers go where `raise NotImplementedError()` stands; delete that line.
# Below each answer stands a test that you can run as often as you like.
# When your work is marked, it runs more tests than you see here: with other inputs, against an independent computation.
# No question uses your answer to an earlier one, so a mistake costs you one question only.
# Before you hand in, choose *Restart kernel and run all cells*.
#
# Unless a question says otherwise, an update of B examples takes max(t₀, B/r) milliseconds: t₀ is the `floor` in milliseconds, r the `rate` in examples per millisecond.

# %% tags=["student-id"]
student_id = ""  # your id as your teacher writes it; leave it empty for the public paper

# %% nbgrader={"grade": false, "grade_id": "paper", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np
import torch
import torch.nn.functional as F

from course_utils.homework import Paper
from course_utils.models import mlp

paper = Paper("timing", student_id)
laptop_floor = paper.choose("laptop_floor", [0.11, 0.16, 0.21])  # ms per update
laptop_rate = paper.choose("laptop_rate", [83, 92, 133])  # examples per ms
gpu_floor = paper.choose("gpu_floor", [0.34, 0.46, 0.58])  # ms per update
gpu_rate = paper.choose("gpu_rate", [7000, 9000, 12_000])  # examples per ms
print(f"The paper of {paper.student_id or 'nobody, the public one'}:")
print(f"laptop: floor {laptop_floor} ms, rate {laptop_rate} examples/ms")
print(f"GPU:    floor {gpu_floor} ms, rate {gpu_rate} examples/ms")

# %% [markdown]
# ## 1 · Seconds per epoch (3 points)
#
# An epoch cuts `n` examples into batches of `batch_size`; the last batch may be short, and takes the time of *its* size.
#
# Return how many seconds the epoch takes. (about 3 lines)


# %% nbgrader={"grade": false, "grade_id": "epoch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def epoch_seconds(n, batch_size, floor, rate):
    """Return the time of one epoch in seconds, a float; `floor` in ms, `rate` in examples per ms."""
    ### BEGIN SOLUTION
    sizes = [min(batch_size, n - first) for first in range(0, n, batch_size)]
    return sum(max(floor, size / rate) for size in sizes) / 1000
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "epoch-test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
assert np.isclose(epoch_seconds(1000, 100, 0.5, 1000), 0.005), "ten updates on the floor, 0.5 ms each"
assert np.isclose(epoch_seconds(1000, 400, 0.1, 1000), 0.001), "two of 0.4 ms and a short one of 0.2 ms"
assert np.isclose(epoch_seconds(250, 100, 0.08, 1000), 0.00028), "the floor holds for the short batch, too"
### BEGIN HIDDEN TESTS
for _n, _size, _floor, _rate in [
    (1000, 300, 0.2, 1000),
    (60_000, 7, 0.3, 100),
    (1050, 1000, 0.4, 500),
    (5, 8, 1.0, 2),
]:
    _whole, _rest = divmod(_n, _size)
    _ms = _whole * max(_floor, _size / _rate) + (max(_floor, _rest / _rate) if _rest else 0)
    _yours = epoch_seconds(_n, _size, _floor, _rate)
    assert np.isclose(_yours, _ms / 1000), f"n = {_n}, B = {_size}, floor {_floor}, rate {_rate}"
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · Laptop or GPU? (2 points)
#
# On your paper stand a laptop and a GPU, each with a floor and a rate.
# The GPU has the higher floor, so for tiny batches the laptop is faster.
#
# From which batch size on does an update take strictly less time on the GPU?
# Give the smallest such whole number, or lines that compute it. (1 to 4 lines)

# %% nbgrader={"grade": false, "grade_id": "crossing", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
faster_from = int(gpu_floor * laptop_rate) + 1  # the laptop's slope passes the GPU's floor
### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "crossing-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert faster_from == int(faster_from), "a batch size is a whole number"
_times = [max(f, faster_from / r) for f, r in [(gpu_floor, gpu_rate), (laptop_floor, laptop_rate)]]
assert _times[0] < _times[1], "at this batch size the laptop is still as fast, or faster"
assert faster_from < gpu_floor * gpu_rate, "to be ahead, the GPU need not have left its own floor"
### BEGIN HIDDEN TESTS
_mine = Paper("timing", student_id)
_sizes = np.arange(1, 20_000)
_laptop = np.maximum(
    _mine.choose("laptop_floor", [0.11, 0.16, 0.21]), _sizes / _mine.choose("laptop_rate", [83, 92, 133])
)
_gpu = np.maximum(
    _mine.choose("gpu_floor", [0.34, 0.46, 0.58]), _sizes / _mine.choose("gpu_rate", [7000, 9000, 12_000])
)
assert faster_from == _sizes[_gpu < _laptop][0], (
    "at your batch size, or at one below it, it is the other way round"
)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · A clock that can be believed (3 points)
#
# Below is a device that works like a GPU: `update` drops an order into a queue and comes back at once, `wait` comes back when the queue is empty, `clock` says how late it is, in seconds.
# Time passes on it only when it has something to do, so your clock can be tested to the microsecond.


# %% nbgrader={"grade": false, "grade_id": "device", "locked": true, "schema_version": 3, "solution": false, "task": false}
class Device:
    """A queue that works off updates; `costs` are the milliseconds that they take, the last one for ever."""

    def __init__(self, *costs):
        self.costs, self.now, self.done, self.updates = list(costs), 0.0, 0.0, 0

    def update(self):
        cost = self.costs[min(self.updates, len(self.costs) - 1)]
        self.updates += 1
        self.now += 0.00001  # giving the order takes 10 microseconds
        self.done = max(self.done, self.now) + cost / 1000

    def wait(self):
        self.now = max(self.now, self.done)

    def clock(self):
        return self.now


# %% [markdown]
# Write the clock.
# It makes `warm_up` updates that don't count, then takes `repeats` readings of one update each, and returns their median in milliseconds: of an even number of readings, the mean of the two in the middle.
# No reading may contain work that was ordered before it, or leave out work that it has ordered itself. (about 10 lines)


# %% nbgrader={"grade": false, "grade_id": "clock", "locked": false, "schema_version": 3, "solution": true, "task": false}
def time_update(update, wait, clock, warm_up=3, repeats=5):
    """Return the median time of an update in milliseconds, a float; `clock` gives seconds."""
    ### BEGIN SOLUTION
    for _ in range(warm_up):
        update()
    readings = []
    for _ in range(repeats):
        wait()
        start = clock()
        update()
        wait()
        readings.append(1000 * (clock() - start))
    return float(np.median(readings))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "clock-test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
_device = Device(7.0)
_reading = time_update(_device.update, _device.wait, _device.clock)
assert _device.updates == 3 + 5, "three updates to warm up and five that count"
assert abs(_reading - 7.01) < 1e-6, "an update on this device takes 7 ms and the order 0.01 ms"
_device = Device(9.0, 2.0, 8.0, 3.0)
_reading = time_update(_device.update, _device.wait, _device.clock, warm_up=1, repeats=3)
assert abs(_reading - 3.01) < 1e-6, "9 ms to warm up, then the readings 2, 8 and 3 ms: what is their median?"
### BEGIN HIDDEN TESTS
for _costs, _warm_up, _repeats, _truth in [
    ((900.0, 80.0, 20.0, 4.0, 4.0, 300.0, 4.0, 5.0), 3, 5, 4.0),  # a slow start, and one disturbance
    ((50.0, 50.0, 6.0), 2, 1, 6.0),  # a single reading has to wait for the warm-up
    ((3.0, 1.0, 2.0, 9.0), 0, 3, 2.0),
    ((3.0, 1.0, 2.0, 9.0), 0, 4, 2.5),  # four readings have two in the middle
]:
    _device = Device(*_costs)
    _reading = time_update(_device.update, _device.wait, _device.clock, warm_up=_warm_up, repeats=_repeats)
    assert abs(_reading - _truth - 0.01) < 1e-6, f"costs {_costs}, {_warm_up} to warm up, {_repeats} readings"
    assert _device.updates == _warm_up + _repeats, "a reading is one update"
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · Floor and rate from two epochs (2 points)
#
# Somebody reports two epochs over the same `n` examples: `seconds_1` at the batch size `size_1`, and `seconds_2` at `size_2`; both sizes divide `n`.
# Suppose that on their machine an update takes t₀ + B/r milliseconds, the form with the soft corner.
#
# Return t₀ in milliseconds and r in examples per millisecond. (about 4 lines)


# %% nbgrader={"grade": false, "grade_id": "two", "locked": false, "schema_version": 3, "solution": true, "task": false}
def floor_and_rate(n, size_1, seconds_1, size_2, seconds_2):
    """Return (floor in ms, rate in examples per ms) of the machine that took these two epochs."""
    ### BEGIN SOLUTION
    update_1, update_2 = 1000 * seconds_1 * size_1 / n, 1000 * seconds_2 * size_2 / n
    rate = (size_2 - size_1) / (update_2 - update_1)
    return update_1 - size_1 / rate, rate
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "two-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# 1,000 examples on a floor of 1 ms and a rate of 10 examples/ms: 100 updates of 2 ms, or 10 updates of 11 ms
assert np.allclose(floor_and_rate(1000, 10, 0.2, 100, 0.11), (1.0, 10.0)), "see the comment above"
### BEGIN HIDDEN TESTS
for _n, _one, _two, _floor, _rate in [(60_000, 1, 1000, 0.25, 77.0), (4000, 400, 20, 1.5, 31.0)]:
    _epochs = [_n / size * (_floor + size / _rate) / 1000 for size in (_one, _two)]
    _yours = floor_and_rate(_n, _one, _epochs[0], _two, _epochs[1])
    assert np.allclose(_yours, (_floor, _rate), rtol=1e-6), f"n = {_n}, B = {_one} and {_two}"
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · What a frozen layer saves (2 points)
#
# A network of fully connected layers has the layer sizes `sizes`, for example (784, 128, 10).
# It has been trained before; now its first `frozen` layers keep their weights, and only those behind them are trained on.
# One use of a weight costs 2 operations; count the forward and the backward pass, and leave biases and activations out.
# Nothing is computed that nobody needs: neither the gradient of the inputs, nor that of a frozen layer.
#
# Return the operations of one update for one example. (about 4 lines)


# %% nbgrader={"grade": false, "grade_id": "operations", "locked": false, "schema_version": 3, "solution": true, "task": false}
def operations(sizes, frozen):
    """Return the number of operations, an int, for one example in one update; `frozen` is below the number of layers."""
    ### BEGIN SOLUTION
    from itertools import pairwise

    weights = [inputs * outputs for inputs, outputs in pairwise(sizes)]
    forward, own = sum(weights), sum(weights[frozen:])
    passed_on = sum(weights[frozen + 1 :])  # the first trained layer has nobody to pass a gradient on to
    return 2 * (forward + own + passed_on)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "operations-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert operations((10, 1), 0) == 40, "one layer: forward, and the gradient of its weights"
assert operations((10, 20, 5), 0) == 1400, "the inputs need no gradient, but the layer in the middle does"
assert operations((10, 20, 5), 1) == 800, (
    "which of its three uses has a frozen layer? And the layer behind it?"
)
### BEGIN HIDDEN TESTS
from torch.utils.flop_counter import FlopCounterMode

for _sizes, _frozen in [((7, 5, 3, 2), 2), ((12, 4, 9, 3), 1), ((20, 30, 40, 10, 5), 2), ((6, 8, 8, 3), 0)]:
    _net = mlp(_sizes, seed=0)
    for _w in list(_net.parameters())[: 2 * _frozen]:
        _w.requires_grad_(False)
    with FlopCounterMode(display=False) as _counter:
        F.cross_entropy(_net(torch.zeros(1, _sizes[0])), torch.zeros(1, dtype=torch.int64)).backward()
    assert operations(_sizes, _frozen) == _counter.get_total_flops(), (
        f"layers {_sizes}, {_frozen} of them frozen, counted by PyTorch"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · A large batch in small parts (2 points)
#
# Each example has a weight, and the loss of a batch is the *weighted* mean Σ wᵢ·lossᵢ / Σ wᵢ, with `F.cross_entropy` for lossᵢ.
# The batch doesn't fit into memory, so it comes as a list of parts, each a triple (inputs, labels, weights); the parts differ in length.
#
# Leave the gradient of the whole batch's loss in the model's `w.grad`.
# Call `model(inputs)` once for each part, and be done with its backward pass before the next part goes in: only then is its graph freed, and what a graph keeps is what fills the memory.
# What `grad` held before must not count. (about 6 lines)


# %% nbgrader={"grade": false, "grade_id": "accumulate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def accumulate(model, parts):
    """Put the gradient of the weighted mean loss over all `parts` into the `grad` of the model's parameters."""
    ### BEGIN SOLUTION
    total = sum(weights.sum() for _, _, weights in parts)
    model.zero_grad()
    for inputs, labels, weights in parts:
        losses = F.cross_entropy(model(inputs), labels, reduction="none")
        ((weights * losses).sum() / total).backward()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "accumulate-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
_inputs = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
_labels, _weights = torch.tensor([0, 1, 1]), torch.tensor([1.0, 3.0, 2.0])
_model, _went_through = mlp((2, 2), seed=0), []
_model.register_forward_hook(lambda module, given, result: _went_through.append(len(result)))
accumulate(_model, [(_inputs[:1], _labels[:1], _weights[:1]), (_inputs[1:], _labels[1:], _weights[1:])])
_first = [w.grad.clone() for w in _model.parameters()]
assert _went_through == [1, 2], "each part goes through the model once, by itself"
_again = [0, 1, 1, 1, 2, 2]
accumulate(_model, [(_inputs[_again], _labels[_again], torch.ones(6))])
assert all(torch.allclose(a, w.grad, atol=1e-6) for a, w in zip(_first, _model.parameters(), strict=True)), (
    "an example of weight 3 counts as much as three of weight 1, in whatever parts they come"
)
### BEGIN HIDDEN TESTS
_generator = torch.Generator().manual_seed(0)
_inputs = torch.randn(12, 5, generator=_generator, dtype=torch.float64)
_labels = torch.randint(3, (12,), generator=_generator)
_weights = torch.rand(12, generator=_generator, dtype=torch.float64) + 0.1
_model = mlp((5, 4, 3), seed=1).double()
_whole = (_weights * F.cross_entropy(_model(_inputs), _labels, reduction="none")).sum() / _weights.sum()
_truth = torch.autograd.grad(_whole, list(_model.parameters()))
_log = []


def _watch(module, given, result):
    _log.append(len(result))
    result.register_hook(lambda gradient: _log.append("back"))


_model.register_forward_hook(_watch)
_cuts = [(0, 7), (7, 8), (8, 12)]
for _ in range(2):
    accumulate(_model, [(_inputs[a:b], _labels[a:b], _weights[a:b]) for a, b in _cuts])
    for _gradient, _w in zip(_truth, _model.parameters(), strict=True):
        assert torch.allclose(_w.grad, _gradient, rtol=1e-9), "not the gradient of the weighted mean"
assert [entry for entry in _log if entry != "back"] == [7, 1, 4] * 2, (
    "each part goes through the model once, by itself"
)
assert _log == [7, "back", 1, "back", 4, "back"] * 2, "a part goes in before the last one is done with"
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · The batch that lets you wait least (2 points)
#
# To reach its target, a training needs S_min·(1 + B_crit/B) updates, which need not be a whole number.
# Before each update the loader fetches the batch, at `load` milliseconds an example, and the update waits for it.
#
# Return the batch size, out of `sizes`, with the shortest time to the target. (about 4 lines)


# %% nbgrader={"grade": false, "grade_id": "best", "locked": false, "schema_version": 3, "solution": true, "task": false}
def best_size(sizes, s_min, b_crit, floor, rate, load):
    """Return the one of `sizes` that waits least; `floor` in ms, `rate` in examples/ms, `load` in ms/example."""
    ### BEGIN SOLUTION

    def wait(size):
        return s_min * (1 + b_crit / size) * (max(floor, size / rate) + load * size)

    return min(sizes, key=wait)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "best-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert best_size([1, 10], 100, 1e6, 1.0, 100, 0.0) == 10, "ten times fewer updates, at the same time each"
assert best_size([10, 1000], 100, 1, 0.1, 100, 0.0) == 10, (
    "here a hundred times the batch saves hardly an update"
)
assert best_size([25, 50, 100], 100, 100, 1.0, 1e6, 0.04) == 50, "loading is added to the 1 ms of an update"
### BEGIN HIDDEN TESTS
_mine = Paper("timing", student_id)
_rate = _mine.choose("laptop_rate", [83, 92, 133])
# without a loader the time falls up to the knee and rises from there on, whatever B_crit is
assert best_size(range(1, 2000), 10**9, 300, 1.0, _rate, 0.0) == _rate, "not the knee, though loading is free"
assert best_size(range(1, 2000), 10**9, 30, 2.0, _rate, 0.0) == 2 * _rate, (
    "not the knee, though loading is free"
)
# on the floor the time is (1 + B_crit/B)·(t₀ + load·B), least where load·B² = B_crit·t₀
assert best_size(range(1, 2000), 10**9, 100, 1.0, 10_000, 0.01) == 100, (
    "a loader in the way moves the best size"
)
assert best_size([4, 8, 16, 32, 64], 10**9, 64, 2.0, 10_000, 0.5) == 16, (
    "a loader in the way moves the best size"
)
### END HIDDEN TESTS

# %% [markdown]
# ## 8 · What would you tell a friend? (3 points, read by your teacher)
#
# A friend shows you this, run on a GPU:
#
# ```python
# start = time.perf_counter()
# for images, labels in loader:
#     update(images.to("cuda"), labels.to("cuda"))
# print((time.perf_counter() - start) / len(loader))
# ```
#
# "It prints 4 ms for B = 1, for B = 32 and for B = 256. So my GPU does 256 pictures in the time of one, and I take B = 256."
#
# Answer in five to ten sentences: what may these 4 ms be, how would you find out, and does the friend's choice follow?
#
# | Points | What the answer shows |
# |---|---|
# | 0 | believes the curve, or doubts it without a reason |
# | 1 | names one thing other than the update that these 4 ms may be, and why it would look flat |
# | 2 | names two, with a measurement for each that tells it from a true floor |
# | 3 | also says that even a true floor leaves the choice open: fewer updates an epoch, and the updates needed decide |

# %% [markdown] nbgrader={"grade": true, "grade_id": "friend", "locked": false, "points": 3, "schema_version": 3, "solution": true, "task": false}
# The 4 ms may be the loader's: it stands inside the clock, and if it waits for the disk or prepares the next batch in another process, all batch sizes look alike.
# They may also be orders only: the GPU works off a queue, nobody waits for it before the clock is read, so what is timed is how fast Python fills the queue, which does not depend on B.
# And the first calls, which load libraries, are counted; at a short epoch of B = 256 they weigh most.
# To find out, take one batch that already lies on the GPU, update on it a few times to warm up, call `torch.cuda.synchronize()` before each look at the clock, and take the median.
# Then time the loader alone, without any update.
# If the update by itself still takes the same time at 1, 32 and 256, it is a true floor and 256 lies below the knee.
# Even so B = 256 does not follow: a batch that costs no more time per update is only as good as the updates that it saves.
# You wait for updates needed times time per update, and from some batch size on more examples hardly save updates; so measure the time to a fixed accuracy, with the learning rate tuned for each B.

# %% [markdown]
# ## Your own paper (1 point)
#
# Nothing to do: the point is yours if this is the paper of the id under which it is handed in.

# %% nbgrader={"grade": true, "grade_id": "own-paper", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
assert isinstance(student_id, str), "the id is text, in quotes"
assert paper.student_id == Paper("timing", student_id).student_id, "run the notebook from the top"
### BEGIN HIDDEN TESTS
import importlib

_homework = importlib.reload(importlib.import_module("course_utils.homework"))
_fresh = _homework.Paper("timing", student_id)
assert repr(paper) == repr(_fresh), "the paper was changed"
assert laptop_rate == _fresh.choose("laptop_rate", [83, 92, 133]), "a constant was changed"
_whose = _homework.graded_for()
assert _whose in (None, paper.student_id), f"the paper of {paper.student_id!r}, handed in by {_whose!r}"
### END HIDDEN TESTS
