"""Forms in which estimators of poses and annotation tools write keypoints."""

import json

import numpy as np
import pytest

from keras_skeleton.datasets.readers import coco

JOINTS = 17
WALK = 20.0 + 4 * np.arange(6)[:, None, None] + np.arange(34).reshape(17, 2)
POSES = np.concatenate([WALK, np.full((6, 17, 1), 0.5)], axis=-1)


def apart(pose, **more):
    return {
        "keypoints": pose[:, :2].tolist(),
        "keypoint_scores": pose[:, 2].tolist(),
        **more,
    }


def in_columns(pose, name="visible", **more):
    x, y, score = pose.T.tolist()
    return {"keypoints": {"x": x, "y": y, name: score}, **more}


def by_joint(pose):
    names = ("x", "y", "score")
    return {"keypoints": [dict(zip(names, j, strict=True)) for j in pose]}


def read(folder, content, **options):
    path = folder / "walk.json"
    path.write_text(json.dumps(content))
    return coco.load_data(path, **{"num_persons": 1, **options})


FORMS = {
    "frames": [
        {"frame_id": t, "instances": [apart(p)]} for t, p in enumerate(POSES)
    ],
    "frames in another order": [
        {"frame_id": 5 - t, "instances": [apart(p)]}
        for t, p in enumerate(POSES[::-1])
    ],
    "frames under a key": {
        "meta_info": {"dataset_name": "coco"},
        "instance_info": [{"instances": [apart(p)]} for p in POSES],
    },
    "arrays of instances": [
        {
            "pred_instances": {
                "keypoints": [p[:, :2].tolist()],
                "keypoint_scores": [p[:, 2].tolist()],
            }
        }
        for p in POSES
    ],
    "lists of persons": [[in_columns(p, track_id=4)] for p in POSES],
    "lists of persons, conf": [[in_columns(p, "conf")] for p in POSES],
    "texts": [json.dumps([in_columns(p)]) for p in POSES],
    "by the names of images": {
        f"img_{t + 8}.jpg": [apart(p)] for t, p in enumerate(POSES)
    },
    "joints by themselves": [{"poses": [by_joint(p)]} for p in POSES.tolist()],
    "nested keypoints": [
        {"image_id": t, "keypoints": p.tolist()} for t, p in enumerate(POSES)
    ],
    "one array too many": [
        {"image_id": t, "keypoints": [p.tolist()]} for t, p in enumerate(POSES)
    ],
    "frame_id": [
        {"frame_id": t, "keypoints": p.ravel().tolist()}
        for t, p in enumerate(POSES)
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path, form):
    data = read(tmp_path, FORMS[form], strict=True)
    assert data.names == ["walk"]
    np.testing.assert_array_equal(data[0][0], np.float32(POSES[None]))


def test_frames_without_instances_stay(tmp_path):
    for nobody in ([], None):
        frames = [
            {"frame_id": t, "instances": nobody if t == 2 else [apart(p)]}
            for t, p in enumerate(POSES)
        ]
        clip = read(tmp_path, frames)[0][0][0]
        assert clip.shape == (6, 17, 3)
        assert not clip[2].any() and clip[[1, 3]].all()
        with pytest.warns(UserWarning, match="17 joints in frames were inter"):
            filled = read(tmp_path, frames, missing="interpolate")
    np.testing.assert_allclose(filled[0][0][0], POSES, rtol=1e-6)


def test_without_scores_what_is_found_counts(tmp_path):
    pose = POSES[0][:, :2].copy()
    pose[3] = 0
    clip = read(tmp_path, [{"image_id": 0, "keypoints": pose.tolist()}])[0][0]
    np.testing.assert_array_equal(clip[0, 0, :, 2], np.arange(17) != 3)


def test_places_in_space_and_a_score(tmp_path):
    pose = np.random.default_rng(0).normal(size=(17, 3))
    frame = {"keypoints": pose.tolist(), "keypoint_scores": [0.5] * 17}
    data = read(tmp_path, [{"instances": [frame]}] * 2)
    assert data.coordinates == ("x", "y", "z", "score")
    np.testing.assert_array_equal(data[0][0][0, 1, :, :3], np.float32(pose))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"shapes": []}, "keys are 'shapes'"),
        ([in_columns(POSES[0])], "one list for each frame"),
        ([[{"keypoints": {"x": [1]}}]], "entry 0"),
        ([{"image_id": 0, "keypoints": [1.0] * 75}], "'openpose25'"),
        (
            [{"instances": [{"keypoints": [[1, 2]] * 17, "scores": [1]}]}],
            "1 sc",
        ),
    ],
)
def test_other_forms_are_refused_with_a_reason(tmp_path, content, reason):
    with pytest.raises(ValueError, match=reason):
        read(tmp_path, content)


def line(x):
    return [value for j in range(JOINTS) for value in (x, 9.0 * j, 2.0)]


def export(images, drawn, **more):
    """An export of an annotation tool; `drawn` maps ids to x."""
    annotations = [
        {"id": n, "image_id": image, "keypoints": line(x)}
        for n, (image, x) in enumerate(drawn.items(), 1)
    ]
    return {"images": images, "annotations": annotations, **more}


def first_x(data):
    return [data[i][0][0, :, 0, 0].tolist() for i in range(len(data))]


def test_frames_are_ordered_by_the_names_of_images(tmp_path):
    names = ["f_10.png", "f_9.png", "f_11.png", "f_8.png"]
    images = [{"id": i, "file_name": n} for i, n in enumerate(names)]
    drawn = {0: 10.0, 1: 9.0, 3: 8.0}
    data = read(tmp_path, export(images, drawn))
    assert data.names == ["walk"]
    # The last image shows nobody.
    assert first_x(data) == [[8.0, 9.0, 10.0, 0.0]]


@pytest.mark.parametrize(
    ("names", "clips"),
    [
        (["b/1.jpg", "b/0.jpg", "a/1.jpg", "a/0.jpg"], ["a", "b"]),
        (["x/b/1.jpg", "x/b/0.jpg", "x/a/1.jpg", "x/a/0.jpg"], ["a", "b"]),
        (["b\\1.jpg", "b\\0.jpg", "a\\1.jpg", "a\\0.jpg"], ["a", "b"]),
        (["v2_1.jpg", "v2_0.jpg", "v1_1.jpg", "v1_0.jpg"], ["v1", "v2"]),
    ],
)
def test_videos_of_one_export_are_clips(tmp_path, names, clips):
    images = [{"id": i, "file_name": name} for i, name in enumerate(names)]
    content = export(images, {0: 31.0, 1: 30.0, 2: 21.0, 3: 20.0})
    if "_" in names[0]:
        with pytest.warns(UserWarning, match="begin in different ways"):
            data = read(tmp_path, content)
    else:
        data = read(tmp_path, content)
    assert data.names == clips
    assert first_x(data) == [[20.0, 21.0], [30.0, 31.0]]


def test_numbers_of_videos_and_frames_count_most(tmp_path):
    images = [
        {"id": i, "file_name": f"{9 - i}.png", "video_id": v, "frame_id": t}
        for i, (v, t) in enumerate([(1, 0), (2, 1), (1, 1), (2, 0)])
    ]
    content = export(
        images,
        {0: 10.0, 1: 21.0, 2: 11.0, 3: 20.0},
        videos=[{"id": 1, "name": "run"}, {"id": 2, "name": "walk"}],
    )
    data = read(tmp_path, content)
    assert data.names == ["run", "walk"]
    assert first_x(data) == [[10.0, 11.0], [20.0, 21.0]]


def test_annotations_without_an_image(tmp_path):
    images = [{"id": i, "file_name": f"{i}.png"} for i in range(3)]
    content = export(images, {0: 1.0, 1: 2.0, 2: 3.0, 7: 4.0})
    with pytest.warns(UserWarning, match="1 of its 4 annotations name an im"):
        assert first_x(read(tmp_path, content)) == [[1.0, 2.0, 3.0]]
    with pytest.raises(ValueError, match="2 of its 4 annotations name"):
        read(tmp_path, export(images[:2], {0: 1.0, 1: 2.0, 2: 3.0, 7: 4.0}))
    images[1]["id"] = 0
    with pytest.raises(ValueError, match="two of its 'images'"):
        read(tmp_path, export(images, {0: 1.0}))


def test_names_of_joints_are_used(tmp_path):
    images = [{"id": 1, "file_name": "0.png"}]
    category = {
        "keypoints": ["left ear", "nose", "right ear"],
        "skeleton": [[1, 2], [2, 3], [3, 1]],
    }
    annotation = {"image_id": 1, "keypoints": [1, 2, 2, 3, 4, 2, 5, 6, 2]}
    content = {
        "images": images,
        "annotations": [annotation],
        "categories": [category],
    }
    data = read(tmp_path, content)
    assert data.skeleton.joints == ("left ear", "nose", "right ear")
    assert data.skeleton.mirror == ((0, 2),)
    assert set(data.skeleton.edges) == {(1, 0), (2, 0)}
    # The same joints in another order.
    own = coco.layout(
        {
            "name": "own",
            "joints": ["nose", "left_ear", "right_ear"],
            "edges": [[1, 0], [2, 0]],
        }
    )
    data = read(tmp_path, content, skeleton=own)
    assert data[0][0][0, 0, :, 0].tolist() == [3, 1, 5]


OTHERS = {
    "a batch of one frame": [[[apart(pose)]] for pose in POSES],
    "arrays of all persons": [[pose.tolist()] for pose in POSES],
    "arrays of one person": [pose.tolist() for pose in POSES],
    "times in seconds": [
        {"timestamp": t / 30, "keypoints": POSES[t].tolist()}
        for t in (3, 0, 5, 1, 4, 2)
    ],
    "places apart": [
        [
            {
                "keypoints": [
                    {"position": {"x": x, "y": y}, "score": score}
                    for x, y, score in pose.tolist()
                ]
            }
        ]
        for pose in POSES
    ],
}


@pytest.mark.parametrize("form", OTHERS)
def test_other_forms(tmp_path, form):
    clip = read(tmp_path, OTHERS[form])[0][0]
    np.testing.assert_allclose(clip[0], POSES, rtol=1e-6)


def test_a_line_for_each_entry(tmp_path):
    lines = [
        json.dumps({"image_id": t, "keypoints": pose.ravel().tolist()})
        for t, pose in enumerate(POSES)
    ]
    path = tmp_path / "walk.json"
    path.write_text("\n".join(lines) + "\n")
    assert coco.load_data(path)[0][0].shape == (1, 6, 17, 3)


@pytest.mark.parametrize("form", ["instances", "entries"])
def test_files_of_one_frame_are_a_clip(tmp_path, form):
    """As estimators write them for a folder of images."""
    for t, pose in enumerate(POSES):
        content = [apart(pose)]
        if form == "entries":
            flat = pose.ravel().tolist()
            content = [{"image_id": f"{t}.jpg", "keypoints": flat}]
        place = tmp_path / f"img_{t + 7}.json"
        place.write_text(json.dumps(content))
    with pytest.warns(UserWarning, match="put together of 6 files"):
        data = coco.load_data(tmp_path, num_persons=1)
    assert data.names == ["img"]
    np.testing.assert_allclose(data[0][0][0], POSES, rtol=1e-6)
    if form == "entries":
        # Whoever names them means single images.
        labels = {f"img_{t + 7}": t % 2 for t in range(6)}
        data = coco.load_data(tmp_path, labels=labels)
        assert data.lengths.tolist() == [1] * 6


def test_named_joints_are_refused_with_their_names(tmp_path):
    content = [{"image_id": 0, "keypoints": {"nose": [1, 2, 0.5]}}]
    with pytest.raises(ValueError, match="have the names 'nose'"):
        read(tmp_path, content)
