"""What all transforms of clips share."""

import keras
import numpy as np

from keras_skeleton._compat import DataLayer
from keras_skeleton._compat import is_in_jax_tracing_scope
from keras_skeleton.layers.augmentation._arguments import checked


class _NumpyBackend:
    """The part of a Keras backend that transforms use, on NumPy arrays."""

    name = "numpy"
    numpy = np

    @staticmethod
    def convert_to_tensor(x, dtype=None):
        return np.asarray(x, dtype)

    @staticmethod
    def cast(x, dtype):
        return np.asarray(x).astype(dtype)

    @staticmethod
    def shape(x):
        return np.shape(x)


class SkeletonTransform(DataLayer):
    """Base class of layers that transform batches of clips.

    One implementation serves everywhere: called on tensors, inside a model,
    inside `tf.data` on any backend, or on NumPy arrays by `on_numpy`. All
    randomness of a transform is a matrix of uniform numbers, so that a
    caller who passes it decides what happens, and the same numbers give the
    same clips everywhere.

    A transform sees each clip alone: what it makes of a clip depends on this
    clip, its draws and its length, and on nothing else of the batch, not
    even on how many zeros follow the clip because another one is longer.
    What mixes clips belongs to the training step.

    The length of a clip is the number of its frames; those after them are
    padding. Pipelines know and pass it. Where a caller passes none, it is
    found where it is needed (`valid_length`): up to the last frame that is
    not all zero. So frames at the end of a clip in which nobody was found
    count only for those who pass `lengths`.

    A subclass sets `num_draws` where it is random, and implements
    `transform(clips, draws, lengths)` with operations of
    `self.backend.numpy`, and `deterministic(clips, lengths)` where a random
    transform does something without draws. If shapes change, it implements
    `compute_output_shape` too, and `new_lengths(clips, draws, lengths)` if
    lengths do. In all of them `lengths` is `None` if nobody passed any.

    Args:
        seed: Seed of the layer's own draws.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        clips: float32 tensor `(N, M, T, V, C)`.
        draws: Numbers in [0, 1), `(N, num_draws)`. With them a random
            transform always acts.
        lengths: int32 `(N,)`, the frames of each clip.
        training: Whether a random transform acts when there are no `draws`,
            with numbers of its own.
    """

    num_draws = 0
    #: Whether it computes new places of joints, so that a score must not be
    #: among the coordinates.
    moves_joints = False

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = checked(cls.__init__)

    def __init__(self, seed=None, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        # Draws stay in double precision until frame numbers are computed.
        self._convert_input_args = False

    def call(self, clips, draws=None, lengths=None, training=None):
        clips = self.backend.convert_to_tensor(clips, dtype="float32")
        if len(clips.shape) != 5:
            raise ValueError(
                f"{type(self).__name__} takes batches of clips with the axes "
                "(samples, persons, frames, joints, coordinates). Received "
                f"shape {tuple(clips.shape)}; a single clip needs a leading "
                "axis: clip[None]."
            )
        self.check(tuple(clips.shape))
        lengths = self._check_lengths(lengths)
        if not self.num_draws:
            return self.transform(clips, None, lengths)
        if draws is None:
            if not training:
                return self.deterministic(clips, lengths)
            draws = self.backend.random.uniform(
                (self.backend.shape(clips)[0], self.num_draws),
                seed=self._get_seed_generator(self.backend.name),
            )
        elif tuple(np.shape(draws))[-1:] != (self.num_draws,):
            raise ValueError(
                f"{type(self).__name__} needs {self.num_draws} draws for "
                "each clip, an array (samples, draws). Received shape "
                f"{tuple(np.shape(draws))}."
            )
        return self.transform(clips, draws, lengths)

    def _check_lengths(self, lengths):
        if lengths is None:
            return None
        lengths = self.backend.convert_to_tensor(lengths, dtype="int32")
        if len(lengths.shape) != 1:
            raise ValueError(
                "`lengths` must be the number of frames of each clip, an "
                f"array (samples,). Received shape {tuple(lengths.shape)}."
            )
        return lengths

    def twin(self, engine):
        """Returns a copy that works with one engine, whatever Keras' own is.

        Its methods are called directly: `call`, `new_lengths`, and those of
        frames if it chooses them. It may be used by several threads.

        Args:
            engine: `"numpy"`, which neither compiles for each shape nor
                occupies an accelerator, or `"tensorflow"`, for `tf.data`.
        """
        twin = type(self).from_config(self.get_config())
        if engine == "numpy":
            twin.backend = _NumpyBackend()
        else:
            twin.backend.set_backend(engine)
        return twin

    def on_numpy(self):
        """Returns a function of NumPy arrays that does the same.

        Returns:
            A function `transform(clips, draws=None, lengths=None)`; a random
            transform without draws does what it does outside training.
        """
        return self.twin("numpy").call

    def beside_scores(self, number):
        """Returns the transform for clips that carry scores.

        Pipelines of `Sequences` whose `coordinates` end in a score ask for
        it, so that scores stay scores.

        Args:
            number: How many of the last coordinates are scores.

        Returns:
            A transform: this one where it has nothing to do with places, or
            takes scores into account by itself.
        """
        if not self.moves_joints:
            return self
        from keras_skeleton.layers.augmentation.scores import KeepScores

        return KeepScores(self, number)

    def check(self, shape):
        """Raises a `ValueError` where clips of a shape are not possible."""

    def transform(self, clips, draws, lengths):
        """Returns the transformed clips; `draws` is `None` if it has none."""
        raise NotImplementedError

    def deterministic(self, clips, lengths):
        """What a random transform does outside training."""
        return clips

    def new_lengths(self, clips, draws, lengths):
        """Returns the lengths of the transformed clips.

        Args:
            clips: The clips before the transform.
            draws: As in `transform`, `None` outside training.
            lengths: int32 `(N,)`, their lengths.
        """
        return lengths

    def draws_as_tensor(self, draws):
        """The given uniform numbers as a tensor of the engine at work."""
        return self.backend.convert_to_tensor(draws, dtype="float32")

    def as_rows(self, clips):
        """Clips with a row for each frame of each person, `(N, M, T, V * C)`.

        NumPy needs several times as long where the last axis is as short as
        that of the coordinates.
        """
        _, persons, _, joints, coordinates = clips.shape
        frames = self.backend.shape(clips)[2]
        shape = (-1, persons, frames, joints * coordinates)
        return self.backend.numpy.reshape(clips, shape)

    def for_rows(self, values, clips):
        """Values `(N, C)` repeated for each joint, `(N, 1, 1, V * C)`."""
        repeated = [values] * clips.shape[3]
        repeated = self.backend.numpy.concatenate(repeated, axis=-1)
        return repeated[:, None, None]

    def is_present(self, clips):
        """Who is not all zero in which frames, boolean `(N, M, T)`."""
        ops = self.backend.numpy
        size = clips.shape[3] * clips.shape[4]
        # A product with ones takes NumPy a third of the time of `any`.
        ones = ops.ones((size, 1), dtype="float32")
        total = ops.matmul(ops.abs(ops.reshape(clips, (-1, size))), ones)
        return ops.reshape(total, self.backend.shape(clips)[:3]) != 0

    def valid_length(self, clips, lengths=None):
        """Frames of each clip, int32 `(N,)`: as given, or as found.

        Found is the last frame that is not all zero.
        """
        ops = self.backend.numpy
        frames = self.backend.shape(clips)[2]
        if lengths is not None:
            # `take_frames` would go on in the next person.
            return ops.minimum(lengths, frames)
        is_valid = ops.any(self.is_present(clips), axis=1)
        number = ops.arange(1, frames + 1, dtype="int32")
        return ops.max(ops.where(is_valid, number, 0), axis=1)

    def take_frames(self, clips, frames):
        """Returns some frames of each clip, for all its persons.

        Args:
            clips: `(N, M, T, V, C)`.
            frames: int32 frame numbers `(N, K)` below `T`.

        Returns:
            `(N, M, K, V, C)`.
        """
        ops = self.backend.numpy
        persons, _, joints, coordinates = clips.shape[1:]
        samples, _, length = self.backend.shape(clips)[:3]
        number = self.backend.shape(frames)[1]
        # A flat `take` is by far the fastest way to gather on TensorFlow.
        row = ops.arange(samples * persons, dtype="int32") * length
        row = ops.reshape(row, (-1, persons, 1))
        flat = ops.reshape(clips, (-1, joints * coordinates))
        taken = ops.take(flat, row + frames[:, None], axis=0)
        return ops.reshape(taken, (-1, persons, number, joints, coordinates))

    def whole_part(self, function, *tensors):
        """Returns the whole part of `function(*tensors)` as int32.

        The tensors are in double precision: frame numbers must come out as
        in published code, which computes them with Python's numbers. JAX has
        single precision only, so there NumPy computes them, except inside
        compiled functions, where values are unknown.
        """
        backend = self.backend
        if backend.name != "jax":
            doubles = (backend.convert_to_tensor(x, "float64") for x in tensors)
        elif any(is_in_jax_tracing_scope(x) for x in tensors):
            doubles = tensors
        else:
            doubles = (np.asarray(x, "float64") for x in tensors)
            return backend.convert_to_tensor(function(*doubles).astype("int32"))
        return backend.cast(function(*doubles), "int32")

    def compute_output_shape(self, input_shape):
        return tuple(input_shape)

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}

    def get_build_config(self):
        """Nothing: without weights, the shapes seen so far do not matter."""
