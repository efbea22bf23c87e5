"""STARS against the outputs of the official code."""

import functools

import keras
import numpy as np
import pytest
from contrasting import OneBatch
from contrasting import assert_tensors
from contrasting import recorded
from graph_networks import load_random_tensors
from graph_networks import to_ours
from keras import ops
from support import GradientRecorder
from support import assert_close
from support import assert_within_rounding
from support import cases
from support import documents
from support import gradient_errors
from support import gradients
from support import part
from transformers import encoder_arguments

from keras_skeleton import evaluation
from keras_skeleton import weights
from keras_skeleton.applications import STARS
from keras_skeleton.applications import STARSDINO
from keras_skeleton.applications import STARSMoCo
from keras_skeleton.applications import STARSPretext
from keras_skeleton.training import LayerwiseAdamW
from keras_skeleton.training import NeighborQueue
from keras_skeleton.training import koleo
from keras_skeleton.training import layerwise_scales
from keras_skeleton.weights import load_official
from keras_skeleton.weights import stars as stars_weights
from keras_skeleton.weights.conversion import official_names
from keras_skeleton.weights.conversion import variables_of
from keras_skeleton.weights.stars import STUDENT
from keras_skeleton.weights.stars import TEACHER


def build(cls, args, persons, **arguments):
    """A model all tensors of which are trained, as in the fixtures."""
    if args.get("topk"):
        arguments["num_candidates"] = args["topk"]
    model = cls(
        **encoder_arguments(args, persons),
        predictor_dim=args["predictor_hidden_dim"],
        queue_size=args["queue_size"],
        temperature=args["Temperature"],
        **arguments,
    )
    model.release()
    return model


def test_nnclr_inference(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("stars"), "stars_nnclr*.npz"
    ):
        out = part(arrays, "out/eval_")
        clips, ids = to_ours(arrays["in/seq_q"]), arrays["in/ids"]
        model = build(STARSPretext, config["args"], clips.shape[1])
        load_official(model, part(arrays, "state/"))
        folded = clips.reshape(-1, *clips.shape[2:])
        tokens = model.encoder.encode(model.encoder.embed(folded))
        assert_close(tokens, out["encoder_norm_tokens"], f"{name}: tokens")
        found = model(clips)
        project = model.head.project(found["features"])
        for key, value in {
            "pooled": found["features"],
            "project": project,
            "predict": model.head.predict(project),
            "project_normalised": found["projection"],
            "predict_normalised": found["prediction"],
        }.items():
            assert_close(value, out[key], f"{name}: {key}")
        similarity = model.queue.similarity(found["projection"], ids)
        assert_close(similarity, out["similarity"], f"{name}: similarity")
        np.testing.assert_array_equal(
            ops.convert_to_numpy(ops.argmax(similarity, axis=1)),
            out["nn_index"],
        )
        neighbors = model.queue.neighbors(found["projection"], ids)
        assert_close(ops.transpose(neighbors), out["nn"], f"{name}: neighbours")
        loss = model.contrast(found["projection"], found["prediction"], ids)
        assert_close(loss, out["loss_self"], f"{name}: loss")


def test_nnclr_step(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("stars"), "stars_nnclr*.npz"
    ):
        state, out = part(arrays, "state/"), part(arrays, "out/")
        inputs = {
            "q": to_ours(arrays["in/seq_q"]),
            "k": to_ours(arrays["in/seq_k"]),
        }
        ids = arrays["in/ids"].astype("int32")
        model = build(STARSPretext, config["args"], inputs["q"].shape[1])
        load_official(model, state)
        projections = {}
        for i, clips in enumerate(inputs.values()):
            features = model.encoder(clips, training=True)
            projections[i], prediction = model.embed(features, training=True)
            for key, value in (
                ("project", projections[i]),
                ("predict", prediction),
            ):
                assert_close(value, out[f"train_{key}{i}"], f"{name}: {key}{i}")
            neighbors = model.queue.neighbors(projections[i], ids)
            assert_close(
                ops.transpose(neighbors), out[f"train_nn{i}"], f"{name}: nn{i}"
            )

        model.compile(
            GradientRecorder(learning_rate=1.0, clipnorm=config["clip_grad"])
        )
        errors_of = functools.partial(step_errors, name, model, config, arrays)
        assert_within_rounding(name, inputs, errors_of)
        assert_tensors(
            name,
            model,
            {
                f"{STUDENT}{key}": array
                for key, array in part(out, "train_buffer_after/").items()
            }
            | {
                key: out[f"{key}_after"]
                for key in ("queue", "queue_ptr", "queue_id")
            },
        )
        losses = out["train_loss0"], out["train_loss1"]
        assert_close(np.mean(losses), out["train_loss"], name)


def step_errors(name, model, config, arrays, inputs):
    """Errors of clipped gradients relative to what is allowed."""
    load_official(model, part(arrays, "state/"))
    batch = {
        "clips": (inputs["q"], inputs["k"]),
        "sample": arrays["in/ids"].astype("int32"),
    }
    loss = model.fit(OneBatch(batch), verbose=0).history["loss"][0]
    assert_close(np.array(loss), arrays["out/train_loss"], f"{name}: loss")
    found, names = recorded(model), official_names(model)
    norms = {
        f"{STUDENT}{key}": pair
        for key, pair in config["grad_norm_and_clip_factor"].items()
    }
    assert {names[path] for path in found} == set(norms)
    for path, gradient in found.items():
        norm, factor = norms[names[path]]
        assert np.linalg.norm(gradient) == pytest.approx(
            norm * factor, rel=1e-4, abs=1e-4
        ), names[path]
    expected = {
        key: gradient * norms[key][1]
        for key, gradient in part(arrays, "grad/").items()
    }
    errors = gradient_errors(model, found, expected)
    # The batch normalization after it takes away what the last layer's scale
    # does: terms of the order of 1 cancel to a gradient of 1e-3, which holds
    # what float32 leaves of them. In float64 the recorded one is 5e-4 off.
    return {
        key: error * min(1.0, np.abs(expected[key]).max() / 1e-2) / 1e-4
        for key, error in errors.items()
    }


def test_queue(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("stars"), "stars_queue*.npz"
    ):
        projections, ids = arrays["in/project"], arrays["in/ids"]
        for count, key in ((1, "nn_max"), (config["topk"], "nn_topk")):
            queue = NeighborQueue(config["K"], projections.shape[1], count)
            stored = {variable.name: variable for variable in queue.weights}
            stored["features"].assign(arrays["in/queue"].T)
            stored["sample"].assign(arrays["in/queue_id"])
            stored["position"].assign(arrays["in/queue_ptr"][0])
            queue.draw = lambda _, dice=arrays["in/dice"]: dice
            assert_close(
                queue.similarity(projections, ids),
                arrays["out/similarity"],
                f"{name}: similarity",
            )
            neighbors = queue.neighbors(projections, ids)
            assert_close(ops.transpose(neighbors), arrays[f"out/{key}"], name)
        queue.push(projections, sample=ids)
        assert_close(
            ops.transpose(queue.vectors()), arrays["out/queue_after"], name
        )
        for key, value in (
            ("queue_ptr", ops.reshape(queue.position.value, (1,))),
            ("queue_id", queue.column("sample")),
        ):
            np.testing.assert_array_equal(
                ops.convert_to_numpy(value), arrays[f"out/{key}_after"]
            )


def test_neighbor_votes(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("stars"), "stars_knn*.npz"):
        train = arrays["in/features_train"], arrays["in/labels_train"]
        test, labels = arrays["in/features_test"], arrays["in/labels_test"]
        temperature = config["weighted_temperature"]
        for ks, key, accuracies, arguments in (
            (config["ks"], "knn", config["accuracy"], {}),
            (
                config["weighted_ks"],
                "weighted",
                config["weighted_accuracy"],
                {"temperature": temperature},
            ),
        ):
            for k in ks:
                predicted = evaluation.knn(*train, test, k, **arguments)
                np.testing.assert_array_equal(
                    predicted, arrays[f"out/{key}_pred_{k}"], f"{name} {k}"
                )
                accuracy = evaluation.knn_accuracy(
                    *train, test, labels, k, **arguments
                )
                assert accuracy == pytest.approx(100 * accuracies[str(k)])


def test_moco_step(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("stars"), "stars_moco*.npz"):
        args, out = config["args"], part(arrays, "out/")
        inputs = {
            "q": to_ours(arrays["in/seq_q"]),
            "k": to_ours(arrays["in/seq_k"]),
        }
        persons = inputs["q"].shape[1]
        model = build(STARSMoCo, args, persons, momentum=args["momentum"])
        load_official(model, part(arrays, "state/"))
        query = model.queries["joint"](inputs["q"], training=True)
        negatives = ops.matmul(
            query, ops.transpose(model.queues["joint"].vectors())
        )
        assert_close(
            negatives / model.temperature, out["logits"][:, 1:], f"{name}: q"
        )
        model.compile(GradientRecorder(learning_rate=1.0))

        def errors_of(inputs, model=model, arrays=arrays, name=name):
            load_official(model, part(arrays, "state/"))
            batch = OneBatch((inputs["q"], inputs["k"]))
            loss = model.fit(batch, verbose=0).history["loss"][0]
            assert_close(np.array(loss), arrays["out/loss"], f"{name}: loss")
            expected = part(arrays, "grad/")
            errors = gradient_errors(model, recorded(model), expected)
            return {key: error / 1e-4 for key, error in errors.items()}

        assert_within_rounding(name, inputs, errors_of)
        teacher = part(out, "teacher_after/").items()
        assert_tensors(
            name,
            model,
            {f"{TEACHER}{key}": array for key, array in teacher}
            | {
                "queue": out["queue_after"],
                "queue_ptr": out["queue_ptr_after"],
            },
        )


@pytest.mark.parametrize(
    ("centering", "official"),
    [("sinkhorn", "sinkhorn_knopp"), ("mean", "centering"), (None, "none")],
)
def test_dino_loss(fixtures_dir, centering, official):
    for name, config, arrays in cases(fixtures_dir("stars"), "stars_dino*.npz"):
        student, teacher = arrays["in/student"], arrays["in/teacher"]
        temperatures = config["temps"]
        # The published teacher may begin colder or warmer, for some epochs.
        rising = np.linspace(
            temperatures["warm"],
            temperatures["teacher"],
            temperatures["warm_epochs"],
        )
        epoch = config["epoch"]
        teacher_temperature = (
            rising[epoch] if epoch < len(rising) else temperatures["teacher"]
        )
        dim = student.shape[1]
        model = STARSDINO(
            **STARSDINO.tiny | {"output_dim": dim},
            centering=centering,
            student_temperature=temperatures["student"],
            teacher_temperature=float(teacher_temperature),
        )
        center = 0.01 * np.arange(dim, dtype="float32")
        model.center.assign(center)
        targets = model.targets(ops.convert_to_tensor(teacher))
        entropy = -np.mean(
            np.sum(ops.convert_to_numpy(targets * ops.log(targets)), axis=1)
        )
        assert_close(entropy, arrays[f"out/entropy_{official}"], name)

        # A network whose outputs are its weights.
        table = keras.Sequential(
            [keras.Input((len(student),)), keras.layers.Dense(dim, None, False)]
        )
        table.set_weights([student])

        def loss(table, rows, model=model, teacher=teacher):
            targets = model.targets(ops.convert_to_tensor(teacher))
            return model.distill(table(rows), targets)

        rows = np.eye(len(student), dtype="float32")
        value, found = gradients(table, loss, rows)
        assert_close(np.array(value), arrays[f"out/loss_{official}"], name)
        assert_close(
            np.array(value) - entropy, arrays[f"out/kl_{official}"], name
        )
        (gradient,) = found.values()
        assert_close(gradient, arrays[f"grad/student_{official}"], name)

        assert_close(
            koleo(student[: len(student) // 2]), arrays["out/koleo"], name
        )
        model.after_step(ops.convert_to_tensor(teacher))
        after = arrays[f"out/center_after_{official}"][0]
        if centering == "mean":
            # The published code adds the sum over the batch, not its mean.
            after = 0.9 * center + (after - 0.9 * center) / len(teacher)
        assert_close(model.center.value, after, f"{name}: centre")


@pytest.mark.once
def test_tuning_groups(fixtures_dir):
    for name, document in documents(
        fixtures_dir("stars"), "stars_tuning_groups*.json"
    ):
        config = document["config"]
        blocks = None if config["third_stage"] else 0
        model = STARSPretext(
            **STARS.tiny | {"num_layers": config["depth"]},
            tuned_blocks=config["depth"] if config["fully_tune"] else blocks,
            predictor_dim=8,
            queue_size=8,
        )
        optimizer = LayerwiseAdamW(
            config["base_lr"],
            weight_decay=0.01,
            decay_vectors=True,
            scales=layerwise_scales(model.encoder, config["layer_decay"]),
        )
        names = official_names(model)
        found = {}
        for variable in model.trainable_variables:
            scale, decay = optimizer.settings_of(variable)
            official = names[variable.path].removeprefix(STUDENT)
            found[official] = config["base_lr"] * scale
            assert decay == 0.01
        expected = {
            official: group["lr"]
            for official, group in document["parameters"].items()
            if group["trained"]
        }
        assert found == pytest.approx(expected), name


@pytest.mark.once
def test_manifests(fixtures_dir):
    for name, manifest in documents(
        fixtures_dir("stars"), "stars_*.manifest.json"
    ):
        shapes = manifest["tensors"]
        # What the card of the registered weights makes of such a file.
        entry = weights.get("stars", "ntu60")
        random = {key: np.zeros(shape, "int8") for key, shape in shapes.items()}
        model = stars_weights.build(entry, random)
        assert isinstance(model, STARSPretext)
        arguments = encoder_arguments(manifest["config"], 2)
        assert (
            arguments.items()
            >= {
                key: value
                for key, value in entry.configuration.items()
                if key != "skeleton"
            }.items()
        )
        model.release()
        count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
        assert count == manifest["num_params"], name
        tensors, _ = load_random_tensors(model, shapes, name)
        encoder = STARS(**entry.configuration)
        load_official(encoder, tensors)
        tuned = variables_of(model)
        for path, variable in variables_of(encoder).items():
            np.testing.assert_array_equal(
                ops.convert_to_numpy(variable.value),
                ops.convert_to_numpy(tuned[path].value),
            )
        keras.backend.clear_session()
