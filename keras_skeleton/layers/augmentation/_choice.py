"""Random whole numbers, and choosing without replacement."""


def integers(layer, draws, low, high):
    """Whole numbers from `low` to `high`, both included.

    Args:
        layer: The transform.
        draws: Uniform numbers in [0, 1).
        low: Whole number.
        high: Whole number, or int32 tensor of the shape of the draws.

    Returns:
        int32 tensor of the shape of the draws.
    """
    ops = layer.backend.numpy
    if isinstance(high, int):
        number = layer.whole_part(lambda u: u * (high - low + 1), draws)
        return low + ops.minimum(number, high - low)
    number = layer.whole_part(
        lambda limit, u: u * (limit - low + 1), high, draws
    )
    # Rounding must not lead past the end.
    return low + ops.minimum(number, high - low)


def choose(layer, population, count, draws):
    """Chooses different numbers below `population`, all sets alike likely.

    This is Floyd's sampling: step `i` draws a number up to `last = population
    - count + i`, and takes `last` itself if that number was taken before.
    It needs as many draws as numbers, however large the population is.

    Args:
        layer: The transform.
        population: int32 tensor `(N,)`.
        count: How many to choose, int32 tensor `(N,)`, at most `population`.
        draws: Uniform numbers in [0, 1), `(N, K)`; the first `count` of a
            row decide.

    Returns:
        int32 tensor `(N, K)` with -1 after the first `count` numbers.
    """
    backend, ops = layer.backend, layer.backend.numpy
    steps = draws.shape[1]
    step = ops.arange(steps, dtype="int32")
    last = (population - count)[:, None] + step
    number = integers(layer, draws, 0, last)
    is_earlier = step[None] < step[:, None]
    repeats = (number[:, :, None] == number[:, None]) & is_earlier
    is_taken = ops.any(repeats, axis=2, keepdims=True)
    is_taken = backend.cast(is_taken, "float32")
    # A number is also taken if it is the `last` of an earlier step that took
    # it, which may hang on one still earlier: follow the links, twice as far
    # each time.
    links = (number[:, :, None] == last[:, None]) & is_earlier
    links = backend.cast(links, "float32")
    for _ in range(steps.bit_length()):
        is_taken = ops.maximum(is_taken, ops.matmul(links, is_taken))
        links = ops.matmul(links, links)
    chosen = ops.where(is_taken[:, :, 0] > 0, last, number)
    return ops.where(step < count[:, None], chosen, -1)


def membership(layer, chosen, size):
    """Which of the numbers below `size` are in `chosen`, boolean `(N, size)`.

    Args:
        layer: The transform.
        chosen: int32 tensor `(N, K)`, -1 for none.
        size: Whole number or scalar tensor.
    """
    ops = layer.backend.numpy
    number = ops.arange(size, dtype="int32")
    return ops.any(chosen[:, :, None] == number, axis=1)
