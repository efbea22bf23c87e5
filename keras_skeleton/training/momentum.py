"""Key encoders that follow a query encoder."""

from keras import ops


def update_momentum(key, query, momentum):
    """Moves a key encoder's weights towards those of a query encoder.

    `key = momentum * key + (1 - momentum) * query`, for the parameters; as in
    the published MoCo-type code, running statistics of batch normalization
    are left to the key encoder's own forward passes.

    Call it from `after_step`, or at the start of `objective` where the
    published code does so on purpose.

    Args:
        key: Model of the same architecture as `query`. It should be frozen
            (`key.trainable = False`).
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
