"""Registered weights by name, and what a `weights=` argument stands for."""

import difflib
import fnmatch
import json
import os
import pathlib

from keras_skeleton import _download as download
from keras_skeleton import applications
from keras_skeleton._types import PathLike
from keras_skeleton.weights import cards
from keras_skeleton.weights import conversion
from keras_skeleton.weights import reader
from keras_skeleton.weights.cards import PretrainedWeights

FILE_FORMAT = "keras_skeleton"
# How many names of weights a message holds.
MOST_NAMES = 12


def names(pattern="*", system=None) -> list[str]:
    """Names of the registered weights.

    Args:
        pattern: What the names look like, `*` for anything: a pattern of
            `"<system>/<name>"` or of the name alone. The name of a system
            stands for all its weights. Where nothing has the pattern's
            letters, its case, `_` and `-` do not count: `"Hyper-GCN"` finds
            those of `hypergcn`.
        system: Name of a system, to have its weights only, spelled likewise.

    Returns:
        List of `"<system>/<name>"`, sorted; with `system`, of the names as
        `weights=` takes them.

    Raises:
        ValueError: If there is no such system, or nothing fits a pattern
            without `*`.

    Example:

    >>> names("*ucla")
    ['ctrgcn/nw_ucla', 'hypergcn/nw_ucla', 'mamp/nw_ucla']
    >>> names("ntu60*", system="mamp")
    ['ntu60', 'ntu60_xview']
    """
    systems = applications.SYSTEMS
    if system is not None:
        systems = [each for each in systems if _plain(each) == _plain(system)]
        # What is none is told there.
        systems = systems or (system,)
    found = _matching(pattern, systems, str) or _matching(
        pattern, systems, _plain
    )
    if system is not None:
        found = [full.partition("/")[2] for full in found]
    is_system = _plain(pattern) in map(_plain, applications.SYSTEMS)
    if not found and not is_system and not set("*?[") & set(pattern):
        raise ValueError(
            f"There are no registered weights {pattern!r}"
            f"{f' of {system}' if system else ''}, and no system of that "
            f"name. Systems are {', '.join(applications.SYSTEMS)}; with `*` "
            f"the pattern may fit several names: names('*{pattern}*')."
        )
    return sorted(found)


def _matching(pattern, systems, spelled):
    """Names that fit a pattern, all brought to one spelling first."""
    pattern = spelled(pattern)
    if pattern in map(spelled, applications.SYSTEMS):
        pattern = f"{pattern}/*"
    return [
        f"{system}/{name}"
        for system in systems
        for name in _names(system)
        if any(
            fnmatch.fnmatchcase(spelled(text), pattern)
            for text in (f"{system}/{name}", name)
        )
    ]


def _plain(text):
    return str(text).lower().replace("_", "").replace("-", "")


def _names(system):
    registered = {entry.name for entry in official(system)}
    return sorted(registered.union(cards.packaged(system)))


def _listed(system):
    """The names in a message, those of packaged weights first."""
    packaged = sorted(cards.packaged(system))
    names = packaged + [each for each in _names(system) if each not in packaged]
    if len(names) <= MOST_NAMES:
        return ", ".join(names) or "none"
    return (
        f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more "
        "(`keras-skeleton weights` lists them)"
    )


def official(system):
    """The cards of the weights that a system's authors published."""
    return conversion.system_module(system).PRETRAINED


def get(system: str, name: str) -> PretrainedWeights:
    """The `PretrainedWeights` of a registered name, its card.

    Raises:
        ValueError: If there is none; the message lists the names.

    Example:

    >>> get("mamp", "nw_ucla").score("finetuned")
    Score(measure='top1', kind='finetuned', correct=422, of=464, ...)
    """
    for entry in official(system):
        if entry.name == name:
            return entry
    path = cards.packaged(system).get(name)
    if path is None:
        raise ValueError(
            f"There are no registered weights {name!r} of {system}. "
            f"Registered are {_listed(system)}."
        )
    file = path.with_suffix(".safetensors")
    return cards.read(
        path,
        system,
        name,
        configuration=lambda: _recorded_configuration(file, system),
    )


def resolve(
    system: str, weights: PathLike
) -> tuple[pathlib.Path, PretrainedWeights | None]:
    """Finds the file that a `weights=` argument stands for.

    Args:
        system: Name of the system, for example `"mamp"`.
        weights: A registered name, a path, an `hf://user/repository/file`
            address, or an `https://` address that may end in
            `#sha256=<hash>`. A name takes precedence over a file of the same
            name; write `./name` for the file.

    Returns:
        A tuple: the local path, and the `PretrainedWeights` if a registered
        name was given, else `None`.

    Raises:
        ValueError: If `weights` is none of these.
        FileNotFoundError: If the weights must be obtained by hand first.
        ConnectionError: If they cannot be fetched.
    """
    if not isinstance(weights, str | os.PathLike):
        raise ValueError(
            "`weights` must be None, a registered name, a path or an address. "
            f"Received weights={weights!r}."
        )
    if isinstance(weights, str) and weights in _names(system):
        entry = get(system, weights)
        return entry.path(), entry
    if isinstance(weights, str) and download.is_address(weights):
        return download.fetch(weights), None
    path = pathlib.Path(weights)
    if path.is_file():
        return path, None
    names = _names(system)
    near = difflib.get_close_matches(str(weights), names, n=3)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"weights={str(weights)!r} is neither a registered name of {system} "
        f"({_listed(system)}) nor an existing file nor an "
        f"hf:// or https:// address.{hint}"
    )


def configuration(system: str, weights: PathLike) -> dict:
    """The constructor's arguments that weights were trained with.

    Args:
        system: Name of the system, for example `"mamp"`.
        weights: As in `resolve`.

    Returns:
        Dict of arguments; empty for files that do not record them (all but
        registered weights and files of `save_weights`).
    """
    if isinstance(weights, str) and weights in _names(system):
        return dict(get(system, weights).configuration)
    path, _ = resolve(system, weights)
    return _recorded_configuration(path, system)


def _recorded_configuration(path, system):
    if path.suffix.lower() != ".safetensors":
        return {}
    metadata = reader.read_metadata(path)
    if metadata.get("format") != FILE_FORMAT:
        return {}
    check_system(path, metadata, system)
    try:
        return cards.tuples(json.loads(metadata["configuration"]))
    except (KeyError, ValueError, AttributeError) as error:
        raise ValueError(f"{path.name} has no valid configuration.") from error


def check_system(path, metadata, system):
    """Raises a ValueError if a file holds weights of another system."""
    if metadata.get("system") != system:
        raise ValueError(
            f"{path.name} holds weights of {metadata.get('system')!r}, not of "
            f"{system!r}."
        )
