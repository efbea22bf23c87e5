"""Registered weights, and loading weights of any kind into a model."""

import dataclasses
import hashlib
import json
import os
import pathlib
import tempfile
import zipfile

import numpy as np

from keras_skeleton import _download as download
from keras_skeleton.weights import conversion
from keras_skeleton.weights import reader

PACKAGED_FOLDER = pathlib.Path(__file__).parent / "files"
FILE_FORMAT = "keras_skeleton"

# Arguments of a model that say nothing about its weights.
_NOT_CONFIGURATION = (
    "name",
    "dtype",
    "encoder",
    "weights",
    "classes",
    "pooling",
    "classifier_activation",
)


@dataclasses.dataclass(frozen=True)
class PretrainedWeights:
    """What is known about registered weights.

    Attributes:
        system: Name of the system, for example `"mamp"`.
        name: Name to pass as `weights=`.
        configuration: Arguments of the application's constructor.
        pretext: Further arguments of its pretext model's constructor.
        obtained: `"packaged"` (part of this package), `"url"` (fetched at the
            first use) or `"by hand"` (to be downloaded and converted).
        source: Who trained the weights, on what.
        page: Address of the page that offers the file.
        file_name: Name of the file there, or in this package.
        url: Direct address of the file, if there is one.
        sha256: Hash of the file, if known.
        licence: Licence of the weights.
        scores: Dict of measures to values.
        classes: Number of classes of the head, `None` without one.
        class_names: Names of the classes, in label order.
        preprocessing: Data set and preprocessing that the scores refer to.
        notes: Anything else a user should know.
    """

    system: str
    name: str
    configuration: dict
    obtained: str
    pretext: dict = dataclasses.field(default_factory=dict)
    source: str = ""
    page: str = ""
    file_name: str = ""
    url: str = ""
    sha256: str = ""
    licence: str = ""
    scores: dict = dataclasses.field(default_factory=dict)
    classes: int | None = None
    class_names: tuple = ()
    preprocessing: str = ""
    notes: str = ""

    def __post_init__(self):
        object.__setattr__(self, "configuration", _tuples(self.configuration))
        object.__setattr__(self, "class_names", tuple(self.class_names))

    def path(self):
        """Path of the file; fetches it if that is possible.

        Raises:
            FileNotFoundError: If the file must be obtained by hand; the
                message says from where and how to install it.
        """
        if self.obtained == "packaged":
            path = PACKAGED_FOLDER / self.file_name
        elif self.obtained == "url":
            return download.fetch(self.url, self.sha256 or None)
        else:
            path = installed_path(self.system, self.name)
        if path.is_file():
            return path
        if self.obtained == "packaged":
            raise FileNotFoundError(
                f"The file {self.file_name} is missing from the installed "
                "package. Install keras-skeleton again."
            )
        raise FileNotFoundError(
            f"The weights {self.name!r} of {self.system} are offered for "
            f"download by hand only. Get {self.file_name} from {self.page} "
            "and install it once with: keras-skeleton convert "
            f"{self.system} {self.name} FILE"
        )


def installed_path(system, name):
    """Where converted weights lie."""
    return download.cache_folder() / f"{system}_{name}.safetensors"


def names(system):
    """Names of the registered weights of a system, sorted.

    Example:

    >>> names("mamp")
    ['ntu120_xset', 'ntu120_xsub', 'ntu60', ..., 'nw_ucla_pretext']
    """
    module = conversion.system_module(system)
    registered = {entry.name for entry in module.PRETRAINED}
    return sorted(registered.union(_cards(system)))


def get(system, name):
    """The `PretrainedWeights` of a registered name.

    Raises:
        ValueError: If there is none; the message lists the names.
    """
    for entry in conversion.system_module(system).PRETRAINED:
        if entry.name == name:
            return entry
    card = _cards(system).get(name)
    if card is None:
        raise ValueError(
            f"There are no registered weights {name!r} of {system}. "
            f"Registered are {', '.join(names(system)) or 'none'}."
        )
    content = json.loads(card.read_text(encoding="utf-8"))
    content["system"], content["name"] = system, name
    content["obtained"] = "packaged"
    file = card.with_suffix(".safetensors")
    content.setdefault("file_name", file.name)
    if "configuration" not in content:
        content["configuration"] = _recorded_configuration(file, system)
    return PretrainedWeights(**content)


def _cards(system):
    """Paths of the cards of packaged weights, by name."""
    prefix = f"{system}_"
    return {
        path.stem.removeprefix(prefix): path
        for path in PACKAGED_FOLDER.glob(f"{prefix}*.json")
    }


def resolve(system, weights):
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
    if isinstance(weights, str) and weights in names(system):
        entry = get(system, weights)
        return entry.path(), entry
    if isinstance(weights, str) and download.is_address(weights):
        return download.fetch(weights), None
    path = pathlib.Path(weights)
    if path.is_file():
        return path, None
    raise ValueError(
        f"weights={str(weights)!r} is neither a registered name of {system} "
        f"({', '.join(names(system)) or 'none yet'}) nor an existing file nor "
        "an hf:// or https:// address."
    )


def configuration(system, weights):
    """The constructor's arguments that weights were trained with.

    Args:
        system: Name of the system, for example `"mamp"`.
        weights: As in `resolve`.

    Returns:
        Dict of arguments; empty for files that do not record them (all but
        registered weights and files of `save_weights`).
    """
    if isinstance(weights, str) and weights in names(system):
        return dict(get(system, weights).configuration)
    path, _ = resolve(system, weights)
    return _recorded_configuration(path, system)


def _recorded_configuration(path, system):
    if path.suffix.lower() != ".safetensors":
        return {}
    metadata = reader.read_metadata(path)
    if metadata.get("format") != FILE_FORMAT:
        return {}
    _check_system(path, metadata, system)
    try:
        return _tuples(json.loads(metadata["configuration"]))
    except (KeyError, ValueError, AttributeError) as error:
        raise ValueError(f"{path.name} has no valid configuration.") from error


def _tuples(arguments):
    """JSON has no tuples; shapes are tuples."""
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in arguments.items()
    }


def _check_system(path, metadata, system):
    if metadata.get("system") != system:
        raise ValueError(
            f"{path.name} holds weights of {metadata.get('system')!r}, not of "
            f"{system!r}."
        )


def load_weights(model, weights):
    """Loads weights of any kind into a model.

    Files of `save_weights` are loaded by variable path and official
    checkpoints through the system's conversion table. Every variable must
    get its tensor and every tensor its variable, else nothing is changed.
    Exceptions:

    - Tensors of a part that the model lacks (head, decoder) are left out.
    - The head of a classifier stays as it is, to be trained, if the weights
      have no head, another kind of head, or one for another number of
      classes.
    - The temporal embedding is resized to the model's number of segments.

    Keras' own files (`.weights.h5`, `.keras`) have no tensor names: they are
    loaded by Keras and must come from the same architecture, head included.

    Args:
        model: A model of `keras_skeleton.applications`.
        weights: As in `resolve`; the path may also be of an official `.pth`
            file or an `.npz` of named arrays.

    Raises:
        ValueError: If the weights do not fit; the message lists why.

    Example:

    >>> model = keras_skeleton.applications.MAMP(classes=60)
    >>> load_weights(model, "ntu60")  # the head stays fresh
    """
    system = conversion.system_of(model)
    path, entry = resolve(system, weights)
    if path.name.endswith((".h5", ".keras")):
        _load_keras_file(model, path)
        return
    metadata = {}
    if path.suffix.lower() == ".safetensors":
        if entry is not None and entry.obtained == "packaged":
            _check_hash(path, entry)
        tensors, metadata = reader.read_safetensors(path)
    else:
        tensors = reader.read_tensors(path)
    if metadata.get("format") == FILE_FORMAT:
        _check_system(path, metadata, system)
        _check_content(path, tensors, metadata)
        _load_by_path(model, tensors, path.name)
    elif set(tensors) & set(conversion.variables_of(model)):
        _load_by_path(model, tensors, path.name)
    else:
        _load_official(model, tensors)


def _load_by_path(model, tensors, label):
    variables = conversion.variables_of(model)
    table = conversion.table_for(model)
    present = table.parts_of(variables)
    if not _same_head(table, variables, tensors):
        present.discard("head")
    arrays, missing, mismatched = {}, [], []
    for path, variable in variables.items():
        if "head" not in present and table.in_head(path):
            continue
        if path not in tensors:
            missing.append(path)
            continue
        array, shape = tensors[path], tuple(variable.shape)
        entry, _ = table.find(path)
        if entry is not None and entry.adapt is not None:
            array = entry.adapt(array, shape)
        if array.shape != shape:
            mismatched.append(f"{path} {array.shape} for {shape}")
        arrays[path] = array
    left_over = conversion.list_left_over(
        tensors,
        variables,
        [p.has_variable for k, p in table.parts.items() if k not in present],
    )
    conversion.check(label, model, missing, left_over, mismatched)
    conversion.assign(variables, arrays)


def _same_head(table, variables, tensors):
    """Whether a file has a head of the model's kind and classes."""
    wanted = {
        path: tuple(variable.shape)
        for path, variable in variables.items()
        if table.in_head(path)
    }
    found = {
        name: array.shape
        for name, array in tensors.items()
        if table.in_head(name)
    }
    bias = "predictions/bias"
    return wanted.keys() == found.keys() and wanted.get(bias) == found.get(bias)


def _load_official(model, tensors):
    """Official tensors; the head is loaded if the file has the right one."""
    variables = conversion.variables_of(model)
    table = conversion.table_for(model, tensors)
    head = {path: v for path, v in variables.items() if table.in_head(path)}
    found = {path: table.find(path)[1] for path in head}
    bias = tensors.get(found.get("predictions/bias"))
    load_head = (
        bias is not None
        and bias.shape == tuple(head["predictions/bias"].shape)
        and all(
            name in tensors or path in table.constants
            for path, name in found.items()
        )
    )
    head = "load" if load_head else "fresh"
    conversion.load_official(model, tensors, head=head)


def _load_keras_file(model, path):
    """Keras' own formats, undone if they turn out not to fit."""
    before = model.get_weights()
    try:
        if path.suffix != ".keras":
            model.load_weights(path)
            return
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "model.weights.h5"
            with zipfile.ZipFile(path) as archive:
                archive.extract("model.weights.h5", folder)
            model.load_weights(file)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        model.set_weights(before)
        raise ValueError(
            f"{path.name} cannot be loaded into the {type(model).__name__} "
            f"{model.name!r}, and nothing was changed: {error}"
        ) from error


def save_weights(model, path, dtype="float32", **metadata):
    """Saves the weights of a model by variable path, as `.safetensors`.

    The file records the system and the constructor's arguments, so that
    `weights=path` rebuilds the architecture, and a hash of its content.

    Args:
        model: A model of `keras_skeleton.applications`.
        path: File to write, ending in `.safetensors`. An existing one is
            replaced once the new one is complete.
        dtype: `"float32"`, or `"float16"` for half the size.
        **metadata: Further entries, texts, to record in the file.

    Returns:
        The path.

    Example:

    >>> save_weights(encoder, "encoder.safetensors", dtype="float16")
    >>> same = keras_skeleton.applications.MAMP("encoder.safetensors")
    """
    import keras
    from safetensors.numpy import save

    path = pathlib.Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(
            "Weights are saved to a file ending in .safetensors. Received "
            f"path={str(path)!r}."
        )
    if dtype not in ("float16", "float32"):
        raise ValueError(
            f"`dtype` must be 'float16' or 'float32'. Received {dtype!r}."
        )
    tensors = {}
    for name, variable in conversion.variables_of(model).items():
        array = keras.ops.convert_to_numpy(
            keras.ops.cast(variable.value, "float32")
        )
        with np.errstate(over="ignore"):
            array = np.array(array, dtype=dtype, order="C")
        if not np.isfinite(array).all():
            raise ValueError(
                f"The variable {name} holds values that are not finite in "
                f"{dtype}. Nothing was saved."
            )
        tensors[name] = array
    config = model.get_config()
    config = {k: v for k, v in config.items() if k not in _NOT_CONFIGURATION}
    metadata = {
        **{key: str(value) for key, value in metadata.items()},
        "format": FILE_FORMAT,
        "system": conversion.system_of(model),
        "class": type(model).__name__,
        "configuration": json.dumps(config),
        "content_sha256": _content_sha256(tensors),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        # `save_file` would let nobody else read the file.
        part.write_bytes(save(tensors, metadata))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path


def _content_sha256(tensors):
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _check_content(path, tensors, metadata):
    expected = metadata.get("content_sha256")
    if expected and _content_sha256(tensors) != expected:
        raise ValueError(
            f"{path.name} is corrupt: its content does not have the recorded "
            "hash. Delete the file, then fetch or convert it again."
        )


def _check_hash(path, entry):
    if entry.sha256 and download.file_sha256(path) != entry.sha256:
        raise ValueError(
            f"{path.name} is corrupt: it does not have the registered hash. "
            "Install keras-skeleton again."
        )
