"""The optimizers and schedules of the published recipes."""

import keras
from keras import ops

from keras_skeleton.layers import TransformerBlock

Rate = float | keras.optimizers.schedules.LearningRateSchedule


@keras.saving.register_keras_serializable(package="keras_skeleton")
class SGD(keras.optimizers.SGD):
    """SGD with momentum as PyTorch has it: the graph networks' optimizer.

    For a variable `w` with the gradient `g`, at learning rate `r`:

        g = g + weight_decay * w
        velocity = momentum * velocity + g
        w = w - r * (g + momentum * velocity)   (or - r * velocity, without
                                                 Nesterov)

    Keras' own SGD differs in two ways that change a training: its
    `weight_decay` acts on the variable beside the gradient, and its velocity
    holds steps, so that a change of the learning rate acts late.

    Args:
        learning_rate: A number or a schedule.
        momentum: Share of the velocity that stays.
        nesterov: Whether the step looks ahead along the velocity.
        weight_decay: Factor of the L2 penalty's gradient, for every
            trainable variable, biases and normalizations included.
        **kwargs: As in `keras.optimizers.SGD`.

    Example:

    ```python
    rate = warmup_cosine(0.1, warmup_steps=320, total_steps=4160)
    model.compile(SGD(rate, weight_decay=4e-4), loss=...)
    ```

    Reference: Sutskever et al., On the Importance of Initialization and
    Momentum in Deep Learning, ICML 2013.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=0.0,
        name="sgd",
        **kwargs,
    ):
        # The base class would decay beside the gradient.
        super().__init__(
            learning_rate=learning_rate,
            momentum=momentum,
            nesterov=nesterov,
            name=name,
            **kwargs,
        )
        self.coupled_weight_decay = weight_decay

    def update_step(self, gradient, variable, learning_rate):
        rate = ops.cast(learning_rate, variable.dtype)
        step = ops.cast(gradient, variable.dtype)
        if self.coupled_weight_decay:
            step = step + self.coupled_weight_decay * variable
        if self.momentum:
            velocity = self.momentums[self._get_variable_index(variable)]
            moved = self.momentum * ops.cast(velocity, variable.dtype) + step
            self.assign(velocity, moved)
            step = step + self.momentum * moved if self.nesterov else moved
        self.assign_sub(variable, rate * step)

    def get_config(self):
        config = super().get_config()
        config["weight_decay"] = self.coupled_weight_decay
        return config


@keras.saving.register_keras_serializable(package="keras_skeleton")
class LayerwiseAdamW(keras.optimizers.Adam):
    """AdamW with a learning rate per layer and no decay of 1-D variables.

    For a variable with the layer's scale `s`, at learning rate `r`:
    `variable *= 1 - r * s * weight_decay`, then an Adam step with the rate
    `r * s`. Biases and the scales and offsets of normalizations (all
    one-dimensional) are not decayed, unless `decay_vectors` says so. Equal to
    PyTorch's AdamW with the parameter groups of the published code. Keras'
    own adds `epsilon` before the second moment is corrected for its start at
    zero, where it weighs 30 times more in the first step, so that variables
    with small gradients move less.

    Args:
        learning_rate: A number or a schedule.
        weight_decay: Decoupled weight decay.
        scales: Dict from layer name to the factor on the learning rate of its
            variables; 1 for layers it does not name. `layerwise_scales` makes
            it. A variable belongs to the layer that its `path` names.
        decay_vectors: Whether one-dimensional variables are decayed like the
            others, as in PyTorch's AdamW without groups.
        beta_1: Decay of the first moment. Published: 0.9.
        beta_2: Decay of the second moment. Published: 0.95 in pre-training,
            0.999 in fine-tuning.
        epsilon: Added to the denominator.
        **kwargs: As in `keras.optimizers.Adam`.

    Example:

    ```python
    optimizer = LayerwiseAdamW(
        warmup_cosine(3e-4, 1e-5, warmup_steps=500, total_steps=10_000),
        weight_decay=0.05,
        scales=layerwise_scales(model, decay=0.8),
    )
    model.compile(optimizer, loss=...)
    ```

    Reference: Loshchilov and Hutter, Decoupled Weight Decay Regularization,
    arXiv 1711.05101.
    """

    def __init__(
        self,
        learning_rate: Rate = 1e-3,
        weight_decay=0.05,
        scales=None,
        decay_vectors=False,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        name="layerwise_adamw",
        **kwargs,
    ):
        # The base class would decay every variable at the unscaled rate.
        super().__init__(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            name=name,
            **kwargs,
        )
        self.decoupled_weight_decay = weight_decay
        self.scales = dict(scales or {})
        self.decay_vectors = decay_vectors

    def build(self, variables):
        super().build(variables)
        # By index: TensorFlow passes `update_step` bare variables that have
        # no path.
        self._settings = [self.settings_of(variable) for variable in variables]

    def settings_of(self, variable):
        """The factor on the learning rate, and the weight decay."""
        scale = 1.0
        for layer in variable.path.split("/"):
            scale = self.scales.get(layer, scale)
        if len(variable.shape) > 1 or self.decay_vectors:
            return scale, self.decoupled_weight_decay
        return scale, 0.0

    def update_step(self, gradient, variable, learning_rate):
        scale, decay = self._settings[self._get_variable_index(variable)]
        learning_rate = learning_rate * scale
        if decay:
            rate = ops.cast(learning_rate, variable.dtype)
            self.assign_sub(variable, variable * (rate * decay))
        self._adam_step(gradient, variable, learning_rate)

    def _adam_step(self, gradient, variable, learning_rate):
        index, dtype = self._get_variable_index(variable), variable.dtype
        rate, gradient, step = (
            ops.cast(x, dtype)
            for x in (learning_rate, gradient, self.iterations + 1)
        )
        first, second = self._momentums[index], self._velocities[index]
        self.assign_add(first, (gradient - first) * (1 - self.beta_1))
        self.assign_add(
            second, (ops.square(gradient) - second) * (1 - self.beta_2)
        )
        if self.amsgrad:
            largest = self._velocity_hats[index]
            self.assign(largest, ops.maximum(largest, second))
            second = largest
        past = (ops.cast(beta, dtype) for beta in (self.beta_1, self.beta_2))
        share_1, share_2 = (1 - ops.power(beta, step) for beta in past)
        deviation = ops.sqrt(second / share_2)
        self.assign_sub(
            variable, rate / share_1 * first / (deviation + self.epsilon)
        )

    def get_config(self):
        config = super().get_config()
        config["weight_decay"] = self.decoupled_weight_decay
        config["scales"] = self.scales
        config["decay_vectors"] = self.decay_vectors
        return config


def layerwise_scales(model, decay) -> dict[str, float]:
    """Learning-rate factors that fall from the head to the first layer.

    With `n` transformer blocks, the layers before the first block get
    `decay ** (n + 1)`, block `k` (from 0) gets `decay ** (n - k)`, and all
    that follows gets 1.

    Args:
        model: A transformer of this package, encoder or classifier.
        decay: Factor from one layer to the one before; published: 0.8.

    Returns:
        Dict from layer name to factor, for `LayerwiseAdamW`.
    """
    blocks = [
        layer for layer in model.layers if isinstance(layer, TransformerBlock)
    ]
    if not blocks:
        raise ValueError(
            "Layer-wise decay needs a model with TransformerBlock layers. "
            f"Received {model.name!r} with layers "
            f"{[layer.name for layer in model.layers]}."
        )
    scales = {}
    for layer in model.layers:
        if layer is blocks[0]:
            break
        if layer.weights:
            scales[layer.name] = decay ** (len(blocks) + 1)
    for k, block in enumerate(blocks):
        scales[block.name] = decay ** (len(blocks) - k)
    return scales


def warmup_cosine(
    peak, minimum=0.0, *, warmup_steps=0, total_steps
) -> keras.optimizers.schedules.CosineDecay:
    """Linear warm-up from 0 to `peak`, then a cosine down to `minimum`.

    Args:
        peak: Highest learning rate.
        minimum: Learning rate at `total_steps` and after.
        warmup_steps: Optimizer steps of the warm-up.
        total_steps: Optimizer steps in all, warm-up included.

    Returns:
        A `keras.optimizers.schedules.CosineDecay`.
    """
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(
            "`total_steps` must exceed `warmup_steps`. Received "
            f"warmup_steps={warmup_steps} and total_steps={total_steps}."
        )
    if warmup_steps == 0:
        return keras.optimizers.schedules.CosineDecay(
            peak, total_steps, alpha=minimum / peak
        )
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        total_steps - warmup_steps,
        alpha=minimum / peak,
        warmup_target=peak,
        warmup_steps=warmup_steps,
    )


@keras.saving.register_keras_serializable(package="keras_skeleton")
class WarmupSteps(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to `peak`, then a tenth of it from each of some steps.

    Args:
        peak: Highest learning rate.
        boundaries: Optimizer steps from which the rate is a tenth.
        warmup_steps: Optimizer steps of the warm-up.

    Example:

    >>> schedule = WarmupSteps(0.1, [50], warmup_steps=10)
    >>> [round(float(schedule(step)), 3) for step in (5, 49, 50)]
    [0.05, 0.1, 0.01]
    """

    def __init__(self, peak, boundaries, warmup_steps=0):
        self.peak = peak
        self.boundaries = list(boundaries)
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = self.peak * ops.minimum(step / max(self.warmup_steps, 1), 1.0)
        if not self.warmup_steps:
            rate = self.peak * ops.ones_like(step)
        for boundary in self.boundaries:
            rate = ops.where(step >= boundary, 0.1 * rate, rate)
        return rate

    def get_config(self):
        return {
            "peak": self.peak,
            "boundaries": self.boundaries,
            "warmup_steps": self.warmup_steps,
        }
