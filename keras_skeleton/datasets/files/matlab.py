"""Arrays of numbers and texts out of MATLAB 5 files."""

import struct
import zlib

import numpy as np

# More than any annotation file holds when it is unpacked.
LIMIT = 1 << 26
COMPRESSED = 15
MATRIX = 14
CHARACTERS = 4
UTF8 = 16
NUMBER_CLASSES = range(6, 16)
TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
    16: "u1",
    17: "u2",
    18: "u4",
}


def parse_matlab(data):
    """Reads the variables of a MATLAB 5 file that are numbers or texts.

    Others (cells, structures, objects, sparse and complex arrays) are left
    out. Nothing is allocated on the word of a header, and nothing executed.

    Args:
        data: bytes, the content of the file.

    Returns:
        Dictionary from the names to arrays in the type that the file keeps
        them in, or to strings.

    Raises:
        ValueError: if it is another kind of file, or damaged.
    """
    if len(data) < 128 or data[126:128] not in (b"IM", b"MI"):
        raise ValueError("it is not a MATLAB 5 file")
    order = "<" if data[126:128] == b"IM" else ">"
    variables = {}
    budget = LIMIT
    for kind, content in _elements(data[128:], order):
        if kind == COMPRESSED:
            content = _decompress(content, budget)
            budget -= len(content)
            kind, content = next(_elements(content, order), (None, b""))
        if kind == MATRIX:
            name, value = _parse_matrix(content, order)
            if value is not None:
                variables[name] = value
    return variables


def _elements(data, order):
    """Yields the type and the content of each element."""
    position = 0
    while position + 8 <= len(data):
        kind, size = struct.unpack_from(f"{order}II", data, position)
        start = position + 8
        small = kind >> 16
        if small:
            # Up to four bytes of content share the place of the header.
            kind, size, start = kind & 0xFFFF, small, position + 4
            if size > 4:
                raise ValueError("an element has an invalid header")
            position += 8
        else:
            position = start + size
            if kind != COMPRESSED:
                position += -size % 8
        if start + size > len(data):
            raise ValueError("it is cut off")
        yield kind, data[start : start + size]


def _decompress(data, limit):
    decompressor = zlib.decompressobj()
    try:
        content = decompressor.decompress(data, limit + 1)
    except zlib.error as error:
        raise ValueError(f"it is damaged: {error}") from error
    if len(content) > limit:
        raise ValueError(
            f"it unpacks to more than {LIMIT:,} bytes, which is more than "
            "any such file"
        )
    return content


def _parse_matrix(data, order):
    """Returns the name and the value of a variable, `None` if unsupported."""
    parts = []
    for part in _elements(data, order):
        parts.append(part)
        if len(parts) > 4:
            break
    if len(parts) < 3 or len(parts[0][1]) != 8:
        return "", None
    flags = struct.unpack(f"{order}II", parts[0][1])[0]
    array_class, is_complex = flags & 0xFF, flags & 0x800
    name = parts[2][1].decode("latin1")
    numeric = array_class in NUMBER_CLASSES and not is_complex
    if not (numeric or array_class == CHARACTERS) or len(parts) != 4:
        return name, None
    shape = _numbers(*parts[1], order).tolist()
    if array_class == CHARACTERS:
        return name, _parse_text(*parts[3], order)
    values = _numbers(*parts[3], order)
    if len(shape) < 2 or min(shape) < 0 or _product(shape) != values.size:
        raise ValueError(
            f"the variable {name!r} has {values.size} numbers but the shape "
            f"{tuple(shape)}"
        )
    return name, values.reshape(shape, order="F")


def _product(shape):
    product = 1
    for size in shape[:32]:
        product *= size
    return product


def _numbers(kind, data, order):
    if kind not in TYPES:
        raise ValueError(f"a variable holds numbers of an unknown type {kind}")
    dtype = np.dtype(TYPES[kind]).newbyteorder(order)
    if len(data) % dtype.itemsize:
        raise ValueError("a variable holds a broken number")
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))


def _parse_text(kind, data, order):
    if kind == UTF8:
        return data.decode("utf-8")
    codes = _numbers(kind, data, order)
    if codes.size and not 0 <= codes.min() <= codes.max() < 0xD800:
        raise ValueError("a text holds invalid characters")
    return "".join(map(chr, codes.astype("int64")))
