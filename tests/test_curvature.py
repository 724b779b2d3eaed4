import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils.curvature import (
    Hessian,
    flat_weights,
    hutchinson_trace,
    hvp,
    keskar_sharpness,
    lanczos,
    loss_along,
    sam_sharpness,
    top_eigenvalue,
    top_eigenvalues,
    weights_at,
)
from course_utils.data import Split
from course_utils.models import mlp
from course_utils.training import evaluate, train
from lessons.lesson_4.networks import filter_normalised, rescale_layers


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(n=20, classes=3, seed=0):
    """Return `n` examples, 2x2 images in float64 whose brightest pixel is often the class."""
    g = generator(seed)
    labels = torch.randint(classes, (n,), generator=g)
    images = torch.rand(n, 1, 2, 2, generator=g, dtype=torch.float64)
    images.view(n, 4)[torch.arange(n), labels] += 0.3
    return Split(images, labels)


def one_example(label=1):
    return Split(
        torch.tensor([0.2, 1.0, 0.5, 0.7], dtype=torch.float64).view(1, 1, 2, 2), torch.tensor([label])
    )


def linear(classes=3, seed=0):
    """Return softmax regression without biases: its Hessian has a closed form."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, classes, bias=False)).double()
    nn.init.normal_(model[1].weight, generator=generator(seed))
    return model


def smooth(seed=0):
    """Return a network 4-5-3 with tanh, which has derivatives of every order."""
    model = mlp((4, 5, 3), seed=seed).double()
    model[2] = nn.Tanh()
    return model


def vector(n, seed=1):
    return torch.randn(n, generator=generator(seed), dtype=torch.float64)


def explicit_hessian(model, split):
    """Return the Hessian (n, n) of a network 4-h-3, from the network written out and PyTorch's own functional."""
    x, y, h, act = split.images.flatten(1), split.labels, model[1].out_features, model[2]

    def loss(w):
        w1, b1, w2, b2 = w.split([4 * h, h, 3 * h, 3])
        logits = act(x @ w1.view(h, 4).T + b1) @ w2.view(3, h).T + b2
        return -torch.log_softmax(logits, 1)[torch.arange(len(y)), y].mean()

    return torch.autograd.functional.hessian(loss, flat_weights(model))


def softmax_hessian(model, split):
    """Return the mean of (diag p - p pᵀ) ⊗ x xᵀ: the Hessian (12, 12) of softmax regression."""
    x = split.images.flatten(1)
    p = torch.softmax(x @ model[1].weight.detach().T, 1)
    parts = [
        torch.kron(torch.diag(q) - torch.outer(q, q), torch.outer(u, u)) for q, u in zip(p, x, strict=True)
    ]
    return torch.stack(parts).mean(0)


def close(got, wanted, rtol=1e-6):
    torch.testing.assert_close(
        *(torch.as_tensor(t, dtype=torch.float64) for t in (got, wanted)), rtol=rtol, atol=1e-12
    )


def test_the_product_of_two_weights_is_the_one_on_paper():
    x, y = (torch.tensor([value], dtype=torch.float64, requires_grad=True) for value in (3.0, 5.0))
    close(
        hvp((x**2 * y).sum(), [x, y], torch.tensor([1.0, 2.0], dtype=torch.float64)), [2 * 5 + 2 * 6.0, 6.0]
    )


def test_a_linear_loss_and_an_unused_weight_have_no_curvature():
    x, y = (torch.ones(1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert hvp(3 * x.sum(), [x, y], torch.ones(2).double()).tolist() == [0, 0]
    assert hvp((x**2).sum(), [x, y], torch.ones(2).double()).tolist() == [2, 0]


@pytest.mark.parametrize("batch_size", [5_000, 20, 7, 1])
def test_the_product_is_that_of_softmax_regression_s_closed_form(batch_size):
    model, split, v = linear(), blobs(), vector(12)
    close(Hessian(model, split, batch_size=batch_size) @ v, softmax_hessian(model, split) @ v)


@pytest.mark.parametrize("model", [smooth(), mlp((4, 6, 3), seed=3).double()], ids=["tanh", "relu"])
@pytest.mark.parametrize("batch_size", [20, 6])
def test_the_product_is_that_of_the_explicit_hessian(model, batch_size):
    split, h = blobs(), Hessian(model, blobs(), batch_size=batch_size)
    columns = torch.stack([h @ e for e in torch.eye(h.shape[0], dtype=torch.float64)])
    close(columns, explicit_hessian(model, split))
    assert h.products == h.shape[0]


def test_a_vector_of_another_precision_is_taken_in_the_model_s():
    model, split, v = smooth(), blobs(), vector(43).float()
    found = Hessian(model, split) @ v
    assert found.dtype == torch.float64 and torch.equal(found, Hessian(model, split) @ v.double())
    line = loss_along(model, split, flat_weights(model).float(), v, [0.5])
    assert line == loss_along(model, split, flat_weights(model).float().double(), v.double(), [0.5])


def test_hvp_on_a_model_s_own_weights_is_the_same_product():
    model, split = smooth(), blobs()
    v = vector(len(flat_weights(model)))
    loss = F.cross_entropy(model(split.images), split.labels)
    close(hvp(loss, list(model.parameters()), v), Hessian(model, split) @ v)


def test_the_hessian_knows_the_loss_and_the_gradient():
    model, split = smooth(), blobs()
    h = Hessian(model, split, batch_size=6)
    F.cross_entropy(model(split.images), split.labels).backward()
    close(h.gradient, torch.cat([w.grad.flatten() for w in model.parameters()]))
    assert h.loss == pytest.approx(evaluate(model, split)[0])


@pytest.mark.parametrize("batch_size", [20, 6])
def test_the_hessian_stays_where_it_was_made_when_training_goes_on(batch_size):
    model, split = smooth(), blobs()
    h, v = Hessian(model, split, batch_size=batch_size), vector(38 + 5)
    before = h @ v
    train(model, split, batch_size=5, lr=0.5, num_epochs=2, generator=generator())
    assert torch.equal(h @ v, before)
    assert not torch.allclose(Hessian(model, split) @ v, before)


def test_the_eigenvalues_of_a_two_by_two_matrix_are_three_and_one():
    a = torch.tensor([[2.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    start = torch.tensor([1.0, 0.3], dtype=torch.float64)
    found = lanczos(a.__matmul__, start, k=2)
    close(found.eigenvalues, [3.0, 1.0], rtol=1e-12)
    close(found.eigenvectors.abs(), torch.full((2, 2), math.sqrt(0.5), dtype=torch.float64))
    close(lanczos(a.__matmul__, start, which="smallest").eigenvalues, [1.0], rtol=1e-12)


@pytest.mark.parametrize("which", ["largest", "smallest"])
@pytest.mark.parametrize("k, tol", [(1, 1e-3), (1, 1e-10), (5, 1e-2), (43, 1e-3)])
def test_eigenvalues_are_those_of_the_explicit_matrix_within_the_tolerance(which, k, tol):
    model, split = smooth(), blobs()
    exact = np.linalg.eigvalsh(explicit_hessian(model, split).numpy())
    exact = exact[::-1][:k] if which == "largest" else exact[:k]
    found = top_eigenvalues(model, split, k=k, which=which, tol=tol)
    assert (abs(found.eigenvalues - exact) <= tol * np.maximum(abs(exact), abs(exact).max() / 100)).all()
    assert found.products <= 43


def test_scaled_eigenvalues_are_those_of_the_matrix_between_two_diagonals():
    model, split = smooth(), blobs()
    d = flat_weights(model).abs()
    exact = np.linalg.eigvalsh((d[:, None] * explicit_hessian(model, split) * d).numpy())
    close(top_eigenvalues(model, split, k=2, scale=d, tol=1e-8).eigenvalues, exact[:-3:-1].copy())


def test_eigenvectors_are_orthonormal_and_their_products_parallel():
    model, split = smooth(), blobs()
    found = top_eigenvalues(model, split, k=3, tol=1e-10)
    products = torch.stack([Hessian(model, split) @ v for v in found.eigenvectors])
    torch.testing.assert_close(
        products, torch.tensor(found.eigenvalues)[:, None] * found.eigenvectors, atol=1e-5, rtol=0
    )
    close(found.eigenvectors @ found.eigenvectors.T, torch.eye(3, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(5))
def test_a_neighbour_three_percent_away_is_told_apart_and_the_stated_error_holds(seed):
    exact = torch.cat([torch.tensor([1.0, 0.97]), torch.linspace(0.8, 0.0, 198)]).double()
    found = lanczos(exact.mul, vector(200, seed), tol=1e-3)
    assert abs(found.eigenvalues[0] - 1) <= found.errors[0] <= 1e-3
    assert found.products < 45


def test_a_loose_tolerance_does_not_hide_an_eigenvalue_in_which_the_start_has_little_part():
    exact = torch.cat([torch.tensor([1.0, 0.9]), torch.linspace(0.6, 0.0, 198)]).double()
    start = 0.1 * vector(200)
    start[:2] = torch.tensor([0.01, 1.0])
    close(lanczos(exact.mul, start, tol=0.01).eigenvalues, [1.0], rtol=1e-3)


def test_what_the_start_cannot_reach_is_found_by_a_new_one():
    exact = torch.tensor([3.0, 2.0, 1.0, 0.0, -1.0], dtype=torch.float64)
    start = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0], dtype=torch.float64)
    close(lanczos(exact.mul, start, k=5).eigenvalues, exact.numpy())
    assert (
        lanczos(exact.mul, start, k=2).products == 2
    )  # no error can be seen from within the start's own space


def test_the_same_seed_gives_the_same_eigenvalue_and_any_seed_a_close_one():
    model, split = smooth(), blobs()
    values = [top_eigenvalue(model, split, seed=seed, tol=1e-6) for seed in (0, 0, 1, 2)]
    assert values[0] == values[1] and np.ptp(values) <= 1e-6 * values[0]


def test_where_the_gradient_is_zero_the_random_half_of_the_start_is_enough():
    model = linear(classes=2)
    nn.init.zeros_(model[1].weight)
    example = one_example().images
    both = Split(torch.cat([example, example]), torch.tensor([0, 1]))
    assert Hessian(model, both).gradient.abs().max() < 1e-16
    close(top_eigenvalue(model, both), 0.5 * float(example.square().sum()))


def test_too_few_products_end_in_an_error_that_says_how_far_they_came():
    with pytest.raises(RuntimeError, match=r"max_products=3 were too few for tol=1e-08.*raise max_products"):
        top_eigenvalue(smooth(), blobs(), tol=1e-8, max_products=3)


def test_the_trace_lies_within_its_error_and_the_error_is_hutchinson_s():
    model, split = linear(), blobs()
    exact = softmax_hessian(model, split)
    found = hutchinson_trace(model, split, num_probes=400, generator=generator())
    variance = 2 * (exact.square().sum() - exact.diagonal().square().sum())
    assert abs(found.mean - exact.trace()) < 3 * found.standard_error
    assert found.standard_error == pytest.approx(math.sqrt(variance / 400), rel=0.2)


def softplus(x):
    return math.log1p(math.exp(x))


@pytest.mark.parametrize("confidence, epsilon", [(1, 0.01), (1, 1e-4), (100, 0.01), (-100, 0.01)])
def test_keskar_s_sharpness_of_one_logistic_example_is_that_of_the_box_s_corner(confidence, epsilon):
    model, split = linear(classes=2), one_example()
    with torch.no_grad():
        model[1].weight.mul_(confidence)  # a loss from 3e-7 to 15
    w, x = model[1].weight.detach(), split.images.flatten()
    margin = float((w[1] - w[0]) @ x)
    reach = float(
        (epsilon * (w.abs() + 1)).sum(0) @ x
    )  # x is positive, so each weight moves against its margin
    found = keskar_sharpness(model, split, epsilon=epsilon)
    assert found.loss == pytest.approx(softplus(-margin))
    assert found.max_loss == pytest.approx(softplus(reach - margin), rel=1e-6)
    assert found.sharpness == pytest.approx(100 * (found.max_loss - found.loss) / (1 + found.loss))


def test_keskar_s_search_leaves_a_minimum_where_the_gradient_is_zero():
    model = linear(classes=2)
    nn.init.zeros_(model[1].weight)
    example = one_example().images
    both = Split(torch.cat([example, example]), torch.tensor([0, 1]))
    reach = 2 * 0.1 * float(example.sum())
    wanted = (softplus(reach) + softplus(-reach)) / 2
    assert keskar_sharpness(model, both, epsilon=0.1).max_loss == pytest.approx(wanted, rel=1e-6)


def test_in_a_subspace_of_one_column_keskar_s_maximum_is_that_of_a_fine_grid():
    model, split, epsilon = smooth(), blobs(), 0.05
    x = flat_weights(model)
    column = torch.randn(len(x), 1, generator=generator(4), dtype=torch.float64)
    half = epsilon * (abs((np.linalg.pinv(column.numpy()) @ x.numpy()).item()) + 1)
    grid = loss_along(model, split, x, column[:, 0], np.linspace(-half, half, 1001)).loss
    found = keskar_sharpness(model, split, epsilon=epsilon, subspace=1, seed=4)
    assert found.max_loss == pytest.approx(grid.max(), rel=1e-6)


def test_keskar_s_sharpness_grows_with_the_box_and_repeats_with_the_seed():
    model, split = mlp((4, 6, 3), seed=3).double(), blobs()
    small, large = (keskar_sharpness(model, split, epsilon=e).sharpness for e in (1e-3, 2e-3))
    assert 0 < 2 * small < large
    assert keskar_sharpness(model, split, subspace=4, seed=1) == keskar_sharpness(
        model, split, subspace=4, seed=1
    )


def test_sam_s_rise_of_one_logistic_example_is_the_one_on_paper():
    model, split = linear(classes=2), one_example()
    w, x = model[1].weight.detach(), split.images.flatten()
    margin, rho = float((w[1] - w[0]) @ x), 0.05
    wanted = softplus(rho * math.sqrt(2) * float(x.norm()) - margin) - softplus(-margin)
    assert sam_sharpness(model, split, rho=rho) == pytest.approx(wanted)
    u = w[1].square() + w[0].square()  # the adaptive step moves the margin by rho |w x|² / |w x|
    wanted = softplus(rho * float((u * x**2).sum().sqrt()) - margin) - softplus(-margin)
    assert sam_sharpness(model, split, rho=rho, adaptive=True) == pytest.approx(wanted)


@pytest.mark.parametrize("adaptive", [False, True])
def test_the_ascent_of_sam_finds_the_worst_angle_between_a_ramp_and_a_bowl_where_one_step_does_not(adaptive):
    model, rho = linear(classes=2), 0.5
    model[1].weight.data[:, :2] = w = torch.tensor([[1.99, 0], [2.0, 4]], dtype=torch.float64)
    images = torch.eye(4, dtype=torch.float64)[[0, 0, 1]].view(3, 1, 2, 2)
    split = Split(
        images, torch.tensor([0, 1, 1])
    )  # the margin of the first two makes a bowl, of the third a ramp
    reach, angle = rho * (w.norm(dim=0) if adaptive else torch.full((2,), 2**0.5)), np.linspace(0, 7, 50_000)
    bowl, ramp = 0.01 + reach[0].item() * np.cos(angle), 4 + reach[1].item() * np.sin(angle)
    worst = ((np.logaddexp(0, bowl) + np.logaddexp(0, -bowl) + np.logaddexp(0, -ramp)) / 3).max()
    first, last = (sam_sharpness(model, split, rho=rho, adaptive=adaptive, num_steps=n) for n in (1, 100))
    assert last == pytest.approx(worst - evaluate(model, split)[0], rel=1e-6) and first < last / 2


def test_chunks_change_nothing():
    whole, chunks = (sam_sharpness(smooth(), blobs(), rho=0.1, batch_size=size) for size in (20, 3))
    assert chunks == pytest.approx(whole)


def test_rescaled_layers_are_the_same_function_with_another_curvature():
    model, split = mlp((4, 6, 3), seed=3).double(), blobs()
    twin = rescale_layers(model, 5.0)
    close(twin(split.images), model(split.images), rtol=1e-12)
    assert top_eigenvalue(twin, split) > 5 * top_eigenvalue(model, split)


RELATIVE = {
    "one step": lambda m, s: sam_sharpness(m, s, rho=0.1, adaptive=True),
    "ascent": lambda m, s: sam_sharpness(m, s, rho=0.1, adaptive=True, num_steps=30),
    "eigenvalue": lambda m, s: top_eigenvalue(m, s, scale=flat_weights(m).abs(), tol=1e-10),
}


@pytest.mark.parametrize("measure", RELATIVE.values(), ids=RELATIVE)
def test_a_measure_relative_to_the_weights_is_blind_to_rescaled_layers(measure):
    model, split = mlp((4, 6, 3), seed=3).double(), blobs()
    assert measure(rescale_layers(model, 5.0), split) == pytest.approx(measure(model, split), rel=1e-9)


def test_the_step_that_is_not_adaptive_sees_rescaled_layers():
    model, split = mlp((4, 6, 3), seed=3).double(), blobs()
    before, after = (sam_sharpness(m, split, rho=0.1) for m in (model, rescale_layers(model, 5.0)))
    assert abs(after / before - 1) > 0.1


def test_along_a_line_loss_and_accuracy_are_those_of_the_weights_there():
    model, split, alphas = smooth(), blobs(), [-1.0, 0.0, 0.5, 2.0]
    start, direction = flat_weights(model), vector(43)
    line = loss_along(model, split, start, direction, alphas)
    for alpha, loss, accuracy in zip(alphas, *line, strict=True):
        with weights_at(model, start + alpha * direction):
            assert (loss, accuracy) == pytest.approx(evaluate(model, split))


def test_a_normalised_filter_is_as_long_as_the_model_s_and_a_bias_stays():
    model = nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2)).double()
    direction = vector(12 + 3 + 3 + 3 + 6 + 2)
    direction[:4] = 0
    result = filter_normalised(direction, model)
    conv, rest, dense, bias = result.split([12, 9, 6, 2])
    close(conv.view(3, 4).norm(dim=1)[1:], model[0].weight.detach().flatten(1).norm(dim=1)[1:])
    close(dense.view(2, 3).norm(dim=1), model[3].weight.detach().norm(dim=1))
    close(F.cosine_similarity(dense.view(2, 3), direction[21:27].view(2, 3)), torch.ones(2).double())
    assert not rest.any() and not bias.any() and not conv[:4].any()


def with_norm_and_dropout():
    torch.manual_seed(0)
    layers = (nn.Flatten(), nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(0.5), nn.Linear(5, 3))
    model = nn.Sequential(*layers).double()
    model(blobs(seed=3).images)  # moves the running statistics
    return model


EVERYTHING = {
    "product": lambda model, split: Hessian(model, split) @ vector(len(flat_weights(model))),
    "eigenvalue": lambda model, split: top_eigenvalue(model, split),
    "trace": lambda model, split: hutchinson_trace(model, split, num_probes=3, generator=generator()),
    "keskar": lambda model, split: keskar_sharpness(model, split),
    "sam": lambda model, split: sam_sharpness(model, split, rho=0.1),
    "line": lambda model, split: loss_along(model, split, flat_weights(model), flat_weights(model), [0, 1]),
}


@pytest.mark.parametrize("measure", EVERYTHING.values(), ids=EVERYTHING)
def test_batch_norm_and_dropout_are_those_of_evaluation_whatever_the_mode(measure):
    model, split = with_norm_and_dropout(), blobs()
    first = measure(model, split)
    for size in (5_000, 20):
        assert str(measure(model.eval(), split[:size])) == str(first) == str(measure(model.train(), split))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("measure", EVERYTHING.values(), ids=EVERYTHING)
def test_a_gpu_measures_what_a_processor_measures(measure):
    found = [measure(smooth().to(device), blobs().to(device)) for device in ("cpu", "cuda")]
    arrays = [result.cpu() if isinstance(result, torch.Tensor) else np.array(result) for result in found]
    np.testing.assert_allclose(*arrays, rtol=1e-6)


def test_a_frozen_batch_norm_is_a_fixed_affine_map():
    model, split = with_norm_and_dropout(), blobs()
    norm, (w, b) = model[2], (p.detach() for p in model[1].parameters())
    scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    plain = mlp((4, 5, 3), seed=0).double()
    plain[2] = nn.Tanh()
    plain.load_state_dict(
        {
            "1.weight": scale[:, None] * w,
            "1.bias": scale * (b - norm.running_mean) + norm.bias.detach(),
            "3.weight": model[5].weight.detach(),
            "3.bias": model[5].bias.detach(),
        }
    )
    last = [torch.cat([torch.zeros(n - 18).double(), vector(18)]) for n in (53, 43)]
    products = [Hessian(m, split) @ v for m, v in zip((model, plain), last, strict=True)]
    close(products[0][-18:], products[1][-18:])


class Breaks(nn.Module):
    """Passes on what it gets, and raises at the call of number `fuse`."""

    def __init__(self, fuse):
        super().__init__()
        self.fuse = fuse

    def forward(self, x):
        self.fuse -= 1
        if self.fuse == 0:
            raise ArithmeticError("broken")
        return x


@pytest.mark.parametrize("fuse", [-1, 1, 3])
@pytest.mark.parametrize("measure", EVERYTHING.values(), ids=EVERYTHING)
def test_weights_gradients_buffers_and_modes_are_left_as_they_were(measure, fuse):
    model = with_norm_and_dropout().append(Breaks(fuse))
    model[2].eval()
    model[5].weight.grad = torch.ones(3, 5).double()
    model[1].requires_grad_(False)
    before = [(k, t.clone()) for k, t in model.state_dict().items()]
    try:
        measure(model, blobs())
    except ArithmeticError:
        assert fuse > 0
    assert all(torch.equal(t, model.state_dict()[k]) for k, t in before)
    assert [m.training for m in model] == [True, True, False, True, True, True, True] and model.training
    assert [w.requires_grad for w in model.parameters()] == [False] * 2 + [True] * 4
    assert [w.grad is not None for w in model.parameters()] == [False] * 4 + [True, False]
    assert model[5].weight.grad.eq(1).all()


def test_weights_come_back_after_an_exception():
    model = smooth()
    before = flat_weights(model)
    with pytest.raises(ZeroDivisionError), weights_at(model, vector(43)):
        assert torch.equal(flat_weights(model), vector(43))
        _ = 1 / 0
    assert torch.equal(flat_weights(model), before)


def test_measuring_neither_reads_nor_moves_the_global_random_state():
    model, results = smooth(), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        results.append([str(measure(model, blobs())) for measure in EVERYTHING.values()])
        assert torch.equal(torch.get_rng_state(), state)
    assert results[0] == results[1]


REFUSED = {
    "v": (
        lambda m, s: Hessian(m, s) @ vector(5),
        r"v must be a vector \(43,\).*got shape \(5,\)",
    ),
    "k": (lambda m, s: top_eigenvalues(m, s, k=44), r"k must be .*between 1 and 43 .*got 44"),
    "no k": (lambda m, s: top_eigenvalues(m, s, k=0), r"between 1 and 43 .*got 0"),
    "which": (lambda m, s: top_eigenvalues(m, s, which="LA"), r'"largest" or "smallest", got \'LA\''),
    "tol": (lambda m, s: top_eigenvalue(m, s, tol=1e-15), r"tol must be between 2.2e-14.*got 1e-15"),
    "scale": (lambda m, s: top_eigenvalue(m, s, scale=vector(3)), r"scale must be a vector \(43,\)"),
    "steps": (lambda m, s: sam_sharpness(m, s, rho=1, num_steps=0), "num_steps must be .*at least 1, got 0"),
    "products": (
        lambda m, s: top_eigenvalue(m, s, max_products=0),
        "max_products must be .*at least 1, got 0",
    ),
    "probes": (
        lambda m, s: hutchinson_trace(m, s, num_probes=1, generator=generator()),
        "at least 2, got 1",
    ),
    "epsilon": (lambda m, s: keskar_sharpness(m, s, epsilon=0), "epsilon must be a positive .*got 0"),
    "subspace": (
        lambda m, s: keskar_sharpness(m, s, subspace=44),
        "subspace must be .*between 1 and 43 .*got 44",
    ),
    "rho": (lambda m, s: sam_sharpness(m, s, rho=-1), "rho must be a positive .*got -1"),
    "batch": (lambda m, s: Hessian(m, s, batch_size=0), "batch_size must be .*at least 1, got 0"),
    "direction": (lambda m, s: filter_normalised(vector(3), m), r"direction must be a vector \(43,\)"),
    "start": (lambda m, s: loss_along(m, s, vector(3), vector(43), [0]), r"start must be a vector \(43,\)"),
    "place": (lambda m, s: weights_at(m, vector(3)).__enter__(), r"vector must be a vector \(43,\)"),
    "a": (lambda m, s: rescale_layers(m, 0), "a must be a positive .*got 0"),
    "tanh": (lambda m, s: rescale_layers(m, 2), "model must be Linear, ReLU, Linear"),
    "device": (lambda m, s: Hessian(m.to("meta"), s), "model on meta but data on cpu"),
}


@pytest.mark.parametrize("call, message", REFUSED.values(), ids=REFUSED)
def test_a_wrong_argument_is_named_with_its_bound(call, message):
    with pytest.raises(ValueError, match=message):
        call(smooth(), blobs())


@pytest.mark.parametrize("measure", EVERYTHING.values(), ids=EVERYTHING)
def test_an_empty_split_is_refused(measure):
    with pytest.raises(ValueError, match="at least one example"):
        measure(smooth(), blobs()[:0])


@pytest.mark.parametrize("name", ["product", "eigenvalue", "trace", "keskar", "sam"])
def test_diverged_weights_are_refused_but_a_line_may_lead_to_them(name):
    model = smooth()
    model[3].bias.data[0] = math.nan
    with pytest.raises(ValueError, match="finite number, got nan"):
        EVERYTHING[name](model, blobs())
    assert np.isnan(EVERYTHING["line"](model, blobs()).loss).all()


def test_a_norm_that_never_keeps_statistics_is_refused():
    model = nn.Sequential(
        nn.Flatten(), nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 3)
    ).double()
    with pytest.raises(ValueError, match="track_running_stats=True"):
        top_eigenvalue(model, blobs())
