"""The base of all systems that find poses: `task = "poses"`."""

import keras
import numpy as np

from keras_skeleton import losses
from keras_skeleton.applications._application import Application
from keras_skeleton.training.targets import check_finite


class PoseEstimator(Application):
    """Base of all models that give joints instead of classes.

    A subclass states its arguments in the signature of its constructor (see
    `constructor`): `weights`, `input_shape`, `skeleton`, its own, `name` and
    `dtype`. There are no classes, no pooling and no `encoder`. It defines
    `settle_shape`, which checks `input_shape` (that of the main input without
    the batch, frames first), `make_inputs`, and `encoder_graph`, which ends
    in a layer named `joints`.

    The output is `(N, T, V, 3)`: the joints of the one person that a sample
    shows, in metres, in the order of `skeleton`. `poses[:, None]` are clips
    `(N, 1, T, V, 3)` as recognisers take them.

    `compile()` alone trains with labels in the same form: Adam and the mean
    distance of the joints (`losses.JointDistance`, which leaves out joints
    whose label is all zeros). Any other loss and any metrics of Keras may be
    passed. Training without labels is that of a model around it.
    """

    task = "poses"

    def check_ends(self, settings, ends):
        # The form of the output is that of the task.
        pass

    def end_graph(self, features, settings, skeleton, ends, dtype):
        return features

    def compile(self, optimizer="adam", loss=None, **kwargs):
        """Prepares training with labels, see `keras.Model.compile`.

        Args:
            optimizer: As in `keras.Model.compile`.
            loss: By default `losses.JointDistance()`.
            **kwargs: As in `keras.Model.compile`.
        """
        if loss is None:
            loss = losses.JointDistance()
        super().compile(optimizer=optimizer, loss=loss, **kwargs)

    def compile_from_config(self, config):
        """Compiles a loaded model as it was; called by Keras."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    # The inputs are no skeletons.
    takes_pixels = True

    def check_data(self, x, y):
        """Raises a `ValueError` for data that nothing can be learned from.

        These are joints of another form than the output, or values that are
        not finite, as labels or inputs.
        """
        check_finite(x)
        if isinstance(x, np.ndarray) or isinstance(x, dict):
            self.check_joints(y)

    def check_joints(self, joints):
        """Raises a `ValueError` if joints are no labels of this model."""
        expected = tuple(self.output_shape[1:])
        found = None if joints is None else tuple(np.shape(joints))
        if found is None or found[1:] != expected:
            raise ValueError(
                f"The model {self.name!r} learns from joints of shape "
                f"(samples, frames, joints, 3) with {expected} after the "
                f"first axis, in metres. Received {found}. Where there are no "
                "such labels, train with a model around it that needs none."
            )
        check_finite(np.asarray(joints))


def check_frames(input_shape, axes, example):
    """The input shape as a tuple of positive whole numbers.

    Args:
        input_shape: What was passed.
        axes: Names of its axes.
        example: A shape that would do.

    Raises:
        ValueError: If it is none.
    """
    if (
        not isinstance(input_shape, list | tuple)
        or len(input_shape) != len(axes)
        or any(size is None or int(size) < 1 for size in input_shape)
    ):
        raise ValueError(
            f"`input_shape` must be {len(axes)} positive numbers "
            f"({', '.join(axes)}), for example {example}. Received "
            f"input_shape={input_shape}."
        )
    return tuple(int(size) for size in input_shape)
