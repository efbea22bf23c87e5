"""Joints found by votes of anchors, points of a fixed grid.

Each anchor says how far each joint lies from it, and how much its word
counts. Two published grids: that of A2J in the plane of the picture, to which
depth is added by a value of each anchor, and that of A2J-Transformer in
space. Both are decoded alike.
"""

import keras
import numpy as np
from keras import ops

PLACES = (2, 6, 10, 14)


def anchor_grid(rows, columns, stride=16, places=PLACES, column_places=None):
    """Anchors of A2J, some in each cell of a feature map.

    Anchor `len(column_places) i + k` of cell `(row, column)` lies at `stride
    row + places[i]`, `stride column + column_places[k]`.

    Args:
        rows: Rows of the feature map.
        columns: Its columns.
        stride: Pixels of the picture from one cell to the next.
        places: Where in a cell anchors lie, in both directions, in pixels.
        column_places: The same from left to right, if it is another.

    Returns:
        float32 `(columns * rows * len(places) * len(column_places), 2)`: row
        and column in pixels. The column of the cell is the slowest, then its
        row, then the anchors of a cell.

    Example:

    >>> anchor_grid(18, 18).shape
    (5184, 2)

    Reference: Xiong et al., A2J: Anchor-to-joint regression network for 3D
    articulated pose estimation, ICCV 2019, arXiv 1908.09999.
    """
    column, row, i, k = np.meshgrid(
        stride * np.arange(columns),
        stride * np.arange(rows),
        places,
        places if column_places is None else column_places,
        indexing="ij",
    )
    grid = np.stack([row + i, column + k], axis=-1)
    return grid.reshape(-1, 2).astype("float32")


def anchor_volume(rows, columns, depths, stride=16, start=7.5):
    """Anchors of A2J-Transformer, a grid in space.

    Args:
        rows: Anchors from top to bottom.
        columns: Anchors from left to right.
        depths: Their depths, any numbers: `(63.5, 127.5, 191.5)` of 256 cells
            as published for hands, or for a body -1 to 1 m about its torso in
            such cells (a choice).
        stride: Pixels from one to the next.
        start: Place of the first, in pixels.

    Returns:
        float32 `(rows * columns * len(depths), 3)`: x (column), y (row) and
        depth. The row is the slowest, the depth the fastest.

    Example:

    >>> anchor_volume(16, 16, (-75, 0, 75)).shape
    (768, 3)

    Reference: Jiang et al., A2J-Transformer, CVPR 2023, arXiv 2304.03635.
    """
    y, x, depth = np.meshgrid(
        start + stride * np.arange(rows),
        start + stride * np.arange(columns),
        depths,
        indexing="ij",
    )
    volume = np.stack([x, y, depth], axis=-1)
    return volume.reshape(-1, 3).astype("float32")


def anchor_votes(weights, offsets, anchors):
    """Joints that anchors vote for.

    With `w` the softmax of the weights of a joint over all anchors,

        joint = sum_a w_a (anchor_a + offset_a)
        anchors alone = sum_a w_a anchor_a

    Args:
        weights: Tensor `(..., A, V)` of logits.
        offsets: Tensor `(..., A, V, D)`.
        anchors: Array `(A, D)`, or `(..., A, D)` where they differ.

    Returns:
        Two tensors `(..., V, D)`: the joints, and where anchors alone put
        them, which the losses of both publications use.

    Example:

    >>> joints, _ = anchor_votes(
    ...     ops.zeros((1, 2, 15)), ops.zeros((1, 2, 15, 2)), [[2, 2], [4, 2]]
    ... )
    >>> joints[0, 0]
    [3., 2.]
    """
    share = ops.softmax(ops.cast(weights, "float32"), axis=-2)
    offsets = ops.cast(offsets, "float32")
    anchors = ops.cast(anchors, "float32")
    alone = ops.matmul(ops.swapaxes(share, -1, -2), anchors)
    return alone + ops.sum(share[..., None] * offsets, axis=-3), alone


@keras.saving.register_keras_serializable(package="keras_skeleton")
class AnchorMaps(keras.layers.Layer):
    """What a map says of each anchor, in the order of `anchor_grid`.

    Args:
        joints: Number of joints V.
        size: Numbers for each joint and anchor, or `None` for one without an
            axis of its own.

    Input shape: `(B, H, W, anchors * V * size)`, the anchors of a cell
        slowest.

    Output shape: `(B, W * H * anchors, V)`, or with `size` as last axis.
    """

    def __init__(self, joints, size=None, **kwargs):
        super().__init__(**kwargs)
        self.joints = joints
        self.size = size

    def call(self, inputs):
        end = (self.joints,) if self.size is None else (self.joints, self.size)
        x = ops.transpose(inputs, (0, 2, 1, 3))
        return ops.reshape(x, (-1, self._anchors(inputs.shape), *end))

    def _anchors(self, shape):
        _, height, width, channels = shape
        return height * width * channels // (self.joints * (self.size or 1))

    def compute_output_shape(self, input_shape):
        end = (self.joints,) if self.size is None else (self.joints, self.size)
        return (input_shape[0], self._anchors(input_shape), *end)

    def get_config(self):
        return {
            **super().get_config(),
            "joints": self.joints,
            "size": self.size,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class AnchorVotes(keras.layers.Layer):
    """Joints of A2J out of what its three heads say of each anchor.

    Row and column are `anchor_votes`; the depth is the mean of the anchors'
    depths with the same weights.

    Args:
        rows: Rows of the feature map.
        columns: Its columns.
        stride: Pixels of the picture from one cell to the next.
        places: See `anchor_grid`.
        frames: How many rows of the batch are frames of one sample, which
            get an axis of their own; `None` for no such axis.
        column_places: See `anchor_grid`.

    Call arguments:
        weights: Tensor `(B, A, V)` of logits.
        offsets: Tensor `(B, A, V, 2)`: rows and columns in pixels.
        depths: Tensor `(B, A, V)`.

    Output shape: `(B, V, 6)` or `(B / frames, frames, V, 6)`, float32: row,
        column and depth; then where anchors alone put the joint: row, column
        and 0.
    """

    def __init__(
        self,
        rows,
        columns,
        stride=16,
        places=PLACES,
        frames=None,
        column_places=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.rows = rows
        self.columns = columns
        self.stride = stride
        self.places = tuple(places)
        self.frames = frames
        self.column_places = column_places and tuple(column_places)

    def call(self, weights, offsets, depths):
        anchors = anchor_grid(
            self.rows,
            self.columns,
            self.stride,
            self.places,
            self.column_places,
        )
        offsets = ops.concatenate([offsets, depths[..., None]], axis=-1)
        # Anchors lie in the plane of the picture.
        anchors = np.pad(anchors, ((0, 0), (0, 1)))
        votes = anchor_votes(weights, offsets, anchors)
        votes = ops.concatenate(votes, axis=-1)
        if self.frames is None:
            return votes
        return ops.reshape(votes, (-1, self.frames, *votes.shape[1:]))

    def compute_output_shape(
        self, weights_shape, offsets_shape=None, depths_shape=None
    ):
        batch, _, joints = weights_shape
        if self.frames is None:
            return batch, joints, 6
        batch = None if batch is None else batch // self.frames
        return batch, self.frames, joints, 6

    def get_config(self):
        return {
            **super().get_config(),
            "rows": self.rows,
            "columns": self.columns,
            "stride": self.stride,
            "places": list(self.places),
            "frames": self.frames,
            "column_places": self.column_places and list(self.column_places),
        }
