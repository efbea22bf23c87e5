"""The PyTorch twin of CascadeFormer computes what ours does."""

import importlib.util
import pathlib

import numpy as np
import pytest
from graph_networks import randomize_network
from keras import ops
from support import assert_close

from keras_skeleton.applications import CascadeFormer
from keras_skeleton.applications import CascadeFormerPretext
from keras_skeleton.weights.conversion import variables_of

pytestmark = pytest.mark.once

torch = pytest.importorskip("torch")
TWIN = pathlib.Path(__file__).parents[1] / "benchmarks" / "cascade_twin.py"
SIZES = {
    "hidden_dim": 8,
    "num_layers": 2,
    "num_heads": 2,
    "mlp_dim": 16,
    "num_positions": 9,
}
SHAPE = (1, 8, 20, 3)


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location("cascade_twin", TWIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pair(module, cls, outputs=None, **arguments):
    model = cls(input_shape=SHAPE, skeleton="kinect20", **SIZES, **arguments)
    randomize_network(model)
    weights = {
        path: np.array(ops.convert_to_numpy(variable.value))
        for path, variable in variables_of(model).items()
    }
    twin = module.CascadeFormer(SHAPE, outputs, **SIZES).eval()
    module.copy_weights(weights, twin)
    random = np.random.default_rng(0)
    clips = random.normal(size=(3, *SHAPE)).astype("float32")
    return model, twin, clips


def test_classifier(module):
    model, twin, clips = pair(module, CascadeFormer, 5, classes=5)
    with torch.no_grad():
        found = twin(torch.from_numpy(clips)).numpy()
    assert_close(found, model.predict_on_batch(clips), "logits")


def test_pretext(module):
    model, twin, clips = pair(module, CascadeFormerPretext)
    outputs = {
        key: np.array(ops.convert_to_numpy(x))
        for key, x in model(clips).items()
    }
    with torch.no_grad():
        mask = torch.from_numpy(outputs["mask"])
        found = twin.predict(torch.from_numpy(clips), mask).numpy()
    assert_close(found, outputs["prediction"], "prediction")
    hidden = twin.choose(torch.from_numpy(clips))
    assert hidden.sum(1).tolist() == 3 * [48.0]
    assert twin.pretext_loss(torch.from_numpy(clips)).item() > 0
