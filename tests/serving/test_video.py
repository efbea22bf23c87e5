import csv
import json
import subprocess
import sys

import numpy as np
import people
import pytest

from keras_skeleton import cli
from keras_skeleton import serving
from keras_skeleton.serving import segments
from keras_skeleton.serving.frames import open_source

pytest.importorskip("av")


def scene():
    """5 s at 20 frames per second: one person waves from 2 s to 4 s, another
    comes at 1.5 s and leaves at 4 s, and in 4.2 to 4.4 s there is nobody."""
    pictures = []
    for t in range(100):
        found = []
        if not 84 <= t < 88:
            found.append((20 + t // 10, 34, 40 <= t < 80))
        if 30 <= t < 80:
            found.append((80 - (t - 30) // 10, 30, False))
        pictures.append(people.picture(found))
    return pictures


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "scene.mp4"
    return people.write_video(path, scene(), sound=True)


def predict(source, **options):
    options = {"poses": people.make_estimator(), "step": 0.25, **options}
    return serving.predict_video(source, people.make_classifier(), **options)


def test_who_does_what_when(video):
    found = predict(video, smoothing=1)
    assert [track.number for track in found.tracks] == [1, 2]
    assert found.size == (96, 64) and found.num_frames == 100
    told = [(each.person, each.name) for each in found.segments]
    assert told == [(1, "down"), (1, "up"), (1, "down"), (2, "down")]
    times = [(each.start, each.end) for each in found.segments]
    expected = [(0, 2), (2, 4), (4, 4.95), (1.5, 3.95)]
    np.testing.assert_allclose(times, expected, atol=0.3)
    assert all(0.5 <= each.score <= 1 for each in found.windows)
    assert found.label_at(1, 3.0).name == "up"
    assert found.label_at(2, 4.5) is None
    assert "person 1" in str(found)


@pytest.mark.once
def test_what_is_written(video, tmp_path):
    names = {"json_path": "a.json", "csv_path": "a.csv"}
    names |= {"output": "a.mp4", "page_path": "a.html"}
    paths = {key: tmp_path / name for key, name in names.items()}
    found = predict(video, **paths)
    content = json.loads(paths["json_path"].read_text())
    assert content["class_names"] == ["down", "up"]
    assert len(content["windows"]) == len(found.windows) > 20
    assert content["people"][1] == {"person": 2, "start": 1.5, "end": 3.95}
    with open(paths["csv_path"]) as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["name"] == "down" and len(rows) == len(found.windows)
    drawn = list(open_source(paths["output"]))
    assert len(drawn) == 100
    np.testing.assert_allclose(drawn[50].time, 2.5, atol=1e-3)
    # The first person's colour is there, and not where there is nobody.
    orange = [np.abs(f.image - np.array([255, 176, 0])).sum(-1) for f in drawn]
    assert (orange[50] < 90).sum() > 20 > (orange[86] < 90).sum()
    assert "scene.mp4" in paths["page_path"].read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names.values())


@pytest.mark.once
def test_a_gif_of_an_odd_size(tmp_path):
    from PIL import Image

    folder = tmp_path / "frames"
    folder.mkdir()
    for t in range(12):
        image = people.picture([(20 + t, 34, True)], size=(95, 63))
        Image.fromarray(image).save(folder / f"{t}.png")
    for name in ("out.gif", "out.mp4"):
        predict(folder, frame_rate=20, output=tmp_path / name)
    with Image.open(tmp_path / "out.gif") as picture:
        assert picture.n_frames == 6 and picture.size == (95, 63)
    drawn = list(open_source(tmp_path / "out.mp4"))
    assert len(drawn) == 12 and drawn[0].image.shape == (62, 94, 3)


@pytest.mark.once
def test_times_and_not_numbers_of_frames_count(tmp_path):
    # In slow motion: twice as many frames in the half where it waves.
    times = np.concatenate([np.arange(20) / 10, 2 + np.arange(40) / 20])
    pictures = [people.picture([(20, 34, time >= 2)]) for time in times]
    path = people.write_video(tmp_path / "a.mp4", pictures, times)
    down, up = predict(path, smoothing=1).segments
    assert (down.name, up.name) == ("down", "up")
    assert down.end == pytest.approx(2, abs=0.3)


@pytest.mark.once
def test_nobody_and_an_unsure_classifier(video, tmp_path):
    pictures = [people.picture([])] * 10
    path = people.write_video(tmp_path / "empty.mp4", pictures)
    with pytest.warns(UserWarning, match="Nobody was seen who"):
        found = predict(
            path,
            output=tmp_path / "out.mp4",
            csv_path=tmp_path / "out.csv",
            page_path=tmp_path / "out.html",
        )
    assert found.windows == [] and "Nobody" in str(found)
    assert (tmp_path / "out.mp4").stat().st_size
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1
    assert not (tmp_path / "out.html").exists()
    found = predict(video, threshold=1.0, poses=_low_estimator())
    assert {each.name for each in found.windows} == {None}
    assert "(unsure)" in str(found)


def _low_estimator():
    def estimate(image):
        joints, scores = people.estimate(image)
        joints[:, 9:11, 1] = joints[:, 5:7, 1] + 0.1
        return joints, scores

    return estimate


@pytest.mark.once
def test_bad_arguments(video, tmp_path):
    for options, message in (
        ({"window": 0}, "`window`"),
        ({"step": -1}, "`step`"),
        ({"smoothing": 2}, "odd number"),
        ({"threshold": 2}, "`threshold`"),
        ({"output": "a.avi"}, ".mp4 or .gif"),
        ({"window": "2"}, "`window` must be a number above 0"),
        ({"window": 0.01}, "two frames, 0.0667 s at 30 frames"),
        ({"smoothing": None}, "`smoothing` must be a whole number"),
        ({"min_seconds": float("nan")}, "`min_seconds`"),
        ({"people": 0}, "`people` must be a whole number from 1 up"),
        ({"min_score": 5}, "`min_score` must be a number from 0 to 1"),
        ({"json_path": ""}, "`json_path` must be the path of a file"),
        ({"output": video}, "`output` and the video are the same file"),
        (
            {"json_path": "a.json", "csv_path": "./a.json"},
            "`csv_path` and `json_path` are the same file",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            predict(video, **options)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        predict(video, json_path=tmp_path)
    with pytest.raises(ValueError, match="without .*frame_rate"):
        predict([1, 2])
    with pytest.raises(ValueError, match="must be a `PoseForm`"):
        predict(video, form="coco")
    (tmp_path / "0.png").write_bytes(b"")
    for rate in (0, -5, float("nan"), 1e9):
        with pytest.raises(ValueError, match="`frame_rate` must be a number"):
            predict(tmp_path, frame_rate=rate)
    with pytest.raises(ValueError, match="Did you mean 'penn'"):
        serving.predict_video(video, "stgcnpp:pen")
    with pytest.raises(ValueError, match="no video"):
        predict(None)
    with pytest.raises(ValueError, match="SYSTEM:NAME"):
        serving.predict_video(video, "nw_ucla")
    with pytest.raises(ValueError, match="in three dimensions"):
        serving.predict_video(
            video, "ctrgcn:nw_ucla", poses=people.make_estimator()
        )
    with pytest.raises(ValueError, match="classification head"):
        serving.PoseClassifier.from_weights("mamp:nw_ucla_pretext")


@pytest.mark.once
def test_what_is_small_is_written_before_the_video(video, tmp_path):
    before = video.read_bytes()
    path = tmp_path / "a.json"

    class Stopped(Exception):
        pass

    def stop(*_):
        raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving.video_output, "_write_mp4", stop)
        with pytest.raises(Stopped):
            predict(video, json_path=path, output=tmp_path / "a.mp4")
    assert json.loads(path.read_text())["windows"]
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]
    assert video.read_bytes() == before


@pytest.mark.once
def test_shares_of_the_picture_are_noticed(video):
    def shares(picture):
        joints, scores = people.estimate(picture)
        height, width = picture.shape[:2]
        return joints / [width, height], scores

    with pytest.warns(UserWarning, match="shares of the picture"):
        predict(video, poses=serving.poses.PoseFunction(shares, "coco17"))


@pytest.mark.once
def test_windows_cover_a_stretch():
    assert segments.cut(1.0, 1.5, 2.0, 0.5) == [(1.0, 1.5)]
    spans = segments.cut(0.0, 3.7, 2.0, 0.5)
    np.testing.assert_allclose(
        spans, [(0, 2), (0.5, 2.5), (1, 3), (1.5, 3.5), (1.7, 3.7)]
    )
    rows = np.eye(3)
    np.testing.assert_allclose(
        segments.smooth(rows, 3)[:2], [[0.5, 0.5, 0], [1 / 3] * 3]
    )


@pytest.mark.once
def test_the_command(video, tmp_path, capsys, monkeypatch):
    from keras_skeleton.serving import video as module

    monkeypatch.setattr(
        module, "as_classifier", lambda *_: people.make_classifier()
    )
    monkeypatch.setattr(
        module, "make_estimator", lambda *_: people.make_estimator()
    )
    path = tmp_path / "a.json"
    words = ["predict", str(video), "--weights", "x:y", "--json", str(path)]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "100 of 100 frames" in out and "per second" in out
    assert "person 2" in out and f"Written: {path}" in out
    assert json.loads(path.read_text())["weights"] == "made-up"
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    assert cli.main([*words, "--quiet"]) == 0
    output = capsys.readouterr()
    assert output.err == "" and "per second" not in output.out
    monkeypatch.undo()
    for words, message in (
        (
            [str(tmp_path / "none.mp4"), "--weights", "x:y"],
            "no video or folder",
        ),
        ([str(video), "--weights", "x:y"], "SYSTEM:NAME"),
        (
            [str(video), "--weights", "x:y", "--frame-rate", "10"],
            "--frame-rate is for folders",
        ),
        (["--camera", str(video), "--weights", "x:y"], "is a file and no"),
        ([str(video), "--weights", "x:y", "--json", "/no/a"], "no folder"),
        ([str(video), "--weights", "x:y", "--output", "a.avi"], ".mp4 or .gif"),
    ):
        assert cli.main(["predict", *words]) == 2
        assert message in capsys.readouterr().err
    words = [str(video), "--weights", "x:y", "--json", str(video)]
    assert cli.main(["predict", *words]) == 2
    assert "--json and VIDEO are the same file" in capsys.readouterr().err

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(serving, "predict_video", interrupted)
    assert cli.main(["predict", str(video), "--weights", "x:y"]) == 130
    assert capsys.readouterr().err.strip() == "keras-skeleton: stopped"


NUMBERS = """
import sys
from keras_skeleton import cli
# As long as it is not imported, all is told at once.
assert "keras" not in sys.modules
sys.modules["keras"] = None
for words in sys.argv[1:]:
    given = ["predict", "none.mp4", "--weights", "x:y", *words.split()]
    assert cli.main(given) == 2
"""


@pytest.mark.once
def test_odd_numbers_are_told_before_keras_starts():
    odd = {
        "--min-score 7": "`min_score` must be a number from 0 to 1",
        "--people 0": "`people` must be a whole number from 1 up",
        "--window 0": "`window` must be a number above 0",
        "--step nan": "`step` must be a number above 0",
        "--smoothing 2": "`smoothing` must be an odd number",
        "--threshold 50": "`threshold` must be a number from 0 to 1",
        "--frame-rate -1 --quiet": "`frame_rate` must be a number above 0",
        "--size 640": "--size is WIDTHxHEIGHT",
    }
    process = subprocess.run(
        [sys.executable, "-c", NUMBERS, *odd], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    told = process.stderr.splitlines()
    for line, words in zip(told, odd.values(), strict=True):
        assert words in line
