"""The first stage of FineTec: what trains its completion."""

import keras
import numpy as np
from keras import ops

from keras_skeleton.layers.augmentation import MaskFrames
from keras_skeleton.training import MaskedPrediction


class CompletionTraining(MaskedPrediction):
    """Trains the layer `completion` of an encoder, and nothing else of it.

    Args:
        encoder: The encoder; its completion becomes trainable.
        ratios: See `FineTecPretext`, also for the other arguments.
    """

    def __init__(self, encoder, ratios, strategies, seed, **kwargs):
        super().__init__(**kwargs)
        frames = encoder.settings["input_shape"][1]
        self.clip_losses = MaskFrames(frames, "random", ratios)
        self.example_losses = MaskFrames(frames, strategies, ratios)
        self.encoder = encoder
        self.ratios = self.clip_losses.ratios
        self.strategies = self.example_losses.strategies
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.completion.trainable = True
        self.built = True

    @property
    def completion(self):
        """The layer that is trained."""
        return self.encoder.completion

    # The rest of the encoder waits for the second stage.
    @property
    def trainable_variables(self):
        return self.completion.trainable_variables

    @property
    def trainable_weights(self):
        return self.completion.trainable_weights

    @property
    def non_trainable_variables(self):
        return _without(self.variables, self.trainable_variables)

    @property
    def non_trainable_weights(self):
        return _without(self.weights, self.trainable_weights)

    def fit(self, x=None, *args, **kwargs):
        if not self.completion.is_filled:
            self.encoder.fill_bank(_first_clips(self.look_at(x)))
        return super().fit(x, *args, **kwargs)

    def restore(self, inputs):
        """Whole clips, of which frames are hidden as in training.

        Returns:
            Tuple of the clips `(N, M, T, V, C)` with restored frames in the
            place of hidden ones, and the mask `(N, M, T, V)`, 1 there.
        """
        prepared = self.prepare(inputs)
        choice, is_seen = self.hide(prepared)
        found, _ = self._restored(prepared, choice)
        clips = prepared["clips"]
        mask = (choice["lost"] * is_seen)[..., None]
        restored = ops.where(
            mask[..., None] > 0, ops.cast(found, clips.dtype), clips
        )
        shape = self.encoder.settings["input_shape"]
        mask = mask * ops.ones_like(clips[..., 0])
        return (
            ops.reshape(restored, (-1, *shape)),
            ops.reshape(mask, (-1, *shape[:-1])),
        )

    def prepare(self, clips):
        """Single persons and the example beside each, `(B, T, V, C)`."""
        if isinstance(clips, dict):
            clips = without_lost(clips)
        clips = ops.cast(clips, "float32")
        clips = ops.reshape(clips, (-1, *clips.shape[2:]))
        size = self.completion.bank_size
        draws = self.draw(ops.shape(clips)[0], 1)[:, 0]
        number = ops.minimum(ops.cast(draws * size, "int32"), size - 1)
        examples = ops.take(self.completion.bank.value, number, axis=0)
        return {"clips": clips, "examples": ops.cast(examples, "float32")}

    def draw(self, rows, count):
        """Uniform numbers `(B, count)`."""
        return keras.random.uniform((rows, count), seed=self.seed_generator)

    def hide(self, clips):
        rows = ops.shape(clips["clips"])[0]
        is_seen = ops.any(clips["clips"] != 0, axis=(2, 3))
        lost, hidden = (
            layer.removed(self.draw(rows, layer.num_draws))
            for layer in (self.clip_losses, self.example_losses)
        )
        lost = ops.logical_or(lost, ops.logical_not(is_seen))
        choice = {
            "lost": ops.cast(lost, "float32"),
            "hidden": ops.cast(hidden, "float32"),
        }
        return choice, ops.cast(is_seen, "float32")

    def predict_hidden(self, clips, choice, training=None):
        return joined(*self._restored(clips, choice))

    def _restored(self, clips, choice):
        lost = choice["lost"][..., None, None]
        return self.completion.restored(
            clips["clips"] * (1 - lost),
            choice["lost"],
            clips["examples"],
            choice["hidden"],
        )

    def make_target(self, clips):
        return joined(clips["clips"], clips["examples"])

    def error(self, prediction, target):
        # Half of the values are the clip's, half the example's: the sum of
        # both means.
        return 2 * super().error(prediction, target)


def without_lost(inputs):
    """Clips in which frames that are given as lost are zero: not seen."""
    is_there = ops.cast(inputs["valid"], "bool")[:, None, :, None, None]
    return ops.where(is_there, inputs["skeletons"], 0)


def joined(clips, examples):
    """Values of both in each frame, `(B, T, 2 V C)`."""
    flat = (-1, clips.shape[1], clips.shape[2] * clips.shape[3])
    both = [ops.reshape(x, flat) for x in (clips, examples)]
    return ops.cast(ops.concatenate(both, axis=-1), "float32")


def _without(variables, others):
    taken = {id(variable) for variable in others}
    return [each for each in variables if id(each) not in taken]


def _first_clips(data, count=1024):
    """Clips of the first batches of what `fit` takes."""
    if isinstance(data, dict) or hasattr(data, "shape"):
        batches = iter([data])
    elif isinstance(data, keras.utils.PyDataset):
        batches = (data[i] for i in range(len(data)))
    elif hasattr(data, "take"):
        batches = iter(data.take(count))
    else:
        raise ValueError(
            "The bank of examples is empty, and the data can be read but "
            f"once ({type(data).__name__}). Fill it first: "
            "`pretext.encoder.fill_bank(clips)`."
        )
    found, number = [], 0
    for batch in batches:
        clips, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
        clips = without_lost(clips) if isinstance(clips, dict) else clips
        found.append(ops.convert_to_numpy(clips)[: count - number])
        number += len(found[-1])
        if number >= count:
            break
    return np.concatenate(found)
