"""Key encoders that follow a query encoder."""

import keras
from keras import ops

from keras_skeleton import _graph


def twin(model, name, copy=True) -> keras.Model:
    """A frozen copy of a model, to follow it.

    Args:
        model: A built model that can be made from its configuration.
        name: Begins the paths of all weights of the copy, so that both can
            be parts of one model that is saved or converted by path.
        copy: Whether it has the same weights, or random ones of its own.

    Returns:
        A model of the same class, whose variables are not trainable. Its
        layers still act as in training when told so: batch normalization uses
        and tracks the statistics of the copy's own batches.
    """
    with keras.name_scope(name):
        follower = _graph.rebuilt(model)
    if copy:
        follower.set_weights(model.get_weights())
    # Not `follower.trainable = False`: batch normalization would then use the
    # running statistics also in training, and never move them.
    for variable in follower.weights:
        variable.trainable = False
    return follower


def update_momentum(key, query, momentum) -> None:
    """Moves a key encoder's weights towards those of a query encoder.

    `key = momentum * key + (1 - momentum) * query`, for the parameters; as in
    the published MoCo-type code, running statistics of batch normalization
    are left to the key encoder's own forward passes.

    Call it from `before_step`, as the published code does that moves the keys
    at the beginning of its forward pass, or from `after_step`.

    Args:
        key: Model of the same architecture as `query`, without trainable
            variables, as `twin` makes it.
        query: The model that is trained.
        momentum: Share of the old key weights, in [0, 1].
    """
    for old, new in zip(key.weights, query.weights, strict=True):
        if not new.trainable:
            continue
        # JAX would otherwise let the gradient flow through the assignment.
        fresh = ops.stop_gradient(ops.convert_to_tensor(new))
        old.assign(
            momentum * ops.convert_to_tensor(old) + (1 - momentum) * fresh
        )
