"""Helpers that several test modules share."""

import functools
import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import skeletons
from keras_skeleton.datasets import class_counts
from keras_skeleton.training import PretextModel
from keras_skeleton.weights import convert_array
from keras_skeleton.weights import official_names


def read_fixture(path):
    """A fixture file as its configuration and a dict of its arrays."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(str(arrays.pop("config"))), arrays


def fixture_paths(folder, *patterns):
    """Paths of one form of fixture, by the leading parts of their names.

    A test is skipped where the folder holds none of the form: other sets of
    fixtures have fewer forms. That nothing is left unused in a folder is
    for `test_fixtures.py` to see.
    """
    paths = sorted({p for pattern in patterns for p in folder.glob(pattern)})
    if not paths:
        pytest.skip(f"{folder.name} holds no {' or '.join(patterns)}")
    return paths


def cases(folder, *patterns):
    """Name, configuration and arrays of each fixture of one form."""
    for path in fixture_paths(folder, *patterns):
        yield path.stem, *read_fixture(path)


def documents(folder, *patterns):
    """Name and content of each JSON file of one form."""
    for path in fixture_paths(folder, *patterns):
        yield path.name, json.loads(path.read_text())


def part(arrays, prefix):
    """The arrays under one prefix, by the rest of their names."""
    return {
        name[len(prefix) :]: array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def joined_projections(tensors):
    """Tensors with query, key and value of each attention as one."""
    tensors = dict(tensors)
    for name in [name for name in tensors if ".attn.q." in name]:
        parts = [
            tensors.pop(name.replace(".q.", f".{kind}.")) for kind in "qkv"
        ]
        tensors[name.replace(".q.", ".qkv.")] = np.concatenate(parts)
    return tensors


def relative_error(actual, expected, what):
    """Largest difference, relative to the scale of the expected values."""
    actual = ops.convert_to_numpy(actual)
    assert actual.shape == expected.shape, what
    scale = max(float(np.abs(expected).max(initial=0)), 1e-30)
    return float(np.abs(actual - expected).max(initial=0)) / scale


def assert_close(actual, expected, what, tolerance=1e-5):
    """Compares to a tolerance relative to the scale of the expected values."""
    error = relative_error(actual, expected, what)
    assert error <= tolerance, f"{what}: relative error {error:.2e}"


def assert_within_rounding(name, inputs, errors_of, count=12):
    """Asserts that inputs, or some that differ by rounding only, pass.

    A gradient jumps where a ReLU is at 0 and where two joints are equally
    near, and batch statistics of few samples enlarge what rounding leaves.
    At such a point a correct implementation gives one side or the other as
    its additions happen to round, and so did the official code when it was
    recorded. The recorded value therefore has to be met, within the same
    bound as everywhere, at one of several inputs that float32 arithmetic can
    hardly tell from the recorded ones. The bound itself stays: all values
    must meet it at one and the same input, and an implementation that is
    wrong by more than rounding meets it at none.

    Args:
        name: Name of the case.
        inputs: Array, or dict of arrays of which those of floats vary.
        errors_of: Function from inputs to a dict of errors, relative to what
            is allowed.
        count: How many other inputs to try.
    """
    random = np.random.default_rng(0)

    def vary(array):
        if array.dtype.kind != "f":
            return array
        noise = 5e-7 * random.normal(size=array.shape)
        return (array * (1 + noise)).astype(array.dtype)

    tried = inputs
    for _ in range(1 + count):
        too_large = {k: x for k, x in errors_of(tried).items() if not x <= 1}
        if not too_large:
            return
        tried = keras.tree.map_structure(vary, inputs)
    raise AssertionError(f"{name}: relative to what is allowed: {too_large}")


def gradient_errors(model, found, expected):
    """Relative errors of gradients by path, by official name."""
    assert expected, "no gradients to compare"
    names = {v: k for k, v in official_names(model).items()}
    return {
        official: relative_error(
            found[names[official]],
            convert_array(model, official, gradient),
            official,
        )
        for official, gradient in expected.items()
    }


def nominal_counts(split):
    """Clips of each class that the code of BRL takes for granted.

    Args:
        split: Dict of the name of the `split` and its `num_classes`.
    """
    # Clips of the first class, and how many times more than of the last.
    nominal = {"xset_train": (400, 100), "train": (100, 10)}
    largest, imbalance = nominal.get(split["split"], (600, 100))
    return class_counts(split["num_classes"], largest, imbalance)


def chain_skeleton(num_joints):
    """A registered layout with that many joints, or a chain of them."""
    for name in ("ntu", "kinect20", "coco17"):
        if skeletons.get(name).num_joints == num_joints:
            return skeletons.get(name)
    return skeletons.Skeleton(
        name=f"chain_{num_joints}",
        joints=tuple(f"joint {i}" for i in range(num_joints)),
        edges=tuple((i, i - 1) for i in range(1, num_joints)),
        center=0,
    )


class GradientRecorder(keras.optimizers.Optimizer):
    """Leaves the variables alone and keeps the gradients."""

    def build(self, variables):
        super().build(variables)
        self.gradients = [
            self.add_variable_from_reference(variable, name="gradient")
            for variable in variables
        ]

    def update_step(self, gradient, variable, learning_rate):
        slot = self.gradients[self._get_variable_index(variable)]
        self.assign(slot, ops.cast(gradient, slot.dtype))


class _Objective(PretextModel):
    def __init__(self, model, function, outputs_shape):
        super().__init__()
        self.model = model
        self.function = function
        self.outputs_of_step = None
        if outputs_shape is not None:
            self.outputs_of_step = self.add_weight(
                outputs_shape, trainable=False, name="outputs_of_step"
            )
        self.built = True

    def call(self, inputs):
        return self.model(inputs)

    def objective(self, x, y, training):
        found = self.function(self.model, x)
        if self.outputs_of_step is None:
            return found, {}, ()
        loss, outputs = found
        return loss, {}, outputs

    def after_step(self, carried):
        if self.outputs_of_step is not None:
            self.outputs_of_step.assign(carried)


@functools.lru_cache(maxsize=1)
def _compiled_objective(model, function, outputs_shape):
    """Kept for the next call, as compiling takes most of the time."""
    objective = _Objective(model, function, outputs_shape)
    objective.compile(GradientRecorder(learning_rate=1.0))
    return objective


def gradients(model, function, inputs, outputs_shape=None):
    """Loss and gradients by variable path, through the real training step.

    Args:
        model: Any built model.
        function: Function of the model and the inputs that gives the loss.
        inputs: Array or dict of arrays.
        outputs_shape: Where it is given, `function` gives the loss and a
            tensor of that shape, which is returned as a third value.
    """
    objective = _compiled_objective(model, function, outputs_shape)
    batch = len(keras.tree.flatten(inputs)[0])
    history = objective.fit(
        inputs, batch_size=batch, epochs=1, verbose=0, shuffle=False
    )
    found = {
        variable.path: ops.convert_to_numpy(slot.value)
        for variable, slot in zip(
            model.trainable_variables,
            objective.optimizer.gradients,
            strict=True,
        )
    }
    loss = history.history["loss"][0]
    if outputs_shape is None:
        return loss, found
    return loss, found, objective.outputs_of_step.value
