import keras
import numpy as np
import pytest

from keras_skeleton import explain

pytestmark = pytest.mark.once

HAND = (2, 4, 5, 6, 7, 8, 9, 10, 11)
LEG = (0, 12, 13, 14, 15, 16, 17, 18, 19)
ALL = tuple(range(20))


def test_joints_of_parts(make_graph_network):
    leg = make_graph_network("leg", part="leg")
    whole = make_graph_network("psumnet")
    for layer in ("features", "skeletons", "block_0"):
        assert explain.joints_of(leg, layer) == LEG
    assert explain.joints_of(whole) == (*ALL, *HAND, *LEG)
    for layer, joints in (
        ("hand_features", HAND),
        ("leg_block_0", LEG),
        ("skeletons", ALL),
    ):
        assert explain.joints_of(whole, layer) == joints


def test_models_without_parts(make_graph_network, convolutional):
    assert explain.joints_of(make_graph_network("ctrgcn")) == ALL
    with pytest.raises(ValueError, match="names no skeleton"):
        explain.joints_of(convolutional)


def test_any_model_may_say_what_it_sees(random):
    class Arms(keras.Model):
        def joints_of(self, layer="features"):
            return {"features": HAND}.get(layer, ALL)

    inputs = keras.Input((1, 4, 20, 3), name="skeletons")
    model = Arms(inputs, keras.layers.Dense(2)(inputs))
    assert explain.joints_of(model) == HAND
    assert explain.joints_of(model, "skeletons") == ALL


def test_maps_of_one_part(make_graph_network, random):
    leg = make_graph_network("leg", part="leg")
    cam = random.random((2, 2, 3, 9))
    folded = explain.to_skeleton(cam, leg)
    assert folded.shape == (2, 2, 3, 20)
    np.testing.assert_array_equal(folded[..., LEG], cam)
    assert not np.delete(folded, LEG, axis=3).any()


def test_shared_joints_get_the_sum(make_graph_network, random):
    whole = make_graph_network("psumnet")
    cam = random.random((1, 2, 3, 38))
    folded = explain.to_skeleton(cam, whole)
    expected = cam[..., :20].copy()
    expected[..., HAND] += cam[..., 20:29]
    expected[..., LEG] += cam[..., 29:]
    np.testing.assert_allclose(folded, expected)
    hand = explain.to_skeleton(cam[..., 20:29], whole, "hand_features")
    np.testing.assert_array_equal(hand[..., HAND], cam[..., 20:29])
    # Maps of the input, and of models without parts.
    for model in (whole, make_graph_network("ctrgcn")):
        np.testing.assert_array_equal(
            explain.to_skeleton(cam[..., :20], model, "skeletons"),
            cam[..., :20],
        )


def test_bad_input(make_graph_network):
    whole = make_graph_network("psumnet")
    with pytest.raises(ValueError, match="38.*'features'.*`layer=`"):
        explain.to_skeleton(np.ones((1, 1, 2, 20)), whole)
    with pytest.raises(ValueError, match="9.*'hand_features'"):
        explain.to_skeleton(np.ones((1, 1, 2, 38)), whole, "hand_features")
