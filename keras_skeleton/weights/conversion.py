"""Puts the tensors of published checkpoints into our models."""

import collections.abc
import dataclasses
import fnmatch
import importlib
import os
import re
import warnings

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import applications
from keras_skeleton._types import PathLike
from keras_skeleton.weights import wrappers
from keras_skeleton.weights.reader import read_tensors


def transpose(array):
    """Kernel of a linear layer: (outputs, inputs) to (inputs, outputs)."""
    if array.ndim != 2:
        raise ValueError("a linear layer's weight must have two axes")
    return array.T


def resize_temporal_embedding(
    embedding: ArrayLike, num_segments: int
) -> np.ndarray:
    """Resizes a learned embedding of time segments to another number of them.

    Cubic convolution (a = -0.75) with half-pixel centres, repeated edges and
    no anti-aliasing: the published resizing of position embeddings.

    Args:
        embedding: Array `(1, segments, 1, D)`.
        num_segments: New number of segments.

    Returns:
        Array `(1, num_segments, 1, D)` of the same dtype.

    Example:

    >>> resize_temporal_embedding(np.ones((1, 30, 1, 256)), 16).shape
    (1, 16, 1, 256)
    """
    embedding = np.asarray(embedding)
    if embedding.ndim != 4 or embedding.shape[0] * embedding.shape[2] != 1:
        raise ValueError(
            "A temporal embedding has the shape (1, segments, 1, D). Received "
            f"shape {embedding.shape}."
        )
    old = embedding.shape[1]
    if old == num_segments:
        return embedding
    centres = (np.arange(num_segments) + 0.5) * (old / num_segments) - 0.5
    first = np.floor(centres).astype(int)
    matrix = np.zeros((num_segments, old))
    for tap in (-1, 0, 1, 2):
        weight = _cubic(np.abs(centres - first - tap))
        column = np.clip(first + tap, 0, old - 1)
        np.add.at(matrix, (np.arange(num_segments), column), weight)
    resized = np.einsum("st,atbd->asbd", matrix, embedding.astype("float64"))
    return resized.astype(embedding.dtype)


def _cubic(distance, a=-0.75):
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, far)


def fit_segments(array, shape):
    """Resizes a temporal embedding to the shape of a variable."""
    same = array.ndim == len(shape) == 4 and array.shape[3] == shape[3]
    return resize_temporal_embedding(array, shape[1]) if same else array


@dataclasses.dataclass(frozen=True)
class Entry:
    """One kind of tensor.

    Attributes:
        official: Name in the published checkpoint. `{i}` stands for a number
            and is the same one in both names.
        variable: Path of our variable.
        convert: Function from the official array to our layout; `None` if
            they agree.
        adapt: Function of an array in our layout and the variable's shape,
            for tensors that may be resized; `None` if they may not.
    """

    official: str
    variable: str
    convert: collections.abc.Callable | None = None
    adapt: collections.abc.Callable | None = None


@dataclasses.dataclass(frozen=True)
class Part:
    """A part that a model or a file may lack as a whole.

    Attributes:
        official: Patterns (`*` for anything) of official names.
        variables: Patterns of our variable paths.
    """

    official: tuple
    variables: tuple

    def has_official(self, name):
        return any(fnmatch.fnmatchcase(name, p) for p in self.official)

    def has_variable(self, path):
        return any(fnmatch.fnmatchcase(path, p) for p in self.variables)


@dataclasses.dataclass(frozen=True)
class ConversionTable:
    """How the tensors of one system's checkpoints map to our variables.

    Attributes:
        entries: Tuple of `Entry`.
        parts: Dict of `Part` by name. Tensors of a part that the model does
            not have are left out; `"head"` may be left fresh on request.
        ignored: Patterns of official names that carry nothing.
        constants: Dict of variable paths to the value they get when the
            checkpoint has no tensor for them.
        kept: Patterns of the paths of variables that no checkpoint has, what
            a training remembers: they stay as they are.
        fixed: Dict of patterns of official names to the number that our
            layers compute with in their place: it must be the same.
    """

    entries: tuple
    parts: dict
    ignored: tuple = ("*num_batches_tracked",)
    constants: dict = dataclasses.field(default_factory=dict)
    kept: tuple = ()
    fixed: dict = dataclasses.field(default_factory=dict)

    def is_ignored(self, name):
        return any(fnmatch.fnmatchcase(name, p) for p in self.ignored)

    def is_fixed(self, name):
        return any(fnmatch.fnmatchcase(name, p) for p in self.fixed)

    def other_constants(self, tensors):
        """Describes tensors that hold another number than is fixed."""
        return [
            f"{name} holds {array.ravel().tolist()[:3]}, computed with is "
            f"{number:g}"
            for pattern, number in self.fixed.items()
            for name, array in tensors.items()
            if fnmatch.fnmatchcase(name, pattern)
            if not np.allclose(array, number, rtol=1e-6, atol=1e-6)
        ]

    def is_kept(self, path):
        return any(fnmatch.fnmatchcase(path, p) for p in self.kept)

    def find(self, path):
        """The entry and the official name of a variable, or None twice."""
        for entry in self.entries:
            match = re.fullmatch(_pattern(entry.variable), path)
            if match:
                return entry, entry.official.format(**match.groupdict())
        return None, None

    def parts_of(self, variables):
        """The names of the parts that a model with these variables has."""
        return {
            name
            for name, part in self.parts.items()
            if any(map(part.has_variable, variables))
        }

    def in_head(self, path):
        return "head" in self.parts and self.parts["head"].has_variable(path)


def _pattern(text):
    """Regular expression of a name with `{i}` places."""
    pieces = re.split(r"\{(\w+)\}", text)
    return "".join(
        f"(?P<{piece}>[0-9]+)" if i % 2 else re.escape(piece)
        for i, piece in enumerate(pieces)
    )


def system_of(model):
    """Name of the published system that a model is an instance of.

    `MAMP`, `MAMPPretext` and classes derived from them belong to `"mamp"`:
    it is the attribute `system` of the class.
    """
    system = getattr(model, "system", None)
    if system not in applications.SYSTEMS:
        raise ValueError(
            f"No conversion table is known for a {type(model).__name__}. Pass "
            "a model of `keras_skeleton.applications`."
        )
    return system


def system_module(system):
    """The module `keras_skeleton.weights.<system>`."""
    if system not in applications.SYSTEMS:
        raise ValueError(
            f"There is no system {system!r}. Systems are "
            f"{', '.join(applications.SYSTEMS)}."
        )
    return importlib.import_module(f"keras_skeleton.weights.{system}")


def classes_of(system):
    """The classes of a system, by name; the application comes first."""
    return {
        name: getattr(applications, name)
        for name in applications.SYSTEMS[system]
    }


def build_classifier(entry, tensors, bias="fc.bias"):
    """The classifier that an official file of registered weights belongs to.

    Args:
        entry: The `PretrainedWeights`.
        tensors: Dict of official names to arrays.
        bias: Official name of the last layer's bias.

    Raises:
        ValueError: If the file has no such tensor.
    """
    if bias not in tensors:
        raise ValueError(
            f"The file is none of {entry.name!r}: it has no tensor {bias!r}. "
            f"It holds {', '.join(sorted(tensors)[:5]) or 'nothing'}, ..."
        )
    application, *_ = classes_of(entry.system).values()
    return application(**entry.configuration, classes=tensors[bias].size)


def variables_of(model):
    """The variables that a weight file holds, by path."""
    if not model.built:
        raise ValueError(
            f"The model {model.name!r} has no variables yet. Call it once on "
            "a batch first."
        )
    variables = {}
    # How far a training has come is no weight.
    counters = [getattr(model, name, None) for name in ("epoch", "seen")]
    prefix = f"{model.scope}/" if getattr(model, "scope", "") else ""
    for variable in model.weights:
        if any(variable is counter for counter in counters):
            continue
        path = variable.path.removeprefix(prefix)
        if variables.setdefault(path, variable) is not variable:
            raise ValueError(
                f"Two variables of the model {model.name!r} have the path "
                f"{path!r}. Give its layers different names, or build them "
                "inside different scopes of `keras.name_scope`."
            )
    return variables


def assign(variables, arrays):
    """Assigns arrays to variables, both by path."""
    for path, array in arrays.items():
        # A copy: arrays out of files are read-only views.
        variables[path].assign(np.array(array, order="C"))


def table_for(model, names=()):
    """The conversion table for a model and the names in a checkpoint."""
    return system_module(system_of(model)).table(model, names)


def official_names(model, names=()) -> dict[str, str]:
    """Maps the variable paths of a model to official tensor names.

    Args:
        model: A model of `keras_skeleton.applications`.
        names: Names of the official tensors at hand, where several codes
            name them differently.

    Returns:
        Dict of variable paths to names, without variables that the official
        checkpoints do not have.
    """
    table = table_for(model, names)
    found = {path: table.find(path)[1] for path in variables_of(model)}
    return {path: name for path, name in found.items() if name is not None}


def convert_array(model, name, array: ArrayLike) -> np.ndarray:
    """Converts one official array, for example a gradient, to our layout.

    Args:
        model: A model of `keras_skeleton.applications`.
        name: Official name of the tensor.
        array: The array in the official layout.

    Returns:
        The array in the layout of our variable.
    """
    table = table_for(model, (name,))
    for path, variable in variables_of(model).items():
        entry, official = table.find(path)
        if official == name:
            array = np.asarray(array)
            if entry.convert is not None:
                array = entry.convert(array)
            shape = tuple(variable.shape)
            if entry.adapt is not None and array.shape != shape:
                array = entry.adapt(array, shape)
            return array
    raise ValueError(
        f"No variable of the model {model.name!r} belongs to the official "
        f"tensor {name!r}."
    )


def without_wrapper(model, tensors):
    """Official tensors without what trainers put before names.

    Trainers call the model that they hold `net`, `encoder` or otherwise, or
    its parts `backbone` and `cls_head`. A beginning that nearly all names
    share is dropped where names of the model's table come to light, and so
    is what stands before the names of one part.

    Args:
        model: A model of `keras_skeleton.applications`.
        tensors: Dict of names to arrays.
    """
    paths = variables_of(model)
    found = tensors
    for _ in range(5):
        table = table_for(model, found)
        named = {path: table.find(path)[1] for path in paths}
        beginning = wrappers.shared_beginning(found)
        if beginning is None or any(n in found for n in named.values()):
            break
        found = wrappers.without_beginning(found, beginning)
    head = {name for path, name in named.items() if table.in_head(path)}
    part = table.parts.get("head", Part((), ()))
    found = wrappers.without_beginnings_of_parts(
        found,
        set(named.values()) - head - {None},
        lambda name: name in head or part.has_official(name),
    )
    return found if any(n in found for n in named.values()) else tensors


def named_tensors(source: dict, key=None) -> dict:
    """The tensors of a dict of names to arrays, or of roles to files.

    Names of tensors of a file have its role in front, as in
    `encoder.norm.weight`.

    Args:
        source: The dict.
        key: As in `read_tensors`.
    """
    tensors = {}
    for name, found in source.items():
        if isinstance(found, str | os.PathLike):
            for inner, array in read_tensors(found, key).items():
                tensors[f"{name}.{inner}"] = array
        else:
            tensors[name] = np.asarray(found)
    return tensors


def load_official(
    model, source: PathLike | dict, head="load", key=None
) -> None:
    """Loads the tensors of a published checkpoint into a model.

    Every variable of the model must get a tensor and every tensor must find a
    variable; otherwise nothing is changed. What trainers put before nearly
    all names, or before those of the body and of the head, is dropped.
    Tensors of a loss (`criterion.weight`) are left out with a warning where
    all of the model's are there. Left out without complaint are
    tensors of a part that the model does not have: the decoder of a
    pre-training checkpoint in an encoder, the head of a fine-tuned one in a
    model without classes. Learned embeddings of time segments are resized
    where the model has another number of frames.

    Args:
        model: A model of `keras_skeleton.applications`.
        source: Path of the published file, or dict of official names to
            arrays. Where a model is several files, a dict of their roles to
            their paths.
        head: `"load"`, or `"fresh"` to leave the classification head as it
            is, for example to fine-tune from a pre-training checkpoint.
        key: As in `read_tensors`, if `source` is a path.

    Raises:
        ValueError: If tensors are missing, left over or of another shape;
            the message lists them.

    Example:

    >>> model = keras_skeleton.applications.MAMP(classes=60)
    >>> load_official(model, "checkpoint-399.pth", head="fresh")
    """
    if head not in ("load", "fresh"):
        raise ValueError(
            f"`head` must be 'load' or 'fresh'. Received head={head!r}."
        )
    if isinstance(source, collections.abc.Mapping):
        tensors = named_tensors(source, key)
        label = "The given tensors"
    else:
        tensors = read_tensors(source, key)
        label = str(source)
    tensors = without_wrapper(model, tensors)
    variables = variables_of(model)
    table = table_for(model, tensors)
    others = table.other_constants(tensors)
    # Tensors without elements say that something is absent: virtual joints.
    tensors = {
        name: array
        for name, array in tensors.items()
        if array.size
        and not table.is_ignored(name)
        and not table.is_fixed(name)
    }
    arrays, missing, mismatched, used = {}, [], [], set()
    for path, variable in variables.items():
        if table.is_kept(path) or head == "fresh" and table.in_head(path):
            continue
        entry, name = table.find(path)
        if name in tensors:
            used.add(name)
            try:
                arrays[path] = _convert(entry, tensors[name], variable.shape)
            except ValueError as error:
                mismatched.append(
                    f"{name} {tensors[name].shape} for {path} "
                    f"{tuple(variable.shape)}: {error}"
                )
        elif path in table.constants:
            arrays[path] = np.full(variable.shape, table.constants[path])
        else:
            missing.append(f"{name or '(no name)'} for {path}")
    present = table.parts_of(variables)
    if head == "fresh":
        present.discard("head")
    left_over = list_left_over(
        tensors,
        used,
        [p.has_official for k, p in table.parts.items() if k not in present],
    )
    hint = ""
    if any(table.in_head(item.split(" for ")[-1]) for item in missing):
        hint = " Pass head='fresh' to keep the classification head untrained."
    begins = sorted(
        {
            name.partition(".")[0]
            for name in tensors
            if "." in name and not wrappers.is_of_loss(name)
        }
    )
    if not used and 1 < len(begins) < 5:
        hint += (
            f" All names begin with {', '.join(map(repr, begins))}; choose "
            f"one by key={begins[-1]!r}."
        )
    of_loss = [each for each in left_over if wrappers.is_of_loss(each)]
    if of_loss and not missing and not mismatched:
        left_over = [each for each in left_over if each not in of_loss]
    check(label, model, missing, left_over, mismatched, hint, others)
    if of_loss:
        warnings.warn(
            f"{label}: left out was what belongs to a loss or metric and not "
            f"to the model: {_some(of_loss)}.",
            stacklevel=2,
        )
    assign(variables, arrays)


def _convert(entry, array, shape):
    if entry.convert is not None:
        array = entry.convert(array)
    if entry.adapt is not None:
        array = entry.adapt(array, tuple(shape))
    if array.shape != tuple(shape):
        raise ValueError(f"becomes {array.shape}")
    return array


def list_left_over(tensors, used, lacking):
    """Describes tensors that neither a variable nor a lacking part explains.

    Args:
        tensors: Dict of names to arrays.
        used: Names that belong to a variable.
        lacking: Tests of a name, one for each part that the model lacks.
    """
    return [
        f"{name} {array.shape}"
        for name, array in tensors.items()
        if name not in used and not any(test(name) for test in lacking)
    ]


def check(label, model, missing, left_over, mismatched, hint="", others=()):
    """Raises a ValueError that lists what does not fit, if anything."""
    problems = [
        f"{what}: {_some(items)}."
        for what, items in (
            ("Missing", missing),
            ("Left over", left_over),
            ("Of another shape", mismatched),
            ("Of another value", others),
        )
        if items
    ]
    if problems:
        raise ValueError(
            f"{label} does not fit the {type(model).__name__} "
            f"{model.name!r}, and nothing was loaded. Build the model with "
            f"the arguments that the weights were trained with.{hint} "
            f"{' '.join(problems)}"
        )


def _some(items, limit=6):
    text = "; ".join(items[:limit])
    return text + (
        f"; and {len(items) - limit} more" if len(items) > limit else ""
    )
