import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton.datasets import synthetic

pytestmark = pytest.mark.once

# Bones of the figure that have a constant length; the others of the layouts
# skip a joint.
RIGID = [(4, 5), (5, 6), (8, 9), (9, 10), (12, 13), (13, 14), (16, 17)]


@pytest.fixture(scope="module")
def clean():
    return synthetic.load_data(num_clips=150, noise=0)


def clips_of(data, action):
    label = data.class_names.index(action)
    return [data[i][0][0] for i in np.flatnonzero(data.labels == label)]


def test_form(clean):
    assert len(clean) == 150
    assert clean.skeleton == skeletons.get("ntu")
    assert clean.class_names == list(synthetic.CLASS_NAMES)
    assert np.bincount(clean.labels).tolist() == [10] * 15
    assert len(set(clean.names)) == 150
    clip, label = clean[0]
    assert clip.shape == (1, clean.lengths[0], 25, 3)
    assert clip.dtype == "float32" and label == 0
    assert clean.lengths.min() >= 30 and clean.lengths.max() <= 90
    assert len(set(clean.lengths)) > 20


def test_protocols_separate_subjects_and_cameras():
    data = synthetic.load_data(num_clips=120, classes=2)
    train, test = data.split("xsub")
    assert len(train) + len(test) == 120
    subjects = set(train.metadata["subject"]), set(test.metadata["subject"])
    assert [len(part) for part in subjects] == [6, 6]
    assert not subjects[0] & subjects[1]
    train, test = data.split("xview")
    assert set(test.metadata["camera"]) == {1}
    assert set(train.metadata["camera"]) == {2, 3}


def test_seed_decides_everything():
    data = synthetic.load_data(num_clips=20, seed=3)
    again = synthetic.load_data(num_clips=20, seed=3)
    other = synthetic.load_data(num_clips=20, seed=4)
    longer = synthetic.load_data(num_clips=40, seed=3)
    assert np.array_equal(data.bodies, again.bodies)
    assert data.bodies.shape != other.bodies.shape or not np.allclose(
        data.bodies, other.bodies
    )
    assert np.array_equal(data.bodies, longer.bodies[: len(data.bodies)])
    assert data.names == longer.names[:20]


def test_bones_keep_their_length_and_feet_the_ground(clean):
    for index in range(len(clean)):
        clip = clean[index][0][0]
        for joint, parent in RIGID:
            length = np.linalg.norm(clip[:, joint] - clip[:, parent], axis=-1)
            np.testing.assert_allclose(length, length[0], atol=1e-4)
            assert 0.15 < length[0] < 0.6
        ground = -synthetic.CAMERA_HEIGHT
        lowest = clip[:, [14, 15, 18, 19], 1].min(axis=1)
        assert lowest.min() > ground - 0.02
        if clean.class_names[clean.labels[index]] != "jump":
            assert lowest.max() < ground + 0.1
        # People are in front of the camera and within its room.
        assert 0.5 < clip[..., 2].min() and clip[..., 2].max() < 6


def test_knees_bend_forwards_and_elbows_backwards(clean):
    for clip in clips_of(clean, "squat") + clips_of(clean, "sit down"):
        # The right of the body, then its front, seen from above.
        aside = clip[:, 16] - clip[:, 12]
        front = np.stack([aside[:, 2], 0 * aside[:, 0], -aside[:, 0]], -1)
        for hip, knee, ankle in ((12, 13, 14), (16, 17, 18)):
            middle = (clip[:, hip] + clip[:, ankle]) / 2
            assert np.all(np.sum((clip[:, knee] - middle) * front, -1) > 0)


def test_actions_do_what_they_are_called(clean):
    def height(clip, joint):
        return clip[:, joint, 1] + synthetic.CAMERA_HEIGHT

    for clip in clips_of(clean, "sit down"):
        pelvis = height(clip, 0)
        assert pelvis[-1] < 0.75 * pelvis[0]
    for clip in clips_of(clean, "stand up"):
        pelvis = height(clip, 0)
        assert pelvis[-1] > 1.3 * pelvis[0]
    for clip in clips_of(clean, "wave both hands"):
        assert np.mean(height(clip, 7) > height(clip, 20)) > 0.4
        assert np.mean(height(clip, 11) > height(clip, 20)) > 0.4
    walks = [
        np.ptp(clip[:, 0, ::2], axis=0) for clip in clips_of(clean, "walk")
    ]
    bows = [np.ptp(clip[:, 0, ::2], axis=0) for clip in clips_of(clean, "bow")]
    assert np.mean(walks) > 3 * np.mean(bows)


def test_kinect20_shows_the_same_people():
    ntu = synthetic.load_data(num_clips=10)
    kinect = synthetic.load_data(num_clips=10, skeleton="kinect20")
    assert kinect.bodies.shape[1:] == (20, 3)
    joints = [0, 1, 20, *range(3, 20)]
    assert np.array_equal(kinect.bodies, ntu.bodies[:, joints])


def test_noise(clean):
    noisy = synthetic.load_data(num_clips=150, noise=0.02)
    error = noisy.bodies - clean.bodies
    spread = error.std(axis=(0, 2))
    assert 0.02 < spread[0] < 0.04
    assert spread[22] > 1.8 * spread[0]


def test_classes():
    data = synthetic.load_data(num_clips=6, classes=["walk", "bow"])
    assert data.class_names == ["walk", "bow"]
    assert data.labels.tolist() == [0, 1] * 3
    assert synthetic.load_data(num_clips=6, classes=3).labels.max() == 2


def test_neither_trivial_nor_hopeless():
    data = synthetic.load_data(num_clips=1200, seed=1)
    moments = np.linspace(0, 1, 8)
    features = []
    for index in range(len(data)):
        clip = data[index][0][0]
        clip = clip[(moments * (len(clip) - 1)).astype(int)]
        features.append((clip - clip[0, 0]).ravel())
    features = np.stack(features)
    parts = data.splits["xsub"]
    distance = (
        np.square(features).sum(1)[parts["test"], None]
        - 2 * features[parts["test"]] @ features[parts["train"]].T
        + np.square(features).sum(1)[parts["train"]]
    )
    nearest = parts["train"][distance.argmin(axis=1)]
    accuracy = np.mean(data.labels[nearest] == data.labels[parts["test"]])
    assert 0.5 < accuracy < 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"classes": ["walk", "fly"]}, "fly"),
        ({"classes": []}, "different names"),
        ({"classes": 99}, "between 1 and"),
        ({"skeleton": "coco17"}, "coco17"),
        ({"num_clips": 0}, "num_clips"),
        ({"num_subjects": 1}, "num_subjects"),
        ({"min_frames": 50, "max_frames": 40}, "max_frames"),
        ({"noise": -1.0}, "noise"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthetic.load_data(**{"num_clips": 10, **arguments})
