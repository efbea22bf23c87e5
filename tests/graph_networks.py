"""What the parity tests of graph networks share."""

import json

import keras
import numpy as np
from keras import ops
from support import assert_close
from support import gradients
from support import part
from support import read_fixture
from support import relative_error

from keras_skeleton.training import SGD
from keras_skeleton.weights import convert_array
from keras_skeleton.weights import load_official
from keras_skeleton.weights import official_names


def cases(folder, *patterns):
    """Name, configuration and arrays of each fixture that matches."""
    paths = sorted({p for pattern in patterns for p in folder.glob(pattern)})
    assert paths, f"no fixture matches {patterns} in {folder}"
    for path in paths:
        yield path.stem, *read_fixture(path)


def to_ours(x):
    """(N, C, T, V, M) to (N, M, T, V, C)."""
    return np.ascontiguousarray(x.transpose(0, 4, 2, 3, 1))


def channels_first(x):
    """(B, T, V, C) to (B, C, T, V)."""
    return ops.transpose(x, (0, 3, 1, 2))


def run(model, clips):
    """Outputs by name, as arrays."""
    outputs = model.predict_on_batch(clips)
    return {key: ops.convert_to_numpy(x) for key, x in outputs.items()}


def assert_inference(name, model, blocks, arrays, tolerance):
    """Compares logits and all values on the way to official ones.

    Args:
        name: Name of the case.
        model: The classifier, with its weights loaded.
        blocks: Dict of official names to the model's blocks.
        arrays: All arrays of the fixture.
        tolerance: Relative to the scale of each value.
    """
    expected = part(arrays, "out/")
    clips = to_ours(arrays["in/x"])
    values = {
        "input_norm": model.get_layer("input_norm").output,
        "logits": model.output,
    }
    for label, block in blocks.items():
        values |= {f"{label} input": block.input, label: block.output}

    def derive(values):
        found = {key: values[key] for key in ("input_norm", "logits")}
        for label, block in blocks.items():
            found[label] = channels_first(values[label])
            if any(key.startswith(f"{label}.") for key in expected):
                details = block_details(block, values[f"{label} input"])
                found |= {f"{label}.{key}": x for key, x in details.items()}
        return found

    found = run(Derived(keras.Model(model.input, values), derive), clips)
    normalized = found["input_norm"].transpose(0, 1, 3, 4, 2)
    found["data_bn"] = normalized.reshape(len(clips), -1, normalized.shape[-1])
    assert expected.keys() <= found.keys(), f"{name}: values not compared"
    for key, value in expected.items():
        assert_close(found[key], value, f"{name}: {key}", tolerance)


class Derived(keras.Model):
    """What a function makes of the outputs of a model, computed in one go."""

    def __init__(self, model, function):
        super().__init__()
        self.model = model
        self.function = function

    def call(self, inputs):
        return self.function(self.model(inputs))


def block_details(block, x):
    """Values inside a `SpatioTemporalBlock`, by their official names."""
    convolution, temporal = block.graph_convolution, block.temporal_convolution
    details = {}
    joints = x.shape[2]
    topologies = ops.unstack(convolution.topology(x), axis=1)
    for s, values in enumerate(convolution.values):
        details[f"gcn1.convs.{s}"] = ops.einsum(
            "bcuv,btvc->bctu", topologies[s], values(x)
        )
    for number, layers in (
        (1, convolution.receivers),
        (2, convolution.senders),
        (3, convolution.values),
    ):
        details[f"gcn1.convs.0.conv{number}"] = channels_first(layers[0](x))
    difference = ops.transpose(convolution.differences(x)[:, 0], (0, 2, 1))
    difference = ops.reshape(
        difference, (-1, joints, joints, difference.shape[-1])
    )
    relation = channels_first(convolution.relations[0](difference))
    details["gcn1.convs.0.conv4"] = relation
    details["relation_maps.0"] = relation
    y = convolution(x)
    details["gcn1"] = channels_first(y)
    details["tcn1"] = channels_first(temporal(y))
    for i, branch in enumerate(temporal.branches(y)):
        details[f"tcn1.branches.{i}"] = channels_first(branch)
    return details


def assert_loss(name, model, arrays, mode):
    """Compares logits, loss, gradients and batch statistics of one step.

    Args:
        name: Name of the case.
        model: The classifier, with its weights loaded.
        arrays: All arrays of the fixture.
        mode: `"eval"` or `"train"`.
    """
    expected = part(arrays, f"out/{mode}_")
    training = mode == "train"
    clips, labels = to_ours(arrays["in/x"]), arrays["in/label"]
    crossentropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def loss(model, inputs):
        logits = model(inputs["clips"], training=training)
        return crossentropy(inputs["labels"], logits), logits

    names = {v: k for k, v in official_names(model).items()}
    wanted = {
        official: convert_array(model, official, gradient)
        for official, gradient in part(arrays, f"grad/{mode}/").items()
    }
    assert wanted, f"{name} has no gradients"

    def errors_of(clips):
        inputs = {"clips": clips, "labels": labels}
        shape = expected["logits"].shape
        value, found, logits = gradients(model, loss, inputs, shape)
        assert_close(np.array(value), expected["loss"], f"{name}: loss")
        assert_close(logits, expected["logits"], f"{name}: logits", 1e-4)
        if training:
            assert_variables(name, model, part(arrays, "after/bn/"))
            load_official(model, part(arrays, "state/"))
        return {
            key: relative_error(found[names[key]], gradient, key) / 1e-4
            for key, gradient in wanted.items()
        }

    assert_within_rounding(name, clips, errors_of)


def assert_within_rounding(name, clips, errors_of, count=12):
    """Asserts that clips, or some that differ by rounding errors, pass.

    The gradient of ReLU jumps at 0. Where a value is 0 up to rounding, as one
    of the official fixtures has it, either gradient is right, and which one
    was recorded depends on the order of additions. So it is with the choice
    between joints that are equally near.

    Args:
        name: Name of the case.
        clips: Array of clips.
        errors_of: Function from clips to a dict of errors, relative to what
            is allowed.
        count: How many other clips to try.
    """
    random = np.random.default_rng(0)
    inputs = clips
    for _ in range(1 + count):
        too_large = {k: x for k, x in errors_of(inputs).items() if not x <= 1}
        if not too_large:
            return
        noise = 5e-7 * random.normal(size=clips.shape)
        inputs = (clips * (1 + noise)).astype("float32")
    raise AssertionError(f"{name}: relative to what is allowed: {too_large}")


def assert_variables(name, model, expected, tolerance=1e-5):
    """Compares variables to official tensors."""
    for official, error in variable_errors(model, expected).items():
        assert error <= tolerance, f"{name}: {official}: {error:.2e}"


def variable_errors(model, expected):
    """Errors of variables relative to official tensors, by official name."""
    assert expected, "nothing to compare"
    names = {v: k for k, v in official_names(model).items()}
    values = {v.path: v.value for v in model.weights}
    return {
        official: relative_error(
            values[names[official]],
            convert_array(model, official, array),
            official,
        )
        for official, array in expected.items()
    }


def assert_optimizer_steps(name, model, config, arrays, tolerances):
    """Compares the losses and weights of steps on the same batch.

    Args:
        name: Name of the case.
        model: The classifier.
        config: Configuration of the fixture.
        arrays: All arrays of the fixture.
        tolerances: Relative tolerance of the weights after each step.
    """
    settings = config["optimizer"]
    assert settings["type"] == "SGD"
    clips, labels = to_ours(arrays["in/x"]), arrays["in/label"]
    losses = arrays["out/sgd_losses"]
    optimizer = SGD(
        settings["lr"],
        momentum=settings["momentum"],
        nesterov=settings["nesterov"],
        weight_decay=settings["weight_decay"],
    )
    model.compile(
        optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    optimizer.build(model.trainable_variables)
    # Copies: on PyTorch, arrays share the memory of the variables.
    start = [
        np.array(ops.convert_to_numpy(each.value))
        for each in optimizer.variables
    ]

    def errors_of(inputs):
        load_official(model, part(arrays, "state/"))
        for variable, value in zip(optimizer.variables, start, strict=True):
            variable.assign(value)
        errors = {}
        for step, (loss, tolerance) in enumerate(
            zip(losses, tolerances, strict=True), start=1
        ):
            history = model.fit(inputs, labels, len(inputs), verbose=0).history
            found = np.array(history["loss"][0])
            error = relative_error(found, loss, "loss")
            errors[f"loss {step}"] = error / tolerance
            expected = part(arrays, f"after/step{step}/")
            for key, error in variable_errors(model, expected).items():
                errors[f"{key} after step {step}"] = error / tolerance
        return errors

    assert_within_rounding(name, clips, errors_of)


def assert_manifests(paths, build):
    """Checks that every official tensor finds its variable, and back.

    Args:
        paths: Paths of manifests.
        build: Function from the official configuration to a model.
    """
    assert paths
    for path in sorted(paths):
        manifest = json.loads(path.read_text())
        shapes = manifest["tensors"]
        model = build(manifest["config"])
        count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
        assert count == manifest["num_params"], path.name
        tensors, names = load_random_tensors(model, shapes, path.name)
        for variable in model.weights:
            tensor = tensors[names[variable.path]]
            loaded = ops.convert_to_numpy(variable.value)
            is_baseline = model.get_config().get("baseline")
            if is_baseline and variable.name == "graph":
                # Its official matrices have the senders in their rows.
                tensor = tensor.transpose(0, 2, 1)
            np.testing.assert_array_equal(
                loaded.ravel(), in_our_order(tensor).ravel(), path.name
            )
        keras.backend.clear_session()


def load_random_tensors(model, shapes, label):
    """Loads tensors of these shapes; every one must find its variable.

    Returns:
        The tensors, and their names by the paths of the variables.
    """
    random = np.random.default_rng(0)
    tensors = {
        name: random.random(shape, dtype="float32")
        for name, shape in shapes.items()
    }
    load_official(model, tensors)
    names = official_names(model)
    counters = {n for n in shapes if n.endswith("num_batches_tracked")}
    assert set(names.values()) == set(shapes) - counters, label
    return tensors, names


def in_our_order(tensor):
    """Kernels (outputs, inputs, frames, 1) as (frames, inputs, outputs)."""
    if tensor.ndim == 4:
        return tensor[..., 0].transpose(2, 1, 0)
    return tensor.T if tensor.ndim == 2 else tensor


def randomize_network(model, seed=1):
    """Moves every variable, so that each of them counts."""
    random = np.random.default_rng(seed)
    for variable in model.weights:
        values = 0.1 * random.normal(size=variable.shape)
        if variable.name in ("beta", "moving_variance"):
            # So that something is positive before each ReLU.
            values = np.abs(values)
        if variable.name == "gamma":
            # Small, lest values grow from block to block beyond tanh's reach.
            values = 0.2 + values
        else:
            values = ops.convert_to_numpy(variable.value) + values
        variable.assign(values.astype("float32"))


def randomize_layer(layer):
    """Gives every variable values that count."""
    random = np.random.default_rng(1)
    for variable in layer.weights:
        values = random.normal(size=variable.shape)
        if "variance" in variable.path or "gamma" in variable.path:
            values = 0.5 + np.abs(values)
        variable.assign(values.astype("float32"))
