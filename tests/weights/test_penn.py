"""The classifier of poses, on what two pose estimators found in a video."""

import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton._scores import to_probabilities
from keras_skeleton.applications import STGCNPlusPlus
from keras_skeleton.applications import stgcnpp

pytestmark = pytest.mark.once

# Until then the man in the video does jumping jacks, two of them.
LAST = 80


def mediapipe(file):
    """Joints of BlazePose in pixels, and their visibility."""
    clip = file["normalised"][..., [0, 1, 3]].astype("float32")
    clip[..., :2] *= file["size"]
    return "mediapipe33", clip * file["found"][:, None, None]


def movenet(file):
    """Joints of COCO in pixels, and their scores, of the first person."""
    clip = np.concatenate(
        [file["keypoints"][:, 0], file["scores"][:, 0, :, None]], axis=-1
    )
    is_found = file["count"] > 0
    return "coco17", clip * is_found[:, None, None]


@pytest.fixture(scope="module")
def model():
    return STGCNPlusPlus(weights="penn", classes=15)


def classify(model, clip):
    """Name and probability of the best class of a clip `(T, V, 3)`."""
    clips = stgcnpp.preprocess_input(clip[None, None], weights="penn")
    scores = to_probabilities(model.predict(clips, verbose=0))
    ((best,),) = stgcnpp.decode_predictions(scores, "penn", top=1)
    return best


@pytest.mark.parametrize(
    ("name", "read"), [("jacks_lite", mediapipe), ("jacks_movenet", movenet)]
)
def test_jumping_jacks_of_a_video(pose_dir, model, name, read):
    with np.load(pose_dir / f"{name}.npz") as file:
        layout, clip = read(file)
    mapping = skeletons.mapping(layout, "penn13")
    clip = mapping.apply(clip[:LAST], "min")
    mirror = mapping.target.mirror_permutation
    # All of it, and the windows that slide over it; "left" either way.
    for part in (clip, clip[:40], clip[20:60], clip[40:]):
        for sides in (part, part[:, mirror]):
            found, probability = classify(model, sides)
            assert found == "jumping_jacks"
            assert probability > 0.5
