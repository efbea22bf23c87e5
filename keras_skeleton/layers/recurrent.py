"""Gated recurrent units over the frames of a clip."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_skeleton")
class StackedGRU(keras.layers.Layer):
    """Layers of gated recurrent units, two beside each other in each.

    The two units of a layer have weights of their own and see the same input:
    the states of both units of the layer below, side by side. They start from
    0 and compute, with the logistic function `s`, for each frame

        r = s(x W_r + b_r + h U_r + c_r)
        z = s(x W_z + b_z + h U_z + c_z)
        n = tanh(x W_n + b_n + r * (h U_n + c_n))
        h = (1 - z) * n + z * h

    Both go FORWARD in time. The published encoders (skeleton-contrast, CMD,
    HaLP) declare a bidirectional network, as their papers say, but call it
    on one frame at a time and carry the states over; so also the direction
    that is called "reverse" there sees the past only, and all published
    weights are trained that way. With `backward=True` the second unit of each
    layer goes backward in time, as in an ordinary bidirectional network. Its
    state at the last frame then has seen that frame alone.

    Args:
        units: Width `H` of the state of one unit.
        num_layers: Number of layers.
        backward: Whether the second unit of each layer goes backward in time.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(N, T, D)`.

    Output shape: `(N, T, 2 * H)`, the states of both units of the last layer.

    Example:

    >>> StackedGRU(512)(ops.zeros((4, 64, 150))).shape
    (4, 64, 1024)

    Reference: Cho et al., Learning Phrase Representations using RNN
    Encoder-Decoder, EMNLP 2014, arXiv 1406.1078; official code
    fmthoker/skeleton-contrast.
    """

    def __init__(self, units, num_layers=3, backward=False, **kwargs):
        super().__init__(**kwargs)
        if min(units, num_layers) < 1:
            raise ValueError(
                "`units` and `num_layers` must be at least 1. Received "
                f"units={units} and num_layers={num_layers}."
            )
        self.units = units
        self.num_layers = num_layers
        self.backward = backward
        self.pairs = [
            tuple(
                _Unit(units, name=f"layer_{i}_{name}", dtype=self.dtype_policy)
                for name in ("first", "second")
            )
            for i in range(num_layers)
        ]

    def build(self, input_shape):
        dim = input_shape[-1]
        for pair in self.pairs:
            for unit in pair:
                unit.build((None, None, dim))
            dim = 2 * self.units
        self.built = True

    def call(self, inputs):
        return self.layer_states(inputs)[-1]

    def layer_states(self, inputs):
        """The states of each layer, a list of `(N, T, 2 * H)`.

        Args:
            inputs: Tensor `(N, T, D)`.
        """
        x = ops.transpose(inputs, (1, 0, 2))
        found = []
        for pair in self.pairs:
            x = self._run(pair, x)
            found.append(ops.transpose(x, (1, 0, 2)))
        return found

    def _run(self, pair, x):
        """The states `(T, N, 2 * H)` of one layer."""
        # Of all frames at once: only the products with states need a loop.
        first, second = (unit.project(x) for unit in pair)
        if self.backward:
            second = ops.flip(second, axis=0)
        states = _states(
            ops.stack([first, second], axis=1),
            ops.stack([unit.recurrent_kernel.value for unit in pair]),
            ops.stack([unit.recurrent_bias.value for unit in pair]),
        )
        first, second = states[:, 0], states[:, 1]
        if self.backward:
            second = ops.flip(second, axis=0)
        return ops.concatenate([first, second], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "num_layers": self.num_layers,
            "backward": self.backward,
        }


class _Unit(keras.layers.Layer):
    """The weights of one unit, columns in the order of r, z and n."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        width = 3 * self.units
        limit = self.units**-0.5
        # PyTorch's of the biases; the kernels as one matrix for all gates.
        uniform = keras.initializers.RandomUniform(-limit, limit)
        for name, shape, initializer in (
            ("kernel", (input_shape[-1], width), "glorot_uniform"),
            ("bias", (width,), uniform),
            ("recurrent_kernel", (self.units, width), "glorot_uniform"),
            ("recurrent_bias", (width,), uniform),
        ):
            weight = self.add_weight(
                name=name, shape=shape, initializer=initializer
            )
            setattr(self, name, weight)
        self.built = True

    def project(self, inputs):
        """What the input adds to the gates, `(..., 3 * H)`."""
        return ops.matmul(inputs, self.kernel) + self.bias


@ops.custom_gradient
def _states(inputs, kernel, bias):
    """The states of units beside each other, frame by frame.

    The gradient is written by hand: the loop back in time does only what
    needs one, and the gradient of the kernel is one product over all frames
    after it. It also compiles on TensorFlow, where that of a loop does not.

    Args:
        inputs: What the inputs add to the gates, `(T, units, N, 3 * H)`.
        kernel: Recurrent kernels, `(units, H, 3 * H)`.
        bias: Recurrent biases, `(units, 3 * H)`.

    Returns:
        The states `(T, units, N, H)`.
    """
    start = ops.zeros_like(inputs[0, ..., : kernel.shape[1]])

    def step(carry, x):
        state, _ = carry
        recurrent = ops.matmul(state, kernel) + bias[:, None]
        _, z, n = _gates(x, recurrent)
        carry = (n + z * (state - n), recurrent)
        return carry, carry

    # What is kept of each frame must be carried, too, on TensorFlow.
    _, (states, recurrent) = ops.scan(
        step, (start, ops.zeros_like(inputs[0])), inputs
    )

    def gradient(*args, upstream=None):
        upstream = args[-1] if upstream is None else upstream
        r, z, n = _gates(inputs, recurrent)
        before = ops.concatenate([start[None], states[:-1]], axis=0)
        # By these, the gradient of a state gives those of the gates.
        by_n = (1 - z) * (1 - n * n)
        by_z = (before - n) * z * (1 - z)
        by_r = by_n * ops.split(recurrent, 3, axis=-1)[2] * r * (1 - r)
        factors = ops.concatenate([by_r, by_z, by_n * r], axis=-1)
        transposed = ops.transpose(kernel, (0, 2, 1))

        def step_back(carry, x):
            of_later, _ = carry
            own, factor, z = x
            of_state = own + of_later
            of_gates = _three(of_state) * factor
            carry = (of_state * z + ops.matmul(of_gates, transposed), of_state)
            return carry, carry

        _, (_, of_states) = ops.scan(
            step_back, (start, start), (upstream, factors, z), reverse=True
        )
        of_recurrent = _three(of_states) * factors
        of_inputs = _three(of_states) * ops.concatenate(
            [by_r, by_z, by_n], axis=-1
        )
        of_kernel = ops.matmul(
            ops.transpose(_rows(before), (0, 2, 1)), _rows(of_recurrent)
        )
        return of_inputs, of_kernel, ops.sum(of_recurrent, axis=(0, 2))

    return states, gradient


def _gates(inputs, recurrent):
    """The gates r, z and n of frames."""
    x_r, x_z, x_n = ops.split(inputs, 3, axis=-1)
    h_r, h_z, h_n = ops.split(recurrent, 3, axis=-1)
    r = ops.sigmoid(x_r + h_r)
    return r, ops.sigmoid(x_z + h_z), ops.tanh(x_n + r * h_n)


def _three(x):
    return ops.concatenate([x, x, x], axis=-1)


def _rows(x):
    """(T, units, N, D) to (units, T * N, D)."""
    units, width = x.shape[1], x.shape[3]
    return ops.reshape(ops.transpose(x, (1, 0, 2, 3)), (units, -1, width))
