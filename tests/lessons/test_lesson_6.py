"""Lesson 6: LARS and LAMB are the published ones, k workers are one process, and a worker that dies is told of."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from pretend_device import PretendDevice

from course_utils.data import load_mnist
from course_utils.explore import still
from course_utils.models import mlp
from course_utils.plotting import GUESS
from course_utils.results import mean_interval, read_results
from course_utils.training import minibatches
from lessons.lesson_6 import draw
from lessons.lesson_6.recipes import average, epochs, go, lamb_step, lars_step, post_local, swap
from lessons.lesson_6.recorded import fight, talking
from lessons.lesson_6.workers import CASES, WorkerLost, costs, launch, place, shard_of, talk_less

ROOT = Path(__file__).parents[2]

# ---- LARS and LAMB, against an implementation that others keep


def layers(seed=0):
    """Return a matrix, a bias, a matrix of zeros and a bias of zeros, as float64 parameters."""
    torch.manual_seed(seed)
    shapes = [(4, 3), (3,), (2, 2), (5,)]
    scale = (1.0, 1.0, 0.0, 0.0)
    return [
        torch.nn.Parameter(s * torch.randn(x, dtype=torch.double)) for s, x in zip(scale, shapes, strict=True)
    ]


def two_walks(step, optimizer, steps=12):
    """Return the weights after equal gradients: ours by `step(weights)`, theirs by `optimizer(weights)`."""
    ours, theirs = layers(), layers()
    take, theirs_step = step(ours), optimizer(theirs)
    for n in range(steps):
        torch.manual_seed(n)
        for w, u in zip(ours, theirs, strict=True):
            w.grad = torch.randn_like(w) * (n != 3)  # once a gradient of zero
            u.grad = w.grad.clone()
        take()
        theirs_step.step()
    return zip(ours, theirs, strict=True)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_lars_goes_where_the_kept_one_goes_with_biases_zeros_and_decay(weight_decay):
    from pytorch_optimizer import LARS

    def step(weights):
        velocity = [torch.zeros_like(w) for w in weights]
        return lambda: lars_step(weights, 0.3, velocity, 0.9, 0.02, weight_decay)

    options = {"lr": 0.3, "momentum": 0.9, "trust_coefficient": 0.02, "weight_decay": weight_decay}
    for w, u in two_walks(step, lambda weights: LARS(weights, **options)):
        torch.testing.assert_close(w, u, rtol=1e-9, atol=0)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_lamb_goes_where_the_kept_one_goes_with_biases_zeros_and_decay(weight_decay):
    from pytorch_optimizer import Lamb

    def step(weights):
        moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
        return lambda: lamb_step(weights, 0.01, moments, weight_decay=weight_decay)

    options = {"lr": 0.01, "weight_decay": weight_decay, "weight_decouple": False, "adam_debias": True}
    for w, u in two_walks(step, lambda weights: Lamb(weights, **options)):
        torch.testing.assert_close(w, u, rtol=1e-5, atol=0)  # they add ε = 1e-6 to |r| as well


def test_a_step_of_lars_is_as_long_as_trust_and_rate_say_of_the_weights():
    (w, *_), velocity = layers(), [torch.zeros(4, 3, dtype=torch.double)]
    before, w.grad = w.detach().clone(), 1e6 * torch.randn_like(w)
    lars_step([w], 0.5, velocity, trust=0.02)
    moved = (w - before).detach()
    assert float(moved.norm() / before.norm()) == pytest.approx(0.01)


# ---- SWAP and post-local SGD


def flat(model):
    return torch.cat([w.detach().flatten() for w in model.parameters()])


def test_an_average_model_has_the_mean_of_the_weights_and_leaves_the_models_as_they_were():
    models = [torch.nn.Linear(2, 2) for _ in range(3)]
    ends = [flat(m).clone() for m in models]
    np.testing.assert_allclose(flat(average(models)), np.mean([e.numpy() for e in ends], axis=0), rtol=1e-6)
    assert all(torch.equal(flat(m), e) for m, e in zip(models, ends, strict=True))


def test_post_local_workers_that_average_after_every_update_are_the_large_batch():
    digits, (one, many) = load_mnist()[0][:64], [mlp((784, 8, 10), seed=0) for _ in range(2)]
    order, again = (torch.Generator().manual_seed(1) for _ in range(2))
    go(one, digits, epochs(3, 32, digits, order), "SGD", 0.1)
    many, _ = post_local(many, digits, (0.1, 0.0), (8, 32), again, long=0, short=3, alone=1)
    torch.testing.assert_close(flat(many), flat(one), rtol=0, atol=1e-6)


def test_swap_is_the_mean_of_its_workers_ends():
    digits, seeds = load_mnist()[0][:64], torch.Generator().manual_seed(1)
    both, _ = swap(mlp((784, 8, 10), seed=0), digits, (0.1, 0.0), (8, 32), seeds, long=0, short=1, workers=2)
    ends, order = [mlp((784, 8, 10), seed=0) for _ in range(2)], torch.Generator().manual_seed(1)
    for model in ends:
        go(model, digits, epochs(1, 8, digits, order), "SGD", 0.1)
    torch.testing.assert_close(flat(both), (flat(ends[0]) + flat(ends[1])) / 2)


def test_updates_in_a_row_are_those_of_one_worker():
    digits, rest = load_mnist()[0][:64], {"sizes": (8, 32), "lrs": (0.1, 0.1)}
    model, seeds = mlp((784, 8, 10), seed=0), torch.Generator()
    assert swap(model, digits, generator=seeds, long=3, short=2, **rest)[1] == 3 * 2 + 2 * 8
    assert post_local(model, digits, generator=seeds, long=3, short=2, **rest)[1] == (3 + 2) * 2


def test_with_warm_up_the_rate_has_climbed_after_a_quarter_of_the_updates():
    """With the gradient of a loss linear in the weights, the way gone is the sum of the rates: 1/2, 1, 1, 1 … × η."""
    digits, lengths = load_mnist()[0][:8], {}
    for recipe in ("SGD", "SGD, warm-up"):
        model = mlp((784, 10), seed=0)
        start = flat(model).clone()
        go(model, digits, 8 * [torch.arange(8)], recipe, 1e-6)  # so short a way that the gradient stays
        lengths[recipe] = float((flat(model) - start).norm())
    assert lengths["SGD, warm-up"] / lengths["SGD"] == pytest.approx(7.5 / 8, rel=1e-2)


# ---- workers


@pytest.mark.parametrize("case", ["equal shards", "unequal shards", "padded last batch"])
def test_every_example_of_a_batch_is_in_a_shard(case):
    batch = torch.arange(41)
    shards = [shard_of(batch, rank, 4, case) for rank in range(4)]
    assert set(torch.cat(shards).tolist()) == set(range(41))
    assert (len({len(s) for s in shards}) == 1) == (case == "padded last batch")


def test_four_workers_are_one_process_and_each_trap_makes_another_run_of_it():
    differences = launch("equality", 4)
    assert differences.keys() == CASES.keys()
    assert differences.pop("equal shards") < 1e-6
    assert min(differences.values()) > 1e-4


def test_a_killed_worker_is_named_by_its_rank():
    with pytest.raises(WorkerLost, match="worker of rank 1 was killed by SIGKILL"):
        launch("survive", 2, "--kill", "1")


def test_started_again_after_a_kill_they_end_where_one_process_of_torch_optim_ends():
    digits, order, batches = load_mnist()[0], torch.Generator().manual_seed(0), []
    model = mlp((784, 128, 10), seed=0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for _ in range(50):
        batches = batches or list(minibatches(960, 64, generator=order))
        batch = batches.pop()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(digits.images[batch]), digits.labels[batch]).backward()
        optimizer.step()
    survivors = launch("survive", 2, "--kill", "1", restarts=1)
    np.testing.assert_allclose(survivors, flat(model), rtol=0, atol=2e-6)


@pytest.fixture
def two_machines():
    """Yield two commands that run another each in a network of its own, with a cable between 10.77.0.1 and .2."""
    names = [f"course-{os.getpid()}-{n}" for n in range(2)]
    first, second = names
    try:
        for line in [
            *(f"netns add {name}" for name in names),
            f"link add cable netns {first} type veth peer name cable netns {second}",
            *(f"-n {name} addr add 10.77.0.{n}/24 dev cable" for n, name in enumerate(names, start=1)),
            *(f"-n {name} link set {link} up" for name in names for link in ("cable", "lo")),
        ]:
            try:
                subprocess.run(["ip", *line.split()], check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as refused:
                pytest.skip(f"no networks can be made here: {refused}")
        yield [["ip", "netns", "exec", name] for name in names]
    finally:
        if shutil.which("ip"):
            for name in names:
                subprocess.run(["ip", "netns", "del", name], capture_output=True)


def test_two_machines_reach_the_weights_of_simulated_workers(two_machines, tmp_path):
    here = {"GLOO_SOCKET_IFNAME": "cable", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    agents = []
    for n, inside in enumerate(two_machines):
        node = f"--nnodes 2 --node-rank {n} --master-addr 10.77.0.1 --master-port 29500"
        command = [*inside, sys.executable, "-m", "torch.distributed.run", *node.split()]
        command += ["-m", "lessons.lesson_6.workers", "quiet", "--out", str(tmp_path / f"{n}.json")]
        agents.append(subprocess.Popen(command, env=os.environ | here))
    assert [agent.wait(timeout=200) for agent in agents] == [0, 0]
    np.testing.assert_allclose(
        flat(simulated()), json.loads((tmp_path / "0.json").read_text(encoding="utf-8")), rtol=0, atol=1e-5
    )


def test_workers_talk_by_nccl_only_where_each_has_a_gpu_of_its_own():
    assert place(0, 1) == ("gloo", "cpu") or torch.cuda.is_available()
    with PretendDevice("cuda"):  # one card
        assert place(0, 1) == ("nccl", "cuda:0")
        assert place(1, 2) == ("gloo", "cpu")


def test_a_worker_alone_is_timed_for_every_batch_and_sends_nothing():
    options = SimpleNamespace(network="784-128-10", readings=2, device="cpu")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        rows = pd.DataFrame(costs(0, 1, options))
    finally:
        dist.destroy_process_group()
    assert set(zip(rows["part"], rows["size"], strict=True)) == {
        (part, 2**j) for part in ("compute", "update") for j in range(4, 11)
    }
    assert (rows["workers"] == 1).all() and (rows["median_ms"] >= rows["ms"]).all() and rows["ms"].min() > 0


# ---- talking less

SETTINGS = {"lr": 0.1, "seed": 0, "num_steps": 20, "tell": lambda *_: None}


def test_workers_that_talk_after_every_update_are_a_large_batch_whatever_the_way_of_averaging():
    """The mean of the weights after one update each is one update with the mean gradient, so k = 1 agrees with SGD."""
    digits = load_mnist()[0][:64]
    one = talk_less(digits, [0], 1, alone=1, outer_lr=1.0, momentum=0.0, **SETTINGS)
    often = talk_less(digits, [0], 1, alone=20, outer_lr=1.0, momentum=0.0, **SETTINGS)
    torch.testing.assert_close(flat(one), flat(often), rtol=0, atol=1e-5)


def simulated():
    settings = SETTINGS | {"num_steps": 100}
    return talk_less(load_mnist()[0], [0, 1], 2, alone=20, outer_lr=0.4, momentum=0.9, **settings)


def test_simulated_workers_reach_the_weights_of_real_ones():
    np.testing.assert_allclose(flat(simulated()), launch("quiet", 2), rtol=0, atol=1e-5)


# ---- how many machines


def test_a_ring_of_one_sends_nothing_and_of_many_eight_bytes_a_weight():
    assert draw.reduce_s(1, 1e6, 1e9, 1e-5) == 0
    assert draw.reduce_s(10_000, 1e6, 1e9, 0) == pytest.approx(8e6 / 1e9, rel=1e-3)


def test_without_cost_for_talking_and_with_a_huge_critical_batch_k_workers_are_k_times_as_fast():
    job = {"rate": 100, "num_weights": 0, "bandwidth": 1e9, "latency": 0, "b_crit": 1e12}
    minutes, _ = draw.minutes_to_target([1, 8, 1024], **job)
    np.testing.assert_allclose(minutes[0] / minutes, [1, 8, 1024], rtol=1e-4)


def test_the_explorer_says_which_number_of_workers_is_fastest():
    _, alt = still(*draw.machines(), b_crit=100, latency=1000)
    few = draw.minutes_to_target(
        2.0 ** np.arange(17), rate=140, num_weights=25.6e6, bandwidth=50e9 / 8, latency=1e-3, b_crit=100
    )
    assert f"fastest with {2 ** few[0].argmin():,} workers" in alt


# ---- the recordings


def test_every_recipe_has_as_many_trials_as_the_page_says():
    tried = fight("digits").tried
    phased, ruled = tried.index.isin(["SWAP", "post-local SGD"]), tried.index.str.contains("rule|unchanged")
    assert set(tried[phased]) == {10} and set(tried[ruled]) == {1} and set(tried[~phased & ~ruled]) == {6}
    reported = fight("digits").test.loc[:, ~ruled]
    assert len(reported) == 5 and not reported.isna().any(axis=None)


def test_a_fight_reports_what_was_recorded_with_the_chosen_setting():
    f, rows = fight("digits"), read_results("large_batch_fights", data="digits", recipe="LAMB")
    mean = rows[rows["seed"] < 2].groupby("lr")["valid_accuracy"].mean()
    assert f.best["LAMB"][1] == mean.idxmax()
    reached = rows[rows["lr"] == mean.idxmax()].set_index("seed")["test_accuracy"]
    np.testing.assert_allclose(f.test["LAMB"], 100 * reached.sort_index())


def test_updates_in_a_row_are_batches_counted():
    counts = {"digits": [80, 1260, 5000, 320], "CIFAR-10": [80, 1580, 6260, 320]}
    recipes = ["LAMB", "small batch, SGD", "tiny batch, SGD", "momentum, 4 × longer"]
    for data, expected in counts.items():
        assert fight(data).updates[recipes].tolist() == expected
    phases = {"growing batch": 5 * 63 + 5 * 16 + 10 * 4, "SWAP": 12 * 4 + 2 * 63, "post-local SGD": 20 * 4}
    assert fight("digits").updates[list(phases)].to_dict() == phases


def test_the_plain_mean_of_local_sgd_has_an_outer_rate_of_one_and_the_others_any():
    chosen, runs = talking()
    assert chosen["plain mean", 20][1:] == (1.0, 0.0) and chosen["momentum", 20][2] == 0.9
    counts = runs[runs["step"] == 500].groupby(["way", "alone"])["seed"].nunique()
    assert set(counts) == {5} and set(counts.index) == set(chosen)


def test_a_picture_of_recipes_names_the_updates_they_took():
    accuracy = pd.DataFrame({"small batch": [94.0, 95.0], "LAMB": [93.0, 93.5]})
    fig, alt = draw.recipes(accuracy, {"small batch": 1260, "LAMB": 80})
    assert [t.get_text() for t in fig.axes[0].get_yticklabels()] == ["LAMB  (80)", "small batch  (1,260)"]
    assert "LAMB 93.2 ± 3.2" in alt


@pytest.mark.parametrize("data", ["digits", "CIFAR-10"])
def test_at_equal_epochs_no_large_batch_is_ahead_and_of_those_with_80_updates_adam_is_nearest(data):
    f = fight(data)
    large = [name for name in f.test if not name.startswith(("small", "tiny")) and "longer" not in name]
    ahead = f.test[large].sub(f.test["small batch, momentum"], axis=0).dropna(axis=1)
    mean, half = mean_interval(ahead)
    assert len(ahead) == 5 and (mean - half < 0).all()
    assert ahead.loc[:, f.updates[ahead.columns] == 80].mean().idxmax() == "Adam"


def test_pictures_of_fights_name_each_recipe_and_mark_the_guess():
    gaps = pd.DataFrame({"LAMB": [-1.0, -2.0] * 3, "small batch, SGD": [0.0] * 6})
    fig, alt = draw.fights({"digits": gaps, "CIFAR-10": gaps[["LAMB"]]}, guess="LAMB")
    colors = {t.get_text(): t.get_color() for t in fig.axes[0].get_yticklabels()}
    assert colors["LAMB"] == GUESS != colors["small batch, SGD"] and alt.count("LAMB -1.5 ± 0.6") == 2


def test_bytes_are_talks_times_megabytes():
    losses = pd.DataFrame([[1.0, 0.5]] * 2, columns=[20, 40])
    fig, _ = draw.by_bytes({("momentum", 20): losses, ("plain mean", 1): losses}, megabytes=0.5)
    sent = [line.get_xdata().tolist() for line in fig.axes[1].lines]
    assert sent == [[0.5, 1.0], [10.0, 20.0]]
