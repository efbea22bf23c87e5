"""HDF5 data sets out of files that may claim anything."""

import math
import os
import struct

import h5py
import numpy as np

# Filters that come with HDF5 itself: any other is a library to be loaded.
FILTERS = (
    h5py.h5z.FILTER_DEFLATE,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
    h5py.h5z.FILTER_LZF,
)
# How many bytes one byte of a compressed file can stand for.
MOST_INFLATION = 1100
# Bytes that a file may leave unwritten, which are then zeros or so.
FREE_BYTES = 1 << 24
# Objects, and groups within groups, of a file that is checked as a whole.
MOST_OBJECTS = 1_000_000
DEEPEST = 64
# Errors that a file of strange content can cause in h5py.
ERRORS = (
    OSError,
    RuntimeError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ValueError,
    OverflowError,
    MemoryError,
    RecursionError,
    struct.error,
)


def open_file(path):
    """Opens an HDF5 file for reading.

    Raises:
        ValueError: if it is not one, or is damaged.
    """
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise
    except ERRORS as error:
        raise ValueError(f"it is not a complete HDF5 file: {error}") from error


def file_size(found):
    """The bytes of the file that an object of h5py lies in."""
    return os.path.getsize(found.file.filename)


def get_group(parent, name):
    """Returns the group of that name, or `None` where there is nothing.

    Raises:
        ValueError: if it is a link, or no group.
    """
    link = parent.get(name, getlink=True)
    if link is None:
        return None
    found = parent[name] if isinstance(link, h5py.HardLink) else None
    if not isinstance(found, h5py.Group):
        raise ValueError(f"its {name!r} is not a group of this file")
    return found


def open_dataset(parent, name, contiguous=False):
    """Returns a data set that lies in the file itself and fits into it.

    What it declares can be read: in memory that follows from the size of the
    file, and without opening another one.

    Args:
        parent: an open `h5py.File` or group.
        name: string.
        contiguous: Whether it must lie in the file as it is, neither in
            chunks nor compressed.

    Raises:
        ValueError: if there is no such data set, or another kind of one.
    """
    # A link or a data set of another file could show what is none of the
    # data.
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"it has no data set {name!r}")
    found = parent[name]
    if not isinstance(found, h5py.Dataset):
        raise ValueError(f"its {name!r} is not a data set of this file")
    check_storage(found, name, contiguous)
    return found


def check_storage(found, name, contiguous=False):
    """Raises a `ValueError` where a data set is more than its file holds.

    Args:
        found: `h5py.Dataset`.
        name: string, for the message.
        contiguous: See `open_dataset`.
    """
    try:
        plan = found.id.get_create_plist()
        layout = plan.get_layout()
        is_elsewhere = plan.get_external_count() > 0
    except ERRORS as error:
        raise ValueError(f"its {name!r} cannot be read: {error}") from error
    if is_elsewhere or layout == h5py.h5d.VIRTUAL:
        raise ValueError(f"its {name!r} is not a data set of this file")
    wanted = num_bytes(found)
    size = file_size(found)
    if layout == h5py.h5d.CONTIGUOUS and found.id.get_offset() is not None:
        if found.id.get_offset() + wanted > size:
            raise ValueError(
                f"its {name!r} has the shape {found.shape}, for which the "
                "file is too small"
            )
        return
    if layout == h5py.h5d.COMPACT and wanted <= size:
        return
    if contiguous and wanted:
        raise ValueError(
            f"its {name!r} is in chunks, compressed or was never written"
        )
    _check_chunks(found, plan, layout, name, wanted, size)


def _check_chunks(found, plan, layout, name, wanted, size):
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    if unknown := set(filters) - set(FILTERS):
        raise ValueError(
            f"its {name!r} is packed by the unknown filters {sorted(unknown)}"
        )
    stored = found.id.get_storage_size()
    most = MOST_INFLATION * min(stored, size) + FREE_BYTES
    if layout == h5py.h5d.CHUNKED:
        chunk = math.prod(plan.get_chunk()) * found.dtype.itemsize
        if chunk > 2 * most:
            raise ValueError(f"its {name!r} is in chunks of {chunk:,} bytes")
    if wanted > most or stored > size + FREE_BYTES:
        raise ValueError(
            f"its {name!r} has the shape {found.shape}, of which the file "
            f"holds only {stored:,} bytes"
        )


def num_bytes(found):
    """Bytes of a data set as it is declared."""
    try:
        kind = found.id.get_type()
        is_text = kind.get_class() == h5py.h5t.VLEN or (
            kind.get_class() == h5py.h5t.STRING and kind.is_variable_str()
        )
        # Length and place of each text.
        itemsize = 16 if is_text else kind.get_size()
        return math.prod(found.shape or (1,)) * itemsize
    except ERRORS as error:
        raise ValueError(f"it has a type that is not known: {error}") from error


def get_dataset(file, name, shape, kinds, most, contiguous=False):
    """Returns a data set whose size and type are as expected.

    Args:
        file: an open `h5py.File`.
        name: string.
        shape: tuple of sizes; `None` allows any.
        kinds: string, the allowed kinds of type, such as `"fiu"`.
        most: integer, the elements it may have.
        contiguous: See `open_dataset`.

    Raises:
        ValueError: if there is no such data set, if it lies in another
            file, or if its type or size is another.
    """
    found = open_dataset(file, name, contiguous)
    fits = len(found.shape or ()) == len(shape) and all(
        wanted in (None, size)
        for wanted, size in zip(shape, found.shape, strict=True)
    )
    if not fits or math.prod(found.shape) > most:
        words = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(
            f"its {name!r} has the shape {found.shape}; expected ({words})"
        )
    try:
        dtype = found.dtype
    except TypeError as error:
        raise ValueError(
            f"its {name!r} has an unknown type: {error}"
        ) from error
    if dtype.kind not in kinds or dtype.itemsize > 64:
        raise ValueError(f"its {name!r} has the type {dtype}")
    return found


def is_text(found):
    """Whether a data set holds texts of any length."""
    kind = h5py.check_string_dtype(found.dtype)
    return kind is not None and kind.length is None


def read_text(found, name, most):
    """Returns the texts of a data set, as a list of bytes in its order.

    They lie in heaps of the file, each at a place that the data set names.
    HDF5 believes what is said of their sizes, and of a place that is named
    often makes many texts; so the heaps are read here.

    Args:
        found: `h5py.Dataset` of variable texts, not in chunks.
        name: string, for the message.
        most: integer, the bytes that all texts together may have.

    Raises:
        ValueError: if a text is not there, or if they are more than `most`.
    """
    count = math.prod(found.shape or (1,))
    place = found.id.get_offset()
    plan = found.file.id.get_create_plist()
    if plan.get_userblock() or plan.get_sizes() != (8, 8):
        raise ValueError("its places in the file are of an unusual form")
    if not count:
        return []
    if place is None:
        raise ValueError(f"its {name!r} is in chunks, or was never written")
    with open(found.file.filename, "rb") as file:
        heaps = _Heaps(file, found.file.filename)
        file.seek(place)
        rows = np.frombuffer(
            file.read(16 * count),
            [("size", "<u4"), ("heap", "<u8"), ("index", "<u4")],
        )
        if len(rows) != count or rows["size"].sum(dtype="u8") > most:
            raise ValueError(f"the texts in its {name!r} are larger than it")
        return [heaps.text(*row) for row in rows.tolist()]


class _Heaps:
    """The collections of texts in an HDF5 file."""

    def __init__(self, file, path):
        self.file = file
        # Collections do not overlap: together they fit into the file.
        self.left = os.path.getsize(path)
        self.found = {}

    def text(self, size, heap, index):
        if not size:
            return b""
        if heap not in self.found:
            self.found[heap] = self._read(heap)
        content, places = self.found[heap]
        start, stored = places.get(index, (0, -1))
        if stored != size:
            raise ValueError("a text in it is not where it should be")
        return content[start : start + size]

    def _read(self, heap):
        """Reads a collection: texts after a head, each with its own."""
        wrong = ValueError("a collection of texts in it is damaged")
        if heap >= 1 << 62:
            raise wrong
        self.file.seek(heap)
        head = self.file.read(16)
        if len(head) < 16 or head[:4] != b"GCOL":
            raise wrong
        length = int.from_bytes(head[8:], "little")
        if not 16 <= length <= self.left:
            raise wrong
        self.left -= length
        content = self.file.read(length - 16)
        places, start = {}, 0
        while start + 16 <= len(content):
            index, _, _, size = struct.unpack_from("<HHIQ", content, start)
            if index == 0:  # What is free.
                break
            if start + 16 + size > len(content):
                raise wrong
            places[index] = start + 16, size
            start += 16 + -(-size // 8) * 8
        return content, places


def check_file(path):
    """Checks a file that another program reads, such as Keras' weights.

    Every link and every data set must be of the file itself, and no more
    than it can hold.

    Raises:
        ValueError: if one is not, or if the file is damaged.
    """
    with open_file(path) as file:
        try:
            _check_groups(file)
        except ERRORS as error:
            raise ValueError(
                str(error) or f"it is damaged ({type(error).__name__})"
            ) from error


def _check_groups(file):
    most, total, seen, waiting = MOST_INFLATION * file_size(file), 0, set(), []
    waiting.append((file, "", 0))
    while waiting:
        group, path, depth = waiting.pop()
        for name in group:
            place = f"{path}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"its {place!r} is a link")
            found = group[name]
            key = h5py.h5o.get_info(found.id).addr
            if key in seen:
                raise ValueError(f"its {place!r} is in two places")
            seen.add(key)
            if depth > DEEPEST or len(seen) > MOST_OBJECTS:
                raise ValueError(f"it has too many groups, as at {place!r}")
            if isinstance(found, h5py.Group):
                waiting.append((found, place, depth + 1))
            elif isinstance(found, h5py.Dataset):
                check_storage(found, place)
                total += num_bytes(found)
            else:
                raise ValueError(f"its {place!r} is no data set")
    if total > most + FREE_BYTES:
        raise ValueError("its data sets are more than the file can hold")
