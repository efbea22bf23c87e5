"""Exported models compute the same as the models.

Conversion takes long. By default a small graph network goes to each format,
one with official weights to ONNX, and the smallest form of every system to
ONNX from the backend that compiles nothing (the transformers from each); with
KERAS_SKELETON_EXPORT=all every fixture of the graph networks, and PSUMNet's
three networks together, go to each format, and every system to ONNX from each
backend.
"""

import os

import keras
import numpy as np
import pytest
from applications import test_parity_ctrgcn
from applications import test_parity_hypergcn
from applications import test_parity_psumnet
from graph_networks import randomize_network
from graph_networks import to_ours
from support import assert_close
from support import fixture_paths
from support import read_fixture

from keras_skeleton import applications
from keras_skeleton import skeletons
from keras_skeleton.applications import PSUMNet

# Exporters of other frameworks warn about what they do themselves: old ways of
# calling, traces, constants that they do not fold.
pytestmark = pytest.mark.filterwarnings("ignore")

ALL = os.environ.get("KERAS_SKELETON_EXPORT") == "all"
LONG = "takes long: set KERAS_SKELETON_EXPORT=all"
BACKEND = keras.backend.backend()
FORMATS = {"tf_saved_model": "", "onnx": ".onnx", "litert": ".tflite"}
# What converts and what runs each format.
NEEDS = {
    ("tensorflow", "tf_saved_model"): ("tensorflow",),
    ("jax", "tf_saved_model"): ("tensorflow",),
    ("tensorflow", "onnx"): ("tf2onnx", "onnxruntime"),
    ("torch", "onnx"): ("onnx", "onnxruntime"),
    ("jax", "onnx"): ("jax2onnx", "onnxruntime"),
    ("tensorflow", "litert"): ("ai_edge_litert.interpreter",),
    ("torch", "litert"): ("litert_torch", "ai_edge_litert.interpreter"),
}
CANNOT = {
    ("torch", "tf_saved_model"): "Keras writes no SavedModel from PyTorch: "
    "torch.export and the signature disagree about dynamic shapes",
    ("jax", "litert"): "Keras writes LiteRT from TensorFlow and PyTorch only",
    ("jax", "tf_saved_model", "hypergcn"): "TensorFlow cannot read the `top_k` "
    "of this JAX: it knows an older StableHLO",
    ("tensorflow", "onnx", "halp"): "tf2onnx leaves lists of tensors, which "
    "recurrent layers keep on TensorFlow, without a type",
}
SYSTEMS = {
    "ctrgcn": (test_parity_ctrgcn, ("ctrgcn_*.npz",)),
    "hypergcn": (test_parity_hypergcn, ("base*.npz",)),
    "psumnet": (test_parity_psumnet, ("body*.npz", "hand*.npz", "leg*.npz")),
}

# Layer normalization on PyTorch and GELU on TensorFlow did not become ONNX.
TRANSFORMERS = ("cascadeformer", "mamp")
VARIANTS = {
    "cascadeformer": (
        {"frame_embedding": "transformer", "input_shape": (2, 8, 20, 3)},
        {"head": "cascade_mlp", "mask_padding": True},
    ),
}
if BACKEND == "torch":
    # Points are chosen in a loop, which the other exporters do not know.
    VARIANTS["unipose"] = (
        {"network": "point_transformer", "num_neighbors": 4},
        {"network": "voting"},
    )


def check_format(form, system=None):
    """Skips a test of what cannot be exported here."""
    reason = CANNOT.get((BACKEND, form))
    reason = reason or CANNOT.get((BACKEND, form, system))
    if reason is not None:
        pytest.skip(reason)
    for package in NEEDS[BACKEND, form]:
        pytest.importorskip(package)


def export(model, form, folder):
    """Exports a model as the guide does; returns a function of clips."""
    # LiteRT takes single clips.
    single = form == "litert"
    signature = keras.tree.map_structure(
        lambda x: keras.InputSpec(
            "float32", (1 if single else None, *x.shape[1:]), name=x.name
        ),
        model.input,
    )
    folder.mkdir(exist_ok=True)
    path = str(folder / f"model{FORMATS[form]}")
    model.export(
        path,
        format=form,
        verbose=False,
        input_signature=[signature],
    )
    run = {"tf_saved_model": saved_model, "onnx": onnx, "litert": litert}
    function = run[form](path)
    if not single:
        return function
    return lambda clips: np.concatenate([function(x[None]) for x in clips])


def saved_model(path):
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    return lambda clips: loaded.serve(clips).numpy()


def onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_inputs()]

    def run(clips):
        # Several inputs keep their names; that of one may be another.
        if not isinstance(clips, dict):
            clips = {names[0]: clips}
        return session.run(None, clips)[0]

    return run


def litert(path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    interpreter.allocate_tensors()
    (inputs,) = interpreter.get_input_details()
    (outputs,) = interpreter.get_output_details()

    def run(clips):
        interpreter.set_tensor(inputs["index"], clips)
        interpreter.invoke()
        return interpreter.get_tensor(outputs["index"])

    return run


def fixtures(folder, patterns):
    paths = fixture_paths(folder, *patterns)
    paths = sorted(paths, key=lambda path: (path.stat().st_size, path.name))
    return paths if ALL else paths[:1]


def load(system, path):
    """The model of a fixture and its clips."""
    config, arrays = read_fixture(path)
    loaded = SYSTEMS[system][0].load(config, arrays)
    model = loaded[0] if isinstance(loaded, tuple) else loaded
    return model, to_ours(arrays["in/x"])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("system", SYSTEMS)
def test_fixtures(system, form, fixtures_dir, tmp_path):
    check_format(form, system)
    if not ALL and (system, form) != ("psumnet", "onnx"):
        pytest.skip(LONG)
    for path in fixtures(fixtures_dir(system), SYSTEMS[system][1]):
        model, clips = load(system, path)
        expected = model.predict(clips, verbose=0)
        run = export(model, form, tmp_path / path.stem)
        assert_close(run(clips), expected, f"{path.stem} as {form}")
        keras.backend.clear_session()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("part", ["leg", None])
def test_small_networks(part, form, tmp_path):
    check_format(form)
    if not ALL and part is None:
        pytest.skip(LONG)
    skeleton = skeletons.Skeleton(
        "star",
        joints=tuple(f"joint {i}" for i in range(9)),
        edges=tuple((i, 0 if i % 2 else i - 1) for i in range(1, 9)),
        parts={
            "left_arm": (1, 2),
            "right_arm": (3, 4),
            "left_leg": (5, 6),
            "right_leg": (7, 8),
        },
    )
    shape = (1, 8, 9, 3) if part is None else (1, 8, 5, 12)
    keras.utils.set_random_seed(0)
    model = PSUMNet(
        input_shape=shape,
        skeleton=skeleton,
        part=part,
        classes=4,
        hidden_dim=8,
    )
    clips = np.random.default_rng(0).normal(size=(2, *shape))
    clips = clips.astype("float32")
    expected = model.predict(clips, verbose=0)
    run = export(model, form, tmp_path)
    assert_close(run(clips), expected, form)


def clips_of(tensor):
    """Three clips for a symbolic input; skeletons end early."""
    random = np.random.default_rng(0)
    clips = random.normal(size=(3, *tensor.shape[1:])).astype("float32")
    if tensor.name == "skeletons":
        clips[:, :, 6:] = 0
    return clips


# What trains other systems' networks is no network itself.
NETWORKS = [
    system
    for system, names in applications.SYSTEMS.items()
    if hasattr(getattr(applications, names[0]), "encoder_graph")
]


@pytest.mark.parametrize("system", NETWORKS)
def test_every_system_becomes_onnx(system, tmp_path):
    """For any number of clips."""
    check_format("onnx", system)
    if not ALL and BACKEND != "torch" and system not in TRANSFORMERS:
        pytest.skip(LONG)
    if BACKEND == "jax" and system == "finetec":
        pytest.skip(
            "joins batches, whose symbolic sizes jax2onnx does not know"
        )
    cls = getattr(applications, applications.SYSTEMS[system][0])
    variants = VARIANTS.get(system, ()) if ALL or BACKEND == "torch" else ()
    for number, changes in enumerate(({}, *variants)):
        keras.utils.set_random_seed(0)
        end = {"classes": 3} if cls.task == "classes" else {}
        model = cls(**{**cls.tiny, **changes}, **end)
        randomize_network(model)
        clips = keras.tree.map_structure(clips_of, model.input)
        expected = model.predict(clips, verbose=0)
        run = export(model, "onnx", tmp_path / str(number))
        for count in (3, 1):
            some = keras.tree.map_structure(lambda x, n=count: x[:n], clips)
            assert_close(run(some), expected[:count], f"{system}: {changes}")
        keras.backend.clear_session()


def test_what_cannot_be_exported_says_so(tmp_path):
    model = applications.STGCN(**applications.STGCN.tiny, classes=3)
    for backend, form in (("torch", "tf_saved_model"), ("jax", "litert")):
        if backend == BACKEND:
            with pytest.raises(ValueError, match="Write 'onnx', or save"):
                model.export(str(tmp_path / "model"), format=form)
    for cls, changed, backend, form in (
        (applications.HaLP, {}, "tensorflow", "onnx"),
        (applications.HyperGCN, {}, "jax", "tf_saved_model"),
        (applications.UniPose, {"network": "voting"}, "tensorflow", "onnx"),
        (applications.UniPose, {"network": "voting"}, "jax", "onnx"),
    ):
        if backend == BACKEND:
            one = cls(**{**cls.tiny, **changed})
            with pytest.raises(ValueError, match="cannot be written.*KERAS_"):
                one.export(str(tmp_path / "model"), format=form)
    with pytest.raises(ValueError, match="There is no folder"):
        model.export(str(tmp_path / "none" / "model.onnx"), format="onnx")
    training = applications.BRL(model, class_counts=(3, 2, 1))
    with pytest.raises(ValueError, match="Export the network.*`model`"):
        training.export(str(tmp_path / "model.onnx"), format="onnx")


def test_a_model_that_was_just_built_is_exported(tmp_path):
    if BACKEND == "tensorflow":
        pytest.skip("TensorFlow needs no call before")
    check_format("onnx")
    model = applications.STGCN(**applications.STGCN.tiny, classes=3)
    path = str(tmp_path / "model.onnx")
    model.export(path, format="onnx", verbose=False)
    clips = clips_of(model.input)
    expected = model.predict(clips, verbose=0)
    assert_close(onnx(path)(clips), expected, "without a signature")
