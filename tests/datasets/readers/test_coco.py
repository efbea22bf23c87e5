import json

import numpy as np
import pytest

from keras_skeleton import skeletons
from keras_skeleton.datasets.readers import coco


def entry(image, person, **more):
    return {
        "image_id": image,
        "category_id": 1,
        "keypoints": person.ravel().tolist(),
        "score": 0.9,
        **more,
    }


def bodies(count, joints=17, place=0.0):
    rng = np.random.default_rng(joints)
    persons = np.repeat(rng.uniform(1, 100, (1, joints, 3)), count, 0)
    persons[..., 0] += place + 3 * np.arange(count)[:, None]
    return np.round(persons, 2)


def test_frames_are_in_the_order_of_their_numbers(tmp_path):
    people = bodies(12)
    order = [10, 2, 0, 11, *range(3, 10), 1]
    entries = [entry(f"frame_{t}.jpg", people[t]) for t in order]
    (tmp_path / "walk.json").write_text(json.dumps(entries))
    entries = [entry(5 * t, people[t]) for t in order]
    (tmp_path / "run.json").write_text(json.dumps({"annotations": entries}))
    data = coco.load_data(tmp_path, labels={"run": 3}, strict=True)
    assert data.names == ["run", "walk"]
    np.testing.assert_array_equal(data.labels, [3, -1])
    assert data.coordinates == ("x", "y", "score")
    for clip, _ in data:
        np.testing.assert_array_equal(clip, np.float32(people[None]))
    alone = coco.load_data(tmp_path / "walk.json", strict=True)
    assert alone.names == ["walk"]


@pytest.mark.parametrize("step", [1, 5])
def test_frames_that_no_line_tells_of_are_lost_time(tmp_path, step):
    # AlphaPose writes nothing for a frame that shows nobody.
    people = bodies(8)
    seen = [0, 1, 2, 4, 5, 7]
    entries = [entry(f"{3 + step * t}.jpg", people[t]) for t in seen]
    (tmp_path / "walk.json").write_text(json.dumps(entries))
    clip = coco.load_data(tmp_path, strict=True)[0][0]
    assert clip.shape[1] == 8 and not clip[0, [3, 6]].any()
    np.testing.assert_array_equal(clip[0, seen], np.float32(people[seen]))


def test_folders_in_names_are_clips(tmp_path):
    people = bodies(4)
    entries = [entry(f"{c}/{t}.jpg", people[t]) for t in range(4) for c in "ba"]
    (tmp_path / "all.json").write_text(json.dumps(entries))
    data = coco.load_data(tmp_path, strict=True)
    assert data.names == ["a", "b"]
    np.testing.assert_array_equal(data.lengths, [4, 4])


@pytest.mark.parametrize("key", ["track_id", "idx", "person_id"])
def test_persons(tmp_path, key):
    first, second = bodies(5), bodies(5, place=1)
    entries = []
    for t in range(5):
        pair = [
            entry(t, first[t], **{key: 8}),
            entry(t, second[t], **{key: 2.0}),
        ]
        entries += pair[:: (-1) ** t]
    (tmp_path / "two.json").write_text(json.dumps(entries))
    clip = coco.load_data(tmp_path, strict=True)[0][0]
    np.testing.assert_array_equal(clip, np.float32([first, second]))
    # Without identities, the nearest are joined.
    second = bodies(5, place=400)
    entries = [
        entry(t, people[t])
        for t in range(5)
        for people in [(first, second), (second, first)][t % 2]
    ]
    (tmp_path / "two.json").write_text(json.dumps(entries))
    clip = coco.load_data(tmp_path, strict=True)[0][0]
    np.testing.assert_array_equal(clip, np.float32([first, second]))


def test_other_layouts(tmp_path):
    entries = [
        entry(t, person) for t, person in enumerate(bodies(3, joints=25))
    ]
    (tmp_path / "walk.json").write_text(json.dumps(entries))
    data = coco.load_data(tmp_path, skeleton="openpose25", strict=True)
    assert data.frame_shape == (1, 25, 3)
    with pytest.raises(ValueError, match="75 numbers; expected .* 17 joints"):
        coco.load_data(tmp_path, strict=True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "JSON"),
        ("[]", "no list of keypoints"),
        ('{"images": []}', "no list of keypoints"),
        ("[3]", "entry 0: it is not described"),
        ('[{"keypoints": []}]', "entry 0: it has no `image_id`"),
        ('[{"image_id": true}]', "no `image_id`"),
        ('[{"image_id": 1}]', "entry 0"),
        ('[{"image_id": 1, "keypoints": [1, 2]}]', "2 numbers"),
        (json.dumps([entry(0, np.full((17, 3), np.nan))]), "NaN"),
        (json.dumps([entry(0, np.zeros((17, 3)))]), "nobody"),
    ],
)
def test_bad_files_are_reported(tmp_path, content, reason):
    good = json.dumps([entry(0, bodies(1)[0])])
    (tmp_path / "good.json").write_text(good)
    (tmp_path / "bad.json").write_text(content)
    with pytest.warns(UserWarning, match="bad"):
        data = coco.load_data(tmp_path)
    assert data.names == ["good"]
    assert reason in data.skipped[0][1]
    with pytest.raises(FileNotFoundError, match="image_id"):
        coco.load_data(tmp_path / "nowhere")


def exported(categories, annotations):
    images = [{"id": t, "file_name": f"{t}.png"} for t in range(3)]
    return json.dumps(
        {"images": images, "categories": categories, "annotations": annotations}
    )


def test_one_category_is_read(tmp_path):
    people, animals = bodies(3), bodies(3, place=50)
    joints = list(skeletons.get("coco17").joints)
    person = {"id": 1, "name": "person", "keypoints": joints}
    dog = {"id": 7, "name": "dog", "keypoints": ["a", "b", "c"]}
    cat = {"id": 8, "name": "cat", "keypoints": [f"c{i}" for i in range(17)]}
    ball = {"id": 9, "name": "ball"}
    annotations = [
        {"image_id": t, "category_id": number, "keypoints": pose}
        for t in range(3)
        for number, pose in (
            (7, [1, 2, 2] * 3),
            (8, animals[t].ravel().tolist()),
            (9, [3, 4, 2]),
            (1, people[t].ravel().tolist()),
        )
    ]
    path = tmp_path / "a.json"
    path.write_text(exported([dog, cat, ball, person], annotations))
    with pytest.warns(UserWarning, match="3 annotations .* 'dog' are left"):
        data = coco.load_data(path)
    assert data.skeleton.name == "coco17"
    np.testing.assert_array_equal(data[0][0], np.float32(people[None]))
    own = skeletons.Skeleton("dog", "abc", ((1, 0), (2, 1)))
    with pytest.warns(UserWarning, match="3 annotations .* 'person' are left"):
        assert coco.load_data(path, own)[0][0].shape == (1, 3, 3, 3)


def test_what_mmpose_says_of_its_joints(tmp_path):
    layout = skeletons.get("h36m17")
    names = [joint.replace("ankle", "foot") for joint in layout.joints]
    meta = {
        "dataset_name": "h36m",
        "keypoint_id2name": {str(i): name for i, name in enumerate(names)},
        "skeleton_links": [list(pair) for pair in layout.edges],
    }
    frames = [
        {"frame_id": t, "instances": [{"keypoints": pose.tolist()}]}
        for t, pose in enumerate(bodies(3))
    ]
    frames[1]["instances"] = None
    frames[2]["instances"][0]["keypoints"][4] = None
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"meta_info": meta, "instance_info": frames}))
    with pytest.warns(UserWarning, match="3 values in 1 of its 3 frames"):
        data = coco.load_data(path)
    assert data.skeleton == layout
    assert not data[0][0][0, 1].any() and not data[0][0][0, 2, 4].any()
    meta["skeleton_links"] = meta["skeleton_links"][:2]
    path.write_text(json.dumps({"meta_info": meta, "instance_info": frames}))
    with pytest.warns(UserWarning, match="3 values in 1 of its 3 frames"):
        assert coco.load_data(path).skeleton.joints == tuple(names)


def test_sides_without_a_partner_are_told(tmp_path):
    joints = ["nose", "left_hand", "right_hnd", "left_eye", "right_eye"]
    category = {"id": 1, "keypoints": joints, "skeleton": [[1, 2], [1, 3]]}
    annotations = [
        {"image_id": t, "category_id": 1, "keypoints": [1, 2, 2] * 5}
        for t in range(3)
    ]
    path = tmp_path / "a.json"
    path.write_text(exported([category], annotations))
    with pytest.warns(UserWarning, match="'left_hand', 'right_hnd' name"):
        assert coco.load_data(path).skeleton.mirror == ((3, 4),)
