"""The bodies of `Sequences` where they are no plain array in memory.

Each class supports what `Sequences` needs of them: a slice that lies within
one clip, and reading everything.
"""

import zlib

import numpy as np


class Blocks:
    """Arrays joined along their first axis, without copying them.

    Slices must lie within one of the arrays.
    """

    dtype = np.dtype("float32")

    def __init__(self, arrays):
        self.arrays = arrays
        self.ends = np.cumsum([len(array) for array in arrays])
        self.shape = (int(self.ends[-1]), *arrays[0].shape[1:])

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        block = int(np.searchsorted(self.ends, start, "right"))
        first = self.ends[block] - len(self.arrays[block])
        return self.arrays[block][start - first : stop - first]

    def __array__(self, dtype=None, copy=None):
        return np.concatenate([np.asarray(array) for array in self.arrays])


class FrameMajor:
    """The bodies of a file of version 1 in the order of today.

    Supports slices that lie within one clip, which is read whole.
    """

    dtype = np.dtype("float32")

    def __init__(self, bodies, lengths, persons):
        self.bodies = bodies
        self.lengths, self.persons = lengths, persons
        self.ends = np.cumsum(lengths * persons)
        self.shape = bodies.shape

    def __len__(self):
        return len(self.bodies)

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        clip = int(np.searchsorted(self.ends, start, "right"))
        length, persons = self.lengths[clip], self.persons[clip]
        first = self.ends[clip] - length * persons
        bodies = np.asarray(self.bodies[first : self.ends[clip]])
        bodies = bodies.reshape(length, persons, *self.shape[1:])
        bodies = bodies.swapaxes(0, 1).reshape(-1, *self.shape[1:])
        return bodies[start - first : stop - first]

    def __array__(self, dtype=None, copy=None):
        bodies = np.empty(self.shape, self.dtype)
        for stop, size in zip(
            self.ends, self.lengths * self.persons, strict=True
        ):
            bodies[stop - size : stop] = self[stop - size : stop]
        return bodies


class Checked:
    """Bodies of a file, each block of which is checked when first read.

    Args:
        bodies: float32 array `(B, V, C)`, in memory or mapped into it.
        sums: `_checksums.Sums`.
        ends: int array, where each clip ends among the bodies.
        names: list of strings, the clips.
        path: string, the file.
    """

    dtype = np.dtype("float32")

    def __init__(self, bodies, sums, ends, names, path):
        self.bodies = bodies
        self.shape = bodies.shape
        self.sums = sums
        self.ends, self.names, self.path = ends, names, path
        self._row = bodies[0].nbytes if len(bodies) else 1
        # Of bytes: several threads may set them at a time.
        self._is_checked = np.zeros(len(sums.sums), bool)

    def __len__(self):
        return len(self.bodies)

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        self._check(start, stop)
        return self.bodies[start:stop]

    def __array__(self, dtype=None, copy=None):
        self._check(0, len(self))
        return self.bodies

    def _check(self, start, stop):
        if wrong := self.find_damage(start, stop):
            raise ValueError(damage(self.path, self.clips_of(wrong)))

    def find_damage(self, start, stop):
        """Returns the blocks of these bodies whose sum is another."""
        first = start * self._row // self.sums.block
        last = -(-stop * self._row // self.sums.block)
        if self._is_checked[first:last].all():
            return []
        ahead = np.flatnonzero(~self._is_checked[first:last]) + first
        data = memoryview(np.ascontiguousarray(self.bodies)).cast("B")
        wrong = []
        for block in ahead.tolist():
            place = block * self.sums.block
            found = zlib.crc32(data[place : place + self.sums.block])
            if found == self.sums.sums[block]:
                self._is_checked[block] = True
            else:
                wrong.append(block)
        return wrong

    def clips_of(self, blocks):
        """Returns the names of the clips that lie in blocks."""
        names = {}
        for block in blocks:
            first = block * self.sums.block // self._row
            stop = -(-(block + 1) * self.sums.block // self._row)
            clip = int(np.searchsorted(self.ends, first, "right"))
            last = int(np.searchsorted(self.ends, stop, "left"))
            names.update(dict.fromkeys(self.names[clip : last + 1]))
        return list(names)


def damage(path, names):
    """What to say of clips whose frames were changed."""
    shown = ", ".join(repr(name[:100]) for name in names[:20])
    if len(names) > 20:
        shown += f" and {len(names) - 20} more"
    return (
        f"{path!r} is damaged: the frames of some of these {len(names)} clips "
        f"do not have the sum that was written with them: {shown}. Copy the "
        "file or prepare it again."
    )
