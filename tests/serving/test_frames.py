import numpy as np
import people
import pytest

from keras_skeleton.serving import frames

pytest.importorskip("av")
pytestmark = pytest.mark.once


def grey(value, size=(48, 32)):
    return np.full((size[1], size[0], 3), value, "uint8")


def test_frames_have_the_times_of_the_file(tmp_path):
    times = [0.0, 0.04, 0.2, 0.24, 1.0]
    path = people.write_video(
        tmp_path / "a.mp4", [grey(40 * k) for k in range(5)], times, sound=True
    )
    source = frames.open_source(path)
    found = list(source)
    assert [frame.number for frame in found] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose([f.time for f in found], times, atol=1e-3)
    for k, frame in enumerate(found):
        assert frame.image.shape == (32, 48, 3)
        assert abs(float(frame.image.mean()) - 40 * k) < 6
        assert frame.image.flags.c_contiguous
    assert not source.notes
    # A second pass gives the same.
    assert len(list(source)) == 5


def test_a_broken_end_is_told(tmp_path):
    random = np.random.default_rng(0)
    pictures = [
        random.integers(0, 255, (32, 48, 3)).astype("uint8") for _ in range(40)
    ]
    path = people.write_video(tmp_path / "a.mkv", pictures)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = frames.VideoFile(path)
    count = len(list(source))
    assert 5 < count < 35
    assert len(source.notes) == 1
    assert f"after {count}" in source.notes[0]


def test_what_is_no_video(tmp_path):
    with pytest.raises(FileNotFoundError, match="no video"):
        frames.open_source(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no video" * 50)
    with pytest.raises(ValueError, match="text.mp4 is no video"):
        frames.open_source(tmp_path / "text.mp4")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="no pictures"):
        frames.open_source(tmp_path / "folder")


def test_a_folder_of_pictures(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for number in (2, 10, 1):
        image.fromarray(grey(number)).save(tmp_path / f"frame_{number}.png")
    (tmp_path / "frame_3.png").write_bytes(b"broken")
    source = frames.open_source(tmp_path, frame_rate=10)
    found = list(source)
    assert [int(f.image[0, 0, 0]) for f in found] == [1, 2, 10]
    np.testing.assert_allclose([f.time for f in found], [0, 0.1, 0.3])
    assert "frame_3.png" in source.notes[0]


def test_real_videos(pose_dir):
    upright = next(iter(frames.open_source(pose_dir / "walk.mp4"))).image
    turned = next(iter(frames.open_source(pose_dir / "walk_rotated.mp4"))).image
    assert turned.shape == upright.shape == (256, 620, 3)
    apart = np.abs(turned.astype("int16") - upright).mean()
    assert apart < 8 < np.abs(turned[::-1].astype("int16") - upright).mean()
    times = [f.time for f in frames.open_source(pose_dir / "walk_vfr.mp4")]
    with np.load(pose_dir / "walk_vfr_lite.npz") as reference:
        expected = reference["times_ms"]
    np.testing.assert_array_equal(np.round(1000 * np.array(times)), expected)


def test_videos_of_data_sets_are_turned_too(pose_dir):
    from keras_skeleton.datasets.features import Videos

    paths = {n: pose_dir / f"{n}.mp4" for n in ("walk", "walk_rotated")}
    videos = Videos(paths, size=(32, 64))
    whole = Videos({"a": paths["walk_rotated"]})
    assert whole.frame_shape == (256, 620, 3)
    first, second = (videos.take(k, [5])[0].astype("int16") for k in (0, 1))
    assert np.abs(first - second).mean() < 8
