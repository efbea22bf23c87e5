"""MS-CLR against the outputs of the official code."""

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
from support import documents
from support import part

from keras_skeleton import evaluation
from keras_skeleton import layers
from keras_skeleton import skeletons
from keras_skeleton.applications import MSCLR
from keras_skeleton.applications import AimCLRPretext
from keras_skeleton.applications import MSCLRPretext
from keras_skeleton.layers.augmentation import Bones
from keras_skeleton.layers.augmentation import Motion
from keras_skeleton.layers.augmentation.streams import PUBLISHED_BONES
from keras_skeleton.weights import PretrainedWeights
from keras_skeleton.weights import load_official
from keras_skeleton.weights import msclr as msclr_weights
from keras_skeleton.weights.cards import File

LAYOUTS = msclr_weights.LAYOUTS
# Left and right of SMPL, but for the hands.
SMPL_MIRROR = skeletons.get("smpl24").mirror[:-1]


def arguments(args, persons, frames):
    """Arguments of an `MSCLR` for those of the official class."""
    layouts = [LAYOUTS[name] for name in args["skeletons"]]
    joints = max(skeletons.get(each).num_joints for each in layouts)
    return {
        "input_shape": (persons, frames, joints, args["in_channels"]),
        "layouts": layouts,
        "hidden_dim": args["hidden_channels"],
        "output_dim": args["hidden_dim"],
        "dropout_rate": args["dropout"],
    }


def inputs_of(clips, name, layouts):
    """Clips of one layout, as the model of several takes them."""
    clips = to_ours(clips)
    number = list(layouts).index(name)
    return {
        "skeletons": clips,
        "layout": np.full(len(clips), number, "int32"),
    }


def classifier(config, arrays, **options):
    args = config["args"]
    inputs = part(arrays, "in/x_")
    _, _, frames, _, persons = next(iter(inputs.values())).shape
    model = MSCLR(
        **arguments(args, persons, frames),
        classes=args["num_class"],
        **options,
    )
    load_official(model, part(arrays, "state/"))
    return model


def values_of(model, clips, training):
    """Values on the way to the logits, by their official names."""
    layout = clips["layout"]
    joints = list(model.layouts.values())[layout[0]].num_joints
    x = model.get_layer("input_norm")(
        clips["skeletons"], layout=layout, training=training
    )
    persons = x.shape[1]
    assert not np.any(ops.convert_to_numpy(x[:, :, :, joints:]))
    x = ops.reshape(x, (-1, *x.shape[2:]))
    flat = ops.reshape(x[:, :, :joints], (*x.shape[:2], -1))
    found = {"data_bn": ops.transpose(flat, (0, 2, 1))}
    rows = np.repeat(layout, persons)
    for i, block in enumerate(model.blocks):
        x = block(x, training=training, layout=rows)
        found[f"block{i}"] = channels_first(x)
    x = model.get_layer("padded_features")(x)
    x = model.get_layer("features")(x, layout=layout)
    found["feat"] = pooled = ops.mean(x, axis=(1, 2, 3))
    folded = ops.reshape(x, (-1, *x.shape[2:]))
    is_joint = np.arange(x.shape[3]) < joints
    dropped = layers.FeatureDrop()(
        folded, is_joint=np.tile(is_joint, (len(folded), 1))
    )
    dropped = ops.reshape(
        dropped[:, :, :joints], (len(layout), -1, *x.shape[4:])
    )
    head = model.get_layer("predictions")
    found["logits"] = head(pooled)
    found["logits_drop"] = head(ops.mean(dropped, axis=1))
    return found


def test_network(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("msclr"), "flex_forward*.npz"
    ):
        training = config["mode"] == "train"
        out = part(arrays, "out/")
        names = config["args"]["skeletons"]
        for layout in names:
            model = classifier(config, arrays)
            clips = inputs_of(arrays[f"in/x_{layout}"], layout, names)
            # What is in the padding does not matter.
            joints = skeletons.get(LAYOUTS[layout]).num_joints
            clips["skeletons"][:, :, :, joints:] = 7
            found = values_of(model, clips, training)
            expected = {
                key.removesuffix(f"_{layout}"): value
                for key, value in out.items()
                if key.endswith(f"_{layout}") and "/" not in key
            }
            assert expected.keys() <= found.keys()
            for key, value in expected.items():
                assert_close(found[key], value, f"{name}: {layout} {key}")
            if training:
                after = part(out, f"state_after_{layout}/").items()
                after = {f"encoder_q.{key}": array for key, array in after}
                assert_tensors(f"{name}: {layout}", model, after)
            else:
                logits = model.predict_on_batch(clips)
                assert_close(logits, out[f"logits_{layout}"], name)
                assert_one_layout(name, model, clips, layout, arrays)


def assert_one_layout(name, model, clips, layout, arrays):
    """A model of one layout gives the same, from the same files."""
    expected = arrays[f"out/logits_{layout}"]
    skeleton = skeletons.get(LAYOUTS[layout])
    alone = model.for_layout(skeleton)
    own = clips["skeletons"][:, :, :, : skeleton.num_joints]
    assert_close(alone(own), expected, f"{name}: {layout} alone")
    loaded = type(model).from_config(alone.get_config())
    load_official(loaded, part(arrays, "state/"))
    assert_close(loaded(own), expected, f"{name}: {layout} loaded")


def test_mixed_batch(fixtures_dir):
    """Clips of all layouts in one batch give what they give alone."""
    for name, config, arrays in cases(
        fixtures_dir("msclr"), "flex_forward*.npz"
    ):
        if config["mode"] == "train":
            continue
        names = config["args"]["skeletons"]
        model = classifier(config, arrays)
        parts = [inputs_of(arrays[f"in/x_{x}"], x, names) for x in names]
        mixed = keras.tree.map_structure(
            lambda *x: np.concatenate(x)[::-1].copy(), *parts
        )
        expected = np.concatenate([arrays[f"out/logits_{x}"] for x in names])
        logits = model.predict_on_batch(mixed)
        assert_close(logits[::-1], expected, f"{name}: mixed")


def test_ensemble(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("msclr"), "flex_ensemble*.npz"
    ):
        out = part(arrays, "out/")
        names = config["args"]["skeletons"]
        model = classifier(config, arrays, head="ensemble")
        joints = model.input_form["skeletons"][2]
        for layout in names:
            x = arrays[f"in/x_{layout}"]
            margin = (0, joints - x.shape[3])
            x = np.pad(x, (*3 * ((0, 0),), margin, (0, 0)))
            clips = inputs_of(x, layout, names)
            # The way to the logits is that of any head.
            encoder = MSCLR(encoder=model, head="published")
            found = values_of(MSCLR(encoder=encoder, classes=2), clips, False)
            found["logits"] = model.predict_on_batch(clips)
            expected = {
                key.removesuffix(f"_{layout}"): value
                for key, value in out.items()
                if key.endswith(f"_{layout}")
            }
            assert expected.keys() <= found.keys()
            for key, value in expected.items():
                assert_close(found[key], value, f"{name}: {layout} {key}")
        clips = {LAYOUTS[x]: to_ours(arrays[f"in/x_{x}"]) for x in names}
        scores = model.ensemble().predict_on_batch(clips)
        assert_close(scores, out["logits_mean"], f"{name}: mean")


def test_feature_drop(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("msclr"), "simam_drop*.npz"):
        drop = layers.FeatureDrop(config["keep_prob"], config["e_lambda"])
        for size in config["num_point"]:
            x = arrays[f"in/x_{size}"].transpose(0, 2, 3, 1)
            expected = arrays[f"out/y_{size}"]
            assert_close(channels_first(drop(x)), expected, f"{name}: {size}")
            # Padding counts nowhere.
            padded = np.pad(x, (*2 * ((0, 0),), (0, 4), (0, 0)))
            padded[:, :, size:] = 3
            is_joint = np.tile(np.arange(size + 4) < size, (len(x), 1))
            y = drop(padded, is_joint=is_joint)
            assert_close(channels_first(y[:, :, :size]), expected, name)
            assert not np.any(ops.convert_to_numpy(y[:, :, size:]))


def pretext(config, arrays):
    args = config["args"]
    _, _, frames, _, persons = arrays["in/im_q"].shape
    common = {
        "embedding_dim": args["feature_dim"],
        "queue_size": args["queue_size"],
        "momentum": args["momentum"],
        "temperature": args["Temperature"],
        "mining_epoch": 0 if config["nnm"] else None,
        "num_mined": config["topk"],
    }
    found = arguments(args, persons, frames)
    if len(found["layouts"]) > 1:
        return MSCLRPretext(**found, **common)
    found["skeleton"] = found.pop("layouts")[0]
    return AimCLRPretext(**found, **common)


def test_pretext(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("msclr"), "pretext_*.npz"):
        names = config["args"]["skeletons"]
        query, key = config["q_skeleton"], config["k_skeleton"]
        views = {
            "basic": inputs_of(arrays["in/im_q"], query, names),
            "key": inputs_of(arrays["in/im_k"], key, names),
            "extreme": inputs_of(arrays["in/im_q_extreme"], query, names),
        }
        if len(names) == 1:
            views = {view: x["skeletons"] for view, x in views.items()}
        model = pretext(config, arrays)
        assert_pretext_step(name, model, config, arrays, views)
        load_official(model, part(arrays, "state/"))
        model.before_step()
        assert_embeddings(name, model, config, arrays, views)


def assert_embeddings(name, model, config, arrays, views):
    """Compares what a step computes on the way to its loss."""
    out, training = part(arrays, "out/"), config["mode"] == "train"
    query, key = model.queries["joint"], model.keys["joint"]
    features, feature_map = model.mapped(views["extreme"], training=training)
    dropped = model.drop_features(feature_map, views["extreme"])
    for official, branch, pooled in (
        ("q_raw", query, query.encoder(views["basic"], training=training)),
        ("q_extreme_raw", query, features),
        ("q_extreme_drop_raw", query, dropped),
        ("k_raw", key, key.encoder(views["key"], training=training)),
    ):
        embedding = branch.projector(pooled)
        assert_close(embedding, out[official], f"{name}: {official}")
    embeddings = model.embed(views, training)
    keys = model.embed_keys(views["key"], training)["joint"]
    queue = model.queues["joint"].vectors()
    logits = [model.similarities(x, keys, queue) for x in embeddings]
    found = {
        "logits": logits[0],
        "labels_ddm": ops.softmax(logits[0]),
        "prob_e": ops.log_softmax(logits[1]),
        "prob_ed": ops.log_softmax(logits[2]),
    }
    for official, value in found.items():
        expected = out[official]
        if official.startswith("prob") and (expected >= 0).all():
            value = ops.exp(value)
        assert_close(value, expected, f"{name}: {official}")
    positives = ops.convert_to_numpy(model.positives(logits))
    if config["nnm"]:
        np.testing.assert_array_equal(positives > 0, out["pos_mask"] > 0)
    else:
        np.testing.assert_array_equal(positives.argmax(axis=1), out["labels"])
    targets = ops.convert_to_numpy(found["labels_ddm"])
    terms = [positives, targets, targets]
    for i, (target, x) in enumerate(zip(terms, logits, strict=True), start=1):
        shares = ops.convert_to_numpy(ops.log_softmax(x))
        loss = -np.mean(np.sum(target * shares, axis=1))
        assert_close(loss, out[f"loss{i}"], f"{name}: loss{i}")


@pytest.mark.once
def test_conventions(fixtures_dir):
    """Graphs, mirrors, bones and motion of the layouts, as published."""
    for name, config, arrays in cases(
        fixtures_dir("msclr"), "conventions*.npz"
    ):
        for layout in config["skeletons"]:
            skeleton = skeletons.get(LAYOUTS[layout])
            assert skeletons.get(layout.replace("-rgb+d", "")) is skeleton
            out = {
                key.removesuffix(f"_{layout}"): value
                for key, value in part(arrays, "out/").items()
                if key.endswith(f"_{layout}")
            }
            x = arrays[f"in/x_{layout}"]
            clips = to_ours(x[None])
            pairs = PUBLISHED_BONES.get(skeleton.name, skeleton.edges)
            graph = layers.partition_graph(
                skeleton.num_joints, pairs, skeleton.root
            )
            factor = 1 if layout == "ntu-rgb+d" else config["factor"]
            margin = config["max_num_node"] - x.shape[2]
            found = {
                "A": graph.transpose(0, 2, 1),
                "flip": x[:, :, list(mirrored(skeleton))],
                "motion": to_theirs(Motion().on_numpy()(clips)),
                "bone": to_theirs(Bones(bones=pairs).on_numpy()(clips)),
                "scaled_padded": np.pad(
                    x * np.float32(factor),
                    (*2 * ((0, 0),), (0, margin), (0, 0)),
                ),
            }
            assert found.keys() == out.keys()
            for key, value in out.items():
                assert_close(found[key], value, f"{name}: {layout} {key}")


def mirrored(skeleton):
    """The published permutation: SMPL's hands stay where they are."""
    if skeleton.name != "smpl24":
        return skeleton.mirror_permutation
    config = {**skeleton.to_dict(), "mirror": SMPL_MIRROR}
    return skeletons.get(config).mirror_permutation


def to_theirs(clips):
    """(1, M, T, V, C) to (C, T, V, M)."""
    return clips[0].transpose(3, 1, 2, 0)


@pytest.mark.once
def test_ensemble_rule(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("msclr"), "ensemble_rule*.npz"
    ):
        layouts, labels = config["skeletons"], arrays["in/labels"]
        means = {}
        for stream in ("joint", "bone", "motion"):
            scores = [arrays[f"in/{stream}_{layout}"] for layout in layouts]
            means[stream] = evaluation.average_scores(np.stack(scores, axis=1))
            assert_close(means[stream], arrays[f"out/mean_{stream}"], name)
        fused = evaluation.fuse_scores(list(means.values()), (0.6, 0.6, 0.4))
        assert_close(fused, arrays["out/fused"], name)
        np.testing.assert_array_equal(fused.argmax(axis=1), arrays["out/pred"])
        # The mean over all clips, times the layouts, is the published sum.
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        joint = [arrays[f"in/joint_{layout}"] for layout in layouts]
        mean = loss(np.tile(labels, len(layouts)), np.concatenate(joint))
        total = len(layouts) * ops.convert_to_numpy(mean)
        assert_close(total, arrays["out/loss_sum"], name)


@pytest.mark.once
def test_manifests(fixtures_dir):
    card = PretrainedWeights(
        system="msclr",
        name="manifest",
        configuration={"input_shape": (2, 50, 25, 3), "skeleton": "ntu"},
        files=(File("manifest", "packaged"),),
    )
    for name, manifest in documents(
        fixtures_dir("msclr"), "msclr_*.manifest.json"
    ):
        shapes, config = manifest["tensors"], manifest["config"]
        random = {key: np.zeros(shape, "int8") for key, shape in shapes.items()}
        model = msclr_weights.build(card, random)
        tensors, _ = load_random_tensors(model, shapes, name)
        assert count(model) == manifest["num_params"], name
        if isinstance(model, AimCLRPretext):
            encoder = model.encoder
        else:
            encoder = model
            assert model.output_shape == (None, config["num_class"])
        assert len(encoder.layouts) == len(config.get("skeletons", ["ntu"]))
        # Encoders of one layout take the same files.
        for layout in encoder.layouts:
            alone = encoder.for_layout(layout)
            other = type(encoder).from_config(alone.get_config())
            load_official(other, tensors)
            for one, two in zip(alone.weights, other.weights, strict=True):
                np.testing.assert_array_equal(
                    ops.convert_to_numpy(one.value),
                    ops.convert_to_numpy(two.value),
                )
        keras.backend.clear_session()


def count(model):
    """Parameters as the official code has them: the edges with padding."""
    encoder = getattr(model, "encoder", model)
    joints = max(each.num_joints for each in encoder.layouts.values())
    parameters = [*model.trainable_variables]
    if model is not encoder:
        # Those of the key branch are as many.
        parameters *= 2
    return sum(
        3 * joints**2
        if "/importance_" in each.path
        else int(np.prod(each.shape))
        for each in parameters
    )
