"""How the loss bends: products with its Hessian, extreme eigenvalues, sharpness in three senses, cuts through it.

Every function measures the mean cross-entropy over all examples of a fixed Split, in evaluation mode: dropout is
off and batch norm uses its running statistics, so that the loss is a plain function of the weights and the same
call gives the same result. "Weights" are all parameters of the model, frozen ones too, in one flat vector
(num_weights,) in the order of `model.parameters()`. The model comes back as it was: weights, their `.grad` and
`requires_grad`, buffers and the mode of each module, even if something raises. `batch_size` bounds the memory
used and changes nothing else.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.linalg import eigh_tridiagonal
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.func import functional_call

from course_utils.data import Split

BATCH_SIZE = 5_000  # examples in memory at a time
CLOSE = 0.03  # a neighbour of an eigenvalue nearer than this share of it may not have shown itself yet
SEEN = 1e-3  # residual, as a share of the eigenvalue, from which on no larger one was missed in 500 trials


# ------------------------------------------------------------------------------------------ weights as a vector


def flat_weights(model: nn.Module) -> Tensor:
    """Return a copy of all weights of `model` as one vector (num_weights,)."""
    return torch.cat([w.detach().flatten() for w in model.parameters()])


@contextmanager
def weights_at(model: nn.Module, vector: Tensor) -> Iterator[nn.Module]:
    """Give `model` the weights `vector` (num_weights,) inside the block, and its own again after it."""
    _check_vector("vector", vector, model)
    before = [w.detach().clone() for w in model.parameters()]
    try:
        _put(model, _unflatten(vector, before))
        yield model
    finally:
        _put(model, before)


@torch.no_grad()
def _put(model: nn.Module, values: Sequence[Tensor]) -> None:
    for w, value in zip(model.parameters(), values, strict=True):
        w.copy_(value)


def _unflatten(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    parts = vector.split([w.numel() for w in like])
    return [part.view(w.shape) for part, w in zip(parts, like, strict=True)]


def filter_normalised(direction: Tensor, model: nn.Module) -> Tensor:
    """Return `direction` (num_weights,) with each filter as long as the model's, d_f ← d_f · |w_f| / |d_f|.

    A filter is what feeds one output channel, in a dense layer one row of the matrix. Biases and the weights of
    normalisation layers, all that has one axis, become zero (Li et al. 2018, arXiv 1712.09913). Two networks
    whose weights differ only in scale then show the same picture along such a direction.
    """
    _check_vector("direction", direction, model)
    weights = [w.detach() for w in model.parameters()]
    pairs = zip(_unflatten(direction, weights), weights, strict=True)
    return torch.cat([_normalise_filters(d, w).flatten() for d, w in pairs])


def _normalise_filters(d: Tensor, w: Tensor) -> Tensor:
    if w.dim() < 2:
        return torch.zeros_like(d)
    d_norm, w_norm = d.flatten(1).norm(dim=1), w.flatten(1).norm(dim=1)
    ratio = torch.where(d_norm > 0, w_norm / d_norm, 0)  # a filter of zeros has no direction to keep
    return d * ratio.view(-1, *[1] * (d.dim() - 1))


def rescale_layers(model: nn.Sequential, a: float) -> nn.Sequential:
    """Return another network of the same function: first weights and biases times `a`, last weights over `a`.

    Since relu(a·x) = a·relu(x), this holds for two dense layers with a ReLU between them and for a > 0 (Dinh et
    al. 2017, arXiv 1703.04933). Raises ValueError for any other network or `a`.
    """
    if not 0 < a < math.inf:
        raise ValueError(
            f"a must be a positive finite number, got {a!r}: a ReLU commutes with no other factor"
        )
    twin = copy.deepcopy(model)
    layers = [layer for layer in twin if not isinstance(layer, nn.Flatten)]
    if [type(layer) for layer in layers] != [nn.Linear, nn.ReLU, nn.Linear]:
        raise ValueError(
            f"model must be Linear, ReLU, Linear, such as mlp((784, 128, 10), seed=0), got {layers}"
        )
    with torch.no_grad():
        for w, factor in ((layers[0].weight, a), (layers[0].bias, a), (layers[2].weight, 1 / a)):
            w.mul_(factor)
    return twin


# ---------------------------------------------------------------------------------- the loss and its derivatives


class _Loss:
    """The mean cross-entropy over a split as a function of the weight vector, with the model's buffers as now."""

    def __init__(self, model: nn.Module, split: Split, batch_size: int):
        _check_some(split)
        _check_plain(model)
        self.weights = flat_weights(model)
        _check_whole("batch_size", batch_size, 1)
        if split.images.device != self.weights.device:
            raise ValueError(
                f"model on {self.weights.device} but data on {split.images.device}: move one with .to(device)"
            )
        parts = split.images.split(batch_size), split.labels.split(batch_size)
        self.chunks = list(zip(*parts, strict=True))
        self.n = len(split)
        self._model = model
        self._like = dict(model.named_parameters())
        self._buffers = {name: b.clone() for name, b in model.named_buffers()}

    def logits(self, w: Tensor, images: Tensor) -> Tensor:
        """Return the logits (n, classes) for `images` (n, c, h, w) of the model with weights `w`."""
        parts = _unflatten(w, list(self._like.values()))
        state = self._buffers | dict(zip(self._like, parts, strict=True))
        with _evaluation_mode(self._model):
            return functional_call(self._model, state, (images,))

    def part(self, w: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Return the share, in nats, that one chunk has in the mean loss."""
        return F.cross_entropy(self.logits(w, images), labels, reduction="sum") / self.n

    @torch.no_grad()
    def __call__(self, w: Tensor) -> float:
        """Return the loss (nats) at `w`."""
        return sum(self.part(w, *chunk).item() for chunk in self.chunks)

    @torch.no_grad()
    def with_accuracy(self, w: Tensor) -> tuple[float, float]:
        """Return the loss (nats) and the accuracy (fraction) at `w`."""
        loss = correct = 0.0
        for images, labels in self.chunks:
            logits = self.logits(w, images)
            loss += F.cross_entropy(logits, labels, reduction="sum").item()
            correct += (logits.argmax(1) == labels).sum().item()
        return loss / self.n, correct / self.n

    @torch.enable_grad()
    def with_gradient(self, w: Tensor) -> tuple[float, Tensor]:
        """Return the loss (nats) and its gradient (num_weights,) at `w`."""
        w = w.detach().requires_grad_()
        loss, gradient = 0.0, torch.zeros_like(w)
        for chunk in self.chunks:
            part = self.part(w, *chunk)
            gradient += torch.autograd.grad(part, w)[0]
            loss += part.item()
        return loss, gradient


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:  # not model.train(), which would also set those that were in evaluation mode
            module.training = True


def hvp(loss: Tensor, weights: Sequence[Tensor], v: Tensor) -> Tensor:
    """Return the product H·v (num_weights,) of the Hessian of `loss`, a scalar made from `weights`, with `v`.

    H·v is the gradient of g·v, where g is the gradient of the loss: two backward passes and no matrix (Pearlmutter
    1994, Neural Computation 6). `v` (num_weights,) counts through `weights` in their order.
    """
    _check_length("v", v, sum(w.numel() for w in weights))
    g = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
    return _gradient_of(torch.cat([part.flatten() for part in g]), weights, v)


def _gradient_of(g: Tensor, weights: Sequence[Tensor], v: Tensor) -> Tensor:
    """Return the gradient (num_weights,) of g·v for constant `v`; the graph is kept for another `v`."""
    if not g.requires_grad:  # a loss that is linear in the weights
        return torch.zeros_like(v)
    parts = torch.autograd.grad(g, weights, v, retain_graph=True, materialize_grads=True)
    return torch.cat([part.flatten() for part in parts])


class Hessian:
    """The Hessian of the mean cross-entropy over `split`, at the weights that `model` has now: H @ v gives H·v.

    `loss` (nats) and `gradient` (num_weights,) are those of the same function; `products` counts the products
    made. Where the split fits into one chunk of `batch_size` examples, the graph of the gradient is built once
    and a product costs one pass back through it; otherwise it is built anew for every chunk and product. The
    weights are copied, so that training the model on does not change the Hessian.

    Raises ValueError for an empty split, or a loss that is no finite number.
    """

    def __init__(self, model: nn.Module, split: Split, *, batch_size: int = BATCH_SIZE):
        self._loss = _Loss(model, split, batch_size)
        self._weights = self._loss.weights.requires_grad_()
        self._graph = None
        if len(self._loss.chunks) == 1:
            self.loss, self._graph = self._gradient_graph(*self._loss.chunks[0])
            self.gradient = self._graph.detach()
        else:
            self.loss, self.gradient = self._loss.with_gradient(self._weights)
        _check_finite(self.loss)
        self.shape = (len(self._weights),) * 2
        self.products = 0

    @torch.enable_grad()
    def _gradient_graph(self, images: Tensor, labels: Tensor) -> tuple[float, Tensor]:
        loss = self._loss.part(self._weights, images, labels)
        return loss.item(), torch.autograd.grad(loss, self._weights, create_graph=True)[0]

    def __matmul__(self, v: Tensor) -> Tensor:
        _check_length("v", v, len(self._weights))
        v = v.to(self._weights)
        self.products += 1
        if self._graph is not None:
            return _gradient_of(self._graph, [self._weights], v)
        graphs = (self._gradient_graph(*chunk)[1] for chunk in self._loss.chunks)
        return sum(_gradient_of(g, [self._weights], v) for g in graphs)


def hessian_vector_product(
    model: nn.Module, split: Split, v: Tensor, *, batch_size: int = BATCH_SIZE
) -> Tensor:
    """Return H·v (num_weights,) for the Hessian H of the mean cross-entropy over `split`, and v (num_weights,).

    It is exact (see `hvp`): a difference of two gradients is not, because a ReLU's kinks count as curvature.
    Whoever needs many products at the same weights makes a `Hessian` and saves half the work.
    """
    _check_vector("v", v, model)
    return Hessian(model, split, batch_size=batch_size) @ v


# ------------------------------------------------------------------------------------------------- eigenvalues


class Eigenpairs(NamedTuple):
    """What Lanczos found: `eigenvalues` (k,) float64, the most extreme first, and `eigenvectors` (k, num_weights).

    `errors` (k,) estimates how far each eigenvalue is off, in the same unit, at least 30 roundings of the number
    format; `products` is how many H·v it took.
    """

    eigenvalues: np.ndarray
    eigenvectors: Tensor
    errors: np.ndarray
    products: int


def lanczos(
    product: Callable[[Tensor], Tensor],
    start: Tensor,
    *,
    k: int = 1,
    which: str = "largest",
    tol: float = 1e-3,
    max_products: int = 500,
) -> Eigenpairs:
    """Return the `k` "largest" or "smallest" eigenvalues (algebraically) of a symmetric `product` (n,) → (n,).

    Lanczos' method from the vector `start` (n,), every new vector made orthogonal to all earlier ones (Parlett,
    "The Symmetric Eigenvalue Problem", 1998, chapters 11 and 13). It stops after the first product at which every
    wanted eigenvalue has an error of at most `tol` and a residual of at most 1e-3, both as shares of its size, or
    of a hundredth of the largest size found where that is more. A residual r puts an eigenvalue within r, and
    within r² / gap where the nearest other one is `gap` away; as near ones show themselves late, the gap counts
    for 3 % of the eigenvalue at most. A `tol` above 1e-3 changes nothing: with the larger residuals that it could
    do with, a larger eigenvalue may still be hidden. What `start` has no part in can't be seen at all, and
    eigenvalues that are exactly equal may count as one.

    Raises ValueError for an argument out of range, RuntimeError where `max_products` are not enough.
    """
    n = len(start)
    _check_search(n, k, which, tol, max_products, start.dtype)
    generator = torch.Generator().manual_seed(0)
    basis = start.new_empty(min(n, max_products), n)
    basis[0] = start / start.norm()
    diagonal, off_diagonal = [], []
    for m in range(1, len(basis) + 1):
        w = product(basis[m - 1])
        diagonal.append(float(basis[m - 1] @ w))
        w = _orthogonalise(w, basis[:m])
        beta = float(w.norm())
        theta, vectors = eigh_tridiagonal(diagonal, off_diagonal)
        if which == "largest":
            theta, vectors = theta[::-1], vectors[:, ::-1]
        size, eps = abs(theta).max(), torch.finfo(w.dtype).eps
        ended = beta <= 100 * eps * size or m == n
        residuals = (0 if ended else beta) * abs(vectors[-1])
        errors, sizes = _errors(theta, residuals), np.maximum(abs(theta), size / 100)
        good = (errors <= tol * sizes) & (residuals <= SEEN * sizes)
        if m == n or (m >= k and good[:k].all()):
            ritz_vectors = torch.from_numpy(vectors[:, :k].T.copy()).to(w) @ basis[:m]
            return Eigenpairs(theta[:k].copy(), ritz_vectors, np.maximum(errors[:k], 30 * eps * size), m)
        if ended:  # all that `start` can reach is found: go on with what it could not
            beta = 0.0
            w = _orthogonalise(torch.randn(n, generator=generator, dtype=w.dtype).to(w.device), basis[:m])
        off_diagonal.append(beta)
        if m < len(basis):
            basis[m] = w / w.norm()
    raise RuntimeError(
        f"max_products={max_products} were too few for tol={tol}: the {which} eigenvalues stand at {theta[:k]} "
        f"with errors {errors[:k]}; raise max_products"
    )


def _orthogonalise(w: Tensor, basis: Tensor) -> Tensor:
    for _ in range(2):  # twice is enough (Parlett 1998, section 6.9)
        w = w - (basis @ w) @ basis
    return w


def _errors(theta: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Return estimates (m,) of the errors of the Ritz values `theta` (m,), sorted, from their residuals (m,)."""
    steps = abs(np.diff(theta, prepend=np.inf, append=np.inf)) if len(theta) > 1 else np.zeros(2)
    gaps = np.minimum(steps[:-1], steps[1:]) - residuals
    gaps = np.minimum(gaps, CLOSE * abs(theta))
    return residuals * np.minimum(1, residuals / np.maximum(gaps, residuals + 1e-300))


def top_eigenvalues(
    model: nn.Module,
    split: Split,
    *,
    k: int = 1,
    which: str = "largest",
    tol: float = 1e-3,
    seed: int = 0,
    max_products: int = 500,
    batch_size: int = BATCH_SIZE,
) -> Eigenpairs:
    """Return the `k` largest (or smallest) eigenvalues of the Hessian over `split` and their eigenvectors.

    See `lanczos` for `tol`, for the fields of the result and for the errors raised. It starts from the sum of two
    unit vectors: the gradient, which comes free and lies for the most part among the top eigenvectors (Gur-Ari et
    al. 2018, arXiv 1812.04754), and a random one drawn from `seed`, which has a part in every eigenvector.
    """
    hessian = Hessian(model, split, batch_size=batch_size)
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(hessian.shape[0], generator=generator).to(hessian.gradient)
    start = F.normalize(start, dim=0) + F.normalize(hessian.gradient, dim=0, eps=1e-30)
    return lanczos(hessian.__matmul__, start, k=k, which=which, tol=tol, max_products=max_products)


def top_eigenvalue(model: nn.Module, split: Split, **options) -> float:
    """Return λ_max, the largest eigenvalue of the Hessian over `split`, or the smallest for which="smallest".

    Other options, and the errors raised, are those of `top_eigenvalues`.
    """
    return float(top_eigenvalues(model, split, **options).eigenvalues[0])


class Trace(NamedTuple):
    """An estimate of a trace: its `mean` over the probes and the `standard_error` of that mean."""

    mean: float
    standard_error: float


def hutchinson_trace(
    model: nn.Module,
    split: Split,
    *,
    num_probes: int,
    generator: torch.Generator,
    batch_size: int = BATCH_SIZE,
) -> Trace:
    """Return the trace of the Hessian over `split`, the sum of its eigenvalues, as estimated by random signs.

    For a vector z of independent signs, z·Hz has the trace as its mean and 2(|H|² - Σ H_ii²) as its variance
    (Hutchinson 1990). Raises ValueError for fewer than two probes, which would leave the spread unknown.
    """
    _check_whole("num_probes", num_probes, 2)
    hessian = Hessian(model, split, batch_size=batch_size)
    samples = np.empty(num_probes)
    for i in range(num_probes):
        signs = torch.randint(2, hessian.shape[:1], generator=generator) * 2 - 1
        z = signs.to(hessian.gradient)
        samples[i] = z @ (hessian @ z)
    return Trace(float(samples.mean()), float(samples.std(ddof=1) / math.sqrt(num_probes)))


# --------------------------------------------------------------------------------------------------- sharpness


class Sharpness(NamedTuple):
    """Keskar's `sharpness`, 100 · (max_loss - loss) / (1 + loss), the losses (nats), and evaluations of the loss."""

    sharpness: float
    max_loss: float
    loss: float
    evaluations: int


def keskar_sharpness(
    model: nn.Module,
    split: Split,
    *,
    epsilon: float = 1e-3,
    subspace: int | None = None,
    seed: int = 0,
    iterations: int = 10,
    batch_size: int = BATCH_SIZE,
) -> Sharpness:
    """Return how far the loss over `split` rises within a small box around the weights, in percent of 1 + loss.

    Keskar et al. 2017 (arXiv 1609.04836), equation 3: the maximum of f(x + Ay) over |y_i| ≤ ε(|(A⁺x)_i| + 1),
    sought by `iterations` steps of L-BFGS-B on the loss, scaled to suit the box. A is the identity, or for
    `subspace` = p a matrix (num_weights, p) of normal random numbers with mean 0 and variance 1, drawn from
    `seed`; A⁺ is its pseudo-inverse. The search starts at a random point of the inner tenth of the box, because
    at a minimum there is no gradient to follow, and the highest loss it meets counts, so that the sharpness is
    never negative.

    Raises ValueError for an argument out of range, or a loss that is no finite number.
    """
    _check_positive("epsilon", epsilon)
    _check_whole("iterations", iterations, 1)
    loss = _Loss(model, split, batch_size)
    x = loss.weights
    generator = torch.Generator().manual_seed(seed)
    matrix = None if subspace is None else _random_matrix(x, subspace, generator)
    coordinates = (
        x if matrix is None else torch.linalg.lstsq(matrix, x[:, None], driver="gels").solution[:, 0]
    )
    half = epsilon * (coordinates.abs().double().cpu().numpy() + 1)  # half the width of the box
    losses = [loss(x)]
    _check_finite(losses[0])

    def measure(y: np.ndarray) -> tuple[float, np.ndarray]:
        step = torch.from_numpy(y).to(x)
        value, gradient = loss.with_gradient(x + (step if matrix is None else matrix @ step))
        losses.append(value)
        return value, (gradient if matrix is None else gradient @ matrix).double().cpu().numpy()

    def objective(y: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = measure(y)
        return -scale * value, -scale * gradient

    start = half * (torch.rand(len(half), generator=generator, dtype=torch.float64).numpy() * 2 - 1) / 10
    # The first step is as long as the gradient. Unscaled, ten steps cross a box of 1e-3 at a loss of 0.3, but at
    # a loss of 2e-4 they find a tenth of the maximum: where the loss is low, any minimum would pass for flat.
    scale = 10 * half.sum() / (abs(measure(start)[1]).sum() or 1)
    options = {"maxiter": iterations, "ftol": 0, "gtol": 0}  # or a flat minimum would end the search at once
    minimize(objective, start, jac=True, method="L-BFGS-B", bounds=np.c_[-half, half], options=options)
    highest = float(np.nanmax(losses))
    return Sharpness(100 * (highest - losses[0]) / (1 + losses[0]), highest, losses[0], len(losses))


def _random_matrix(x: Tensor, columns: int, generator: torch.Generator) -> Tensor:
    _check_whole("subspace", columns, 1, len(x), " (the number of weights)")
    return torch.randn(len(x), columns, generator=generator, dtype=x.dtype).to(x.device)


def sam_sharpness(
    model: nn.Module,
    split: Split,
    *,
    rho: float,
    group_size: int | None = None,
    adaptive: bool = False,
    batch_size: int = BATCH_SIZE,
) -> float:
    """Return by how much (nats) the loss rises at SAM's worst step of length `rho`, averaged over groups.

    The step is e = rho·g / |g|, the worst to first order, with g the gradient over a group of `group_size`
    consecutive examples (None: all): the m-sharpness of Foret et al. 2021 (arXiv 2010.01412). `adaptive` measures
    length against the size of each weight, e = rho·w²·g / |w·g| (Kwon et al. 2021, arXiv 2102.11600), which
    leaves the result as it is when layers are rescaled. A last group that is short counts by its examples.

    Raises ValueError for an argument out of range, or a loss that is no finite number.
    """
    _check_positive("rho", rho)
    _check_some(split)
    group_size = len(split) if group_size is None else group_size
    _check_whole("group_size", group_size, 1, len(split), " (the number of examples)")
    rise = 0.0
    for first in range(0, len(split), group_size):
        loss = _Loss(model, split[first : first + group_size], batch_size)
        before, g = loss.with_gradient(loss.weights)
        _check_finite(before)
        size = loss.weights.abs() if adaptive else 1
        length = (size * g).norm()
        step = size**2 * g * (rho / length) if length > 0 else torch.zeros_like(g)
        rise += (loss(loss.weights + step) - before) * loss.n / len(split)
    return rise


class Line(NamedTuple):
    """Mean `loss` (nats) and `accuracy` (fraction) at each point of a line, float64 (points,) each."""

    loss: np.ndarray
    accuracy: np.ndarray


def loss_along(
    model: nn.Module,
    split: Split,
    start: Tensor,
    direction: Tensor,
    alphas: Sequence[float],
    *,
    batch_size: int = BATCH_SIZE,
) -> Line:
    """Return loss and accuracy (len(alphas),) over `split` at the weights start + α·direction, for each α.

    `start` and `direction` are weight vectors (num_weights,); with direction = end - start the line joins two
    networks (Goodfellow et al. 2015, arXiv 1412.6544). A loss too large for its number format comes back as inf
    or NaN. Batch norm's running statistics stay those of `model`, which fit no other point of the line.
    """
    _check_vector("start", start, model)
    _check_vector("direction", direction, model)
    loss = _Loss(model, split, batch_size)
    start, direction = start.to(loss.weights), direction.to(loss.weights)
    points = [loss.with_accuracy(start + float(alpha) * direction) for alpha in alphas]
    return Line(*np.array(points, dtype=float).reshape(-1, 2).T)


# ------------------------------------------------------------------------------------------ what is refused


def _check_some(split: Split) -> None:
    if len(split) == 0:
        raise ValueError("curvature needs at least one example, got an empty split")


def _check_plain(model: nn.Module) -> None:
    for name, module in model.named_modules():
        batch_norm = isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
        if batch_norm and not module.track_running_stats:
            raise ValueError(
                f"the loss must be a function of the weights alone, but {name} ({module}) takes its statistics "
                "from each batch: make it with track_running_stats=True"
            )


def _check_vector(name: str, v: Tensor, model: nn.Module) -> None:
    _check_length(name, v, sum(w.numel() for w in model.parameters()))


def _check_length(name: str, v: Tensor, n: int) -> None:
    if tuple(v.shape) != (n,):
        raise ValueError(
            f"{name} must be a vector ({n},), one number a weight, as flat_weights gives it; "
            f"got shape {tuple(v.shape)}"
        )


def _check_finite(loss: float) -> None:
    if not math.isfinite(loss):
        raise ValueError(
            f"the loss must be a finite number, got {loss}: the weights have diverged; train with a smaller lr"
        )


def _check_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be a positive finite number, such as 1e-3, got {value!r}")


def _check_whole(name: str, value: int, low: int, high: float = math.inf, why: str = "") -> None:
    if not (hasattr(value, "__index__") and low <= value <= high):
        bound = f"of at least {low}" if high == math.inf else f"between {low} and {high}{why}"
        raise ValueError(f"{name} must be a whole number {bound}, got {value!r}")


def _check_search(n: int, k: int, which: str, tol: float, max_products: int, dtype: torch.dtype) -> None:
    _check_whole("k", k, 1, n, " (the number of weights)")
    _check_whole("max_products", max_products, 1)
    if which not in ("largest", "smallest"):
        raise ValueError(f'which must be "largest" or "smallest", got {which!r}')
    finest = 100 * torch.finfo(dtype).eps
    if not finest <= tol < 1:
        raise ValueError(
            f"tol must be between {finest:.1e} (what {dtype} can tell apart) and 1, got {tol!r}; "
            "for less, convert model and data to float64"
        )
