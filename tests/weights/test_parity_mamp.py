"""Published names and shapes, and resized embeddings, of maoyunyao/MAMP."""

import re

import keras
import numpy as np
import pytest
from support import assert_close
from support import cases
from support import chain_skeleton
from support import documents

from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.weights import load_official
from keras_skeleton.weights import official_names
from keras_skeleton.weights import resize_temporal_embedding
from keras_skeleton.weights.conversion import variables_of

pytestmark = pytest.mark.once


def build(config, tensors):
    """The model of an official configuration."""
    joints = config["num_joints"]
    arguments = {
        "input_shape": (2, config["num_frames"], joints, config["dim_in"]),
        "skeleton": chain_skeleton(joints),
        "hidden_dim": config["dim_feat"],
        "num_layers": config["depth"],
        "num_heads": config["num_heads"],
        "mlp_ratio": config["mlp_ratio"],
        "segment_length": config["t_patch_size"],
        "joints_per_patch": config["patch_size"],
        "use_qkv_bias": config["qkv_bias"],
        "drop_path_rate": config["drop_path_rate"],
    }
    if "decoder_depth" in config:
        return MAMPPretext(
            decoder_dim=config["decoder_dim_feat"],
            decoder_layers=config["decoder_depth"],
            mask_ratio=config["mask_ratio"],
            masking_temperature=config.get("motion_aware_tau", 0),
            motion_stride=config.get("motion_stride", 1),
            target="motion" if "motion_stride" in config else "joints",
            **arguments,
        )
    if "head.fc1.bias" in tensors:
        arguments["head_dim"] = tensors["head.fc1.bias"][0]
    head = {"finetune": "finetune", "linprobe": "linear"}[config["protocol"]]
    return MAMP(classes=config["num_classes"], head=head, **arguments)


def architecture(shapes):
    return tuple(sorted((name, tuple(shape)) for name, shape in shapes.items()))


def test_manifests(fixtures_dir):
    seen = {}
    for name, manifest in documents(
        fixtures_dir("mamp"), "mamp_*.manifest.json"
    ):
        shapes = manifest["tensors"]
        key = architecture(shapes)
        if key in seen:
            # The same tensors were checked under another name.
            assert manifest["num_params"] == seen[key], name
            continue
        seen[key] = manifest["num_params"]
        check(name, manifest["config"], shapes, manifest["num_params"])
        keras.backend.clear_session()


def check(label, config, shapes, num_params):
    model = build(config, shapes)
    count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    assert count == num_params, label
    random = np.random.default_rng(0)
    tensors = {
        name: random.random(shape, dtype="float32")
        for name, shape in shapes.items()
    }
    load_official(model, tensors)
    names = official_names(model)
    counters = {n for n in shapes if n.endswith("num_batches_tracked")}
    assert set(names.values()) == set(shapes) - counters, label
    for variable in variables_of(model).values():
        tensor = tensors[names[variable.path]]
        loaded = keras.ops.convert_to_numpy(variable.value)
        assert loaded.size == tensor.size, label
        assert_same_values(loaded, tensor)


def assert_same_values(loaded, tensor):
    """Compares where the official layout differs by at most its axes."""
    if tensor.ndim == 2:
        np.testing.assert_array_equal(loaded, tensor.T)
    elif loaded.ndim == 2:
        dim, coordinates, frames, joints = tensor.shape
        kernel = loaded.reshape(frames, joints, coordinates, dim)
        for frame in range(frames):
            for joint in range(joints):
                np.testing.assert_array_equal(
                    kernel[frame, joint], tensor[:, :, frame, joint].T
                )
    else:
        np.testing.assert_array_equal(loaded, tensor)


def test_resized_temporal_embedding(fixtures_dir):
    for name, _, arrays in cases(
        fixtures_dir("mamp"), "mamp_droppath_tempembed*.npz"
    ):
        keys = [key for key in arrays if key.startswith("out/temp_embed_")]
        assert keys, name
        for key in keys:
            old, new = map(int, re.findall(r"\d+", key))
            given = arrays[key.replace("out/", "in/")]
            assert given.shape[1] == old
            resized = resize_temporal_embedding(given, new)
            assert_close(resized, arrays[key], f"{name}: {key}")
