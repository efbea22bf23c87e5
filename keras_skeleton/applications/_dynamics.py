"""What FineTec makes of a restored clip: places and accelerations, fused."""

import keras
from keras import ops

from keras_skeleton import layers
from keras_skeleton.applications._completion_networks import batches
from keras_skeleton.applications._decomposition import RegionPerturbation
from keras_skeleton.applications._physics import LagrangianAcceleration
from keras_skeleton.applications._physics import second_difference


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SequenceFusion(keras.layers.Layer):
    """Fuses a sequence with others by cross attention of joints.

    The joints of a frame are tokens; those of the first sequence attend to
    those of all others in the same frame. `x = LayerNorm(x + Attention(x,
    others))`, and a dense layer back to coordinates, added to the first
    sequence. (That attention fuses is the paper's, the rest a choice.)

    Args:
        hidden_dim: Token width.
        num_heads: Attention heads.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        sequence: `(B, T, V, C)`.
        others: List of tensors of that shape.

    Output shape: `(B, T, V, C)`.
    """

    def __init__(self, hidden_dim=64, num_heads=4, **kwargs):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads

    def build(self, sequence_shape, others_shape=None):
        dim, policy = self.hidden_dim, self.dtype_policy
        self.embedding = keras.layers.Dense(dim, name="embedding", dtype=policy)
        self.embedding.build((None, sequence_shape[-1]))
        self.attention = layers.CrossAttention(
            self.num_heads, name="attention", dtype=policy
        )
        self.attention.build((None, sequence_shape[2], dim))
        self.norm = layers.LayerNormalization(
            epsilon=1e-5, name="norm", dtype=policy
        )
        self.norm.build((None, dim))
        self.coordinates = keras.layers.Dense(
            sequence_shape[-1],
            # Small, so that the sequence comes through at first.
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="coordinates",
            dtype=policy,
        )
        self.coordinates.build((None, dim))

    def call(self, sequence, others):
        context = ops.concatenate(others, axis=2)
        tokens, context = (
            self.embedding(ops.reshape(x, (-1, *x.shape[2:])))
            for x in (sequence, context)
        )
        fused = self.norm(tokens + self.attention(tokens, context))
        change = ops.reshape(self.coordinates(fused), (-1, *sequence.shape[1:]))
        return sequence + change

    def compute_output_shape(self, sequence_shape, others_shape=None):
        return sequence_shape

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MotionFusion(keras.layers.Layer):
    """From restored clips to fused places and accelerations.

    Of `S_base` two perturbed copies are made (`RegionPerturbation`). For
    each of the three sequences an acceleration is fused of its second
    differences and what an equation of motion estimates
    (`LagrangianAcceleration`). Attention fuses the places of the three, and
    their accelerations (`SequenceFusion`).

    Outside training there are no copies: all three sequences are `S_base`,
    and attention to the same tokens twice is attention to them once.

    In training, the mean squared distance between the fused accelerations of
    the three sequences and their second differences, which no gradient
    enters, is added to the losses of the model.

    Args:
        regions: See `RegionPerturbation`.
        dynamic_regions: See `RegionPerturbation`.
        mass: See `LagrangianAcceleration`.
        hidden_dim: See `SequenceFusion`.
        num_heads: See `SequenceFusion`.
        acceleration_weight: Factor of the added loss.
        seed: Seed of the perturbation.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(N, M, T, V, C)`. Absent persons stay zero.

    Output shape: `(N, M, T, V, 2C)`, places first.
    """

    def __init__(
        self,
        regions,
        dynamic_regions=2,
        mass="coordinates",
        hidden_dim=64,
        num_heads=4,
        acceleration_weight=0.1,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.regions = tuple(tuple(region) for region in regions)
        self.dynamic_regions = dynamic_regions
        self.mass = mass
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.acceleration_weight = acceleration_weight
        self.seed = seed
        policy = self.dtype_policy
        self.perturbation = RegionPerturbation(
            self.regions,
            dynamic_regions,
            seed=seed,
            name="perturbation",
            dtype=policy,
        )
        self.physics = LagrangianAcceleration(
            mass, name="physics", dtype=policy
        )
        self.place_fusion, self.acceleration_fusion = (
            SequenceFusion(hidden_dim, num_heads, name=name, dtype=policy)
            for name in ("place_fusion", "acceleration_fusion")
        )

    def build(self, input_shape):
        rows = (None, *input_shape[2:])
        for layer in (
            self.perturbation,
            self.physics,
            self.place_fusion,
            self.acceleration_fusion,
        ):
            layer.build(rows)
        coordinates = input_shape[-1]
        self.pairing = keras.layers.Dense(
            coordinates, name="pairing", dtype=self.dtype_policy
        )
        self.pairing.build((None, 2 * coordinates))

    def call(self, clips, training=None):
        rows = ops.reshape(clips, (-1, *clips.shape[2:]))
        sequences = [rows]
        if training:
            sequences += self.perturbation(rows)
        accelerations = self._accelerations(sequences, training)
        fused = ops.concatenate(
            [
                # `S_base` attends to its copies, or else to itself.
                fusion(each[0], each[1:] or each)
                for fusion, each in (
                    (self.place_fusion, sequences),
                    (self.acceleration_fusion, accelerations),
                )
            ],
            axis=-1,
        )
        fused = fused * ops.cast(_is_present(rows), fused.dtype)
        return ops.reshape(fused, (-1, *clips.shape[1:4], fused.shape[-1]))

    def _accelerations(self, sequences, training):
        """The fused acceleration of each sequence; adds the loss."""
        # All as one batch, as they share the weights.
        joined = ops.concatenate(sequences, axis=0)
        differences = second_difference(joined)
        both = ops.concatenate([differences, self.physics(joined)], axis=-1)
        accelerations = self.pairing(both)
        if training and self.acceleration_weight:
            loss = acceleration_loss(
                differences, accelerations, _is_present(joined)
            )
            self.add_loss(self.acceleration_weight * loss)
        return batches(accelerations, len(sequences))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])

    def get_config(self):
        return {
            **super().get_config(),
            "regions": self.regions,
            "dynamic_regions": self.dynamic_regions,
            "mass": self.mass,
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "acceleration_weight": self.acceleration_weight,
            "seed": self.seed,
        }


def acceleration_loss(differences, accelerations, present=None):
    """Mean squared distance of accelerations to second differences.

    Args:
        differences: `(B, T, V, C)`, the target, which gets no gradient.
        accelerations: Tensor of the same shape.
        present: Optional `(B, 1, 1, 1)`, 0 where nobody is.
    """
    target = ops.stop_gradient(ops.cast(differences, "float32"))
    error = ops.square(ops.cast(accelerations, "float32") - target)
    if present is None:
        return ops.mean(error)
    present = ops.cast(present, "float32")
    values = error.shape[1] * error.shape[2] * error.shape[3]
    count = ops.maximum(ops.sum(present), 1) * values
    return ops.sum(error * present) / count


def _is_present(rows):
    """Who is not all zero, `(B, 1, 1, 1)`."""
    return ops.any(rows != 0, axis=(1, 2, 3), keepdims=True)
