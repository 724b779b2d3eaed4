import gzip
import hashlib
import io
import os
import pickle
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_server import serve

from course_utils import data
from course_utils.data import ArrayUnpickler, DataError, Split, fetch, load_cifar10, load_mnist

FOLDER = os.environ.get("COURSE_DATA") or os.devnull
CONTENT = np.random.RandomState(0).bytes(100_000)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """No data folder, no proxy before the server, and time-outs fit for a test."""
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(data, "TIMEOUT", (0.5, 0.5))
    monkeypatch.setitem(data.SHA256, "content.bin", sha256(CONTENT))


@pytest.fixture
def server():
    with serve(CONTENT) as bad_server:
        yield bad_server


def get(server, cache, *mirrors):
    """Fetch CONTENT from the server's `mirrors`."""
    return fetch("content.bin", [server.url(name) for name in mirrors], cache)


# Splits


@pytest.fixture
def split():
    return Split(torch.arange(12.0).reshape(3, 1, 2, 2), torch.tensor([7, 8, 9]))


@pytest.mark.parametrize("index", [torch.tensor([2, 1]), slice(1, 3)])
def test_a_part_of_a_split_is_a_split_that_keeps_images_and_labels_together(split, index):
    part = split[index]
    assert len(part) == 2 and part.images.shape == (2, 1, 2, 2)
    assert torch.equal(part.images[:, 0, 0, 0], 4.0 * (part.labels - 7))


def test_one_example_of_a_split_must_be_asked_for_by_a_slice(split):
    with pytest.raises(ValueError, match=r"got \(1, 2, 2\) and \(\).*split\[3:4\]"):
        split[0]


def test_a_split_with_more_labels_than_images_is_refused(split):
    with pytest.raises(ValueError, match=r"got \(3, 1, 2, 2\) and \(2,\)"):
        Split(split.images, split.labels[:2])


def test_a_split_moves_to_a_device_with_both_its_tensors(split):
    moved = split.to("meta")
    assert moved.images.device.type == moved.labels.device.type == "meta"


def test_a_split_shows_its_shapes_and_not_its_pixels(split):
    assert repr(split) == "Split(images (3, 1, 2, 2), labels (3,))"


# The embedded digits


def distinct(*splits):
    return len({sha256(image) for split in splits for image in split.images.numpy()})


def test_the_embedded_digits_are_4000_500_and_500_all_distinct_with_each_class_equally_often():
    splits = load_mnist()
    for split, per_class in zip(splits, (400, 50, 50), strict=True):
        assert split.images.shape == (10 * per_class, 1, 28, 28) and split.images.dtype == torch.float32
        assert split.labels.bincount().tolist() == [per_class] * 10 and split.labels.dtype == torch.int64
        assert (split.images.min(), split.images.max()) == (0.0, 1.0)
    assert distinct(*splits) == 5000


def test_the_embedded_splits_never_change():
    train, _, test = load_mnist()
    assert train.labels[:10].tolist() == [2, 8, 2, 8, 3, 9, 3, 6, 0, 7]
    pixels = test.images.mul(255).round().byte().numpy()
    assert sha256(pixels) == "377feb520d92c978b253d4c191f9d01cd3cc05a35610f1fe7e81b485f8177853"


def test_the_attribution_names_the_checksum_of_the_embedded_file():
    attribution = data.DIGITS_FILE.with_name("ATTRIBUTION.md").read_text(encoding="utf-8")
    assert f"sha256: `{sha256(data.DIGITS_FILE.read_bytes())}`" in attribution


def test_the_embedded_digits_need_no_data_folder(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "no such folder")
    assert len(load_mnist()[0]) == 4000


def test_importing_data_brings_in_nothing_that_downloads():
    code = (
        "import torch, sys; old = set(sys.modules); import course_utils.data; print(*set(sys.modules) - old)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8").stdout
    assert "course_utils.data" in loaded and not {"pooch", "requests"} & set(loaded.split())


# File formats


def idx(array):
    return b"\x00\x00\x08" + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def pickled_batch(images, labels):
    """Return a pickle of plain containers and one array, which names what NumPy 1 named."""
    batch = {b"data": images.reshape(len(images), -1), b"labels": labels.tolist()}
    return pickle.dumps(batch, protocol=3).replace(b"numpy._core", b"numpy.core")


def test_a_pickle_that_would_run_a_command_is_refused_before_it_runs(tmp_path):
    marker = tmp_path / "ran"
    evil = f"cos\nsystem\n(Vecho > {marker}\ntR.".encode()
    with pytest.raises(pickle.UnpicklingError, match="system"):
        ArrayUnpickler(io.BytesIO(evil)).load()
    assert not marker.exists()
    pickle.loads(evil)
    assert marker.exists(), "the pickle was harmless, so the test showed nothing"


@pytest.mark.parametrize(
    "module, name",
    [("numpy.testing._private.utils", "runstring"), ("numpy", "load"), ("numpy", "ndarray.tofile")],
)
def test_a_pickle_gets_nothing_that_only_looks_like_an_array(module, name):
    with pytest.raises(pickle.UnpicklingError, match=re.escape(f"{module}.{name}")):
        ArrayUnpickler(io.BytesIO()).find_class(module, name)


# The data folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "folder"))
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def test_a_file_in_the_data_folder_is_used_and_no_server_asked(server, folder, tmp_path):
    (folder / "content.bin").write_bytes(CONTENT)
    assert get(server, tmp_path, "good") == CONTENT
    assert server.requests == []


def test_a_file_in_the_data_folder_with_a_wrong_checksum_is_named_and_not_used(server, folder, tmp_path):
    (folder / "content.bin").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(DataError, match=f"{re.escape(str(folder / 'content.bin'))} is damaged"):
        get(server, tmp_path, "good")
    assert server.requests == []


@pytest.mark.parametrize("name", ["a file", "not there"])
def test_a_data_folder_that_is_no_folder_is_an_error(tmp_path, monkeypatch, name):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / name))
    with pytest.raises(DataError, match=f"COURSE_DATA must name a folder, got .*{name}"):
        load_mnist(full=True)


@pytest.fixture
def put(folder, monkeypatch):
    """Write a file into the data folder, and take its checksum for the published one."""

    def put(path, content):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        monkeypatch.setitem(data.SHA256, path, sha256(content))

    return put


@pytest.mark.parametrize("ending, pack", [("", bytes), (".gz", gzip.compress)])
def test_mnist_is_read_unpacked_or_gzipped_and_a_twelfth_of_each_class_validates(put, ending, pack):
    images = np.random.RandomState(0).randint(256, size=(240, 2, 2), dtype=np.uint8)
    labels = (np.arange(240) % 5).astype(np.uint8)
    for stem, array in zip(data.MNIST_STEMS, (images, labels, images[:7], labels[:7]), strict=True):
        put(f"MNIST/raw/{stem}-ubyte{ending}", pack(idx(array)))
    train, valid, test = load_mnist(full=True)
    assert train.labels.bincount().tolist() == [44] * 5 and valid.labels.bincount().tolist() == [4] * 5
    assert distinct(train, valid) == 240
    assert torch.equal(test.images * 255, torch.tensor(images[:7, None]))


@pytest.fixture
def batches():
    """The bytes of CIFAR-10's batches by name, with 20 pictures in each."""
    pictures = np.random.RandomState(0).randint(256, size=(6, 20, 3, 32, 32), dtype=np.uint8)
    packed = [pickled_batch(images, np.arange(20) % 10) for images in pictures]
    return dict(zip(data.CIFAR10_BATCHES, packed, strict=True))


def assert_batches(splits):
    train, valid, test = splits
    assert train.labels.bincount().tolist() == [9] * 10 and valid.labels.bincount().tolist() == [1] * 10
    assert distinct(train, valid) == 100 and distinct(train, valid, test) == 120
    assert torch.equal(test.labels, torch.arange(20) % 10)


def test_cifar10_is_read_from_its_six_batches(put, batches):
    for path, batch in batches.items():
        put(path, batch)
    assert_batches(load_cifar10())


def test_cifar10_is_read_from_its_archive_and_nothing_is_unpacked(put, batches, folder):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for path, batch in batches.items():
            member = tarfile.TarInfo(path)
            member.size = len(batch)
            tar.addfile(member, io.BytesIO(batch))
    put("cifar-10-python.tar.gz", content.getvalue())
    assert_batches(load_cifar10())
    assert [path.name for path in folder.iterdir()] == ["cifar-10-python.tar.gz"]


# Downloads


FAULTS = {
    "missing": "404",
    "wrong_bytes": "does not match the known hash",
    "truncated": "IncompleteRead",
    "no_length_truncated": "does not match the known hash",
    "garbage": "this is no HTTP",
    "silent": "timed out",
    "half": "timed out",
}


def test_one_error_lists_all_that_was_tried_and_nothing_is_left(server, tmp_path):
    with pytest.raises(DataError, match="What to do") as caught:
        get(server, tmp_path, *FAULTS)
    tried = str(caught.value).splitlines()[1:-1]
    assert tried[:2] == [
        "  COURSE_DATA (not set): has no such file",
        f"  {tmp_path / 'content.bin'}: missing or damaged",
    ]
    for line, (fault, says) in zip(tried[2:], FAULTS.items(), strict=True):
        assert line.startswith(f"  {server.url(fault)}: ") and says in line
    assert list(tmp_path.iterdir()) == []


def test_the_mirrors_are_tried_in_turn_until_one_is_good(server, tmp_path):
    assert get(server, tmp_path, "truncated", "moved", "never_asked") == CONTENT
    assert server.requests == ["truncated", "moved", "good"]
    assert [path.name for path in tmp_path.iterdir()] == ["content.bin"]


def test_a_server_that_is_down_is_an_error(tmp_path):
    with serve(CONTENT) as gone:
        pass
    with pytest.raises(DataError, match="refused"):
        get(gone, tmp_path, "good")


def test_a_damaged_file_in_the_cache_is_fetched_again_and_a_whole_one_read(server, folder, tmp_path):
    (tmp_path / "content.bin").write_bytes(CONTENT[:5000])
    assert get(server, tmp_path, "good") == CONTENT == get(server, tmp_path, "missing")
    assert server.requests == ["good"]


def test_a_cache_that_cannot_be_made_is_an_error_that_names_it(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=re.escape(f"'{tmp_path / 'file'}")):
        get(server, tmp_path / "file" / "cache", "good")


@pytest.mark.skipif(sys.platform != "linux", reason="sets the cache folder in Linux's way")
def test_downloads_are_kept_in_the_users_cache_folder_and_all_may_read_them(server, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    get(server, None, "good")
    kept = tmp_path / "batches-and-momentum" / "content.bin"
    assert kept.read_bytes() == CONTENT and kept.stat().st_mode & 0o777 == 0o644


# The full sets, where they are at hand


def at_hand(path):
    """Return where `path` lies in COURSE_DATA; skip the test where it doesn't."""
    if not Path(FOLDER, path).exists():
        pytest.skip(f"COURSE_DATA holds no {path}")
    return Path(FOLDER, path)


@pytest.fixture(scope="module")
def mnist():
    at_hand("MNIST")
    return load_mnist(full=True)


@pytest.fixture(scope="module")
def cifar10():
    at_hand("cifar-10-batches-py")
    return load_cifar10()


def assert_full(splits, sizes, shape):
    for split, size in zip(splits, sizes, strict=True):
        assert split.images.shape == (size, *shape) and len(split.labels) == size
        assert (split.images.min(), split.images.max()) == (0.0, 1.0)
    assert distinct(*splits) == sum(sizes)


def test_the_whole_of_mnist_has_its_sizes_no_digit_twice_and_a_twelfth_of_each_class_to_validate(mnist):
    assert_full(mnist, (55_000, 5_000, 10_000), (1, 28, 28))
    train, valid, _ = (split.labels.bincount() for split in mnist)
    assert torch.all((valid - (train + valid) / 12).abs() < 1)


def test_each_embedded_digit_is_a_training_image_of_mnist_with_its_label_and_no_test_image(mnist):
    def examples(*splits):
        pairs = (zip(split.images.numpy(), split.labels.tolist(), strict=True) for split in splits)
        return {(image.tobytes(), label) for split in pairs for image, label in split}

    train, valid, test = mnist
    embedded = examples(*load_mnist())
    assert len(embedded) == 5000 and embedded <= examples(train, valid)
    assert not {image for image, _ in embedded} & {image for image, _ in examples(test)}


def test_cifar10_has_its_sizes_no_picture_twice_and_every_class_equally_often(cifar10):
    assert_full(cifar10, (45_000, 5_000, 10_000), (3, 32, 32))
    assert [split.labels.bincount().unique().tolist() for split in cifar10] == [[4500], [500], [1000]]


@pytest.mark.parametrize("stem", data.MNIST_STEMS)
def test_the_published_files_of_mnist_unpack_to_what_the_other_checksums_say(stem):
    packed = at_hand(f"MNIST/raw/{stem}-ubyte.gz").read_bytes()
    assert sha256(packed) == data.SHA256[f"MNIST/raw/{stem}-ubyte.gz"]
    assert sha256(gzip.decompress(packed)) == data.SHA256[f"MNIST/raw/{stem}-ubyte"]


@pytest.mark.parametrize(
    "name, digest",
    [
        ("mnist", "841c28b05febcc1ccc86007b046c2e30fd9ce485ed5cdac7a6b0c63a61a43f20"),
        ("cifar10", "b66a9211d92a66d7df0857612bfbb2ebb34e62035193a1d5a46da16db7f8e062"),
    ],
)
def test_the_full_splits_never_change(request, name, digest):
    _, valid, _ = request.getfixturevalue(name)
    assert sha256(valid.images.mul(255).round().byte().numpy()) == digest


@pytest.mark.parametrize("name", ["cuda", "mps", "cuda:7", "gpu"])
def test_a_device_that_is_not_there_gets_one_sentence_with_the_way_out(monkeypatch, name):
    def none(*size, device):
        raise AssertionError("PyTorch was built without it")

    if name != "gpu":
        monkeypatch.setattr(torch, "empty", none)  # whatever this machine has
    with pytest.raises(ValueError, match=rf'finds here, "cpu".*, got "{name}": set device = "cpu"') as caught:
        data.check_device(name)
    assert "\n" not in str(caught.value) and caught.value.__suppress_context__
