"""What files of COCO and MMPose say of the joints in them."""

import typing

POSES = ("keypoints", "keypoints_2d", "pose_keypoints_2d", "joints", "pose")


class Category(typing.NamedTuple):
    """Joints that a file describes, and the id of their category."""

    key: str | None
    name: str
    joints: list
    bones: list


def describe(content, num_joints, known, notes):
    """Joints that a file describes, and what it holds of these.

    Args:
        content: what is in the file.
        num_joints, known: See `_keypoints.parse`.
        notes: list that texts are added to.

    Returns:
        The content without annotations of other categories, the names of
        joints or `None`, the bones, and what the joints are called.
    """
    if not isinstance(content, dict):
        return content, None, [], None
    meta = content.get("meta_info")
    if isinstance(meta, dict):
        names = meta.get("keypoint_id2name")
        names = names if isinstance(names, dict) else {}
        joints = _joint_names([names.get(str(n)) for n in range(len(names))])
        if joints is not None:
            called = str(meta.get("dataset_name") or "mmpose")[:80]
            return (
                content,
                joints,
                _pairs(meta.get("skeleton_links"), 0),
                called,
            )
    categories = _categories(content)
    if not categories:
        return content, None, [], None
    fitting = [c for c in categories if num_joints in (None, len(c.joints))]
    if fitting and isinstance(content.get("annotations"), list):
        keys = [_category_of(entry) for entry in content["annotations"]]
        chosen = max(
            fitting,
            key=lambda c: (
                _words(c.joints) == _words(known),
                keys.count(c.key),
            ),
        )
        content = _of_category(content, chosen, categories, notes)
    else:
        chosen = categories[0]
    return content, chosen.joints, chosen.bones, None


def _categories(content):
    found = content.get("categories")
    categories = []
    for entry in found if isinstance(found, list) else []:
        if isinstance(entry, dict):
            joints = _joint_names(entry.get("keypoints"))
            if joints is not None:
                name = str(entry.get("name", entry.get("id")))[:80]
                bones = _pairs(entry.get("skeleton"), 1)
                key = find_key(entry.get("id"))
                categories.append(Category(key, name, joints, bones))
    return categories


def _joint_names(names):
    """Names of joints as a list, or `None` if they are none."""
    if not isinstance(names, list) or not 1 < len(names) <= 256:
        return None
    joints = [str(name) for name in names if isinstance(name, str | int)]
    return joints if len(set(joints)) == len(names) else None


def _category_of(annotation):
    if isinstance(annotation, dict):
        return find_key(annotation.get("category_id"))
    return None


def _of_category(content, chosen, categories, notes):
    """The content without annotations of other joints than those chosen."""
    names = {category.key: category.name for category in categories}
    same = {c.key for c in categories if c.joints == chosen.joints}
    kept, left = [], {}
    for annotation in content["annotations"]:
        key = _category_of(annotation)
        pose = find_pose(annotation) if isinstance(annotation, dict) else None
        is_other = key in names
        if key not in names and isinstance(pose, list):
            # Its category tells no names: the number of joints does.
            is_flat = not isinstance(pose[0], list | dict | None)
            size = len(pose) / 3 if is_flat else len(pose)
            is_other = size != len(chosen.joints)
        if is_other and key not in same:
            left[names.get(key, key)] = left.get(names.get(key, key), 0) + 1
        else:
            kept.append(annotation)
    for name, count in left.items():
        notes.append(
            f"{count} annotations of the category {name!r} are left aside; "
            f"the keypoints of {chosen.name!r} are read"
        )
    return {**content, "annotations": kept}


def _words(joints):
    """Names of joints however they are spelled, in alphabetical order."""
    return sorted(map(word, joints))


def word(joint):
    """The name of a joint in small letters with `_` between words."""
    return joint.strip().lower().replace(" ", "_").replace("-", "_")


def _pairs(bones, first):
    return [
        (bone[0] - first, bone[1] - first)
        for bone in (bones if isinstance(bones, list) else [])
        if isinstance(bone, list)
        and len(bone) == 2
        and all(type(joint) is int for joint in bone)
    ]


def find_key(value):
    """An id, the same for a number and its text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return str(value)


def find_pose(person):
    """The joints of a person, or `None` where they are null or empty."""
    found = (person[key] for key in POSES if key in person)
    return next((pose for pose in found if pose not in (None, [])), None)
