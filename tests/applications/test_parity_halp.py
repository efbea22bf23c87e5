"""HaLP and CMD against the outputs of the official code."""

import dataclasses

import keras
import numpy as np
import pytest
from contrasting import assert_pretext_step
from graph_networks import to_ours
from keras import ops
from support import assert_close
from support import cases
from support import chain_skeleton
from support import documents
from support import gradients
from support import part

from keras_skeleton import evaluation
from keras_skeleton import weights
from keras_skeleton.applications import HaLP
from keras_skeleton.applications import HaLPPretext
from keras_skeleton.applications.halp import STREAMS
from keras_skeleton.training import FeatureQueue
from keras_skeleton.training import hallucination
from keras_skeleton.training.prototypes import spherical_kmeans
from keras_skeleton.weights import halp as halp_weights
from keras_skeleton.weights import load_official

# Our names of the streams by the official ones, in the official order.
OFFICIAL_STREAMS = {"joint": "joint", "motion": "joint_motion", "bone": "bone"}


def encoder_arguments(args, frames, persons=2, joints=25):
    """Arguments of the encoder from those of the official class."""
    width = args["en_input_size"]
    coordinates, rest = divmod(width, persons * joints)
    if rest:
        # To the network a frame is a vector: as good as that many joints.
        persons, joints, coordinates = 1, width, 1
    return {
        "input_shape": (persons, frames, joints, coordinates),
        "skeleton": chain_skeleton(joints),
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


def test_streams(fixtures_dir):
    for name, _, arrays in cases(fixtures_dir("halp"), "augmentations*.npz"):
        # The clip of which the official streams are made.
        clips = to_ours(arrays["out/temporal_cropresize/y"][None])
        arguments = {**HaLPPretext.tiny, "input_shape": clips.shape[1:]}
        model = HaLPPretext(**{**arguments, "skeleton": "ntu"}, streams=STREAMS)
        encoder = model.encoder
        frames = keras.Model(encoder.input, encoder.get_layer("frames").output)
        streams = model.streams_of(clips)
        for official, stream in OFFICIAL_STREAMS.items():
            expected = arrays[f"out/encoder_input_{official}"]
            assert_close(frames(streams[stream]), expected, f"{name}: {stream}")


def halp_arguments(config):
    """Arguments of the pretext model that concern hallucinated positives."""
    own = config.get("halp_args")
    if own is None:
        return {"hallucination_weight": 0.0}
    margin = float(own["lambda_pos"])
    several = "modality_to_use" not in config["args"]
    return {
        "hallucination_weight": own["pn1_weight" if several else "mu"],
        "num_positives": own["num_positives"],
        "num_prototypes": own["num_prototypes"],
        "num_clustered": own["queue_els_for_prototypes"],
        "num_candidates": own["num_closest_to_ignore_positives"],
        "num_skipped": own["skip_closest_positives"],
        "margin": None if margin == 1000 else margin,
    }


def build_pretext(config, shape=(2, 64, 25, 3)):
    args = config["args"]
    persons, frames, joints, _ = shape
    return HaLPPretext(
        **encoder_arguments(args["args_bi_gru"], frames, persons, joints),
        streams=[OFFICIAL_STREAMS[args["modality_to_use"]]]
        if "modality_to_use" in args
        else STREAMS,
        embedding_dim=args["dim"],
        queue_size=args["K"],
        momentum=args["m"],
        temperature=args["T"],
        warmup=0,
        distillation_weight=args["cmd_weight"],
        num_distilled=args["topk"],
        teacher_temperature=args["teacher_T"],
        student_temperature=args["student_T"],
        **halp_arguments(config),
    )


def draws_of(arrays, i):
    columns = arrays[f"in/draw_index_{i}"]
    shares = arrays[f"in/draw_uniform_{i}"].reshape(columns.shape)
    return columns, ops.convert_to_tensor(shares)


def replay(model, arrays):
    """Makes a model use the draws and the prototypes of a fixture."""
    draws = {}
    for i, stream in enumerate(model.prototypes):
        columns, shares = draws_of(arrays, i)
        draws[stream] = columns, None if model.margin is None else shares
        model.prototypes[stream].begin = lambda vectors, is_due: None
    model.draw = lambda stream, count: draws[stream]


class Parts(keras.Model):
    """What a step computes on the way to its loss, in one call."""

    def __init__(self, model, training):
        super().__init__()
        self.model = model
        self.in_training = training
        # Nothing to build: Keras would run everything eagerly to find out.
        self.built = True

    def call(self, views):
        return parts_of(self.model, views, self.in_training)


def parts_of(model, views, training):
    """What a step computes on the way to its loss, by official names."""
    found = {}
    queries, keys = {}, {}
    clips = {view: model.streams_of(x) for view, x in views.items()}
    several = len(model.streams) > 1
    for official, stream in OFFICIAL_STREAMS.items():
        if stream not in model.streams:
            continue
        end = f"_{official}" if several and official != "joint" else ""
        branches = model.queries[stream], model.keys[stream]
        for branch, view, letter, embeddings in (
            (branches[0], "query", "q", queries),
            (branches[1], "key", "k", keys),
        ):
            features = branch.encoder(clips[view][stream], training=training)
            found[f"encoder_{letter}{end}_raw"] = branch.projector(features)
            embeddings[stream] = branch.project(features)
        queue = model.queues[stream].vectors()
        query, key = queries[stream], keys[stream]
        found[f"logits{end}"] = model.similarities(query, key, queue)
        contrast = model.contrast(query, key, queue)
        found[f"loss_{official}" if several else "loss_ce"] = contrast
        if model.prototypes:
            end = f"_{official}" if several else ""
            found |= {
                f"{key}{end}": value
                for key, value in positives_of(model, stream, key).items()
            }
    queues = {s: queue.vectors() for s, queue in model.queues.items()}
    total = model.hallucination_weight * model.hallucinate(queries, keys)
    found["loss_halp_weighted" if several else "loss_halp_times_mu"] = total
    total = model.distillation_weight * model.distill(queries, keys, queues)
    found["loss_cmd_weighted"] = total
    return found


def assert_parts(name, model, views, arrays, training):
    """Compares what a step computes on the way to its loss."""
    out = part(arrays, "out/")
    parts = Parts(model, training)
    # On JAX, loops are compiled anew in every eager call.
    parts.compile(run_eagerly=keras.backend.backend() != "jax")
    found = parts.predict_on_batch(views)
    places = ("queue", "key_after/", "state_after/", "labels")
    compared = {
        key for key in out if not key.startswith(places) and key != "loss"
    }
    assert compared <= found.keys(), f"{name}: values not compared"
    for key in compared:
        if out[key].dtype.kind == "i":
            np.testing.assert_array_equal(
                found[key], out[key], f"{name}: {key}"
            )
        else:
            assert_close(found[key], out[key], f"{name}: {key}")


def positives_of(model, stream, keys):
    """What `make_positives` computes, by official names."""
    columns, shares = model.draw(stream, ops.shape(keys)[0])
    return positives_by_parts(
        keys,
        model.prototypes[stream].centers(),
        columns,
        shares,
        model.num_candidates,
        model.num_skipped,
    )


def positives_by_parts(keys, prototypes, columns, shares, *numbers):
    similarity = ops.matmul(keys, ops.transpose(prototypes))
    nearest, chosen = hallucination.choose_prototypes(
        similarity, columns, *numbers
    )
    towards = ops.take(prototypes, chosen, axis=0)
    angle, boundary = hallucination.find_boundary(
        keys, ops.take(prototypes, nearest, axis=0), towards
    )
    share = boundary - 0.01 if shares is None else (1 - shares) * boundary
    positives, is_kept = hallucination.make_positives(
        keys, prototypes, columns, shares, *numbers
    )
    return {
        "similarity": similarity,
        "nearest_prototype": nearest,
        "selected_index": chosen,
        "selected_prototypes": towards,
        "omega": angle,
        "t_max": boundary,
        "t": share,
        "positives_prenorm": hallucination.point_on_arc(
            keys, towards, angle, share
        ),
        "positives": positives,
        "good_mask": ops.cast(is_kept, "int32"),
        "num_good": ops.sum(ops.cast(is_kept, "int32")),
    }


def test_pretext(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("halp"), "baseline_loss*.npz", "halp_loss*.npz", "mm_*.npz"
    ):
        views = {
            "query": to_ours(arrays["in/im_q"]),
            "key": to_ours(arrays["in/im_k"]),
        }
        model = build_pretext(config, views["key"].shape[1:])
        replay(model, arrays)
        assert_pretext_step(name, model, config, arrays, views)
        load_official(model, part(arrays, "state/"))
        model.before_step()
        assert_parts(name, model, views, arrays, config["mode"] == "train")


def test_positives(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("halp"), "generator*.npz"):
        inputs, out = part(arrays, "in/"), part(arrays, "out/")
        columns, shares = draws_of(arrays, 0)
        settings = halp_arguments(
            {"args": {"modality_to_use": "joint"}, **_with_defaults(config)}
        )
        given = (
            ops.convert_to_tensor(inputs["anchor"]),
            ops.convert_to_tensor(inputs["prototypes"]),
            columns,
            None if settings["margin"] is None else shares,
            settings["num_candidates"],
            settings["num_skipped"],
        )
        found = positives_by_parts(*given)
        assert out.keys() - {"loss"} <= found.keys()
        for key, expected in out.items():
            if expected.dtype.kind == "i":
                value = ops.convert_to_numpy(found[key])
                np.testing.assert_array_equal(value, expected, f"{name}: {key}")
            elif key != "loss":
                assert_close(found[key], expected, f"{name}: {key}")

        # A network whose outputs are its weights.
        rows = np.eye(len(columns), dtype="float32")
        table = keras.Sequential(
            [
                keras.Input((len(columns),)),
                keras.layers.Dense(inputs["query"].shape[1], use_bias=False),
            ]
        )
        table.set_weights([inputs["query"]])

        weight = settings["hallucination_weight"]

        def loss(table, rows, given=given, temperature=config["T"], mu=weight):
            positives, is_kept = hallucination.make_positives(*given)
            pulled = hallucination.pull(
                table(rows), positives, is_kept, temperature
            )
            return mu * pulled

        value, gradient = gradients(table, loss, rows)
        assert_close(np.array(value), out["loss"], f"{name}: loss")
        (gradient,) = gradient.values()
        assert_close(gradient, arrays["grad/query"], f"{name}: gradient")


def _with_defaults(config):
    """The configuration of a generator with settings it does not know."""
    own = {"num_prototypes": 0, "queue_els_for_prototypes": 0}
    return {"halp_args": own | config["halp_args"]}


def test_prototypes(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("halp"), "prototypes_kmeans*.npz"
    ):
        inputs, out = part(arrays, "in/"), part(arrays, "out/")
        count = config["queue_els_for_prototypes"]
        dim, size = inputs["queue"].shape
        queue = FeatureQueue(size, dim)
        queue.features.assign(inputs["queue"].T)
        queue.position.assign(int(inputs["queue_ptr"]))
        rows = inputs["queue"].T[out["queue_rows_used"]]
        assert_close(queue.newest(count), rows, f"{name}: rows", 0)
        assert_close(queue.newest(count), out["features"], f"{name}: rows")
        assert config["init_step_size"] == 1
        assert config["max_iter"] == config["max_iter_mean"]
        vectors = queue.newest(count)
        centers, labels = spherical_kmeans(
            vectors,
            ops.take(vectors, inputs["init_row"], axis=0),
            np.zeros((config["max_iter"], config["num_prototypes"]), "int32"),
            config["tol"],
            config["epsilon_mean"] * config["sphere_dim_argument"],
            config["max_iter"],
        )
        np.testing.assert_array_equal(
            ops.convert_to_numpy(labels), out["labels"], name
        )
        assert_close(centers, out["prototypes"], name)


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


def smaller(shapes, factor=64):
    """Shapes of the same network with fewer units."""
    return {
        key: shape
        if key.startswith("queue")
        else [size // factor if size >= 1024 else size for size in shape]
        for key, shape in shapes.items()
    }


@pytest.mark.once
def test_pretext_manifests(fixtures_dir):
    entry = weights.get("halp", "ntu60_baseline")
    for name, manifest in documents(
        fixtures_dir("halp"), "halp_*pretext.manifest.json"
    ):
        shapes, is_whole = manifest["tensors"], True
        if manifest["num_params"] > 1e8:
            # Three such networks, of which the single ones are tested whole.
            shapes, is_whole = smaller(shapes), False
        units = shapes["encoder_q.encoder.gru.weight_hh_l0"][1]
        entry = dataclasses.replace(
            entry, configuration=entry.configuration | {"hidden_dim": units}
        )
        # Zeros of one byte.
        tensors = {
            key: np.zeros(shape, "int8") for key, shape in shapes.items()
        }
        # What the card of the registered weights makes of such a file.
        model = halp_weights.build(entry, tensors)
        assert bool(model.prototypes) == any("prototypes" in x for x in shapes)
        assert len(model.streams) == 3 - 2 * is_whole
        load_official(model, tensors)
        names = set(weights.official_names(model).values())
        counters = {x for x in shapes if x.endswith("num_batches_tracked")}
        assert names == set(shapes) - counters, name
        count = sum(
            int(np.prod(variable.shape))
            for branch in (*model.queries.values(), *model.keys.values())
            for variable in branch.weights
            if not variable.name.startswith("moving")
        )
        assert not is_whole or count == manifest["num_params"], name
        keras.backend.clear_session()


@pytest.mark.once
def test_linear_manifests(fixtures_dir):
    entry = weights.get("halp", "ntu60_baseline")
    for name, manifest in documents(
        fixtures_dir("halp"), "halp_linear*.manifest.json"
    ):
        tensors = {
            key: np.zeros(shape, "int8")
            for key, shape in manifest["tensors"].items()
        }
        model = halp_weights.build(entry, tensors)
        count = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
        used = 0
        for stream, official in zip(
            STREAMS, ("", "_motion", "_bone"), strict=True
        ):
            own = halp_weights.stream_tensors(tensors, stream)
            load_official(model, own)
            used += len(own)
            child = manifest["num_params_by_child"][f"encoder_q{official}"]
            assert count == child, name
        assert used == len(tensors), name
        load_official(model, tensors)
        keras.backend.clear_session()
