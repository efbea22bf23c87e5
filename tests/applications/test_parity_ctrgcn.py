"""CTR-GCN against the outputs of the official code."""

import numpy as np
import pytest
from graph_networks import assert_inference
from graph_networks import assert_inference_step
from graph_networks import assert_manifests
from graph_networks import assert_training_steps
from support import assert_close
from support import cases
from support import documents
from support import part

from keras_skeleton import layers
from keras_skeleton import skeletons
from keras_skeleton.applications import CTRGCN
from keras_skeleton.applications.ctrgcn import FUSION_WEIGHTS
from keras_skeleton.evaluation import fuse_scores
from keras_skeleton.evaluation import top_k_accuracy
from keras_skeleton.weights import load_official

SKELETONS = {"ntu_rgb_d": "ntu", "ucla": "nw_ucla"}
STREAMS = ("joint", "bone", "joint_motion", "bone_motion")

pytestmark = pytest.mark.usefixtures("zeros_at_first")


def build(constructor, frames=8, coordinates=3, hidden_dim=64):
    """The model of an official constructor."""
    return CTRGCN(
        input_shape=(
            constructor["num_person"],
            frames,
            constructor["num_point"],
            coordinates,
        ),
        skeleton=SKELETONS[constructor["graph"].split(".")[1]],
        classes=constructor["num_class"],
        hidden_dim=hidden_dim,
        baseline=constructor.get("model") == "model.baseline.Model",
    )


def load(config, arrays):
    """The model of a fixture, with its weights."""
    _, coordinates, frames, _, _ = arrays["in/x"].shape
    model = build(
        config["constructor"], frames, coordinates, config["base_channel"]
    )
    load_official(model, part(arrays, "state/"))
    return model


def test_inference(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("ctrgcn"), "ctrgcn_*.npz"):
        assert config["mode"] == "eval"
        model = load(config, arrays)
        blocks = {f"l{i}": x for i, x in enumerate(model.blocks, start=1)}
        assert_inference(name, model, blocks, arrays, 2e-5)


def test_inference_step(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("ctrgcn"), "train_step*.npz"
    ):
        assert_inference_step(name, load(config, arrays), config, arrays)


def test_training_steps(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("ctrgcn"), "train_step*.npz"
    ):
        model = load(config, arrays)
        assert_training_steps(name, model, config, arrays, (2e-3, 2e-3))


@pytest.mark.once
def test_graphs(fixtures_dir):
    for name, _, arrays in cases(fixtures_dir("ctrgcn"), "graphs*.npz"):
        for key, expected in part(arrays, "out/").items():
            layout, kind = key.rsplit("_", 1)
            skeleton = skeletons.get({"ucla": "nw_ucla"}.get(layout, layout))
            if kind == "inward":
                found = {tuple(edge) for edge in expected.tolist()}
                assert set(skeleton.edges) == found, f"{name}: {key}"
            else:
                assert kind == "spatial"
                graph = layers.spatial_graph(
                    skeleton.num_joints, skeleton.edges
                )
                np.testing.assert_array_equal(graph, expected, f"{name}: {key}")


@pytest.mark.once
def test_fusion(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("ctrgcn"), "ensemble*.npz"):
        labels = arrays["in/label"]
        for count, setting in (
            (4, "weights_joint_bone_jointmotion_bonemotion"),
            (3, "three_stream"),
            (2, "two_stream"),
        ):
            factors = config[setting]
            assert list(FUSION_WEIGHTS[STREAMS[:count]]) == factors
            scores = fuse_scores(
                [arrays[f"in/{stream}"] for stream in STREAMS[:count]], factors
            )
            key = {4: "four", 3: "three", 2: "two"}[count] + "_stream"
            assert_close(scores, arrays[f"out/{key}"], f"{name}: {key}")
            for k in (1, 5):
                assert top_k_accuracy(scores, labels, k) == pytest.approx(
                    100 * float(arrays[f"out/{key}_top{k}"])
                ), f"{name}: {key}, top {k}"


@pytest.mark.once
def test_manifests(fixtures_dir):
    manifests = documents(fixtures_dir("ctrgcn"), "ctrgcn_*.manifest.json")
    assert_manifests(manifests, build)
