"""MAMP against the outputs of the official code."""

import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close
from support import assert_within_rounding
from support import cases
from support import documents
from support import gradient_errors
from support import gradients
from support import part
from transformers import encoder_arguments

from keras_skeleton import layers
from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.losses import SmoothedCrossentropy
from keras_skeleton.training import LayerwiseAdamW
from keras_skeleton.training import layerwise_scales
from keras_skeleton.training import warmup_cosine
from keras_skeleton.weights import load_official
from keras_skeleton.weights.conversion import official_names

# What the name of the loss of fine-tuning begins with; the smoothing follows.
LOSS = "loss_label_smoothing_"


def to_ours(x):
    """(N, C, T, V, M) to (N, M, T, V, C)."""
    return np.ascontiguousarray(x.transpose(0, 4, 2, 3, 1))


def fixed(uniform):
    """A replacement for a layer's draw that gives known numbers."""
    return lambda *_: ops.convert_to_tensor(uniform)


def assert_gradients(name, model, loss, inputs, expected, arrays):
    """Compares the loss and all gradients of one step."""

    def errors_of(inputs):
        load_official(model, part(arrays, "state/"))
        value, found = gradients(model, loss, inputs)
        assert_close(np.array(value), expected, f"{name}: loss")
        errors = gradient_errors(model, found, part(arrays, "grad/"))
        return {key: error / 1e-5 for key, error in errors.items()}

    assert_within_rounding(name, inputs, errors_of)


def test_finetune(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("mamp"), "mamp_finetune*.npz"
    ):
        out = part(arrays, "out/")
        clips = to_ours(arrays["in/x"])
        args = config["args"]

        def build(head_dropout_rate, clips=clips, config=config):
            args = config["args"]
            return MAMP(
                **encoder_arguments(args, clips.shape[1]),
                classes=args["num_classes"],
                head_dim=config["head_hidden"],
                head_dropout_rate=head_dropout_rate,
            )

        model = build(config["head_dropout"])
        load_official(model, part(arrays, "state/"))
        folded = clips.reshape(-1, *clips.shape[2:])
        embedded = model.get_layer("joint_embedding")(folded)
        grid = out["joints_embed"].shape
        assert_close(
            ops.reshape(embedded, grid),
            out["joints_embed"],
            f"{name}: joints_embed",
        )
        tokens = model.embed(folded)
        assert_close(tokens, out["tokens"], f"{name}: tokens")
        block = model.blocks[0]
        branch = block.attention(block.norm_1(tokens))
        assert_close(branch, out["block0_attn"], f"{name}: attention")
        after = tokens + branch
        branch = block.mlp(block.norm_2(after))
        assert_close(branch, out["block0_mlp"], f"{name}: MLP")
        assert_close(block(tokens), out["block0"], f"{name}: block 0")
        assert_close(model.encode(tokens), out["norm"], f"{name}: norm")

        inner = keras.Model(
            model.input,
            {
                "head_fc1": model.get_layer("head_hidden").output,
                "head_pooled": model.get_layer("head_hidden").input,
                "head_bn": model.get_layer("head_norm").output,
                "logits": model.output,
            },
        )
        for key, value in inner(clips).items():
            assert_close(value, out[key], f"{name}: {key}")

        labels = arrays["in/labels"]
        (key,) = (key for key in out if key.startswith(LOSS))
        smoothing = SmoothedCrossentropy(float(key[len(LOSS) :].split("_")[0]))

        def loss(model, inputs, smoothing=smoothing):
            logits = model(inputs["clips"], training=False)
            return smoothing(inputs["labels"], logits)

        inputs = {"clips": clips, "labels": labels}
        assert_gradients(name, model, loss, inputs, out[key], arrays)

        if "train_logits" not in out:
            continue
        model = build(0.0)
        load_official(model, part(arrays, "state/"))
        draws = iter(arrays["in/train_drop_path_uniform"])
        for block in model.blocks:
            if block.drop_path_rate > 0:
                block.drop_path_1.draw = fixed(next(draws))
                block.drop_path_2.draw = fixed(next(draws))
        assert next(draws, None) is None, f"{name}: draws left over"
        assert args["drop_path_rate"] == model.blocks[-1].drop_path_rate
        logits = model(clips, training=True)
        assert_close(logits, out["train_logits"], f"{name}: train logits")
        norm = model.get_layer("head_norm")
        assert_close(
            norm.moving_mean.value,
            out["train_running_mean_after"],
            f"{name}: running mean",
        )
        assert_close(
            norm.moving_variance.value,
            out["train_running_var_after"],
            f"{name}: running variance",
        )


def test_linear_probe(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("mamp"), "mamp_linprobe*.npz"
    ):
        out = part(arrays, "out/")
        clips = to_ours(arrays["in/x"])
        args = config["args"]
        model = MAMP(
            **encoder_arguments(args, clips.shape[1]),
            classes=args["num_classes"],
            head="linear",
        )
        load_official(model, part(arrays, "state/"))
        inner = keras.Model(
            model.input,
            {
                "pooled": model.get_layer("pooled").output,
                "norm": model.get_layer("norm").output,
                "logits": model.output,
            },
        )
        for key, value in inner(clips).items():
            assert_close(value, out[key], f"{name}: {key}")
        crossentropy = keras.losses.SparseCategoricalCrossentropy(
            from_logits=True
        )

        encoder = keras.Model(model.input, model.get_layer("pooled").output)

        def train_logits(model, clips, encoder=encoder):
            """The encoder stays in inference mode, the head trains."""
            x = encoder(clips, training=False)
            x = model.get_layer("head_norm")(x, training=True)
            return model.get_layer("predictions")(x)

        def loss(model, inputs, logits=train_logits, loss=crossentropy):
            return loss(inputs["labels"], logits(model, inputs["clips"]))

        inputs = {"clips": clips, "labels": arrays["in/labels"]}
        expected = out["train_loss"]
        assert_gradients(name, model, loss, inputs, expected, arrays)
        norm = model.get_layer("head_norm")
        assert_close(
            norm.moving_mean.value,
            out["train_running_mean_after"],
            f"{name}: running mean",
        )
        assert_close(
            norm.moving_variance.value,
            out["train_running_var_after"],
            f"{name}: running variance",
        )
        load_official(model, part(arrays, "state/"))
        logits = train_logits(model, clips)
        assert_close(logits, out["train_logits"], f"{name}: train logits")


def pretext_model(config, clips, **changes):
    args, forward = config["args"], config["forward"]
    baseline = "motion_aware_tau" not in forward
    return MAMPPretext(
        **encoder_arguments(args, clips.shape[1]),
        **{
            "decoder_dim": args["decoder_dim_feat"],
            "decoder_layers": args["decoder_depth"],
            "normalize_target": args["norm_skes_loss"],
            "mask_ratio": forward["mask_ratio"],
            "masking_temperature": forward.get("motion_aware_tau", 0.0),
            "motion_stride": forward.get("motion_stride", 1),
            "target": "joints" if baseline else "motion",
            **changes,
        },
    )


def test_pretext(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("mamp"), "mamp_pretext*.npz", "mae_pretext*.npz"
    ):
        out = part(arrays, "out/")
        clips = to_ours(arrays["in/x"])
        model = pretext_model(config, clips)
        load_official(model, part(arrays, "state/"))
        model.masking.draw = fixed(arrays["in/rand_uniform"])

        folded = clips.reshape(-1, *clips.shape[2:])
        segments = folded.shape[1] // config["args"]["t_patch_size"]
        patches = layers.patchify(
            folded, config["args"]["t_patch_size"], config["args"]["patch_size"]
        )
        patches = ops.reshape(
            patches, (len(folded), segments, -1, patches.shape[-1])
        )
        assert_masking(name, model.masking, patches, out)
        kept, _ = model.masking(patches)
        tokens = layers.gather_tokens(model.encoder.embed(folded), kept)
        latent = model.encoder.encode(tokens)
        assert_close(latent, out["latent"], f"{name}: latent")
        outputs = model(clips)
        assert_close(outputs["prediction"], out["pred"], f"{name}: prediction")
        assert_close(outputs["target"], out["target"], f"{name}: target")
        raw = pretext_model(config, clips, normalize_target=False)
        assert_close(
            raw.make_target(folded), out["target_raw"], f"{name}: raw target"
        )

        training = config["mode"] != "eval"

        def loss(model, inputs, training=training):
            return model.objective(inputs, None, training)[0]

        assert_gradients(name, model, loss, clips, out["loss"], arrays)


def assert_masking(name, masking, patches, out, suffix=""):
    noise = masking.noise(patches)
    assert_close(noise, out[f"noise{suffix}"], f"{name}: noise")
    if f"intensity_scaled{suffix}" in out:
        intensity = masking.scaled_intensity(patches)
        assert_close(
            intensity, out[f"intensity_scaled{suffix}"], f"{name}: intensity"
        )
        assert_close(
            ops.softmax(intensity), out[f"prob{suffix}"], f"{name}: probability"
        )
    kept, mask = masking(patches)
    kept = ops.convert_to_numpy(kept)
    np.testing.assert_array_equal(kept, out[f"ids_keep{suffix}"])
    np.testing.assert_array_equal(
        ops.convert_to_numpy(mask), out[f"mask{suffix}"]
    )
    order = np.argsort(ops.convert_to_numpy(noise), axis=1, kind="stable")
    np.testing.assert_array_equal(
        np.argsort(order, axis=1), out[f"ids_restore{suffix}"]
    )


def test_masking(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("mamp"), "mamp_masking*.npz"
    ):
        out = part(arrays, "out/")
        sequence = arrays["in/sequence"]
        patches = layers.patchify(
            sequence, config["t_patch_size"], config["patch_size"]
        )
        assert_close(patches, out["patchified"], f"{name}: patches")
        segments = sequence.shape[1] // config["t_patch_size"]
        patches = ops.reshape(
            patches, (len(sequence), segments, -1, patches.shape[-1])
        )
        for combo in config["combos"]:
            i = combo["case"]
            masking = layers.MotionAwareMasking(
                combo["mask_ratio"], combo["tau"]
            )
            masking.draw = fixed(arrays[f"in/rand_uniform_{i}"])
            assert_masking(f"{name} {i}", masking, patches, out, f"_{i}")
            kept, _ = masking(patches)
            assert kept.shape[1] == combo["len_keep"]
            tokens = layers.gather_tokens(
                ops.convert_to_tensor(arrays["in/tokens"]), kept
            )
            assert_close(tokens, out[f"tokens_masked_{i}"], f"{name} {i}")


def test_drop_path(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("mamp"), "mamp_droppath*.npz"
    ):
        layer = layers.DropPath(config["drop_prob"])
        layer.draw = fixed(arrays["in/drop_path_uniform"])
        outputs = layer(arrays["in/drop_path_x"], training=True)
        assert_close(outputs, arrays["out/drop_path_y"], name)


@pytest.mark.once
def test_layerwise_decay_groups(fixtures_dir):
    for _, document in documents(
        fixtures_dir("mamp"), "mamp_lr_decay_groups*.json"
    ):
        config = document["config"]
        model = MAMP(
            **encoder_arguments(config, persons=1),
            classes=config["num_classes"],
            head="finetune" if config["protocol"] == "finetune" else "linear",
        )
        optimizer = LayerwiseAdamW(
            weight_decay=config["weight_decay"],
            scales=layerwise_scales(model, config["layer_decay"]),
        )
        assert_groups(optimizer, model, document["parameters"])


@pytest.mark.once
def test_pretraining_weight_decay_groups(fixtures_dir):
    for _, document in documents(
        fixtures_dir("mamp"), "mamp_pretrain_weight_decay_groups*.json"
    ):
        config = document["config"]
        model = MAMPPretext(
            **encoder_arguments(config, persons=1),
            decoder_dim=config["decoder_dim_feat"],
            decoder_layers=config["decoder_depth"],
        )
        optimizer = LayerwiseAdamW(weight_decay=config["weight_decay"])
        assert_groups(optimizer, model, document["parameters"])


def assert_groups(optimizer, model, expected):
    names = official_names(model)
    seen = set()
    for variable in model.trainable_variables:
        scale, decay = optimizer.settings_of(variable)
        group = expected[names[variable.path]]
        assert scale == pytest.approx(group.get("lr_scale", 1.0)), variable.path
        assert decay == pytest.approx(group["weight_decay"]), variable.path
        seen.add(names[variable.path])
    assert seen == set(expected)


@pytest.mark.once
def test_schedule(fixtures_dir):
    steps = 1000
    for _, document in documents(
        fixtures_dir("mamp"), "mamp_lr_schedule*.json"
    ):
        for recipe in document:
            schedule = warmup_cosine(
                recipe["lr"],
                recipe["min_lr"],
                warmup_steps=recipe["warmup_epochs"] * steps,
                total_steps=recipe["epochs"] * steps,
            )
            for point in recipe["points"]:
                step = round(point["epoch"] * steps)
                rate = float(ops.convert_to_numpy(schedule(step)))
                assert rate == pytest.approx(
                    point["lr"], abs=1e-6 * recipe["lr"]
                )
