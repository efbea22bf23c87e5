"""What the readers of raw and of prepared files share."""

import os
import warnings
import zipfile

import numpy as np

from keras_skeleton.datasets.sequences import Sequences

PERSONS, JOINTS = 2, 25
ROW_WIDTH = PERSONS * JOINTS * 3
ROWS_AT_ONCE = 64 * 1024


def join_clips(clips):
    """Empties a list of `(T, ...)` arrays into one array and its offsets.

    Clips are released one by one, so the data are never held twice.
    """
    lengths = [len(clip) for clip in clips]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype("int64")
    shape = clips[0].shape[1:]
    frames = np.empty((offsets[-1], *shape), "float32")
    clips.reverse()
    for start in offsets[:-1]:
        clip = clips.pop()
        frames[start : start + len(clip)] = clip
    return frames, offsets


def report_left_out(problems, total, what, strict):
    """Warns of what could not be read, or raises where nothing was or may.

    Args:
        problems: list of `(name, reason)`, one for each left-out file or
            sample.
        total: integer, how many there were.
        what: string, what they are, in the plural.
        strict: boolean, whether one problem is one too many.

    Raises:
        ValueError: if `strict` and there are problems, or if nothing is left.
    """
    if not problems:
        return
    message = f"{len(problems)} of {total} {what} could not be used:\n"
    message += "\n".join(f"  {name}: {reason}" for name, reason in problems)
    if strict or len(problems) == total:
        raise ValueError(message)
    warnings.warn(f"{message}\nThey are left out.", stacklevel=3)


def read_prepared(path, split, class_names, strict):
    """Reads the `.npz` form shared by several official preparations.

    See `keras_skeleton.datasets.ntu.load_prepared`.

    Args:
        path: path of the file.
        split: string, the name for the file's division.
        class_names: function from the number of classes to their names, or
            to `None` where they are unknown.
        strict: boolean, whether unusable samples are fatal.
    """
    path = os.fspath(path)
    if not os.path.exists(path):
        raise FileNotFoundError(f"There is no file {path!r}.")
    clips, names, labels, problems, divisions = [], [], [], [], {}
    total = 0
    num_classes = set()
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
            for part in ("train", "test"):
                one_hot = _read_labels(archive, part, path)
                num_classes.add(one_hot.shape[1])
                kept = []
                samples = _iterate_samples(archive, part, len(one_hot), path)
                for index, sample in enumerate(samples):
                    name = f"{part}_{index:06d}"
                    total += 1
                    if isinstance(sample, str):
                        problems.append((name, sample))
                        continue
                    kept.append(len(clips))
                    clips.append(sample)
                    names.append(name)
                    labels.append(int(np.argmax(one_hot[index])))
                divisions[part] = np.array(kept, "int64")
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(
            f"{path!r} is not a complete .npz file ({error}). It was probably "
            "cut off while it was copied or written: copy it again."
        ) from error
    if len(num_classes) != 1:
        raise ValueError(
            f"In {path!r}, y_train and y_test must have the same number of "
            f"columns. Received: {sorted(num_classes)}"
        )
    report_left_out(problems, total, f"samples of {path!r}", strict)
    if not clips:
        raise ValueError(f"{path!r} holds no samples.")
    frames, offsets = join_clips(clips)
    return Sequences(
        frames=frames.reshape(-1, PERSONS, JOINTS, 3),
        offsets=offsets,
        labels=np.array(labels, "int64"),
        names=names,
        skeleton="ntu",
        class_names=class_names(num_classes.pop()),
        splits={split: divisions},
        skipped=problems,
    )


def _check_members(archive, path):
    wanted = ["x_train", "y_train", "x_test", "y_test"]
    held = [name.removesuffix(".npy") for name in archive.namelist()]
    missing = [name for name in wanted if name not in held]
    if missing:
        raise ValueError(
            f"{path!r} must hold the arrays {wanted}. Missing: {missing}. "
            f"Held: {held}"
        )


def _open_array(archive, name, path):
    """Opens a member and reads the header of the array in it."""
    member = archive.open(f"{name}.npy")
    try:
        version = np.lib.format.read_magic(member)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, is_fortran, dtype = read_header(member)
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"The array {name!r} of {path!r} has no readable header: {error}"
        ) from error
    if dtype.hasobject or dtype.kind not in "fiu" or is_fortran:
        raise ValueError(
            f"The array {name!r} of {path!r} must hold plain numbers in C "
            f"order. Received: dtype={dtype}, fortran_order={is_fortran}"
        )
    return member, shape, dtype


def _read_rows(member, dtype, count, width):
    data = member.read(count * width * dtype.itemsize)
    if len(data) < count * width * dtype.itemsize:
        raise EOFError("an array ends early")
    return np.frombuffer(data, dtype).reshape(count, width)


def _read_labels(archive, part, path):
    name = f"y_{part}"
    member, shape, dtype = _open_array(archive, name, path)
    with member:
        if len(shape) != 2 or shape[1] == 0:
            raise ValueError(
                f"The array {name!r} of {path!r} must be one-hot, of shape "
                f"(samples, classes). Received: shape={shape}"
            )
        one_hot = _read_rows(member, dtype, *shape)
    wrong = (one_hot != 0).sum(axis=1) != 1
    wrong |= one_hot.max(axis=1, initial=0) != 1
    if wrong.any():
        raise ValueError(
            f"Each row of the array {name!r} of {path!r} must have one 1 and "
            f"be 0 elsewhere. Row {np.argmax(wrong)} is not like that."
        )
    return one_hot


def _iterate_samples(archive, part, num_labels, path):
    """Yields `(T, 150)` arrays, or a string saying what is wrong with one."""
    name = f"x_{part}"
    member, shape, dtype = _open_array(archive, name, path)
    with member:
        if len(shape) != 3 or shape[2] != ROW_WIDTH:
            raise ValueError(
                f"The array {name!r} of {path!r} must have the shape "
                f"(samples, frames, {ROW_WIDTH}). Received: shape={shape}"
            )
        if shape[0] != num_labels:
            raise ValueError(
                f"{path!r} must hold as many samples as labels. Received: "
                f"{shape[0]} rows in {name!r}, {num_labels} in 'y_{part}'"
            )
        length = max(shape[1], 1)
        at_once = max(1, ROWS_AT_ONCE // length)
        for start in range(0, shape[0], at_once):
            count = min(at_once, shape[0] - start)
            block = _read_rows(member, dtype, count, shape[1] * ROW_WIDTH)
            for sample in block.reshape(count, shape[1], ROW_WIDTH):
                filled = np.flatnonzero(sample.any(axis=1))
                if not len(filled):
                    yield "all values are 0"
                    continue
                sample = sample[: filled[-1] + 1]
                if np.isfinite(sample).all():
                    # A copy, so that the padded block can be released.
                    yield sample.astype("float32")
                else:
                    yield "there are values that are not finite"
