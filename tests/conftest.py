"""Fixtures that all tests share."""

import importlib.util
import os
import pathlib

import numpy as np
import pytest

# In the other order, the two libraries clash in one process.
if importlib.util.find_spec("torch") and importlib.util.find_spec("tensorflow"):
    import torch  # noqa: F401

SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"


def _folder(root, name, what):
    if not (root / name).is_dir():
        pytest.skip(f"{what} {name!r} is not available")
    return root / name


@pytest.fixture(scope="session")
def fixtures_dir():
    """A function from a system's name to the folder of its fixtures."""
    root = os.environ.get("KERAS_SKELETON_FIXTURES", SHARED / "fixtures")
    return lambda name: _folder(pathlib.Path(root), name, "the fixtures of")


@pytest.fixture(scope="session")
def data_dir():
    """A function from a data set's name to its folder."""
    return lambda name: _folder(SHARED / "data", name, "the data set")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache of Keras for every test."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras_home"))
    return tmp_path / "keras_home" / "models" / "keras_skeleton"


@pytest.fixture
def random():
    return np.random.default_rng(0)


def _clips(skeleton, num_samples=2, num_persons=2, num_frames=8, seed=1):
    from keras_skeleton import skeletons

    joints = skeletons.get(skeleton).num_joints
    random = np.random.default_rng(seed)
    shape = (num_samples, num_persons, num_frames, joints, 3)
    return random.normal(size=shape).astype("float32")


@pytest.fixture
def make_clips():
    return _clips
