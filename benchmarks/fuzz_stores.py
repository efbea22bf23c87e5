"""Damages stores in many ways and sees what becomes of them.

    python benchmarks/fuzz_stores.py --count 2000

Of a store that the package wrote, copies are changed: `objects` through h5py
(links, layouts, types, shapes, texts, numbers), `bytes` by flips, cuts and
insertions anywhere in the file. Each copy is loaded, both ways, and all of
its clips are read, in a process of its own kind with a limit on its memory,
as HDF5 itself may crash. What must come out: the clips as they were, clips
that agree with themselves, or a `ValueError` or `OSError` that names the file.
"""

import argparse
import collections
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import warnings

import h5py
import numpy as np

from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets import _checksums
from keras_skeleton.datasets.files import hdf5
from keras_skeleton.skeletons import Skeleton

LEG = Skeleton("leg", ("hip", "knee", "foot"), ((1, 0), (2, 1)))
ODD = (
    None,
    True,
    0,
    -1,
    1 << 62,
    1e300,
    "",
    "leg",
    "x" * 100_000,
    [],
    {},
    [1, 2],
    ["a", "b"],
    [["a"]],
    {"a": 1},
    "\ud800",
)
TYPES = (
    "u1",
    "i8",
    ">f4",
    "f8",
    "c16",
    "S3",
    "V5",
    np.dtype([("x", "f4"), ("y", "S2")]),
    h5py.string_dtype(),
    h5py.vlen_dtype("f4"),
    h5py.ref_dtype,
    h5py.enum_dtype({"no": 0, "yes": 1}),
    np.dtype(("f4", (2,))),
)
# Bytes above those that the process has when it starts.
ROOM = 2 << 30


def make_store(path):
    """A store with all there can be in one."""
    generator = np.random.default_rng(0)
    clips = [
        generator.normal(size=(1 + index % 2, 5 + index, 3, 3))
        for index in range(40)
    ]
    data = Sequences.from_arrays(
        clips,
        np.arange(40) % 4,
        skeleton=LEG,
        names=[f"c{index:02d}" for index in range(40)],
        metadata={
            "subject": np.arange(40) % 5,
            "place": [f"room {index % 3}" for index in range(40)],
        },
        class_names=["kick", "step", "hop", "ä"],
        splits={"half": {"train": range(20), "test": range(20, 40)}},
    )
    data.skipped = [("c99", "it is empty")]
    data.save(path)
    return data


def change_object(generator, file):
    """One change through h5py."""
    names = []
    file.visit(names.append)
    if not names:
        return
    name = generator.choice(names)
    kinds = [
        _replace,
        _replace,
        _link,
        _declare,
        _numbers,
        _numbers,
        _describe,
        _describe,
        _attribute,
        _again,
    ]
    kinds[generator.integers(len(kinds))](generator, file, str(name))


def _replace(generator, file, name):
    del file[name]
    kind = TYPES[generator.integers(len(TYPES))]
    axes = generator.integers(0, 4)
    shape = tuple(int(n) for n in generator.integers(0, 50, axes))
    choice = generator.integers(5)
    if choice == 0:
        file.create_group(name)
    elif choice == 1:
        file[name] = np.dtype("f4")
    elif choice == 2:
        file[name] = h5py.Empty("f4")
    else:
        file.create_dataset(name, shape, kind)


def _link(generator, file, name):
    del file[name]
    layout = h5py.VirtualLayout((40, 3, 3), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "bodies", (40, 3, 3))
    choice = generator.integers(5)
    if choice == 0:
        file[name] = h5py.ExternalLink("other.h5", "/bodies")
    elif choice == 1:
        file[name] = h5py.SoftLink("/labels")
    elif choice == 2:
        file[name] = h5py.SoftLink(f"/{name}")
    elif choice == 3:
        file.create_virtual_dataset(name, layout)
    else:
        outside = [("/etc/passwd", 0, 100)]
        file.create_dataset(name, (25,), "f4", external=outside)


def _declare(generator, file, name):
    """Large shapes, chunks and filters."""
    del file[name]
    rows = int(generator.choice([1, 40, 1 << 20, 1 << 36, 1 << 45]))
    shape = ((rows,), (rows, 3, 3))[generator.integers(2)]
    chunks = tuple(min(n, 1 << 16) for n in shape)
    settings = [
        {},
        {"chunks": chunks},
        {"chunks": chunks, "compression": "gzip"},
        {"chunks": chunks, "compression": "lzf", "shuffle": True},
        {"chunks": chunks, "fillvalue": 3},
        {"chunks": chunks, "maxshape": (None, *shape[1:])},
    ]
    file.create_dataset(
        name,
        shape,
        ("f4", "i8")[generator.integers(2)],
        **settings[generator.integers(len(settings))],
    )


def _numbers(generator, file, name):
    found = file[name]
    if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "iuf":
        return
    values = found[()]
    if not np.size(values):
        return
    odd = [0, -1, 1, 7, 1000, 1 << 31, -(1 << 40), 1 << 62]
    flat = np.reshape(values, -1)
    place = generator.integers(len(flat))
    with np.errstate(all="ignore"):
        odd = np.array(odd).astype(flat.dtype)
    flat[place] = odd[generator.integers(len(odd))]
    found[()] = flat.reshape(np.shape(values))


def _describe(generator, file, name):
    """Changes the description, as values or as text."""
    try:
        text = file["description"].asstr()[()]
        found = json.loads(text)
        keys = list(found)
    except (KeyError, TypeError, AttributeError, ValueError):
        return
    value = ODD[generator.integers(len(ODD))]
    key = keys[generator.integers(len(keys))]
    choice = generator.integers(6)
    if choice == 0:
        del found[key]
    elif choice == 1:
        found["more"] = value
    elif choice == 2 and isinstance(found[key], list) and found[key]:
        found[key][generator.integers(len(found[key]))] = value
    elif choice == 3 and isinstance(found["skeleton"], dict):
        keys = list(found["skeleton"])
        found["skeleton"][keys[generator.integers(len(keys))]] = value
    else:
        found[key] = value
    text = json.dumps(found)
    if generator.integers(8) == 0:
        text = "[" * int(generator.integers(1, 1 << 17)) + text
    if generator.integers(8) == 0:
        text = text[: generator.integers(len(text))]
    del file["description"]
    file["description"] = text


def _attribute(generator, file, name):
    key = ("format", "version")[generator.integers(2)]
    values = [0, 1, 2, 3, 4, -1, 2.5, "2", b"2", [1, 2], np.zeros(0), 1 << 62]
    choice = generator.integers(len(values) + 1)
    if choice == len(values):
        del file.attrs[key]
    else:
        file.attrs[key] = values[choice]


def _again(generator, file, name):
    """The same object in several places, a group in itself, new names."""
    choice = generator.integers(4)
    if choice == 0:
        for index in range(int(generator.integers(1, 300))):
            file[f"metadata/m{index}"] = file[name]
    elif choice == 1:
        file["splits/half/self"] = file["splits"]
    elif choice == 2:
        file[f"metadata/{chr(int(generator.integers(1, 40)))}"] = np.zeros(40)
    else:
        file[f"splits/s{generator.integers(9)}/train"] = np.zeros(3)


def mutate_objects(generator, source, path):
    """Writes a copy that was changed through h5py."""
    path.write_bytes(source)
    with warnings.catch_warnings(), h5py.File(path, "a") as file:
        warnings.simplefilter("ignore")
        start, size = file["bodies"].id.get_offset(), file["bodies"].nbytes
        # Checksums that fit, or the form that has none.
        with_sums = generator.integers(2)
        file.attrs["version"] = 3 if with_sums else 2
        for _ in range(generator.integers(1, 4)):
            try:
                change_object(generator, file)
            except hdf5.ERRORS:
                pass  # One change may make another impossible.
    if with_sums:
        content = path.read_bytes()
        writer = _checksums.Writer()
        writer.update(content[start : start + size])
        _checksums.append(path, start, writer)


def mutate_bytes(generator, source, path):
    """Writes a copy with other bytes."""
    content = bytearray(source)
    for _ in range(generator.integers(1, 5)):
        place = int(generator.integers(len(content)))
        choice = generator.integers(12)
        if choice == 0:
            del content[place:]
        elif choice == 1:
            del content[place : place + int(generator.integers(1, 100))]
        elif choice == 2:
            content[place:place] = generator.bytes(generator.integers(1, 100))
        elif choice == 3:
            content[place : place + 8] = (1 << 63).to_bytes(8, "little")
        else:
            content[place] ^= 1 << int(generator.integers(8))
        if not content:
            break
    path.write_bytes(content)


def look_at(path, expected):
    """Loads a store and reads all of it; says what came of it."""
    found = []
    for in_memory in (True, False):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                data = Sequences.load(path, in_memory=in_memory)
                repr(data)
                clips = [data.clip(index) for index in range(len(data))]
                if len(data):
                    data.padded([0])
            same = len(clips) == len(expected) and all(
                np.array_equal(clip, expected.clip(index))
                for index, clip in enumerate(clips)
            )
            found.append("as it was" if same else "other clips")
        except (ValueError, OSError) as error:
            named = path.name in str(error)
            found.append("refused" if named else f"not named: {error}")
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")
    one, other = found
    return one if one == other else f"{one} and {other}"


def child(options):
    """Looks at some of the damaged stores, a line of JSON for each."""
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, used + ROOM))
    mutate = {"objects": mutate_objects, "bytes": mutate_bytes}[options.child]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        expected = make_store(folder / "whole.h5")
        whole = (folder / "whole.h5").read_bytes()
        if options.without_sums:
            with h5py.File(folder / "whole.h5", "a") as file:
                file.attrs["version"] = 2
            whole = (folder / "whole.h5").read_bytes()
        for seed in range(options.start, options.count):
            print(json.dumps({"seed": seed}), flush=True)
            path = folder / "damaged.h5"
            mutate(np.random.default_rng(seed), whole, path)
            start = time.monotonic()
            outcome = look_at(path, expected)
            seconds = time.monotonic() - start
            line = {"seed": seed, "outcome": outcome, "seconds": seconds}
            print(json.dumps(line), flush=True)


def run(kind, count, without_sums=False):
    """Returns how often each outcome came, and the longest time for one."""
    outcomes, slowest, start = collections.Counter(), 0.0, 0
    while start < count:
        words = [sys.executable, __file__, "--child", kind]
        words += ["--start", str(start), "--count", str(count)]
        words += ["--without-sums"] if without_sums else []
        # The backend is not needed, and some take long to load.
        done = subprocess.run(words, capture_output=True, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        if not lines:
            raise RuntimeError(done.stderr)
        for line in lines:
            if "outcome" in line:
                outcomes[line["outcome"]] += 1
                slowest = max(slowest, line["seconds"])
        start = lines[-1]["seed"] + 1
        if "outcome" not in lines[-1]:
            why = done.stderr.strip().splitlines()[-1:]
            seed = lines[-1]["seed"]
            outcomes[f"crash {done.returncode} at {seed}: {why}"] += 1
    return outcomes, slowest


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--child", choices=("objects", "bytes"))
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--without-sums", action="store_true")
    options = parser.parse_args()
    if options.child:
        return child(options)
    os.environ.setdefault("KERAS_BACKEND", "torch")
    for kind, without_sums in (
        ("objects", False),
        ("bytes", False),
        ("bytes", True),
    ):
        outcomes, slowest = run(kind, options.count, without_sums)
        title = f"{kind}{' without checksums' if without_sums else ''}"
        print(f"{title}: slowest {slowest:.2f} s")
        for outcome, number in outcomes.most_common():
            print(f"  {number:5d} {outcome}")


if __name__ == "__main__":
    main()
