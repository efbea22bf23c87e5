"""The estimators themselves, on a few frames of real videos."""

import itertools
import sys

import numpy as np
import pytest

from keras_skeleton import serving
from keras_skeleton.serving import frames
from keras_skeleton.serving import poses

pytest.importorskip("av")
pytestmark = pytest.mark.once


def first_frames(path, count):
    return list(itertools.islice(frames.open_source(path), count))


def make(name, *arguments, **options):
    """An estimator, where the machine has what it needs."""
    try:
        return getattr(poses, name)(*arguments, **options)
    except ImportError as error:
        pytest.skip(f"{name} cannot run here: {error}")


def test_rtmlib(pose_dir, tmp_path):
    model = pose_dir / "movenet_multipose_256.onnx"
    estimator = make("RTMLibPoses", model, min_score=0.2)
    with np.load(pose_dir / "walk_movenet.npz") as reference:
        for frame in first_frames(pose_dir / "walk.mp4", 3):
            (person,) = estimator(frame)
            expected = reference["keypoints"][frame.number, 0]
            # Decoders differ by a little.
            assert np.abs(person.joints - expected).max() < 3
    black = frames.Frame(0, 0.0, np.zeros((64, 64, 3), "uint8"))
    assert estimator(black) == []
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ValueError, match="no .onnx file"):
        poses.RTMLibPoses(tmp_path / "text.onnx")


def test_mediapipe(pose_dir, tmp_path, monkeypatch):
    # It would import TensorFlow, if it is there, which takes long.
    if "tensorflow" not in sys.modules:
        monkeypatch.setitem(sys.modules, "tensorflow", None)
    model = pose_dir / "pose_landmarker_lite.task"
    estimator = make("MediaPipePoses", model)
    few = first_frames(pose_dir / "walk_rotated.mp4", 6)
    with pytest.raises(ValueError, match="closed"):
        estimator(few[0])
    try:
        estimator.open()
    except ImportError as error:
        pytest.skip(f"MediaPipe cannot run here: {error}")
    with np.load(pose_dir / "walk_rotated_lite.npz") as reference:
        for frame in few:
            (person,) = estimator(frame)
            expected = reference["normalised"][frame.number]
            seen = expected[:, 3] > 0.5
            places = person.joints / reference["size"]
            assert np.abs(places - expected[:, :2])[seen].max() < 0.01
            world = reference["world"][frame.number]
            assert np.abs(person.world - world)[seen].max() < 0.05
    estimator.close()
    # As a whole: Kinect weights see her, and the user is told.
    classifier = serving.PoseClassifier.from_weights("ctrgcn:nw_ucla")
    with pytest.warns(UserWarning, match="Kinect v1"):
        found = serving.predict_video(
            _Few(few), classifier, poses=estimator, min_seconds=0.1
        )
    (window,) = found.windows
    assert window.name in classifier.class_names
    (tmp_path / "text.task").write_text("no model")
    with pytest.raises(ValueError, match="no .task file"):
        poses.MediaPipePoses(tmp_path / "text.task").open()


class _Few:
    """A source of a few frames."""

    path, num_frames, frame_rate = "few", 6, 30.0

    def __init__(self, few):
        self._few, self.notes = few, []

    def __iter__(self):
        return iter(self._few)
