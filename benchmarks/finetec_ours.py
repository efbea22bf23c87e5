"""What `FineTec` needs to compute the same as its twin in PyTorch.

Without PyTorch, which the processes of other backends do not load.
"""

from keras import ops

from keras_skeleton.weights import stgcnpp
from keras_skeleton.weights.conversion import assign
from keras_skeleton.weights.conversion import variables_of

# PyTorch's names of our variables.
KINDS = {
    "kernel": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "bank": "bank",
    "prior": "prior",
}
ATTENTION = {
    "qkv.weight": "in_proj_weight",
    "qkv.bias": "in_proj_bias",
    "projection.": "out_proj.",
}


def load(model, tensors):
    """Gives a `FineTec` the weights of the twin.

    Args:
        model: The classifier.
        tensors: Dict from names in the twin to arrays.

    Raises:
        ValueError: If any tensor or any variable is left over.
    """
    variables, arrays = variables_of(model), {}
    tensors = {
        name: array
        for name, array in tensors.items()
        if not name.endswith("num_batches_tracked")
    }
    found = names(model)
    if set(found.values()) != tensors.keys():
        other = sorted(set(found.values()) ^ tensors.keys())
        raise ValueError(f"Only one of the models has {', '.join(other)}.")
    for path, variable in variables.items():
        arrays[path] = converted(model, path, tensors[found[path]])
        if arrays[path].shape != tuple(variable.shape):
            raise ValueError(
                f"{path!r} is {tuple(variable.shape)} in our model and "
                f"{arrays[path].shape} in the twin."
            )
    assign(variables, arrays)


def names(model):
    """The twin's names of all variables, by path."""
    graph_network = stgcnpp.table(model)
    return {
        path: graph_network.find(path)[1] or twin_name(path)
        for path in variables_of(model)
    }


def converted(model, path, array):
    """A tensor of the twin, or its gradient, in the form of our variable."""
    entry, _ = stgcnpp.table(model).find(path)
    if entry is None:
        return array.T if path.endswith("/kernel") else array
    return entry.convert(array) if entry.convert else array


def twin_name(path):
    """The twin's name of a variable before the graph network."""
    *words, last = path.split("/")
    name = ".".join([*words, KINDS[last]])
    for ours, theirs in ATTENTION.items():
        name = name.replace(f"attention.{ours}", f"attention.{theirs}")
    return name


def loss(model, clips, labels, draws):
    """The loss in training, with what the twin drew.

    Args:
        model: The compiled classifier.
        clips: Array `(N, M, T, V, C)`.
        labels: Array `(N,)`.
        draws: Dict of the arrays `start`, `length`, `dropped` and `flips`.
    """
    layer = model.get_layer("motion_fusion").perturbation
    draws = {
        "start": ops.cast(draws["start"], "int32"),
        "length": ops.cast(draws["length"], "int32"),
        "dropped": ops.cast(draws["dropped"], "bool"),
        # Our layer mirrors where a number is below the probability.
        "flips": 1 - ops.cast(draws["flips"], "float32"),
    }
    layer.call = lambda clips: layer.perturbed(clips, **draws)
    try:
        scores = model(clips, training=True)
        return model.compute_loss(clips, ops.convert_to_tensor(labels), scores)
    finally:
        del layer.call
