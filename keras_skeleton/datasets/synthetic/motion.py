"""Procedurally generated actions, for examples, tests and quick experiments."""

import numpy as np

from keras_skeleton import skeletons
from keras_skeleton.datasets.sequences import Sequences
from keras_skeleton.datasets.synthetic import actions
from keras_skeleton.datasets.synthetic import figure
from keras_skeleton.skeletons.skeleton import SkeletonLike

CLASS_NAMES = tuple(actions.ACTIONS)
# Which of them each layout shows. Kinect v1 has no neck, fingers or thumbs,
# and its third joint is the middle of the shoulders.
LAYOUTS = {
    "ntu": tuple(range(25)),
    "kinect20": (
        figure.PELVIS,
        figure.SPINE,
        figure.CHEST,
        *range(figure.HEAD, figure.RIGHT_FOOT + 1),
    ),
}
# Trackers place the ends of the limbs less surely than the trunk.
UNSTEADINESS = np.ones(25)
# Shoulder, elbow, wrist and hand; hip, knee, ankle and foot.
UNSTEADINESS[figure.LEFT_SHOULDER : figure.CHEST] = (1.0, 1.0, 1.5, 2.0) * 4
UNSTEADINESS[figure.LEFT_FINGERS :] = 2.5

CAMERA_HEIGHT = 0.95  # metres above the ground


def load_data(
    num_clips=1200,
    classes=None,
    skeleton: SkeletonLike = "ntu",
    num_subjects=12,
    num_cameras=3,
    min_frames=30,
    max_frames=90,
    noise=0.015,
    seed=0,
) -> Sequences:
    """Generates clips of a moving figure performing everyday actions.

    The figure has a trunk turned by joint rotations and arms and legs of
    fixed bone lengths that reach for moving targets. Subjects differ in body
    measures, posture, speed, reach and handedness, the cameras stand around
    the scene, and clips differ in length, timing and the part of the action
    they show. Everything follows from `seed`, and a smaller set is the
    beginning of a larger one, so sets of any size can be compared.

    Clips are single-person, in metres, in the axes of a depth camera about
    three metres away: x to the person's right when facing the camera, y up,
    z away from the camera.

    The protocols are `"xsub"`, which trains on the subjects with odd numbers
    and tests on the others, and `"xview"`, which tests on camera 1.

    Args:
        num_clips: integer, the number of clips. Classes, subjects and
            cameras take turns, so all occur almost equally often.
        classes: the actions, as a number (that many from the start of
            `CLASS_NAMES`), as a list of names, or `None` for all.
        skeleton: `"ntu"` (25 joints) or `"kinect20"` (20 joints).
        num_subjects: integer, the number of different people, at least 2.
        num_cameras: integer, the number of viewpoints, at least 2. They are
            spread over 90 degrees around the front of the scene, and camera
            1 is the one closest to the front.
        min_frames: integer, the length of the shortest clip (30 frames are
            one second).
        max_frames: integer, the length of the longest clip.
        noise: float, the standard deviation of the measuring error of the
            trunk's joints, in metres. Hands and feet get up to 2.5 times as
            much; single joints are also lost for some frames. 0 gives
            perfect skeletons.
        seed: integer.

    Returns:
        A `Sequences` object with `num_clips` clips of shape `(1, T, V, 3)`.

    Raises:
        ValueError: if an argument is out of range or a name is unknown.

    Example:

    ```python
    data = keras_skeleton.datasets.synthetic.load_data(num_clips=240)
    train, test = data.split("xsub")
    ```
    """
    names = _class_names(classes)
    layout = skeletons.get(skeleton)
    joints = _layout_joints(layout)
    _check_ranges(
        (num_clips, 1, "num_clips"),
        (num_subjects, 2, "num_subjects"),
        (num_cameras, 2, "num_cameras"),
        (min_frames, 2, "min_frames"),
        (max_frames, min_frames, "max_frames"),
        (noise, 0, "noise"),
    )
    clip = np.arange(num_clips)
    turn = clip // len(names)
    labels = clip % len(names)
    metadata = {
        "subject": turn % num_subjects + 1,
        "camera": (turn + turn // num_subjects) % num_cameras + 1,
        "repetition": turn // (num_subjects * num_cameras) + 1,
    }
    # One row of draws per clip and one stream per purpose keep a clip the
    # same however many follow it.
    draws = np.random.default_rng([seed, 1]).random((num_clips, 33))
    lengths = (min_frames + draws[:, 0] * (max_frames - min_frames + 1)).astype(
        "int64"
    )
    lengths = np.minimum(lengths, max_frames)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    people = figure.draw_people(num_subjects, np.random.default_rng([seed, 0]))
    people = {
        key: value[metadata["subject"] - 1] for key, value in people.items()
    }
    owner = np.repeat(clip, lengths)
    frames = np.empty((len(owner), 25, 3))
    for label, name in enumerate(names):
        member = labels == label
        frames[member[owner]] = actions.perform(
            name,
            lengths[member],
            draws[member, 1:27],
            {key: value[member] for key, value in people.items()},
        )
    view = _view_angles(metadata["camera"], num_cameras, draws[:, 27])
    frames = frames @ figure.rotation(1, view[owner])
    frames[..., 1] -= CAMERA_HEIGHT
    frames[..., 2] += (2.8 + 0.8 * draws[:, 28])[owner, None]
    frames = frames.astype("float32")
    if noise:
        _disturb(frames, owner, offsets, draws[:, 29:33], noise, seed)
    return Sequences(
        bodies=frames[:, list(joints)],
        lengths=lengths,
        labels=labels,
        names=_clip_names(np.array(names)[labels], metadata),
        metadata=metadata,
        skeleton=layout,
        class_names=list(names),
        splits={
            "xsub": _divide(metadata["subject"] % 2 == 1),
            "xview": _divide(metadata["camera"] != 1),
        },
    )


def _check_ranges(*ranges):
    for value, minimum, name in ranges:
        if value < minimum:
            raise ValueError(
                f"`{name}` must be at least {minimum}. Received: {value}"
            )


def _clip_names(actions, metadata):
    columns = zip(actions, *metadata.values(), strict=True)
    return [
        f"{action.replace(' ', '_')}_s{subject:02d}_c{camera}_r{repetition:03d}"
        for action, subject, camera, repetition in columns
    ]


def _divide(is_train):
    return {
        "train": np.flatnonzero(is_train),
        "test": np.flatnonzero(~is_train),
    }


def _view_angles(camera, num_cameras, draws):
    angles = np.deg2rad(np.linspace(-45.0, 45.0, num_cameras))
    angles = angles[np.argsort(np.abs(angles), kind="stable")]
    return angles[camera - 1] + 0.15 * (draws - 0.5)


def _class_names(classes):
    if classes is None:
        return CLASS_NAMES
    if isinstance(classes, int):
        if not 1 <= classes <= len(CLASS_NAMES):
            raise ValueError(
                f"`classes` must be between 1 and {len(CLASS_NAMES)}. "
                f"Received: {classes}"
            )
        return CLASS_NAMES[:classes]
    unknown = [name for name in classes if name not in CLASS_NAMES]
    if unknown or not classes or len(set(classes)) != len(classes):
        raise ValueError(
            "`classes` must be different names out of "
            f"{list(CLASS_NAMES)}. Received: {classes}"
        )
    return tuple(classes)


def _layout_joints(layout):
    for name, joints in LAYOUTS.items():
        if skeletons.get(name) == layout:
            return joints
    raise ValueError(
        f"The figure is available as one of the skeletons {list(LAYOUTS)}. "
        f"Received: skeleton={layout.name!r}"
    )


def _disturb(frames, owner, offsets, draws, noise, seed):
    """Adds what a depth camera gets wrong to `frames`, in place."""
    scale = (noise * UNSTEADINESS[:, None]).astype("float32")
    num_clips = len(offsets) - 1
    # Joints are seen beside their true place, differently in each clip, and
    # tremble from frame to frame.
    misplaced = np.random.default_rng([seed, 2]).standard_normal(
        (num_clips, *frames.shape[1:]), "float32"
    )
    frames += (misplaced * scale)[owner]
    frames += scale * np.random.default_rng([seed, 3]).standard_normal(
        frames.shape, "float32"
    )
    # In two of five clips one joint is lost for a few frames.
    lost = np.flatnonzero(draws[:, 0] < 0.4)
    joints = (draws[:, 1] * frames.shape[1]).astype(int)
    for clip in lost:
        start, stop = offsets[clip], offsets[clip + 1]
        start = start + int(draws[clip, 2] * (stop - start))
        stop = min(stop, start + 3 + int(draws[clip, 3] * 10))
        frames[start:stop, joints[clip]] += 10 * noise * misplaced[clip, 0]
