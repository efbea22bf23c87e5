"""What the contrastive models refuse, and say why."""

import pytest

from keras_skeleton.applications import DSTA
from keras_skeleton.applications import HaLP
from keras_skeleton.applications import HiCLR
from keras_skeleton.applications import HiCLRPretext
from keras_skeleton.evaluation import extract_features


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"num_mined": 17}, "queue_size=16"),
        ({"mask_ratio": 1.5}, "between 0 and 1"),
        ({"augmentation": "weak"}, "published"),
    ],
)
def test_refused_arguments(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        HiCLRPretext(**{**HiCLRPretext.tiny, **arguments})


def test_edges_need_graphs():
    with pytest.raises(ValueError, match="graphs whose edges"):
        HiCLRPretext(HaLP(**HaLP.tiny), strong="edges", queue_size=16)


def test_a_head_belongs_to_its_network():
    with pytest.raises(ValueError, match="a DSTA without output_dim"):
        HiCLR(encoder=DSTA(**DSTA.tiny), classes=3)


def test_features_are_those_of_the_encoder():
    pretext = HiCLRPretext(**HiCLRPretext.tiny)
    with pytest.raises(ValueError, match="Pass its encoder"):
        extract_features(pretext, [])
