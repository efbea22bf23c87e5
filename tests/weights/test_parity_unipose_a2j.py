"""A2J: its heads, and the names of all official tensors."""

import keras
import numpy as np
import pytest
from support import assert_close
from support import cases
from support import chain_skeleton
from support import documents
from support import part

from keras_skeleton import layers
from keras_skeleton import weights
from keras_skeleton.applications import A2J
from keras_skeleton.applications import a2j
from keras_skeleton.weights import a2j as table
from keras_skeleton.weights import conversion
from keras_skeleton.weights import tensor_names

SYSTEM = "unipose"


def test_heads(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir(SYSTEM), "a2j_heads*.npz"):
        settings = {"head_dim": config["feature_size"], "head_layers": 4}
        places = config["P_h"] or layers.anchors.PLACES
        across = config["P_w"] or layers.anchors.PLACES
        settings |= {"anchor_places": places, "anchor_column_places": across}
        rows, columns = config["shape"]
        joints = config["num_joints"]
        third, fourth = (
            keras.Input((rows, columns, config[f"in_channels_x{i}"]))
            for i in (3, 4)
        )
        heads = [
            a2j.anchor_head(x, head, joints, size, settings)
            for x, head, size in (
                (third, "weights", None),
                (fourth, "offsets", 2),
                (fourth, "depths", None),
            )
        ]
        votes = layers.AnchorVotes(
            rows, columns, config["stride"], places, column_places=across
        )(*heads)
        model = keras.Model([third, fourth], [*heads, votes])
        entries = [
            entry
            for ours, official in table.HEADS.items()
            for entry in table.head(official, ours, 4)
        ]
        state = part(arrays, "state/")
        assert {entry.official for entry in entries} == set(state)
        index = tensor_names.ExactTable(tuple(entries), {})
        variables = conversion.variables_of(model)
        converted = {}
        for path in variables:
            entry, official = index.find(path)
            array = state[official]
            converted[path] = entry.convert(array) if entry.convert else array
        conversion.assign(variables, converted)
        inputs = [
            np.ascontiguousarray(arrays[f"in/x{i}"].transpose(0, 2, 3, 1))
            for i in (3, 4)
        ]
        found = model(inputs, training=False)
        for value, key in zip(
            found,
            ("classification", "regression", "depth_regression"),
            strict=False,
        ):
            assert_close(value, arrays[f"out/{key}"], f"{name}: {key}")
        assert_close(found[3][..., :3], arrays["out/keypoints"], name)


@pytest.mark.once
def test_every_official_tensor_is_used(fixtures_dir):
    for _, document in documents(
        fixtures_dir(SYSTEM), "unipose_a2j*.manifest.json"
    ):
        config, shapes = document["config"], document["tensors"]
        joints = config["num_joints"]
        model = A2J(
            input_shape=(1, 32, 32, 1),
            skeleton="itop15" if joints == 15 else chain_skeleton(joints),
            head_dim=config["feature_size"],
            coordinates="crop",
        )
        tensors = {
            key: np.broadcast_to(np.float32(i), shape)
            for i, (key, shape) in enumerate(shapes.items())
        }
        weights.load_official(model, tensors)
        unused = sum(
            np.prod(shape)
            for key, shape in shapes.items()
            if key.startswith("Backbone.model.fc.")
        )
        counts = [int(np.prod(v.shape)) for v in model.trainable_variables]
        assert sum(counts) == document["num_params"] - unused
        # Each variable has the number of its own tensor.
        order = list(shapes)
        official = weights.official_names(model)
        for path, variable in conversion.variables_of(model).items():
            value = keras.ops.convert_to_numpy(variable.value)
            assert np.all(value == order.index(official[path])), path


@pytest.mark.once
def test_cards():
    for name in weights.names(system="a2j"):
        with pytest.raises(FileNotFoundError, match="drive.google.com"):
            A2J(name, hidden_dim=4, head_dim=8)
    entry = weights.get("a2j", "itop_side")
    assert "3.44405" in entry.notes
    with pytest.raises(ValueError, match="it has no tensor"):
        table.build(entry, {"other": np.ones(1)})
