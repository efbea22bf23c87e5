import numpy as np
import pytest

from keras_skeleton import explain

pytestmark = pytest.mark.once

HAND = (2, 4, 5, 6, 7, 8, 9, 10, 11)
LEG = (0, 12, 13, 14, 15, 16, 17, 18, 19)


def test_joints_of_parts(make_graph_network):
    leg = make_graph_network("leg", part="leg")
    whole = make_graph_network("psumnet")
    assert explain.part_joints(leg) == LEG
    assert explain.part_joints(whole) == (*range(20), *HAND, *LEG)
    assert explain.part_joints(whole, "hand") == HAND
    assert explain.part_joints(make_graph_network("ctrgcn")) == tuple(range(20))


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
    hand = explain.to_skeleton(cam[..., 20:29], whole, "hand")
    np.testing.assert_array_equal(hand[..., HAND], cam[..., 20:29])
    # Maps of the input, and of models without parts.
    for model in (whole, make_graph_network("ctrgcn")):
        np.testing.assert_array_equal(
            explain.to_skeleton(cam[..., :20], model), cam[..., :20]
        )


def test_bad_input(make_graph_network):
    whole = make_graph_network("psumnet")
    with pytest.raises(ValueError, match="body, hand, leg"):
        explain.to_skeleton(np.ones((1, 1, 2, 9)), whole)
    with pytest.raises(ValueError, match="joints of hand"):
        explain.to_skeleton(np.ones((1, 1, 2, 38)), whole, "hand")
    with pytest.raises(ValueError, match="part='arm'"):
        explain.part_joints(whole, "arm")
    with pytest.raises(ValueError, match="Only a PSUMNet"):
        explain.part_joints(make_graph_network("ctrgcn"), "hand")
