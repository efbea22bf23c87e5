"""Training lists in which a few classes have most of the clips."""

import gzip
import pathlib
import warnings
import zlib

import numpy as np


def class_counts(num_classes, max_count, imbalance) -> np.ndarray:
    """Clips that a long-tailed list keeps of every class.

    Class `c` of `C` keeps `int(max_count * (1 / imbalance)^(c / (C - 1)))`
    clips: the first class is the largest, the last one the smallest.

    Args:
        num_classes: Number of classes `C`.
        max_count: Clips of the first class.
        imbalance: How many times more clips the first class has than the
            last one.

    Returns:
        int64 array `(C,)`.

    Raises:
        ValueError: If an argument is too small.

    Example:

    >>> class_counts(10, 100, 10).sum()
    403

    Reference: [BRL](https://arxiv.org/abs/2308.14024).
    """
    if num_classes < 1 or max_count < 1 or imbalance < 1:
        raise ValueError(
            "`num_classes`, `max_count` and `imbalance` must be at least 1. "
            f"Received: num_classes={num_classes}, max_count={max_count}, "
            f"imbalance={imbalance}"
        )
    last = max(num_classes - 1, 1)
    share = 1 / imbalance
    # Python's numbers, as in the published rule: every count is rounded down.
    counts = [int(max_count * share ** (c / last)) for c in range(num_classes)]
    return np.array(counts, "int64")


def long_tailed(names, labels, max_count, imbalance, num_classes=None, seed=0):
    """Chooses training clips so that classes become ever smaller.

    The clips of every class, in the order of their names, are shuffled by
    one generator (NumPy's `RandomState(seed)`), class by class; the first
    `class_counts` of each are kept, or all, if there are fewer.

    With the training names of NTU RGB+D 120, seed 0 and 600 clips at most
    (cross-subject) or 400 (cross-setup), these are the published lists, in
    their order. Those of NTU RGB+D 60 were made from another order of the
    names: read them with `read_name_list` and pick them with `find_names`.

    Args:
        names: Names of the training clips.
        labels: Class of each, counted from 0.
        max_count: Clips of the first class.
        imbalance: How many times more clips the first class has than the
            last one; published are 10, 50 and 100.
        num_classes: Number of classes, by default the largest label + 1.
        seed: Seed of the shuffling.

    Returns:
        int64 array, indices of the clips that are kept: class by class, and
        in a class as shuffled.

    Raises:
        ValueError: If names and labels do not fit together.

    Reference: [BRL](https://arxiv.org/abs/2308.14024).
    """
    names, labels = list(map(str, names)), np.asarray(labels)
    if labels.shape != (len(names),) or labels.dtype.kind not in "iu":
        raise ValueError(
            "`labels` must be one whole number for each name. Received "
            f"{len(names)} names and labels of shape {labels.shape} and dtype "
            f"{labels.dtype}."
        )
    if not names or labels.min() < 0:
        raise ValueError(
            "A long-tailed list needs clips whose classes are known, counted "
            f"from 0. Received {len(names)} clips, "
            f"{int(np.sum(labels < 0))} of them without a class."
        )
    if num_classes is None:
        num_classes = int(labels.max()) + 1
    if labels.max() >= num_classes:
        raise ValueError(
            f"There are {num_classes} classes, but a clip has the label "
            f"{labels.max()}."
        )
    counts = class_counts(num_classes, max_count, imbalance)
    order = np.array(sorted(range(len(names)), key=names.__getitem__))
    generator = np.random.RandomState(seed)
    kept = []
    for label, count in enumerate(counts):
        members = order[labels[order] == label].tolist()
        generator.shuffle(members)
        kept += members[:count]
    return np.array(kept, "int64")


def read_name_list(path):
    """Reads a list of clip names, one on each line.

    Args:
        path: Path of a text file, which may be compressed (`.gz`).

    Returns:
        List of strings. Empty lines and an ending `.skeleton` are left out.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not such a list.

    Example:

    ```python
    names = read_name_list("NTU60_xsub_exp_100.txt")
    ```
    """
    path = pathlib.Path(path)
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        lines = content.decode("utf-8").split("\n")
    except (
        EOFError,
        UnicodeDecodeError,
        gzip.BadGzipFile,
        zlib.error,
    ) as error:
        raise ValueError(
            f"{str(path)!r} is not a text file or not a complete .gz file: "
            f"{error}"
        ) from error
    names = [line.strip().removesuffix(".skeleton") for line in lines]
    names = [name for name in names if name]
    if not names:
        raise ValueError(f"{str(path)!r} holds no names.")
    spaced = [name for name in names if " " in name]
    if spaced:
        raise ValueError(
            f"{str(path)!r} must hold one name on each line. Received the "
            f"line {spaced[0][:60]!r}."
        )
    return names


def find_names(names, wanted):
    """Indices of the clips whose names are wanted, in the clips' order.

    Names that no clip has are counted in a warning: a preparation may have
    left clips out.

    Args:
        names: Names of the clips.
        wanted: Names to find.

    Returns:
        int64 array of rising indices.

    Raises:
        ValueError: If none is found.
    """
    wanted = set(wanted)
    found = [index for index, name in enumerate(names) if name in wanted]
    missing = wanted - {names[index] for index in found}
    if not found:
        raise ValueError(
            f"None of the {len(wanted)} names is that of a clip. Received "
            f"names like {next(iter(sorted(wanted)), None)!r}; clips have "
            f"names like {next(iter(names), None)!r}."
        )
    if missing:
        warnings.warn(
            f"{len(missing)} of the {len(wanted)} names are not those of "
            f"clips, for example {min(missing)!r}.",
            stacklevel=2,
        )
    return np.array(found, "int64")
