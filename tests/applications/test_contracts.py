"""What holds for every system, proven on its smallest useful form."""

import ast
import inspect
import re
import shutil
import sys

import keras
import numpy as np
import pytest
from graph_networks import randomize_network
from keras import ops
from support import gradients

from keras_skeleton import applications
from keras_skeleton._graph import rebuilt
from keras_skeleton.applications._application import Application
from keras_skeleton.training import ResumeTraining
from keras_skeleton.training import StepModel
from keras_skeleton.training import SupervisedModel


def classes_of(base):
    """Parameters of a test: the classes of a kind, by system."""
    return [
        pytest.param(getattr(applications, name), id=system)
        for system, names in applications.SYSTEMS.items()
        for name in names
        if issubclass(getattr(applications, name), base)
    ]


EVERY = classes_of(Application)
APPLICATIONS = [case for case in EVERY if case.values[0].task == "classes"]
POSES = [case for case in EVERY if case.values[0].task == "poses"]
TRAININGS = classes_of(StepModel)
# Arguments of the constructor that are no settings of the architecture.
ENDS = {
    "classes": 3,
    "pooling": "max",
    "classifier_activation": "softmax",
    "name": "other",
    "dtype": "mixed_bfloat16",
}
# Constants that a batch normalization behind takes away: their gradient is 0
# up to rounding.
CANCELLED = {"tuning_head/projector/beta"}
LAYOUT = {"input_shape": (2, 8, 17, 2), "skeleton": "coco17"}


def clips(shape, count=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *shape)).astype("float32")


def clips_for(model, count=3):
    form = model.input_form
    if not isinstance(form, dict):
        return clips(form, count)
    inputs = {name: clips(shape, count) for name, shape in form.items()}
    if "length" in form:
        # Sizes of boxes.
        inputs["length"] = 1 + np.abs(inputs["length"])
    if "layout" in form:
        # Clips of several layouts, in turn.
        inputs["layout"] = np.arange(count) % len(model.encoder.layouts)
    return inputs


def each(function, inputs):
    """A function of each array of the inputs."""
    return keras.tree.map_structure(function, inputs)


def values(model):
    # Copies: on PyTorch, arrays share the memory of the variables.
    return [np.array(ops.convert_to_numpy(v.value)) for v in model.weights]


def head_values(model):
    head = model.get_layer("predictions").trainable_variables
    return [np.array(ops.convert_to_numpy(v.value)) for v in head]


def assert_equal_weights(one, other):
    for a, b in zip(values(one), values(other), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("cls", APPLICATIONS)
def test_gradients_reach_every_variable(cls):
    keras.utils.set_random_seed(0)
    model = cls(**cls.tiny, classes=3)

    def loss(model, x):
        # In inference mode, as batch statistics leave biases no gradient.
        return ops.mean(ops.square(model(x, training=False)[:, 0] - 1))

    start = values(model)
    unreached = {variable.path for variable in model.trainable_variables}
    # Of so few channels, some are 0 behind a ReLU for all clips: a variable
    # is reached if it is with one of several draws of all weights.
    for seed in range(5):
        model.set_weights(start)
        randomize_network(model, seed)
        # Small, lest what compares joints saturates.
        _, found = gradients(
            model, loss, each(lambda x: 0.1 * x, clips_for(model))
        )
        unreached -= {path for path, x in found.items() if np.any(x)}
        if not unreached:
            break
    assert not unreached


@pytest.mark.parametrize("cls", APPLICATIONS)
def test_fit_predict_save_and_load(cls, tmp_path):
    keras.utils.set_random_seed(0)
    model = cls(**cls.tiny, classes=3, head="linear")
    # Or each `predict_on_batch` on JAX calls it once more, and eagerly.
    assert all(layer.built for layer in model._flatten_layers())
    x = clips_for(model)
    model.compile(
        keras.optimizers.Adam(1e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=keras.backend.backend() != "torch",
    )
    before = head_values(model)
    logs = model.fit(
        x, np.arange(3), batch_size=3, epochs=20, shuffle=False, verbose=0
    ).history
    # At first all classes are equally likely; layers may add losses.
    assert logs["loss"][-1] < logs["loss"][0] - 0.5
    assert "accuracy" in logs
    for old, new in zip(before, head_values(model), strict=True):
        assert (old != new).any()
    outputs = model.predict_on_batch(x)
    assert outputs.shape == (3, 3)
    eager = ops.convert_to_numpy(model(x, training=False))
    np.testing.assert_allclose(outputs, eager, atol=1e-5, rtol=1e-5)
    # A clip's scores do not depend on the others of its batch.
    turned = model.predict_on_batch(each(lambda x: x[::-1], x))
    np.testing.assert_allclose(outputs[::-1], turned, atol=1e-5, rtol=1e-5)

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, cls)
    assert loaded.get_config() == model.get_config()
    assert_equal_weights(model, loaded)
    assert [v.path for v in loaded.weights] == [v.path for v in model.weights]


@pytest.mark.parametrize("cls", APPLICATIONS)
def test_another_layout(cls):
    encoder = cls(**{**cls.tiny, **LAYOUT})
    # One where a system takes all persons together.
    assert encoder.output_shape[1] in (1, LAYOUT["input_shape"][0])
    model = cls(encoder=encoder, classes=3)
    outputs = model.predict_on_batch(clips_for(model))
    assert outputs.shape == (3, 3)
    assert np.isfinite(outputs).all()


@pytest.mark.parametrize("cls", APPLICATIONS)
def test_heads_change_nothing_in_the_encoder(cls):
    encoder = cls(**cls.tiny)
    first = cls(encoder=encoder, classes=3)
    randomize_network(first)
    x = clips_for(encoder)
    scores, config = first.predict_on_batch(x), encoder.get_config()
    for head in (*cls.heads, "linear"):
        model = cls(encoder=encoder, classes=4, head=head)
        assert model.output_shape == (None, 4)
        assert model.layers[-1].name == "predictions"
        assert model.get_config()["head"] == head
        ours = {id(variable) for variable in model.weights}
        assert all(id(variable) in ours for variable in encoder.weights)
    assert encoder.get_config() == config
    np.testing.assert_array_equal(first.predict_on_batch(x), scores)


@pytest.mark.parametrize("cls", APPLICATIONS)
def test_mixed_precision(cls):
    model = cls(**cls.tiny, classes=3, dtype="mixed_bfloat16")
    outputs = model.predict_on_batch(clips_for(model))
    assert outputs.dtype == "float32"
    assert np.isfinite(outputs).all()
    assert {v.dtype for v in model.trainable_variables} == {"float32"}


@pytest.mark.once
@pytest.mark.parametrize("cls", APPLICATIONS)
def test_freezing(cls, tmp_path):
    encoder = cls(**cls.tiny)
    encoder.trainable = False
    model = cls(encoder=encoder, classes=3, head="linear")
    model.compile("sgd", "mse")
    head = {v.path for v in model.get_layer("predictions").weights}
    assert {v.path for v in model.trainable_variables} == head
    before = values(encoder)
    model.fit(clips_for(model), np.zeros((3, 3)), verbose=0)
    for a, b in zip(before, values(encoder), strict=True):
        np.testing.assert_array_equal(a, b)
    # Who loads the model goes on where it was.
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert {v.path for v in loaded.trainable_variables} == head
    assert loaded.optimizer.iterations == 1
    assert rebuilt(loaded).trainable_variables[1:]


@pytest.mark.once
@pytest.mark.parametrize("cls", APPLICATIONS)
def test_parts_of_layers_stay_frozen(cls, tmp_path):
    # The published head may hold layers of a frozen encoder.
    encoder = cls(**cls.tiny)
    encoder.trainable = False
    model = cls(encoder=encoder, classes=3)
    shared = {id(v) for v in encoder.variables}
    head = {v.path for v in model.weights if id(v) not in shared}
    trained = {v.path for v in model.trainable_variables}
    assert trained and trained <= head
    inner = [
        layer
        for outer in model.layers
        for layer in outer._flatten_layers(include_self=False)
        if layer.trainable_variables
    ]
    for layer in inner[::2]:
        layer.trainable = False
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [v.path for v in loaded.trainable_variables] == [
        v.path for v in model.trainable_variables
    ]


@pytest.mark.once
@pytest.mark.parametrize("cls", TRAININGS)
def test_trainings_stay_frozen(cls, tmp_path):
    model = cls(**cls.tiny)
    network = getattr(model, "encoder", None) or model.model
    layer = next(each for each in network.layers if each.trainable_variables)
    for is_trained in (False, True):
        layer.trainable = is_trained
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert [v.path for v in loaded.trainable_variables] == [
            v.path for v in model.trainable_variables
        ]


def argument_text(cls, name):
    """What the docstring of a class says about an argument.

    A system that trains another's network documents what is its own.
    """
    for each in cls.__mro__[: cls.__mro__.index(Application)]:
        text = inspect.getdoc(each).partition("\nArgs:\n")[2]
        found = re.search(
            rf"^    {name}: (.*(?:\n      .*)*)", text, re.MULTILINE
        )
        if found:
            return " ".join(found[1].split())
    raise AssertionError(f"{cls.__name__} does not document `{name}`")


def settings_of():
    """Parameters of a test: every argument of every system."""
    return [
        pytest.param(case.values[0], name, id=f"{case.id}-{name}")
        for case in EVERY
        for name in (*case.values[0].arguments(), *ENDS)
        if name in inspect.signature(case.values[0].__init__).parameters
    ]


def candidates(cls, name, default):
    """Values that an argument may take instead of its default."""
    if name in ENDS:
        yield ENDS[name]
        return
    searched = cls.search_space.get(name, ())
    yield from (x for x in searched if x != "log")
    if name in cls.tiny:
        yield cls.tiny[name]
    if isinstance(default, str):
        yield from re.findall(r'`"(\w+)"', argument_text(cls, name))
    elif isinstance(default, bool):
        yield not default
    elif isinstance(default, int):
        yield from (default + 1, 2 * default, 2)
    elif isinstance(default, float):
        yield default + 0.25
    elif isinstance(default, tuple):
        yield tuple(x + 1 for x in default)
    else:
        text = argument_text(cls, name)
        yield from re.findall(r'"(\w+)"', text)
        yield from map(ast.literal_eval, re.findall(r"`(\(.+?\))`", text))


def build_changed(cls, name, default):
    """A model whose argument is off its default, and the value it got."""
    reasons = []
    for value in candidates(cls, name, default):
        if value == default:
            continue
        arguments = {**cls.tiny, name: value}
        if name in ("classifier_activation", "head"):
            arguments["classes"] = 3
        try:
            return cls(**arguments), value
        except ValueError as error:
            reasons.append(f"{value!r}: {error}")
    raise AssertionError(f"No other value of `{name}` was taken: {reasons}")


@pytest.mark.once
@pytest.mark.parametrize(("cls", "name"), settings_of())
def test_arguments_survive_serialisation(cls, name):
    default = inspect.signature(cls.__init__).parameters[name].default
    model, value = build_changed(cls, name, default)
    config = model.get_config()
    if name == "skeleton":
        assert model.skeleton.name == value
    else:
        assert config[name] == value
    described = keras.saving.serialize_keras_object(model)
    revived = keras.saving.deserialize_keras_object(described)
    assert type(revived) is cls
    assert revived.get_config() == config


def stated_default(cls, name):
    """The default that the documentation of an argument states."""
    text = argument_text(cls, name)
    found = re.search(r"Defaults to `([^`]+)`", text)
    found = found or re.search(r"Defaults to ([\w.]*\w)", text)
    found = found or re.search(r"`([^`]+)`(?: \(|, the )default\b", text)
    assert found, f"{cls.__name__}: no default of `{name}` is stated"
    word = "None" if found[1] == "none" else found[1]
    constants = {}
    for each in reversed(cls.__mro__[: cls.__mro__.index(Application)]):
        constants |= vars(sys.modules[each.__module__])
    return constants[word] if word in constants else ast.literal_eval(word)


@pytest.mark.once
@pytest.mark.parametrize("cls", EVERY)
def test_documented_defaults(cls):
    for name, default in cls.arguments().items():
        assert stated_default(cls, name) == default, name


@pytest.mark.parametrize("cls", TRAININGS)
def test_training_learns_saves_and_resumes(cls, tmp_path):
    keras.utils.set_random_seed(0)
    model = cls(**cls.tiny)
    x = clips_for(model, 4)

    # Others have no labels.
    data = (x, np.arange(4) % 2)[: 1 + issubclass(cls, SupervisedModel)]

    def fit(model, epochs, state):
        resume = ResumeTraining(state, verbose=0)
        return model.fit(
            *data, batch_size=2, epochs=epochs, verbose=0, callbacks=[resume]
        )

    before = values(model)
    model.compile("adam")
    logs = fit(model, 1, tmp_path / "state").history
    assert np.isfinite(logs["loss"]).all()
    trained = {v.path for v in model.trainable_variables}
    unchanged = {
        variable.path
        for variable, old, new in zip(
            model.weights, before, values(model), strict=True
        )
        if variable.path in trained and np.array_equal(old, new)
    }
    assert unchanged <= CANCELLED
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is cls
    assert loaded.get_config() == model.get_config()
    assert_equal_weights(model, loaded)

    shutil.copy(tmp_path / "state", tmp_path / "copy")
    fit(model, 2, tmp_path / "state")
    other = cls(**cls.tiny)
    other.compile("adam")
    assert len(fit(other, 2, tmp_path / "copy").epoch) == 1
    assert_equal_weights(model, other)


@pytest.mark.parametrize("cls", POSES)
def test_poses_fit_predict_save_and_load(cls, tmp_path):
    keras.utils.set_random_seed(0)
    model = cls(**cls.tiny)
    randomize_network(model)
    x = clips_for(model)
    joints = model.predict_on_batch(x)
    frames = model.settings["input_shape"][0]
    assert joints.shape == (3, frames, model.skeleton.num_joints, 3)
    assert model.layers[-1].name == "joints"
    eager = ops.convert_to_numpy(model(x, training=False))
    np.testing.assert_allclose(joints, eager, atol=1e-5, rtol=1e-4)
    # A clip's joints do not depend on the others of its batch.
    turned = model.predict_on_batch(each(lambda x: x[::-1], x))
    np.testing.assert_allclose(joints[::-1], turned, atol=1e-5, rtol=1e-4)

    model.compile(jit_compile=keras.backend.backend() != "torch")
    logs = model.fit(x, joints + 0.5, batch_size=3, epochs=2, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    with pytest.raises(ValueError, match="learns from joints of shape"):
        model.fit(x, np.zeros((3, 2)))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, cls)
    assert loaded.get_config() == model.get_config()
    assert loaded.loss.name == "joint_distance"
    assert_equal_weights(model, loaded)


@pytest.mark.parametrize("cls", POSES)
def test_poses_gradients_layouts_and_mixed_precision(cls):
    keras.utils.set_random_seed(0)
    skeleton = "kinect20"
    model = cls(**{**cls.tiny, "skeleton": skeleton}, dtype="mixed_bfloat16")
    assert model.output_shape[2:] == (20, 3)
    outputs = model.predict_on_batch(clips_for(model))
    assert outputs.dtype == "float32"
    assert np.isfinite(outputs).all()
    assert {v.dtype for v in model.trainable_variables} == {"float32"}

    model = cls(**cls.tiny)

    def loss(model, x):
        # In inference mode, as batch statistics leave biases no gradient.
        return ops.mean(ops.square(model(x, training=False) - 1))

    start = values(model)
    unreached = {variable.path for variable in model.trainable_variables}
    for seed in range(5):
        model.set_weights(start)
        randomize_network(model, seed)
        _, found = gradients(
            model, loss, each(lambda x: 0.1 * x, clips_for(model))
        )
        unreached -= {path for path, x in found.items() if np.any(x)}
        if not unreached:
            break
    assert not unreached
