"""3D deformable transformer against another computation of its equations."""

import numpy as np
from keras import ops
from support import assert_close
from support import cases
from support import joined_projections
from support import part

from keras_skeleton.applications import _deformable
from keras_skeleton.weights import deformable3d as names


def make_block(config, **arguments):
    return _deformable.DeformableBlock(
        num_heads=config["heads"],
        offset_range=config["offset_range"],
        threshold=config["threshold"],
        joint_stride=config["joint_stride"],
        temporal_stride=config["temporal_stride"],
        **arguments,
        name="block",
    )


def load(block, tensors, prefix=""):
    """Gives the variables of a layer their tensors; all must be used."""
    tensors = joined_projections(tensors)
    by_path = {entry.variable: entry for entry in names.block()}
    for variable in block.weights:
        path = prefix + variable.path.split("block/", 1)[-1]
        entry = by_path[path]
        array = tensors.pop(entry.official)
        array = entry.convert(array) if entry.convert else array
        variable.assign(np.array(array))
    return tensors


def inputs_of(arrays):
    found = part(arrays, "in/")
    return {name: ops.convert_to_tensor(x) for name, x in found.items()}


def test_deformable_attention(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("deformable3d"), "deformable_attention*.npz"
    ):
        x, out = inputs_of(arrays), part(arrays, "out/")
        layer = make_block(config).deformable
        layer(x["z"], x["cross"])
        assert not load(layer, part(arrays, "state/"), prefix_of(layer))
        z, cross = layer(x["z"], x["cross"])
        normed = layer.norm(x["z"])
        found, score, keep = layer.search(normed)
        for key, value in (
            ("offsets", layer.offsets(normed)),
            ("sampled_tokens", found),
            ("score", score[..., 0]),
            ("keep", keep[..., 0]),
            ("z", z),
            ("cross", cross),
        ):
            assert_close(value, out.pop(key), f"{name}: {key}")
        assert not out


def prefix_of(layer):
    """What paths lack that are not built inside of a block."""
    first = layer.weights[0].path
    return "" if first.startswith(f"{layer.name}/") else f"{layer.name}/"


def test_joint_stride_attention(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("deformable3d"), "joint_stride_attention*.npz"
    ):
        x, out = inputs_of(arrays), part(arrays, "out/")
        layer = make_block(config).joints
        layer(x["pose"], x["cross"])
        assert not load(layer, part(arrays, "state/"), prefix_of(layer))
        pose, cross = layer(x["pose"], x["cross"])
        weights = ops.mean(layer.importance(x["pose"], x["cross"]), axis=1)
        assert_close(pose, out["pose"], f"{name}: pose")
        assert_close(cross, out["cross"], f"{name}: cross")
        assert_close(weights, out["joint_importance"], f"{name}: importance")


def test_temporal_stride_attention(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("deformable3d"), "temporal_stride_attention*.npz"
    ):
        x, out = inputs_of(arrays), part(arrays, "out/")
        given = x["z"], x["pose"], x["cross"]
        layer = make_block(config).frames
        layer(*given)
        assert not load(layer, part(arrays, "state/"), prefix_of(layer))
        weights = ops.mean(layer.importance(*given), axis=1)
        for key, value in zip(
            ("z", "pose", "cross"), layer(*given), strict=True
        ):
            assert_close(value, out[key], f"{name}: {key}")
        assert_close(weights, out["frame_importance"], f"{name}: importance")


def test_block(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("deformable3d"), "block*.npz"
    ):
        x, out = inputs_of(arrays), part(arrays, "out/")
        given = x["z"], x["pose"], x["cross"]
        hidden, width = arrays["state/ffn.fc1.weight"].shape
        block = make_block(config, mlp_ratio=hidden // width)
        block(*given)
        head = load(block, part(arrays, "state/"))
        assert set(head) == {"head.weight", "head.bias"}
        found = block(*given)
        for key, value in zip(("z", "pose", "cross"), found, strict=True):
            assert_close(value, out[key], f"{name}: {key}")
        mean = ops.convert_to_numpy(found[2]).mean(axis=1)
        logits = mean @ head["head.weight"].T + head["head.bias"]
        assert_close(logits, out["logits"], f"{name}: logits")
        _, cross = block.deformable(x["z"], x["cross"])
        weights = ops.mean(block.joints.importance(x["pose"], cross), axis=1)
        assert_close(weights, out["joint_importance"], f"{name}: importance")
