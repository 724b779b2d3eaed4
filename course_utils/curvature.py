"""How the loss bends: products with its Hessian, extreme eigenvalues, sharpness in three senses, cuts through it.

Every function measures the mean cross-entropy over all examples of a fixed Split, in evaluation mode: dropout is
off and batch norm uses its running statistics, so that the loss is a plain function of the weights and the same
call gives the same result. "Weights" are all parameters of the model, frozen ones too, in one flat vector
(num_weights,) in the order of `model.parameters()`. The model comes back as it was: weights, their `.grad` and
`requires_grad`, buffers and the mode of each module, even if something raises. `batch_size` bounds the memory
used and changes nothing else.
"""

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
from course_utils.training import check_positive, check_whole, evaluate, evaluation_mode

CHUNK = 5_000  # examples in memory at a time
CLOSE = 0.03  # a neighbour of an eigenvalue nearer than this share of it may not have shown itself yet
SEEN = 1e-3  # residual, as a share of the eigenvalue, from which on no larger one was missed in 500 trials
WEIGHTS = "the number of weights"


def flat_weights(model: nn.Module) -> Tensor:
    """Return a copy of all weights of `model` as one vector (num_weights,)."""
    return torch.cat([w.detach().flatten() for w in model.parameters()])


@contextmanager
def weights_at(model: nn.Module, vector: Tensor) -> Iterator[nn.Module]:
    """Give `model` the weights `vector` (num_weights,) inside the block, and its own again after it."""
    before = flat_weights(model)
    try:
        _put(model, _vector("vector", vector, before))
        yield model
    finally:
        _put(model, before)


@torch.no_grad()
def _put(model: nn.Module, vector: Tensor) -> None:
    for w, value in zip(model.parameters(), _unflatten(vector, list(model.parameters())), strict=True):
        w.copy_(value)


def _unflatten(vector: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    parts = vector.split([w.numel() for w in like])
    return [part.view(w.shape) for part, w in zip(parts, like, strict=True)]


def _vector(name: str, v: Tensor, weights: Tensor) -> Tensor:
    """Return `v` on the device and in the precision of `weights` (n,); raise ValueError unless it is (n,) as well."""
    if v.shape != weights.shape:
        wanted = f"a vector ({len(weights)},), as flat_weights gives it"
        raise ValueError(f"{name} must be {wanted}; got shape {tuple(v.shape)}")
    return _like(weights, v)


def _like(weights: Tensor, values: Tensor | np.ndarray) -> Tensor:
    """Return `values` in the precision of `weights` and on their device, in this order: not every one has float64."""
    return torch.as_tensor(values).to(weights.dtype).to(weights.device)


class _Loss:
    """The mean cross-entropy over a split as a function of the weight vector, with the model's buffers as now."""

    def __init__(self, model: nn.Module, split: Split, batch_size: int):
        self.weights = flat_weights(model)
        _check_function(model, split)
        check_whole("batch_size", batch_size)
        self.chunks = list(zip(split.images.split(batch_size), split.labels.split(batch_size), strict=True))
        self.n, self._model = len(split), model
        self._like = dict(model.named_parameters())
        self._buffers = {name: b.clone() for name, b in model.named_buffers()}

    def part(self, w: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Return the share, in nats, that one chunk has in the mean loss of the model with weights `w`."""
        parts = _unflatten(w, list(self._like.values()))
        state = self._buffers | dict(zip(self._like, parts, strict=True))
        with evaluation_mode(self._model):
            logits = functional_call(self._model, state, (images,))
        return F.cross_entropy(logits, labels, reduction="sum") / self.n

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

    def at_weights(self) -> tuple[float, Tensor]:
        """Return the same at the weights of the model; raise ValueError for a loss that is no finite number."""
        loss, gradient = self.with_gradient(self.weights)
        if not math.isfinite(loss):
            raise ValueError(f"the loss must be a finite number, got {loss}: train with a smaller lr")
        return loss, gradient


def hvp(loss: Tensor, weights: Sequence[Tensor], v: Tensor) -> Tensor:
    """Return the product H·v (num_weights,) of the Hessian of `loss`, a scalar made from `weights`, with `v`.

    H·v is the gradient of g·v, where g is the gradient of the loss: two backward passes and no matrix (Pearlmutter
    1994, Neural Computation 6). `v` (num_weights,) counts through `weights` in their order. It is exact: a
    difference of two gradients is not, because a ReLU's kinks count as curvature.
    """
    g = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
    g = torch.cat([part.flatten() for part in g])
    return _gradient_of(g, weights, _vector("v", v, g))


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

    def __init__(self, model: nn.Module, split: Split, *, batch_size=CHUNK):
        self._loss = _Loss(model, split, batch_size)
        self.loss, self.gradient = self._loss.at_weights()
        self._weights = self._loss.weights.requires_grad_()
        chunks = self._loss.chunks
        self._graphs = [self._graph(*chunks[0])] if len(chunks) == 1 else []
        self.shape, self.products = (len(self._weights),) * 2, 0

    @torch.enable_grad()
    def _graph(self, images: Tensor, labels: Tensor) -> Tensor:
        loss = self._loss.part(self._weights, images, labels)
        return torch.autograd.grad(loss, self._weights, create_graph=True)[0]

    def __matmul__(self, v: Tensor) -> Tensor:
        v = _vector("v", v, self._weights)
        self.products += 1
        graphs = self._graphs or (self._graph(*chunk) for chunk in self._loss.chunks)
        return sum(_gradient_of(g, [self._weights], v) for g in graphs)


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
    product: Callable[[Tensor], Tensor], start: Tensor, *, k=1, which="largest", tol=1e-3, max_products=500
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
    check_whole("k", k, 1, n, WEIGHTS)
    check_whole("max_products", max_products)
    _check_search(which, tol, start.dtype)
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
            ritz_vectors = _like(basis, vectors[:, :k].T.copy()) @ basis[:m]
            return Eigenpairs(theta[:k].copy(), ritz_vectors, np.maximum(errors[:k], 30 * eps * size), m)
        if ended:  # all that `start` can reach is found: go on with what it could not
            beta = 0.0
            w = _orthogonalise(_like(w, torch.randn(n, generator=generator, dtype=w.dtype)), basis[:m])
        off_diagonal.append(beta)
        if m < len(basis):
            basis[m] = w / w.norm()
    stand = f"the {which} eigenvalues stand at {theta[:k]} with errors {errors[:k]}"
    raise RuntimeError(f"max_products={max_products} were too few for tol={tol}: {stand}; raise max_products")


def _orthogonalise(w: Tensor, basis: Tensor) -> Tensor:
    for _ in range(2):  # twice is enough (Parlett 1998, section 6.9)
        w = w - (basis @ w) @ basis
    return w


def _errors(theta: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Return estimates (m,) of the errors of the Ritz values `theta` (m,), sorted, from their residuals (m,)."""
    steps = abs(np.diff(theta, prepend=np.inf, append=np.inf)) if len(theta) > 1 else np.zeros(2)
    gaps = np.minimum(np.minimum(steps[:-1], steps[1:]) - residuals, CLOSE * abs(theta))
    return residuals * np.minimum(1, residuals / np.maximum(gaps, residuals + 1e-300))


def top_eigenvalues(
    model: nn.Module, split: Split, *, scale: Tensor | None = None, seed=0, batch_size=CHUNK, **search
) -> Eigenpairs:
    """Return the `k` largest (or smallest) eigenvalues of the Hessian H over `split` and their eigenvectors.

    With a vector `scale` (num_weights,) they are those of D·H·D, where D = diag(scale): for scale = |w| curvature
    per relative change of each weight, blind to rescaled layers (Kwon et al. 2021, arXiv 2102.11600).

    See `lanczos` for k, which, tol and max_products, for the fields of the result and for the errors raised. It
    starts from the sum of two unit vectors: the gradient, which comes free and lies for the most part among the
    top eigenvectors (Gur-Ari et al. 2018, arXiv 1812.04754), and a random one drawn from `seed`, which has a part
    in every eigenvector.
    """
    hessian = Hessian(model, split, batch_size=batch_size)
    g = hessian.gradient
    d = 1 if scale is None else _vector("scale", scale, g)
    random = _like(g, torch.randn(len(g), generator=torch.Generator().manual_seed(seed)))
    start = F.normalize(random, dim=0) + F.normalize(d * g, dim=0, eps=1e-30)
    return lanczos(lambda v: d * (hessian @ (d * v)), start, **search)


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
    model: nn.Module, split: Split, *, num_probes: int, generator: torch.Generator, batch_size=CHUNK
) -> Trace:
    """Return the trace of the Hessian over `split`, the sum of its eigenvalues, as estimated by random signs.

    For a vector z of independent signs, z·Hz has the trace as its mean and 2(|H|² - Σ H_ii²) as its variance
    (Hutchinson 1990). Raises ValueError for fewer than two probes, which would leave the spread unknown.
    """
    check_whole("num_probes", num_probes, 2)
    hessian = Hessian(model, split, batch_size=batch_size)
    samples = np.empty(num_probes)
    for i in range(num_probes):
        z = _like(hessian.gradient, torch.randint(2, hessian.shape[:1], generator=generator) * 2 - 1)
        samples[i] = float(z @ (hessian @ z))
    return Trace(float(samples.mean()), float(samples.std(ddof=1) / math.sqrt(num_probes)))


class Sharpness(NamedTuple):
    """Keskar's `sharpness`, 100 · (max_loss - loss) / (1 + loss), in percent, and the two losses (nats)."""

    sharpness: float
    max_loss: float
    loss: float


def keskar_sharpness(
    model: nn.Module, split: Split, *, epsilon=1e-3, subspace: int | None = None, seed=0, batch_size=CHUNK
) -> Sharpness:
    """Return how far the loss over `split` rises within a small box around the weights, in percent of 1 + loss.

    Keskar et al. 2017 (arXiv 1609.04836), equation 3: the maximum of f(x + Ay) over |y_i| ≤ ε(|(A⁺x)_i| + 1),
    sought by ten steps of L-BFGS-B on the loss, scaled to suit the box. A is the identity, or for `subspace` = p
    a matrix (num_weights, p) of standard normal numbers drawn from `seed`; A⁺ is its pseudo-inverse. The search
    starts at a random point of the inner tenth of the box, because at a minimum there is no gradient to follow,
    and the highest loss it meets counts, so that the sharpness is never negative.

    Raises ValueError for an argument out of range, or a loss that is no finite number.
    """
    check_positive("epsilon", epsilon)
    loss = _Loss(model, split, batch_size)
    losses = [loss.at_weights()[0]]
    x, generator = loss.weights, torch.Generator().manual_seed(seed)
    matrix, coordinates = None, x.cpu()
    if subspace is not None:
        check_whole("subspace", subspace, 1, len(x), WEIGHTS)
        matrix = torch.randn(len(x), subspace, generator=generator, dtype=x.dtype)
        coordinates = torch.linalg.lstsq(matrix, coordinates[:, None], driver="gels").solution[:, 0]
    half = epsilon * (coordinates.abs().double().numpy() + 1)  # half the width of the box

    def measure(y: np.ndarray) -> tuple[float, np.ndarray]:
        y = torch.from_numpy(y).to(x.dtype)
        value, gradient = loss.with_gradient(x + (y if matrix is None else matrix @ y).to(x.device))
        losses.append(value)
        gradient = gradient.cpu() if matrix is None else gradient.cpu() @ matrix
        return value, gradient.double().numpy()

    def downhill(y: np.ndarray) -> tuple[float, np.ndarray]:
        return tuple(-scale * part for part in measure(y))

    start = half * (torch.rand(len(half), generator=generator, dtype=torch.float64).numpy() * 2 - 1) / 10
    # The first step is as long as the gradient. Unscaled, ten steps cross a box of 1e-3 at a loss of 0.3, but at
    # a loss of 2e-4 they find a tenth of the maximum: where the loss is low, any minimum would pass for flat.
    scale = 10 * half.sum() / (abs(measure(start)[1]).sum() or 1)
    options = {"maxiter": 10, "ftol": 0, "gtol": 0}  # or a flat minimum would end the search at once
    minimize(downhill, start, jac=True, method="L-BFGS-B", bounds=np.c_[-half, half], options=options)
    highest = float(np.nanmax(losses))
    return Sharpness(100 * (highest - losses[0]) / (1 + losses[0]), highest, losses[0])


def sam_sharpness(
    model: nn.Module, split: Split, *, rho: float, adaptive=False, num_steps=1, batch_size=CHUNK
) -> float:
    """Return by how much (nats) the loss over `split` rises at the worst step of length `rho`.

    This is the sharpness of Foret et al. 2021 (arXiv 2010.01412). `adaptive` takes the length of e / |w|, weight
    by weight (Kwon et al. 2021, arXiv 2102.11600), which makes the result blind to rescaled layers.

    One step is the worst to first order, e = rho·g / |g|, or rho·w²·g / |w·g|, which misleads where the slope g
    nearly vanishes. With more `num_steps`, g is taken anew where the last step led, and the highest loss met counts:
    projected ascent with a long stride, which rises at every step where the loss is convex (Journée et al. 2010,
    JMLR 11). On networks 784-32-10, 30 steps and 300 agreed to four digits.

    Raises ValueError for an argument out of range, or a loss that is no finite number.
    """
    check_positive("rho", rho)
    check_whole("num_steps", num_steps)
    loss = _Loss(model, split, batch_size)
    before, g = loss.at_weights()
    size = loss.weights.abs() if adaptive else 1
    losses = []
    for _ in range(num_steps):
        length = (size * g).norm()
        step = size**2 * g * (rho / length) if length > 0 else torch.zeros_like(g)
        value, g = loss.with_gradient(loss.weights + step)
        losses.append(value)
    return float(np.max(losses)) - before


class Line(NamedTuple):
    """Mean `loss` (nats) and `accuracy` (fraction) at each point of a line, float64 (points,) each."""

    loss: np.ndarray
    accuracy: np.ndarray


def loss_along(model: nn.Module, split: Split, start: Tensor, direction: Tensor, alphas: Sequence) -> Line:
    """Return loss and accuracy (len(alphas),) over `split` at the weights start + α·direction, for each α.

    `start` and `direction` are weight vectors (num_weights,); with direction = end - start the line joins two
    networks (Goodfellow et al. 2015, arXiv 1412.6544). A loss too large for its number format comes back as inf
    or NaN. Batch norm's running statistics stay those of `model`, which fit no other point of the line.
    """
    weights = flat_weights(model)
    start, direction = _vector("start", start, weights), _vector("direction", direction, weights)
    _check_function(model, split)
    points = []
    for alpha in alphas:
        with weights_at(model, start + float(alpha) * direction):
            points.append(evaluate(model, split, batch_size=CHUNK))
    return Line(*np.array(points, dtype=float).reshape(-1, 2).T)


def _check_function(model: nn.Module, split: Split) -> None:
    """Raise ValueError unless the mean loss over `split` is a function of the weights of `model` alone."""
    here, there = next(model.parameters()).device, split.images.device
    if len(split) == 0:
        raise ValueError("a loss needs at least one example, got an empty split")
    if here != there:
        raise ValueError(f"model on {here} but data on {there}: move one with .to(device)")
    for name, module in model.named_modules():
        batch_norm = isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)
        if batch_norm and not module.track_running_stats:
            raise ValueError(f"{name} ({module}) needs track_running_stats=True, or the loss varies with B")


def _check_search(which: str, tol: float, dtype: torch.dtype) -> None:
    if which not in ("largest", "smallest"):
        raise ValueError(f'which must be "largest" or "smallest", got {which!r}')
    finest = 100 * torch.finfo(dtype).eps
    if not finest <= tol < 1:
        raise ValueError(f"tol must be between {finest:.1e} and 1 in {dtype}, got {tol!r}; finer in float64")
