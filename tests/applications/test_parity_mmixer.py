"""M-Mixer against an independent computation of the same reconstruction."""

import keras
import numpy as np
from keras import ops
from support import assert_close
from support import cases
from support import gradient_errors
from support import gradients
from support import joined_projections
from support import part

from keras_skeleton.applications import MMixer
from keras_skeleton.losses import JointCrossentropy
from keras_skeleton.weights import load_official
from keras_skeleton.weights import official_names


def build(config, arrays):
    names = config["modalities"]
    queries = arrays.get("state/cfem.0.query", [None])
    model = MMixer(
        input_shape=(1, arrays["in/features_0"].shape[1], 25, 3),
        modalities=dict(zip(names, config["feature_dims"], strict=True)),
        hidden_dim=config["hidden"],
        num_heads=config["heads"],
        num_queries=len(queries),
        content=config["content"],
        classes=config["num_classes"],
    )
    load_official(model, joined_projections(part(arrays, "state/")))
    features = {
        name: arrays[f"in/features_{i}"] for i, name in enumerate(names)
    }
    return model, features


def test_inference(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("mmixer"), "mmixer_*.npz"):
        model, features = build(config, arrays)
        units = [model.get_layer(f"unit_{x}") for x in config["modalities"]]
        graph = {"logits": model.output}
        for i, unit in enumerate(units):
            graph[f"hidden_{i}"] = unit.output
            graph[f"content_{i}"] = unit.input[1]
            if config["content"] == "cfem":
                complement = model.get_layer(
                    f"complement_{config['modalities'][i]}"
                )
                graph[f"memory_{i}"] = complement.input
        found = keras.Model(model.input, graph).predict_on_batch(features)
        for i, unit in enumerate(units):
            given = features[config["modalities"][i]], found[f"content_{i}"]
            found[f"mix_gate_{i}"] = unit.mix_gates(
                *map(ops.convert_to_tensor, given)
            )
            if f"memory_{i}" in found:
                complement = model.get_layer(
                    f"complement_{config['modalities'][i]}"
                )
                found[f"query_attention_{i}"] = complement.attention_weights(
                    ops.convert_to_tensor(found[f"memory_{i}"])
                )
        training = model.by_head()
        for i, modality in enumerate(config["modalities"]):
            head = training.get_layer(f"auxiliary_{modality}")
            head.kernel.assign(arrays[f"state/aux_head.{i}.weight"].T.copy())
            head.bias.assign(arrays[f"state/aux_head.{i}.bias"])
        scores = training.predict_on_batch(features)
        np.testing.assert_allclose(scores[:, 0], found["logits"], atol=1e-6)
        labels = arrays["in/one_hot"].argmax(axis=1)
        for i in range(len(units)):
            found[f"aux_logits_{i}"] = scores[:, 1 + i]
        for i in range(len(units) + 1):
            weights = np.eye(len(units) + 1)[i]
            loss = JointCrossentropy(weights)(labels, scores)
            key = "loss_aux" if i else "loss_fused"
            expected = np.array(arrays[f"out/{key}"])
            expected = expected[i - 1] if i else expected
            assert_close(loss, np.array(expected), f"{name}: {key} {i}")
        for key, expected in part(arrays, "out/").items():
            if not key.startswith("loss"):
                assert_close(found[key], expected, f"{name}: {key}")


def test_gradients(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("mmixer"), "mmixer_*.npz"):
        model, features = build(config, arrays)
        labels = arrays["in/one_hot"].argmax(axis=1)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        def objective(model, inputs, loss=loss, labels=labels):
            return loss(labels, model(inputs, training=False))

        value, slopes = gradients(model, objective, features)
        assert_close(np.array(value), arrays["out/loss_fused"], name)
        recorded = part(arrays, "grad/")
        for key in [key for key in recorded if ".attn." in key]:
            expected = recorded.pop(key)
            found = projection_gradient(model, slopes, key)
            assert_close(found, expected, f"{name}: {key}", 1e-4)
        for key, error in gradient_errors(model, slopes, recorded).items():
            assert error < 1e-4, f"{name}: {key}: {error}"


def projection_gradient(model, slopes, key):
    """A gradient in an attention, which holds query, key and value as one."""
    before, kind, what = key.rpartition(".attn.")[0], *key.split(".")[-2:]
    joined = {"q": 0, "k": 1, "v": 2}
    official = "qkv" if kind in joined else kind
    paths = {v: k for k, v in official_names(model).items()}
    slope = slopes[paths[f"{before}.attn.{official}.{what}"]].T
    if kind in joined:
        slope = np.split(slope, 3)[joined[kind]]
    return slope
