"""From a list of detected skeletons to persons in frames."""

import numpy as np


def decompress_pose(
    keypoints,
    frame_indices,
    total_frames=None,
    keep=None,
    squeeze=True,
    max_persons=10,
):
    """Lays detected skeletons of a video out over persons and frames.

    Persons of a frame are numbered in the order of the list: nobody is
    tracked from frame to frame. If any frame shows more than `max_persons`,
    all frames are sorted by the sum of the joints' scores, and the persons
    with the highest sums stay. Values are rounded to float16, as in
    published preparations.

    Args:
        keypoints: `(K, V, 3)`, x, y and score of the joints of `K` skeletons.
        frame_indices: Frame `(K,)` of each skeleton, from 0, non-decreasing.
        total_frames: Frames of the video, needed without `squeeze`.
        keep: Optional booleans `(K,)`: which skeletons to use.
        squeeze: Whether to drop frames without a skeleton.
        max_persons: Most persons of a frame that stay.

    Returns:
        float16 arrays `(M, T, V, 2)` of places and `(M, T, V)` of scores,
        zero for the absent. Without any skeleton, `M` is 0.

    Raises:
        ValueError: If the arrays do not belong together, or a frame does not
            belong to the video.

    Example:

    >>> places, scores = decompress_pose(np.ones((3, 17, 3)), [0, 0, 4])
    >>> places.shape, scores.shape
    ((2, 2, 17, 2), (2, 2, 17))

    Reference: [Duan et al., 2022](https://arxiv.org/abs/2205.09443).
    """
    keypoints = np.asarray(keypoints)
    frames = np.asarray(frame_indices, "int64")
    if keypoints.ndim != 3 or keypoints.shape[2] != 3:
        raise ValueError(
            "Skeletons must be an array (skeletons, joints, 3) of x, y and "
            f"score. Received shape {keypoints.shape}."
        )
    if frames.shape != keypoints.shape[:1]:
        raise ValueError(
            f"There are {len(keypoints)} skeletons, but frame numbers of "
            f"shape {frames.shape}."
        )
    if keep is not None:
        keep = np.asarray(keep, bool)
        if keep.shape != frames.shape:
            raise ValueError(
                f"`keep` must have one entry for each of {len(frames)} "
                f"skeletons. Received shape {keep.shape}."
            )
        keypoints, frames = keypoints[keep], frames[keep]
    if np.any(np.diff(frames) < 0):
        raise ValueError("Frame numbers of skeletons must not decrease.")
    if squeeze:
        seen, frames = np.unique(frames, return_inverse=True)
        total_frames = len(seen)
    elif total_frames is None:
        raise ValueError("Without `squeeze`, `total_frames` is needed.")
    if len(frames) and not 0 <= frames[0] <= frames[-1] < total_frames:
        raise ValueError(
            f"Skeletons are in the frames {frames[0]} to {frames[-1]}, but "
            f"the video has {total_frames}."
        )
    person = np.arange(len(frames)) - np.searchsorted(frames, frames)
    num_persons = int(person.max(initial=-1)) + 1
    shape = (num_persons, int(total_frames), *keypoints.shape[1:])
    poses = np.zeros(shape, "float16")
    poses[person, frames] = keypoints
    if num_persons > max_persons:
        total = poses[..., 2].sum(axis=-1)
        # Empty places go last, whatever scores there are.
        count = np.bincount(frames, minlength=int(total_frames))
        total[np.arange(num_persons)[:, None] >= count] = -np.inf
        order = np.argsort(-total, axis=0, kind="stable")[:max_persons]
        poses = np.take_along_axis(poses, order[:, :, None, None], axis=0)
    return poses[..., :2], poses[..., 2]
