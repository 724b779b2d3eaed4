import pytest
import torch

from course_utils.models import mlp
from lessons.lesson_4.keskar import c1


def test_weights_depend_on_seed_and_sizes_alone_and_leave_the_global_state_untouched():
    state = torch.random.get_rng_state()
    first = mlp((784, 128, 10), seed=3)
    torch.rand(5)
    second = mlp((784, 128, 10), seed=3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    torch.random.set_rng_state(state)
    mlp((784, 128, 10), seed=4)
    assert torch.equal(state, torch.random.get_rng_state())


def test_weights_are_he_normal_and_biases_zero():
    linear = mlp((1000, 400, 10), seed=0)[1]
    assert linear.weight.std().item() == pytest.approx((2 / 1000) ** 0.5, rel=0.01)
    assert linear.weight.mean().item() == pytest.approx(0, abs=1e-3)
    assert not linear.bias.any()


def test_784_128_10_has_the_weights_that_one_counts_by_hand():
    model = mlp((784, 128, 10), seed=0)
    assert sum(w.numel() for w in model.parameters()) == 784 * 128 + 128 + 128 * 10 + 10
    assert model(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize("sizes", [(784,), (784, 0, 10), ()])
def test_sizes_that_make_no_network_are_named(sizes):
    with pytest.raises(ValueError, match="at least two positive layer widths"):
        mlp(sizes, seed=0)


def count(model):
    return sum(w.numel() for w in model.parameters())


def test_batch_norm_stands_before_each_relu_and_leaves_the_weights_alone():
    plain, normed = mlp((8, 6, 5, 3), seed=0), mlp((8, 6, 5, 3), seed=0, batch_norm=True)
    names = [type(layer).__name__ for layer in normed]
    assert names == ["Flatten", *["Linear", "BatchNorm1d", "ReLU"] * 2, "Linear"]
    linears = [[m.weight for m in model if isinstance(m, torch.nn.Linear)] for model in (plain, normed)]
    assert all(torch.equal(a, b) for a, b in zip(*linears, strict=True))


def test_keskar_c1_has_the_weights_that_one_counts_by_hand():
    convolutions = (3 * 25 * 64 + 64) + (64 * 25 * 64 + 64)
    dense = (4096 * 384 + 384) + (384 * 192 + 192) + (192 * 10 + 10)
    norms = 2 * (64 + 64 + 384 + 192)
    assert count(c1(seed=0)) == convolutions + dense + norms
    assert c1(seed=0, width=8)(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
