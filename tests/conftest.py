"""What all tests share: fixtures, and what runs on which backend.

A test marked `once` proves what no backend changes, and runs on one backend
only; `--everywhere` runs it on the others, too. Modules carry the mark as
`pytestmark`, whole folders stand in `ONCE`.

`KERAS_SKELETON_WITHOUT` names libraries, with commas between, that cannot be
imported in this run, as on a machine that lacks them.
"""

import importlib.machinery
import importlib.util
import os
import pathlib
import sys

import numpy as np
import pytest

HERE = pathlib.Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared"
# The quickest to start of the backends that compile nothing.
ONCE_BACKEND = "torch"
ONCE = ("datasets/files", "datasets/readers", "drawing")


class _Without(importlib.machinery.PathFinder):
    """Finds what is installed, but for some libraries."""

    names = os.environ.get("KERAS_SKELETON_WITHOUT", "").split(",")

    @classmethod
    def find_spec(cls, fullname, path=None, target=None):
        if fullname.partition(".")[0] in cls.names:
            return None
        return super().find_spec(fullname, path, target)


finder = sys.meta_path.index(importlib.machinery.PathFinder)
sys.meta_path[finder] = _Without
# In the other order, the two libraries clash in one process.
if importlib.util.find_spec("torch") and importlib.util.find_spec("tensorflow"):
    import torch  # noqa: F401


def pytest_addoption(parser):
    parser.addoption(
        "--everywhere",
        action="store_true",
        help=f"run what is marked `once` on other backends than {ONCE_BACKEND}",
    )


def pytest_collection_modifyitems(config, items):
    import keras

    for item in items:
        if any(item.path.is_relative_to(HERE / folder) for folder in ONCE):
            item.add_marker(pytest.mark.once)
    if config.option.everywhere or keras.backend.backend() == ONCE_BACKEND:
        return
    once = [item for item in items if item.get_closest_marker("once")]
    config.hook.pytest_deselected(items=once)
    items[:] = [item for item in items if not item.get_closest_marker("once")]


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


@pytest.fixture(scope="session")
def pose_dir():
    """The folder of videos and pose estimators."""
    return _folder(SHARED, "pose", "the folder")


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
