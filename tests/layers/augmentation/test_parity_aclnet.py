"""Transforms and streams of ACLNet against those of the official code."""

import draws
import numpy as np
import pytest
from keras import ops
from support import assert_close
from support import cases
from support import part

from keras_skeleton.layers.augmentation import DropPart
from keras_skeleton.layers.augmentation import MapSkeleton
from keras_skeleton.layers.augmentation import RandomApply
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import Streams

LAYOUTS = {
    "nturgb+d": "ntu",
    "coco_new": "coco20",
    "nw_ucla": "nw_ucla",
    "openpose": "openpose18",
}
# What streams are made of, and where scores are averaged.
KINDS = {
    "nturgb+d": {"skeleton": "ntu", "score": False},
    "coco_new": {"skeleton": "coco20", "score": "bone"},
    "coco": {"bones": "coco", "skips": "coco", "score": True},
    "openpose": {"bones": "openpose18", "skips": "openpose18", "score": True},
    "openpose_new": {
        "bones": "openpose20",
        "skips": "openpose20",
        "score": "bone",
    },
}


def layer_of(name, arguments, numbers):
    """The layer, and its draws for the official ones."""
    if name == "RandomRot":
        limit = arguments["theta"]
        if len(numbers) == 1:
            # In two dimensions, the lower limit alone is passed officially.
            layer = RandomRotation(1.0, min_angle=-limit, dimensions=2)
            return layer, draws.of_range(numbers, -limit, 1.0)[None]
        return RandomRotation(limit), draws.of_angles(numbers, limit)[None]
    skeleton = LAYOUTS[arguments.get("dataset", "nturgb+d")]
    if name == "Spatial_Flip":
        layer = RandomMirror(skeleton, rate=arguments["p"], reflect=False)
        return layer, numbers[None]
    assert name == "Part_Drop"
    layer = RandomApply(DropPart(skeleton), arguments["p"])
    # The official second draw is the number of the part.
    part = numbers[1] if len(numbers) > 1 else 0
    return layer, np.array([[numbers[0], (part + 0.5) / 4]])


def test_transforms(fixtures_dir):
    changed = 0
    for name, config, arrays in cases(fixtures_dir("aclnet"), "augment_*.npz"):
        clip = arrays["in/keypoint"]
        for kind, arguments, seed in config["ops"]:
            key = f"out/{kind}_{seed}"
            layer, numbers = layer_of(kind, arguments, arrays[f"{key}_draws"])
            found = ops.convert_to_numpy(layer(clip[None], draws=numbers))[0]
            assert_close(found, arrays[key], f"{name}: {key}")
            changed += not np.array_equal(arrays[key], clip)
    assert changed > 2


STREAMS = {
    "j": "joint",
    "b": "bone",
    "k": "skip",
    "jm": "joint_motion",
    "bm": "bone_motion",
    "km": "skip_motion",
}


def test_streams(fixtures_dir):
    for name, config, arrays in cases(fixtures_dir("aclnet"), "streams_*.npz"):
        kind, clip = dict(KINDS[config["dataset"]]), arrays["in/keypoint"]
        expected = part(arrays, "out/")
        if "in/keypoint_score" in arrays:
            score = arrays["in/keypoint_score"][..., None]
            clip = np.concatenate([clip, score], axis=-1)
        if "joints20" in expected:
            # Scores are averaged like places.
            to_layout = MapSkeleton("coco17", "coco20")
            clip = ops.convert_to_numpy(to_layout(clip[None]))[0]
            assert_close(clip, expected.pop("joints20"), f"{name}: joints")
        if clip.shape[-1] == 2:
            kind["score"] = False
        assert expected.keys() == set(config["feats"])
        # Hand tips hang on the thumbs, as in the layout.
        layer = Streams(streams=[STREAMS[k] for k in expected], **kind)
        layer = Streams.from_config(layer.get_config())
        found = ops.convert_to_numpy(layer(clip[None]))[0]
        width = clip.shape[-1]
        for i, (key, value) in enumerate(expected.items()):
            stream = found[..., i * width : (i + 1) * width]
            assert_close(stream, value, f"{name}: {key}")


def test_parts_of_the_body():
    clips = np.ones((1, 1, 2, 20, 3), "float32")
    dropped = DropPart("coco20", parts=["trunk"])(
        clips, draws=np.full((1, 1), 0.9)
    )
    found = ops.convert_to_numpy(dropped)[0, 0, 0, :, 0]
    np.testing.assert_array_equal(np.flatnonzero(found == 0), [17, 18, 19])
    with pytest.raises(ValueError, match="some of the skeleton 'ntu'"):
        DropPart("ntu", parts=["wing"])
    with pytest.raises(ValueError, match="with 25 joints"):
        DropPart("ntu")(clips)
