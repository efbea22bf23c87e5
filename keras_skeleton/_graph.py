"""Finding layers and cutting sub-models inside a Functional model."""

import weakref

_cache = weakref.WeakKeyDictionary()


def cached(model, key, build):
    """`build()`, once per model: a cut leaves nodes behind in its layers."""
    parts = _cache.setdefault(model, {})
    if key not in parts:
        parts[key] = build()
    return parts[key]


def rebuilt(model):
    """A model of the same form with variables of its own, none of them frozen.

    Args:
        model: A model that can be made from its configuration.
    """
    config = dict(model.get_config())
    config.pop("frozen", None)
    return type(model).from_config(config)


def network_inside(model, verb="Pass"):
    """A sentence that names the network inside a model of training, or `""`."""
    for name in ("encoder", "model"):
        if getattr(getattr(model, name, None), "outputs", None):
            return f" {verb} the network in it, the attribute `{name}`."
    return ""


def layer_nodes(model):
    """The nodes of a Functional model's own graph, inputs first.

    A layer that several models share has a node in each of them, so its
    `layer.output` may belong to another model.
    """
    outputs = getattr(model, "outputs", None)
    if not outputs:
        raise ValueError(
            "The model must be a Functional model (or a subclass with a "
            f"graph inside). Received {model.__class__.__name__} "
            f"{getattr(model, 'name', model)!r} without a graph."
            f"{network_inside(model)}"
        )
    return _ordered([node_of(tensor) for tensor in outputs])


def layer_node(model, name):
    """The node of the layer `name` in this model's graph."""
    nodes = [n for n in layer_nodes(model) if n.operation.name == name]
    if not nodes:
        raise ValueError(
            f"The graph of the model {model.name!r} has no layer {name!r}. "
            f"Its layers: {', '.join(layer.name for layer in model.layers)}."
        )
    return nodes[-1]


def layer_output(model, name):
    """The symbolic output of the layer `name` in this model's graph."""
    return layer_node(model, name).outputs[0]


def inputs_of(model, tensor, around=None):
    """The inputs of a model that a tensor in its graph is made of.

    Args:
        model: The model.
        tensor: A symbolic tensor of its graph.
        around: Another one; inputs that reach `tensor` through it alone do
            not count.

    Returns:
        List in the order of `model.inputs`.
    """
    closed = [] if around is None else [node_of(around)]
    reached = {
        id(output)
        for node in _ordered([node_of(tensor)], closed)
        for output in node.outputs
    }
    return [given for given in model.inputs if id(given) in reached]


def tensor_before(tensor, name):
    """The symbolic output of a layer that a tensor is made of."""
    nodes = [n for n in _ordered([node_of(tensor)]) if n.operation.name == name]
    return nodes[-1].outputs[0]


def node_of(tensor):
    """The node that a symbolic tensor comes from."""
    operation, index, _ = tensor._keras_history
    return operation._inbound_nodes[index]


def _ordered(waiting, closed=()):
    """Nodes and all before them but `closed` ones, the first first."""
    ordered, seen = [], {id(node) for node in closed}
    while waiting:
        node = waiting[-1]
        before = [node_of(tensor) for tensor in node.input_tensors]
        before = [other for other in before if id(other) not in seen]
        if before:
            waiting.extend(reversed(before))
            continue
        waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            ordered.append(node)
    return ordered
