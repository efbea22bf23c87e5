"""HaLP and CMD against the outputs of the official code."""

import keras
import numpy as np
from keras import ops
from support import assert_close
from support import cases
from support import part

from keras_skeleton import evaluation
from keras_skeleton.applications import HaLP
from keras_skeleton.weights import load_official


def encoder_arguments(args, frames, persons=2, joints=25):
    """Arguments of the encoder from those of the official class."""
    coordinates, rest = divmod(args["en_input_size"], persons * joints)
    assert not rest
    return {
        "input_shape": (persons, frames, joints, coordinates),
        "skeleton": "ntu",
        "hidden_dim": args["en_hidden_size"],
        "num_layers": args["en_num_layers"],
    }


def clips_of(frames, shape):
    """Frames as vectors `(N, T, V*C*M)` to clips `(N, M, T, V, C)`."""
    persons, count, joints, coordinates = shape
    clips = frames.reshape(-1, count, joints, coordinates, persons)
    return np.ascontiguousarray(clips.transpose(0, 4, 1, 2, 3))


def test_encoder(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("halp"), "gru_forward*.npz"):
        x, out = arrays["in/x"], part(arrays, "out/")
        arguments = encoder_arguments(config["args"], x.shape[1])
        model = HaLP(**arguments, classes=config["args"]["num_class"])
        load_official(model, part(arrays, "state/"))
        clips = clips_of(x, arguments["input_shape"])
        layers = {
            "input_norm": "input_norm",
            "top_layer_steps": "gru",
            "hidden": "pooled",
            "logits": "predictions",
        }
        outputs = {
            key: model.get_layer(layer).output for key, layer in layers.items()
        }
        found = keras.Model(model.input, outputs)(clips)
        states = model.get_layer("gru").layer_states(found["input_norm"])
        # By layers and directions: (2 L, N, H).
        states = ops.stack(
            [unit for layer in states for unit in ops.split(layer, 2, axis=-1)]
        )
        found["state_after_first_step"] = states[:, :, 0]
        found["state_after_last_step"] = states[:, :, -1]
        assert found.keys() == out.keys()
        for key, value in out.items():
            assert_close(found[key], value, f"{name}: {key}")


def test_neighbor_votes(fixtures_dir):
    for name, _, arrays in cases(fixtures_dir("halp"), "knn*.npz"):
        train = arrays["in/train_features"], arrays["in/train_labels"]
        test, labels = arrays["in/test_features"], arrays["in/test_labels"]
        for key, predicted in part(arrays, "out/pred_k").items():
            found = evaluation.knn(*train, test, int(key))
            np.testing.assert_array_equal(found, predicted, f"{name}: {key}")
            accuracy = evaluation.knn_accuracy(*train, test, labels, int(key))
            share = arrays[f"out/acc_k{key}"]
            assert_close(np.array(accuracy / 100), share, f"{name}: {key}")
