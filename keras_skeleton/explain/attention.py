"""Attention between tokens: maps, rollout and importance."""

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import _graph
from keras_skeleton import _inputs
from keras_skeleton.explain import _gradient
from keras_skeleton.explain import _model


def attention_layers(model) -> tuple[str, ...]:
    """Names of the layers that can show their attention, first to last.

    Args:
        model: A Functional model.

    Returns:
        Tuple of names, such as `"block_0"`; empty without attention. These
        are layers with the ability `attention_weights`, see
        `keras_skeleton.layers`.
    """
    return tuple(node.operation.name for node in _attending(model))


def attention_maps(
    model, clips: ArrayLike | dict, batch_size=4, *, layers=None
) -> np.ndarray:
    """Attention weights of the layers of a model for a batch of clips.

    Entry `[layer, n, m, head, i, j]` is how much token `i` of person `m`
    takes from token `j`; each row sums to 1. Tokens are time-major: token
    `t * V' + v` is segment `t`, joint patch `v`. The rows of absent persons
    are filled like all others, since the model computes them too.

    The result has `layers * N * M * heads * L^2` numbers: 144 MB per person
    for 8 layers, 8 heads and 750 tokens.

    Args:
        model: A model with layers that have `attention_weights`, see
            `attention_layers`.
        clips: Array `(N, M, T, V, C)`, or a dict of arrays by name for a
            model with several inputs.
        batch_size: Clips computed at a time.
        layers: Names of the layers to show; all by default. Their maps must
            have the same shape.

    Returns:
        Array `(layers, N, M, heads, L, L)`, float32. Of attention among the
        tokens of all persons, `M` is 1.

    Raises:
        ValueError: If the model has no such layers, or `clips` does not fit
            its input.

    Example:

    ```python
    maps = attention_maps(model, clips)
    rollout = attention_rollout(maps)
    tokens = importance(rollout, feature_grid(model), clips)
    ```
    """
    clips = _model.check_inputs(model, clips)
    nodes = _choose(model, layers)
    total = _inputs.count(clips)
    maps, start = None, 0
    with _gradient.without_gradient():
        for number, inputs in _model.inputs_of_nodes(
            model, nodes, clips, batch_size
        ):
            for index, (node, tensors) in enumerate(
                zip(nodes, inputs, strict=True)
            ):
                weights = node.operation.attention_weights(*tensors)
                weights = _model.by_sample(weights, number)
                if maps is None:
                    shape = (len(nodes), total, *weights.shape[1:])
                    maps = np.empty(shape, "float32")
                if weights.shape[1:] != maps.shape[2:]:
                    raise ValueError(
                        "The attention of the layers has different shapes: "
                        f"{maps.shape[2:]} and, of {node.operation.name!r}, "
                        f"{weights.shape[1:]}. Choose some by `layers=`."
                    )
                maps[index, start : start + number] = weights
            start += number
    return maps


def attention_rollout(attention: ArrayLike, residual=0.5) -> np.ndarray:
    """Follows attention through all layers back to the first tokens.

    Heads are averaged, the residual connection is added as an identity,
    rows are normalised, and the layers are multiplied:
    `R = A_last ... A_2 A_1` with
    `A = (1 - residual) * mean over heads + residual * identity`.

    Args:
        attention: Array `(layers, N, M, heads, L, L)` of `attention_maps`.
        residual: Weight of the identity, from 0 (attention only) up to but
            not including 1. The paper uses 0.5.

    Returns:
        Array `(N, M, L, L)`; row `i` says which first tokens the last
        token `i` is made of, and sums to 1.

    Reference:
        Abnar and Zuidema, Quantifying Attention Flow in Transformers,
        ACL 2020 (arXiv 2005.00928).
    """
    attention = _check_maps(attention, (6,))
    if not 0 <= residual < 1:
        raise ValueError(
            f"`residual` must be at least 0 and below 1. Received: {residual}"
        )
    identity = np.eye(attention.shape[-1], dtype="float32")
    rollout = identity
    for layer in attention:
        step = (1 - residual) * layer.mean(axis=2) + residual * identity
        step /= step.sum(axis=-1, keepdims=True)
        rollout = step @ rollout
    return rollout


def importance(
    attention: ArrayLike, grid, clips: ArrayLike | dict | None = None
) -> np.ndarray:
    """How much attention each token receives, averaged over all queries.

    Args:
        attention: Either a rollout `(N, M, L, L)`, or the maps
            `(layers, N, M, heads, L, L)`: then it is the plain mean over
            layers, heads and queries.
        grid: `(T', V')`, tokens along time and along joints, as
            `feature_grid` gives it.
        clips: The clips `(N, M, T, V, C)` of the maps, or the inputs that
            they are among. If given, absent persons (all zeros) get
            importance 0. Where `M` of the attention is 1, it is that of all
            persons.

    Returns:
        Array `(N, M, T', V')`: the share of each token in its person's
        attention. It sums to 1 over the tokens of a person, and to 0 for an
        absent one.
    """
    attention = _check_maps(attention, (4, 6))
    if attention.ndim == 6:
        attention = attention.mean(axis=(0, 3))
    num_segments, num_patches = grid
    if num_segments * num_patches != attention.shape[-1]:
        raise ValueError(
            f"grid={tuple(grid)} has {num_segments * num_patches} tokens, "
            f"but the attention has {attention.shape[-1]}. Take the grid "
            "from `feature_grid(model)`."
        )
    received = attention.mean(axis=-2)
    shares = received.reshape(*received.shape[:2], num_segments, num_patches)
    if clips is not None:
        clips = np.asarray(_inputs.skeletons_of(clips))
        present = None
        if clips.ndim == 5 and len(clips) == len(shares):
            present = _model.present_persons(clips)
            if shares.shape[1] == 1:
                present = present.max(axis=1, keepdims=True)
        if present is None or present.shape != shares.shape[:2]:
            raise ValueError(
                "`clips` must be the clips (N, M, T, V, C) that the "
                f"attention came from, with N, M = {shares.shape[:2]}. "
                f"Received shape {clips.shape}."
            )
        shares = shares * present[..., None, None]
    return to_shares(shares)


def to_shares(values: ArrayLike, per_person=True) -> np.ndarray:
    """Scales non-negative maps so that they sum to 1.

    Args:
        values: Array `(N, M, ...)` of non-negative numbers.
        per_person: Whether every person sums to 1 or every clip with all its
            persons. What is all zero stays zero.

    Returns:
        Array of the same shape, float32.
    """
    values = np.asarray(values, dtype="float32")
    if values.ndim < 3 or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(
            "`values` must be finite, non-negative and of the shape "
            f"(N, M, ...). Received shape {values.shape}."
        )
    axes = tuple(range(2 if per_person else 1, values.ndim))
    total = values.sum(axis=axes, keepdims=True, dtype="float64")
    return (values / np.where(total > 0, total, 1)).astype("float32")


def joint_importance(importance: ArrayLike, num_joints=None) -> np.ndarray:
    """The share of each joint, summed over time.

    Args:
        importance: Array `(N, M, T', V')` of non-negative numbers: tokens,
            or frames and joints.
        num_joints: Number of joints V; a patch of several joints shares its
            importance equally among them. `V'` by default.

    Returns:
        Array `(N, M, V)` that sums to 1 for each person (0 if absent).
    """
    shares = to_shares(_check_tokens(importance)).sum(axis=2)
    return _spread(shares, num_joints or shares.shape[2], axis=2)


def frame_importance(importance: ArrayLike, num_frames=None) -> np.ndarray:
    """The share of each frame, summed over joints.

    Args:
        importance: Array `(N, M, T', V')` of non-negative numbers: tokens,
            or frames and joints.
        num_frames: Number of frames T; a segment of several frames shares
            its importance equally among them. `T'` by default.

    Returns:
        Array `(N, M, T)` that sums to 1 for each person (0 if absent).
    """
    shares = to_shares(_check_tokens(importance)).sum(axis=3)
    return _spread(shares, num_frames or shares.shape[2], axis=2)


def upsample(
    importance: ArrayLike, num_frames: int, num_joints: int
) -> np.ndarray:
    """Spreads token maps over the frames and joints that a token covers.

    Every token shares its value equally among its frames and joints, so
    sums are kept.

    Args:
        importance: Array `(N, M, T', V')`.
        num_frames: Number of frames T, at least T'.
        num_joints: Number of joints V, at least V'.

    Returns:
        Array `(N, M, T, V)`.
    """
    importance = _check_tokens(importance)
    return _spread(_spread(importance, num_frames, 2), num_joints, 3)


def joint_attention(attention: ArrayLike, grid) -> np.ndarray:
    """Attention between joints: from any time to any time.

    Args:
        attention: Array `(layers, N, M, heads, L, L)` of `attention_maps`,
            or a rollout `(N, M, L, L)`.
        grid: `(T', V')` as `feature_grid` gives it.

    Returns:
        Array with `(V', V')` in place of the last two axes. Keys are summed
        and queries averaged over time, so rows still sum to 1.
    """
    attention = _check_maps(attention, (4, 6))
    num_segments, num_patches = grid
    if num_segments * num_patches != attention.shape[-1]:
        raise ValueError(
            f"grid={tuple(grid)} does not fit {attention.shape[-1]} tokens."
        )
    shape = (num_segments, num_patches, num_segments, num_patches)
    cube = attention.reshape(*attention.shape[:-2], *shape)
    return cube.sum(axis=-2).mean(axis=-3)


def feature_grid(model) -> tuple[int, int]:
    """`(T', V')`: how many tokens the model has along time and joints."""
    shape = _graph.layer_output(model, "features").shape
    if len(shape) != 5:
        raise ValueError(
            "The layer 'features' must give (N, M, T', V', D). Its shape is "
            f"{shape}."
        )
    return tuple(shape[2:4])


def shows_features(model):
    """Whether all attention is among the tokens that `feature_grid` counts.

    Only then, and with as many heads everywhere, can it be followed through
    the layers to frames and joints.
    """
    nodes = _attending(model)
    heads = {getattr(node.operation, "num_heads", None) for node in nodes}
    if len(heads) != 1:
        return False
    shape = _graph.layer_output(model, "features").shape
    return len(shape) == 5 and all(
        len(node.input_tensors[0].shape) == 3
        and node.input_tensors[0].shape[1] == shape[2] * shape[3]
        for node in nodes
    )


def _attending(model):
    return _model.able_nodes(model, "attention_weights")


def _choose(model, names):
    nodes = _attending(model)
    if not nodes:
        raise ValueError(
            f"The model {model.name!r} has no layers with "
            "`attention_weights` in its graph, so it has no attention to "
            "show. Use `saliency` or `grad_cam`, which work on every model."
        )
    if names is None:
        return nodes
    known = [node.operation.name for node in nodes]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(
            f"`layers` must be some of {', '.join(known)}. Received: {names!r}"
        )
    return [node for node in nodes if node.operation.name in names]


def _spread(values, size, axis):
    tokens = values.shape[axis]
    if size < tokens:
        raise ValueError(
            f"Cannot spread {tokens} tokens over {size} frames or joints: "
            "the number must not be smaller."
        )
    owner = np.arange(size) * tokens // size
    covered = np.bincount(owner, minlength=tokens)
    shape = [1] * values.ndim
    shape[axis] = size
    return np.take(values, owner, axis) / covered[owner].reshape(shape).astype(
        "float32"
    )


def _check_tokens(importance):
    importance = np.asarray(importance, dtype="float32")
    if importance.ndim != 4:
        raise ValueError(
            "`importance` must have the shape (N, M, T', V'). Received "
            f"shape {importance.shape}."
        )
    return importance


def _check_maps(attention, num_dims):
    attention = np.asarray(attention, dtype="float32")
    if attention.ndim not in num_dims or (
        attention.shape[-1] != attention.shape[-2]
    ):
        layouts = {4: "(N, M, L, L)", 6: "(layers, N, M, heads, L, L)"}
        raise ValueError(
            "`attention` must have the shape "
            f"{' or '.join(layouts[n] for n in num_dims)}. Received shape "
            f"{attention.shape}."
        )
    return attention
