"""Physics-driven accelerations of FineTec, after Lagrange.

    M(q) q'' + C(q, q') q' + g(q) = tau        of the joints q of a frame
    q''  =  M^-1 tau  -  (M^-1 C) q'  -  M^-1 g

A network estimates the terms of the second line as they stand, so that no
matrix is inverted.
"""

import keras
import numpy as np
from keras import ops

from keras_skeleton.layers.activations import exact_gelu

TRUNK_DIM = 256
CONTEXT_DIM = 128
MASSES = ("coordinates", "joints")


def velocity(clips, rule="backward"):
    """First differences in time of clips `(B, T, V, C)`, per frame.

    Args:
        clips: The clips.
        rule: `"backward"`, `S[t] - S[t-1]` and 0 at the first frame; or
            `"central"`, half of `S[t+1] - S[t-1]`, one-sided at the ends.
    """
    step = clips[:, 1:] - clips[:, :-1]
    if rule == "backward":
        return ops.concatenate([ops.zeros_like(clips[:, :1]), step], axis=1)
    inner = (step[:, 1:] + step[:, :-1]) / 2
    return ops.concatenate([step[:, :1], inner, step[:, -1:]], axis=1)


def second_difference(clips, ends="repeat"):
    """`S[t+1] - 2 S[t] + S[t-1]` of clips `(B, T, V, C)`, per frame squared.

    Args:
        clips: The clips, of 3 frames or more.
        ends: What the first and the last frame get: `"repeat"`, the value
            beside them, or `"zero"`.
    """
    inner = clips[:, 2:] - 2 * clips[:, 1:-1] + clips[:, :-2]
    first, last = inner[:, :1], inner[:, -1:]
    if ends == "zero":
        first, last = ops.zeros_like(first), ops.zeros_like(last)
    return ops.concatenate([first, inner, last], axis=1)


def symmetric(upper, size):
    """Symmetric matrices `(..., n, n)` of their upper triangles.

    Args:
        upper: `(..., n (n + 1) / 2)`, row by row, the diagonal included.
        size: `n`.
    """
    place = np.zeros((size, size), "int32")
    rows, columns = np.triu_indices(size)
    place[rows, columns] = place[columns, rows] = np.arange(len(rows))
    # Rows of a flat matrix: the one gathering that PyTorch exports.
    flat = ops.transpose(ops.reshape(upper, (-1, len(rows))))
    matrix = ops.transpose(ops.take(flat, place.ravel(), axis=0))
    return ops.reshape(matrix, (-1, *upper.shape[1:-1], size, size))


def lagrange(inverse_mass, force, damping, speed, gravity):
    """The acceleration `M^-1 tau - C q' - g`.

    Args:
        inverse_mass: `(..., n, n)`, the inverse of `M`.
        force: `(..., n, d)`, `tau`.
        damping: `(..., n, n)`, the inverse of `M` times `C`.
        speed: `(..., n, d)`, `q'`.
        gravity: `(..., n, d)`, the inverse of `M` times `g`.
    """
    driven = ops.matmul(inverse_mass, force)
    return driven - ops.matmul(damping, speed) - gravity


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LagrangianAcceleration(keras.layers.Layer):
    """Estimates the accelerations of joints by an equation of motion.

    Each term is read off the frame's places and velocities (local) and their
    means over the clip (global): the inverse mass matrix, which is symmetric,
    and gravity off the places alone; damping and force off velocities too.
    Widths, and that both kinds of terms have a trunk of their own, are a
    choice. The estimate starts near 0.

    Args:
        mass: `"coordinates"`: all coordinates of all joints act on each
            other, matrices of `V * C`. Or `"joints"`: joints do, in each
            coordinate alike, matrices of `V`, which is cheaper.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input and output shape: `(B, T, V, C)`.
    """

    def __init__(self, mass="coordinates", **kwargs):
        super().__init__(**kwargs)
        self.mass = mass

    def build(self, input_shape):
        _, _, joints, coordinates = input_shape
        values = joints * coordinates
        self.size = size = joints if self.mass == "joints" else values
        self.context = [
            self._dense(CONTEXT_DIM, width, f"{name}_context", exact_gelu)
            for name, width in (("place", values), ("motion", 2 * values))
        ]
        self.trunks = [
            (
                self._dense(
                    TRUNK_DIM, width + CONTEXT_DIM, f"{name}_hidden", exact_gelu
                ),
                self._dense(
                    TRUNK_DIM, TRUNK_DIM, f"{name}_features", exact_gelu
                ),
            )
            for name, width in (("place", values), ("motion", 2 * values))
        ]
        self.inverse_mass = self._head(size * (size + 1) // 2, "inverse_mass")
        self.gravity = self._head(values, "gravity")
        self.damping = self._head(size * size, "damping")
        self.force = self._head(values, "force")

    def _dense(self, units, size, name, activation=None, **arguments):
        layer = keras.layers.Dense(
            units,
            activation=activation,
            name=name,
            dtype=self.dtype_policy,
            **arguments,
        )
        layer.build((None, size))
        return layer

    def _head(self, units, name):
        small = keras.initializers.RandomNormal(stddev=0.01)
        return self._dense(units, TRUNK_DIM, name, kernel_initializer=small)

    def terms(self, clips):
        """The terms of `lagrange` for clips, but the velocity.

        Returns:
            Dict of `inverse_mass` and `damping`, `(B, T, n, n)`, and `force`
            and `gravity`, `(B, T, n, d)`.
        """
        frames, joints, coordinates = clips.shape[1:]
        places = self._rows(clips)
        motion = ops.concatenate([places, self._rows(velocity(clips))], axis=-1)
        place, moving = (
            self._features(*parts)
            for parts in zip(
                (places, motion), self.context, self.trunks, strict=True
            )
        )
        size = self.size
        vectors = (-1, frames, size, joints * coordinates // size)
        matrices = (-1, frames, size, size)
        # The small kernel is mirrored, not the large output.
        kernel, bias = self.inverse_mass.kernel, self.inverse_mass.bias[None]
        kernel, bias = (
            ops.reshape(symmetric(x, size), (-1, size * size))
            for x in (kernel, bias)
        )
        inverse_mass = ops.reshape(ops.matmul(place, kernel) + bias, matrices)
        return {
            "inverse_mass": inverse_mass + ops.eye(size, dtype=clips.dtype),
            "damping": ops.reshape(self.damping(moving), matrices),
            "force": ops.reshape(self.force(moving), vectors),
            "gravity": ops.reshape(self.gravity(place), vectors),
        }

    @staticmethod
    def _rows(clips):
        frames, joints, coordinates = clips.shape[1:]
        return ops.reshape(clips, (-1, frames, joints * coordinates))

    @staticmethod
    def _features(values, context, trunk):
        """Features `(B, T, TRUNK_DIM)` of frames and of the whole clip."""
        whole = context(ops.mean(values, axis=1, keepdims=True))
        whole = ops.repeat(whole, values.shape[1], axis=1)
        x = ops.concatenate([values, whole], axis=-1)
        for layer in trunk:
            x = layer(x)
        return x

    def call(self, clips):
        terms = self.terms(clips)
        speed = ops.reshape(velocity(clips), (-1, *terms["force"].shape[1:]))
        return ops.reshape(
            lagrange(speed=speed, **terms), (-1, *clips.shape[1:])
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "mass": self.mass}
