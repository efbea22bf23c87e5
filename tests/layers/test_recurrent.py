"""Stacked recurrent units against Keras' own layers."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close
from support import gradients

from keras_skeleton.layers import StackedGRU

UNITS = 5


def to_keras(array):
    """Columns in the order r, z, n to the order z, r, n."""
    r, z, n = np.split(ops.convert_to_numpy(array), 3, axis=-1)
    return np.concatenate([z, r, n], axis=-1)


def weights_for_keras(unit):
    biases = [to_keras(unit.bias.value), to_keras(unit.recurrent_bias.value)]
    return [
        to_keras(unit.kernel.value),
        to_keras(unit.recurrent_kernel.value),
        np.stack(biases),
    ]


def twin_of(layer, shape):
    """The same network of Keras' own layers."""
    x = inputs = keras.Input(shape)
    units = {}
    for pair in layer.pairs:
        outputs = []
        for unit, turned in zip(pair, (False, layer.backward), strict=True):
            gru = keras.layers.GRU(
                UNITS, return_sequences=True, go_backwards=turned
            )
            y = gru(x)
            outputs.append(ops.flip(y, axis=1) if turned else y)
            units[gru] = unit
        x = keras.layers.Concatenate()(outputs)
    for gru, unit in units.items():
        gru.set_weights(weights_for_keras(unit))
    return keras.Model(inputs, x), units


def loss(model, x):
    outputs = model(x)
    weights = ops.cos(ops.arange(outputs.shape[1] * 2 * UNITS, dtype="float32"))
    weights = ops.reshape(weights, outputs.shape[1:])
    return ops.mean(ops.square(outputs) * weights + outputs)


@pytest.mark.parametrize("backward", [False, True])
def test_states_and_gradients(random, backward):
    shape = (4, 3)
    inputs = keras.Input(shape)
    layer = StackedGRU(UNITS, num_layers=2, backward=backward)
    model = keras.Model(inputs, layer(inputs))
    twin, units = twin_of(layer, shape)
    x = random.normal(size=(4, *shape)).astype("float32")
    assert_close(model(x), ops.convert_to_numpy(twin(x)), "states", 1e-6)
    value, found = gradients(model, loss, x)
    expected_value, expected = gradients(twin, loss, x)
    assert value == pytest.approx(expected_value, rel=1e-5)
    for gru, unit in units.items():
        kernel, recurrent, bias = (v.path for v in gru.trainable_weights)
        for variable, gradient in (
            (unit.kernel, expected[kernel]),
            (unit.recurrent_kernel, expected[recurrent]),
            (unit.bias, expected[bias][0]),
            (unit.recurrent_bias, expected[bias][1]),
        ):
            assert_close(
                to_keras(found[variable.path]), gradient, variable.path
            )


def test_which_frames_a_state_has_seen(random):
    x = random.normal(size=(1, 6, 3)).astype("float32")
    changed = x.copy()
    changed[:, 3] += 1
    for backward, second in ((False, [3, 4, 5]), (True, [0, 1, 2, 3])):
        layer = StackedGRU(UNITS, num_layers=1, backward=backward)
        before, after = (ops.convert_to_numpy(layer(y)) for y in (x, changed))
        moved = np.abs(before - after)[0] > 1e-7
        for columns, frames in (
            (moved[:, :UNITS], [3, 4, 5]),
            (moved[:, UNITS:], second),
        ):
            assert np.flatnonzero(columns.any(axis=1)).tolist() == frames


@pytest.mark.once
def test_serialisation():
    layer = StackedGRU(4, num_layers=2, backward=True)
    again = StackedGRU.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    with pytest.raises(ValueError, match="num_layers=0"):
        StackedGRU(4, num_layers=0)
