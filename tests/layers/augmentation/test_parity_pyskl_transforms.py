"""The transforms of the PYSKL toolbox, with the draws of the fixtures."""

import draws
import keras
import numpy as np
import pytest
from keras import ops
from support import assert_close
from support import read_fixture

from keras_skeleton.datasets.readers._decompress import decompress_pose
from keras_skeleton.layers.augmentation import PadTo
from keras_skeleton.layers.augmentation import Persons
from keras_skeleton.layers.augmentation import PreNormalize2D
from keras_skeleton.layers.augmentation import PreNormalize3D
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import RandomNoise
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import RandomScale
from keras_skeleton.layers.augmentation import SplitClips
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.layers.augmentation import UniformSample
from keras_skeleton.layers.augmentation import UniformSampleDecode

LAYOUTS = {
    "nturgb+d": {"skeleton": "ntu"},
    "coco": {"skeleton": "coco17", "bones": "coco"},
    "openpose": {"skeleton": "openpose18", "bones": "openpose"},
    "handmp": {"bones": "hand21"},
}
STREAMS = {
    "j": "joint",
    "b": "bone",
    "jm": "joint_motion",
    "bm": "bone_motion",
}
# In two dimensions, the official code passes the lower limit only.
HIGH_2D = 1.0


@pytest.fixture
def load(fixtures_dir):
    def load(pattern):
        paths = sorted(fixtures_dir("pyskl").glob(pattern))
        if not paths:
            pytest.skip(f"there are no fixtures pyskl/{pattern}")
        return map(read_fixture, paths)

    return load


def run(layer, clip, numbers=None):
    """Applies a layer to one clip (M, T, V, C)."""
    numbers = None if numbers is None else np.asarray(numbers)[None]
    return ops.convert_to_numpy(layer(clip[None], draws=numbers))[0]


def keypoints(arrays, score=True):
    """The clip, with its scores as the last channel if it has any."""
    clip = arrays["in/keypoint"]
    if score and "in/keypoint_score" in arrays:
        scores = arrays["in/keypoint_score"][..., None]
        clip = np.concatenate([clip, scores], axis=-1)
    return clip


def make_prenormalize3d(args, **kwargs):
    names = {"zaxis": "spine", "xaxis": "shoulders"}
    args = {names.get(key, key): value for key, value in args.items()}
    return PreNormalize3D(**args, **kwargs)


def test_prenormalize3d(load):
    for config, arrays in load("prenormalize3d*.npz"):
        clip = keypoints(arrays)
        for case, args in enumerate(config["args"]):
            output = run(make_prenormalize3d(args), clip)
            expected = arrays[f"out/{case}_keypoint"]
            length = int(arrays[f"out/{case}_total_frames"])
            assert length == expected.shape[1]
            assert_close(output[:, :length], expected, args)
            np.testing.assert_array_equal(output[:, length:], 0)


def make_prenormalize2d(args, image_shape):
    args = dict(args)
    default = args.pop("img_shape", (1080, 1920))
    return PreNormalize2D(image_shape or default, **args)


def test_prenormalize2d(load):
    for config, arrays in load("prenormalize2d*.npz"):
        for case, (args, image_shape, score) in enumerate(config["args"]):
            layer = make_prenormalize2d(args, image_shape)
            output = run(layer, keypoints(arrays, score))
            assert_close(output, arrays[f"out/{case}_keypoint"], case)


def make_streams(dataset, feats, score, **others):
    streams = [STREAMS[feat] for feat in feats]
    # Scores are told from coordinates by the number of channels, and only
    # for images.
    score = score and dataset != "nturgb+d"
    if score and dataset == "handmp":
        score = "bone"
    return Streams(streams=streams, score=score, **LAYOUTS[dataset], **others)


def test_genskefeat(load):
    for config, arrays in load("genskefeat*.npz"):
        clip = keypoints(arrays)
        for feats in config["feats"]:
            layer = make_streams(config["dataset"], feats, clip.shape[-1] == 3)
            expected = arrays["out/" + "+".join(feats)]
            assert_close(run(layer, clip), expected, feats)


def numbered_frames(lengths):
    """Clips whose coordinate is the number of the frame, from 1."""
    lengths = np.asarray(lengths)[:, None]
    number = np.arange(1, lengths.max() + 4)
    number = np.where(number <= lengths, number, 0).astype("float32")
    return number[:, None, :, None, None]


def frames_taken(layer, clips, numbers=None):
    taken = ops.convert_to_numpy(layer(clips, draws=numbers))
    return taken[:, 0, :, 0, 0].astype("int64") - 1


def test_uniform_sample_in_testing(load):
    for config, arrays in load("uniform_sample_test*.npz"):
        lengths = config["lengths"]
        clips = numbered_frames(lengths)
        kinds = {"": UniformSample, "decode_": UniformSampleDecode}
        for size, num_clips in config["settings"]:
            for prefix, kind in kinds.items():
                layer = kind(size, num_clips, mode="test")
                output = frames_taken(layer, clips)
                for row, length in enumerate(lengths):
                    key = f"frames{length}_len{size}_clips{num_clips}"
                    key = f"out/{prefix}{key}"
                    np.testing.assert_array_equal(output[row], arrays[key], key)


def sampling_draws(size, length, interval, calls):
    """The draws of one sample from the official ones.

    Args:
        size: Frames of the sample.
        length: Frames of the clip.
        interval: Lower and upper share of the frames.
        calls: Function from the name of a function of NumPy's legacy
            generator, and its arguments, to what it returned.
    """
    low, high = interval
    uniform = np.asarray(calls("rand")).item()
    crop = int((uniform * (high - low) + low) * length)
    place = np.asarray(calls("randint", length - crop + 1)).item()
    place = draws.of_integers(place, 0, length - crop)
    rest = np.full(size + 1, 0.5)
    if crop < size:
        start = np.asarray(calls("randint", 0, crop)).item()
        rest[0] = draws.of_integers(start, 0, crop - 1)
    elif crop < 2 * size:
        chosen = calls("choice", size + 1, crop - size, False)
        rest[np.asarray(chosen, "int64")] = 0
    else:
        parts = np.diff([k * crop // size for k in range(size + 1)])
        rest[:size] = draws.of_integers(calls("randint", parts), 0, parts - 1)
    return np.concatenate([[uniform, place], rest])


def as_interval(share):
    return tuple(share) if isinstance(share, list) else (share, share)


def test_uniform_sample_in_training(load):
    for config, arrays in load("uniform_sample_train*.npz"):
        lengths = [job[2] for job in config["jobs"]]
        all_clips = numbered_frames(lengths)
        for row, job in enumerate(config["jobs"]):
            size, num_clips, length, seed, share = job
            name = f"frames{length}_len{size}_clips{num_clips}_seed{seed}"
            if share != 1:
                name += f"_p{share[0]:g}-{share[1]:g}"
            count = 0

            def recorded(function, *_):
                nonlocal count
                key = f"out/{name}_draw{count}_{function}"  # noqa: B023
                count += 1
                return arrays[key]  # noqa: B023

            interval = as_interval(share)
            numbers = np.concatenate(
                [
                    sampling_draws(size, length, interval, recorded)
                    for _ in range(num_clips)
                ]
            )
            kinds = {"": UniformSample, "decode_": UniformSampleDecode}
            for prefix, kind in kinds.items():
                layer = kind(size, num_clips, interval)
                clips = all_clips[row : row + 1]
                output = frames_taken(layer, clips, numbers[None])
                expected = arrays[f"out/{prefix}{name}"]
                np.testing.assert_array_equal(output[0], expected, name)


def make_persons(args):
    # The official mode "loop" looks at the number of persons after filling up
    # by zeros, and so never repeats one.
    assert args.get("mode", "zero") in ("zero", "loop")
    return Persons(args.get("num_person", 2))


def test_format_gcn_input(load):
    for config, arrays in load("format_gcn_input*.npz"):
        for case, (args, clips, score) in enumerate(config["args"]):
            output = run(make_persons(args), keypoints(arrays, score))
            output = run(SplitClips(clips), output)
            assert_close(output, arrays[f"out/{case}_keypoint"], case)


def random_op(name, args, clip, values):
    """The layer and the draws for the official draws, in their order."""
    coordinates = clip.shape[-1]
    if name == "RandomRot":
        limit = args.get("theta", 0.3)
        if coordinates == 3:
            layer = RandomRotation(limit)
            return layer, draws.of_angles(values[0], limit)
        layer = RandomRotation(HIGH_2D, min_angle=-limit, dimensions=2)
        return layer, draws.of_range(values[0], -limit, HIGH_2D)
    if name == "RandomScale":
        scale = np.broadcast_to(args.get("scale", 0.2), coordinates)
        layer = RandomScale([(1 - limit, 1 + limit) for limit in scale])
        return layer, draws.of_range(values[0], -1, 1)
    assert name == "RandomGaussianNoise"
    return RandomNoise(clip.shape, **args), draws.of_noise(*values, coordinates)


def test_random_ops(load):
    for config, arrays in load("random_ops*.npz"):
        clip = keypoints(arrays)
        for case, (name, args, _) in enumerate(config["ops"]):
            prefix = f"out/{case}_{name}"
            keys = (key for key in arrays if key.startswith(f"{prefix}_draw"))
            values = [np.atleast_1d(arrays[key]) for key in sorted(keys)]
            layer, numbers = random_op(name, args, clip, values)
            assert_close(
                run(layer, clip, numbers), arrays[prefix], (name, args)
            )


def test_flip(load):
    for config, arrays in load("flip*.npz"):
        width = config["img_shape"][1]
        for case, (_, rate) in enumerate(config["seeds"]):
            layer = RandomMirror("coco17", image_width=width, rate=rate)
            numbers = np.atleast_1d(arrays[f"out/{case}_draw"])
            output = run(layer, keypoints(arrays), numbers)
            assert_close(output[..., :2], arrays[f"out/{case}_keypoint"], case)
            scores = arrays[f"out/{case}_keypoint_score"]
            assert_close(output[..., 2], scores, case)


def test_decompress_pose(load):
    for config, arrays in load("decompress_pose*.npz"):
        for case, (args, threshold) in enumerate(config["args"]):
            keep = None
            if threshold is not None:
                keep = arrays["in/box_score"] >= threshold
            places, scores = decompress_pose(
                arrays["in/keypoint"],
                arrays["in/frame_inds"],
                config["total_frames"],
                keep=keep,
                squeeze=args.get("squeeze", True),
                max_persons=args.get("max_person", 10),
            )
            assert places.shape[1] == arrays[f"out/{case}_total_frames"]
            np.testing.assert_array_equal(
                places, arrays[f"out/{case}_keypoint"]
            )
            np.testing.assert_array_equal(
                scores, arrays[f"out/{case}_keypoint_score"]
            )


def test_pad_decode_merge(load):
    for config, arrays in load("pad_decode_merge*.npz"):
        clip = keypoints(arrays, score=False)
        for mode in ("loop", "zero"):
            output = run(PadTo(config["length"], mode), clip)
            np.testing.assert_array_equal(output, arrays[f"out/pad_{mode}"])
        layer = PadTo(1)
        frames = ops.array([config["frame_inds"]], "int32")
        taken = layer.take_frames(ops.array(keypoints(arrays)[None]), frames)
        taken = ops.convert_to_numpy(taken)[0]
        np.testing.assert_array_equal(
            taken[..., :2], arrays["out/decode_keypoint"]
        )
        np.testing.assert_array_equal(taken[..., 2], arrays["out/decode_score"])
        # Merging is what Keras has a layer for. The other stream is only in
        # the result.
        other = arrays["out/merge"][..., clip.shape[-1] :]
        merged = keras.layers.Concatenate()([clip, other])
        assert_close(merged, arrays["out/merge"], "merge")


class Pipeline:
    """Official steps as layers with the draws of the legacy generator."""

    def __init__(self, config, clip):
        self.config = config
        self.clip = clip
        # Without scores, or before they become a channel.
        self.coordinates = min(clip.shape[-1], 3)
        self.has_score = clip.shape[-1] == 3 and "img_shape" in config
        self.generator = np.random.RandomState(config["seed"])
        self.streams = None
        self.is_sampled = False
        # Whether the official clips still are of half precision.
        self.is_half = True
        self.num_clips = 1

    def run(self):
        for step in self.config["pipeline"]:
            args = {key: step[key] for key in step if key != "type"}
            getattr(self, step["type"].lower())(**args)
        return run(SplitClips(self.num_clips), self.clip)

    def apply(self, layer, numbers=None):
        self.clip = run(layer, self.clip, numbers)

    def draw(self, function, *args):
        return getattr(self.generator, function)(*args)

    def prenormalize3d(self, **args):
        # The annotation files hold float16, and the official step computes
        # with it.
        self.apply(make_prenormalize3d(args, half_precision=True))
        self.is_half = self.is_half and not args.get("align_spine", True)

    def prenormalize2d(self, **args):
        self.apply(make_prenormalize2d(args, self.config.get("img_shape")))
        self.is_half = False

    def randomrot(self, **args):
        limit = args.get("theta", 0.3)
        values = [self.draw("uniform", -limit, limit, 3)]
        self.apply(*random_op("RandomRot", args, self.clip, values))
        self.is_half = False

    def randomscale(self, **args):
        values = [self.draw("uniform", -1, 1, self.clip.shape[-1])]
        self.apply(*random_op("RandomScale", args, self.clip, values))
        self.is_half = False

    def genskefeat(self, dataset="nturgb+d", feats=("j",)):
        streams = make_streams(
            dataset, feats, self.has_score, half_precision=self.is_half
        )
        if self.is_sampled:
            self.apply(streams)
        else:
            # Applied together with the sampling that follows, as zeros at the
            # end would else count as padding.
            self.streams = streams

    def sample(self, kind, clip_len, num_clips=1, p_interval=1, seed=255):
        interval = as_interval(p_interval)
        self.num_clips = num_clips
        layer = kind(
            clip_len,
            num_clips,
            interval,
            mode="test" if self.config["test_mode"] else "train",
            streams=self.streams,
            test_seed=seed,
        )
        numbers = None
        if layer.num_draws:
            frames = np.any(self.clip, axis=(0, 2, 3)).nonzero()[0][-1] + 1
            numbers = np.concatenate(
                [
                    sampling_draws(clip_len, frames, interval, self.draw)
                    for _ in range(num_clips)
                ]
            )
        self.apply(layer, numbers)
        self.is_sampled = True

    def uniformsample(self, **args):
        self.sample(UniformSample, **args)

    uniformsampleframes = uniformsample

    def uniformsampledecode(self, **args):
        self.sample(UniformSampleDecode, **args)
        self.is_half = False

    def padto(self, length, mode="loop"):
        self.apply(PadTo(length, mode, streams=self.streams))
        self.is_sampled = True

    def flip(self, flip_ratio=0.5, **sides):
        width = self.config["img_shape"][1]
        layer = RandomMirror("coco17", image_width=width, rate=flip_ratio)
        self.apply(layer, [self.draw("rand")])

    def posedecode(self):
        """Frames were taken by the sampling."""
        self.is_half = False

    def formatgcninput(self, **args):
        self.apply(make_persons(args))


def test_pipelines(load):
    for config, arrays in load("pipeline*.npz"):
        clip = keypoints(arrays).astype("float16").astype("float32")
        output = Pipeline(config, clip).run()
        assert_close(output, arrays["out/keypoint"], config["pipeline"])
