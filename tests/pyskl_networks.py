"""What the parity tests of networks of PYSKL and its descendants share."""

import keras
import numpy as np
from graph_networks import Derived
from graph_networks import channels_first
from graph_networks import load_random_tensors
from graph_networks import run
from keras import ops
from support import assert_close
from support import part

from keras_skeleton import skeletons
from keras_skeleton.applications import CTRGCN
from keras_skeleton.applications import STGCN
from keras_skeleton.applications import STGCNPlusPlus
from keras_skeleton.weights import convert_array
from keras_skeleton.weights import load_official

SKELETONS = {
    "nturgb+d": "ntu",
    "coco": "coco17",
    "coco_new": "coco20",
    "nw_ucla": "nw_ucla",
    "openpose": "openpose18",
}


def network_of(application, config, shape, classes=None, **others):
    """The model of an official backbone's configuration.

    Args:
        application: Class of the model.
        config: The configuration.
        shape: `(M, T, V, C)`.
        classes: Number of classes, or `None`.
        **others: Further arguments.
    """
    layout = config.get("graph_cfg", {}).get("layout", "nturgb+d")
    width, plan = 1, []
    ratio = config.get("ch_ratio", 2)
    for i in range(1, config.get("num_stages", 10) + 1):
        width *= ratio if i in config.get("inflate_stages", (5, 8)) else 1
        stride = 2 if i in config.get("down_stages", (5, 8)) else 1
        plan.append((width, stride))
    graphs = config.get("graph_cfg", {})
    if graphs.get("mode") == "random":
        others["num_graphs"] = graphs.get("num_filter", 3)
    if "gcn_ratio" in config:
        others["graph_ratio"] = config["gcn_ratio"]
    if "base_channels" in config:
        others["hidden_dim"] = config["base_channels"]
    return application(
        input_shape=shape,
        skeleton=SKELETONS[layout],
        classes=classes,
        blocks=tuple(plan),
        **others,
    )


def build(config, shape, classes=None):
    """The `CTRGCN`, `STGCNPlusPlus` or `STGCN` of a configuration."""
    if config.get("type") == "CTRGCN":
        return network_of(CTRGCN, config, shape, classes, form="pyskl")
    if config.get("tcn_type") == "mstcn":
        assert config["gcn_adaptive"] == "init"
        assert config["gcn_with_res"]
        return network_of(STGCNPlusPlus, config, shape, classes)
    rate = config.get("tcn_dropout", 0.0)
    others = {"hidden_dim": 64, "output_dim": None, "dropout_rate": rate}
    return network_of(STGCN, config, shape, classes, **others)


def model_of(config):
    """The classifier of the configuration in a manifest."""
    backbone = config["backbone"]
    layout = backbone["graph_cfg"]["layout"]
    joints = skeletons.get(SKELETONS[layout]).num_joints
    classes = config["cls_head"]["num_classes"]
    persons = backbone.get("num_person", 2)
    shape = (persons, 16, joints, backbone.get("in_channels", 3))
    return build(backbone, shape, classes)


def as_loaded(model, variable, tensor):
    """An official tensor as it should be found, but for the order of axes.

    Senders are in the rows of graphs, and CTR-GCN's differences are those of
    senders from receivers.
    """
    if variable.name in ("graph", "importance"):
        return tensor.transpose(0, 2, 1)
    is_relation = "/relation_" in variable.path and variable.name == "kernel"
    return -tensor if is_relation else tensor


def values_of(model):
    """Symbolic values on the way, by number of the block."""
    values = {"data_bn": model.get_layer("input_norm").output}
    for i, block in enumerate(model.blocks):
        values |= {f"{i} input": block.input, f"{i}": block.output}
    return {**values, "x": model.output}


def derive(model, values, expected):
    """What is compared with official values, of the same names."""
    found = {}
    is_ctrgcn = isinstance(model, CTRGCN)
    kind, end = ("net", "1") if is_ctrgcn else ("gcn", "")
    for i, block in enumerate(model.blocks):
        found[f"{kind}.{i}"] = channels_first(values[f"{i}"])
        x = values[f"{i} input"]
        if f"{kind}.{i}.gcn{end}" in expected:
            y = block.graph_convolution(x)
            found[f"{kind}.{i}.gcn{end}"] = channels_first(y)
            y = block.temporal_convolution(y)
            found[f"{kind}.{i}.tcn{end}"] = channels_first(y)
        if f"gcn.{i}.gcn.graph" in expected:
            graphs = block.graph_convolution.clip_graphs(x)
            _, number, channels, joints, _ = graphs.shape
            shape = (-1, number * channels, joints, joints)
            found[f"gcn.{i}.gcn.graph"] = ops.reshape(graphs, shape)
    if "graph" in expected:
        found["graph"] = model.graph_features(x)
    x = ops.transpose(values["data_bn"], (0, 1, 3, 4, 2))
    _, persons, joints, channels, frames = x.shape
    # Of all persons alike, or of each.
    rows = joints * channels * (persons if is_ctrgcn else 1)
    found["data_bn"] = ops.reshape(x, (-1, rows, frames))
    found["x"] = ops.transpose(values["x"], (0, 1, 4, 2, 3))
    found["pooled"] = ops.mean(values["x"], axis=(1, 2, 3))
    return {key: found[key] for key in expected}


def assert_inference(name, model, arrays, tolerance=2e-5):
    """Compares an encoder with all values of a fixture.

    Args:
        name: Name of the case.
        model: The encoder, whose weights are loaded here.
        arrays: All arrays of the fixture.
        tolerance: Relative to the scale of each value.
    """
    load_official(model, part(arrays, "state/"))
    expected = part(arrays, "out/")
    derived = Derived(
        keras.Model(model.input, values_of(model)),
        lambda values: derive(model, values, expected),
    )
    for key, value in run(derived, arrays["in/keypoint"]).items():
        assert_close(value, expected[key], f"{name}: {key}", tolerance)


def assert_every_tensor(name, model, network, manifest):
    """Checks that every official tensor finds its variable, and back.

    Args:
        name: Name of the manifest.
        model: The model to load into.
        network: The `DGSTGCN` in it, or itself.
        manifest: Content of the manifest.
    """
    count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    # Of gates there is one for each graph, of which the first is in use, and
    # one for each joint of Kinect, of which those of the layout are.
    _, _, joints, _ = network.settings["input_shape"]
    unused = 2 * (network.settings["num_graphs"] - 1) + 25 - joints
    count += len(network.blocks) * unused
    assert count == manifest["num_params"], name
    tensors, names = load_random_tensors(model, manifest["tensors"], name)
    for variable in model.weights:
        if variable.path not in names:
            continue
        official = names[variable.path]
        expected = convert_array(model, official, tensors[official])
        found = ops.convert_to_numpy(variable.value)
        np.testing.assert_array_equal(found, expected, f"{name}: {official}")
