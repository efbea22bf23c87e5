import numpy as np
import pytest

from keras_skeleton.datasets.readers._decompress import decompress_pose

FRAMES = np.array([0, 0, 2, 2, 2, 5])
KEYPOINTS = np.arange(36, dtype="float32").reshape(6, 2, 3)


def test_persons_are_numbered_in_each_frame():
    places, scores = decompress_pose(KEYPOINTS, FRAMES, 7, squeeze=False)
    assert places.shape == (3, 7, 2, 2) and scores.shape == (3, 7, 2)
    assert places.dtype == scores.dtype == "float16"
    for person, frame, row in [(0, 0, 0), (1, 0, 1), (2, 2, 4), (0, 5, 5)]:
        np.testing.assert_array_equal(
            places[person, frame], KEYPOINTS[row, :, :2]
        )
        np.testing.assert_array_equal(
            scores[person, frame], KEYPOINTS[row, :, 2]
        )
    assert not places[2, 0].any() and not scores[:, 1].any()
    squeezed, _ = decompress_pose(KEYPOINTS, FRAMES)
    np.testing.assert_array_equal(squeezed, places[:, [0, 2, 5]])


def test_highest_scores_stay():
    places, scores = decompress_pose(KEYPOINTS, FRAMES, max_persons=2)
    np.testing.assert_array_equal(scores[:, 1], KEYPOINTS[[4, 3], :, 2])
    np.testing.assert_array_equal(places[:, 0], KEYPOINTS[[1, 0], :, :2])
    np.testing.assert_array_equal(places[0, 2], KEYPOINTS[5, :, :2])
    assert not places[1, 2].any()


def test_choice_of_skeletons():
    keep = np.array([True, False, True, False, False, False])
    places, _ = decompress_pose(KEYPOINTS, FRAMES, keep=keep)
    np.testing.assert_array_equal(places[0], KEYPOINTS[[0, 2], :, :2])
    places, scores = decompress_pose(KEYPOINTS, FRAMES, keep=keep & False)
    assert places.shape == (0, 0, 2, 2) and scores.shape == (0, 0, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keypoints": KEYPOINTS[..., :2]}, "x, y and score"),
        ({"frame_indices": FRAMES[:-1]}, "6 skeletons"),
        ({"frame_indices": FRAMES[::-1]}, "not decrease"),
        ({"keep": [True]}, "`keep`"),
        ({"squeeze": False}, "`total_frames` is needed"),
        ({"squeeze": False, "total_frames": 5}, "the video has 5"),
        (
            {
                "squeeze": False,
                "total_frames": 9,
                "frame_indices": FRAMES - 1,
            },
            "frames -1 to 4",
        ),
    ],
)
def test_wrong_input(changes, message):
    arguments = {"keypoints": KEYPOINTS, "frame_indices": FRAMES, **changes}
    with pytest.raises(ValueError, match=message):
        decompress_pose(**arguments)
