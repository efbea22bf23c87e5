"""The preparations of NTU RGB+D and PKU-MMD against the official code's."""

import json
import warnings

import numpy as np
import pytest

from keras_skeleton.datasets.readers import _ntu_raw
from keras_skeleton.datasets.readers import ntu
from keras_skeleton.datasets.readers import pku_mmd

PROTOCOLS = {"XSub": "xsub", "XView": "xview", "XSet": "xset"}


def cases(fixtures_dir, pattern):
    paths = sorted(fixtures_dir("mamp").glob(pattern))
    if not paths:
        pytest.skip(f"There are no {pattern} among the fixtures.")
    for path in paths:
        with np.load(path) as file:
            arrays = dict(file)
        config = json.loads(str(arrays.pop("config")))
        folder = path.with_name(path.stem.replace("preparation", "raw"))
        yield folder, arrays, config


def assert_splits_equal(data, arrays):
    """Compares every `out/<split>/x_*` and `y_*` to the last bit."""
    splits = {name.split("/")[1] for name in arrays if "/x_" in name}
    known = {PROTOCOLS[split] for split in splits}
    assert known == set(data.splits) - {"one_shot"}
    for split in splits:
        parts = data.split(PROTOCOLS[split])
        for name, part in zip(("train", "test"), parts, strict=True):
            expected = arrays[f"out/{split}/x_{name}"]
            length = max(expected.shape[1], part.lengths.max(initial=0))
            clips = part.padded(np.arange(len(part)), length)
            rows = clips.swapaxes(1, 2).reshape(len(part), length, -1)
            assert rows.dtype == expected.dtype
            assert np.array_equal(rows[:, : expected.shape[1]], expected)
            assert not rows[:, expected.shape[1] :].any()
            one_hot = arrays[f"out/{split}/y_{name}"]
            assert one_hot.shape[1] == len(data.class_names)
            assert np.array_equal(np.eye(len(one_hot[0]))[part.labels], one_hot)


def prepare(reader, folder, *arguments):
    with warnings.catch_warnings():
        # Files listed as missing may or may not be readable.
        warnings.simplefilter("ignore")
        return reader.prepare_raw(folder, *arguments)


def ntu_cases(fixtures_dir):
    for dataset, pattern in [
        ("ntu60", "ntu_preparation*.npz"),
        ("ntu120", "ntu120_preparation*.npz"),
    ]:
        for case in cases(fixtures_dir, pattern):
            yield dataset, *case


def test_ntu_arrays(fixtures_dir):
    for dataset, folder, arrays, config in ntu_cases(fixtures_dir):
        data = prepare(ntu, folder, dataset)
        assert data.names == config["available_names"]
        assert np.array_equal(data.lengths, arrays["out/frames_cnt"])
        assert_splits_equal(data, arrays)


def test_ntu_bodies_and_denoising(fixtures_dir):
    for _, folder, arrays, config in ntu_cases(fixtures_dir):
        for sequence in config["sequences"]:
            path = folder / f"{sequence['name']}.skeleton"
            recording = ntu.parse_skeleton_file(path)
            bodies = _ntu_raw.list_bodies(recording)
            expected = sequence["bodies"]
            assert list(recording.bodies) == [body["id"] for body in expected]
            for body, facts in zip(bodies, expected, strict=True):
                assert len(body.joints) == facts["frames"]
                assert [body.start, body.end] == facts["interval"]
                if facts["motion"] is not None:
                    assert np.float32(facts["motion"]) == body.motion
            shown = {
                frame
                for frames, _ in recording.bodies.values()
                for frame in frames
            }
            dropped = set(range(recording.num_frames)) - shown
            assert sorted(dropped) == sequence["frames_dropped"]
            assert len(shown) == sequence["num_frames"]
            tracks = _ntu_raw.denoise(recording)
            denoised = arrays[f"out/denoised/{sequence['name']}"]
            assert np.array_equal(tracks.reshape(len(tracks), -1), denoised)


def test_pku_arrays(fixtures_dir):
    for folder, arrays, config in cases(fixtures_dir, "pku_*preparation*.npz"):
        data = prepare(pku_mmd, folder)
        assert {name[:-4] for name in data.names} <= set(config["files"])
        assert_splits_equal(data, arrays)
