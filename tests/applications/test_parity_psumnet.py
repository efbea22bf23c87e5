"""PSUMNet against the outputs of the official code."""

import numpy as np
import pytest
from graph_networks import assert_inference
from graph_networks import assert_inference_step
from graph_networks import assert_manifests
from graph_networks import assert_training_steps
from keras import ops
from support import assert_close
from support import cases
from support import documents
from support import part

from keras_skeleton import layers
from keras_skeleton.applications import PSUMNet
from keras_skeleton.applications import psumnet
from keras_skeleton.evaluation import fuse_scores
from keras_skeleton.evaluation import top_k_accuracy
from keras_skeleton.weights import load_official

SKELETONS = {"ntu_rgb_d": "ntu", "ntu_x_rgb_d": "ntu_x67", "shrec": "shrec22"}
LAYOUTS = {"ntu": "ntu", "ntux": "ntu_x67", "shrec": "shrec22"}
DATASETS = {
    "NTU60 XSub": "ntu60_xsub",
    "NTU60 XView": "ntu60_xview",
    "NTU120 XSub": "ntu120_xsub",
    "NTU120 XSet": "ntu120_xset",
    "NTU60-X": "ntu60_x",
    "NTU120-X": "ntu120_x",
}

pytestmark = pytest.mark.usefixtures("zeros_at_first")


def build(constructor, frames=8, hidden_dim=64):
    """The model of an official constructor."""
    return PSUMNet(
        input_shape=(
            constructor["num_person"],
            frames,
            constructor["num_point"],
            constructor["in_channels"],
        ),
        skeleton=SKELETONS[constructor["graph"].split(".")[1]],
        part=constructor["stream"],
        classes=constructor["num_class"],
        hidden_dim=hidden_dim,
    )


def load(config, arrays):
    """The model of a fixture, with its weights."""
    frames = arrays["in/x"].shape[2]
    model = build(config["constructor"], frames, config["base_channel"])
    load_official(model, part(arrays, "state/"))
    return model


def test_inference(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("psumnet"), "body*.npz", "hand*.npz", "leg*.npz"
    ):
        assert config["mode"] == "eval"
        model = load(config, arrays)
        blocks = {
            f"layers.{i}": block
            for i, block in enumerate(model.blocks(model.parts[0]))
        }
        assert_inference(name, model, blocks, arrays, 2e-5)


def test_inference_step(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("psumnet"), "loss*.npz"):
        assert_inference_step(name, load(config, arrays), config, arrays)


def test_training_steps(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("psumnet"), "loss*.npz"):
        assert_training_steps(name, load(config, arrays), config, arrays)


@pytest.mark.once
def test_graphs(fixtures_dir):
    for name, _, arrays in cases(fixtures_dir("psumnet"), "graphs*.npz"):
        for key, expected in part(arrays, "out/").items():
            layout, body_part = key.split("_")
            chosen = psumnet.part_of(LAYOUTS[layout], body_part)
            graph = layers.spatial_graph(len(chosen.joints), chosen.bones)
            np.testing.assert_array_equal(graph, expected, f"{name}: {key}")


def test_fusion(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("psumnet"), "ensemble*.npz"):
        scores = {key: arrays[f"in/{key}"] for key in psumnet.PARTS}
        labels = arrays["in/label"]
        factors = config["weights_body_hand_leg"]
        published = psumnet.FUSION_WEIGHTS[DATASETS[config["dataset"]]]
        assert list(published) == factors
        layer = psumnet.ScoreFusion(factors)
        inside = layer([ops.convert_to_tensor(x) for x in scores.values()])
        for fused, key, top in (
            (inside, "fused", ""),
            (fuse_scores(list(scores.values()), factors), "fused", ""),
            (
                fuse_scores(
                    scores,
                    dict(zip(psumnet.PARTS, factors, strict=True)),
                    probabilities=True,
                ),
                "fused_softmax",
                "softmax_",
            ),
        ):
            fused = ops.convert_to_numpy(fused)
            assert_close(fused, arrays[f"out/{key}"], f"{name}: {key}")
            for k in (1, 5):
                if f"out/{top}top{k}" in arrays:
                    assert top_k_accuracy(fused, labels, k) == pytest.approx(
                        100 * float(arrays[f"out/{top}top{k}"])
                    ), f"{name}: {key}, top {k}"


@pytest.mark.once
def test_manifests(fixtures_dir):
    manifests = documents(fixtures_dir("psumnet"), "psumnet_*.manifest.json")
    assert_manifests(manifests, build)
