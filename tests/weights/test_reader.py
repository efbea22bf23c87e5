import argparse
import copy
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_skeleton.weights import read_tensors

pytestmark = pytest.mark.once


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def write_torch_zip(path, pickled, storages=None):
    """A file of PyTorch's layout around any pickle."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, data in (storages or {}).items():
            archive.writestr(f"archive/data/{name}", data)
    return path


# Pickles are put together by hand: the objects they name need not exist here.


def value(constant):
    return pickle.dumps(constant, protocol=2)[2:-1]


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def call(function, *arguments):
    return function + b"(" + b"".join(arguments) + b"tR"


def finish(*operations):
    return b"\x80\x02" + b"".join(operations) + b"."


def one_tensor(shape, strides, offset=0, count=2, storage="FloatStorage"):
    """Pickle of `{"weight": tensor}`."""
    identifier = (
        b"("
        + value("storage")
        + named("torch", storage)
        + b"".join(map(value, ("0", "cpu", count)))
        + b"tQ"
    )
    tensor = call(
        named("torch._utils", "_rebuild_tensor_v2"),
        identifier,
        *map(value, (offset, shape, strides, False, None)),
    )
    return finish(b"}", value("weight"), tensor, b"s")


def test_official_training_checkpoint(torch, tmp_path):
    linear = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(linear.parameters())
    linear(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    arguments = argparse.Namespace(
        lr=0.1,
        device=torch.device("cpu"),
        shape=torch.Size([2]),
        kind=torch.float32,
        scale=np.float64(0.5),
        table=np.arange(3),
    )
    path = tmp_path / "checkpoint-399.pth"
    checkpoint = {
        "model": linear.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 399,
        "scaler": {"scale": 65536.0},
        "args": arguments,
    }
    torch.save(checkpoint, path)
    tensors = read_tensors(path)
    assert set(tensors) == {"weight", "bias"}
    expected = linear.weight.detach().numpy()
    np.testing.assert_array_equal(tensors["weight"], expected)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_types_and_views(torch, tmp_path, zipped):
    base = torch.arange(24).reshape(4, 6)
    state = {
        "double": base.double(),
        "half": base.half(),
        "bfloat16": base.bfloat16(),
        "int8": base.to(torch.int8),
        "int16": base.to(torch.int16),
        "int32": base.to(torch.int32),
        "uint8": base.to(torch.uint8),
        "bool": base > 3,
        "view": base[1:3, 1::2],
        "transposed": base.T,
        "shared": base,
        "expanded": torch.tensor([7.0]).expand(3, 2),
        "scalar": torch.tensor(5),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    path = tmp_path / "state.pt"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    tensors = read_tensors(path)
    assert len(tensors) == len(state)
    for name, tensor in state.items():
        array = tensors[name]
        assert array.shape == tuple(tensor.shape)
        expected = tensor.detach()
        if name == "bfloat16":
            expected = expected.float()
        expected = expected.numpy()
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)


def test_big_endian_storage(tmp_path):
    path = tmp_path / "big.pth"
    content = {"0": struct.pack(">2f", 1, 2)}
    write_torch_zip(path, one_tensor((2,), (1,)), content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/byteorder", "big")
    np.testing.assert_array_equal(read_tensors(path)["weight"], [1, 2])


def test_entries_of_a_checkpoint(torch, tmp_path):
    path = tmp_path / "two.pth"
    torch.save(
        {
            "state_dict": {"a": torch.zeros(1)},
            "teacher": {"module.b": torch.zeros(2)},
            "epoch": 3,
        },
        path,
    )
    assert set(read_tensors(path)) == {"a"}
    assert set(read_tensors(path, key="teacher")) == {"b"}
    with pytest.raises(ValueError, match="no entry 'student'.*teacher"):
        read_tensors(path, key="student")


@pytest.mark.parametrize(
    "description",
    [
        {"shape": (3,), "strides": (1,)},
        {"shape": (2,), "strides": (1,), "offset": 1},
        {"shape": (2,), "strides": (-1,), "offset": 1},
        {"shape": (2,), "strides": (1,), "offset": -1},
        {"shape": (2, 1), "strides": (1,)},
        {"shape": (2.0,), "strides": (1,)},
        {"shape": (1 << 40,), "strides": (0,)},
        {"shape": (2,), "strides": (1,), "count": 3},
        {"shape": (2,), "strides": (1,), "count": 1 << 60},
        {"shape": (2,), "strides": (1,), "count": -1},
        {"shape": (2,), "strides": (1,), "storage": "DoubleStorage"},
        {"shape": (2,), "strides": (1,), "storage": "Storage"},
    ],
    ids=str,
)
def test_impossible_tensors(tmp_path, description):
    path = tmp_path / "bad.pth"
    write_torch_zip(path, one_tensor(**description), {"0": bytes(8)})
    with pytest.raises(ValueError, match="bad.pth"):
        read_tensors(path)


def test_the_same_tensor_without_defect(tmp_path):
    path = tmp_path / "good.pth"
    content = {"0": struct.pack("<2f", 1, 2)}
    write_torch_zip(path, one_tensor((2,), (1,)), content)
    np.testing.assert_array_equal(read_tensors(path)["weight"], [1, 2])


@pytest.mark.parametrize(
    "module, name",
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("__builtin__", "eval"),
        ("builtins", "getattr"),
        ("subprocess", "Popen"),
        ("torch", "load"),
        ("numpy", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("keras_skeleton.weights.reader", "read_tensors"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_is_executed(tmp_path, module, name, zipped):
    mark = tmp_path / "executed"
    attack = call(named(module, name), value(f"touch {mark}"))
    # Inside a container and below an allowed object, as a real one would be.
    pairs = b"](" + value("b") + attack + b"ta"
    nested = call(named("collections", "OrderedDict"), pairs)
    path = tmp_path / "attack.pth"
    for pickled in (finish(attack), finish(b"}", value("a"), nested, b"s")):
        if zipped:
            write_torch_zip(path, pickled)
        else:
            path.write_bytes(legacy_head() + pickled)
        with pytest.raises(ValueError, match=rf"attack.pth.*{module}.{name}"):
            read_tensors(path)
        assert not mark.exists()


def legacy_head():
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
    version = pickle.dumps(1001, protocol=2)
    return magic + version + pickle.dumps({}, protocol=2)


def test_refused_first_pickle_is_not_executed(tmp_path):
    mark = tmp_path / "executed"
    attack = call(named("os", "system"), value(f"touch {mark}"))
    path = tmp_path / "attack.pth"
    path.write_bytes(finish(attack))
    with pytest.raises(ValueError, match="attack.pth"):
        read_tensors(path)
    assert not mark.exists()


def test_pickle_that_would_exhaust_the_memory(tmp_path):
    path = tmp_path / "memo.pth"
    write_torch_zip(path, finish(b"}", b"r" + struct.pack("<I", 1 << 31)))
    with pytest.raises(ValueError, match="table of objects"):
        read_tensors(path)


def test_archive_that_is_compressed(tmp_path):
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", one_tensor((2,), (1,)))
        archive.writestr("archive/data/0", bytes(8))
    with pytest.raises(ValueError, match="bomb.pth.*compressed"):
        read_tensors(path)


def test_files_that_change_the_reader_for_the_next_one(tmp_path):
    good = write_torch_zip(
        tmp_path / "good.pth", one_tensor((2,), (1,)), {"0": bytes(8)}
    )
    changes = value((None, {"__defaults__": (1,), "__dict__": 1}))
    for module, name in (
        ("torch._utils", "_rebuild_tensor_v2"),
        ("argparse", "Namespace"),
        ("collections", "OrderedDict"),
    ):
        path = write_torch_zip(
            tmp_path / "bad.pth", finish(named(module, name), changes, b"b")
        )
        with pytest.raises(ValueError, match="bad.pth"):
            read_tensors(path)
        assert read_tensors(good)["weight"].shape == (2,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_truncated_torch_file(torch, tmp_path, zipped):
    path = tmp_path / "cut.pth"
    torch.save(
        {"weight": torch.ones(50)}, path, _use_new_zipfile_serialization=zipped
    )
    content = path.read_bytes()
    for length in (0, 1, 20, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="cut.pth"):
            read_tensors(path)


@pytest.mark.parametrize("name", ["page.pth", "page.safetensors", "page.npz"])
def test_other_files_under_the_name(tmp_path, name):
    path = tmp_path / name
    for content in (b"", b"<!doctype html><title>Share</title>", bytes(100)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=name):
            read_tensors(path)


@pytest.mark.parametrize("suffix", [".pth", ".npz", ".safetensors"])
@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "_orig_mod.", "_orig_mod.module.model."]
)
def test_names_that_wrappers_prefixed(torch, tmp_path, prefix, suffix):
    path = tmp_path / f"wrapped{suffix}"
    arrays = {"norm.weight": np.ones(2), "module.bias": np.zeros(3)}
    wrapped = {prefix + name: array for name, array in arrays.items()}
    if suffix == ".pth":
        tensors = {name: torch.from_numpy(a) for name, a in wrapped.items()}
        torch.save({"state_dict": tensors, "epoch": 3}, path)
    else:
        save = np.savez if suffix == ".npz" else lambda p, **t: save_file(t, p)
        save(path, **wrapped)
    found = read_tensors(path)
    assert set(found) == set(arrays)
    np.testing.assert_array_equal(found["norm.weight"], [1, 1])


def test_key_of_a_file_of_tensors(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros(2))
    with pytest.raises(ValueError, match="no entry 'teacher' to choose"):
        read_tensors(path, key="teacher")


def test_checkpoint_without_tensors(torch, tmp_path):
    path = tmp_path / "empty.pth"
    torch.save({"epoch": 3}, path)
    with pytest.raises(ValueError, match="no tensors.*epoch"):
        read_tensors(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.pth"):
        read_tensors(tmp_path / "nothing.pth")


def test_safetensors(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"x": np.arange(3, dtype="float16")}, path)
    array = read_tensors(path)["x"]
    assert array.dtype == "float16"
    np.testing.assert_array_equal(array, [0, 1, 2])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="a.safetensors"):
        read_tensors(path)


def test_safetensors_bfloat16(torch, tmp_path):
    from safetensors.torch import save_file as save_torch

    path = tmp_path / "b.safetensors"
    save_torch({"x": torch.tensor([1.5, -2.0], dtype=torch.bfloat16)}, path)
    array = read_tensors(path)["x"]
    assert array.dtype == "float32"
    np.testing.assert_array_equal(array, [1.5, -2.0])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save):
    path = tmp_path / "a.npz"
    arrays = {
        "x": np.arange(6).reshape(2, 3),
        "y": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "z": np.float32(3),
    }
    save(path, **arrays)
    tensors = read_tensors(path)
    for name, array in arrays.items():
        assert tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(tensors[name], array)


def test_npz_with_objects(tmp_path):
    mark = tmp_path / "executed"

    class Attack:
        def __reduce__(self):
            return os.system, (f"touch {mark}",)

    path = tmp_path / "objects.npz"
    np.savez(path, x=np.array([Attack()], dtype=object))
    with pytest.raises(ValueError, match="objects.npz.*objects"):
        read_tensors(path)
    assert not mark.exists()


def test_npz_that_declares_too_much(tmp_path):
    path = tmp_path / "large.npz"
    np.savez(path, x=np.zeros((123,), "float32"))
    content = path.read_bytes().replace(b"(123,)", b"(999,)")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="large.npz"):
        read_tensors(path)


def test_huge_ranks_and_numbers(tmp_path):
    content = {"0": bytes(8)}
    for shape, strides in (
        ((1,) * 65, (0,) * 65),
        ([1 << 60] * 100_000, [0] * 100_000),
        ((1 << 100_000,), (0,)),
        ((1,), (1 << 100_000,)),
        ("ab", "ab"),
    ):
        path = tmp_path / "bad.pth"
        write_torch_zip(path, one_tensor(shape, strides), content)
        with pytest.raises(ValueError, match="bad.pth"):
            read_tensors(path)


def test_tensors_that_repeat_a_storage(tmp_path):
    """Each within its storage, together far more than the file."""
    path = tmp_path / "many.pth"
    numbers = bytes(4 * 50_000)
    single = one_tensor((50_000,), (1,), count=50_000)
    tensor = single[2:].partition(value("weight"))[2][:-2]
    items = b"".join(value(f"w{i}") + tensor + b"s" for i in range(2000))
    write_torch_zip(path, finish(b"}", items), {"0": numbers})
    with pytest.raises(ValueError, match="many.pth.*too often"):
        read_tensors(path)
    items = b"".join(value(f"w{i}") + tensor + b"s" for i in range(3))
    write_torch_zip(path, finish(b"}", items), {"0": numbers})
    assert len(read_tensors(path)) == 3


def test_arrays_on_top_of_each_other(tmp_path):
    """Many entries of an archive for the same compressed bytes."""
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, a=np.zeros(1 << 20, "u1"))
    with zipfile.ZipFile(path, "a") as archive:
        (member,) = archive.infolist()
        for index in range(3000):
            again = copy.copy(member)
            again.filename = f"b{index}.npy"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True
    assert path.stat().st_size < 1 << 20
    with pytest.raises(ValueError, match="bomb.npz"):
        read_tensors(path)
