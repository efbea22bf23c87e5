"""Dropping and adding entries of graphs, as an augmentation."""

from keras import ops


def drop_entries(graph, kept, rate=None):
    """A graph without some entries; the others grow accordingly.

    Args:
        graph: Tensor of any shape.
        kept: Booleans of that shape, true with the probability `1 - rate`.
        rate: Probability of being dropped; `None` to keep the sum of all
            entries exactly, in place of on average.
    """
    left = ops.where(kept, graph, 0.0)
    if rate is None:
        return left * (ops.sum(graph) / ops.sum(left))
    return left / (1 - rate)


def add_entries(graph, added, value=None):
    """A graph with more entries, and the same sum of all.

    Args:
        graph: Tensor of any shape.
        added: Booleans of that shape. Only zeros are replaced.
        value: What new entries are, before all are scaled. Defaults to the
            mean of the whole graph, through which no gradient flows.
    """
    if value is None:
        value = ops.stop_gradient(ops.mean(graph))
    added = ops.logical_and(added, graph == 0)
    more = ops.cast(added, graph.dtype) * value
    total = ops.sum(graph)
    return (graph + more) * (total / (total + ops.sum(more)))
