"""Stores of videos, and the files of data sets as they are published."""

import json
import re

import numpy as np
import pytest
from datasets.readers import test_panoptic
from datasets.readers import test_penn_action

from keras_skeleton import cli
from keras_skeleton.datasets import Aligned
from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets import Videos
from keras_skeleton.datasets import panoptic
from keras_skeleton.datasets import penn_action
from keras_skeleton.datasets import video_store
from keras_skeleton.datasets import videos

image = pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.once


def write_pictures(folder, frames, name="{}.png", first=0):
    """Writes frames as pictures with numbers in their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, first):
        image.fromarray(frame).save(folder / name.format(number))


def noise(frames, *shape, kind="uint8", seed=0):
    high = 256 if kind == "uint8" else 1 << 16
    return np.random.default_rng(seed).integers(0, high, (frames, *shape), kind)


def write_video(path, frames):
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width = frames.shape[1:3]
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def test_stored_frames_are_the_decoded_ones(tmp_path):
    """Of a video and of pictures, in any order; what is broken is told."""
    source = tmp_path / "source"
    write_video(source / "film.avi", noise(7, 24, 32, 3))
    write_pictures(source / "shots", noise(12, 20, 24, 3, seed=1))
    whole = (source / "film.avi").read_bytes()
    (source / "broken.avi").write_bytes(whole[:300])
    (source / "empty").mkdir()
    decoded = Videos.from_folder(source, size=(12, 16))
    path = tmp_path / "videos.h5"
    report = video_store.prepare(
        {name: source / name for name in ("film.avi", "shots", "broken.avi")},
        path,
        size=(12, 16),
    )
    assert (report.num_clips, report.num_frames) == (2, 19)
    assert [name for name, _ in report.skipped] == ["broken.avi"]
    stored = Videos.load(path)
    assert stored.frame_shape == (12, 16, 3) and stored.size == (12, 16)
    assert stored.skipped == report.skipped
    order = [decoded.names.index(name) for name in ("film", "shots")]
    frames = [[6, 0, 3, 3], [11, 2, 10, 0]]
    np.testing.assert_array_equal(
        stored.take_frames([0, 1], frames), decoded.take_frames(order, frames)
    )
    again = decoded.save(tmp_path / "again.h5")
    assert sorted(name for name, _ in again.skipped) == ["broken", "empty"]
    np.testing.assert_array_equal(
        Videos.load(tmp_path / "again.h5").clip(0), decoded.clip(0)
    )
    with pytest.raises(FileExistsError, match="--overwrite"):
        decoded.save(path)


def test_a_stopped_preparation_goes_on(tmp_path, monkeypatch):
    """No half store is left, and what was done is not done again."""
    files = {name: tmp_path / name for name in "abcd"}
    for seed, folder in enumerate(files.values()):
        write_pictures(folder, noise(2 + seed, 8, 9, 3, seed=seed))
    (files["b"] / "000000.png").write_bytes(b"broken")
    video_store.prepare(files, tmp_path / "whole.h5")
    monkeypatch.setattr(video_store, "CLIPS_AT_ONCE", 1)
    path, read, encode = tmp_path / "v.h5", [], video_store._encode_clip

    def stopped(source, *settings):
        read.append(source.name)
        if read == ["a", "b", "c"]:
            raise KeyboardInterrupt
        return encode(source, *settings)

    monkeypatch.setattr(video_store, "_encode_clip", stopped)
    with pytest.raises(KeyboardInterrupt):
        video_store.prepare(files, path)
    assert not path.exists()
    report = video_store.prepare(files, path)
    assert read == ["a", "b", "c", "c", "d"] and report.num_resumed == 2
    assert [name for name, _ in report.skipped] == ["b"]
    found, expected = Videos.load(path), Videos.load(tmp_path / "whole.h5")
    assert found.names == expected.names == ["a", "c", "d"]
    for i in range(3):
        np.testing.assert_array_equal(found.clip(i), expected.clip(i))
    assert not video_store.find_damage(path)
    # Of other settings nothing is taken over.
    del read[:]
    with pytest.raises(KeyboardInterrupt):
        video_store.prepare(files, path, overwrite=True)
    report = video_store.prepare(files, path, size=(4, 4), overwrite=True)
    assert report.num_resumed == 0 and len(read) == 7
    assert not list(tmp_path.glob("*.parts")) + list(tmp_path.glob(".*"))


def test_jpeg_is_smaller_and_close(tmp_path):
    smooth = np.add.outer(np.arange(64), np.arange(80)).astype("uint8")
    frames = np.stack([np.stack([smooth + t] * 3, axis=-1) for t in range(2)])
    frames += noise(2, 64, 80, 3) // 16
    write_pictures(tmp_path / "a", frames)
    files = {"a": tmp_path / "a"}
    for encoding in ("png", "jpeg"):
        video_store.prepare(files, tmp_path / encoding, encoding=encoding)
    close = Videos.load(tmp_path / "jpeg").clip(0).astype(int)
    assert 0 < np.abs(close - frames).mean() < 8
    used = [
        video_store._open(tmp_path / encoding)[4][-1]
        for encoding in ("png", "jpeg")
    ]
    assert used[1] < used[0]


def test_depth_keeps_its_numbers(tmp_path):
    depth = noise(3, 6, 5, kind="uint16")
    write_pictures(tmp_path / "a", depth, "MDepth-{:08d}.png", 1)
    video_store.prepare(
        {"a": tmp_path / "a"}, tmp_path / "d.h5", encoding="jpeg"
    )
    stored = Videos.load(tmp_path / "d.h5")
    assert stored.clip(0).dtype == np.uint16
    np.testing.assert_array_equal(stored.clip(0), depth)


def test_clips_of_another_form_are_left_out(tmp_path):
    write_pictures(tmp_path / "a", noise(2, 6, 5, 3))
    write_pictures(tmp_path / "b", noise(2, 7, 5, 3))
    write_pictures(tmp_path / "c", noise(1, 6, 5, 3))
    write_pictures(tmp_path / "c", noise(1, 5, 5, 3), first=1)
    files = {name: tmp_path / name for name in "abc"} | {"d": tmp_path / "d"}
    report = video_store.prepare(files, tmp_path / "v.h5")
    assert [name for name, _ in report.skipped] == ["b", "c", "d"]
    assert "7 x 5 x 3" in report.skipped[0][1]
    assert "frame 1 is 5 x 5 x 3" in report.skipped[1][1]
    with pytest.raises(ValueError, match="None of 1 videos"):
        video_store.prepare({"d": tmp_path / "d"}, tmp_path / "w.h5")
    assert not list(tmp_path.glob("w.h5*"))
    with pytest.raises(ValueError, match="height and width"):
        video_store.prepare(files, tmp_path / "w.h5", size=224)


def test_damaged_stores_are_told(tmp_path):
    write_pictures(tmp_path / "a", noise(3, 8, 9, 3))
    path = tmp_path / "v.h5"
    video_store.prepare({"a": tmp_path / "a"}, path)
    assert video_store.find_damage(path) == []
    content = bytearray(path.read_bytes())
    place = content.rindex(b"IDAT") + 8
    content[place : place + 4] = b"\0\0\0\0"
    path.write_bytes(content)
    assert video_store.find_damage(path) == ["a"]
    with pytest.raises(ValueError, match="clip 'a' cannot be read: frame"):
        Videos.load(path).clip(0)
    path.write_bytes(content[:500])
    with pytest.raises(ValueError, match="no complete|not a complete"):
        Videos.load(path)
    assert not video_store.is_store(path)
    with pytest.raises(FileNotFoundError):
        Videos.load(tmp_path / "none.h5")


def test_files_of_ntu(tmp_path):
    name = "S001C002P003R002A013"
    for ending in ("rgb", "ir"):
        write_video(
            tmp_path / f"nturgb+d_{ending}" / f"{name}_{ending}.avi",
            noise(4, 24, 32, 3),
        )
    depth = noise(3, 6, 5, kind="uint16")
    folder = tmp_path / "nturgb+d_depth_masked"
    write_pictures(folder / name, depth, "MDepth-{:08d}.png", 1)
    for kind in ("ntu_video", "ntu_infrared", "ntu_depth"):
        found = videos.load(kind, tmp_path)
        assert found.names == [name]
        assert found.lengths.tolist() == [3 if kind == "ntu_depth" else 4]
    np.testing.assert_array_equal(found.clip(0), depth)
    with pytest.raises(ValueError, match="named as 'ntu_depth' should be"):
        videos.load("ntu_depth", tmp_path / "nturgb+d_rgb")


def test_files_of_nw_ucla(tmp_path):
    write_video(
        tmp_path / "multiview_action_videos/a01/v02_s03_e00.avi",
        noise(3, 24, 32, 3),
    )
    found = videos.load("nw_ucla_video", tmp_path)
    assert found.names == ["a01_s03_e00_v02"]
    folder = tmp_path / "multiview_action/view_3/a11_s10_e05"
    pictures = noise(11, 6, 5, 3)
    depth = noise(11, 6, 5, kind="uint16")
    write_pictures(folder, pictures, "frame_{}_tc_0.10_rgb.png")
    write_pictures(folder, depth, "frame_{}_tc_0.10_depth.png")
    for kind, expected in (
        ("nw_ucla_frames", pictures),
        ("nw_ucla_depth", depth),
    ):
        found = videos.load(kind, tmp_path)
        assert found.names == ["a11_s10_e05_v03"]
        np.testing.assert_array_equal(found.clip(0), expected)


def test_frames_of_penn_action_with_their_joints(tmp_path):
    (tmp_path / "labels").mkdir()
    for name in ("0001", "0003"):
        content = test_penn_action.FILES[name]
        (tmp_path / "labels" / f"{name}.mat").write_bytes(
            test_penn_action.annotation(**content)
        )
    poses = penn_action.load_data(tmp_path)
    for name, length in zip(poses.names, poses.lengths, strict=True):
        write_pictures(
            tmp_path / "frames" / name,
            noise(length, 6, 8, 3),
            "{:06d}.jpg",
            1,
        )
    found = videos.load("penn_action_frames", tmp_path)
    data = Aligned(skeletons=poses, video=found)
    assert data.names == poses.names
    np.testing.assert_array_equal(found.lengths, poses.lengths)


def test_depth_of_panoptic_at_the_instants_of_the_skeletons(tmp_path):
    sequence = tmp_path / "171204_pose1"
    folder = sequence / "hdPose3d_stage1_coco19"
    folder.mkdir(parents=True)
    for number, time in enumerate((100, 133, 166, 900)):
        text = test_panoptic.frame([test_panoptic.body(0, number)])
        text = text.replace("53541.5", f"{time}.5")
        (folder / f"body3DScene_{number:08d}.json").write_text(text)
    place = sequence / "kinect_shared_depth" / "KINECTNODE2"
    place.mkdir(parents=True)
    depth = noise(3, 424, 512, kind="uint16")
    depth.astype("<u2").tofile(place / "depthdata.dat")
    times = {"KINECTNODE2": {"univ_time": [90.0, 129.5, 165.0]}}
    (sequence / "ksynctables_171204_pose1.json").write_text(
        json.dumps({"kinect": {"depth": times}})
    )
    poses = panoptic.load_data(tmp_path)
    found = videos.load("panoptic_depth", tmp_path, node=2)
    assert found.names == poses.names
    clip = found.clip(0)
    np.testing.assert_array_equal(clip[:3], depth[:, :, ::-1])
    assert not clip[3].any()
    small = videos.load("panoptic_depth", tmp_path, size=(53, 64), node=2)
    np.testing.assert_array_equal(small.clip(0)[2], clip[2, 4::8, 4::8])
    with pytest.raises(ValueError, match="depthdata.dat|of the Kinect 3"):
        videos.load("panoptic_depth", tmp_path, node=3)
    with pytest.raises(ValueError, match="no option 'pattern'"):
        videos.load("panoptic_depth", tmp_path, pattern="*")


def test_lists_of_toyota_smarthome(tmp_path):
    names = ["Cutbread_p02_r00_v02_c03", "Drink.Fromcan_p03_r01_v00_c01"]
    for name in names:
        write_video(tmp_path / "mp4" / f"{name}.mp4", noise(2, 16, 16, 3))
    assert videos.load("toyota_video", tmp_path).names == names
    (tmp_path / "train_CS.txt").write_text(f"{names[0]}.mp4 5\n")
    (tmp_path / "validation_CS.txt").write_text("")
    (tmp_path / "test_CS.txt").write_text(f"{names[1]}.mp4 7\r\n\n")
    (tmp_path / "test_CV2.txt").write_text(f"{names[1]}.mp4\n")
    splits, classes = videos.toyota_protocols(tmp_path)
    assert splits == {
        "cs": {"train": names[:1], "test": names[1:], "validation": []},
        "cv2": {"test": names[1:]},
    }
    assert classes == {names[0]: "Cutbread", names[1]: "Drink.Fromcan"}
    kept, _ = videos.toyota_protocols(tmp_path, names[:1])
    assert kept["cs"]["test"] == []
    (tmp_path / "test_CS.txt").write_text("Cutbread_p04_r00_v02_c03.mp4 6\n")
    with pytest.raises(ValueError, match="train_CS.txt:1.*label 5, but 6"):
        videos.toyota_protocols(tmp_path)
    (tmp_path / "test_CS.txt").write_text("film.mp4 6\n")
    with pytest.raises(ValueError, match="test_CS.txt:1: expected a name"):
        videos.toyota_protocols(tmp_path)


def test_prepare_and_show(tmp_path, capsys):
    source, path = tmp_path / "source", tmp_path / "v.h5"
    for name in "ab":
        write_pictures(source / name, noise(4, 24, 32, 3))
    (source / "c").mkdir()
    words = ["prepare", "videos", str(source), str(path)]
    assert cli.main([*words, "--option", "size=[12,16]"]) == 0
    told = capsys.readouterr().out
    assert "2 clips of 8 frames of 12 x 16 x 3" in told
    assert "c: it holds no pictures" in told
    clip = np.full((4, 17, 3), 8.0)
    poses = Sequences.from_arrays(
        [clip, clip],
        names=["a", "x"],
        skeleton="coco17",
        coordinates=("x", "y", "score"),
    )
    poses.save(tmp_path / "poses.h5")
    joints = ["--skeletons", str(tmp_path / "poses.h5")]
    size = ["--image-size", "24", "32"]
    assert cli.main(["show", str(path), *joints, *size]) == 0
    assert "Frames per clip: 4 to 4" in capsys.readouterr().out
    assert (tmp_path / "v.png").stat().st_size > 1000
    assert cli.main(["show", str(path), "--check"]) == 0
    assert "is whole" in capsys.readouterr().out
    assert cli.main(["show", str(path), "--clip", "1", *joints]) == 2
    assert "None of the clips shown" in capsys.readouterr().err
    assert cli.main([*words, "--workers", "2", "--overwrite"]) == 2
    assert "by one process" in capsys.readouterr().err
    assert cli.main([*words, "--option", "colour=1", "--overwrite"]) == 2
    told = capsys.readouterr().err
    assert "no option 'colour'. It has size, encoding, quality" in told
    lost = tmp_path / "no" / "v.h5"
    for words, message in (
        (["prepare", "videos", source, lost], "There is no folder"),
        (["prepare", "film", source, path], "bvh, csv, json, .*ntu_video"),
        (["show", source], "is a folder, not a store"),
        (["show", tmp_path / "film.mp4"], "is a video, not a store"),
        (["show", path, "--skeletons", path], "`Videos.load` opens it"),
    ):
        assert cli.main(list(map(str, words))) == 2
        assert re.search(message, capsys.readouterr().err)
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        poses.save(lost)


def test_damaged_videos_are_left_out(tmp_path):
    """What the decoder gets over, too: missing ends and guessed frames."""
    for ending in ("avi", "mkv"):
        whole = tmp_path / f"whole_{ending}.{ending}"
        write_video(whole, noise(30, 48, 64, 3))
        content = whole.read_bytes()
        half, tenth = len(content) // 2, len(content) // 10
        (tmp_path / f"cut_{ending}.{ending}").write_bytes(content[:half])
        zeros = content[:half] + bytes(tenth) + content[half + tenth :]
        (tmp_path / f"zeros_{ending}.{ending}").write_bytes(zeros)
    found = Videos.from_folder(tmp_path)
    assert found.names == ["whole_avi", "whole_mkv"]
    assert found.lengths.tolist() == [30, 30]
    bad = {"cut_avi", "cut_mkv", "zeros_avi", "zeros_mkv"}
    reasons = dict(found.skipped)
    assert set(reasons) == bad
    assert "3.00 seconds that it declares" in reasons["cut_mkv"]
    assert "it is damaged at frame" in reasons["zeros_mkv"]
    report = video_store.prepare(
        {path.stem: path for path in sorted(tmp_path.iterdir())},
        tmp_path / "v.h5",
    )
    assert {name for name, _ in report.skipped} == bad
    assert report.num_frames == 60


def test_gaps_and_damaged_pictures_are_left_out(tmp_path):
    depth = noise(30, 6, 5, kind="uint16")
    names = ("whole", "gap", "cut", "zeros", "two", "size", "every_fifth")
    for name in names:
        write_pictures(tmp_path / name, depth, "Depth-{:08d}.png", 1)
    for number in range(6, 21):
        (tmp_path / "gap" / f"Depth-{number:08d}.png").unlink()
    for number in range(1, 31):
        if number % 5:
            (tmp_path / "every_fifth" / f"Depth-{number:08d}.png").unlink()
    write_pictures(tmp_path / "two", depth[:3], "MDepth-{:08d}.png", 1)
    write_pictures(tmp_path / "size", depth[:1, :4], "Depth-{:08d}.png", 9)
    content = (tmp_path / "cut/Depth-00000012.png").read_bytes()
    (tmp_path / "cut/Depth-00000012.png").write_bytes(content[:60])
    place = content.index(b"IDAT") + 20
    zeros = content[:place] + bytes(9) + content[place + 9 :]
    (tmp_path / "zeros/Depth-00000012.png").write_bytes(zeros)
    found = Videos({name: tmp_path / name for name in names})
    assert found.names == ["whole", "every_fifth"]
    reasons = dict(found.skipped)
    assert "15 of its pictures are lacking" in reasons["gap"]
    assert "'Depth-00000005.png' and 'Depth-00000021.png'" in reasons["gap"]
    assert "several pictures of one number" in reasons["two"]
    assert "'Depth-00000009.png' is 4 x 5 I" in reasons["size"]
    for name in ("cut", "zeros"):
        assert reasons[name].startswith("'Depth-00000012.png'")
    report = video_store.prepare(
        {name: tmp_path / name for name in names}, tmp_path / "d.h5"
    )
    assert {name for name, _ in report.skipped} == set(reasons)
    # Times are no numbers of frames, and a list is as it is meant.
    for number, time in enumerate((0, 33, 66, 134, 167)):
        write_pictures(tmp_path / "times", depth[number:][:1], first=time)
    files = [tmp_path / f"whole/Depth-{n:08d}.png" for n in (1, 2, 3, 9)]
    found = Videos({"times": tmp_path / "times", "list": files})
    assert found.lengths.tolist() == [5, 4]
    small = image.fromarray(noise(1, 64, 64, 3)[0])
    small.save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="'b.jpg'"):
        Videos({"c": [tmp_path / "a.jpg", tmp_path / "b.jpg"]})


def test_clips_of_another_size_and_of_one_name(tmp_path):
    for name, height in (("a", 7), ("b", 6), ("c", 6)):
        write_pictures(tmp_path / "sizes" / name, noise(2, height, 5, 3))
    found = Videos.from_folder(tmp_path / "sizes")
    assert found.names == ["b", "c"]
    assert found.skipped[0][0] == "a"
    assert "pass a `size`" in found.skipped[0][1]
    assert len(Videos.from_folder(tmp_path / "sizes", size=(6, 5))) == 3
    name = "S001C002P003R002A013"
    depth = noise(2, 6, 5, kind="uint16")
    for folder, form in (("depth", "Depth"), ("depth_masked", "MDepth")):
        write_pictures(tmp_path / folder / name, depth, form + "-{:08d}.png")
    with pytest.raises(ValueError, match="more than once.*depth_masked"):
        videos.load("ntu_depth", tmp_path)
    assert videos.load("ntu_depth", tmp_path / "depth").names == [name]
    for ending in ("rgb", "ir"):
        (tmp_path / f"sizes/{name}_{ending}.avi").write_bytes(b"")
    with pytest.raises(ValueError, match="_ir.avi' and .*_rgb.avi' in"):
        Videos.from_folder(tmp_path / "sizes")
