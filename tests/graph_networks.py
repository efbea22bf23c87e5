"""What the parity tests of graph networks share."""

import keras
import numpy as np
from keras import ops
from support import assert_close
from support import assert_within_rounding
from support import gradient_errors
from support import gradients
from support import part
from support import relative_error

from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import SGD
from keras_skeleton.weights import convert_array
from keras_skeleton.weights import load_official
from keras_skeleton.weights import official_names
from keras_skeleton.weights.conversion import table_for


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
        # Nothing to build: Keras would run everything eagerly to find out.
        self.built = True

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


def crossentropy(config):
    """The loss of a fixture, beside the losses of the layers."""
    return SmoothedCrossentropy(config.get("label_smoothing", 0.0))


def assert_inference_step(name, model, config, arrays, tolerance=1e-4):
    """Compares logits, loss and gradients outside training, in one step.

    Args:
        name: Name of the case.
        model: The classifier, with its weights loaded.
        config: Configuration of the fixture.
        arrays: All arrays of the fixture.
        tolerance: Relative to the scale of the logits.
    """
    out, expected = part(arrays, "out/eval_"), part(arrays, "grad/eval/")
    entropy = crossentropy(config)

    def loss(model, inputs):
        logits = model(inputs["clips"], training=False)
        return entropy(inputs["labels"], logits), logits

    def errors_of(inputs):
        shape = out["logits"].shape
        value, found, logits = gradients(model, loss, inputs, shape)
        assert_close(np.array(value), out["loss"], f"{name}: loss")
        assert_close(logits, out["logits"], f"{name}: logits", tolerance)
        if "ce" in out:
            found_entropy = entropy(inputs["labels"], logits)
            assert_close(found_entropy, out["ce"], f"{name}: cross-entropy")
        errors = gradient_errors(model, found, expected)
        return {key: error / 1e-4 for key, error in errors.items()}

    inputs = {"clips": to_ours(arrays["in/x"]), "labels": arrays["in/label"]}
    assert_within_rounding(name, inputs, errors_of)


class RecordingSGD(SGD):
    """Keeps the gradients."""

    def build(self, variables):
        super().build(variables)
        self.gradients = [
            self.add_variable_from_reference(variable, name="gradient")
            for variable in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        slot = self.gradients[self._get_variable_index(variable)]
        self.assign(slot, ops.cast(gradient, slot.dtype))
        super().update_step(gradient, variable, learning_rate)


class LastPredictions(keras.metrics.Metric):
    """Keeps the outputs of the last step."""

    def __init__(self, shape):
        super().__init__(name="last")
        self.last = self.add_variable(shape, initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.last.assign(y_pred)

    def reset_state(self):
        pass

    def result(self):
        return ops.mean(self.last)


def assert_training_steps(name, model, config, arrays, second=None):
    """Compares steps of the optimizer on the same batch, by one program.

    The first with its logits, loss, gradients and batch statistics; where
    the fixture has an optimizer, also the weights, and the second step.

    Args:
        name: Name of the case.
        model: The classifier.
        config: Configuration of the fixture.
        arrays: All arrays of the fixture.
        second: Relative tolerances of the loss and the weights of the second
            step.
    """
    settings = config.get("optimizer", {"type": "SGD", "lr": 0.0})
    assert settings["type"] == "SGD"
    options = ("momentum", "nesterov", "weight_decay")
    optimizer = RecordingSGD(
        settings["lr"], **{k: settings[k] for k in options if k in settings}
    )
    logits = LastPredictions(arrays["out/train_logits"].shape)
    model.compile(optimizer, crossentropy(config), metrics=[logits])
    optimizer.build(model.trainable_variables)
    # Copies: on PyTorch, arrays share the memory of the variables.
    start = [
        np.array(ops.convert_to_numpy(each.value))
        for each in optimizer.variables
    ]

    def step(inputs):
        history = model.fit(
            inputs["clips"],
            inputs["labels"],
            batch_size=len(inputs["clips"]),
            shuffle=False,
            verbose=0,
        ).history
        return np.array(history["loss"][0])

    def errors_of(inputs):
        load_official(model, part(arrays, "state/"))
        for variable, value in zip(optimizer.variables, start, strict=True):
            variable.assign(value)
        compared = first_step(
            model, step(inputs), logits, optimizer.gradients, arrays
        )
        if "optimizer" in config:
            compared += later_steps(model, step(inputs), arrays, *second)
        return {what: error / allowed for what, error, allowed in compared}

    inputs = {"clips": to_ours(arrays["in/x"]), "labels": arrays["in/label"]}
    assert_within_rounding(name, inputs, errors_of)


def first_step(model, loss, logits, gradients, arrays):
    """What was compared after the first step, errors, and what is allowed."""
    out = part(arrays, "out/train_")
    paths = [variable.path for variable in model.trainable_variables]
    found = dict(zip(paths, (x.value for x in gradients), strict=True))
    compared = [
        ("loss", relative_error(loss, out["loss"], "loss"), 1e-5),
        (
            "logits",
            relative_error(logits.last.value, out["logits"], "logits"),
            1e-4,
        ),
    ]
    if "divergence" in out:
        parts = out["ce"] + out["divergence"]
        error = relative_error(loss, parts, "parts of the loss")
        compared.append(("parts of the loss", error, 1e-5))
    for kind, errors, allowed in (
        (
            "gradient of",
            gradient_errors(model, found, part(arrays, "grad/train/")),
            1e-4,
        ),
        ("after step 1", step_errors(model, arrays, "step1"), 1e-5),
        ("statistics", variable_errors(model, part(arrays, "after/bn/")), 1e-5),
    ):
        compared += [(f"{kind} {k}", x, allowed) for k, x in errors.items()]
    if "out/sgd_losses" in arrays:
        error = relative_error(loss, arrays["out/sgd_losses"][0], "loss")
        compared.append(("loss 1", error, 1e-5))
    return compared


def later_steps(model, loss, arrays, loss_tolerance, tolerance):
    """The same after the second step."""
    error = relative_error(loss, arrays["out/sgd_losses"][1], "second loss")
    errors = step_errors(model, arrays, "step2")
    return [
        ("loss 2", error, loss_tolerance),
        *((f"after step 2 {k}", x, tolerance) for k, x in errors.items()),
    ]


def step_errors(model, arrays, step):
    expected = part(arrays, f"after/{step}/")
    return variable_errors(model, expected) if expected else {}


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


def as_loaded(model, variable, tensor):
    """An official tensor as it should be found, but for the order of axes.

    The graphs of CTR-GCN's baseline have the senders in their rows.
    """
    is_turned = model.get_config().get("baseline") and variable.name == "graph"
    return tensor.transpose(0, 2, 1) if is_turned else tensor


def assert_manifests(manifests, build, as_loaded=as_loaded):
    """Checks that every official tensor finds its variable, and back.

    Args:
        manifests: Names and contents of manifests.
        build: Function from the official configuration to a model.
        as_loaded: Function of the model, a variable and its official tensor.
    """
    for name, manifest in manifests:
        shapes = manifest["tensors"]
        model = build(manifest["config"])
        count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
        assert count == manifest["num_params"], name
        tensors, names = load_random_tensors(model, shapes, name)
        for variable in model.weights:
            tensor = tensors[names[variable.path]]
            loaded = ops.convert_to_numpy(variable.value)
            tensor = as_loaded(model, variable, tensor)
            np.testing.assert_array_equal(
                loaded.ravel(), in_our_order(tensor).ravel(), name
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
    names = official_names(model, tuple(tensors))
    table = table_for(model, tuple(tensors))
    constants = {name for name in shapes if table.is_ignored(name)}
    assert set(names.values()) == set(shapes) - constants, label
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
