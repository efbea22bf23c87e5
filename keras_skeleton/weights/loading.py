"""Loading weights of any kind into a model, and saving them."""

import hashlib
import json
import pathlib
import tempfile
import typing
import zipfile
import zlib

import numpy as np

from keras_skeleton import _download as download
from keras_skeleton import _outputs
from keras_skeleton._types import PathLike
from keras_skeleton.datasets.files import hdf5
from keras_skeleton.weights import cards
from keras_skeleton.weights import conversion
from keras_skeleton.weights import reader
from keras_skeleton.weights import registry

if typing.TYPE_CHECKING:
    import keras

# Bytes; those of the largest model are some thousand.
_LARGEST_CONFIG = 1_000_000
# Arguments of a model that say nothing about its weights.
_NOT_CONFIGURATION = (
    "name",
    "dtype",
    "encoder",
    "frozen",
    "class_names",
    "fresh_head",
    "weights",
    "classes",
    "pooling",
    "classifier_activation",
)


def load_weights(model, weights: PathLike, key=None) -> None:
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
        key: Entry of an official `.pth` file, see `read_tensors`.

    Raises:
        ValueError: If the weights do not fit; the message lists why.

    Example:

    >>> model = keras_skeleton.applications.MAMP(classes=60)
    >>> load_weights(model, "ntu60")  # the head stays fresh
    """
    system = conversion.system_of(model)
    path, entry = registry.resolve(system, weights)
    if path.name.endswith((".h5", ".keras")):
        _load_keras_file(model, path)
        return
    metadata = {}
    if path.suffix.lower() == ".safetensors":
        if entry is not None and entry.obtained == "packaged":
            _check_hash(path, entry)
        tensors, metadata = reader.read_safetensors(path)
    else:
        tensors = reader.read_tensors(path, key)
    if metadata.get("format") == registry.FILE_FORMAT:
        registry.check_system(path, metadata, system)
        _check_content(path, tensors, metadata)
        has_head = _load_by_path(model, tensors, path.name)
        if "fresh_head" in metadata and hasattr(model, "note_fresh_head"):
            model.note_fresh_head()
    elif set(tensors) & set(conversion.variables_of(model)):
        has_head = _load_by_path(model, tensors, path.name)
    else:
        has_head = _load_official(model, tensors)
    if has_head and hasattr(model, "ends"):
        names = _class_names(entry, metadata)
        known = len(names) == model.ends.get("classes")
        model.class_names = names if known else None


def _class_names(entry, metadata):
    """Names of the classes of weights, as far as they are known."""
    if entry is not None and entry.class_names:
        return entry.class_names
    try:
        names = json.loads(metadata.get("class_names", "[]"))
    except json.JSONDecodeError:
        return ()
    is_list = isinstance(names, list)
    return tuple(map(str, names)) if is_list else ()


def load_model(
    system: str, weights: PathLike, head=True
) -> "tuple[keras.Model, list]":
    """The model that weights were saved from, and what is known about them.

    Args:
        system: Name of the system, for example `"mamp"`.
        weights: A registered name, or a file of `save_weights`.
        head: Whether to give a classifier if the weights have a head; else
            the encoder.

    Returns:
        Tuple of the model and a list of dicts that may hold its recipe: that
        of the card, and what `save_weights` recorded.

    Raises:
        ValueError: If a file is none of `save_weights`.
        FileNotFoundError: If the weights must be obtained by hand first.

    Example:

    >>> model, found = load_model("ctrgcn", "nw_ucla")
    >>> model.output_shape
    (None, 10)
    """
    path, entry = registry.resolve(system, weights)
    metadata = {}
    tensors = {}
    if path.suffix.lower() == ".safetensors":
        tensors, metadata = reader.read_safetensors(path)
    if metadata.get("format") != registry.FILE_FORMAT:
        raise ValueError(
            f"{path.name} is no file of `save_weights`. Load it into a model, "
            "and evaluate that with `evaluate_model` or a protocol such as "
            "`linear_probe`, or save it with "
            "`keras_skeleton.weights.save_weights`."
        )
    registry.check_system(path, metadata, system)
    biases = [a for n, a in tensors.items() if n.endswith("predictions/bias")]
    classes = biases[0].size if biases and head else None
    application, *_ = conversion.classes_of(system).values()
    # A name is checked against the hash of its card; what converted files
    # say of their own architecture goes beyond the card, such as their head.
    named = entry is not None and entry.obtained != "by hand"
    model = application(weights if named else path, classes=classes)
    return model, [{} if entry is None else entry.recipe, metadata]


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
    if "head" not in present:
        _start_head(model)
    return "head" in present


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
    tensors = conversion.without_wrapper(model, tensors)
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
    if not load_head:
        _start_head(model)
    return load_head


def _start_head(model):
    # Models of pre-training have no head.
    if hasattr(model, "start_head"):
        model.start_head()
        model.note_fresh_head()


def _load_keras_file(model, path):
    """Keras' own formats, undone if they turn out not to fit."""
    before = model.get_weights()
    try:
        if path.suffix != ".keras":
            _load_keras_weights(model, path)
            return
        with tempfile.TemporaryDirectory() as folder:
            with zipfile.ZipFile(path) as archive:
                member = archive.getinfo("model.weights.h5")
                # Keras packs without compressing.
                if member.file_size > 2 * path.stat().st_size:
                    raise ValueError("its weights are larger than the file")
                archive.extract(member, folder)
            file = pathlib.Path(folder) / "model.weights.h5"
            _load_keras_weights(model, file)
    except (
        *hdf5.ERRORS,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        model.set_weights(before)
        raise ValueError(
            f"{path.name} cannot be loaded into the {type(model).__name__} "
            f"{model.name!r}, and nothing was changed: "
            f"{str(error) or type(error).__name__}\n{_advice(model, path)}"
        ) from error


def _advice(model, path):
    """How a file of Keras is loaded that does not fit a model."""
    rule = (
        "Files of Keras fit models of the same architecture only, head included"
    )
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > _LARGEST_CONFIG:
                raise ValueError("no architecture is as long as that")
            saved = json.loads(archive.read("config.json"))
        found = saved["config"]
        own = json.loads(json.dumps(_serialized(model)))["config"]
        others = [
            f"{name}={_plain(found[name])!r} (here {_plain(own[name])!r})"
            for name in own
            if name in found
            if name
            not in (
                "name",
                "dtype",
                "weights",
                "fresh_head",
                "class_names",
                "frozen",
            )
            if found[name] != own[name]
        ]
    except (*hdf5.ERRORS, zipfile.BadZipFile, zlib.error, TypeError):
        others = []
    if not others:
        return f"{rule}: pass the arguments of the model that was saved."
    return (
        f"{rule}, and the {saved.get('class_name')} in this file has "
        f"{', '.join(others)}. Pass these, or read the whole model by "
        "`keras.saving.load_model`."
    )


def _serialized(model):
    import keras

    return keras.saving.serialize_keras_object(model)


def _plain(value):
    """A value in a file of Keras as one would write it."""
    if isinstance(value, dict) and value.get("class_name") == "__tuple__":
        return tuple(map(_plain, value["config"]["value"]))
    return value


def _load_keras_weights(model, path):
    # Keras follows what the file says.
    hdf5.check_file(path)
    model.load_weights(path)


def save_weights(
    model, path: PathLike, dtype="float32", **metadata
) -> pathlib.Path:
    """Saves the weights of a model by variable path, as `.safetensors`.

    The file records the system and the constructor's arguments, so that
    `weights=path` rebuilds the architecture, and a hash of its content.

    Args:
        model: A model of `keras_skeleton.applications`.
        path: File to write, ending in `.safetensors`. An existing one is
            replaced once the new one is complete.
        dtype: `"float32"`, or `"float16"` for half the size.
        **metadata: Further entries to record in the file: texts, or what
            JSON can hold. `data_set`, `protocol`, `transforms` and `stream`
            say what the weights are evaluated by, see `evaluate_weights`.

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
    names = getattr(model, "class_names", None)
    if names is not None:
        metadata = {"class_names": list(names), **metadata}
    metadata = {
        **{
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in metadata.items()
            if value is not None
        },
        "format": registry.FILE_FORMAT,
        "system": conversion.system_of(model),
        "class": type(model).__name__,
        "configuration": json.dumps(config),
        "content_sha256": _content_sha256(tensors),
    }
    if getattr(model, "fresh_head", None):
        metadata["fresh_head"] = model.fresh_head
    path.parent.mkdir(parents=True, exist_ok=True)
    with _outputs.replacing(path) as part:
        # `save_file` would let nobody else read the file.
        part.write_bytes(save(tensors, metadata))
    return path


def install(entry, paths, key=None, overwrite=False):
    """Converts the official files of registered weights and installs them.

    Args:
        entry: The `PretrainedWeights`.
        paths: Paths of the files, in the order of `entry.files`; all, or
            only those that are required. Of several, the names of the
            tensors get the role of the file in front, as in
            `encoder.norm.weight`.
        key: As in `read_tensors`.
        overwrite: Whether installed weights are replaced even if they have
            more than these files, such as a head.

    Returns:
        Tuple of the path of the installed file and the number of tensors.

    Raises:
        ValueError: If the files do not fit the card, or installed weights
            have more; the message lists why.
    """
    files = entry.files
    if len(paths) != len(files):
        files = [file for file in files if file.required]
    if len(paths) != len(files):
        roles = ", ".join(file.role for file in entry.files)
        alone = ", ".join(file.role for file in files)
        raise ValueError(
            f"The weights {entry.name!r} of {entry.system} have "
            f"{len(entry.files)} file(s), {roles}, of which {alone} would do. "
            f"Received {len(paths)}."
        )
    by_role = dict(
        zip((file.role for file in files), map(str, paths), strict=True)
    )
    try:
        if len(paths) > 1:
            tensors = conversion.named_tensors(by_role, key)
        else:
            tensors = reader.read_tensors(paths[0], key)
        build = conversion.system_module(entry.system).build
        model = build(entry, tensors)
        bare = conversion.without_wrapper(model, tensors)
        if bare.keys() != tensors.keys():
            # Only now is it plain what is in the file, such as a head.
            model = build(entry, bare)
        conversion.load_official(model, bare)
    except ValueError as error:
        if len(paths) == 1:
            raise
        order = ", ".join(f"{role}: {path}" for role, path in by_role.items())
        raise ValueError(
            f"{error}\nThe files were taken as {order}; give them in the order "
            f"{', '.join(by_role)}."
        ) from error
    path = cards.installed_path(entry.system, entry.name)
    if path.is_file() and not overwrite:
        _check_nothing_is_lost(path, model)
    digests = [download.file_sha256(file) for file in paths]
    path = save_weights(
        model,
        path,
        source=entry.source,
        licence=entry.licence,
        official_sha256=" ".join(digests),
    )
    return path, len(tensors)


def _check_nothing_is_lost(path, model):
    """Raises a `ValueError` if a file has tensors that a model has not."""
    ours = {variable.path for variable in model.variables}
    lost = sorted(set(reader.read_tensors(path)) - ours)
    if lost:
        raise ValueError(
            f"Weights are installed as {path} that have {len(lost)} tensors "
            f"which these files have not, such as {lost[0]!r}. Nothing was "
            "changed. Pass all files of the model, or replace them all the "
            "same by --overwrite (`overwrite=True`)."
        )


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
    expected = entry.files[0].sha256
    if expected and download.file_sha256(path) != expected:
        raise ValueError(
            f"{path.name} is corrupt: it does not have the registered hash. "
            "Install keras-skeleton again."
        )
