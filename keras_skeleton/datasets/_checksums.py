"""Checksums of a store: of its frames in blocks, and of everything else.

They follow the HDF5 file, which ends before them: so that a file is known to
be whole before a library takes it apart, and so that a program that changes
the file drops them.
"""

import array
import os
import struct
import zlib

import numpy as np

# Small, so that damage is told from its neighbours; a clip is some of them.
BLOCK = 1 << 14
STEP = 1 << 20
MAGIC = b"keras_skeleton\x01\n"
# Place and size of the frames, size of a block, sum of all other bytes of the
# HDF5 file; behind these the sum of everything here.
FOOTER = struct.Struct("<QQII")
TAIL = FOOTER.size + 4 + len(MAGIC)


class Writer:
    """Sums of blocks of what is written piece by piece."""

    def __init__(self):
        # A store of 100 GB has six million of them.
        self.sums = array.array("I")
        self.size = 0
        self._sum = 0

    def update(self, data):
        """Adds bytes, or a C-ordered array."""
        data = memoryview(data).cast("B")
        start = 0
        while start < len(data):
            piece = data[start : start + BLOCK - self.size % BLOCK]
            self._sum = zlib.crc32(piece, self._sum)
            self.size += len(piece)
            start += len(piece)
            if not self.size % BLOCK:
                self.sums.append(self._sum)
                self._sum = 0

    def finish(self):
        """Returns the sums of all blocks as uint32."""
        last = [self._sum] if self.size % BLOCK else []
        return np.append(np.array(self.sums, "<u4"), np.array(last, "<u4"))


def append(path, start, writer):
    """Writes the sums behind an HDF5 file.

    Args:
        path: string.
        start: integer, where the frames lie in the file.
        writer: `Writer`, which has seen the frames.
    """
    sums = writer.finish().tobytes()
    with open(path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        rest = _rest(file, size, start, writer.size)
        file.seek(size)
        head = sums + FOOTER.pack(start, writer.size, BLOCK, rest)
        file.write(head + struct.pack("<I", zlib.crc32(head)) + MAGIC)


def _rest(file, size, start, length):
    """Sum of the first `size` bytes without those of the frames."""
    found = 0
    for first, stop in ((0, start), (start + length, size)):
        file.seek(first)
        while first < stop:
            piece = file.read(min(STEP, stop - first))
            if not piece:
                raise ValueError("it ends too early")
            found = zlib.crc32(piece, found)
            first += len(piece)
    return found


class Sums:
    """The sums behind a store, which agree with all but its frames.

    Attributes:
        start, size: Place and size of the frames, in bytes.
        block: Bytes of a block.
        sums: uint32 array.
    """

    def __init__(self, start, size, block, sums):
        self.start = start
        self.size = size
        self.block = block
        self.sums = sums


def read(path):
    """Returns the `Sums` of a store, or `None` where it has none.

    Raises:
        ValueError: If a byte that is not of a frame was changed.
    """
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        if end < TAIL:
            return None
        file.seek(end - TAIL)
        tail = file.read(TAIL)
        if tail[-len(MAGIC) :] != MAGIC:
            return None
        start, size, block, rest = FOOTER.unpack(tail[: FOOTER.size])
        count = -(-size // block) if block else 0
        whole = end - TAIL - 4 * count
        wrong = ValueError("its checksums are damaged")
        if not 1024 <= block <= 1 << 30 or whole < 0 or start + size > whole:
            raise wrong
        file.seek(whole)
        sums = file.read(4 * count)
        expected = zlib.crc32(tail[: FOOTER.size], zlib.crc32(sums))
        if struct.unpack_from("<I", tail, FOOTER.size)[0] != expected:
            raise wrong
        if _rest(file, whole, start, size) != rest:
            raise ValueError(
                "what it says of its clips does not have the sum that was "
                "written with it"
            )
    return Sums(start, size, block, np.frombuffer(sums, "<u4"))
