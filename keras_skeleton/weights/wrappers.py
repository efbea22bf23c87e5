"""What trainers put into checkpoints around the model: prefixes and losses."""

import collections
import re

# What data parallel training, trainers and compilers put before names.
WRAPPERS = ("module.", "model.", "_orig_mod.")
# Share of the names that have a beginning which is dropped.
NEARLY_ALL = 0.9
# Words in what trainers call parts that belong to no model.
OF_LOSSES = {
    *("criterion", "criterions", "loss", "losses"),
    *("metric", "metrics", "acc", "accuracy"),
}


def is_of_loss(name):
    """Whether a tensor belongs to a loss or a metric, by its name."""
    first = re.match(r"[^. ]*", name)[0].lower()
    return bool(OF_LOSSES & set(first.split("_")))


def shared_beginning(names):
    """What nearly all names begin with, up to the first dot, or `None`.

    Losses do not count: trainers keep them beside the model.
    """
    names = [name for name in names if not is_of_loss(name)]
    begins = collections.Counter(
        name[: name.index(".") + 1] for name in names if "." in name
    )
    for beginning, number in begins.most_common(1):
        if number >= NEARLY_ALL * len(names):
            return beginning
    return None


def without_beginning(tensors, beginning):
    """Tensors with a beginning dropped from the names that have it.

    They stay as they are where two would get the same name.
    """
    dropped = {name.removeprefix(beginning): a for name, a in tensors.items()}
    return dropped if len(dropped) == len(tensors) else tensors


def unwrapped(tensors):
    """Drops what any of `WRAPPERS` has put before nearly all names."""
    for _ in range(len(WRAPPERS) ** 2):
        beginning = shared_beginning(tensors)
        if beginning not in WRAPPERS:
            break
        tensors = without_beginning(tensors, beginning)
    return tensors


def without_beginnings_of_parts(tensors, body, is_head):
    """Drops what stands before the tensors of the body, and of the head.

    Args:
        tensors: Dict of names to arrays.
        body: Set of the official names that a model needs beside its head.
        is_head: Tests whether an official name is one of the head.

    Returns:
        The dict with other names; as it is where most of the body is not
        found, or is found under two beginnings, such as `student.` and
        `teacher.`. A beginning of the head is dropped where there is no
        other head, and all that it stands before belongs to the head.
    """
    ranked = _beginnings(tensors, body.__contains__).most_common(2)
    numbers = [number for _, number in ranked]
    if (
        not ranked
        or 2 * numbers[0] < len(body)
        or len({*numbers}) < len(ranked)
    ):
        return tensors
    beginning = ranked[0][0]
    if not beginning:
        # What stands beside a body without one is called as it should be.
        return tensors
    tensors = without_beginning(tensors, beginning)
    others = [name for name in tensors if name not in body]
    if not any(map(is_head, others)):
        for beginning, number in _beginnings(others, is_head).items():
            if number == sum(name.startswith(beginning) for name in others):
                return without_beginning(tensors, beginning)
    return tensors


def _beginnings(names, is_wanted):
    """How many wanted names stand behind each beginning, up to a dot."""
    return collections.Counter(
        name[:end]
        for name in names
        for end in (0, *(dot.end() for dot in re.finditer(r"\.", name)))
        if is_wanted(name[end:])
    )
