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
# # Homework 6 · Many workers, one update
#
# You practise what lesson 6 is about: share a batch without changing it, say what the sharing costs in time and in bytes, find how many workers an update is worth, and take the steps of LARS and of workers that talk less.
#
# | Time | Points | You need |
# |---|---|---|
# | 60 to 90 minutes | 20: six questions that are marked by tests (15), one in your own words (4), your own paper (1) | lesson 6; NumPy; no GPU, no training |
#
# **How to work.** Write your id into the first cell, then run the notebook from the top.
# Your answers go where `raise NotImplementedError()` stands; delete that line.
# Below each answer stands a test that you can run.
# When your work is marked, more tests run that you cannot see: with other inputs, against an independent computation.
# A question never uses your answer to an earlier one, so a mistake costs you one question only.
# Before you hand in: *Restart kernel and run all cells*.
#
# **Letters**, as in the lesson: k workers share a batch of B examples, P is the number of weights, of four bytes each, H the number of updates between two talks.
# A *talk* is one all-reduce in a ring: each worker sends 2(k − 1) messages, each a k-th of the weights.

# %% tags=["student-id"]
student_id = ""  # your id as your teacher writes it; leave it empty for the public paper

# %% nbgrader={"grade": false, "grade_id": "paper", "locked": true, "schema_version": 3, "solution": false, "task": false}
import numpy as np

from course_utils.homework import Paper

paper = Paper("workers", student_id)
batch_size = paper.choose("batch_size", [6600, 8000])  # B of question 4
rate = paper.choose("rate", [21_000, 22_000, 25_000, 26_000])  # examples a second that one worker computes
num_weights = paper.choose("num_weights", [1_200_000, 1_400_000])  # P
latency = paper.choose("latency", [40e-6, 50e-6])  # seconds for each message
print(f"paper of {paper.student_id or 'nobody (the public one)'}")
print(f"B = {batch_size}, {rate} examples/s, P = {num_weights}, latency {1e6 * latency:.0f} µs, 1 Gbit/s")

# %% [markdown]
# ## 1 · Unequal shards, made right (2 points)
#
# The workers' shards are of different sizes, but the machinery can do one thing only: add up what the k workers bring and divide by k.
# So each worker multiplies the mean gradient of its shard by a factor of its own first.
#
# Return the factors with which the result is the gradient of the whole batch.
# A worker may be left without an example; it brings zeros, and its factor is 0. (1 or 2 lines)


# %% nbgrader={"grade": false, "grade_id": "factors", "locked": false, "schema_version": 3, "solution": true, "task": false}
def factors(sizes):
    """Return the factor of each worker, a list of k floats; `sizes` is a list of k ints, examples in each shard."""
    ### BEGIN SOLUTION
    return [len(sizes) * size / sum(sizes) for size in sizes]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "factors-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert np.allclose([float(f) for f in factors([16, 16])], 1), "equal shards need no correction"
_found = [float(f) for f in factors([6, 2, 1])]
assert np.isclose(_found[0], 3 * _found[1]), "three times as many examples count three times as much"
assert np.isclose(np.dot(_found, [5, 5, 5]) / 3, 5), "where every shard's gradient is 5, so is the batch's"
### BEGIN HIDDEN TESTS
for _sizes in [[40, 8, 8, 8], [3, 0, 1], [7], [1, 2, 3, 4, 5]]:
    _gradients = np.random.default_rng(len(_sizes)).normal(size=sum(_sizes))  # one weight, an example each
    _shards = np.split(_gradients, np.cumsum(_sizes)[:-1])
    _means = [shard.mean() if len(shard) else 0.0 for shard in _shards]
    _found = np.array([float(f) for f in factors(_sizes)])
    assert np.isclose((_found * _means).mean(), _gradients.mean(), rtol=1e-6, atol=1e-7), f"{_sizes}"
    assert np.allclose(_found[np.array(_sizes) == 0], 0), f"{_sizes}: the factor of a worker without examples"
    assert np.allclose(_found * sum(_sizes), len(_sizes) * np.array(_sizes), rtol=1e-6), f"{_sizes}"
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · How long may they keep silent? (2 points)
#
# Each of k workers makes `num_steps` updates and may send `budget` bytes in all.
# They talk after every H updates, and once more at the end if some updates are left over.
#
# Return the smallest H for which the budget suffices, or `None` where it is too small for a single talk. (about 5 lines)


# %% nbgrader={"grade": false, "grade_id": "silence", "locked": false, "schema_version": 3, "solution": true, "task": false}
def smallest_h(num_weights, k, num_steps, budget):
    """Return H, an int from 1 to `num_steps`, or None; `k` is 2 or more and divides `num_weights`."""
    ### BEGIN SOLUTION
    talks = budget // (2 * (k - 1) * (num_weights // k) * 4)
    return -(-num_steps // talks) if talks else None
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "silence-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert smallest_h(1000, 2, 100, 4000 * 100) == 1, (
    "two workers send 4,000 bytes a talk: enough for every update"
)
assert smallest_h(1000, 2, 100, 4000 * 10) == 10, "ten talks of 4,000 bytes"
assert smallest_h(1000, 2, 100, 4000 * 33) == 4, "with H = 3 there are 34 talks, the one at the end included"
assert smallest_h(1000, 2, 100, 4000 * 25 - 1) == 5, "a byte is missing for the 25th talk"
assert smallest_h(1000, 4, 100, 6000 * 10) == 10, "four workers: six messages of 250 weights a talk"
assert smallest_h(1000, 4, 100, 5999) is None, "too little for a single talk"
### BEGIN HIDDEN TESTS
for _p, _k, _steps, _budget in [
    (1000, 2, 100, 3999),
    (1000, 2, 100, 4000),
    (1000, 2, 100, 10**9),
    (12_000, 4, 500, 3_600_000 + 71_999),
    (12_000, 4, 500, 3_600_000 - 1),
    (12_000, 3, 7, 64_000 * 5),
    (12_000, 8, 1000, 84_000 * 999),
    (12_000, 8, 30, 84_000 * 16),
]:
    _messages = 2 * (_k - 1)
    _enough = [
        h for h in range(1, _steps + 1) if len(range(0, _steps, h)) * _messages * (_p // _k) * 4 <= _budget
    ]
    assert smallest_h(_p, _k, _steps, _budget) == min(_enough, default=None), (
        f"P = {_p}, k = {_k}, {_steps} updates, {_budget} bytes"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · Whole examples (2 points)
#
# Equation (1) of the lesson takes B/k examples for every worker.
# Examples can't be cut: the shards are as equal as they can be, and an update waits for the largest one. Then comes the talk; nothing overlaps.
#
# Return how long an update takes. (about 3 lines)


# %% nbgrader={"grade": false, "grade_id": "update", "locked": false, "schema_version": 3, "solution": true, "task": false}
def update_seconds(batch_size, k, rate, num_weights, latency, bandwidth):
    """Return the seconds of an update, a float; `rate` in examples/s, `latency` in s, `bandwidth` in bytes/s."""
    ### BEGIN SOLUTION
    largest = -(-batch_size // k)
    return largest / rate + 2 * (k - 1) * (latency + 4 * num_weights / k / bandwidth)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "update-test", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert np.isclose(float(update_seconds(64, 1, 100, 1000, 0.5, 8000)), 0.64), "one worker talks to nobody"
assert np.isclose(float(update_seconds(64, 2, 100, 0, 0.5, 8000)), 0.32 + 1), "two messages, even empty ones"
assert np.isclose(float(update_seconds(64, 4, 100, 1000, 0, 8000)), 0.16 + 0.75), (
    "six messages of 1,000 bytes"
)
assert np.isclose(float(update_seconds(64, 3, 100, 0, 0, 8000)), 0.22), "one of three workers has 22 examples"
### BEGIN HIDDEN TESTS
for _case in [(64, 5, 100, 1000, 0.01, 8000), (3, 8, 10, 400, 0.002, 1e5), (1000, 16, 7000, 1e6, 1e-4, 1e8)]:
    _b, _k, _rate, _p, _wait, _bytes = _case
    _shard = max(len(part) for part in np.array_split(np.arange(_b), _k))
    _ring = sum(_wait + 4 * (_p / _k) / _bytes for _ in range(2 * (_k - 1)))
    assert np.isclose(float(update_seconds(*_case)), _shard / _rate + _ring, rtol=1e-6), f"{_case}"
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · How many workers for one update? (3 points)
#
# Now your own paper: `batch_size`, `rate`, `num_weights` and `latency` as printed above, and wires of one gigabit (10⁹ bits) a second.
# Take equation (1) as it stands, with B/k even where that is no whole number. The batch stays the same, however many share it.
#
# With how many workers is an update done soonest? Any whole number will do, not only powers of two.
# And with which *efficiency*: the time that one worker takes alone, as a share of what k workers spend together, k times the time of their update?
# Lines that compute both, please. (about 6 lines)

# %% nbgrader={"grade": false, "grade_id": "soonest", "locked": false, "schema_version": 3, "solution": true, "task": false}
### BEGIN SOLUTION
bandwidth = 1e9 / 8
ks = np.arange(1, 1000)
seconds = batch_size / ks / rate + 2 * (ks - 1) * (latency + 4 * num_weights / ks / bandwidth)
best = seconds.argmin()
soonest = ks[best]
efficiency = seconds[0] / (ks[best] * seconds[best])
### END SOLUTION
# soonest = …  efficiency = …

# %% nbgrader={"grade": true, "grade_id": "soonest-test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
assert soonest == int(soonest) > 1, "a whole number of workers, and more than one"
_latencies = 2 * (soonest - 1) * latency
assert _latencies < 0.85 * batch_size / soonest / rate, (
    "too many: messages take their time by their length, too"
)
assert _latencies > 0.4 * batch_size / soonest / rate, "too few: one more would take more work than it costs"
assert 0 < efficiency < 1, "the share of all the workers' time that is not waste"
assert efficiency * (1 + _latencies / (batch_size / soonest / rate)) < 1, (
    "even messages of no length would waste more"
)
### BEGIN HIDDEN TESTS
_given = Paper("workers", student_id)
_b, _rate = _given.choose("batch_size", [6600, 8000]), _given.choose("rate", [21_000, 22_000, 25_000, 26_000])
_p = _given.choose("num_weights", [1_200_000, 1_400_000])
_wait = _given.choose("latency", [40e-6, 50e-6])


def _seconds(k):
    bits = 32 * _p / k  # of one message
    return _b / k / _rate + sum(_wait + bits / 1e9 for _ in range(2 * (k - 1)))


_times = {k: _seconds(k) for k in range(1, 200)}
assert soonest == min(_times, key=_times.get), "with another number of workers an update is done sooner"
_share = _times[1] / (int(soonest) * _times[int(soonest)])
assert abs(efficiency / _share - 1) < 1e-5, "efficiency"
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · A step of LARS, with momentum (3 points)
#
# A layer has the weights w, the gradient g and the velocity v. LARS lengthens or shortens the gradient *before* momentum adds it up:
#
# $$v \leftarrow \beta v + \frac{c\,\|w\|}{\|g\|}\,g, \qquad w \leftarrow w - \eta\,v$$
#
# Where one of the two norms is zero, the plain gradient is added: the factor is 1.
# Norms are the roots of sums of squares, over the whole layer.
#
# Return the new w and the new v, and leave the arrays that you were given as they are. (about 5 lines)


# %% nbgrader={"grade": false, "grade_id": "lars", "locked": false, "schema_version": 3, "solution": true, "task": false}
def lars_step(w, g, v, lr, trust, momentum):
    """Return (w, v) after one step, arrays like `w`; `trust` is c, `momentum` is β."""
    ### BEGIN SOLUTION
    size, length = np.linalg.norm(w), np.linalg.norm(g)
    factor = trust * size / length if size > 0 and length > 0 else 1.0
    v = momentum * v + factor * g
    return w - lr * v, v
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "lars-test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
_w, _g, _v = np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([[0.0, 10.0], [0.0, 0.0]]), np.zeros((2, 2))
_new_w, _new_v = lars_step(_w, _g, _v, 0.5, 0.1, 0.9)
assert np.allclose(_new_v, [[0, 0.5], [0, 0]]), "|w| is 5 and |g| is 10: with c = 0.1, g counts 0.05 times"
assert np.allclose(_new_w, _w - 0.5 * np.array([[0, 0.5], [0, 0]])), "w moves by η times the new velocity"
_new_w, _new_v = lars_step(_w, _g, np.ones((2, 2)), 0.5, 0.1, 0.9)
assert np.allclose(_new_v, [[0.9, 1.4], [0.9, 0.9]]), "only the gradient is scaled, not what v already holds"
assert np.allclose(lars_step(0 * _w, _g, _v, 0.5, 0.1, 0.9)[0], -0.5 * _g), (
    "weights of zero take a plain step"
)
### BEGIN HIDDEN TESTS
for _seed, (_size, _length) in enumerate([(1, 1), (0, 1), (1, 0), (0, 0), (3, 0.01)]):
    _rng = np.random.default_rng(_seed)
    _w, _g, _v = _rng.normal(size=(3, 4, 2)) * np.array([_size, _length, 0.5])[:, None, None]
    _kept = [a.copy() for a in (_w, _g, _v)]
    _lr, _trust, _beta = _rng.uniform(0.1, 0.9, 3)
    _new_w, _new_v = lars_step(_w, _g, _v, _lr, _trust, _beta)
    _w2, _g2 = sum(x * x for x in _w.flat), sum(x * x for x in _g.flat)
    _factor = _trust * (_w2 / _g2) ** 0.5 if _w2 and _g2 else 1.0
    _truth = [
        [_beta * a + _factor * b for a, b in zip(*rows, strict=True)] for rows in zip(_v, _g, strict=True)
    ]
    assert np.allclose(_new_v, _truth, rtol=1e-6, atol=1e-9), f"v, |w| × {_size}, |g| × {_length}"
    assert np.allclose(_new_w, _w - _lr * np.array(_truth), rtol=1e-6, atol=1e-9), f"w, |w| × {_size}"
    assert all(np.array_equal(a, b) for a, b in zip(_kept, (_w, _g, _v), strict=True)), (
        "what was given changed"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · What they agree on (3 points)
#
# Workers have trained alone since they last talked at `center`, and ended at the rows of `ends`.
# Now comes an outer step, equation (3) of the lesson, with an outer rate and an outer momentum.
#
# Return the new center and the new velocity, and leave the arrays that you were given as they are. (about 3 lines)


# %% nbgrader={"grade": false, "grade_id": "outer", "locked": false, "schema_version": 3, "solution": true, "task": false}
def outer_step(center, ends, velocity, lr, momentum):
    """Return (center, velocity), arrays (P,); `ends` is (k, P), a worker a row, `center` and `velocity` (P,)."""
    ### BEGIN SOLUTION
    g = center - ends.mean(0)
    velocity = momentum * velocity + g
    return center - lr * (g + momentum * velocity), velocity
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "outer-test", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
_center, _ends, _rest = np.array([1.0, 2.0]), np.array([[0.0, 2.0], [0.0, 6.0]]), np.zeros(2)
_there, _v = outer_step(_center, _ends, _rest, 1.0, 0.0)
assert np.allclose(_there, [0, 4]), "with η = 1 and β = 0 the center is the mean of the workers' weights"
assert np.allclose(outer_step(_center, _ends, _rest, 0.5, 0.0)[0], [0.5, 3]), (
    "with η = 1/2 it goes half the way"
)
_there, _v = outer_step(_center, _ends, _rest, 0.5, 0.5)
assert np.allclose(_v, [1, -2]), (
    "g points away from where the workers went; the velocity adds it up, without η"
)
assert np.allclose(_there, [0.25, 3.5]), (
    "Nesterov looks ahead: from rest it goes η(1 + β) times as far as the mean"
)
_stay = np.tile(_center, (2, 1))
assert np.allclose(outer_step(_center, _stay, np.ones(2), 1.0, 0.5)[1], 0.5), (
    "v is multiplied by β before g comes"
)
### BEGIN HIDDEN TESTS
for _seed, _k in enumerate([2, 5, 1]):
    _rng = np.random.default_rng(_seed)
    _center, _velocity, _ends = _rng.normal(size=3), _rng.normal(size=3), _rng.normal(size=(_k, 3))
    _kept = [a.copy() for a in (_center, _ends, _velocity)]
    _lr, _beta = _rng.uniform(0.2, 0.9, 2)
    _there, _v = outer_step(_center, _ends, _velocity, _lr, _beta)
    for _i in range(3):
        _g = _center[_i] - sum(_ends[_worker][_i] for _worker in range(_k)) / _k
        _moving = _beta * _velocity[_i] + _g
        assert np.isclose(_v[_i], _moving, rtol=1e-6), f"velocity, {_k} workers"
        _move = (1 + _beta) * _g + _beta**2 * _velocity[_i]
        assert np.isclose(_there[_i], _center[_i] - _lr * _move, rtol=1e-6), f"center, {_k} workers"
    assert all(np.array_equal(a, b) for a, b in zip(_kept, (_center, _ends, _velocity), strict=True)), (
        "what was given changed"
    )
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · What you would tell a friend (4 points)
#
# A friend writes:
#
# > *I have 4,000 digits and four workers with DistributedDataParallel. Each shuffles all digits with a seed of its own and takes the next 16. After 50 updates all four have the same weights to the last bit, so this is exactly my old run with B = 64: after 62 updates every digit has been seen once, but for the last 32.*
#
# Answer in 120 to 200 words.
#
# | Points | for |
# |---|---|
# | 1 | what the equal weights prove, and what they don't |
# | 1 | how many digits have not been seen after these 62 updates, worked out |
# | 1 | whether such a run must be worse, and why or why not |
# | 1 | how to make it the same run as on one process, and a check that could fail |
#
# No points for a list of words from the lesson without a sentence about this run.

# %% [markdown] nbgrader={"grade": true, "grade_id": "friend", "locked": false, "points": 4, "schema_version": 3, "solution": true, "task": false}
# The workers begin with the same weights and add the same mean gradient at every update, so they agree whatever they read.
# That proves that your averaging works, and nothing about which examples were averaged.
# On one process an epoch holds each digit once.
# Your workers draw without knowing of each other, so a digit may lie in several shards of the same update, or in none.
# After 62 updates each worker has read 992 digits, about a quarter of them all.
# A given digit has been missed by all four with a probability of (3/4)⁴ ≈ 32 %: nearly a third of your digits are still unseen, and others count two, three or four times.
# It need not be a worse run: each update still averages 64 digits drawn evenly, with almost the same noise as before.
# But it is another run, and "an epoch" is no longer a pass over the data.
# To have the old one, shuffle with one seed everywhere, and let worker r take the r-th sixteen of each 64.
# Then compare with one process from the same start: after 50 updates no weight should differ by more than 1e-6.
# With your own shuffles this check fails.

# %% [markdown]
# ## Your own paper (1 point)
#
# Nothing to do here: the point is yours if this is the paper of the id under which you hand it in.

# %% nbgrader={"grade": true, "grade_id": "own-paper", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
assert isinstance(student_id, str), "the id is text, in quotes"
assert paper.student_id == Paper("workers", student_id).student_id, "run the notebook from the top"
### BEGIN HIDDEN TESTS
import importlib

_homework = importlib.reload(importlib.import_module("course_utils.homework"))
_fresh = _homework.Paper("workers", student_id)
assert repr(paper) == repr(_fresh), "the paper was changed"
assert batch_size == _fresh.choose("batch_size", [6600, 8000]), "the constants were changed"
_whose = _homework.graded_for()
assert _whose in (None, paper.student_id), f"the paper of {paper.student_id!r}, handed in by {_whose!r}"
### END HIDDEN TESTS
