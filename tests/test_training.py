import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from course_utils import training
from course_utils.data import Split
from course_utils.models import mlp
from course_utils.training import History, evaluate, log_spaced, minibatches, sgd_step, train


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(n=50, classes=3, seed=0):
    """Return `n` easy examples: 2x2 images whose brightest pixel is the class."""
    g = generator(seed)
    labels = torch.randint(classes, (n,), generator=g)
    images = 0.3 * torch.rand(n, 1, 2, 2, generator=g)
    images.view(n, 4)[torch.arange(n), labels] += 0.7
    return Split(images, labels)


@pytest.mark.parametrize("batch_size", [1, 7, 10, 20])
def test_an_epoch_uses_each_example_exactly_once(batch_size):
    batches = minibatches(20, batch_size, generator=generator())
    assert sorted(torch.cat(batches).tolist()) == list(range(20))
    assert len(batches) == math.ceil(20 / batch_size)


def test_the_last_batch_is_short_or_dropped():
    assert [len(b) for b in minibatches(20, 8, generator=generator())] == [8, 8, 4]
    assert [len(b) for b in minibatches(20, 8, generator=generator(), drop_last=True)] == [8, 8]
    assert [len(b) for b in minibatches(20, 5, generator=generator(), drop_last=True)] == [5] * 4


def test_the_order_is_fresh_every_epoch_and_repeats_with_the_seed():
    g = generator()
    first, second = (torch.cat(minibatches(100, 10, generator=g)) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, torch.cat(minibatches(100, 10, generator=generator())))


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, 21, "8", None])
def test_a_batch_size_out_of_range_is_named_with_its_bound(batch_size):
    with pytest.raises(ValueError, match=rf"between 1 and 20 .*got {batch_size!r}"):
        minibatches(20, batch_size, generator=generator())
    with pytest.raises(ValueError, match="between 1 and 20"):
        train(
            mlp((4, 3), seed=0), blobs(20), batch_size=batch_size, lr=0.1, num_steps=1, generator=generator()
        )


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_train_walks_the_path_of_torch_optim_sgd(momentum):
    data = blobs()
    ours, theirs = mlp((4, 8, 3), seed=1).double(), mlp((4, 8, 3), seed=1).double()
    data = Split(data.images.double(), data.labels)
    train(ours, data, batch_size=8, lr=0.2, momentum=momentum, num_epochs=3, generator=generator(5))
    optimizer, g = torch.optim.SGD(theirs.parameters(), lr=0.2, momentum=momentum), generator(5)
    for _ in range(3):
        for batch in minibatches(len(data), 8, generator=g):
            optimizer.zero_grad()
            F.cross_entropy(theirs(data.images[batch]), data.labels[batch]).backward()
            optimizer.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


def test_full_batch_training_is_gradient_descent_by_hand():
    data, model = blobs(10), mlp((4, 3), seed=0)
    weight, bias = (w.detach().clone().requires_grad_() for w in model.parameters())
    train(model, data, batch_size=10, lr=0.5, num_steps=1, generator=generator())
    grads = torch.autograd.grad(
        F.cross_entropy(data.images.flatten(1) @ weight.T + bias, data.labels), (weight, bias)
    )
    for after, before, grad in zip(model.parameters(), (weight, bias), grads, strict=True):
        torch.testing.assert_close(after, before - 0.5 * grad)


def test_the_same_seed_gives_the_same_numbers():
    def run():
        settings = dict(batch_size=8, lr=0.1, num_epochs=2, valid=blobs(seed=1))
        return train(mlp((4, 8, 3), seed=1), blobs(), generator=generator(5), **settings)

    assert run() == run()


def test_history_counts_updates_and_epochs_for_both_budgets():
    settings = dict(batch_size=8, lr=0.1)
    epochs = train(mlp((4, 3), seed=0), blobs(20), num_epochs=2, generator=generator(), **settings)
    assert (epochs.steps, epochs.epochs) == ([0, 3, 6], [0, 1, 2])
    steps = train(mlp((4, 3), seed=0), blobs(20), num_steps=5, generator=generator(), **settings)
    assert (steps.steps, steps.epochs) == ([0, 3, 5], [0, 1, 1 + 16 / 20])
    chosen = train(
        mlp((4, 3), seed=0), blobs(20), num_steps=5, eval_steps=[1, 4], generator=generator(), **settings
    )
    assert chosen.steps == [1, 4]


def test_history_holds_full_evaluations_of_the_final_weights():
    data, valid, model = blobs(), blobs(seed=1), mlp((4, 8, 3), seed=1)
    splits = {"valid": valid, "test": blobs(seed=2)}
    history = train(model, data, batch_size=8, lr=0.1, num_epochs=2, **splits, generator=generator())
    for name, split in {"train": data, **splits}.items():
        last = (getattr(history, f"{name}_loss")[-1], getattr(history, f"{name}_accuracy")[-1])
        assert last == evaluate(model, split)
    assert history.diverged_at is None


@pytest.mark.parametrize("eval_steps", [None, []])
def test_a_run_that_diverges_ends_with_a_history_that_says_when(eval_steps):
    model = mlp((4, 8, 3), seed=0)
    settings = dict(batch_size=5, lr=1e30, num_epochs=50, eval_steps=eval_steps)
    history = train(model, blobs(), generator=generator(), **settings)
    assert isinstance(history, History)
    assert history.diverged_at <= 10
    assert eval_steps == [] or not math.isfinite(history.train_loss[-1])


@pytest.mark.parametrize("batch_size", [1, 7, 50, 1000])
def test_evaluate_weights_every_example_the_same_whatever_the_chunks(batch_size):
    model, data = mlp((4, 8, 3), seed=1), blobs()
    loss, accuracy = evaluate(model, data, batch_size=batch_size)
    logits = model(data.images)
    assert loss == pytest.approx(F.cross_entropy(logits, data.labels).item(), rel=1e-6)
    assert accuracy == (logits.argmax(1) == data.labels).double().mean().item()


def test_evaluate_switches_dropout_off_and_leaves_the_mode_as_it_was():
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.9), mlp((4, 3), seed=0))
    assert evaluate(model, blobs()) == evaluate(model, blobs())
    assert model.training


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"num_epochs": None}, "exactly one of num_epochs and num_steps"),
        ({"num_steps": 3}, "exactly one of num_epochs and num_steps"),
        ({"num_epochs": 0}, "num_epochs must be a whole number of at least 1, got 0"),
        ({"num_epochs": 1.5}, "num_epochs must be a whole number"),
        ({"num_epochs": math.inf}, "num_epochs must be a whole number of at least 1, got inf"),
        ({"num_epochs": 2.0}, "num_epochs must be a whole number of at least 1, got 2.0"),
        ({"eval_steps": [6]}, r"eval_steps must be .* between 0 and 5 \(the last update\), got 6"),
        ({"eval_steps": [-1, 2]}, r"eval_steps must be .* between 0 and 5 .*got -1"),
        ({"lr": -0.1}, "lr must be a positive finite number, got -0.1"),
        ({"lr": math.nan}, "lr must be a positive finite number, got nan"),
        ({"momentum": 1.0}, "momentum must be at least 0 and below 1, got 1.0"),
    ],
)
def test_settings_out_of_range_are_named(wrong, message):
    settings = {"batch_size": 4, "lr": 0.1, "num_epochs": 1, **wrong}
    with pytest.raises(ValueError, match=message):
        train(mlp((4, 3), seed=0), blobs(20), generator=generator(), **settings)


def test_a_model_on_another_device_than_its_data_is_named():
    model = mlp((4, 3), seed=0).to("meta")
    with pytest.raises(ValueError, match="model on meta but data on cpu"):
        train(model, blobs(20), batch_size=4, lr=0.1, num_steps=1, generator=generator())


@pytest.mark.parametrize("batch_size", [6, 1])
def test_batch_norm_with_a_batch_of_one_is_refused_with_the_way_out(batch_size):
    model, settings = mlp((4, 3, 3), seed=0, batch_norm=True), dict(lr=0.1, num_epochs=1)
    with pytest.raises(ValueError, match=rf"batch_size={batch_size} makes a batch of one .*use another"):
        train(model, blobs(13), batch_size=batch_size, generator=generator(), **settings)
    assert train(model, blobs(13), batch_size=5, generator=generator(), **settings).steps == [0, 3]


def test_a_refused_batch_size_leaves_the_generator_where_it_was():
    g = generator()
    with pytest.raises(ValueError):
        minibatches(20, 21, generator=g)
    assert torch.equal(torch.rand(3, generator=g), torch.rand(3, generator=generator()))


def test_whole_numbers_of_numpy_and_torch_count_as_python_s():
    settings = dict(lr=0.1, num_epochs=np.int64(1), eval_steps=torch.tensor([1, 2]))
    history = train(mlp((4, 3), seed=0), blobs(20), batch_size=np.int64(8), generator=generator(), **settings)
    assert history.steps == [1, 2] and history.epochs == [0.4, 0.8]
    assert all(type(value) is float for value in history.epochs)


def test_frozen_weights_stay_as_they_are():
    model = mlp((4, 8, 3), seed=0)
    model[1].requires_grad_(False)
    before = model[1].weight.clone()
    train(model, blobs(20), batch_size=4, lr=0.1, num_steps=3, generator=generator())
    assert torch.equal(model[1].weight, before)


def test_an_empty_split_cannot_be_evaluated():
    with pytest.raises(ValueError, match="at least one example"):
        evaluate(mlp((4, 3), seed=0), blobs(20)[:0])


def test_a_history_gives_a_row_for_each_evaluation():
    history = History(steps=[0, 4], train_loss=[2.0, 1 / 3], train_accuracy=[0.5, 1.0])
    assert history.rows() == [
        {"step": 0, "train_loss": 2.0, "train_accuracy": 0.5},
        {"step": 4, "train_loss": 0.33333, "train_accuracy": 1.0},
    ]


def test_the_last_row_of_a_diverged_run_says_so_and_holds_no_number_that_is_none():
    history = History(steps=[0, 7], train_loss=[2.0, math.nan], train_accuracy=[0.5, 0.1], diverged_at=7)
    assert history.rows()[1:] == [{"step": 7, "status": "diverged"}]


def test_log_spaced_steps_double_with_every_second_one_and_end_where_asked():
    assert log_spaced(40) == [1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 40]
    assert log_spaced(1) == [1]
    with pytest.raises(ValueError, match="at least 1, got 0"):
        log_spaced(0)


@pytest.mark.parametrize(("momentum", "velocity"), [(0.0, False), (0.0, True), (0.9, True)])
def test_a_step_is_that_of_torch_optim_sgd_and_the_velocity_is_its_buffer(momentum, velocity):
    ours, theirs = (torch.ones(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    v = [torch.zeros_like(ours)] if velocity else None
    optimizer = torch.optim.SGD([theirs], lr=0.1, momentum=momentum)
    for gradient in torch.randn(5, 3, generator=generator(), dtype=torch.float64):
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        sgd_step([ours], 0.1, v, momentum)
        optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-14, atol=0)
    assert not momentum or torch.equal(v[0], optimizer.state[theirs]["momentum_buffer"])


def test_momentum_without_a_velocity_is_refused_as_it_would_be_lost():
    with pytest.raises(ValueError, match=r"momentum=0\.9 needs a velocity"):
        sgd_step([], 0.1, momentum=0.9)


@pytest.mark.parametrize(("value", "printed"), [(None, "1"), ("3", "3")])
def test_torch_runs_on_one_thread_unless_course_threads_says_otherwise(value, printed):
    assert threads_with(value).stdout.split() == [printed]


@pytest.mark.parametrize("value", ["0", "many"])
def test_a_number_of_threads_that_is_none_is_named_with_its_bound(value):
    assert f"COURSE_THREADS must be a whole number of at least 1 (threads for PyTorch), got {value!r}" in (
        threads_with(value).stderr
    )


def threads_with(value):
    """Return what a new Python, with `value` in COURSE_THREADS, says of torch's threads once the course is there."""
    environment = {name: text for name, text in os.environ.items() if name != "COURSE_THREADS"}
    environment |= {"OMP_NUM_THREADS": "2"} if value is None else {"COURSE_THREADS": value}
    code = "import torch, course_utils; print(torch.get_num_threads())"
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8"
    )


@pytest.mark.parametrize("value", ["", "1"])
def test_the_progress_bar_is_off_where_the_environment_says_so_in_a_notebook_too(monkeypatch, value):
    seen = []
    monkeypatch.setenv("TQDM_DISABLE", value)
    monkeypatch.setattr(training, "tqdm", lambda batches, disable, **rest: seen.append(disable) or batches)
    train(mlp((4, 3), seed=0), blobs(), batch_size=50, lr=0.1, num_steps=1, generator=generator())
    assert seen == [bool(value)]
