"""Data sets without a path: fetched, found in the cache, or explained."""

import importlib
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from web import serving

from keras_skeleton import _download
from keras_skeleton.datasets.readers import nw_ucla
from keras_skeleton.datasets.readers import pyskl

BY_HAND = (
    "casia_b",
    "dhg",
    "fine_gym",
    "human36m",
    "itop",
    "kinetics",
    "ntu",
    "ntu_x",
    "panoptic",
    "penn_action",
    "pku_mmd",
    "shrec17",
)


@pytest.mark.parametrize("name", BY_HAND)
def test_says_what_to_put_where(name):
    module = importlib.import_module(f"keras_skeleton.datasets.readers.{name}")
    options = {"version": "gym288"} if name == "fine_gym" else {}
    with pytest.raises(FileNotFoundError) as raised:
        module.load_data(**options)
    text = str(raised.value)
    assert str(_download.cache_folder("datasets")) in text
    assert "http" in text


def make_archive(num_clips):
    data = io.BytesIO()
    frames = np.random.default_rng(0).normal(size=(4, 20, 3)).tolist()
    with zipfile.ZipFile(data, "w") as archive:
        for index in range(num_clips):
            archive.writestr(
                f"all_sqe/a01_s01_e{index:02d}_v01.json",
                json.dumps({"skeletons": frames, "label": 1}),
            )
    return data.getvalue()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(_download.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(nw_ucla, "NUM_CLIPS", 3)
    with serving(make_archive(3)) as server:
        address = f"{server.address}/all_sqe.zip"
        monkeypatch.setattr(nw_ucla, "ADDRESS", address)
        yield server


def test_nw_ucla_is_fetched_once(server):
    server.plan = [("break off", 200)]
    assert len(nw_ucla.load_data()) == 3
    requests = len(server.requests)
    assert len(nw_ucla.load_data()) == 3
    assert len(server.requests) == requests


@pytest.mark.parametrize("damage", ["fewer clips", "cut off", "other"])
def test_what_was_fetched_is_checked(server, damage):
    server.content = {
        "fewer clips": make_archive(2),
        "cut off": make_archive(3)[:-30],
        "other": b"<html>Sorry</html>",
    }[damage]
    with pytest.raises(ValueError):
        nw_ucla.load_data()
    assert not any(_download.cache_folder("datasets").iterdir())
    server.content = make_archive(3)
    assert len(nw_ucla.load_data()) == 3


def annotations(num_clips):
    return pickle.dumps(
        {
            "split": {"xview_train": ["a"], "xview_val": ["b"]},
            "annotations": [
                {
                    "frame_dir": name,
                    "label": 1,
                    "total_frames": 4,
                    "keypoint": np.ones((1, 4, 20, 3), "float16"),
                }
                for name in "abcdef"[:num_clips]
            ],
        }
    )


def test_annotations_are_fetched_by_name(server, monkeypatch):
    address = f"{server.address}/nw_ucla.pkl"
    monkeypatch.setitem(pyskl.ADDRESSES, "nw_ucla", address)
    known = pyskl.DATA_SETS["nw_ucla"]._replace(num_clips=2)
    monkeypatch.setitem(pyskl.DATA_SETS, "nw_ucla", known)
    server.content = annotations(3)
    with pytest.raises(ValueError, match="holds 3 clips, not 2"):
        pyskl.load_data(name="nw_ucla")
    server.content = annotations(2)[:-9]
    with pytest.raises(ValueError):
        pyskl.load_data(name="nw_ucla")
    server.content = annotations(2)
    train, test = pyskl.load_data(name="nw_ucla").split("xview")
    assert (train.names, test.names) == (["a"], ["b"])
    with pytest.raises(FileNotFoundError, match="`name` of one"):
        pyskl.load_data()
    with pytest.raises(FileNotFoundError, match="by hand"):
        pyskl.load_data(name="pku_mmd")
