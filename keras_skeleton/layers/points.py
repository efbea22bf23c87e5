"""Point clouds: which points belong together.

Squared distances come from differences of coordinates. Products of
coordinates would be cheaper, but leave errors of 1e-7 where a distance is 0,
which spoil weights of interpolation.
"""

import keras
from keras import ops

from keras_skeleton.layers.tokens import gather_tokens

ORDERS = ("distance", "index")


def squared_distances(centers, points):
    """Squared distances between points.

    Args:
        centers: Tensor `(B, S, 3)`.
        points: Tensor `(B, P, 3)`.

    Returns:
        Tensor `(B, S, P)`.
    """
    total = 0
    for i in range(centers.shape[-1]):
        difference = centers[:, :, None, i] - points[:, None, :, i]
        total = total + ops.square(difference)
    return total


def nearest_points(centers, points, number):
    """The points nearest to each centre.

    Args:
        centers: Tensor `(B, S, 3)`.
        points: Tensor `(B, P, 3)`.
        number: How many; all where there are fewer.

    Returns:
        Squared distances and int32 indices, both `(B, S, K)`, nearest first.
    """
    distances = squared_distances(centers, points)
    number = min(number, points.shape[1])
    negative, indices = ops.top_k(-distances, number)
    return -negative, ops.cast(indices, "int32")


def farthest_points(points, number, start=None):
    """Chooses points, each the farthest from all that were chosen before.

    Args:
        points: Tensor `(B, P, 3)`.
        number: How many to choose.
        start: Integer tensor `(B,)`, the first of each cloud. Defaults to 0.

    Returns:
        int32 indices `(B, number)`, in the order of choice.

    Example:

    >>> line = ops.reshape(ops.arange(5.0), (1, 5, 1)) * ops.ones((1, 1, 3))
    >>> farthest_points(line, 3)
    [[0, 4, 2]]
    """
    points = ops.stop_gradient(points)
    nearest = ops.full_like(points[..., 0], 1e10)
    if start is None:
        start = ops.zeros_like(points[:, 0, 0])
    start = ops.cast(start, "int32")

    place = ops.arange(0, number, dtype="int32")

    def choose(i, carry):
        nearest, last, chosen = carry
        chosen = ops.where(place == i, last[:, None], chosen)
        of_last = gather_tokens(points, last[:, None])
        distance = squared_distances(of_last, points)[:, 0]
        nearest = ops.minimum(nearest, distance)
        last = ops.cast(ops.argmax(nearest, axis=-1), "int32")
        return nearest, last, chosen

    chosen = ops.zeros_like(start)[:, None] + ops.zeros_like(place)
    *_, chosen = ops.fori_loop(0, number, choose, (nearest, start, chosen))
    return chosen


@keras.saving.register_keras_serializable(package="keras_skeleton")
class FarthestPoints(keras.layers.Layer):
    """Indices of points that are spread over a cloud, see `farthest_points`.

    The first point is drawn at random in training, and otherwise that of
    index 0, so that a cloud gives the same result each time.

    Args:
        number: How many to choose.
        seed: Seed of the first point.
        **kwargs: Arguments of `keras.layers.Layer`.

    Input shape: `(B, P, 3)`.

    Output shape: int32 `(B, number)`.

    Reference: Qi et al., PointNet++, NeurIPS 2017, arXiv 1706.02413.
    """

    def __init__(self, number, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.autocast = False
        self.number = number
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, points, training=None):
        start = None
        if training:
            start = keras.random.randint(
                ops.shape(points[:, 0, 0]),
                0,
                points.shape[1],
                seed=self.seed_generator,
            )
        return farthest_points(points, self.number, start)

    def compute_output_spec(self, points, training=None):
        return keras.KerasTensor((points.shape[0], self.number), "int32")

    def get_config(self):
        return {
            **super().get_config(),
            "number": self.number,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class TakePoints(keras.layers.Layer):
    """Points by index, see `gather_tokens`.

    Call arguments:
        points: Tensor `(B, P, C)`.
        indices: int32 tensor `(B, S)`.

    Output shape: `(B, S, C)`.
    """

    def call(self, points, indices):
        return gather_tokens(points, indices)

    def compute_output_shape(self, points_shape, indices_shape):
        return (*indices_shape, points_shape[-1])


@keras.saving.register_keras_serializable(package="keras_skeleton")
class PointGroups(keras.layers.Layer):
    """Indices of the neighbours of each centre.

    Args:
        number: Members `K` of a group, or all points where there are fewer.
        squared_radius: Square of the largest distance, or `None`. By
            distance, a member beyond it is replaced by the nearest point,
            which is the centre where that is one of the points (as in the
            point-to-point network of C3P). By index, the first member stands
            for those that lack (as in the ball query of PointNet++).
        order: `"distance"`, the nearest points, or `"index"`, the first
            points within the radius: those of lower indices in the cloud.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        centers: Tensor `(B, S, 3)`.
        points: Tensor `(B, P, 3)`.

    Output shape: int32 `(B, S, K)`.
    """

    def __init__(self, number, squared_radius=None, order="distance", **kwargs):
        super().__init__(**kwargs)
        if order not in ORDERS or (order == "index" and not squared_radius):
            raise ValueError(
                "`order` must be 'distance', or 'index' with a "
                f"`squared_radius`. Received order={order!r} and "
                f"squared_radius={squared_radius}."
            )
        self.autocast = False
        self.number = number
        self.squared_radius = squared_radius
        self.order = order

    def call(self, centers, points):
        if self.order == "index":
            return self._first_points(centers, points)
        distances, indices = nearest_points(centers, points, self.number)
        if self.squared_radius is None:
            return indices
        is_far = distances > self.squared_radius
        return ops.where(is_far, indices[..., :1], indices)

    def _first_points(self, centers, points):
        distances = squared_distances(centers, points)
        count = points.shape[1]
        place = ops.arange(0, count, dtype="float32")
        place = ops.where(distances > self.squared_radius, count, place)
        place, _ = ops.top_k(-place, min(self.number, count))
        place = ops.cast(-place, "int32")
        place = ops.where(place == count, place[..., :1], place)
        # The last point, should there be none in reach.
        return ops.minimum(place, count - 1)

    def compute_output_spec(self, centers, points):
        number = min(self.number, points.shape[1])
        return keras.KerasTensor((*centers.shape[:2], number), "int32")

    def get_config(self):
        return {
            **super().get_config(),
            "number": self.number,
            "squared_radius": self.squared_radius,
            "order": self.order,
        }


@keras.saving.register_keras_serializable(package="keras_skeleton")
class InterpolationWeights(keras.layers.Layer):
    """From which points others take their features, and how much.

    The weights of the nearest points are `1 / (d + 1e-8)`, divided by their
    sum, with the squared distance `d`.

    Args:
        number: Points to take from. Published: 3.
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        fine: Tensor `(B, P, 3)` of points that take.
        coarse: Tensor `(B, S, 3)` of points to take from.

    Output shape: int32 indices and float32 weights, both `(B, P, K)`.
    """

    def __init__(self, number=3, **kwargs):
        super().__init__(**kwargs)
        self.autocast = False
        self.number = number

    def call(self, fine, coarse):
        distances, indices = nearest_points(fine, coarse, self.number)
        weights = 1 / (distances + 1e-8)
        return indices, weights / ops.sum(weights, axis=-1, keepdims=True)

    def compute_output_spec(self, fine, coarse):
        shape = (*fine.shape[:2], min(self.number, coarse.shape[1]))
        return (
            keras.KerasTensor(shape, "int32"),
            keras.KerasTensor(shape, fine.dtype),
        )

    def get_config(self):
        return {**super().get_config(), "number": self.number}


def gather_groups(features, indices):
    """The features of the members of groups.

    Args:
        features: Tensor `(B, P, C)`.
        indices: int32 tensor `(B, S, K)`.

    Returns:
        Tensor `(B, S, K, C)`.
    """
    groups, members = indices.shape[1:]
    flat = ops.reshape(indices, (-1, groups * members))
    found = gather_tokens(features, flat)
    return ops.reshape(found, (-1, groups, members, features.shape[-1]))


def interpolate(features, indices, weights):
    """Features of points out of those of others.

    Args:
        features: Tensor `(B, S, C)`.
        indices: int32 tensor `(B, P, K)`.
        weights: Tensor `(B, P, K)`.

    Returns:
        Tensor `(B, P, C)`.
    """
    found = gather_groups(features, indices)
    weights = ops.cast(weights, found.dtype)
    return ops.sum(found * weights[..., None], axis=2)


def largest(x, axis, training=False):
    """The maximum over an axis, with a gradient on every backend.

    Compilers may round a value differently where they compute it a second
    time. The gradient of a plain maximum, which looks for what equals it,
    would then be 0 / 0. In training it goes to one of the largest, which
    formats of exported models cannot find; otherwise to all that are as
    large within rounding.

    Args:
        x: Tensor.
        axis: The axis, which is gone in the result.
        training: Whether gradients are for training.
    """
    backend = keras.backend.backend()
    if backend == "torch" or (backend == "tensorflow" and not training):
        return ops.max(x, axis=axis)
    if training:
        place = ops.stop_gradient(ops.argmax(x, axis=axis))
        chosen = ops.one_hot(place, x.shape[axis], axis=axis, dtype=x.dtype)
        return ops.sum(x * chosen, axis=axis)
    fixed = ops.stop_gradient(x)
    top = ops.max(fixed, axis=axis, keepdims=True)
    is_top = ops.cast(fixed >= top - 1e-5 * (1 + ops.abs(top)), x.dtype)
    share = is_top / ops.sum(is_top, axis=axis, keepdims=True)
    return ops.squeeze(top, axis=axis) + ops.sum(share * (x - fixed), axis=axis)
