"""Everything that may lie on an accelerator, run on a pretend one; `pretend_device` says what that can't show.

Where numbers are compared, the truth is the same call on the processor.
"""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from pretend_device import PretendDevice
from torch import nn

from authoring.build import read_source, sources
from course_utils import checks, curvature, data, explore, models, plotting, timing
from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.training import evaluate, minibatches, train
from lessons.lesson_4.keskar import c1, fit
from lessons.lesson_4.networks import filter_normalised, rescale_layers
from lessons.lesson_6 import workers
from lessons.lesson_6.recipes import lamb_step, lars_step

EXPERIMENTS = Path(__file__).parents[1] / "notebooks" / "experiments"
KINDS = ["cuda", "mps"]


@pytest.fixture(params=KINDS)
def device(request):
    with PretendDevice(request.param) as pretend:
        yield pretend


# ---- the pretend device itself


@pytest.mark.parametrize(
    "mixed",
    [
        lambda here, there: here + there,
        lambda here, there: there @ here,
        lambda here, there: torch.cat([there, here]),
        lambda here, there: torch.stack([there.sum(), here.sum()]),
        lambda here, there: here.sum().add_(there.sum()),
        lambda here, there: here[there.argsort()],
        lambda here, there: nn.functional.cross_entropy(there[None], here[:1].long()),
        lambda here, there: torch.func.vmap(torch.dot, (0, None))(there[None], here),
    ],
)
def test_it_refuses_what_mixes_the_sides(device, mixed):
    here = torch.tensor([1.0, 2.0])
    with pytest.raises(RuntimeError, match="on the same device"):
        mixed(here, here.to(device.kind))


def test_it_takes_numbers_and_indices_from_the_processor_as_the_real_ones_do(device):
    there = torch.tensor([1.0, 2.0], device=device.kind)
    assert (there * torch.tensor(2.0))[torch.tensor([1])].tolist() == [4.0]
    assert there.device == torch.device(device.kind, 0)


@pytest.mark.parametrize("read", [torch.Tensor.numpy, np.asarray, lambda t: np.array([t.sum()])])
def test_numpy_cannot_read_it(device, read):
    with pytest.raises(TypeError, match=r"use Tensor.cpu\(\)|Use Tensor.cpu\(\)"):
        read(torch.ones(2, device=device.kind))


def test_the_generator_of_the_processor_draws_nothing_there(device):
    with pytest.raises(RuntimeError, match="for generator but found 'cpu'"):
        torch.randn(2, device=device.kind, generator=torch.Generator())


@pytest.mark.parametrize("make", [lambda t, d: t.to(d).double(), lambda t, d: t.double().to(d)])
def test_float64_is_there_on_cuda_and_not_on_mps(device, make):
    if device.kind == "cuda":
        assert make(torch.ones(2), "cuda").dtype == torch.float64
    else:
        with pytest.raises(TypeError, match="MPS framework doesn't support it"):
            make(torch.ones(2), "mps")


# ---- the package and the lessons' modules


def network_and_digits(where, **options):
    return mlp((784, 8, 10), seed=0, **options).to(where), load_mnist()[0][:60].to(where)


def trained(model, digits):
    settings = {"batch_size": 16, "lr": 0.1, "momentum": 0.9, "num_epochs": 2}
    return train(model, digits, valid=digits, generator=torch.Generator().manual_seed(0), **settings).rows()


def fitted(model, digits):
    optimizer = torch.optim.Adam(model.parameters())
    fit(model, optimizer, digits, batch_size=20, seed=0, max_epochs=2, patience=2)
    return evaluate(model, digits)


def product(model, digits):
    loss = nn.functional.cross_entropy(model(digits.images), digits.labels)
    return curvature.hvp(loss, list(model.parameters()), torch.linspace(-1, 1, 6370)).tolist()


def line(model, digits):
    direction = filter_normalised(torch.linspace(-1, 1, 6370), model)
    return curvature.loss_along(model, digits, curvature.flat_weights(model), direction, [-1, 0, 1])


def trace(model, digits):
    return curvature.hutchinson_trace(model, digits, num_probes=3, generator=torch.Generator().manual_seed(0))


def scaled_eigenvalue(model, digits):
    return curvature.top_eigenvalue(model, digits, scale=curvature.flat_weights(model).abs().cpu())


MEASURES = {
    "train": trained,
    "fit": fitted,
    "hvp": product,
    "loss_along": line,
    "hutchinson_trace": trace,
    "top_eigenvalue": curvature.top_eigenvalue,
    "in chunks": lambda model, digits: curvature.top_eigenvalue(model, digits, batch_size=25),
    "smallest": lambda model, digits: curvature.top_eigenvalues(model, digits, which="smallest").eigenvalues,
    "scaled": scaled_eigenvalue,
    "rescaled": lambda model, digits: curvature.top_eigenvalue(rescale_layers(model, 2), digits),
    "keskar": curvature.keskar_sharpness,
    "in a subspace": lambda model, digits: curvature.keskar_sharpness(model, digits, subspace=5),
    "sam": lambda model, digits: curvature.sam_sharpness(model, digits, rho=0.1),
    "adaptive sam": lambda *both: curvature.sam_sharpness(*both, rho=0.1, adaptive=True, num_steps=3),
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_what_is_computed_on_a_device_is_what_the_processor_computes(device, measure):
    there, here = (measure(*network_and_digits(where)) for where in (device.kind, "cpu"))
    if isinstance(there, list) and isinstance(there[0], dict):
        there, here = ([list(row.values()) for row in rows] for rows in (there, here))
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-6)


def test_a_network_with_convolutions_batch_norm_and_dropout_trains_there(device):
    model = c1(seed=0, width=4).to(device.kind)
    pictures = Split(torch.rand(20, 3, 32, 32), torch.arange(20) % 10).to(device.kind)
    fit(
        model,
        torch.optim.SGD(model.parameters(), 0.1),
        pictures,
        batch_size=10,
        seed=0,
        max_epochs=1,
        patience=1,
    )
    assert np.isfinite(evaluate(model, pictures)[0])


def test_batches_are_the_same_ones_wherever_they_lie(device):
    there, here = (
        minibatches(10, 4, generator=torch.Generator().manual_seed(0), device=where)
        for where in (device.kind, "cpu")
    )
    assert [batch.tolist() for batch in there] == [batch.tolist() for batch in here]


def test_an_update_there_is_timed_with_a_clock_that_waits(device):
    model, digits = network_and_digits(device.kind)
    curve = timing.time_updates(model, *vars(digits.to("cpu")).values(), [1, 20], repeats=1)
    assert (curve["update_ms"] > 0).all() and device.waits and curve.device


@pytest.mark.parametrize("name", ["cuda:1", "cuda:0"])
def test_the_clock_waits_for_the_very_card_that_was_named(monkeypatch, name):
    waits = []
    monkeypatch.setattr(timing, "check_device", torch.device)  # there is a second card
    monkeypatch.setattr(torch.cuda, "synchronize", waits.append)
    timing.synchronised_clock(name)()
    assert waits == [torch.device(name)]


# ---- lesson 6


@pytest.mark.parametrize("case", ["padded last batch", "batch norm"])
def test_what_the_workers_train_lies_there(device, case):
    assert workers.trained(case, device.kind).device.type == device.kind


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_workers_that_talk_less_go_the_same_way_there(device, momentum):
    settings = {"alone": 2, "lr": 0.1, "outer_lr": 0.7, "momentum": momentum, "seed": 0, "num_steps": 4}
    there, here = (
        workers.talk_less(digits, [0, 1], 2, **settings, tell=lambda *_: None)
        for digits in (load_mnist()[0][:256].to(device.kind), load_mnist()[0][:256])
    )
    for w, u in zip(there.parameters(), here.parameters(), strict=True):
        assert w.device.type == device.kind and torch.equal(w.detach().cpu(), u.detach())


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_lars_and_lamb_take_the_same_steps_there_zeros_included(device, decay):
    ends = []
    for where in ("cpu", device.kind):
        weights = [
            w.to(where).requires_grad_() for w in (torch.ones(2, 3), torch.zeros(2, 2), torch.zeros(3))
        ]
        state = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
        for n in range(2):
            for w in weights:
                w.grad = torch.full_like(w, 0.5) * n
            lars_step(weights, 0.3, [v for v, _ in state], weight_decay=decay)
            lamb_step(weights, 0.01, state, weight_decay=decay)
        ends.append(torch.cat([w.detach().flatten() for w in weights]).tolist())
    assert ends[0] == ends[1]


# ---- pages and experiments

SMALLER = {  # a page's budget, where it is large: what is found does not hang on it
    r"num_seeds = 5": "num_seeds = 2",
    r"range\((5|num_seeds)\)": "range(2)",
    r"num_epochs=(2|3|10)\b": "num_epochs=1",
    r'"num_epochs": \d+': '"num_epochs": 1',
    r"limit=4000": "limit=10",
    r"level = 0.05": "level = 0.5",
    r"rounds=\d+": "rounds=2",
}
PAGES = [source for source in sources() if re.search(r'^device = "cpu"', source.read_text("utf-8"), re.M)]


def few_digits(source, real=load_mnist):
    """Return a `load_mnist` of 1,000 training digits where no batch of the page is larger."""
    n = 4000 if re.search(r"\b(1024|4000)\b", source) else 1000
    return lambda *, full=False: (real()[0][:n], *(split[:200] for split in real()[1:]))


def solved(code):
    """Return the code of a cell, an exercise with its model answer."""
    exercise = re.search(r'^check\("(\w+)", ', code, re.M)
    return checks.find(exercise[1]).solution if exercise else code


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_and_the_answers_to_its_exercises_run_on_the_device_that_its_reader_names(
    device, page, monkeypatch, published, capsys
):
    cells = [cell.source for cell in read_source(page).cells if cell.cell_type == "code"]
    for long, short in {**SMALLER, '^device = "cpu"': f'device = "{device.kind}"'}.items():
        cells = [re.sub(long, short, cell, flags=re.M) for cell in cells]
    source = "\n".join(map(solved, cells))
    monkeypatch.setattr(data, "load_mnist", few_digits(source))
    monkeypatch.setattr(plotting, "show", lambda fig, alt: plt.close(fig))  # drawn, but not rendered
    monkeypatch.setattr(explore, "explore", lambda fig, update, controls: plt.close(fig))
    threads = torch.get_num_threads()
    exec(compile(source, page.stem, "exec"), {"__name__": "__main__"})
    assert device.operations[0] == torch.ops.aten.empty.memory_format, (
        "the page asks whether the device is there"
    )
    assert len(device.operations) > 15 and torch.get_num_threads() == threads
    said = capsys.readouterr().out
    assert "✗" not in said and said.count(" right: ") == source.count('\ncheck("')


SMALLEST = {  # an experiment's constants in small, and a cell for them
    "adam_digits": ({"num_epochs": 1}, {}),
    "batch_size_cifar10": ({}, {"num_train": 40}),
    "batch_size_digits": ({"num_steps": {20: 1000}}, {}),
    "batch_size_mnist": ({}, {"budget": "epochs"}),
    "batch_timing": (
        {"num_examples": 10},
        {"network": "784-128-10", "largest": 5, "mode": "eager", "precision": "bf16"},
    ),
    "edge_digits": ({"num_digits": 60, "num_steps": 2, "every": 1, "num_batches": 2}, {"momentum": 0.9}),
    "growing_batch_digits": ({"phases": (1, 1)}, {"change": "rate"}),
    "keskar_c1": ({"stop": {"max_epochs": 1, "patience": 1}}, {"num_train": 40, "width": 4}),
    "keskar_f1": ({"rates": {"adam": 1e-9}, "sizes": (784, 8, 10)}, {"num_train": 40, "batch_norm": True}),
    "large_batch_fights": ({"num_epochs": 1, "small": 20, "large": {"digits": 20}}, {"recipe": "LAMB"}),
    "leave_zero": ({"num_steps": 5}, {"momentum": 0.9}),
    "momentum_decay": (
        {"num_epochs": 1, "drop_at": 1, "eval_steps": [3]},
        {"form": "velocity", "decay": True},
    ),
    "momentum_grid": ({"num_steps": 5, "eval_steps": [5]}, {"momentum": 0.9}),
    "noise_scale_digits": ({"steps": (0, 2), "draws": 2}, {}),
    "sam_digits": ({"num_train": 60, "levels": (9.0,), "budget": 2}, {"wrong": 0.2, "rho": 0.4}),
    "scale_free_sharpness": ({"level": 9.0, "radii": {"1": 1.0}}, {"optimizer": "adam"}),
    "sharpness_digits": ({"levels": [9.0]}, {}),
    "six_training_sets": ({"num_train": 40, "levels": [9.0], "change_at": 9.0, "change_to": 9.0}, {}),
    "local_sgd": ({"num_steps": 20}, {"alone": 20}),
    "warm_up_digits": ({"num_epochs": 1}, {"warm_up": 0.5}),
    "wrong_labels_digits": ({"num_steps": 5}, {}),
}


def few(make, where):
    """Return a loader of 60, 500 and 500 examples that lie on `where`."""
    sizes = (60, 500, 500)
    return lambda *, full=False: tuple(s[:n].to(where) for s, n in zip(make(), sizes, strict=True))


def colours():
    return [Split(torch.rand(60, 3, 32, 32), torch.arange(60) % 10)] * 3


@pytest.mark.parametrize("name", SMALLEST)
def test_the_smallest_cell_of_an_experiment_runs_there(device, name, monkeypatch):
    """An experiment that stays on the processor is given its network and digits on the device."""
    text = (EXPERIMENTS / f"{name}.py").read_text("utf-8")
    where = "cpu" if re.search("^(device|matmul_size) = ", text, re.M) else device.kind
    monkeypatch.setattr(data, "load_mnist", few(load_mnist, where))
    monkeypatch.setattr(data, "load_cifar10", few(colours, where))
    monkeypatch.setattr(models, "mlp", lambda *sizes, **rest: mlp(*sizes, **rest).to(where))
    names = {"__name__": "experiment"}
    exec(text, names)
    constants, cell = SMALLEST[name]
    names |= {"device": device.kind} | constants
    names["measure_peaks"] = lambda device, **rest: timing.Peaks(1e9, 1e9)  # copies 256 MiB, a dozen times
    first = (
        names["grid"][0] if isinstance(names["grid"], list) else {k: v[0] for k, v in names["grid"].items()}
    )
    known = {"batch_size": 20, "lr": 0.1, "device": device.kind}
    cell = first | {key: value for key, value in known.items() if key in first} | cell
    rows = names["run"](**cell)
    rows = rows if isinstance(rows, list) else [rows]
    assert rows and all(set(row) <= {*names["columns"], "status"} for row in rows)
    assert len(device.operations) > 10


def test_every_experiment_is_among_them_but_the_one_whose_workers_are_processors():
    assert {path.stem for path in EXPERIMENTS.glob("*.py")} == {*SMALLEST, "worker_costs"}


@pytest.mark.parametrize(
    "take",
    [
        load_mnist()[0][:1].to,
        timing.device_name,
        timing.synchronised_clock,
        lambda name: timing.measure_peaks(name, size=2),
        lambda name: minibatches(2, 1, generator=torch.Generator(), device=name),
    ],
)
def test_whatever_takes_a_device_says_which_there_are_where_it_is_missing(device, take):
    with pytest.raises(ValueError, match=f'"cpu" and "{device.kind}", got "gpu": set device = "cpu"'):
        take("gpu")
