import collections
import os
import pickle
import struct
import tracemalloc

import numpy as np
import pytest

from keras_skeleton.datasets.files.pickles import StoredArray
from keras_skeleton.datasets.files.pickles import as_integer
from keras_skeleton.datasets.files.pickles import as_name
from keras_skeleton.datasets.files.pickles import parse_pickle
from keras_skeleton.datasets.files.pickles import read_pickle

ARRAYS = {
    "float16": np.linspace(-3, 3, 30, dtype="float16").reshape(2, 5, 3),
    "float64": np.linspace(0, 1, 4),
    "big endian": np.arange(5, dtype=">i4"),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "bool": np.array([True, False]),
    "text": np.array(["S001", "S002"]),
    "bytes": np.array([b"ab", b"c"]),
    "objects": np.array(["a", 1, None], dtype=object),
    "empty": np.zeros((0, 17, 2), "float32"),
    "no axis": np.array(4.5),
    "large": np.arange(9000, dtype="int16").reshape(3, 3000),
}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("lazy", [False, True])
def test_plain_data(tmp_path, protocol, lazy):
    plain = {
        "split": {"xsub_train": ["a", "ä"], "none": []},
        "annotations": [{"label": 3, "shape": (1080, 1920), 0.5: None}],
        "numbers": [True, -1, 1 << 70, 1.5, float("inf")],
        "bytes": [b"", b"ab\xff"],
        "set": {1, "a"},
        "frozen": frozenset([2]),
        "ordered": collections.OrderedDict(a=1),
        "scalars": [np.float32(0.25), np.int64(-7), np.str_("x")],
    }
    path = tmp_path / "data.pkl"
    path.write_bytes(pickle.dumps({**plain, "arrays": ARRAYS}, protocol))
    found = read_pickle(path, lazy=lazy)
    arrays = found.pop("arrays")
    assert found == plain
    for name, expected in ARRAYS.items():
        assert isinstance(arrays[name], StoredArray) == lazy
        assert arrays[name].shape == expected.shape
        array = np.asarray(arrays[name])
        # NumPy may turn the bytes around.
        assert array.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("protocol", [2, 4])
def test_large_arrays_stay_in_the_file(tmp_path, protocol):
    path = tmp_path / "large.pkl"
    clips = [np.full((500, 400), i, "int16") for i in range(100)]
    path.write_bytes(pickle.dumps(clips, protocol))
    tracemalloc.start()
    clips = read_pickle(path, lazy=True)
    assert np.asarray(clips[7])[0, 0] == 7
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < path.stat().st_size / 20


def test_same_array_twice(tmp_path):
    path = tmp_path / "twice.pkl"
    array = np.arange(3)
    path.write_bytes(pickle.dumps([array, array]))
    first, second = read_pickle(path)
    assert first is second


def test_names_of_other_versions(tmp_path):
    """As written with Python 2 and with NumPy before and since version 2."""
    python2 = (
        b"(lp0\n(lp1\nS'S001C001P001R001A001.skeleton'\np2\naa(lp3\nI0\naa."
    )
    assert parse_pickle(python2) == [["S001C001P001R001A001.skeleton"], [0]]
    array = pickle.dumps(ARRAYS["float16"], 2)
    for old, new in ((b"numpy._core", b"numpy.core"),):
        for data in (array, array.replace(old, new), array.replace(new, old)):
            np.testing.assert_array_equal(parse_pickle(data), ARRAYS["float16"])
    # Its arrays hold their bytes as a string.
    state = (
        b"(I1\n(I2\ntcnumpy\ndtype\n(S'i2'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\n"
        b"I0\ntbI00\nS'\\x01\\x00\\xff\\xff'\ntb."
    )
    found = parse_pickle(
        b"cnumpy.core.multiarray\n_reconstruct\n"
        b"(cnumpy\nndarray\n(I0\ntS'b'\ntR" + state
    )
    assert found.tolist() == [1, -1]


class Attack:
    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def call(function, *arguments):
    pieces = b"".join(pickle.dumps(a, 2)[2:-1] for a in arguments)
    return function + b"(" + pieces + b"tR"


FORBIDDEN = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("subprocess", "check_output"),
    ("builtins", "eval"),
    ("__builtin__", "eval"),
    ("builtins", "exec"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("builtins", "open"),
    ("operator", "attrgetter"),
    ("functools", "partial"),
    ("importlib", "import_module"),
    ("runpy", "_run_code"),
    ("shutil", "rmtree"),
    ("copyreg", "_reconstructor"),
    ("copy_reg", "__newobj__"),
    ("pickle", "loads"),
    ("numpy", "load"),
    ("numpy", "fromfile"),
    ("numpy", "memmap"),
    ("numpy", "genfromtxt"),
    ("numpy", "zeros"),
    ("numpy", "vectorize"),
    ("numpy.testing", "runstring"),
    ("numpy.testing._private.utils", "runstring"),
    ("numpy.f2py.capi_maps", "load_f2cmap_file"),
    ("numpy.core.multiarray", "fromfile"),
    ("numpy._core.multiarray", "empty"),
    ("numpy._core.numeric", "array"),
    ("numpy.core.numeric", "frombuffer"),
    ("numpy", "dtype.__class__"),
    ("numpy", "ndarray.tofile"),
    ("collections", "OrderedDict.fromkeys"),
    ("keras_skeleton.datasets.files.pickles", "read_pickle"),
    ("torch", "load"),
    ("torch.storage", "_load_from_bytes"),
]


@pytest.mark.parametrize(("module", "name"), FORBIDDEN, ids=".".join)
@pytest.mark.parametrize("lazy", [False, True])
def test_nothing_is_executed(tmp_path, module, name, lazy):
    mark = tmp_path / "executed"
    attack = call(named(module, name), f"touch {mark}")
    new = b"\x8c" + bytes([len(module)]) + module.encode()
    new += b"\x8c" + bytes([len(name)]) + name.encode() + b"\x93"
    for data in (
        b"\x80\x02" + attack + b".",
        b"\x80\x04" + call(new, f"touch {mark}") + b".",
        # Deep inside of what looks like annotations.
        b"\x80\x02}X\x05\x00\x00\x00split](]" + attack + b"ees.",
        # As a key, and below an allowed name.
        b"\x80\x02}" + attack + b"Ns.",
        b"\x80\x02" + named("_codecs", "encode") + b"(" + attack + b"tR.",
        b"\x80\x02" + named("numpy", "dtype") + b"(" + attack + b"tR.",
    ):
        path = tmp_path / "attack.pkl"
        path.write_bytes(data)
        with pytest.raises(ValueError, match=rf"attack.pkl.*{module}.{name}"):
            read_pickle(path, lazy=lazy)
        assert not mark.exists()


def test_real_attacks(tmp_path):
    mark = tmp_path / "executed"
    touch = f"touch {mark}"
    nested = Attack(getattr, Attack(__import__, "os"), "system")
    for attack in (
        Attack(os.system, touch),
        Attack(eval, f"open({str(mark)!r}, 'w')"),
        Attack(Attack(getattr, os, "system").reduced[0], os, "system"),
        nested,
        np.array([Attack(os.system, touch), 1], dtype=object),
        {"annotations": [{"keypoint": Attack(np.fromfile, str(mark))}]},
    ):
        for protocol in (2, 4):
            try:
                data = pickle.dumps(attack, protocol)
            except (TypeError, pickle.PicklingError):
                continue  # A module has no pickle.
            for lazy in (False, True):
                with pytest.raises(ValueError, match="Nothing was executed"):
                    parse_pickle(data, lazy=lazy)
                assert not mark.exists()


DTYPE = b"cnumpy\ndtype\n(X\x02\x00\x00\x00f2\x89\x88tR"
ORDER = b"(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
ARRAY = (
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n"
    b"(cnumpy\nndarray\n(K\x00tX\x01\x00\x00\x00btR(K\x01"
)


def array_pickle(shape, dtype=DTYPE + ORDER, data=b"U\x04abcd"):
    shape = b"(" + b"".join(pickle.dumps(n, 2)[2:-1] for n in shape) + b"t"
    return ARRAY + shape + dtype + b"\x89" + data + b"tb."


def test_array_by_hand():
    assert parse_pickle(array_pickle((2,))).shape == (2,)
    assert parse_pickle(array_pickle((1, 2))).shape == (1, 2)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        array_pickle((3,)),
        array_pickle((1 << 59,)),
        array_pickle((1 << 40, 1 << 40)),
        array_pickle((1 << 80,)),
        array_pickle((-2,)),
        array_pickle((2.0,)),
        array_pickle((1,) * 65),
        array_pickle((2,), DTYPE.replace(b"f2", b"O8") + ORDER),
        array_pickle((2,), DTYPE.replace(b"f2", b"V2") + ORDER),
        array_pickle((2,), DTYPE.replace(b"f2", b"f3") + ORDER),
        array_pickle((1 << 50,), DTYPE.replace(b"f2", b"U0") + ORDER, b"U\0"),
        array_pickle((2,), DTYPE + ORDER.replace(b"NNN", b"N)N")),
        array_pickle((2,), DTYPE + ORDER.replace(b"<", b"x")),
        array_pickle((2,), b"N"),
        array_pickle((2,), DTYPE + ORDER, b"]"),
        array_pickle((2,), DTYPE + ORDER, b"N"),
    ],
    ids=range(16),
)
def test_arrays_that_lie(data, lazy):
    with pytest.raises(ValueError):
        np.asarray(parse_pickle(data, lazy=lazy))


def limited(function):
    """Runs a function with room for 500 MB more than now."""
    resource = pytest.importorskip("resource")
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (500 << 20), hard))
    try:
        return function()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04B" + struct.pack("<I", 0xFFFFFFFF) + b"abc.",
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"abc.",
        b"\x80\x04\x8e" + struct.pack("<Q", (1 << 64) - 1) + b"abc.",
        b"\x80\x04X" + struct.pack("<I", 0xFFFFFFFF) + b"abc.",
        b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"abc.",
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc.",
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"}.",
        b"\x80\x02\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"1.",
        b"\x80\x02\x8b" + struct.pack("<i", -1) + b"1.",
        b"\x80\x02}r" + struct.pack("<I", 0xFFFFFFFE) + b".",
        b"L" + b"9" * 100_000 + b"L\n.",
        b"\x80\x02}p" + b"9" * 30 + b"\nh\x00.",
        b"\x80\x02" + b"(" * 100_000 + b".",
    ],
    ids=range(13),
)
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc")
@pytest.mark.parametrize("lazy", [False, True])
def test_lengths_that_lie(tmp_path, data, lazy):
    path = tmp_path / "lies.pkl"
    path.write_bytes(data)

    def attempt():
        try:
            return read_pickle(path, lazy=lazy)
        except ValueError as error:
            assert "lies.pkl" in str(error)

    # Frames are only hints.
    assert limited(attempt) in (None, {})


def text(size):
    return b"X" + struct.pack("<I", size) + b"a" * size


def long_integer(size):
    return b"\x8b" + struct.pack("<i", size) + b"\x01" * size


LONG_LIST = b"](" + b"K\x01" * 50_000 + b"e"
# What is made of the object at 0 of the table, 20,000 times.
MUCH_OF_LITTLE = {
    "sets of a list": b"]("
    + b"c__builtin__\nset\nq\x02h\x00\x85R" * 20_000
    + b"e",
    "dictionaries of a list": b"("
    + b"ccollections\nOrderedDict\nh\x00\x85R" * 20_000
    + b"l",
    "bytes of a text": b"](" + b"c_codecs\nencode\nh\x00\x85R" * 20_000 + b"e",
    "arguments": b"(" + b"cnumpy\ndtype\nh\x00R" * 20_000 + b"l",
}
FIRST = {
    "sets of a list": LONG_LIST,
    "dictionaries of a list": b"](" + b"K\x01K\x02\x86" * 20_000 + b"e",
    # Larger ones stay in the file where they may.
    "bytes of a text": text(4_000),
    "arguments": b"(X\x02\x00\x00\x00f2" + b"K\x01" * 50_000 + b"t",
}


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc")
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("case", MUCH_OF_LITTLE)
def test_much_of_little(case, lazy):
    data = b"\x80\x02" + FIRST[case] + b"q\x000" + MUCH_OF_LITTLE[case] + b"."

    def attempt():
        # Two arguments are one too many for some.
        with pytest.raises(ValueError, match="size allows|argument"):
            parse_pickle(data, lazy=lazy)

    limited(attempt)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc")
def test_copies_of_one_text_as_arrays():
    array = ARRAY[2:] + b"(J" + struct.pack("<i", 25_000) + b"t"
    array += DTYPE + ORDER + b"\x89h\x00tb"
    data = b"\x80\x02" + text(50_000) + b"q\x000(" + array * 20_000 + b"l."

    def attempt():
        with pytest.raises(ValueError, match="size allows"):
            parse_pickle(data)

    limited(attempt)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no /proc")
def test_a_byte_for_each_set():
    def attempt():
        with pytest.raises(ValueError, match="size allows"):
            parse_pickle(b"\x80\x04(" + b"\x8f" * 1_000_000 + b"l.")

    limited(attempt)


def test_keys_that_take_long():
    # Hashes of long numbers are made anew for each use.
    items = b"(" + b"h\x00N" * 100 + b"u"
    data = b"\x80\x02" + long_integer(100_000) + b"q\x000}" + items + b"."
    with pytest.raises(ValueError, match="key of type int"):
        parse_pickle(data)
    # For tuples, others of the same hash can be found.
    pairs = b"".join(
        b"M" + struct.pack("<H", i) + b"K\x00\x86N" for i in range(20_000)
    )
    with pytest.raises(ValueError, match="keys of type tuple"):
        parse_pickle(b"\x80\x02}(" + pairs + b"u.")
    assert len(parse_pickle(b"\x80\x02}(" + pairs[: 7 * 5_000] + b"u.")) == 5000


@pytest.mark.parametrize(
    "data",
    [
        # A tuple of two times the same tuple, 80 levels deep, as a key.
        b"\x80\x02})" + b"q\x00h\x00\x86" * 80 + b"Ns.",
        b"\x80\x02c_codecs\nencode\n(]" + b"q\x00](h\x00h\x00e" * 80 + b"tR.",
        b"\x80\x02cnumpy\ndtype\n(]" + b"q\x00](h\x00h\x00e" * 80 + b"tR.",
        b"\x80\x02}]Ns.",
        b"\x80\x02c__builtin__\nset\n(](](NNeetR.",
        b"\x80\x02Na.",
        b"\x80\x02NK\x01K\x02s.",
        b"\x80\x02N}b.",
        b"\x80\x02cnumpy\nndarray\n}b.",
        b"\x80\x02cnumpy\nndarray\n)R.",
        b"\x80\x02N)R.",
        b"\x80\x02(i__builtin__\neval\n.",
        b"\x80\x02X\x01\x00\x00\x00aQ.",
        b"\x80\x02\x82\x01.",
        b"\x80\xff.",
        b"}",
        b".",
        b"\x1f\x8b\x08\x00",
        b"PK\x03\x04",
        b"<!doctype html>",
    ],
    ids=range(20),
)
def test_what_is_refused(data):
    with pytest.raises(ValueError):
        parse_pickle(data)


def test_files_that_are_none(tmp_path):
    path = tmp_path / "empty.pkl"
    with pytest.raises(FileNotFoundError, match="empty.pkl"):
        read_pickle(path)
    path.touch()
    with pytest.raises(ValueError, match="empty.pkl.*it is empty"):
        read_pickle(path)
    content = pickle.dumps(ARRAYS)
    for length in (1, 100, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="empty.pkl"):
            read_pickle(path)


def test_checks_of_values():
    assert as_integer(np.int64(3), "label", 0, 9) == 3
    assert as_name("S001") == "S001"
    cycle = []
    cycle.extend([cycle] * 2)
    for value in (-1, 10, 1 << 9000, 2.5, None, "3", cycle, np.arange(3)):
        with pytest.raises(ValueError, match="its label is"):
            as_integer(value, "label", 0, 9)
    for value in (3, "", " ", "a\0b", "a" * 2000, "\ud800", cycle, b"S001"):
        with pytest.raises(ValueError, match="its name is"):
            as_name(value)
