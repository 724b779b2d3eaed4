import gzip
import hashlib
import io
import os
import pickle
import re
import struct
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_server import serve

from course_utils import data
from course_utils.data import (
    ArrayUnpickler,
    DataError,
    DataFile,
    Split,
    fetch,
    load_cifar10,
    load_mnist,
    read_batch,
    read_idx,
)

CONTENT = np.random.RandomState(0).bytes(100_000)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    """No data folder, no proxy before the server, and time-outs fit for a test."""
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(data, "READ_TIMEOUT", 0.5)
    monkeypatch.setattr(data, "PATIENCE", 1.0)
    monkeypatch.setattr(data, "MIN_BYTES", 1)


@pytest.fixture
def server():
    with serve(CONTENT) as bad_server:
        yield bad_server


def get(server, cache, *mirrors):
    """Fetch CONTENT from the server's `mirrors`; a hang fails the test."""
    urls = tuple(server.url(name) for name in mirrors)
    file = DataFile("content.bin", sha256(CONTENT), len(CONTENT), urls)
    outcome = []

    def run():
        try:
            outcome.append(fetch(file, cache))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(20)
    assert outcome, f"fetch hangs on {mirrors}"
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


# Splits


@pytest.fixture
def split():
    return Split(torch.arange(12.0).reshape(3, 1, 2, 2), torch.tensor([7, 8, 9]))


def test_the_length_of_a_split_is_its_number_of_examples(split):
    assert len(split) == 3


def test_a_split_indexed_by_a_tensor_keeps_images_and_labels_together(split):
    part = split[torch.tensor([2, 0])]
    assert part.labels.tolist() == [9, 7]
    assert part.images[:, 0, 0, 0].tolist() == [8.0, 0.0]


def test_a_slice_of_a_split_is_a_split(split):
    assert len(split[1:]) == 2 and split[1:].images.shape == (2, 1, 2, 2)


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


def test_the_embedded_digits_are_4000_500_and_500_with_each_class_equally_often():
    for split, per_class in zip(load_mnist(), (400, 50, 50), strict=True):
        assert split.images.shape == (10 * per_class, 1, 28, 28) and split.images.dtype == torch.float32
        assert split.labels.bincount().tolist() == [per_class] * 10 and split.labels.dtype == torch.int64


def test_pixels_go_from_0_to_1():
    assert all((split.images.min(), split.images.max()) == (0.0, 1.0) for split in load_mnist())


def test_no_embedded_digit_is_in_two_splits():
    assert distinct(*load_mnist()) == 5000


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
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout
    assert "course_utils.data" in loaded and not {"pooch", "requests", "tqdm"} & set(loaded.split())


# File formats


def idx(array):
    header = b"\x00\x00\x08" + bytes([array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(header + array.tobytes())


def test_an_idx_file_gives_back_the_array_that_was_written():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(read_idx(idx(array)), array)


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x0d\x01\x00\x00\x00\x00", b"\x00\x00\x08\x03\x00\x00"])
def test_a_file_that_is_no_idx_file_is_refused(content):
    with pytest.raises(ValueError, match="must begin with 00 00 08"):
        read_idx(gzip.compress(content))


def test_an_idx_file_that_misses_a_pixel_is_refused():
    content = gzip.decompress(idx(np.zeros((2, 3), np.uint8)))
    with pytest.raises(ValueError, match=r"shape \(2, 3\) must hold 6 bytes, got 5"):
        read_idx(gzip.compress(content[:-1]))


def pickled_batch(images, labels):
    return pickle.dumps({b"data": images.reshape(len(images), -1), b"labels": labels.tolist()}, protocol=3)


def as_python_2(batch, images):
    """Return the pickle with the opcodes and names that Python 2 and its NumPy wrote, as in CIFAR-10's files."""
    size = struct.pack("<I", images.nbytes)
    for new, old in [
        (b"\x80\x03", b"\x80\x02"),
        (b"numpy._core", b"numpy.core"),
        (b"C\x04data", b"U\x04data"),
        (b"C\x06labels", b"U\x06labels"),
        (b"C\x01b", b"U\x01b"),
        (b"B" + size, b"T" + size),
    ]:
        assert batch.count(new) == 1
        batch = batch.replace(new, old)
    return batch


def few_pictures(n):
    return np.random.RandomState(n).randint(256, size=(n, 3, 32, 32), dtype=np.uint8), np.arange(n) % 10


def test_a_batch_of_pictures_comes_back_from_a_pickle_of_python_2_and_of_python_3():
    images, labels = few_pictures(4)
    batch = pickled_batch(images, labels)
    for version in (batch, as_python_2(batch, images)):
        got_images, got_labels = read_batch(version)
        assert np.array_equal(got_images, images) and np.array_equal(got_labels, labels)


def test_a_pickle_that_would_run_a_command_is_refused_before_it_runs(tmp_path):
    marker = tmp_path / "ran"
    evil = f"cos\nsystem\n(Vecho > {marker}\ntR.".encode()
    with pytest.raises(pickle.UnpicklingError, match=r"system"):
        read_batch(evil)
    assert not marker.exists()
    pickle.loads(evil)
    assert marker.exists(), "the pickle was harmless, so the test showed nothing"


@pytest.mark.parametrize(
    "module, name",
    [
        ("numpy.testing._private.utils", "runstring"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy", "load"),
        ("numpy", "ndarray.tofile"),
        ("builtins", "eval"),
        ("copyreg", "_reconstructor"),
    ],
)
def test_a_pickle_gets_nothing_that_only_looks_like_an_array(module, name):
    with pytest.raises(pickle.UnpicklingError, match=re.escape(f"{module}.{name}")):
        ArrayUnpickler(io.BytesIO()).find_class(module, name)


# The data folder


def test_a_file_in_the_data_folder_is_used_and_no_server_asked(server, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    (tmp_path / "content.bin").write_bytes(CONTENT)
    assert get(server, tmp_path / "cache", "good") == CONTENT
    assert server.requests == []


def test_a_file_in_the_data_folder_with_a_wrong_checksum_is_named_and_not_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    (tmp_path / "content.bin").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(DataError, match=f"{re.escape(str(tmp_path / 'content.bin'))} is damaged"):
        get(server, tmp_path / "cache", "good")
    assert server.requests == []


@pytest.mark.parametrize("folder", ["", "{tmp_path}"])
def test_without_the_file_in_a_data_folder_the_mirrors_are_asked(server, tmp_path, monkeypatch, folder):
    monkeypatch.setenv("COURSE_DATA", folder.format(tmp_path=tmp_path))
    assert get(server, tmp_path / "cache", "good") == CONTENT


@pytest.mark.parametrize("name", ["a file", "not there"])
def test_a_data_folder_that_is_no_folder_is_an_error(server, tmp_path, monkeypatch, name):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / name))
    with pytest.raises(DataError, match=f"COURSE_DATA must name a folder, got .*{name}"):
        load_mnist(full=True)


def put(folder, path, content):
    """Write `content` to `path` below the folder, and return its DataFile."""
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)
    return DataFile(path, sha256(content))


def test_the_whole_of_mnist_splits_off_a_twelfth_of_each_class_for_validation(tmp_path, monkeypatch):
    images, labels = (
        np.random.RandomState(0).randint(256, size=(240, 2, 2), dtype=np.uint8),
        np.arange(240) % 5,
    )
    arrays = images, labels.astype(np.uint8), images[:7], labels[:7].astype(np.uint8)
    files = [put(tmp_path, f"MNIST/raw/{number}.gz", idx(array)) for number, array in enumerate(arrays)]
    monkeypatch.setattr(data, "MNIST_FILES", files)
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    train, valid, test = load_mnist(full=True)
    assert train.labels.bincount().tolist() == [44] * 5 and valid.labels.bincount().tolist() == [4] * 5
    assert distinct(train, valid) == 240
    assert torch.equal(test.images * 255, torch.tensor(images[:7, None]))


@pytest.fixture
def cifar10_archive(tmp_path, monkeypatch):
    """A data folder that holds CIFAR-10's archive, with 20 pictures in each of its six batches."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for number, file in enumerate(data.CIFAR10_BATCHES):
            batch = pickled_batch(few_pictures(20)[0] ^ number, np.arange(20) % 10)
            member = tarfile.TarInfo(file.path)
            member.size = len(batch)
            tar.addfile(member, io.BytesIO(batch))
    monkeypatch.setattr(data, "CIFAR10_ARCHIVE", put(tmp_path, "cifar.tar.gz", content.getvalue()))
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    return tmp_path


def test_cifar10_is_read_from_its_archive_and_nothing_is_unpacked(cifar10_archive):
    train, valid, test = load_cifar10()
    assert train.labels.bincount().tolist() == [9] * 10 and valid.labels.bincount().tolist() == [1] * 10
    assert distinct(train, valid) == 100 and distinct(train, valid, test) == 120
    assert [path.name for path in cifar10_archive.iterdir()] == ["cifar.tar.gz"]


def test_one_damaged_batch_of_cifar10_is_an_error_even_where_the_archive_is_whole(cifar10_archive):
    put(cifar10_archive, data.CIFAR10_BATCHES[2].path, b"damaged")
    with pytest.raises(DataError, match="data_batch_3 is damaged"):
        load_cifar10()


# Downloads


FAULTS = {
    "missing": "404",
    "wrong_bytes": "sent 100000 bytes with sha256",
    "truncated": "IncompleteRead",
    "no_length_truncated": "sent 99999 bytes with sha256",
    "garbage": "this is no HTTP",
    "endless": "more than the 100000 bytes",
    "silent": "timed out",
    "half": "timed out",
    "dripping_body": "less than 1 bytes in 1 s",
    "dripping_header": "less than 1 bytes in 1 s",
}


@pytest.mark.parametrize("fault, says", FAULTS.items())
def test_a_bad_mirror_gives_an_error_that_names_it_and_leaves_nothing(server, tmp_path, fault, says):
    with pytest.raises(DataError) as caught:
        get(server, tmp_path, fault)
    message = str(caught.value)
    assert f"{server.url(fault)}: " in message and says in message and "What to do" in message
    assert list(tmp_path.iterdir()) == []


def test_the_mirrors_are_tried_in_turn_until_one_is_good(server, tmp_path):
    mirrors = [*FAULTS, "good", "never_asked"]
    assert get(server, tmp_path, *mirrors) == CONTENT
    assert server.requests == mirrors[:-1]
    assert [path.name for path in tmp_path.iterdir()] == ["content.bin"]


def test_one_error_lists_all_that_was_tried(server, tmp_path):
    with pytest.raises(DataError) as caught:
        get(server, tmp_path, "missing", "wrong_bytes")
    places = ["COURSE_DATA", tmp_path / "content.bin", server.url("missing"), server.url("wrong_bytes")]
    tried = str(caught.value).splitlines()[1:-1]
    assert [line.startswith(f"  {place}: ") for line, place in zip(tried, places, strict=True)] == [True] * 4


def test_a_server_that_is_down_is_an_error(tmp_path):
    with serve(CONTENT) as gone:
        pass
    with pytest.raises(DataError, match="refused"):
        get(gone, tmp_path, "good")


def test_a_redirect_is_followed(server, tmp_path):
    assert get(server, tmp_path, "moved") == CONTENT
    assert server.requests == ["moved", "good"]


def test_a_slow_server_is_waited_for_as_long_as_it_keeps_sending(server, tmp_path, monkeypatch):
    monkeypatch.setattr(data, "PATIENCE", 0.6)
    assert get(server, tmp_path, "slow") == CONTENT


def test_a_second_fetch_reads_the_cache(server, tmp_path):
    get(server, tmp_path, "good")
    assert get(server, tmp_path, "missing") == CONTENT
    assert server.requests == ["good"]


def test_a_damaged_file_in_the_cache_is_fetched_again(server, tmp_path):
    (tmp_path / "content.bin").write_bytes(CONTENT[:5000])
    assert get(server, tmp_path, "good") == CONTENT
    assert (tmp_path / "content.bin").read_bytes() == CONTENT


def test_a_cache_that_cannot_be_made_is_an_error_that_names_it(server, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=f"cannot keep content.bin in {re.escape(str(tmp_path / 'file'))}"):
        get(server, tmp_path / "file" / "cache", "good")


def test_leftovers_of_killed_downloads_are_removed_after_a_day(server, tmp_path):
    for name, days in (("part-old", 2), ("part-young", 0.5)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content.bin").write_bytes(CONTENT[:5000])
        os.utime(tmp_path / name, times=(time.time() - 86_400 * days,) * 2)
    get(server, tmp_path, "good")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["content.bin", "part-young"]


def test_the_slowest_mirror_in_use_is_ten_times_as_fast_as_it_must_be(monkeypatch):
    monkeypatch.undo()
    assert 10 * data.MIN_BYTES <= 50_000 * data.PATIENCE
    assert data.CONNECT_TIMEOUT + data.READ_TIMEOUT < data.PATIENCE


@pytest.mark.skipif(sys.platform != "linux", reason="sets the cache folder in Linux's way")
def test_downloads_are_kept_in_the_users_cache_folder(server, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    get(server, None, "good")
    assert (tmp_path / "batches-and-momentum" / "content.bin").read_bytes() == CONTENT


# Downloads by other processes


CHILD = """
import hashlib, sys
from pathlib import Path
from course_utils.data import DataError, DataFile, fetch
sha256, cache, *urls = sys.argv[1:]
"""
FETCH = "print(hashlib.sha256(fetch(DataFile('content.bin', sha256, 100_000, tuple(urls)), Path(cache))).hexdigest())"
FETCH_ON_A_FULL_DISK = f"""
import pooch, requests, resource, tqdm.auto
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    {FETCH}
except DataError as error:
    print(error)
"""


def start_child(code, server, cache, *mirrors):
    urls = [server.url(name) for name in mirrors]
    command = [sys.executable, "-c", CHILD + code, sha256(CONTENT), str(cache), *urls]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_after_a_download_was_killed_the_next_one_succeeds(server, tmp_path):
    child = start_child(FETCH, server, tmp_path, "half")
    deadline = time.monotonic() + 60
    while not any(part.stat().st_size for part in tmp_path.glob("part-*/content.bin")):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    child.kill()
    child.communicate(timeout=20)
    assert not (tmp_path / "content.bin").exists()
    assert get(server, tmp_path, "good") == CONTENT


def test_two_processes_that_fetch_at_once_are_both_right(server, tmp_path):
    children = [start_child(FETCH, server, tmp_path, "together") for _ in range(2)]
    outputs = [child.communicate(timeout=60)[0].strip() for child in children]
    assert outputs == [sha256(CONTENT)] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["content.bin"]


def test_a_disk_that_fills_up_is_an_error_that_asks_no_further_mirror(server, tmp_path):
    pytest.importorskip("resource")
    output, _ = start_child(FETCH_ON_A_FULL_DISK, server, tmp_path, "good", "good").communicate(timeout=60)
    assert output.startswith(f"cannot keep content.bin in {tmp_path}: ") and "Make room" in output
    assert server.requests == ["good"]
    assert list(tmp_path.iterdir()) == []


# The full sets, where they are at hand


def full_set(load, path):
    """Return what `load` gives where COURSE_DATA holds `path`; skip the test elsewhere."""
    folder = os.environ.get("COURSE_DATA")
    if not folder or not Path(folder, path).exists():
        pytest.skip(f"COURSE_DATA holds no {path}")
    return load()


@pytest.fixture(scope="module")
def mnist():
    return full_set(lambda: load_mnist(full=True), data.MNIST_FILES[0].path)


@pytest.fixture(scope="module")
def cifar10():
    return full_set(load_cifar10, data.CIFAR10_BATCHES[0].path)


def assert_full(splits, sizes, shape):
    for split, size in zip(splits, sizes, strict=True):
        assert split.images.shape == (size, *shape) and split.images.dtype == torch.float32
        assert (split.images.min(), split.images.max()) == (0.0, 1.0)
        assert len(split) == size and split.labels.dtype == torch.int64
    assert distinct(*splits) == sum(sizes)


def test_the_whole_of_mnist_has_its_sizes_and_no_digit_twice(mnist):
    assert_full(mnist, (55_000, 5_000, 10_000), (1, 28, 28))


def test_the_validation_set_of_the_whole_of_mnist_has_a_twelfth_of_each_class(mnist):
    train, valid, _ = (split.labels.bincount() for split in mnist)
    assert torch.all((valid - (train + valid) / 12).abs() < 1)


def test_each_embedded_digit_is_a_training_image_of_mnist_with_its_label_and_no_test_image(mnist):
    train, valid, test = (
        {
            (image.tobytes(), int(label))
            for image, label in zip(split.images.numpy(), split.labels, strict=True)
        }
        for split in mnist
    )
    embedded = {
        (image.tobytes(), int(label))
        for split in load_mnist()
        for image, label in zip(split.images.numpy(), split.labels, strict=True)
    }
    assert len(embedded) == 5000 and embedded <= train | valid
    assert not {image for image, _ in embedded} & {image for image, _ in test}


def test_cifar10_has_its_sizes_and_no_picture_twice(cifar10):
    assert_full(cifar10, (45_000, 5_000, 10_000), (3, 32, 32))


def test_each_split_of_cifar10_has_every_class_equally_often(cifar10):
    assert [split.labels.bincount().unique().tolist() for split in cifar10] == [[4500], [500], [1000]]
