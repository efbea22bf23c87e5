"""Raw NTU RGB+D files against the official preparations."""

import numpy as np
import pytest

from keras_skeleton.datasets.readers import ntu

PROTOCOLS = {"XSub": "xsub", "XView": "xview", "XSet": "xset"}


@pytest.fixture
def cases(fixtures_dir):
    """A function from what a file is called to archives and its arrays."""
    folder = fixtures_dir("ntu_raw")

    def cases(stem):
        archives = sorted(folder.glob("raw_skeletons*.zip"))
        if not archives:
            pytest.skip("There are no raw_skeletons*.zip among the fixtures.")
        for archive in archives:
            suffix = archive.stem.removeprefix("raw_skeletons")
            with np.load(folder / f"{stem}{suffix}.npz") as file:
                yield archive, dict(file)

    return cases


def test_ctrgcn_and_mamp(cases):
    for archive, expected in cases("expected_ctrgcn_mamp"):
        for key in {name.split("/")[0] for name in expected}:
            dataset, split = key.lower().split("_")[0], key.split("_")[1]
            data = ntu.load_data(archive, dataset, strict=True)
            parts = data.split(PROTOCOLS[split])
            for name, part in zip(("train", "test"), parts, strict=True):
                rows = expected[f"{key}/x_{name}"]
                clips = part.padded(np.arange(len(part)), rows.shape[1])
                clips = clips.swapaxes(1, 2).reshape(rows.shape)
                assert part.lengths.max() <= rows.shape[1]
                assert np.array_equal(clips, rows)
                one_hot = expected[f"{key}/y_{name}"]
                assert np.array_equal(one_hot.argmax(1), part.labels)


def test_pyskl_clips(cases):
    for archive, expected in cases("expected_pyskl"):
        reader = ntu.NTUReader(archive, "ntu120", preparation="pyskl")
        clips = [clip for unit in reader.units() for clip in reader.read(unit)]
        names = [key.split("/")[1] for key in expected if "keypoint/" in key]
        assert [clip.name for clip in clips] == sorted(names)
        for clip in clips:
            keypoint = expected[f"keypoint/{clip.name}"]
            assert clip.frames.dtype == np.float32
            assert clip.frames.shape == keypoint.shape
            assert np.array_equal(clip.frames, keypoint.astype("float32"))


def test_pyskl_labels_and_splits(cases):
    for archive, expected in cases("expected_pyskl"):
        for dataset in {key.split("/")[0] for key in expected} - {"keypoint"}:
            data = ntu.load_data(archive, dataset, "pyskl", strict=True)
            assert data.names == expected[f"{dataset}/names"].tolist()
            assert np.array_equal(data.labels, expected[f"{dataset}/labels"])
            prefix = f"{dataset}/split/"
            splits = [
                key.removeprefix(prefix) for key in expected if prefix in key
            ]
            for split in splits:
                protocol, part = split.split("_")
                part = {"train": "train", "val": "test"}[part]
                names = data.select(data.splits[protocol][part]).names
                assert names == expected[f"{prefix}{split}"].tolist()
            for index, name in enumerate(data.names):
                keypoint = expected[f"keypoint/{name}"].astype("float32")
                clip, _ = data[index]
                assert np.array_equal(clip[: len(keypoint)], keypoint)
                assert not clip[len(keypoint) :].any()
