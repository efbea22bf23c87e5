"""Models given to what is meant for others."""

import keras
import numpy as np
import pytest

from keras_skeleton import evaluation
from keras_skeleton import explain
from keras_skeleton import losses
from keras_skeleton.applications import BRL
from keras_skeleton.applications import UniPose
from keras_skeleton.training import Recipe

pytestmark = pytest.mark.once


def test_models_of_training_name_the_network_inside():
    training = BRL(**BRL.tiny)
    clips = np.ones((4, *training.input_form), "float32")
    data = (clips, np.arange(4) % 3)
    inside = "Pass the network in it, the attribute `model`"
    with pytest.raises(ValueError, match=inside):
        evaluation.fine_tune(training, data, data)
    with pytest.raises(ValueError, match=inside):
        explain.saliency(training, clips)
    with pytest.raises(ValueError, match=inside):
        explain.explain(training, clips[0])


def test_poses_are_no_classes():
    model = UniPose(**UniPose.tiny)
    inputs = keras.tree.map_structure(
        lambda x: np.ones((4, *x.shape[1:]), "float32"), model.input
    )
    data = (inputs, np.arange(4) % 2)
    with pytest.raises(ValueError, match="gives poses.*evaluate_poses"):
        evaluation.fine_tune(model, data, data)
    Recipe.of(model).compile(model, 2)
    assert isinstance(model.loss, losses.JointDistance)
