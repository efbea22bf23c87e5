"""ST-GCN and ST-GCN++ against the outputs of the code of PYSKL and BRL."""

import keras
import numpy as np
import pytest
from graph_networks import Derived
from graph_networks import assert_manifests
from graph_networks import channels_first
from graph_networks import run
from keras import ops
from support import assert_close
from support import cases
from support import documents
from support import part

from keras_skeleton import layers
from keras_skeleton import skeletons
from keras_skeleton.applications import STGCN
from keras_skeleton.applications import STGCNPlusPlus
from keras_skeleton.applications import stgcnpp
from keras_skeleton.evaluation import fuse_scores
from keras_skeleton.evaluation import top_k_accuracy
from keras_skeleton.layers.graph.skeleton_graphs import body_edges
from keras_skeleton.weights import load_official

SKELETONS = {"nturgb+d": "ntu", "coco": "coco17", "nw_ucla": "nw_ucla"}
STREAMS = ("joint", "bone", "joint_motion", "bone_motion")


def build(config, shape, classes=None):
    """The model of an official backbone's configuration."""
    if config.get("tcn_type") == "mstcn":
        assert config["gcn_adaptive"] == "init"
        assert config["gcn_with_res"]
        application, others = STGCNPlusPlus, {}
    else:
        dropout_rate = config.get("tcn_dropout", 0.0)
        application = STGCN
        others = {"output_dim": None, "dropout_rate": dropout_rate}
    layout = config.get("graph_cfg", {}).get("layout", "nturgb+d")
    width, plan = 1, []
    for i in range(1, config.get("num_stages", 10) + 1):
        width *= 2 if i in config.get("inflate_stages", (5, 8)) else 1
        stride = 2 if i in config.get("down_stages", (5, 8)) else 1
        plan.append((width, stride))
    return application(
        input_shape=shape,
        skeleton=SKELETONS[layout],
        classes=classes,
        hidden_dim=config.get("base_channels", 64),
        blocks=tuple(plan),
        **others,
    )


def values_of(model):
    """Symbolic values on the way, by the names that they come from."""
    values = {"data_bn": model.get_layer("input_norm").output}
    for i, block in enumerate(model.blocks):
        values |= {f"gcn.{i} input": block.input, f"gcn.{i}": block.output}
    return {**values, "x": model.output}


def derive(model, values, expected):
    """What is compared with official values, of the same names."""
    found = {}
    for i, block in enumerate(model.blocks):
        found[f"gcn.{i}"] = channels_first(values[f"gcn.{i}"])
        if f"gcn.{i}.gcn" in expected:
            y = block.graph_convolution(values[f"gcn.{i} input"])
            found[f"gcn.{i}.gcn"] = channels_first(y)
            y = block.temporal_convolution(y)
            found[f"gcn.{i}.tcn"] = channels_first(y)
    x = values["data_bn"]
    _, persons, frames, joints, channels = x.shape
    x = ops.reshape(x, (-1, frames, joints * channels))
    found["data_bn"] = ops.transpose(x, (0, 2, 1))
    found["x"] = ops.transpose(values["x"], (0, 1, 4, 2, 3))
    found["pooled"] = ops.mean(values["x"], axis=(1, 2, 3))
    return {key: found[key] for key in expected}


@pytest.mark.parametrize(
    ("folder", "pattern"),
    [("brl", "backbone_stgcnpp*.npz"), ("pyskl", "backbone_stgcn*.npz")],
)
def test_inference(fixtures_dir, folder, pattern):
    for name, config, arrays in cases(fixtures_dir(folder), pattern):
        clips, expected = arrays["in/keypoint"], part(arrays, "out/")
        model = build(config["backbone"], clips.shape[1:])
        load_official(model, part(arrays, "state/"))
        derived = Derived(
            keras.Model(model.input, values_of(model)),
            lambda values, model=model, expected=expected: derive(
                model, values, expected
            ),
        )
        for key, value in run(derived, clips).items():
            assert_close(value, expected[key], f"{name}: {key}", 2e-5)


@pytest.mark.once
def test_graphs(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("pyskl"), "graph*.npz"):
        assert config["hops"] == [1]
        for layout in config["layouts"]:
            skeleton = skeletons.get(SKELETONS[layout])
            edges = body_edges(skeleton)
            root = skeleton.root
            spatial = layers.spatial_graph(skeleton.num_joints, edges)
            parted = layers.partition_graph(skeleton.num_joints, edges, root)
            binary = ((spatial[1] + spatial[2]) > 0)[None]
            for mode, graph in (
                ("spatial", spatial),
                ("stgcn_spatial", parted.transpose(0, 2, 1)),
                ("binary_adj", binary),
            ):
                expected = arrays[f"out/{layout}_{mode}_hop1"]
                np.testing.assert_allclose(
                    graph, expected, rtol=1e-6, err_msg=f"{name}: {mode}"
                )


@pytest.mark.once
def test_graphs_begin_as_published(fixtures_dir):
    for _, _, arrays in cases(fixtures_dir("pyskl"), "graph*.npz"):
        model = STGCNPlusPlus(input_shape=(1, 8, 25, 3), hidden_dim=6)
        for block in model.blocks:
            found = ops.convert_to_numpy(block.graph_convolution.graph.value)
            expected = arrays["out/nturgb+d_spatial_hop1"]
            np.testing.assert_array_equal(found.transpose(0, 2, 1), expected)


@pytest.mark.once
def test_fusion(fixtures_dir):
    for name, _, arrays in cases(
        fixtures_dir("pyskl"), "metrics_ensemble*.npz"
    ):
        labels, scores = arrays["in/labels"], arrays["in/scores"]
        for count, word in ((2, "two"), (4, "four")):
            factors = stgcnpp.FUSION_WEIGHTS[STREAMS[:count]]
            fused = fuse_scores(list(scores[:count]), factors)
            expected = arrays[f"out/{word}_stream"]
            assert_close(fused, expected, f"{name}: {word} streams")
            found = top_k_accuracy(fused, labels, 1)
            expected = 100 * float(arrays[f"out/top1_{word}_stream"])
            assert found == pytest.approx(expected), name
        for k in (1, 5):
            found = top_k_accuracy(scores[0], labels, k)
            expected = 100 * float(arrays[f"out/top{k}"])
            assert found == pytest.approx(expected), name


@pytest.mark.once
@pytest.mark.parametrize(
    ("folder", "pattern"),
    [
        ("pyskl", "pyskl_stgcn_*cls_*.manifest.json"),
        ("pyskl", "pyskl_stgcn_vanilla*.manifest.json"),
        ("pyskl", "pyskl_stgcnpp*.manifest.json"),
        ("brl", "brl_[kn]*.manifest.json"),
    ],
)
def test_manifests(fixtures_dir, folder, pattern):
    def model_of(config):
        backbone = config["backbone"]
        layout = backbone["graph_cfg"]["layout"]
        joints = skeletons.get(SKELETONS[layout]).num_joints
        return build(
            backbone, (2, 16, joints, 3), config["cls_head"]["num_classes"]
        )

    assert_manifests(
        documents(fixtures_dir(folder), pattern),
        model_of,
        lambda model, variable: variable.name in ("graph", "importance"),
    )
