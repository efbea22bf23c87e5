"""CascadeFormer against the outputs of the official code."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close
from support import assert_within_rounding
from support import cases
from support import chain_skeleton
from support import documents
from support import gradient_errors
from support import gradients
from support import part
from support import relative_error

from keras_skeleton.applications import CascadeFormer
from keras_skeleton.applications import CascadeFormerPretext
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.weights import load_official
from keras_skeleton.weights import official_names
from keras_skeleton.weights.conversion import variables_of

EMBEDDINGS = {"1.0": "linear", "1.1": "convolution", "1.2": "transformer"}
# A gradient of the positions that a clip has, not of the whole table.
POSITIONS = "pos_embedding[:, :T]"


def arguments(config, frames, persons=1):
    """Arguments of the encoder from an official configuration."""
    joints = config["num_joints"]
    return {
        "input_shape": (persons, frames, joints, 3 if config["three_d"] else 2),
        "skeleton": chain_skeleton(joints),
        "frame_embedding": EMBEDDINGS[config["version"].split("-")[0]],
        "hidden_dim": config["d_model"],
        "num_layers": config.get("num_layers_T1", config.get("num_layers")),
        "num_heads": config["nhead"],
        "mlp_dim": config["dim_feedforward"],
        "position_initializer": (
            "zeros" if config["version"] == "1.0" else "truncated_normal"
        ),
    }


def by_file(arrays):
    """Tensors by the role of their file and their name."""
    return {name.replace("/", ".", 1): x for name, x in arrays.items()}


def to_ours(x, config):
    """Flat or not, (B, T, J * D), as clips of one person."""
    return x.reshape(len(x), 1, x.shape[1], config["num_joints"], -1)


def classifier(config, state, clips, **changes):
    is_ntu = "head.net.5.bias" in state
    options = {
        "num_positions": state["T1.pos_embedding"].shape[1],
        "cascade_layers": config["num_layers_T2"],
        "classes": config["num_classes"],
    }
    if is_ntu:
        options |= {"head": "cascade_mlp", "cross_attention": "feed_forward"}
    model = CascadeFormer(
        **arguments(config, clips.shape[2], clips.shape[1]),
        **{**options, **changes},
    )
    load_official(model, state)
    return model


def test_finetune(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("cascadeformer"), "finetune*.npz"
    ):
        out = part(arrays, "out/")
        state = by_file(part(arrays, "state/"))
        if "in/raw" in arrays:
            # (N, C, T, V, M) to (N, M, T, V, C).
            clips = arrays["in/raw"].transpose(0, 4, 2, 3, 1)
        else:
            clips = to_ours(arrays["in/x"], config)
        model = classifier(config, state, clips)
        if "in/raw" in arrays:
            seen = model.one_person(clips)
            assert_close(seen, out["x"], f"{name}: main person", 0)
        inner = keras.Model(
            model.input,
            {
                "x1": model.get_layer("features").output[:, 0, :, 0],
                "x2": model.get_layer("cross_attention").input[1],
                "fused": model.get_layer("cross_attention").output,
                "pooled": model.get_layer("head_pooled").output,
                "logits": model.output,
            },
        )
        for key, value in inner(clips).items():
            assert_close(value, out[key], f"{name}: {key}")
        four = classifier(config, state, clips, cross_attention_heads=4)
        expected = out["logits_cross_attn_4_heads"]
        assert_close(four(clips), expected, f"{name}: four heads")

        smoothing = SmoothedCrossentropy(config["label_smoothing"])

        def loss(model, inputs, smoothing=smoothing):
            logits = model(inputs["clips"], training=False)
            return smoothing(inputs["labels"], logits)

        labels = arrays["in/label"].astype("int32")
        inputs = {"clips": np.ascontiguousarray(clips), "labels": labels}
        assert_gradients(name, model, loss, inputs, arrays)


def assert_gradients(name, model, loss, inputs, arrays):
    """Compares the loss and its recorded gradients."""
    expected = by_file(part(arrays, "grad/"))
    positions = expected.pop(POSITIONS, None)

    def errors_of(inputs):
        value, found = gradients(model, loss, inputs)
        errors = gradient_errors(model, found, expected)
        loss_of_file = arrays["out/loss"]
        errors["loss"] = relative_error(np.array(value), loss_of_file, "loss")
        if positions is not None:
            table = found["frame_embedding/positions"]
            frames = positions.shape[1]
            assert not table[:, frames:].any()
            errors[POSITIONS] = relative_error(
                table[:, :frames], positions, POSITIONS
            )
        return {key: error / 1e-5 for key, error in errors.items()}

    assert_within_rounding(name, inputs, errors_of)


def pretext_model(config, clips, **changes):
    options = {"num_positions": config["max_positions"]}
    return CascadeFormerPretext(
        **arguments(config, clips.shape[2]),
        mask_ratio=config["mask_ratio"],
        **{**options, **changes},
    )


def fix_places(model, order):
    """Hides the places that come first in an order of all."""
    noise = np.argsort(order, axis=1).astype("float32")
    model.draw = lambda *_: ops.convert_to_tensor(noise)


def objective(model, clips):
    return model.objective(clips, None, False)[0]


def test_pretext(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("cascadeformer"), "t1_pretext*.npz"
    ):
        out, state = part(arrays, "out/"), part(arrays, "state/")
        clips = to_ours(arrays["in/x"], config)
        model = pretext_model(config, clips)
        load_official(model, state)
        fix_places(model, arrays["in/perm"])
        one = model.prepare(clips)
        mask, _ = model.hide(one)
        grid = out["mask"].shape
        assert_close(ops.reshape(mask, grid), out["mask"], f"{name}: mask", 0)
        assert out["mask"][0].sum() == config["num_masked"]
        hidden = model.masked(one, mask)
        shape = out["masked_inputs"].shape
        assert_close(
            ops.reshape(hidden, shape), out["masked_inputs"], f"{name}: in", 0
        )
        for key, mixing in (
            ("conv_masked", "joint_convolution"),
            ("spatial_masked", "joint_transformer"),
        ):
            if key in out:
                mixed = model.encoder.get_layer(mixing)(hidden)
                assert_close(mixed, out[key], f"{name}: {key}")
        tokens = model.encoder.embed(hidden)
        for i, block in enumerate(model.encoder.blocks):
            tokens = block(tokens)
            assert_close(tokens, out[f"layer{i}"], f"{name}: block {i}")
        recon = ops.reshape(model.reconstruct(hidden), shape)
        assert_close(recon, out["recon"], f"{name}: reconstruction")
        recon = ops.reshape(model.reconstruct(one), shape)
        assert_close(recon, out["recon_clean"], f"{name}: of a whole clip")
        tokens = model.encoder(clips)[:, 0, :, 0]
        assert_close(tokens, out["encode_clean"], f"{name}: encoder")
        assert_gradients(name, model, objective, clips, arrays)

        if "in/frame_perm" not in arrays:
            continue
        model = pretext_model(config, clips, hidden="frames")
        load_official(model, state)
        fix_places(model, arrays["in/frame_perm"])
        mask, _ = model.hide(one)
        frames = ops.reshape(mask, grid)
        expected = np.repeat(out["frame_mask"][..., None], grid[2], axis=2)
        assert_close(frames, expected, f"{name}: frames", 0)
        hidden = ops.reshape(model.masked(one, mask), shape)
        expected = out["frame_masked_inputs"]
        assert_close(hidden, expected, f"{name}: hidden frames", 0)
        loss = objective(model, clips)
        assert_close(loss, out["frame_loss"], f"{name}: loss of frames")


@pytest.mark.once
def test_manifests(fixtures_dir):
    for name, manifest in documents(
        fixtures_dir("cascadeformer"), "cascadeformer_*.manifest.json"
    ):
        config, shapes = manifest["config"], by_file(manifest["tensors"])
        tensors = {
            # Of no memory: hundreds of millions of numbers.
            key: np.broadcast_to(np.float32(0.5), shape)
            for key, shape in shapes.items()
        }
        clips = np.broadcast_to(np.float32(0), (1, 1, 8, 1, 1))
        model = classifier(config, tensors, clips)
        total = sum(int(np.prod(shape)) for shape in shapes.values())
        assert total == manifest["num_params"], name
        decoder = {key for key in shapes if "reconstruction_head" in key}
        check_manifest(name, model, shapes, set(shapes) - decoder)
        del model
        keras.backend.clear_session()
        first = {k[3:]: x for k, x in tensors.items() if k[:3] == "T1."}
        model = CascadeFormerPretext(
            **arguments(config, 8),
            num_positions=first["pos_embedding"].shape[1],
        )
        load_official(model, first)
        first = {key: x.shape for key, x in first.items()}
        check_manifest(name, model, first, set(first))
        keras.backend.clear_session()


def check_manifest(name, model, shapes, expected):
    """The model has exactly the expected tensors, each loaded."""
    assert set(official_names(model).values()) == expected, name
    variables = variables_of(model).values()
    for variable in variables:
        assert np.all(ops.convert_to_numpy(variable.value) == 0.5), name
    count = sum(int(np.prod(variable.shape)) for variable in variables)
    assert count == sum(int(np.prod(shapes[key])) for key in expected), name
