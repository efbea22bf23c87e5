"""The estimators themselves, and OpenCV, on a few frames of real videos."""

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


def test_mediapipe(pose_dir, tmp_path, monkeypatch, capfd):
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
    assert capfd.readouterr().err == ""
    estimator.quiet = False
    # As a whole: Kinect weights see her, and the user is told.
    classifier = serving.PoseClassifier.from_weights("ctrgcn:nw_ucla")
    with pytest.warns(UserWarning, match="Kinect v1"):
        found = serving.predict_video(
            _Few(few), classifier, poses=estimator, min_seconds=0.1
        )
    # It has only been kept quiet, and the output is back.
    assert "INFO" in capfd.readouterr().err
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


def test_a_camera(pose_dir):
    pytest.importorskip("cv2", exc_type=ImportError)
    # To OpenCV, a file is a camera that is soon unplugged.
    camera = frames.Camera(str(pose_dir / "walk_vfr.mp4"))
    found = []
    with pytest.raises(ConnectionError, match="no more frames"):
        for frame in camera:
            found.append(frame)
    assert found and found[0].image.shape == (256, 620, 3)
    assert [frame.number for frame in found] == list(range(len(found)))
    assert all(a.time < b.time for a, b in itertools.pairwise(found))
    upright = next(iter(frames.open_source(pose_dir / "walk_vfr.mp4"))).image
    # Red is red: the grass is greener than it is blue.
    assert np.argmax(upright.mean((0, 1))) == np.argmax(
        found[0].image.mean((0, 1))
    )
    with pytest.raises(ConnectionError, match="cannot be opened"):
        next(iter(frames.Camera("nowhere.mp4")))
