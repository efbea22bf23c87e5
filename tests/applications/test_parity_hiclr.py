"""HiCLR against the outputs of the official code."""

import keras
import numpy as np
import pytest
from contrasting import assert_pretext_step
from contrasting import assert_tensors
from graph_networks import channels_first
from graph_networks import load_random_tensors
from graph_networks import to_ours
from keras import ops
from support import assert_close
from support import cases
from support import chain_skeleton
from support import documents
from support import part

from keras_skeleton.applications import DSTA
from keras_skeleton.applications import STGCN
from keras_skeleton.applications import HiCLRPretext
from keras_skeleton.applications.dsta import positions
from keras_skeleton.layers.graph.entries import add_entries
from keras_skeleton.layers.graph.entries import drop_entries
from keras_skeleton.weights import load_official

SKELETONS = {
    "ntu-rgb+d": "ntu",
    "nw-ucla": "nw_ucla",
    "openpose": "openpose18",
}


def build(args, shape=(2, 50, 25, 3), **others):
    """The encoder or classifier of the official class and its arguments."""
    if "num_frame" not in args:
        return STGCN(
            input_shape=shape,
            skeleton=SKELETONS[args["graph_args"]["layout"]],
            hidden_dim=args["hidden_channels"],
            output_dim=args["hidden_dim"],
            dropout_rate=args["dropout"],
            **others,
        )
    assert args["glo_reg_s"]
    assert args["att_s"]
    assert args["use_temporal_att"] == args["att_t"] == args["glo_reg_t"]
    return DSTA(
        input_shape=shape,
        skeleton=chain_skeleton(args["num_point"]),
        hidden_dim=args["config"][0][0],
        blocks=[block[1:] for block in args["config"]],
        num_subsets=args["num_subset"],
        temporal_attention=args["use_temporal_att"],
        dropout_rate=args["attentiondrop"],
        **others,
    )


def build_pretext(args, shape=(2, 50, 25, 3), **others):
    return HiCLRPretext(
        build(args, shape),
        embedding_dim=args["feature_dim"],
        queue_size=args["queue_size"],
        momentum=args["momentum"],
        temperature=args["Temperature"],
        **others,
    )


def load(config, arrays):
    """The classifier of a fixture, and its clips."""
    args = config["args"]
    clips = to_ours(arrays["in/x"])
    model = build(args, clips.shape[1:], classes=args["num_class"])
    load_official(model, part(arrays, "state/"))
    return model, clips


def test_network(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("hiclr"), "stgcn_forward*.npz"
    ):
        model, clips = load(config, arrays)
        out = part(arrays, "out/")
        training = config["mode"] == "train"
        x = model.get_layer("input_norm")(clips, training=training)
        x = ops.reshape(x, (-1, *x.shape[2:]))
        flat = ops.reshape(x, (*x.shape[:2], -1))
        found = {"data_bn": ops.transpose(flat, (0, 2, 1))}
        for i, block in enumerate(model.blocks):
            received = block.graph_convolution.aggregate(x)
            found[f"block{i}_gcn"] = channels_first(received)
            x = block(x, training=training)
            found[f"block{i}"] = channels_first(x)
        features = model.get_layer("features")(x)
        features = ops.mean(features, axis=(1, 2, 3))
        found["feat"] = features
        found["logits"] = model.get_layer("predictions")(features)
        expected = {k: v for k, v in out.items() if "/" not in k}
        assert expected.keys() <= found.keys()
        for key, value in expected.items():
            assert_close(found[key], value, f"{name}: {key}")
        if training:
            after = part(out, "state_after/").items()
            after = {f"encoder_q.{key}": array for key, array in after}
            assert_tensors(name, model, after)


def test_dropped_edges(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("hiclr"), "stgcn_dropgraph*.npz"
    ):
        model, clips = load(config, arrays)
        out = part(arrays, "out/")
        assert_close(model(clips), out["logits"], f"{name}: logits")
        for i, block in enumerate(model.blocks):
            dropped = arrays[f"in/A_drop_{i}"].transpose(0, 2, 1)
            block.graph_convolution.drop_edges = (
                lambda graph, rate, dropped=dropped: ops.convert_to_tensor(
                    dropped
                )
            )
        features = model.augmented(edge_dropout=0.1)(clips)
        logits = model.get_layer("predictions")(features)
        for key in ("logits_drop", "logits_drop_return1d"):
            assert_close(logits, out[key], f"{name}: {key}")


def test_transformer(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("hiclr"), "dsta_forward*.npz"
    ):
        model, clips = load(config, arrays)
        out, state = part(arrays, "out/"), part(arrays, "state/")
        training = config["mode"] == "train"
        x = model.get_layer("fold_persons")(clips)
        x = model.get_layer("embedding")(x)
        x = model.get_layer("embedding_norm")(x, training=training)
        x = model.get_layer("embedding_relu")(x)
        found = {"input_map": channels_first(x)}
        for i, block in enumerate(model.blocks):
            frames, joints, channels = x.shape[1:]
            official = f"graph_layers.{i}"
            assert_close(
                positions(joints, channels).T,
                state[f"{official}.pes.pe"][0, :, 0],
                f"{name}: positions of joints",
            )
            if block.temporal_attention:
                channels = block.filters
                assert_close(
                    positions(frames, channels).T,
                    state[f"{official}.pet.pe"][0, :, :frames, 0],
                    f"{name}: positions of frames",
                )
            x = block(x, training=training)
            found[f"layer{i}"] = channels_first(x)
        features = ops.mean(model.get_layer("features")(x), (1, 2, 3))
        found["feat"] = features
        found["logits"] = model.get_layer("predictions")(features)
        expected = {k: v for k, v in out.items() if "/" not in k}
        assert expected.keys() <= found.keys()
        for key, value in expected.items():
            assert_close(found[key], value, f"{name}: {key}")
        if training:
            after = part(out, "state_after/").items()
            after = {f"encoder_q.{key}": array for key, array in after}
            assert_tensors(name, model, after)
        else:
            assert_close(model(clips), out["logits"], f"{name}: whole")


def test_dropped_and_added_entries(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("hiclr"), "dsta_dropgraph*.npz"
    ):
        model, clips = load(config, arrays)
        for i, block in enumerate(model.blocks):
            _replay(block.joint_attention, i, arrays)
        features = model.augmented(edge_dropout=0.1, edge_addition=0.05)
        logits = model.get_layer("predictions")(features(clips))
        assert_close(logits, arrays["out/logits_drop"], name)


def test_entries(fixtures_dir):
    for name, _, arrays in cases(
        fixtures_dir("hiclr"), "streams_mask_adain_graph*.npz"
    ):
        inputs, out = part(arrays, "in/"), part(arrays, "out/")
        graph = ops.convert_to_tensor(inputs["A"])
        kept, rate = inputs["drop_keep"] > 0, float(inputs["drop_r"])
        attention = ops.convert_to_tensor(inputs["att"])
        dropped = drop_entries(attention, inputs["att_keep"] > 0, rate)
        found = {
            "gcn_drop_graph": drop_entries(graph, kept, rate),
            "gcn_drop_graph2": drop_entries(graph, kept),
            "gcn_randadd": add_entries(graph, inputs["add_mask"] > 0, 1.0),
            "dsta_drop_graph": dropped,
            "dsta_drop_then_randadd": add_entries(
                dropped, inputs["att_add_mask"] > 0
            ),
        }
        for key, value in found.items():
            assert_close(value, out[key], f"{name}: {key}")


def _replay(attention, i, arrays):
    """Makes an attention drop and add the entries of a fixture."""
    rate = float(arrays[f"in/drop_r_{i}"])
    kept, added = (
        arrays[f"in/{kind}_{i}"].swapaxes(2, 3) > 0
        for kind in ("drop_keep", "add_mask")
    )

    def drop(topology, edge_dropout):
        return drop_entries(topology, kept, rate)

    attention.drop = drop
    attention.add = lambda topology, rate: add_entries(topology, added)


def assert_embeddings(name, model, views, out, training, mined):
    """Compares what a step computes on the way to its loss."""
    query, key = model.queries["joint"], model.keys["joint"]
    clips = dict(views, strong=model.joint_mask(views["strong"]))
    for official, branch, view in (
        ("q_raw", query, "basic"),
        ("q1_raw", query, "normal"),
        ("q2_raw", query, "strong"),
        ("k_raw", key, "key"),
    ):
        features = branch.encoder(clips[view], training=training)
        embedding = branch.projector(features)
        assert_close(embedding, out[official], f"{name}: {official}")
    embeddings = model.embed(views, training)
    keys = model.embed_keys(views["key"], training)["joint"]
    queue = model.queues["joint"].vectors()
    logits = [model.similarities(x, keys, queue) for x in embeddings]
    found = {
        "logits": logits[0],
        "labels_ddm": ops.softmax(logits[0]),
        "labels_ddm2": ops.softmax(logits[1]),
        "prob_1": ops.log_softmax(logits[1]),
        "prob_2": ops.log_softmax(logits[2]),
    }
    for official, value in found.items():
        expected = out[official]
        if official.startswith("prob") and (expected >= 0).all():
            value = ops.exp(value)
        assert_close(value, expected, f"{name}: {official}")
    positives = ops.convert_to_numpy(model.positives(logits)) > 0
    if mined:
        np.testing.assert_array_equal(positives, out["pos_mask"] > 0)
    else:
        np.testing.assert_array_equal(positives.argmax(axis=1), out["labels"])


def test_pretext(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("hiclr"), "pretext_*.npz"):
        args, out = config["args"], part(arrays, "out/")
        views = {
            ours: to_ours(arrays[f"in/{theirs}"])
            for ours, theirs in (
                ("basic", "im_q"),
                ("key", "im_k"),
                ("normal", "im_q_1"),
                ("strong", "im_q_2"),
            )
        }
        model = build_pretext(
            args,
            views["key"].shape[1:],
            mining_epoch=0 if config["nnm"] else None,
            num_mined=config["topk"],
        )
        mask = ops.convert_to_tensor(arrays["in/mask_TV"] > 0)
        model.joint_mask.draw = lambda frames, joints, mask=mask: mask
        assert_pretext_step(name, model, config, arrays, views)
        load_official(model, part(arrays, "state/"))
        model.before_step()
        training = config["mode"] == "train"
        assert_embeddings(name, model, views, out, training, config["nnm"])


@pytest.mark.once
def test_manifests(fixtures_dir):
    for name, manifest in documents(
        fixtures_dir("hiclr"), "hiclr_*.manifest.json"
    ):
        args = manifest["config"]
        shapes = {
            key: shape
            for key, shape in manifest["tensors"].items()
            # Constants: no place to go to, and checked above.
            if not key.endswith((".atts", ".attt", ".pe"))
        }
        if args["pretrain"]:
            model = build_pretext(args)
            trained = [*model.trainable_weights, *model.keys["joint"].weights]
        else:
            model = build(args, classes=args["num_class"])
            trained = model.trainable_weights
        load_random_tensors(model, shapes, name)
        kinds = ("moving_mean", "moving_variance", "graph")
        count = sum(
            int(np.prod(v.shape)) for v in trained if v.name not in kinds
        )
        assert count == manifest["num_params"], name
        keras.backend.clear_session()
