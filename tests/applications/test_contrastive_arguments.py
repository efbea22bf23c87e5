"""What the contrastive models refuse, and say why."""

import numpy as np
import pytest

from keras_skeleton.applications import DSTA
from keras_skeleton.applications import AimCLRPretext
from keras_skeleton.applications import HaLP
from keras_skeleton.applications import HaLPPretext
from keras_skeleton.applications import HiCLR
from keras_skeleton.applications import HiCLRPretext
from keras_skeleton.evaluation import extract_features


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"num_mined": 17}, "queue_size=16"),
        ({"num_mined": 1.5}, "`num_mined` must be a whole number"),
        ({"mining_epoch": -1}, "`mining_epoch`"),
        ({"mask_ratio": 1.5}, "between 0 and 1"),
        ({"strong": "edges", "edge_dropout": 2.0}, "`edge_dropout`.*to 1"),
        ({"augmentation": "weak"}, "published"),
    ],
)
def test_refused_arguments(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        HiCLRPretext(**{**HiCLRPretext.tiny, **arguments})


def test_dropping_all_features_is_refused():
    with pytest.raises(ValueError, match="`drop_threshold`.*above 0.62"):
        AimCLRPretext(**{**AimCLRPretext.tiny, "drop_threshold": 0.5})


def test_an_encoder_is_a_model():
    for cls in (HiCLRPretext, HaLPPretext):
        with pytest.raises(ValueError, match="`encoder` must be a model"):
            cls("nw_ucla", queue_size=16)


def test_edges_need_graphs():
    with pytest.raises(ValueError, match="graphs whose edges"):
        HiCLRPretext(HaLP(**HaLP.tiny), strong="edges", queue_size=16)


def test_a_head_belongs_to_its_network():
    with pytest.raises(ValueError, match="a DSTA without output_dim"):
        HiCLR(encoder=DSTA(**DSTA.tiny), classes=3)


def test_features_are_those_of_the_encoder():
    pretext = HiCLRPretext(**HiCLRPretext.tiny)
    with pytest.raises(ValueError, match="Pass the network in it"):
        extract_features(pretext, [])


@pytest.mark.parametrize("cls", [HiCLRPretext, HaLPPretext, AimCLRPretext])
def test_published_views_of_clips_in_the_plane(cls):
    model = cls(**{**cls.tiny, "input_shape": (1, 8, 20, 2)})
    clips = np.random.default_rng(0).normal(size=(2, 1, 8, 20, 2))
    views = model.augmentation(clips.astype("float32"), training=True)
    assert set(views) == set(model.view_names)
    assert {tuple(view.shape) for view in views.values()} == {(2, 1, 8, 20, 2)}
