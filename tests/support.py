"""Helpers that several test modules share."""

import functools
import json

import keras
import numpy as np
from keras import ops

from keras_skeleton import skeletons
from keras_skeleton.training import PretextModel


def read_fixture(path):
    """A fixture file as its configuration and a dict of its arrays."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(str(arrays.pop("config"))), arrays


def part(arrays, prefix):
    """The arrays under one prefix, by the rest of their names."""
    return {
        name[len(prefix) :]: array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


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
