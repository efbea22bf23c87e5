"""EPAM-Net against the outputs of the official code."""

import dataclasses
import math

import keras
import numpy as np
import pytest
from graph_networks import load_random_tensors
from keras import ops
from support import assert_close
from support import cases
from support import chain_skeleton
from support import documents
from support import gradient_errors
from support import gradients
from support import part

from keras_skeleton import layers
from keras_skeleton.applications import EPAMNet
from keras_skeleton.applications import _pose_attention
from keras_skeleton.applications import epamnet
from keras_skeleton.applications._xshift import shift_frames
from keras_skeleton.layers import augmentation
from keras_skeleton.losses import JointCrossentropy
from keras_skeleton.weights import epamnet as names
from keras_skeleton.weights import load_official

# The official names of other attentions than the published one.
ATTENTIONS = {"spatial_temporal": "dense", "self_attention": "nonlocal"}


def to_ours(array):
    """(N, C, T, H, W) to (N, T, H, W, C)."""
    return np.ascontiguousarray(np.moveaxis(array, 1, -1))


def to_theirs(array):
    return np.moveaxis(ops.convert_to_numpy(array), -1, 1)


def width_of(base, factor):
    """Channels of a first stage, a multiple of 8 as in the official code."""
    wanted = base * factor
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


def stream_settings(backbone):
    """Our arguments of an official stream, but for the shape of the input."""
    video = "base_channels" not in backbone
    stages = backbone["num_stages"]
    blocks = backbone.get("stage_blocks")
    if blocks is None:
        depth = backbone["gamma_d"]
        blocks = [math.ceil(depth * count) for count in (1, 2, 5, 3)]
    ratio = backbone.get("se_ratio", 1 / 16)
    others = {
        "blocks": tuple(blocks[:stages]),
        "strides": tuple(backbone.get("spatial_strides", (2,) * stages)),
    }
    if video:
        others["hidden_dim"] = width_of(24, backbone["gamma_w"])
    else:
        others["hidden_dim"] = backbone["base_channels"]
        others["stem_stride"] = backbone.get("conv1_stride", 2)
    expansion = backbone.get("gamma_b", 1.0 if video else 2.25)
    stream = "video" if video else "skeleton"
    return {
        **{f"{stream}_{name}": value for name, value in others.items()},
        "expansion" if video else "skeleton_expansion": expansion,
        "excitation": backbone["se_style"] if ratio else "none",
        "excitation_reduction": 1 / (ratio or 1),
    }


def joints_of(backbone):
    number = backbone["in_channels"]
    return number, "coco17" if number == 17 else chain_skeleton(number)


def test_shift(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("epamnet"), "temporal_shift*.npz"
    ):
        for stream in ("rgb", "pose"):
            x = ops.convert_to_tensor(to_ours(arrays[f"in/x_{stream}"]))
            found = shift_frames(x, config[f"{stream}_fold_div"])
            np.testing.assert_array_equal(
                to_theirs(found), arrays[f"out/y_{stream}"], f"{name} {stream}"
            )


def test_streams(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("epamnet"), "xshift_*_stream*.npz"
    ):
        x = to_ours(arrays["in/x"])
        settings = stream_settings(config["backbone"])
        stream = "video" if "video_blocks" in settings else "skeletons"
        shape = {"video_shape": x.shape[1:]}
        if stream == "skeletons":
            joints, skeleton = joints_of(config["backbone"])
            shape = {"input_shape": (1, x.shape[1], joints, 3)}
            shape |= {"heatmap_size": x.shape[2], "skeleton": skeleton}
        model = EPAMNet(
            streams=stream, classes=config["num_classes"], **shape, **settings
        )
        load_official(model, part(arrays, "state/"))
        start = model.input
        if stream == "skeletons":
            start = model.get_layer("heatmaps").output
        blocks = settings[f"{stream.replace('skeletons', 'skeleton')}_blocks"]
        layer = {
            "stem": f"{stream}_stem",
            "layer1.0": f"{stream}_stage_0_block_0",
            "features": f"{stream}_end",
            "logits": "predictions",
        }
        for i, count in enumerate(blocks):
            layer[f"layer{i + 1}"] = f"{stream}_stage_{i}_block_{count - 1}"
        expected = part(arrays, "out/")
        # A stage of one block has two official names.
        inside = keras.Model(
            start, {k: model.get_layer(k).output for k in set(layer.values())}
        )
        outputs = inside.predict_on_batch(x)
        for key in expected:
            found = outputs[layer[key]]
            if found.ndim == 5:
                found = to_theirs(found)
            assert_close(found, expected[key], f"{name}: {key}")


def kind_of_attention(config):
    """Our arguments of an official attention by itself."""
    if "mode" in config:
        kinds = {"embedded_gaussian": "nonlocal_softmax"}
        kind = kinds.get(config["mode"], "nonlocal")
        return {"kind": kind, "reduction": config["reduction"]}
    kind = config.get("attention_type", "dense")
    return {"kind": kind, "size": config.get("k", 7)}


def test_attention(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("epamnet"), "attention_*.npz"
    ):
        settings = kind_of_attention(config)
        kind = settings["kind"]
        pose = to_ours(arrays["in/pose_features"])
        video = np.zeros((*pose.shape[:-1], 1), "float32")
        if "in/rgb_features" in arrays:
            video = to_ours(arrays["in/rgb_features"])
        layer = _pose_attention.pose_attention(**settings, name="attention")
        result = layer(video, pose)
        fill(layer, kind, part(arrays, "state/"))
        result = to_theirs(layer(video, pose))
        expected = part(arrays, "out/")
        for key in ("attended_rgb", "y"):
            if key in expected:
                assert_close(result, expected.pop(key), f"{name}: {key}")
        pose = ops.convert_to_tensor(pose)
        for key, array in expected.items():
            if key == "spatial_attention":
                found = layer.spatial_attention(pose)
            else:
                found = layer.attention(ops.convert_to_tensor(video), pose)
            assert_close(to_theirs(found), array, f"{name}: {key}")


def fill(layer, kind, tensors):
    """Loads official tensors into an attention; all must be used."""
    variables = {v.path.split("attention/", 1)[1]: v for v in layer.weights}
    used = set()
    for entry in names._attention({"attention": kind}):
        array = tensors[entry.official]
        used.add(entry.official)
        array = entry.convert(array) if entry.convert else array
        variables.pop(entry.variable.removeprefix("attention/")).assign(
            np.array(array)
        )
    assert used == set(tensors) and not variables


def build_both(config, video, heatmaps):
    joints, skeleton = joints_of(config["pose_backbone"])
    settings = stream_settings(config["pose_backbone"])
    for name, value in stream_settings(config["rgb_backbone"]).items():
        # Excitation is one setting of both streams.
        assert settings.setdefault(name, value) == value, name
    return EPAMNet(
        input_shape=(1, heatmaps.shape[1], joints, 3),
        skeleton=skeleton,
        video_shape=video.shape[1:],
        heatmap_size=heatmaps.shape[2],
        classes=config["num_classes"],
        attention=ATTENTIONS.get(config["attention"], "nested"),
        attention_size=config.get("k", 7),
        **settings,
    )


def test_fusion(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("epamnet"), "fusion*.npz"):
        video = to_ours(arrays["in/imgs"])
        heatmaps = to_ours(arrays["in/heatmap_imgs"])
        inputs = [video, heatmaps]
        model = build_both(config, video, heatmaps)
        load_official(model, part(arrays, "state/"))
        layer = model.get_layer
        start = [model.input["video"], layer("heatmaps").output]
        expected = part(arrays, "out/")
        found = keras.Model(
            start,
            {
                "rgb_features": layer("video_end").output,
                "pose_features": layer("skeletons_end").output,
                "rgb_logits": layer("video_scores").output,
                "pose_logits": layer("skeletons_scores").output,
                "scores": model.output,
            },
        ).predict_on_batch(inputs)
        if "attention" in expected:
            every = heatmaps.shape[1] // video.shape[1]
            pose = ops.convert_to_tensor(found["pose_features"][:, ::every])
            found["attention"] = layer("attention").attention(None, pose)
        for key in set(expected) - {"loss"}:
            value = found[key]
            value = to_theirs(value) if len(value.shape) == 5 else value
            assert_close(value, expected[key], f"{name}: {key}")

        by_stream = keras.Model(
            start,
            ops.stack(
                [
                    layer("video_scores").output,
                    layer("skeletons_scores").output,
                ],
                axis=1,
            ),
        )
        loss = JointCrossentropy()
        labels = arrays["in/one_hot"].argmax(axis=1)

        def objective(model, inputs, loss=loss, labels=labels):
            return loss(labels, model(inputs, training=False))

        value, slopes = gradients(by_stream, objective, inputs)
        assert_close(np.array(value), expected["loss"], f"{name}: loss")
        for key, error in gradient_errors(
            model, slopes, part(arrays, "grad/")
        ).items():
            assert error < 1e-4, f"{name}: {key}: {error}"


def test_heatmaps(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("epamnet"), "pose_heatmaps*.npz"
    ):
        out = part(arrays, "out/")
        joints, scores = arrays["in/keypoint"], arrays["in/keypoint_score"]
        clips = np.concatenate([joints, scores[..., None]], axis=-1)[None]
        image = arrays["in/img_shape"].astype(int)
        padding, size = config["padding"], tuple(config["resize_wh"][::-1])
        boxes = {"posecompact": False, "mmcompact": True}
        box_settings = {
            "ratio": config["hw_ratio"],
            "threshold": config["threshold"],
        }
        for key, inside in boxes.items():
            layer = augmentation.CropToPeople(
                image, padding=padding, stays_inside=inside, **box_settings
            )
            found = ops.convert_to_numpy(layer(clips))[0, ..., :2]
            assert_close(found, out[f"{key}_keypoint"], f"{name}: {key}")
            box = layer.box(ops.convert_to_tensor(clips))
            shape = [float(box[i][0, 0, 0, 0]) for i in (3, 2)]
            assert shape == list(out[f"{key}_shape"]), name
        layer = augmentation.CropToPeople(image, size, padding, **box_settings)
        resized = layer(clips)
        found = ops.convert_to_numpy(resized)[0, ..., :2]
        assert_close(found, out["resized_keypoint"], f"{name}: resized")

        limbs = config["skeletons"]
        if joints.shape[2] == 17:
            assert epamnet.LIMBS == tuple(map(tuple, limbs))
        for key in out:
            if not key.startswith("heatmap_"):
                continue
            # What differs from the configuration stands in the name.
            kind, *others = key.removeprefix("heatmap_").split("_")
            sigmas = [x for x in others if x.startswith("sigma")]
            use_score = config["use_score"] and "noscore" not in others
            found = layers.PoseHeatmaps(
                size,
                float(sigmas[0][5:]) if sigmas else config["sigma"],
                limbs if kind == "limb" else None,
                use_score,
            )(resized)
            assert_close(found[0], out[key], f"{name}: {key}")

        flip = augmentation.RandomFlipInPlane(
            mirrored(joints.shape[2], config), size[1]
        )
        found = ops.convert_to_numpy(flip(resized, draws=[[0.0]]))[0]
        assert_close(found[..., :2], out["flipped_keypoint"], f"{name}: flip")
        np.testing.assert_array_equal(found[..., 2], out["flipped_score"])

        cut_and_resized(name, clips, arrays, out, size)


def mirrored(num_joints, config):
    """A skeleton with the left and right joints of a configuration."""
    pairs = tuple(zip(config["left"], config["right"], strict=True))
    return dataclasses.replace(chain_skeleton(num_joints), mirror=pairs)


def cut_and_resized(name, clips, arrays, out, size):
    """The random crop of the training of the pose alone, with its draw."""
    clips = np.concatenate(
        [out["posecompact_keypoint"][None], clips[..., 2:]], axis=-1
    )
    before, after = out["posecompact_shape"], out["resize64_shape"]
    clips = augmentation.ScaleInPlane(before, after)(clips)
    found = ops.convert_to_numpy(clips)[0, ..., :2]
    assert_close(found, out["resize64_keypoint"], f"{name}: 64")
    left, top, right, bottom = map(float, arrays["in/crop_bbox"])
    box = (left, top, right - left, bottom - top)
    for key, target in (
        ("cropped_keypoint", (bottom - top, right - left)),
        ("cropped_resized_keypoint", size),
    ):
        layer = augmentation.RandomCropInPlane(after, target)
        layer.build(clips.shape)
        found = ops.convert_to_numpy(layer.cut(clips, *box))[0, ..., :2]
        assert_close(found, out[key], f"{name}: {key}")
        # The same box out of four numbers.
        area = box[2] * box[3] / (after[0] * after[1])
        low, high = layer.area
        ratio = np.log(box[2] / box[3] / 0.75) / np.log(16 / 9)
        draws = [
            [
                (area - low) / (high - low),
                ratio,
                (left + 0.5) / (after[1] - box[2] + 1),
                (top + 0.5) / (after[0] - box[3] + 1),
            ]
        ]
        again = ops.convert_to_numpy(layer(clips, draws=draws))[0, ..., :2]
        assert_close(again, out[key], f"{name}: {key} drawn")


@pytest.mark.once
def test_frames(fixtures_dir):
    for name, config, arrays in cases(
        fixtures_dir("epamnet"), "uniform_sampling_test*.npz"
    ):
        layer = augmentation.SegmentSample(
            config["clip_len_pose"],
            num_clips=config["num_clips"],
            mode="test",
            test_seed=config["seed"],
        ).twin("numpy")
        for length in config["lengths"]:
            pose, video = (
                arrays[f"out/{kind}_inds_{length}"] for kind in ("pose", "rgb")
            )
            frames = layer.choose_frames(
                np.array([length], "int32"), longest=length
            )
            every = len(pose) // len(video)
            np.testing.assert_array_equal(frames[0], pose, name)
            np.testing.assert_array_equal(frames[0, ::every], video, name)
            if (config["num_clips"], config["seed"]) == (1, 255):
                found = epamnet.choose_frames([length], len(pose), len(video))
                np.testing.assert_array_equal(found[0][0], pose, name)
                np.testing.assert_array_equal(found[1][0], video, name)


@pytest.mark.once
def test_manifests(fixtures_dir):
    for name, manifest in documents(
        fixtures_dir("epamnet"), "epamnet_*.manifest.json"
    ):
        config = manifest["config"]
        streams = {"rgb": "video", "pose": "skeletons"}
        streams = streams.get(config.get("stream", "").split(" ")[0], "both")
        kind = config.get("attention", "").split(" ")[0]
        model = EPAMNet(
            classes=config["num_classes"],
            streams=streams,
            attention=ATTENTIONS.get(kind, "nested"),
        )
        count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
        assert count == manifest["num_params"], name
        tensors, found = load_random_tensors(model, manifest["tensors"], name)
        for variable in model.weights:
            np.testing.assert_array_equal(
                np.sort(ops.convert_to_numpy(variable.value), axis=None),
                np.sort(tensors[found[variable.path]], axis=None),
            )
        keras.backend.clear_session()
