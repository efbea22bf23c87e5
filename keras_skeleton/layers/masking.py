"""Hiding tokens from an encoder, and marking the hidden ones for a decoder."""

import keras
from keras import ops

from keras_skeleton.layers.tokens import scatter_tokens


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MotionAwareMasking(keras.layers.Layer):
    """Chooses which tokens to hide, preferring those that move.

    The intensity `I` of a token is the mean absolute difference between its
    values and those of the token before it in time (the first segment takes
    the second's). With the temperature `t`, tokens get the probability
    `softmax(I / (t * max(I)))` over their sequence and Gumbel noise
    `log(probability) - log(-log(u))` with `u` uniform; the
    `int(L * (1 - mask_ratio))` tokens of the smallest noise are kept. As
    `I / max(I)` lies in [0, 1], the preference is mild: at most `exp(1 / t)`
    to one. A person who is all zero is masked uniformly.

    `int` truncates in double precision as the published code does: of 750
    tokens at a ratio of 0.9, 74 are kept and not 75.

    Args:
        mask_ratio: Share of tokens to hide, between 0 and 1.
        temperature: Temperature of the preference; 0 hides tokens uniformly.
        seed: Seed of the draws.

    Call arguments:
        patches: Tensor `(B, T', V', values)` of the values of each token.

    Returns:
        A tuple: the indices `(B, K)` of the kept tokens, time-major, and the
        mask `(B, L)` that is 1 where a token is hidden and 0 where it is kept.

    Reference: Mao et al., Masked Motion Predictors are Strong 3D Action
    Representation Learners, arXiv 2308.07092.
    """

    def __init__(self, mask_ratio, temperature=0.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 < mask_ratio < 1:
            raise ValueError(
                "`mask_ratio` must lie between 0 and 1. Received "
                f"mask_ratio={mask_ratio}."
            )
        if temperature < 0:
            raise ValueError(
                "`temperature` must be 0 (uniform masking) or above. Received "
                f"temperature={temperature}."
            )
        self.mask_ratio = mask_ratio
        self.temperature = temperature
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, patches):
        segments, joints = patches.shape[1:3]
        length = segments * joints
        num_kept = int(length * (1 - self.mask_ratio))
        if num_kept < 1:
            raise ValueError(
                f"mask_ratio={self.mask_ratio} leaves no token of {length}. "
                "Lower it, or use longer clips."
            )
        _, kept = ops.top_k(-self.noise(patches), num_kept)
        ones = ops.ones_like(kept, dtype="float32")[..., None]
        return kept, 1 - scatter_tokens(ones, kept, length)[..., 0]

    def noise(self, patches):
        """The noise `(B, L)` whose smallest values decide what is kept."""
        uniform = self.draw(ops.shape(patches)[0], *patches.shape[1:3])
        if self.temperature == 0:
            return uniform
        probability = ops.softmax(self.scaled_intensity(patches), axis=-1)
        return ops.log(probability) - ops.log(-ops.log(uniform + 1e-10) + 1e-10)

    def scaled_intensity(self, patches):
        """Motion of each token `(B, L)`, from 0 to `1 / temperature`."""
        patches = ops.cast(patches, "float32")
        change = ops.abs(patches[:, 1:] - patches[:, :-1])
        change = ops.concatenate([change[:, :1], change], axis=1)
        intensity = ops.mean(change, axis=-1)
        length = patches.shape[1] * patches.shape[2]
        intensity = ops.reshape(intensity, (-1, length))
        highest = ops.max(intensity, axis=-1, keepdims=True)
        return intensity / (highest * self.temperature + 1e-10)

    def draw(self, rows, segments, joints):
        """Uniform numbers `(B, L)` in [0, 1)."""
        return keras.random.uniform(
            (rows, segments * joints), seed=self.seed_generator
        )

    def get_config(self):
        return {
            **super().get_config(),
            "mask_ratio": self.mask_ratio,
            "temperature": self.temperature,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class MaskToken(keras.layers.Layer):
    """Puts one learned token into every hidden place.

    Args:
        initializer: Of the token. Defaults to normal numbers with deviation
            0.02.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        tokens: Tensor `(B, K, D)` of the tokens that were kept, or
            `(B, L, D)` of all, of which the hidden ones are replaced.
        kept: Indices `(B, K)` of their places; `None` for all.
        mask: Tensor `(B, L)`, 1 where the learned token goes.

    Returns:
        Tensor `(B, L, D)`.
    """

    def __init__(self, initializer=None, **kwargs):
        super().__init__(**kwargs)
        self.initializer = keras.initializers.get(initializer)

    def build(self, tokens_shape, kept_shape=None, mask_shape=None):
        self.token = self.add_weight(
            name="token",
            shape=(1, 1, tokens_shape[-1]),
            initializer=self.initializer
            or keras.initializers.RandomNormal(stddev=0.02),
        )

    def call(self, tokens, kept, mask):
        mask = ops.cast(mask, tokens.dtype)[..., None]
        if kept is None:
            placed = tokens * (1 - mask)
        else:
            placed = scatter_tokens(tokens, kept, mask.shape[1])
        return placed + mask * self.token

    def get_config(self):
        return {
            **super().get_config(),
            "initializer": keras.initializers.serialize(self.initializer),
        }
