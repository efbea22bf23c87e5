"""What the parity tests of PYSKL's networks share."""

import keras
from graph_networks import Derived
from graph_networks import channels_first
from graph_networks import run
from keras import ops
from support import assert_close
from support import part

from keras_skeleton import skeletons
from keras_skeleton.applications import CTRGCN
from keras_skeleton.applications import STGCN
from keras_skeleton.applications import STGCNPlusPlus
from keras_skeleton.weights import load_official

SKELETONS = {"nturgb+d": "ntu", "coco": "coco17", "nw_ucla": "nw_ucla"}


def build(config, shape, classes=None):
    """The model of an official backbone's configuration."""
    if config.get("type") == "CTRGCN":
        application, others = CTRGCN, {"form": "pyskl"}
    elif config.get("tcn_type") == "mstcn":
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
    """Symbolic values on the way, by number of the block."""
    values = {"data_bn": model.get_layer("input_norm").output}
    for i, block in enumerate(model.blocks):
        values |= {f"{i} input": block.input, f"{i}": block.output}
    return {**values, "x": model.output}


def derive(model, values, expected):
    """What is compared with official values, of the same names."""
    found = {}
    is_refined = isinstance(model, CTRGCN)
    kind, end = ("net", "1") if is_refined else ("gcn", "")
    for i, block in enumerate(model.blocks):
        name = f"{kind}.{i}"
        found[name] = channels_first(values[f"{i}"])
        if f"{name}.gcn{end}" in expected:
            y = block.graph_convolution(values[f"{i} input"])
            found[f"{name}.gcn{end}"] = channels_first(y)
            y = block.temporal_convolution(y)
            found[f"{name}.tcn{end}"] = channels_first(y)
    x = ops.transpose(values["data_bn"], (0, 1, 3, 4, 2))
    # Of persons who are normalized each, or all alike.
    rows = (
        x.shape[1] * x.shape[2] * x.shape[3]
        if is_refined
        else (x.shape[2] * x.shape[3])
    )
    found["data_bn"] = ops.reshape(x, (-1, rows, x.shape[-1]))
    found["x"] = ops.transpose(values["x"], (0, 1, 4, 2, 3))
    found["pooled"] = ops.mean(values["x"], axis=(1, 2, 3))
    return {key: found[key] for key in expected}


def assert_inference(name, model, arrays, tolerance=2e-5):
    """Compares all official values of a backbone, with its weights."""
    clips, expected = arrays["in/keypoint"], part(arrays, "out/")
    load_official(model, part(arrays, "state/"))
    derived = Derived(
        keras.Model(model.input, values_of(model)),
        lambda values: derive(model, values, expected),
    )
    for key, value in run(derived, clips).items():
        assert_close(value, expected[key], f"{name}: {key}", tolerance)


def as_loaded(model, variable, tensor):
    """An official tensor as it should be found, but for the order of axes.

    Senders are in the rows of graphs, and CTR-GCN's differences are those of
    senders from receivers.
    """
    if variable.name in ("graph", "importance"):
        return tensor.transpose(0, 2, 1)
    is_relation = "/relation_" in variable.path and variable.name == "kernel"
    return -tensor if is_relation else tensor


def model_of(config):
    """The classifier of the configuration in a manifest."""
    backbone = config["backbone"]
    layout = backbone["graph_cfg"]["layout"]
    joints = skeletons.get(SKELETONS[layout]).num_joints
    classes = config["cls_head"]["num_classes"]
    return build(backbone, (2, 16, joints, 3), classes)
