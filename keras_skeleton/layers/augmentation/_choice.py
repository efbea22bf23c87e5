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
    low = (population - count)[:, None]
    number = integers(layer, draws, 0, low + step)
    is_earlier = step[:, None] < step
    is_repeat = (number[:, :, None] == number[:, None]) & is_earlier
    is_repeat = ops.any(is_repeat, axis=1)
    # A number is also taken if it is the `last` of an earlier step that took
    # it, which may hang on one still earlier. So each step links to that
    # step, or to itself, and one whose number repeats to place 0, which
    # stands for "taken". Links are followed twice as far each time, in one
    # flat tensor, as this is how all engines gather fast.
    owner = number - low
    owner = ops.where((owner >= 0) & (owner < step), owner, step)
    samples = backend.shape(number)[0]
    start = 1 + steps * ops.arange(samples, dtype="int32")[:, None]
    link = ops.where(is_repeat, 0, start + owner)
    link = ops.concatenate([ops.zeros(1, "int32"), ops.reshape(link, (-1,))])
    for _ in range(steps.bit_length()):
        link = ops.take(link, link, axis=0)
    is_taken = ops.reshape(link[1:], (samples, steps)) == 0
    chosen = ops.where(is_taken, low + step, number)
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
