import dataclasses

import numpy as np
import pytest

from keras_skeleton import serving
from keras_skeleton import skeletons
from keras_skeleton.datasets import _pose_forms
from keras_skeleton.serving import poses

pytestmark = pytest.mark.once

MEDIAPIPE = poses.PoseEstimator("mediapipe33", has_world=True)
COCO = poses.PoseEstimator("coco17")


def joint(skeleton, name):
    return skeletons.get(skeleton).joints.index(name)


def seen(skeleton, frames=2, seed=0):
    random = np.random.default_rng(seed)
    joints = skeletons.get(skeleton).num_joints
    return (
        random.uniform(10, 90, (frames, joints, 2)).astype("float32"),
        random.uniform(0.2, 1, (frames, joints)).astype("float32"),
        random.normal(size=(frames, joints, 3)).astype("float32"),
    )


def test_metres_of_a_picture_as_of_a_kinect():
    form = _pose_forms.form_of({"data_set": "nw_ucla"}, "x")
    bridge = serving.Bridge(MEDIAPIPE, "kinect20", form)
    joints, scores, world = seen("mediapipe33")
    found = bridge(joints, scores, world)
    assert found.shape == (2, 20, 3)
    # x to the left of the picture, y up, z away.
    wrist = world[:, joint("mediapipe33", "left_wrist")]
    np.testing.assert_allclose(
        found[:, joint("kinect20", "left_wrist")], wrist * [-1, -1, 1]
    )
    hips = [joint("mediapipe33", f"{side}_hip") for side in ("left", "right")]
    np.testing.assert_allclose(
        found[:, joint("kinect20", "hip_center")],
        world[:, hips].mean(1) * [-1, -1, 1],
        atol=1e-6,
    )
    assert "Kinect v1" in bridge.notes[0]
    with pytest.raises(ValueError, match="--pose mediapipe"):
        serving.Bridge(COCO, "kinect20", form)


def test_sides_and_visibility_of_penn_action():
    form = _pose_forms.form_of({"data_set": "penn_action"}, "x")
    bridge = serving.Bridge(COCO, "penn13", form)
    joints, scores, _ = seen("coco17")
    found = bridge(joints, scores, None)
    assert found.shape == (2, 13, 3) and not bridge.notes
    right = joint("coco17", "right_knee")
    knee = found[:, joint("penn13", "left_knee")]
    np.testing.assert_allclose(knee[:, :2], joints[:, right])
    np.testing.assert_array_equal(knee[:, 2], scores[:, right] > 0.5)
    ears = [joint("coco17", f"{side}_ear") for side in ("left", "right")]
    np.testing.assert_allclose(
        found[:, 0, :2], joints[:, ears].mean(1), atol=1e-5
    )


def test_pixels_of_another_size():
    form = _pose_forms.form_of({"data_set": "ntu60_2d"}, "x")
    with pytest.raises(ValueError, match="size="):
        serving.Bridge(COCO, "coco17", form)
    bridge = serving.Bridge(COCO, "coco17", form, size=(640, 360))
    joints, scores, _ = seen("coco17")
    found = bridge(joints, scores, None)
    np.testing.assert_allclose(found[..., :2], 3 * joints, rtol=1e-6)
    np.testing.assert_allclose(found[..., 2], scores)


def test_joints_that_stand_for_others_are_told():
    form = serving.PoseForm("a camera", ("x", "y"))
    bridge = serving.Bridge(COCO, "openpose25", form)
    assert "left_heel" in bridge.notes[0]
    assert bridge(*seen("coco17")[:2], None).shape == (2, 25, 2)


def test_what_a_card_says_of_its_own():
    recipe = {"data_set": "penn_action", "form": {"coordinates": ["x", "y"]}}
    form = _pose_forms.form_of(recipe, "x")
    assert form == dataclasses.replace(
        _pose_forms.FORMS["penn_action"], coordinates=("x", "y")
    )
    own = {"sensor": "x", "coordinates": ("x", "y", "z"), "up": "y"}
    assert _pose_forms.form_of({"form": own}, "x").is_spatial
    with pytest.raises(ValueError, match="'dance'.*form="):
        _pose_forms.form_of({"data_set": "dance"}, "x")
    with pytest.raises(ValueError, match="does not fit"):
        _pose_forms.form_of({"data_set": "ntu60", "form": {"hertz": 3}}, "x")
    with pytest.raises(ValueError, match="`up` must be one of"):
        serving.PoseForm("x", ("x", "y"), up="z")


def test_sides_of_penn_action_are_swapped(data_dir):
    from keras_skeleton.datasets import penn_action

    data = penn_action.load_data(data_dir("penn_action") / "labels.zip")
    front = np.flatnonzero(np.asarray(data.metadata["pose"]) == "front")[:60]
    left = [1, 7]
    right = [2, 8]
    apart = [
        (
            data[int(i)][0][0, :, left, 0] - data[int(i)][0][0, :, right, 0]
        ).mean()
        for i in front
    ]
    # In front of a camera one's left is on the right of the picture.
    assert np.mean(np.array(apart) < 0) > 0.8
