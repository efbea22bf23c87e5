"""Attention of EPAM-Net: where and when the pose says to look."""

import keras
from keras import ops

from keras_skeleton.applications._xshift import over_frames
from keras_skeleton.layers import BatchNormalization
from keras_skeleton.layers.convolution import convolve_rows

# Pixels and frames that the convolutions of the attention look over, as
# published.
REACH = 7


class _Attention(keras.layers.Layer):
    """Base: weighs the features of the video, `F + F * attention`.

    Call arguments:
        video: Tensor `(N, T, H, W, C)`, the features of the video.
        skeletons: Tensor `(N, T, H, W, D)`, those of the pose at the same
            instants.

    Output shape: `(N, T, H, W, C)`.
    """

    def call(self, video, skeletons, training=None):
        return video + video * self.attention(video, skeletons, training)

    def attention(self, video, skeletons, training=None):
        """The weights, which broadcast to `(N, T, H, W, 1)`."""
        raise NotImplementedError

    def compute_output_shape(self, video_shape, skeletons_shape=None):
        return video_shape

    def add_kernel(self, name, shape):
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=keras.initializers.VarianceScaling(
                2.0, mode="fan_out", distribution="untruncated_normal"
            ),
        )

    def over_time(self, x):
        """Convolution of one number per frame `(N, T)` over the frames."""
        x = ops.conv(
            x[..., None],
            self.temporal_kernel,
            padding="same",
            data_format="channels_last",
        )
        return x[..., 0]


def _largest(x):
    """The largest channel of each place, `(..., 1)`.

    The gradient of `max` looks for the places that equal the maximum. Where
    a compiler computes them anew and rounds otherwise there are none, and it
    is 0 / 0.
    """
    place = ops.argmax(ops.stop_gradient(x), axis=-1)
    chosen = ops.one_hot(place, x.shape[-1], dtype=x.dtype)
    return ops.sum(x * chosen, axis=-1, keepdims=True)


@keras.saving.register_keras_serializable(package="keras_skeleton")
class NestedAttention(_Attention):
    """Where to look in each frame, and from that, when: 107 parameters.

        A_s = sigmoid(norm(conv([max(S), mean(S)])))        over the picture
        A_t = sigmoid(conv(mean of A_s over the picture))       over time

    with `S` the features of the pose, maximum and mean over their channels.
    The attention is `A_s * A_t`. In the variant `serial`, `A_t` is computed
    from the features of the video times `A_s`, averaged over picture and
    channels, and is the attention by itself.

    Args:
        serial: Whether to compute the variant.
        size: Pixels, and frames, that the convolutions look over.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, serial=False, size=REACH, **kwargs):
        super().__init__(**kwargs)
        self.serial = serial
        self.size = size

    def build(self, video_shape, skeletons_shape=None):
        self.kernel = self.add_kernel("kernel", (self.size, self.size, 2, 1))
        self.norm = BatchNormalization(
            momentum=0.99, name="norm", dtype=self.dtype_policy
        )
        self.norm.build((*video_shape[:-1], 1))
        self.temporal_kernel = self.add_kernel(
            "temporal_kernel", (self.size, 1, 1)
        )

    def spatial_attention(self, skeletons, training=None):
        """`A_s`, `(N, T, H, W, 1)`."""
        both = ops.concatenate(
            [
                _largest(skeletons),
                ops.mean(skeletons, axis=-1, keepdims=True),
            ],
            axis=-1,
        )
        x = over_frames(lambda x: convolve_rows(x, self.kernel), both)
        return ops.sigmoid(self.norm(x, training=training))

    def attention(self, video, skeletons, training=None):
        where = self.spatial_attention(skeletons, training)
        shown = video * where if self.serial else where
        when = self.over_time(ops.mean(shown, axis=(2, 3, 4)))
        when = ops.sigmoid(when)[:, :, None, None, None]
        return when if self.serial else where * when

    def get_config(self):
        return {
            **super().get_config(),
            "serial": self.serial,
            "size": self.size,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class DenseAttention(_Attention):
    """The variant whose weights of frames come from dense layers.

        A_s = sigmoid(conv(relu(conv_3x3(S))))
        A_t = sigmoid(W_2 relu(W_1 (mean of A_s over the picture)))

    with `T x T` matrices, so that it fits one number of frames only. The
    attention is `A_s * A_t`.

    Args:
        size: Pixels that the second convolution looks over.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, size=REACH, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def build(self, video_shape, skeletons_shape):
        frames = video_shape[1]
        self.compress_kernel = self.add_kernel(
            "compress_kernel", (3, 3, skeletons_shape[-1], 1)
        )
        self.compress_bias = self.add_weight(
            name="compress_bias", shape=(1,), initializer="zeros"
        )
        self.kernel = self.add_kernel("kernel", (self.size, self.size, 1, 1))
        self.bias = self.add_weight(
            name="bias", shape=(1,), initializer="zeros"
        )
        for name in ("frames_hidden", "frames_output"):
            layer = keras.layers.Dense(
                frames,
                use_bias=False,
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
                name=name,
                dtype=self.dtype_policy,
            )
            layer.build((None, frames))
            setattr(self, name, layer)

    def attention(self, video, skeletons, training=None):
        def convolved(x):
            x = convolve_rows(x, self.compress_kernel) + self.compress_bias
            return convolve_rows(ops.relu(x), self.kernel) + self.bias

        where = ops.sigmoid(over_frames(convolved, skeletons))
        hidden = ops.relu(self.frames_hidden(ops.mean(where, axis=(2, 3, 4))))
        when = ops.sigmoid(self.frames_output(hidden))
        return where * when[:, :, None, None, None]

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class NonLocalAttention(_Attention):
    """The variant in which every place of the pose looks at all of the video.

        F + W_out (theta phi^T / P) g

    with `theta` of the pose, `phi` and `g` of the video, all linear, and `P`
    places in space and time. There is no softmax, so that `phi^T g` is
    computed first: a small matrix in place of one of all pairs of places.
    With a softmax, `softmax(theta phi^T / sqrt(width))` over the places of
    the video takes the place of `theta phi^T / P`.

    Args:
        softmax: Whether there is a softmax.
        reduction: So many times fewer channels than the video have `theta`,
            `phi` and `g`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, softmax=False, reduction=2, **kwargs):
        super().__init__(**kwargs)
        self.softmax = softmax
        self.reduction = reduction

    def build(self, video_shape, skeletons_shape):
        channels = video_shape[-1]
        width = max(1, channels // self.reduction)
        initializer = keras.initializers.RandomNormal(stddev=0.01)
        for name, inputs, outputs, start in (
            ("theta", skeletons_shape[-1], width, initializer),
            ("phi", channels, width, initializer),
            ("value", channels, width, initializer),
            ("output_map", width, channels, "zeros"),
        ):
            layer = keras.layers.Dense(
                outputs,
                kernel_initializer=start,
                name=name,
                dtype=self.dtype_policy,
            )
            layer.build((None, inputs))
            setattr(self, name, layer)

    def call(self, video, skeletons, training=None):
        frames, height, width, _ = video.shape[1:]
        places = frames * height * width

        def flat(x):
            return ops.reshape(x, (-1, places, x.shape[-1]))

        theta = flat(self.theta(skeletons))
        phi, value = flat(self.phi(video)), flat(self.value(video))
        phi = ops.swapaxes(phi, 1, 2)
        if self.softmax:
            weights = ops.matmul(theta, phi) / theta.shape[-1] ** 0.5
            seen = ops.matmul(ops.softmax(weights, axis=-1), value)
        else:
            seen = ops.matmul(theta, ops.matmul(phi, value) / places)
        seen = self.output_map(seen)
        return video + ops.reshape(seen, (-1, *video.shape[1:]))

    def get_config(self):
        return {
            **super().get_config(),
            "softmax": self.softmax,
            "reduction": self.reduction,
        }


ATTENTIONS = ("nested", "serial", "dense", "nonlocal", "nonlocal_softmax")


def pose_attention(kind, size=REACH, reduction=2, **arguments):
    """The attention of a kind.

    Args:
        kind: One of `ATTENTIONS`.
        size: Pixels, and frames, that its convolutions look over.
        reduction: See `NonLocalAttention`.
        **arguments: Arguments of `keras.layers.Layer`.
    """
    if kind.startswith("nonlocal"):
        return NonLocalAttention(kind != "nonlocal", reduction, **arguments)
    if kind == "dense":
        return DenseAttention(size, **arguments)
    return NestedAttention(kind == "serial", size, **arguments)
