"""The graphs that graph networks learned: adjacency and hyper-edges."""

import typing

import keras
import numpy as np
from keras import ops

from keras_skeleton import layers
from keras_skeleton.explain import _gradient
from keras_skeleton.explain import _graph
from keras_skeleton.explain.parts import part_joints


class HyperEdges(typing.NamedTuple):
    """Hyper-edges of clips: who belongs to them, and what they weigh.

    `V'` counts the real joints and then the virtual ones. Every joint opens
    one hyper-edge, so that there are as many of them.

    Attributes:
        incidence: Array `(N, M, heads, V', V')`: the share of joint (row) in
            hyper-edge (column), 0 for those that do not belong to it. Rows
            sum to 1.
        weights: Array `(N, M, heads, V')` in (-1, 1), one per hyper-edge.
        graph: Array `(N, M, heads, V', V')`, not negative: what the joint of
            the row receives from that of the column by all hyper-edges.
    """

    incidence: np.ndarray
    weights: np.ndarray
    graph: np.ndarray


def graph_blocks(model):
    """Names of the blocks that have learned graphs, first to last.

    Args:
        model: A model of this package, or another Functional one.

    Returns:
        Tuple of names, such as `"block_0"`; empty without such blocks.

    Example:

    >>> graph_blocks(applications.PSUMNet(classes=60))[:2]
    ('body_block_0', 'hand_block_0')
    """
    return tuple(_blocks(model))


def block_joints(model, block=-1):
    """The joints of the skeleton that the graphs of a block are about.

    Args:
        model: As in `shared_topology`.
        block: As in `shared_topology`.

    Returns:
        Tuple of joint indices, of all joints but for a part of a `PSUMNet`.
        The graphs may have virtual joints beyond them. Pass it to
        `draw_topology` and `draw_hyper_edges` as `joints`.
    """
    name, _, inputs = _choose(model, block)
    for part in getattr(model, "parts", ()):
        prefix = model.prefix(part)
        if not prefix or name.startswith(prefix):
            return part_joints(model, part)
    return tuple(range(inputs.shape[2]))


def shared_topology(model, block=-1):
    """The learned graphs of a block that are the same for all clips.

    Of `CTRGCN` and `PSUMNet`, the `S = 3` graphs of the body, which begin as
    joints themselves, inward (from children) and outward (from parents), or
    of CTR-GCN's baseline, all three, as joints themselves. Of
    `HyperGCN`, for each head the graph of the body times the learned
    importance of its edges, rows normalized; virtual joints come last.

    Args:
        model: A model with graph convolutions.
        block: Name of a block (`"block_3"`, see `graph_blocks`) or its
            number, from the end if negative. The last by default.

    Returns:
        Array `(graphs, V', V')`, float32: the weight at which the joint of
        the row receives from the joint of the column.

    Raises:
        ValueError: If the model has no such block.
    """
    _, convolution, _ = _choose(model, block)
    with _gradient.without_gradient():
        if isinstance(convolution, layers.HyperGraphConvolution):
            graph = convolution.topology.normalized_body_graph()
        elif isinstance(convolution, layers.GraphConvolution):
            graph = convolution.topology()
        else:
            graph = convolution.graph
        return _to_numpy(graph)


def clip_topology(model, clips, block=-1, *, channels="mean", batch_size=8):
    """The graphs that a block makes for clips: what it learned, refined.

    Of `CTRGCN` and `PSUMNet`, the `S = 3` shared graphs plus what the
    differences of the clip's joints add to them, channel by channel. Of
    `HyperGCN`, for each head the graph of the body plus the gated hyper-graph
    of the clip. These are the graphs that the block's convolution uses.

    The rows of absent persons are filled like all others, since the model
    computes them too.

    Args:
        model: As in `shared_topology`.
        clips: Array `(N, M, T, V, C)`.
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
        "mean": lambda x: x.mean(axis=2),
        "absolute": lambda x: np.abs(x).mean(axis=2),
        "all": lambda x: x,
    }
    if channels not in reductions:
        raise ValueError(
            f"`channels` must be one of {', '.join(map(repr, reductions))}. "
            f"Received: {channels!r}"
        )

    if isinstance(_choose(model, block)[1], layers.GraphConvolution):
        raise ValueError(
            f"The graphs of {model.name!r} are the same for all clips: see "
            "`shared_topology`."
        )

    def graphs(convolution, inputs):
        if isinstance(convolution, layers.HyperGraphConvolution):
            nodes = convolution.nodes(inputs)
            return [_to_numpy(convolution.topology(nodes))]
        return [reductions[channels](_to_numpy(convolution.topologies(inputs)))]

    return _run(model, clips, block, graphs, batch_size)[0]


def hyper_edges(model, clips, block=-1, *, batch_size=8):
    """The hyper-edges that a block of `HyperGCN` makes for clips.

    Args:
        model: A model with `layers.HyperGraphConvolution`.
        clips: Array `(N, M, T, V, C)`.
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
    name, convolution, _ = _choose(model, block)
    if not isinstance(convolution, layers.HyperGraphConvolution):
        raise ValueError(
            f"The block {name!r} of the model {model.name!r} has no "
            "hyper-edges; `HyperGCN` has. See `clip_topology` for its graphs."
        )

    def parts(convolution, inputs):
        topology = convolution.topology
        nodes = ops.cast(convolution.nodes(inputs), topology.variable_dtype)
        incidence = topology.incidence(nodes)
        weights = topology.edge_weights(nodes)
        graph = topology.hyper_graph(incidence, weights)
        return [_to_numpy(x) for x in (incidence, weights, graph)]

    return HyperEdges(*_run(model, clips, name, parts, batch_size))


def _blocks(model):
    """By name, the graph convolution of each block and the block's input."""
    kinds = (
        layers.GraphConvolution,
        layers.ChannelTopologyGraphConvolution,
        layers.HyperGraphConvolution,
    )
    found = {}
    for node in _graph.layer_nodes(model):
        operation = node.operation
        convolution = getattr(operation, "graph_convolution", operation)
        if isinstance(convolution, kinds):
            found[operation.name] = (convolution, node.input_tensors[0])
    return found


def _choose(model, block):
    blocks = _blocks(model)
    if not blocks:
        raise ValueError(
            f"The model {model.name!r} has no graph convolutions, so it has "
            "no learned graphs to show."
        )
    names = list(blocks)
    if isinstance(block, int) and -len(names) <= block < len(names):
        block = names[block]
    if block not in blocks:
        raise ValueError(
            f"`block` must be one of {', '.join(names)}, or a number from "
            f"{-len(names)} to {len(names) - 1}. Received: {block!r}"
        )
    return block, *blocks[block]


def _run(model, clips, block, compute, batch_size):
    """Arrays `(N, M, ...)` of `compute(convolution, block's input)`."""
    clips = _graph.check_clips(model, clips)
    name, convolution, tensor = _choose(model, block)
    front = None
    # The input of a first block may be that of the model.
    if not any(tensor is given for given in model.inputs):
        front = _graph.cached(
            model,
            ("block input", name),
            lambda: keras.Model(model.inputs[0], tensor),
        )
    results = []
    with _gradient.without_gradient():
        for start in range(0, len(clips), batch_size):
            batch = clips[start : start + batch_size]
            inputs = batch if front is None else front.predict_on_batch(batch)
            inputs = ops.cast(inputs, convolution.variable_dtype)
            results.append(
                [
                    part.reshape(len(batch), -1, *part.shape[1:])
                    for part in compute(convolution, inputs)
                ]
            )
    return [np.concatenate(parts) for parts in zip(*results, strict=True)]


def _to_numpy(tensor):
    # A copy: arrays of some backends share their memory with the variable.
    return np.array(ops.convert_to_numpy(tensor), dtype="float32")
