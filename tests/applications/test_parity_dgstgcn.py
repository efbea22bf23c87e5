"""DG-STGCN against the outputs of the code of PYSKL."""

import pytest
from pyskl_networks import assert_every_tensor
from pyskl_networks import assert_inference
from pyskl_networks import network_of
from support import cases
from support import documents

from keras_skeleton.applications import DGSTGCN


def test_inference(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("pyskl"), "backbone_dgstgcn*.npz"
    ):
        shape = arrays["in/keypoint"].shape[1:]
        model = network_of(DGSTGCN, config["backbone"], shape)
        assert_inference(name, model, arrays, 1e-5)


@pytest.mark.once
def test_manifests(fixtures_dir):
    for name, manifest in documents(
        fixtures_dir("pyskl"), "pyskl_dgstgcn*.manifest.json"
    ):
        config = manifest["config"]
        model = network_of(
            DGSTGCN,
            config["backbone"],
            (2, 16, 25, 3),
            config["cls_head"]["num_classes"],
        )
        assert_every_tensor(name, model, model, manifest)
