"""ST-GCN and ST-GCN++ against the outputs of the code of PYSKL and BRL."""

import itertools

import numpy as np
import pytest
from graph_networks import assert_manifests
from keras import ops
from pyskl_networks import SKELETONS
from pyskl_networks import as_loaded
from pyskl_networks import assert_inference
from pyskl_networks import build
from pyskl_networks import model_of
from support import assert_close
from support import cases
from support import documents

from keras_skeleton import layers
from keras_skeleton import skeletons
from keras_skeleton.applications import STGCNPlusPlus
from keras_skeleton.applications import stgcnpp
from keras_skeleton.evaluation import fuse_scores
from keras_skeleton.evaluation import top_k_accuracy
from keras_skeleton.layers.graph.skeleton_graphs import body_edges

STREAMS = ("joint", "bone", "joint_motion", "bone_motion")


@pytest.mark.parametrize(
    ("folder", "pattern"),
    [("brl", "backbone_stgcnpp*.npz"), ("pyskl", "backbone_stgcn*.npz")],
)
def test_inference(fixtures_dir, folder, pattern):
    for name, config, arrays in cases(fixtures_dir(folder), pattern):
        shape = arrays["in/keypoint"].shape[1:]
        assert_inference(name, build(config["backbone"], shape), arrays)


@pytest.mark.once
def test_graphs(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("pyskl"), "graph*.npz"):
        graphs = itertools.product(config["layouts"], config["hops"])
        for layout, hops in graphs:
            skeleton = skeletons.get(SKELETONS[layout])
            edges = body_edges(skeleton)
            root = skeleton.root
            spatial = layers.spatial_graph(skeleton.num_joints, edges)
            parted = layers.partition_graph(
                skeleton.num_joints, edges, root, hops
            )
            binary = ((spatial[1] + spatial[2]) > 0)[None]
            for mode, graph in (
                ("spatial", spatial),
                ("stgcn_spatial", parted.transpose(0, 2, 1)),
                ("binary_adj", binary),
            ):
                if mode not in config["modes"]:
                    continue
                expected = arrays[f"out/{layout}_{mode}_hop{hops}"]
                np.testing.assert_allclose(
                    graph, expected, rtol=1e-6, err_msg=f"{name}: {mode}"
                )


@pytest.mark.once
def test_graphs_begin_as_published(fixtures_dir):
    for _, _, arrays in cases(fixtures_dir("pyskl"), "graph*.npz"):
        if "out/nturgb+d_spatial_hop1" not in arrays:
            continue
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
        ("pyskl", "pyskl_ctrgcn*.manifest.json"),
    ],
)
def test_manifests(fixtures_dir, folder, pattern):
    manifests = documents(fixtures_dir(folder), pattern)
    assert_manifests(manifests, model_of, as_loaded)
