"""What arrays, labels and coordinates mean, where nobody says so."""

import pickle
import warnings

import numpy as np
import pytest

from keras_skeleton import datasets
from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets import _coordinates
from keras_skeleton.layers import augmentation

pytestmark = pytest.mark.once
GENERATOR = np.random.default_rng(0)


def poses(frames=6, depth=False):
    """A clip (T, 17, 3): pixels, and a score or a depth."""
    places = GENERATOR.uniform(100, 600, (frames, 17, 2))
    limits = (-100, 100) if depth else (0.3, 1.0)
    third = GENERATOR.uniform(*limits, (frames, 17, 1))
    return np.concatenate([places, third], axis=-1).astype("float32")


def joined(clips, labels=None, skeleton="coco17", **options):
    return Sequences.from_arrays(clips, labels, skeleton=skeleton, **options)


@pytest.mark.parametrize("name", ("Score", "conf", "Likelihood", "P", "c"))
def test_names_of_scores(name):
    coordinates = ("x", "y", name)
    data = joined([poses()], [0], coordinates=coordinates)
    assert data.coordinates == coordinates
    center = augmentation.Center(skeleton="coco17")
    made = next(iter(data.to_keras([center], 1)))[0]
    np.testing.assert_array_equal(made[0, ..., 2], data[0][0][..., 2])
    assert not _coordinates.is_score("z") and not _coordinates.is_score("y")


def test_a_score_that_nobody_named():
    with pytest.warns(UserWarning, match=r"coordinates=\('x', 'y', 'score'\)"):
        assert joined([poses(), poses(4)]).coordinates[-1] == "score"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flat = poses() * [1, 1, 0]
        small = poses() * [1e-3, 1e-3, 1]
        for clips in ([poses(depth=True)], [flat], [small]):
            assert joined(clips).coordinates == ("x", "y", "z")
        assert joined([poses()], coordinates="xyz").coordinates[-1] == "z"
        assert joined([poses()[..., :2]]).coordinates == ("x", "y")


@pytest.mark.parametrize("depth", (False, True))
def test_readers_look_at_the_third_value(tmp_path, depth):
    expected = "z" if depth else "score"
    annotation = {
        **{"frame_dir": "a", "label": 0, "total_frames": 6},
        **{"img_shape": (480, 640), "keypoint": poses(depth=depth)[None]},
    }
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps([annotation]))
    assert datasets.pyskl.load_data(path).coordinates[-1] == expected

    clip = poses(depth=depth)
    np.save(
        tmp_path / "train_data.npy", clip.transpose(2, 0, 1)[None, ..., None]
    )
    (tmp_path / "train_label.pkl").write_bytes(pickle.dumps((["a"], [0])))
    assert datasets.stgcn.load_data(tmp_path).coordinates[-1] == expected

    frames = [
        {"image_id": f"{i}.jpg", "category_id": 1, "score": 1.0,
         "keypoints": body.ravel().tolist()}
        for i, body in enumerate(clip)
    ]  # fmt: skip
    path = tmp_path / "coco" / "results.json"
    path.parent.mkdir()
    path.write_text(str(frames).replace("'", '"'))
    assert datasets.coco.load_data(path).coordinates[-1] == expected


def test_labels_in_texts():
    clips = [poses()[..., :2]] * 4
    data = joined(clips, ["0", "1", " 10", "2"])
    assert data.labels.tolist() == [0, 1, 10, 2] and data.class_names is None
    data = joined(clips, ["wave", " wave", "run ", None])
    assert data.labels.tolist() == [1, 1, 0, -1]
    assert data.class_names == ["run", "wave"]
    data = joined(clips, ["10", "2", "2", "-1"], class_names=["2", "10"])
    assert data.labels.tolist() == [1, 0, 0, -1]
    called = ["None", "none", "1st", "2"]
    data = joined(clips, ["none", "1st", "2", "None"], class_names=called)
    assert data.labels.tolist() == [1, 2, 3, 0]
    assert joined(clips, ["a", float("nan"), "b", "a"]).labels[1] == -1
    for empty in ("", " ", "nan", "None"):
        with pytest.raises(ValueError, match="1 clips.*no class.*'third'"):
            names = ["first", "second", "third", "fourth"]
            joined(clips, ["a", "b", empty, "a"], names=names)


def test_labels_of_pickles_in_texts(tmp_path):
    def read(*labels):
        annotations = [
            {"frame_dir": f"v{i}", "label": label, "total_frames": 6,
             "keypoint": poses(depth=True)[None]}
            for i, label in enumerate(labels)
        ]  # fmt: skip
        path = tmp_path / "a.pkl"
        path.write_bytes(pickle.dumps(annotations))
        return datasets.pyskl.load_data(path)

    data = read("0", "10", "2")
    assert data.labels.tolist() == [0, 10, 2] and data.class_names is None
    data = read("Walk", " Walk", "run", None)
    assert data.labels.tolist() == [0, 0, 1, -1]
    assert data.class_names == ["Walk", "run"]
    with pytest.warns(UserWarning, match="(?s)v1.*no class"):
        data = read("walk", "nan", "run")
    assert data.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    "shape", [(30, 3, 17, 2), (30, 4, 17, 3), (30, 3, 17, 3), (12, 20, 17, 3)]
)
def test_more_persons_than_can_be(shape):
    clip = GENERATOR.normal(size=shape)
    with pytest.raises(ValueError, match=r"seem to be swapped.*swapaxes"):
        joined([clip])
    if shape[0] <= 2 * shape[1]:
        names = "xyz"[: shape[-1]]
        assert joined([clip], coordinates=names).frame_shape[0] == shape[0]
    else:
        with pytest.raises(ValueError, match="30 persons in"):
            joined([clip], coordinates="xyz"[: shape[-1]])


def test_coordinates_before_persons():
    """Two persons who stand, side by side, in the plane and in space."""
    body = GENERATOR.uniform(-1, 1, (1, 9, 17, 3))
    body[..., 1] = np.linspace(0, 5, 17)
    persons = np.concatenate([body, body + GENERATOR.normal(size=3)])
    persons[1, ..., 0] *= -1
    for size in (2, 3):
        clip = persons[..., :size]
        assert joined([clip]).frame_shape == (2, 17, size)
        with pytest.raises(ValueError, match=r"transpose\(3, 1, 2, 0\)"):
            joined([clip.transpose(3, 1, 2, 0)])
        swapped = clip.transpose(3, 1, 2, 0)
        assert joined([swapped], coordinates="xy").frame_shape[0] == size
