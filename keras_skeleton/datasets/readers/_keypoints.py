"""Persons in the forms of JSON that estimators of poses write.

All come down to frames, each a list of persons: lists of COCO's results and
annotations, frames of MMPose with `instances`, lists of Ultralytics, and
what is alike.
"""

import re
import typing

import numpy as np

from keras_skeleton.datasets.files import parsing
from keras_skeleton.datasets.readers import _described
from keras_skeleton.datasets.readers import _extracted
from keras_skeleton.datasets.readers import _layouts

DIGITS = re.compile(r"(\d{1,18})", re.ASCII)
LAST_NUMBER = re.compile(r"(.*?)(\d{1,18})(\D*)", re.ASCII | re.DOTALL)
ENDING = re.compile(r"(?:[._][A-Za-z]{3,4}\.rf\.\w+)?\.\w{1,5}$", re.ASCII)
DATE = re.compile(r"\d+[-_. :]\d+[-_. :]\d+", re.ASCII)
# Names of a person's number that trackers use.
IDENTITIES = (
    *("track_id", "tracking_id", "person_id", "idx", "instance_id"),
    "object_id",
)
# Names of the frame that an entry is of.
IMAGES = (
    *("image_id", "image", "image_name", "img_name", "imagename"),
    *("file_name", "filename", "frame_id", "frame", "frame_index"),
    *("frame_idx", "frame_number", "frame_num", "timestamp", "timestamp_ms"),
    *("time", "time_ms"),
)
ORDERS = ("frame_id", "frame_index", "frame_idx", "frame_number", "frame")
VIDEOS = ("video_id", "vid_id", "video", "video_name")
# Names of the persons of a frame, and of the frames of a file.
PERSONS = (
    *("instances", "pred_instances", "predictions", "detections", "persons"),
    *("people", "poses", "bodies", "objects", "results", "annotations"),
)
FRAMES = ("instance_info", "frames", "results", "predictions", "data")
SCORES = (
    *("keypoint_scores", "keypoints_scores", "keypoints_visible", "kp_score"),
    *("keypoint_score", "keypoints_conf", "scores", "confidences"),
)
SEEN = ("score", "visible", "visibility", "confidence", "conf", "v")
UNKNOWN = (
    "it holds no list of keypoints in a form that is known: COCO's results "
    "or annotations, frames of MMPose, lists of Ultralytics"
)


class Found(typing.NamedTuple):
    """What is in a file.

    Attributes:
        clips: dictionary from the name of each clip, or `""`, to a list of
            frames in their order, each a list of pairs: identity, joints.
        joints: list of the names of the joints, or `None`.
        bones: list of pairs of joints from 0.
        notes: list of texts to be told.
        layout: what the file calls its joints, or `None`.
    """

    clips: dict
    joints: list | None
    bones: list
    notes: list
    layout: str | None = None


def parse(data, num_joints=None, known=()):
    """Reads persons.

    Args:
        data: bytes of JSON text.
        num_joints: integer, the keypoints of a person, or `None` for as many
            as the file describes, 17 if it describes none.
        known: names of joints; of several categories that a file describes,
            the one with these counts, else that of most annotations.

    Returns:
        A `Found`; joints are float32 `(V, 3)` of x, y, score, or `(V, 4)`
        where the file has x, y, z and, apart, a score.

    Raises:
        ValueError: if it is anything else.
    """
    content = _read(data)
    notes = []
    content, joints, bones, called = _described.describe(
        content, num_joints, known, notes
    )
    if num_joints is None:
        num_joints = 17 if joints is None else len(joints)
    entries, has_images = _list_frames(content, notes)
    clips = {}
    for place, (clip, order, persons) in enumerate(entries):
        try:
            frame = clips.setdefault(clip, {}).setdefault(order, [])
            for person in persons:
                joined = read_person(person, num_joints)
                if joined is not None:
                    frame.append((find_identity(person), joined))
        except ValueError as error:
            raise ValueError(f"entry {place}: {error}") from error
    if len(clips) == 1 and has_images:
        clips = {"": next(iter(clips.values()))}
    return Found(
        {clip: _in_time(frames) for clip, frames in sorted(clips.items())},
        joints,
        bones,
        notes,
        called,
    )


def is_frame(data):
    """Whether a file shows one frame, see `parse_frame`."""
    content = _read(data)
    if _alone(content) is not None:
        return True
    entries, _ = _list_frames(content, [])
    return len({(clip, order) for clip, order, _ in entries}) == 1


def parse_frame(data, num_joints=None, known=()):
    """Reads the persons of a file that shows one frame, and may not say so.

    Args:
        data: bytes of JSON text: a list of persons, a dictionary with such a
            list, or what `parse` reads.
        num_joints, known: See `parse`.

    Returns:
        A `Found`.

    Raises:
        ValueError: if it is anything else.
    """
    persons = _alone(_read(data))
    if persons is None:
        return parse(data, num_joints, known)
    size = 17 if num_joints is None else num_joints
    found = [(find_identity(p), read_person(p, size)) for p in persons]
    frame = [pair for pair in found if pair[1] is not None]
    return Found({"": [frame]}, None, [], [])


def _alone(content):
    """The persons of a content that names no frames, or `None`."""
    if isinstance(content, dict):
        content = None if "images" in content else _persons(content)
    elif isinstance(content, list):
        if any(isinstance(p, dict) and _first(p, IMAGES) for p in content):
            return None
    if isinstance(content, list) and all(map(_has_pose, content)):
        return content
    return None


def _has_pose(person):
    return isinstance(person, dict) and _described.find_pose(person) is not None


def _read(data):
    """The content of JSON text, also of a line of JSON for each entry."""
    try:
        return parsing.parse_json(data)
    except ValueError:
        lines = [line for line in data.splitlines() if line.strip()]
        if len(lines) < 2 or lines[0].strip()[-1:] not in (b"}", b"]"):
            raise
        return [parsing.parse_json(line) for line in lines]


def _list_frames(content, notes):
    """List of clip, place of the frame, persons; whether by `images`."""
    if isinstance(content, dict):
        if isinstance(content.get("images"), list) and content["images"]:
            if isinstance(content.get("annotations"), list):
                return _by_images(content, notes), True
        if isinstance(content.get("annotations"), list):
            return _list_frames(content["annotations"], notes)
        for key in FRAMES:
            if isinstance(content.get(key), list):
                return _list_frames(content[key], notes)
        if content and all(map(DIGITS.search, map(str, content))):
            frames = {key: _persons(value) for key, value in content.items()}
            if None not in frames.values():
                return _divide(list(frames.items()), notes), False
        keys = ", ".join(map(repr, list(content)[:5]))
        raise ValueError(f"{UNKNOWN}. Its keys are {keys or 'none'}")
    if not isinstance(content, list) or not content:
        raise ValueError(UNKNOWN)
    if all(isinstance(entry, str) for entry in content):
        # Texts of JSON, one for each frame.
        content = [parsing.parse_json(entry) for entry in content]
    frames = [_persons(entry) for entry in content]
    if any(frame for frame in frames) and None not in frames:
        return _in_order(content, frames, notes), False
    return _by_entries(content, notes), False


def _persons(frame):
    """The list of persons of a frame, or `None` if it is no frame."""
    if frame is None:
        return []
    if isinstance(frame, list):
        while len(frame) == 1 and _is_list_of_persons(frame[0]):
            # A batch of one frame, as inferencers of MMPose return it.
            frame = frame[0]
        # Numbers for each joint of a single person.
        return [frame] if _is_pose(frame) else frame
    if not isinstance(frame, dict) or any(
        key in frame for key in _described.POSES
    ):
        return None
    for key in PERSONS:
        if key in frame:
            found = frame[key]
            if isinstance(found, dict) and isinstance(
                found.get("keypoints"), list
            ):
                # Arrays of all persons instead of a list of persons.
                names = [k for k, v in found.items() if isinstance(v, list)]
                rows = zip(*(found[name] for name in names), strict=False)
                return [dict(zip(names, row, strict=True)) for row in rows]
            if found is None or isinstance(found, list):
                return _persons(found)
            return None
    return None


def _is_list_of_persons(found):
    return isinstance(found, list) and (
        not found
        or isinstance(found[0], dict)
        or (isinstance(found[0], list) and _is_list_of_persons(found[0]))
    )


def _is_pose(found):
    """Whether a list is one of joints, each a list of 2 to 4 numbers.

    Some may be null or empty: they were not found.
    """
    shown = [joint for joint in found if joint not in (None, [])]
    return bool(shown) and all(
        isinstance(joint, list)
        and 2 <= len(joint) <= 4
        and all(isinstance(number, int | float | None) for number in joint)
        for joint in shown
    )


def _in_order(content, frames, notes):
    """Frames that stand one after the other, or name their place."""
    keys = [
        _first(entry, IMAGES) if isinstance(entry, dict) else None
        for entry in content
    ]
    if None in keys:
        return [("", (place,), frame) for place, frame in enumerate(frames)]
    return _divide(list(zip(keys, frames, strict=True)), notes)


def _first(entry, keys):
    """The first value under one of the keys that is a number or a text."""
    for key in keys:
        value = entry.get(key)
        if isinstance(value, int | str) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and np.isfinite(value):
            # As many digits for all, so that times in seconds are in order.
            return int(value) if value.is_integer() else _Time(f"{value:.9f}")
    return None


class _Time(str):
    """A number that is no whole one, and no name of a file."""


def _by_entries(content, notes):
    """Persons that each name their frame."""
    found = []
    for place, entry in enumerate(content):
        if not isinstance(entry, dict):
            raise ValueError(
                f"entry {place}: it is not described by names and values"
            )
        image = _first(entry, IMAGES)
        if image is None:
            raise ValueError(
                f"entry {place}: it has no `image_id`, a number or a text, "
                "or another name of its frame; a list of persons needs one, "
                "or one list for each frame"
            )
        video = _first(entry, VIDEOS)
        frame = _first(entry, ORDERS)
        if video is not None and frame is not None:
            image = f"{video}/{frame}"
        found.append((image, [entry]))
    return _divide(found, notes)


def _divide(found, notes):
    """Names clips by folders, and by how names of frames begin.

    Args:
        found: list of pairs: name or number of a frame, persons.
        notes: list that texts are added to.

    Returns:
        List of clip, place of the frame, persons.
    """
    places = []
    for image, persons in found:
        folder, _, file = str(image).replace("\\", "/").rpartition("/")
        is_name = isinstance(image, str) and not isinstance(image, _Time)
        stem = ENDING.sub("", file) if is_name else file
        places.append((folder, stem, persons))
    return [
        (clip, _order(stem), persons)
        for clip, (_, stem, persons) in zip(
            _clips_of(places, notes), places, strict=True
        )
    ]


def _clips_of(places, notes):
    begins = {}
    for folder, stem, _ in places:
        match = LAST_NUMBER.fullmatch(stem)
        key = (match[1], match[3]) if match else None
        begins.setdefault(folder, {}).setdefault(key, set()).add(stem)
    divided = {
        folder
        for folder, keys in begins.items()
        if len(keys) > 1 and all(map(_is_series, keys.items()))
    }
    if divided:
        notes.append(
            "names of frames begin in different ways, so they are taken for "
            "several clips; put the frames of a clip into a folder of its own"
        )
    clips = []
    for folder, stem, _ in places:
        if folder in divided:
            match = LAST_NUMBER.fullmatch(stem)
            series = match[1].strip("_-. ") + match[3].rstrip()
            folder = f"{folder}/{series}" if folder else series
        clips.append(folder)
    return clips


def _is_series(item):
    key, stems = item
    return (
        key is not None
        and len(stems) > 1
        and any(map(str.isalpha, key[0]))
        and not DATE.search(key[0])
    )


def _in_time(frames):
    """Frames by what they are called, with those that no line tells of."""
    orders = sorted(frames)
    found = [frames[order] for order in orders]
    columns = list(zip(*orders, strict=True)) if _alike(orders) else []
    different = [each for each in columns if len({*each}) > 1]
    if len(different) != 1 or not isinstance(different[0][0], int):
        return found
    return parsing.with_lost_frames(found, different[0])


def _alike(orders):
    return len({len(order) for order in orders}) == 1


def _order(stem):
    # Texts and numbers take turns, so that keys can be compared.
    order = DIGITS.split(stem)
    order[1::2] = map(int, order[1::2])
    return tuple(order)


def _by_images(content, notes):
    """Frames by what the file says of its images."""
    images = {}
    for image in content["images"]:
        if (
            not isinstance(image, dict)
            or _described.find_key(image.get("id")) is None
        ):
            raise ValueError("an entry of its 'images' has no 'id'")
        if _described.find_key(image["id"]) in images:
            raise ValueError(f"two of its 'images' have the id {image['id']!r}")
        images[_described.find_key(image["id"])] = (image, [])
    lost = without = 0
    for annotation in content["annotations"]:
        if not isinstance(annotation, dict):
            raise ValueError("one of its 'annotations' has no names and values")
        image = images.get(_described.find_key(annotation.get("image_id")))
        if image is None:
            lost += 1
        elif _described.find_pose(annotation) is None:
            without += 1
        else:
            image[1].append(annotation)
    total = len(content["annotations"])
    if lost:
        text = (
            f"{lost} of its {total} annotations name an image that is not "
            "among its 'images'"
        )
        if 2 * lost >= total:
            raise ValueError(text)
        notes.append(f"{text}; they are left out")
    if without:
        if without == total:
            raise ValueError(f"none of its {total} annotations has keypoints")
        notes.append(f"{without} of its {total} annotations have no keypoints")
    names = {}
    videos = content.get("videos")
    for video in videos if isinstance(videos, list) else []:
        if isinstance(video, dict):
            names[_described.find_key(video.get("id"))] = _first(
                video, ("name", "file_name", "video_name")
            )
    found = []
    for image, persons in images.values():
        video, frame = _first(image, VIDEOS), _first(image, ORDERS)
        file = _first(image, ("file_name", "path", "coco_url"))
        if video is not None:
            name = names.get(_described.find_key(video)) or video
            name = re.sub(r"[/\\]+$", "", str(name))
            file = frame if frame is not None else file
            file = image["id"] if file is None else file
            file = str(file).replace("\\", "/").rpartition("/")[2]
            found.append((f"{name}/{file}", persons))
        elif file is None:
            found.append((image["id"] if frame is None else frame, persons))
        elif frame is not None:
            folder = str(file).replace("\\", "/").rpartition("/")[0]
            found.append((f"{folder}/{frame}", persons))
        else:
            found.append((str(file), persons))
    entries = _divide(found, notes)
    clips = list(dict.fromkeys(clip for clip, _, _ in entries))
    short = dict(
        zip(
            clips,
            _extracted.clip_names([tuple(clip.split("/")) for clip in clips]),
            strict=True,
        )
    )
    return [(short[clip], order, persons) for clip, order, persons in entries]


def find_identity(person):
    """The identity that a tracker gave a person, or `None`."""
    if not isinstance(person, dict):
        return None
    for place in (person, person.get("attributes")):
        for key in IDENTITIES if isinstance(place, dict) else ():
            if place.get(key) is not None:
                return _extracted.identity(place[key])
    return None


def read_person(person, num_joints):
    """Reads the joints of a person.

    Args:
        person: dictionary, an entry of a file.
        num_joints: integer, the expected joints.

    Returns:
        float32 array `(V, C)`, or `None` for an entry without a pose.

    Raises:
        ValueError: if it has another number of joints, or something else.
    """
    if person is None:
        return None
    if isinstance(person, list) and _is_pose(person):
        person = {"keypoints": person}
    if not isinstance(person, dict):
        raise ValueError("a person is not described by names and values")
    pose = _described.find_pose(person)
    if pose is None:
        if any(key in person for key in _described.POSES):
            return None
        raise ValueError("it has no `keypoints`")
    scores = next((person[key] for key in SCORES if key in person), None)
    if isinstance(pose, dict):
        if "x" not in pose or "y" not in pose:
            names = ", ".join(repr(str(name)[:40]) for name in list(pose)[:4])
            raise ValueError(
                f"its keypoints have the names {names or 'none'}; expected a "
                "list in the order of the joints, or lists under 'x' and 'y'"
            )
        scores = next((pose[key] for key in SEEN if key in pose), scores)
        pose = [pose[axis] for axis in "xyz" if pose.get(axis) is not None]
        pose = parsing.to_array(pose, (None, None)).T
    elif isinstance(pose, list) and any(isinstance(j, dict) for j in pose):
        pose = [None if joint is None else _joint(joint) for joint in pose]
    pose = np.atleast_1d(parsing.to_numbers(pose))
    if pose.ndim == 3 and len(pose) == 1:
        pose = pose[0]
    if pose.ndim == 1 and num_joints and pose.size / num_joints in (2, 3, 4):
        pose = pose.reshape(num_joints, -1)
    width = pose.shape[-1] if pose.ndim == 2 else 0
    if len(pose) != num_joints or width not in (2, 3, 4):
        raise ValueError(_other_number(pose, num_joints))
    if scores is not None and width < 4:
        scores = parsing.to_numbers(scores).reshape(-1)
        if len(scores) != num_joints:
            raise ValueError(
                f"it has {len(scores)} scores for {num_joints} joints"
            )
        return np.column_stack([pose, scores])
    if width == 2:
        is_found = pose.any(-1) & np.isfinite(pose).all(-1)
        return np.column_stack([pose, np.float32(is_found)])
    return pose


def _joint(joint):
    score = None
    if isinstance(joint, dict):
        score = next((joint[key] for key in SEEN if key in joint), None)
        joint = joint.get("position", joint)
    if not isinstance(joint, dict) or "x" not in joint or "y" not in joint:
        raise ValueError("a joint has no 'x' and 'y'")
    return [joint["x"], joint["y"]] + ([] if score is None else [score])


def _other_number(pose, num_joints):
    what = f"{pose.size} numbers"
    count = len(pose) if pose.ndim > 1 else pose.size // 3
    text = f"it has {what}; expected x, y and score of {num_joints} joints"
    if count and count != num_joints:
        text += f"; {_layouts.of_size(count)}"
    return text
