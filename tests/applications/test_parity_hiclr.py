"""HiCLR against the outputs of the official code."""

import numpy as np
from contrasting import assert_pretext_step
from contrasting import assert_tensors
from graph_networks import channels_first
from graph_networks import to_ours
from keras import ops
from support import assert_close
from support import cases
from support import part

from keras_skeleton.applications import STGCN
from keras_skeleton.applications import HiCLRPretext
from keras_skeleton.weights import load_official

SKELETONS = {"ntu-rgb+d": "ntu", "nw-ucla": "nw_ucla"}
GCN = "net.st_gcn.Model"


def arguments(args, clips=None):
    """Arguments of an `STGCN` for those of the official class."""
    shape = (2, 50, 25, 3) if clips is None else clips.shape[1:]
    return {
        "input_shape": shape,
        "skeleton": SKELETONS[args["graph_args"]["layout"]],
        "hidden_dim": args["hidden_channels"],
        "output_dim": args["hidden_dim"],
        "dropout_rate": args["dropout"],
    }


def load(config, arrays):
    """The classifier of a fixture, and its clips."""
    args = config["args"]
    clips = to_ours(arrays["in/x"])
    model = STGCN(**arguments(args, clips), classes=args["num_class"])
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
            assert_tensors(name, model, part(out, "state_after/"))


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
    for name, config, arrays in cases(
        fixtures_dir("hiclr"), "pretext_gcn*.npz"
    ):
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
        model = HiCLRPretext(
            **arguments(args, views["key"]),
            embedding_dim=args["feature_dim"],
            queue_size=args["queue_size"],
            momentum=args["momentum"],
            temperature=args["Temperature"],
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
