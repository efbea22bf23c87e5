"""Positives made in feature space, in closed form."""

from keras import ops

_EPSILON = 1e-8
# How far before the boundary positives lie that are to lie right there.
_SHORT = 0.01


def make_positives(
    keys, prototypes, columns, shares, num_candidates=20, num_skipped=1
):
    """Points on arcs from keys towards prototypes, short of the boundary.

    See `keras_skeleton.applications.HaLPPretext` for what they are.

    Args:
        keys: Unit vectors `(N, E)`.
        prototypes: Unit vectors `(P, E)`.
        columns: Places among the candidates, the most similar last,
            `(N, S)`.
        shares: For each positive the share `u` of the way to the boundary
            that is left out, `(N, S)`; `None` for right before the boundary.
        num_candidates: Number of candidates, where there are so many.
        num_skipped: Nearest prototypes that are no candidates, at least 1.

    Returns:
        Tuple of the positives `(N, S, E)`, unit vectors without gradient, and
        whether their nearest prototype is that of the key, boolean `(N, S)`.
    """
    keys, prototypes = map(ops.stop_gradient, (keys, prototypes))
    nearest, chosen = choose_prototypes(
        ops.matmul(keys, ops.transpose(prototypes)),
        columns,
        num_candidates,
        num_skipped,
    )
    towards = ops.take(prototypes, chosen, axis=0)
    angle, boundary = find_boundary(
        keys, ops.take(prototypes, nearest, axis=0), towards
    )
    if shares is None:
        share = boundary - _SHORT
    else:
        share = (1 - shares) * boundary
    positives = ops.normalize(
        point_on_arc(keys, towards, angle, share), axis=-1
    )
    similarity = ops.matmul(positives, ops.transpose(prototypes))
    is_kept = (
        ops.cast(ops.argmax(similarity, axis=-1), "int32") == (nearest[:, None])
    )
    return ops.stop_gradient(positives), is_kept


def choose_prototypes(similarity, columns, num_candidates, num_skipped):
    """Numbers of the nearest prototype `(N,)` and of the drawn `(N, S)`.

    Args:
        similarity: That of keys to prototypes, `(N, P)`.
        columns: See `make_positives`, also for the numbers.
    """
    order = ops.cast(ops.argsort(similarity, axis=1), "int32")
    last = order.shape[1] - num_skipped
    candidates = order[:, max(0, last - num_candidates) : last]
    columns = ops.cast(columns, "int32")
    return order[:, -1], ops.take_along_axis(candidates, columns, axis=1)


def find_boundary(keys, nearest, towards):
    """Where an arc leaves the cell of the nearest prototype.

    Args:
        keys: Unit vectors `(N, E)`.
        nearest: Their nearest prototypes, `(N, E)`.
        towards: Prototypes at the ends of the arcs, `(N, S, E)`.

    Returns:
        Tuple of the angles `(N, S)` of the arcs and the shares `(N, S)` of
        them up to the boundary.
    """
    nearest, keys = nearest[:, None], keys[:, None]
    cosine = ops.sum(keys * towards, axis=-1)
    angle = ops.arccos(ops.clip(cosine, -1.0, 1.0))
    between = 1 - ops.sum(towards * nearest, axis=-1)
    kappa = between / (ops.sum(keys * (nearest - towards), axis=-1) + _EPSILON)
    tangent = ops.sin(angle) / (kappa + ops.cos(angle) + _EPSILON)
    return angle, ops.arctan(tangent) / (angle + _EPSILON)


def point_on_arc(keys, towards, angle, share):
    """Points `(N, S, E)` at a share `(N, S)` of arcs, of about length 1."""
    start = ops.sin((1 - share) * angle)[..., None] * keys[:, None]
    end = ops.sin(share * angle)[..., None] * towards
    return (start + end) / (ops.sin(angle)[..., None] + _EPSILON)


def pull(queries, positives, is_kept, temperature, count=None):
    """The loss that draws queries to their positives.

    Args:
        queries: Unit vectors `(N, E)`.
        positives: Unit vectors `(N, S, E)`.
        is_kept: Which of them count, boolean `(N, S)`.
        temperature: Divides the similarities.
        count: How many of them count, where the batch is but a part of one
            that several devices share: then the mean number of each.

    Returns:
        The mean over those of the whole batch that count; 0 if none does.
    """
    similarity = ops.sum(queries[:, None] * positives, axis=-1) / temperature
    is_kept = ops.cast(is_kept, similarity.dtype)
    count = ops.sum(is_kept) if count is None else count
    return -ops.sum(is_kept * similarity) / (count + _EPSILON)
