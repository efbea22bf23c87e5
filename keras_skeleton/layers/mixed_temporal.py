"""Convolutions over time in branches that are mixed at the end."""

import keras
from keras import ops

from keras_skeleton.layers import _joined
from keras_skeleton.layers import temporal
from keras_skeleton.layers.batch_normalization import BatchNormalization


def uniform_initializer():
    """Uniform numbers below one over the root of the inputs, PyTorch's rule.

    With it begin the kernels of PYSKL's networks, ACLNet and BRL.
    """
    return keras.initializers.VarianceScaling(
        1 / 3, mode="fan_in", distribution="uniform"
    )


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MixedTemporalConvolution(keras.layers.Layer):
    """Branches over time, mixed by a pointwise convolution.

    Every branch begins with a pointwise convolution to its share of the
    channels. Then:

    - one branch for each dilation: normalization, ReLU, temporal convolution;
    - one branch: normalization, ReLU, maximum over 3 frames;
    - one branch: nothing more.

    What the branches give, side by side, passes through

        norm(mixing(relu(mixing_norm(branches))))

    There is neither an activation at the end nor a residual. The first branch
    has the channels that are left where the branches cannot share alike.

    With `mean_joint`, the mean of all joints passes through the branches as
    one more joint, and is given back before the mixing: joint `v` receives
    `gates[v]` times it. The gates are learned and begin as 0.

    Sub-layers of branch `i`, in the order above: `pointwise_{i}` of all,
    `pointwise_norm_{i}` of all but the last, `convolution_{i}` of the first.

    Args:
        filters: Channels of the output, at least one for each branch (two
            more than dilations).
        kernel_size: Frames in the kernels, an odd number.
        dilations: Dilation of each convolution.
        stride: Frames from one output to the next.
        mean_joint: Whether the mean of the joints goes along.
        kernel_initializer: Of all kernels. Defaults to uniform numbers below
            one over the root of the number of inputs.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T', V, filters)` with `T' = ceil(T / stride)`.

    Raises:
        ValueError: If there are fewer channels than branches, or the kernel
            has no middle.

    Example:

    >>> layer = MixedTemporalConvolution(64, stride=2)
    >>> layer(ops.zeros((2, 52, 20, 32))).shape
    (2, 26, 20, 64)

    Reference: Duan et al., PYSKL: Towards Good Practices for Skeleton Action
    Recognition, 2022, arXiv 2205.09443 (ST-GCN++); with `mean_joint` Duan et
    al., DG-STGCN, 2022, arXiv 2210.05895.
    """

    def __init__(
        self,
        filters,
        kernel_size=3,
        dilations=(1, 2, 3, 4),
        stride=1,
        mean_joint=False,
        kernel_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        dilations = tuple(int(dilation) for dilation in dilations)
        temporal.check(kernel_size, stride, dilations)
        branches = len(dilations) + 2
        if filters < branches:
            raise ValueError(
                f"`filters` must be at least {branches}, one for each branch "
                f"({len(dilations)} dilations, pooling and pointwise). "
                f"Received filters={filters}."
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.dilations = dilations
        self.stride = stride
        self.mean_joint = mean_joint
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        width = filters // branches
        rest = filters - (branches - 1) * width
        self._widths = (rest, *(branches - 1) * (width,))
        self.pointwise = [
            self._dense(channels, f"pointwise_{i}")
            for i, channels in enumerate(self._widths)
        ]
        self.pointwise_norms = [
            self._norm(f"pointwise_norm_{i}") for i in range(branches - 1)
        ]
        self.convolutions = [
            temporal.TemporalConvolution(
                self._widths[i],
                kernel_size,
                stride,
                dilation,
                kernel_initializer=self._initializer(),
                name=f"convolution_{i}",
                dtype=self.dtype_policy,
            )
            for i, dilation in enumerate(dilations)
        ]
        self.mixing_norm = self._norm("mixing_norm")
        self.mixing = self._dense(filters, "mixing")
        self.norm = self._norm("norm")

    def _initializer(self):
        return self.kernel_initializer or uniform_initializer()

    def _dense(self, channels, name):
        return keras.layers.Dense(
            channels,
            kernel_initializer=self._initializer(),
            name=name,
            dtype=self.dtype_policy,
        )

    def _norm(self, name):
        return BatchNormalization(name=name, dtype=self.dtype_policy)

    def build(self, input_shape):
        outer = input_shape[:-1]
        for layer in self.pointwise:
            layer.build(input_shape)
        # Without the last branch, and convolutions without the last two.
        for layers in (self.pointwise_norms, self.convolutions):
            for layer, width in zip(layers, self._widths, strict=False):
                layer.build((*outer, width))
        for layer in (self.mixing_norm, self.mixing, self.norm):
            layer.build((*outer, self.filters))
        if self.mean_joint:
            self.gates = self.add_weight(
                name="gates", shape=(input_shape[2],), initializer="zeros"
            )

    def call(self, inputs, training=None):
        x = ops.concatenate(self.branches(inputs, training), axis=-1)
        if self.mean_joint:
            joints = inputs.shape[2]
            x, mean = ops.split(x, [joints], axis=2)
            gates = _joined.as_type(self.gates.value, x)
            x = x + mean * ops.expand_dims(gates, -1)
        x = ops.relu(_joined.normalize(x, [self.mixing_norm], training))
        return _joined.normalized_linear(
            x, [self.mixing], [self.norm], training
        )

    def branches(self, inputs, training=None):
        """The outputs of the branches, `(B, T', V, share of filters)`.

        With `mean_joint`, that is the last of `V + 1` joints.
        """
        x = inputs
        if self.mean_joint:
            mean = ops.mean(x, axis=2, keepdims=True)
            x = ops.concatenate([x, mean], axis=2)
        *inner, last = self.pointwise
        kept = temporal.take_every(x, self.stride)
        pointwise = _joined.linear(kept, [last])
        x = _joined.normalized_linear(x, inner, self.pointwise_norms, training)
        ends = [sum(self._widths[: i + 1]) for i in range(len(inner) - 1)]
        *inner, pooled = ops.split(ops.relu(x), ends, axis=-1)
        outputs = [
            convolution(x)
            for x, convolution in zip(inner, self.convolutions, strict=True)
        ]
        pooled = temporal.max_over_frames(pooled, self.stride)
        return [*outputs, pooled, pointwise]

    def compute_output_shape(self, input_shape):
        batch, frames, joints, _ = input_shape
        return batch, -(-frames // self.stride), joints, self.filters

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "dilations": list(self.dilations),
            "stride": self.stride,
            "mean_joint": self.mean_joint,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }
