"""Context-aware completion of FineTec: lost frames out of an example.

    prompt:  an example with frames lost | the whole example  -> the example
    query:   the clip with frames lost   | a standing pose    -> the clip

Both pairs go through one network, whose blocks mix joints (S-MLP) or frames
(T-MLP), each pair one after the other in time.
"""

import keras
import numpy as np
from keras import ops

from keras_skeleton.applications._completion_networks import ContextMixer
from keras_skeleton.applications._completion_networks import DrawnCompletion
from keras_skeleton.layers.augmentation import FillLostFrames
from keras_skeleton.layers.augmentation.filling import filled

NETWORKS = ("drawn", "sic")
STARTS = ("prior", "interpolation")
VALIDITY = ("frames", "length", "given")


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LostFrames(keras.layers.Layer):
    """Says which frames of a clip are lost.

    Args:
        validity: See `FineTec`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        clips: `(N, M, T, V, C)`.
        valid: `(N, T)`, 0 where a frame is lost, if that is given.

    Output shape: `(N, T)`, 1 where a frame is lost.
    """

    def __init__(self, validity="frames", **kwargs):
        super().__init__(**kwargs)
        self.validity = validity

    def call(self, clips, valid=None):
        if valid is not None:
            return ops.cast(ops.equal(valid, 0), self.compute_dtype)
        is_seen = ops.any(clips != 0, axis=(1, 3, 4))
        is_lost = ops.logical_not(is_seen)
        if self.validity == "length":
            number = ops.arange(1, clips.shape[2] + 1, dtype="int32")
            length = ops.max(ops.where(is_seen, number, 0), axis=1)
            is_lost = ops.logical_and(is_lost, number <= length[:, None])
        return ops.cast(is_lost, self.compute_dtype)

    def compute_output_shape(self, clips_shape, valid_shape=None):
        return clips_shape[0], clips_shape[2]

    def get_config(self):
        return {**super().get_config(), "validity": self.validity}


@keras.saving.register_keras_serializable(package="keras_skeleton")
class Completion(keras.layers.Layer):
    """Restores lost frames of each person by in-context learning.

    Frames that are not lost stay as they are; in a lost one stands what the
    network adds to where it starts from. Who is seen nowhere in a clip stays
    absent.

    The bank of examples and the standing pose, the mean over it, are
    variables that `fill` sets and training leaves alone.

    Args:
        network: `"drawn"` or `"sic"`.
        start: What the network adds to: `"prior"`, the standing pose, or
            `"interpolation"`, the frames beside the gap, which then also
            stand in its gaps and in the place of the pose.
        bank_size: Examples that are kept.
        hidden_dim: Channels of `"sic"`.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        clips: `(N, M, T, V, C)`, zero in lost frames.
        lost: `(N, T)`, 1 where a frame is lost.

    Output shape: `(N, M, T, V, C)`.
    """

    def __init__(
        self,
        network="drawn",
        start="prior",
        bank_size=32,
        hidden_dim=128,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.network = network
        self.start = start
        self.bank_size = bank_size
        self.hidden_dim = hidden_dim
        self.filler = FillLostFrames()
        policy = self.dtype_policy
        if network == "drawn":
            self.mixing = DrawnCompletion(name="drawn", dtype=policy)
        else:
            self.mixing = ContextMixer(hidden_dim, name="sic", dtype=policy)

    def build(self, clips_shape, lost_shape=None):
        clip = tuple(clips_shape[2:])
        self.bank = self.add_weight(
            (self.bank_size, *clip), "zeros", trainable=False, name="bank"
        )
        self.prior = self.add_weight(
            clip[1:], "zeros", trainable=False, name="prior"
        )
        # A model of which a layer is not built, though it has no weights, is
        # called eagerly in each `predict_on_batch` on JAX.
        self.filler.build(clips_shape)
        pair = (None, 2 * clip[0], *clip[1:])
        self.mixing.build(pair, pair)

    @property
    def is_filled(self):
        """Whether the bank holds examples."""
        return bool(ops.convert_to_numpy(ops.any(self.bank.value != 0)))

    def fill(self, persons, pose, seed=0):
        """Sets the bank and the standing pose.

        Args:
            persons: Array `(B, T, V, C)` of whole clips of one person.
            pose: Array `(V, C)`.
            seed: Seed of the choice where there are more than the bank
                holds; where there are fewer, they are repeated.
        """
        order = np.random.default_rng(seed).permutation(len(persons))
        chosen = np.resize(order, self.bank_size)
        self.bank.assign(persons[chosen])
        self.prior.assign(pose)

    def example(self):
        """The example of inference, the first of the bank.

        Of its frames every second is lost.

        Returns:
            The example `(1, T, V, C)` and its lost frames `(1, T)`.
        """
        frames = self.bank.shape[1]
        lost = np.arange(frames) % 2 == 1
        return self.bank[:1], ops.convert_to_tensor(lost[None], "float32")

    def restored(self, clips, lost, example=None, example_lost=None):
        """What the network makes of all frames, lost or not.

        Args:
            clips: `(B, T, V, C)` of single persons, zero in lost frames.
            lost: `(B, T)`.
            example: `(B, T, V, C)`, by default that of inference.
            example_lost: `(B, T)`, the frames that are hidden of it.

        Returns:
            The restored clips and examples, `(B, T, V, C)` each.
        """
        if example is None:
            example, example_lost = self.example()
        clips = ops.cast(clips, self.compute_dtype)
        example = ops.cast(example, self.compute_dtype)
        hidden = ops.cast(example_lost, self.compute_dtype)
        hidden = example * (1 - hidden[..., None, None])
        pose = ops.cast(self.prior, self.compute_dtype)
        clip_start = pose + ops.zeros_like(clips)
        example_start = pose + ops.zeros_like(example)
        if self.start == "interpolation":
            clip_start = clips = self._interpolated(clips, lost)
            example_start = self._interpolated(hidden, example_lost)
            hidden = example_start
        query = ops.concatenate([clips, clip_start], axis=1)
        prompt = ops.concatenate([hidden, example], axis=1)
        # One example may serve all.
        same = ops.zeros_like(query)
        found, found_example = self.mixing(query, prompt + same)
        return clip_start + found, example_start + found_example

    def _interpolated(self, clips, lost):
        left = ops.cast(lost, "float32") == 0
        clips = ops.cast(clips[:, None], "float32")
        made = filled(self.filler, clips, left, "interpolation")
        return ops.cast(made[:, 0], self.compute_dtype)

    def call(self, clips, lost):
        persons, frames = clips.shape[1:3]
        rows = ops.reshape(clips, (-1, *clips.shape[2:]))
        lost = ops.repeat(lost[:, None], persons, axis=1)
        lost = ops.reshape(lost, (-1, frames))
        is_lost = ops.cast(lost, "float32")[:, :, None, None] > 0
        # Where lost frames are given, they may hold anything.
        rows = ops.where(is_lost, 0, rows)
        restored, _ = self.restored(rows, lost)
        is_present = ops.any(rows != 0, axis=(1, 2, 3), keepdims=True)
        rows = ops.where(is_lost & is_present, restored, rows)
        return ops.reshape(rows, (-1, *clips.shape[1:]))

    def compute_output_shape(self, clips_shape, lost_shape=None):
        return clips_shape

    def get_config(self):
        return {
            **super().get_config(),
            "network": self.network,
            "start": self.start,
            "bank_size": self.bank_size,
            "hidden_dim": self.hidden_dim,
        }
