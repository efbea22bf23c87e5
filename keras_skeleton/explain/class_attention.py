"""Attention as far as it serves one class."""

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import _graph
from keras_skeleton.explain import _gradient
from keras_skeleton.explain import _model
from keras_skeleton.explain import attention
from keras_skeleton.explain import saliency


def class_attention(
    model,
    clips: ArrayLike | dict,
    class_index=None,
    *,
    batch_size=4,
) -> np.ndarray:
    """How much a class score owes to each token by way of attention.

    Attention counts as far as it speaks for the class: in each block of the
    encoder `A = mean over heads of relu(gradient * weights)`, the gradient of
    the class logit with respect to the attention weights. Through the blocks,
    `R = R + A R` follows it back to the first tokens, from `R = identity`. A
    token's value is what all last tokens have from it, `sum over i of (R -
    identity)[i, j]`. Where `attention_rollout` is the same for every class,
    this is not.

    Args:
        model: A Functional classifier whose encoder attends among the tokens
            of its layer `features`.
        clips: Array `(N, M, T, V, C)`, or a dict of arrays by name for a
            model with several inputs.
        class_index: The class to explain: one integer, or one per clip. The
            predicted class by default.
        batch_size: Clips computed at a time.

    Returns:
        Array `(N, M, T', V')`, float32, not negative, not normalised; zero
        for absent persons. `upsample` brings it to frames and joints.

    Raises:
        ValueError: If the model has no such attention, or `clips` does not
            fit its input.

    Example:

    ```python
    shares = to_shares(class_attention(model, clips))
    draw_heat_map(upsample(shares, *clips.shape[2:4])[0], "ntu")
    ```

    Reference: Chefer, Gur and Wolf, Generic Attention-model Explainability
    for Interpreting Bi-Modal and Encoder-Decoder Transformers, ICCV 2021
    (arXiv 2103.15679), the rule for self-attention. They read the row of a
    class token; without one, all rows count.
    """
    clips = _model.check_inputs(model, clips)
    if not has_class_attention(model):
        raise ValueError(
            f"The attention of the model {model.name!r} cannot be followed "
            "from its layer 'features' back to joints and frames. Use "
            "`integrated_gradients` or `grad_cam`, which need no attention."
        )
    encoder = _encoder(model)
    nodes = _model.able_nodes(encoder, "attention_weights")
    scorer = saliency.scorer_of(model)
    classes = saliency.classes_of(scorer, clips, class_index)
    chosen = saliency.one_hot_rows(scorer, classes)
    features = _graph.layer_output(model, "features")
    seen = saliency.seen_persons(model, features, clips)
    maps = []
    for batch, weights in _model.batches((clips, chosen), batch_size):
        ((number, inputs),) = _model.inputs_of_nodes(
            encoder, nodes, batch, batch_size
        )
        relevance = np.eye(features.shape[2] * features.shape[3])
        for node, tensors in zip(nodes, inputs, strict=True):
            step = _serving(model, node, tensors, batch, weights)
            relevance = relevance + step @ relevance
        received = relevance.sum(axis=1) - 1
        maps.append(received.reshape(number, *features.shape[1:4]))
    maps = np.concatenate(maps) * seen[:, :, None, None]
    return maps.astype("float32")


def has_class_attention(model):
    """Whether the blocks of the encoder, and nothing else in it, attend to
    the tokens of `features`, and say what they make of given weights."""
    if "features" not in [layer.name for layer in model.layers]:
        return False
    encoder = _encoder(model)
    return attention.shows_features(encoder) and all(
        hasattr(node.operation, "with_attention")
        for node in _model.able_nodes(encoder, "attention_weights")
    )


def _encoder(model):
    return _model.part(
        model,
        ("front", "features"),
        lambda: _graph.layer_output(model, "features"),
    )


def _serving(model, node, tensors, batch, chosen):
    """The attention of one block that speaks for the class, `(B, L, L)`."""
    with _gradient.without_gradient():
        weights = node.operation.attention_weights(*tensors)
    weights = _model.to_array(weights)
    head, around = _graph.cached(
        model,
        ("attention", node.operation.name),
        lambda: _from_attention(model, node, weights.shape[1:]),
    )
    arrays = _model.given_arrays(model, batch)
    fixed = [*tensors, *(arrays[id(tensor)] for tensor in around)]
    slopes = _gradient.gradient(head, chosen, weights, fixed)
    return np.maximum(weights * slopes, 0).mean(axis=1, dtype="float64")


def _from_attention(model, node, shape):
    """The model from the attention weights of a layer on, beside which it
    takes the layer's inputs and those of paths that go round the layer."""
    head, around = saliency.cut_head(model, node.outputs[0])
    weights = keras.Input(shape, name="attention")
    own, others = (
        [keras.Input(each.shape[1:], dtype=each.dtype) for each in tensors]
        for tensors in (node.input_tensors, around)
    )
    attended = _GivenAttention(node.operation)([weights, *own])
    scores = head([attended, *others] if others else attended)
    return keras.Model([weights, *own, *others], scores), around


class _GivenAttention(keras.layers.Layer):
    """A layer that is told its attention weights."""

    def __init__(self, layer):
        super().__init__(dtype=layer.dtype_policy)
        self.layer = layer
        self.built = True

    def call(self, inputs):
        return self.layer.with_attention(*inputs)

    def compute_output_shape(self, input_shape):
        return input_shape[1]
