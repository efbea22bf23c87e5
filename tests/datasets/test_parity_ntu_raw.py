"""Raw NTU RGB+D files against the official preparation of MAMP and CTR-GCN."""

import zipfile

import numpy as np
import pytest

from keras_skeleton.datasets import ntu

PROTOCOLS = {"XSub": "xsub", "XView": "xview", "XSet": "xset"}


def test_preparation_equals_the_official_one(fixtures_dir, tmp_path):
    folder = fixtures_dir("ntu_raw")
    archives = sorted(folder.glob("raw_skeletons*.zip"))
    if not archives:
        pytest.skip("There are no raw_skeletons*.zip among the fixtures.")
    for archive in archives:
        suffix = archive.stem.removeprefix("raw_skeletons")
        raw = tmp_path / archive.stem
        with zipfile.ZipFile(archive) as file:
            file.extractall(raw)
        with np.load(folder / f"expected_ctrgcn_mamp{suffix}.npz") as file:
            expected = dict(file)
        for key in {name.split("/")[0] for name in expected}:
            dataset, split = key.lower().split("_")[0], key.split("_")[1]
            data = ntu.prepare_raw(raw, dataset, strict=True)
            parts = data.split(PROTOCOLS[split])
            for name, part in zip(("train", "test"), parts, strict=True):
                rows = expected[f"{key}/x_{name}"]
                clips = part.padded(np.arange(len(part)), rows.shape[1])
                clips = clips.swapaxes(1, 2).reshape(rows.shape)
                assert part.lengths.max() <= rows.shape[1]
                assert np.array_equal(clips, rows)
                one_hot = expected[f"{key}/y_{name}"]
                assert np.array_equal(one_hot.argmax(1), part.labels)
