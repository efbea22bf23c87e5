"""Cutting clips into tokens, and picking tokens out of a sequence."""

import keras
from keras import ops


def patchify(clips, segment_length, joints_per_patch=1):
    """Cuts clips into flat tokens of `segment_length` frames of a few joints.

    Tokens are in time-major order: token `t * V' + v` covers segment `t` of
    joint patch `v`. Inside a token the values are ordered by frame, joint and
    coordinate.

    Args:
        clips: Tensor `(B, T, V, C)`.
        segment_length: Frames per token; divides `T`.
        joints_per_patch: Neighbouring joints per token; divides `V`.

    Returns:
        Tensor `(B, T' * V', segment_length * joints_per_patch * C)`.

    Example:

    >>> patchify(ops.zeros((2, 8, 25, 3)), segment_length=4).shape
    (2, 50, 12)
    """
    _, frames, joints, coordinates = clips.shape
    segments = frames // segment_length
    patches = joints // joints_per_patch
    x = ops.reshape(
        clips,
        (
            -1,
            segments,
            segment_length,
            patches,
            joints_per_patch,
            coordinates,
        ),
    )
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    values = segment_length * joints_per_patch * coordinates
    return ops.reshape(x, (-1, segments * patches, values))


def gather_tokens(tokens, indices):
    """Picks tokens of every row by index.

    Args:
        tokens: Tensor `(B, L, D)`.
        indices: Integer tensor `(B, K)` with values in `0..L-1`.

    Returns:
        Tensor `(B, K, D)`.
    """
    length, dim = tokens.shape[1:]
    kept = indices.shape[1]
    if keras.backend.backend() == "jax":
        # As fast there, and takes batches of symbolic size (export).
        return ops.take_along_axis(
            tokens, ops.cast(indices, "int32")[..., None], axis=1
        )
    # One flat `take`: `take_along_axis` is 10 to 30 times slower on
    # TensorFlow's CPU kernels.
    picked = ops.take(
        ops.reshape(tokens, (-1, dim)), _flat_rows(indices, length), axis=0
    )
    return ops.reshape(picked, (-1, kept, dim))


def scatter_tokens(tokens, indices, length):
    """Puts tokens back to their places; the inverse of `gather_tokens`.

    Args:
        tokens: Tensor `(B, K, D)`.
        indices: Integer tensor `(B, K)`, no index twice in a row.
        length: Number of places `L` in each row.

    Returns:
        Tensor `(B, L, D)`, zero where no token was put.
    """
    dim = tokens.shape[-1]
    batch = ops.shape(tokens)[0]
    # Not `ops.scatter`: on PyTorch, Keras loops over the rows in Python.
    placed = ops.scatter_update(
        ops.zeros((batch * length, dim), dtype=tokens.dtype),
        ops.expand_dims(_flat_rows(indices, length), -1),
        ops.reshape(tokens, (-1, dim)),
    )
    return ops.reshape(placed, (-1, length, dim))


def _flat_rows(indices, length):
    """Indices into `(B, L)` rows as indices into one axis of `B * L`."""
    indices = ops.cast(indices, "int32")
    starts = ops.arange(ops.shape(indices)[0], dtype="int32") * length
    return ops.reshape(indices + ops.expand_dims(starts, -1), (-1,))
