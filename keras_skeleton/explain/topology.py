"""The graphs that layers convolve over: of all clips, of one, hyper-edges."""

import typing

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton.explain import _gradient
from keras_skeleton.explain import _model
from keras_skeleton.explain.parts import joints_of


class HyperEdges(typing.NamedTuple):
    """Hyper-edges of clips: who belongs to them, and what they weigh.

    `V'` counts the real joints and then the virtual ones, `E` the hyper-edges:
    as many, where every joint opens one.

    Attributes:
        incidence: Array `(N, M, heads, V', E)`: the share of joint (row) in
            hyper-edge (column), 0 for those that do not belong to it.
        weights: Array `(N, M, heads, E)`, one per hyper-edge.
        graph: Array `(N, M, heads, V', V')`: what the joint of the row
            receives from that of the column by all hyper-edges.
    """

    incidence: np.ndarray
    weights: np.ndarray
    graph: np.ndarray


def graph_blocks(model) -> tuple[str, ...]:
    """Names of the layers that can show their graphs, first to last.

    Args:
        model: A Functional model.

    Returns:
        Tuple of names, such as `"block_0"`; empty without graphs. These are
        layers with the ability `topology`, see `keras_skeleton.layers`.

    Example:

    >>> graph_blocks(applications.PSUMNet(classes=60))[:2]
    ('body_block_0', 'hand_block_0')
    """
    return tuple(_blocks(model))


def block_joints(model, block: int | str = -1) -> tuple:
    """The joints of the skeleton that the graphs of a block are about.

    Args:
        model: As in `shared_topology`.
        block: As in `shared_topology`.

    Returns:
        Tuple of joint indices, see `joints_of`. The graphs may have virtual
        joints beyond them. Pass it to `draw_topology` and `draw_hyper_edges`
        as `joints`.
    """
    return joints_of(model, _choose(model, block).operation.name)


def shared_topology(model, block: int | str = -1) -> np.ndarray:
    """The graphs of a block that are the same for all clips.

    What each graph means is said by the layer: most often joints themselves,
    inward (from children) and outward (from parents), or one graph for each
    head. Virtual joints come last.

    Args:
        model: A model with layers that have a `topology`.
        block: Name of a block (`"block_3"`, see `graph_blocks`) or its
            number, from the end if negative. The last by default.

    Returns:
        Array `(graphs, V', V')`, float32: the weight at which the joint of
        the row receives from the joint of the column.

    Raises:
        ValueError: If the model has no such block.
    """
    layer = _choose(model, block).operation
    with _gradient.without_gradient():
        return _model.to_array(layer.topology())


def clip_topology(
    model,
    clips: ArrayLike | dict,
    block: int | str = -1,
    *,
    channels="mean",
    batch_size=8,
) -> np.ndarray:
    """The graphs that a block makes for clips: what it learned, refined.

    These are the graphs that the block's convolution uses. The rows of absent
    persons are filled like all others, since the model computes them too.

    Args:
        model: As in `shared_topology`.
        clips: Array `(N, M, T, V, C)`, or a dict of arrays by name for a
            model with several inputs.
        block: As in `shared_topology`.
        channels: For graphs that differ from channel to channel: their
            `"mean"`, the mean of their `"absolute"` values (in which opposite
            signs do not cancel), or `"all"`, which can be large.
        batch_size: Clips computed at a time.

    Returns:
        Array `(N, M, graphs, V', V')`, float32, receivers in rows; with
        `channels="all"` of graphs by channels `(N, M, graphs, channels, V',
        V')`.

    Raises:
        ValueError: If the model has no such block, or one whose graphs do
            not depend on the clip, or `clips` does not fit.

    Example:

    ```python
    graphs = clip_topology(model, clips, "block_4")
    draw_topology(clips[0, :, 20], "ntu", graphs[0].mean(axis=1))
    ```
    """
    reductions = {
        "mean": lambda x: x.mean(axis=3),
        "absolute": lambda x: np.abs(x).mean(axis=3),
        "all": lambda x: x,
    }
    if channels not in reductions:
        raise ValueError(
            f"`channels` must be one of {', '.join(map(repr, reductions))}. "
            f"Received: {channels!r}"
        )

    def graphs(layer, inputs, samples):
        topology = layer.topology(inputs)
        if len(topology.shape) == 3:
            raise ValueError(
                f"The graphs of the block {layer.name!r} are the same for all "
                "clips: see `shared_topology`."
            )
        array = _model.by_sample(topology, samples)
        return (array if array.ndim == 5 else reductions[channels](array),)

    node = _choose(model, block)
    return _run(model, clips, node, graphs, batch_size)[0]


def hyper_edges(
    model, clips: ArrayLike | dict, block: int | str = -1, *, batch_size=8
) -> HyperEdges:
    """The hyper-edges that a block makes for clips.

    Args:
        model: A model with layers that have `hyper_edges`, see
            `keras_skeleton.layers`.
        clips: Array `(N, M, T, V, C)`, or a dict of arrays by name for a
            model with several inputs.
        block: As in `shared_topology`.
        batch_size: Clips computed at a time.

    Returns:
        `HyperEdges`: incidence, weights and the graph that they make.

    Raises:
        ValueError: If the block has no hyper-edges, or `clips` does not fit.

    Example:

    ```python
    edges = hyper_edges(model, clips, "block_8")
    draw_hyper_edges(
        clips[0, :, 20],
        model.skeleton,
        edges.incidence[0, :, 0],  # the first head
        weights=edges.weights[0, :, 0],
    )
    ```
    """
    node = _choose(model, block)
    if not hasattr(node.operation, "hyper_edges"):
        able = _model.able_nodes(model, "hyper_edges")
        names = ", ".join(each.operation.name for each in able)
        raise ValueError(
            f"The block {node.operation.name!r} of the model {model.name!r} "
            f"has no hyper-edges; those that have: {names or 'none'}. See "
            "`clip_topology` for its graphs."
        )

    def parts(layer, inputs, samples):
        return [
            _model.by_sample(tensor, samples)
            for tensor in layer.hyper_edges(inputs)
        ]

    return HyperEdges(*_run(model, clips, node, parts, batch_size))


def _blocks(model):
    """By name, the nodes of the layers that have graphs."""
    nodes = _model.able_nodes(model, "topology")
    return {node.operation.name: node for node in nodes}


def _choose(model, block):
    blocks = _blocks(model)
    if not blocks:
        raise ValueError(
            f"The model {model.name!r} has no layers with a `topology` in its "
            "graph, so it has no learned graphs to show."
        )
    names = list(blocks)
    if isinstance(block, int) and -len(names) <= block < len(names):
        block = names[block]
    if block not in blocks:
        raise ValueError(
            f"`block` must be one of {', '.join(names)}, or a number from "
            f"{-len(names)} to {len(names) - 1}. Received: {block!r}"
        )
    return blocks[block]


def _run(model, clips, node, compute, batch_size):
    """Arrays `(N, M, ...)` of `compute(layer, its inputs, samples)`."""
    clips = _model.check_inputs(model, clips)
    results = []
    with _gradient.without_gradient():
        for samples, (inputs,) in _model.inputs_of_nodes(
            model, [node], clips, batch_size
        ):
            results.append(compute(node.operation, inputs[0], samples))
    return [np.concatenate(parts) for parts in zip(*results, strict=True)]
