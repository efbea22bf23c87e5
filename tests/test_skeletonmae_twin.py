"""The PyTorch twin of SkeletonMAE's pre-training computes what ours does."""

import importlib.util
import pathlib

import numpy as np
import pytest
from graph_networks import randomize_network
from keras import ops
from support import assert_close

from keras_skeleton.applications import SkeletonMAEPretext
from keras_skeleton.weights.conversion import variables_of

pytestmark = pytest.mark.once

torch = pytest.importorskip("torch")
TWIN = pathlib.Path(__file__).parents[1] / "benchmarks" / "skeletonmae_twin.py"
SHAPE = (2, 3, 17, 2)


def test_pretext():
    spec = importlib.util.spec_from_file_location("skeletonmae_twin", TWIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = SkeletonMAEPretext(
        input_shape=SHAPE, hidden_dim=6, encoder_dim=8, encoder_layers=2
    )
    randomize_network(model)
    weights = {
        path: np.array(ops.convert_to_numpy(variable.value))
        for path, variable in variables_of(model).items()
    }
    random = np.random.default_rng(0)
    clips = random.normal(size=(3, *SHAPE)).astype("float32")
    outputs = {
        key: np.array(ops.convert_to_numpy(x))
        for key, x in model(clips).items()
    }
    hidden = np.flatnonzero(outputs["mask"][0])
    twin = module.SkeletonMAE(SHAPE, hidden, 6, 8, 2).eval()
    module.copy_weights(weights, model.encoder.joint_encoder.graph, twin)
    with torch.no_grad():
        target, prediction = twin(torch.from_numpy(clips))
        loss = twin.loss(torch.from_numpy(clips)).item()
    assert_close(target.numpy(), outputs["target"], "target")
    assert_close(prediction.numpy(), outputs["prediction"], "prediction")
    model.compile("sgd")
    expected = model.evaluate(clips, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(expected, rel=1e-5)
