"""From joint coordinates to tokens with a place in time and body."""

import keras
from keras import ops

from keras_skeleton.layers.tokens import patchify


@keras.saving.register_keras_serializable(package="keras_skeleton")
class JointEmbedding(keras.layers.Layer):
    """Embeds every segment of every joint patch as one token.

    A strided convolution over (time, joint) whose kernel equals its stride,
    written as one matrix product over the values of each token.

    Args:
        dim: Width `D` of a token.
        segment_length: Frames per token; must divide `T`.
        joints_per_patch: Joints per token; must divide `V`.

    Input shape: `(B, T, V, C)`.

    Output shape: `(B, T' * V', D)`, time-major.

    Example:

    >>> JointEmbedding(64, segment_length=4)(ops.zeros((2, 8, 25, 3))).shape
    (2, 50, 64)
    """

    def __init__(self, dim, segment_length, joints_per_patch=1, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.segment_length = segment_length
        self.joints_per_patch = joints_per_patch

    def build(self, input_shape):
        _, frames, joints, coordinates = input_shape
        for what, size, step in (
            ("frames", frames, self.segment_length),
            ("joints", joints, self.joints_per_patch),
        ):
            if size % step:
                raise ValueError(
                    f"The clips have {size} {what}, which does not divide "
                    f"into groups of {step}. Choose a number of {what} that "
                    f"is a multiple of {step}, or another group size. "
                    f"Received input_shape={tuple(input_shape)}."
                )
        values = self.segment_length * self.joints_per_patch * coordinates
        # The default of a PyTorch convolution, which the published model
        # keeps for this layer alone.
        limit = values**-0.5
        initializer = keras.initializers.RandomUniform(-limit, limit)
        self.kernel = self.add_weight(
            name="kernel", shape=(values, self.dim), initializer=initializer
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.dim,), initializer=initializer.clone()
        )

    def call(self, clips):
        tokens = patchify(clips, self.segment_length, self.joints_per_patch)
        return ops.matmul(tokens, self.kernel) + self.bias

    def compute_output_shape(self, input_shape):
        batch, frames, joints, _ = input_shape
        length = frames // self.segment_length
        length *= joints // self.joints_per_patch
        return batch, length, self.dim

    def get_config(self):
        return {
            **super().get_config(),
            "dim": self.dim,
            "segment_length": self.segment_length,
            "joints_per_patch": self.joints_per_patch,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PositionEmbedding(keras.layers.Layer):
    """Adds a learned embedding of the segment and one of the joint.

    Args:
        num_segments: Tokens `T'` along time.
        num_patches: Tokens `V'` along the joints.

    Input and output shape: `(B, T' * V', D)`, time-major.
    """

    def __init__(self, num_segments, num_patches, **kwargs):
        super().__init__(**kwargs)
        self.num_segments = num_segments
        self.num_patches = num_patches

    def build(self, input_shape):
        dim = input_shape[-1]
        initializer = keras.initializers.RandomNormal(stddev=0.02)
        self.temporal = self.add_weight(
            name="temporal",
            shape=(1, self.num_segments, 1, dim),
            initializer=initializer,
        )
        self.joint = self.add_weight(
            name="joint",
            shape=(1, 1, self.num_patches, dim),
            initializer=initializer.clone(),
        )

    def call(self, tokens):
        length = self.num_segments * self.num_patches
        positions = ops.add(self.temporal, self.joint)
        return tokens + ops.reshape(positions, (1, length, -1))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_segments": self.num_segments,
            "num_patches": self.num_patches,
        }
