import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import explain
from keras_skeleton.applications import MAMP
from keras_skeleton.applications import CascadeFormer


def _score_behind(model, index, weights, tokens, chosen):
    """The class score where block `index` has other attention weights."""
    block = model.get_layer(f"block_{index}")
    tokens = np.broadcast_to(tokens, (len(weights), *tokens.shape[1:]))
    tokens = block.with_attention(
        ops.convert_to_tensor(weights), ops.convert_to_tensor(tokens)
    )
    for later in range(index + 1, 2):
        tokens = model.get_layer(f"block_{later}")(tokens)
    flat = ops.reshape(tokens, (len(weights), -1))
    scores = model.get_layer("predictions")(flat)
    return ops.convert_to_numpy(scores)[:, chosen]


def test_it_equals_the_rule_with_differences_for_gradients(
    make_transformer, make_clips
):
    # One person and one segment: nothing is averaged before the scores.
    model = make_transformer(persons=1, frames=4)
    clip = make_clips("kinect20")[:1, :1, :4]
    found = explain.class_attention(model, clip, class_index=1)
    assert found.shape == (1, 1, 1, 20) and found.dtype == np.float32
    relevance = np.eye(20)
    for index in range(2):
        block = model.get_layer(f"block_{index}")
        front = keras.Model(model.inputs[0], block.input)
        tokens = front.predict_on_batch(clip)
        weights = ops.convert_to_numpy(
            block.attention_weights(ops.convert_to_tensor(tokens))
        )
        steps = 2e-2 * np.eye(weights.size, dtype="float32")
        steps = steps.reshape(-1, *weights.shape[1:])
        up, down = (
            _score_behind(model, index, weights + sign * steps, tokens, 1)
            for sign in (1, -1)
        )
        slopes = ((up - down) / 4e-2).reshape(weights.shape[1:])
        step = np.maximum(slopes * weights[0], 0).mean(axis=0)
        relevance = relevance + step @ relevance
    expected = relevance.sum(axis=0) - 1
    assert expected.max() > 0
    np.testing.assert_allclose(
        found[0, 0, 0], expected, atol=5e-3 * expected.max()
    )


def test_it_depends_on_the_class_and_absent_persons_have_none(
    make_transformer, make_clips
):
    model, clips = make_transformer(), make_clips("kinect20", 3)
    clips[1, 1] = 0
    one, other = (explain.class_attention(model, clips, i) for i in (0, 2))
    assert one.shape == (3, 2, 2, 20)
    assert (one >= 0).all() and (one[1, 1] == 0).all() and one[1, 0].any()
    shares = [explain.to_shares(each) for each in (one, other)]
    assert np.abs(shares[0] - shares[1]).max() > 1e-3
    predicted = explain.class_probabilities(model, clips).argmax(axis=1)
    np.testing.assert_allclose(
        explain.class_attention(model, clips, predicted, batch_size=1),
        explain.class_attention(model, clips),
        rtol=1e-4,
        atol=1e-7,
    )


@pytest.mark.parametrize("cls", [MAMP, CascadeFormer])
def test_applications(cls, random):
    options = {"mask_padding": True} if cls is CascadeFormer else {}
    model = cls(**cls.tiny, **options, classes=3)
    clips = random.normal(size=(2, *model.input_form)).astype("float32")
    clips[0, :, 5:] = 0
    found = explain.class_attention(model, clips)
    assert found.shape[:2] == (2, 1) and found[1].any()
    if cls is CascadeFormer:
        # Nobody attends to padding.
        assert (found[0, :, 5:] == 0).all() and found[0, :, :5].any()


def test_without_attention_it_says_so(convolutional, random):
    clips = random.normal(size=(1, *convolutional.input_shape[1:]))
    with pytest.raises(ValueError, match="cannot be followed"):
        explain.class_attention(convolutional, clips)
