import numpy as np
import pytest

from keras_skeleton import drawing
from keras_skeleton import explain
from keras_skeleton import skeletons

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.once


@pytest.fixture(params=["kinect20", "ntu"])
def scene(request, make_clips):
    clip = make_clips(request.param, 1)[0]
    shares = explain.to_shares(np.abs(clip[None]).sum(-1))[0]
    return request.param, clip, shares


def _texts(figure):
    texts = [axis.get_xlabel() for axis in figure.axes]
    texts += [axis.get_ylabel() for axis in figure.axes]
    texts += [axis.get_title() for axis in figure.axes]
    return texts + [figure.get_suptitle()]


def _render(figure, tmp_path):
    path = tmp_path / "figure.png"
    figure.savefig(path)
    assert path.stat().st_size > 2000


def test_skeleton(scene, tmp_path):
    skeleton, clip, shares = scene
    figure = drawing.draw_skeleton(clip[:, 3], skeleton, shares[:, 3])
    panel = figure.axes[0]
    # One line per bone and one group of joints for each of two persons.
    assert len(panel.lines) == 2 * len(skeletons.get(skeleton).edges)
    assert len(panel.collections) == 2
    sizes = panel.collections[0].get_sizes()
    assert np.argmax(sizes) == np.argmax(shares[0, 3])
    assert "Importance (share, %)" in _texts(figure)
    _render(figure, tmp_path)


def test_absent_persons_and_plain_joints(scene):
    skeleton, clip, _ = scene
    clip[1] = 0
    figure = drawing.draw_skeleton(clip[:, 0], skeleton)
    assert len(figure.axes) == 1
    assert len(figure.axes[0].collections) == 1
    assert "1 person" in figure.get_suptitle()


def test_drawing_keeps_up_up_and_left_left():
    skeleton = skeletons.Skeleton("bone", ("low", "high"), ((1, 0),))
    frame = np.array([[0.5, -1.0, 3.0], [0.7, 1.0, 2.5]])
    # The Kinect frame as (x, depth towards the viewer, height).
    expected = [[0.5, 0.7], [-3.0, -2.5], [-1.0, 1.0]]

    def drawn(coordinates, up):
        figure = drawing.draw_skeleton(coordinates, skeleton, up=up)
        x, y, z = figure.axes[0].collections[0]._offsets3d
        return np.stack([x, y, z])

    np.testing.assert_allclose(drawn(frame, "y"), expected, rtol=1e-6)
    x, y, z = frame.T
    np.testing.assert_allclose(
        drawn(np.stack([x, -z, y], -1), "z"), expected, rtol=1e-6
    )
    np.testing.assert_allclose(
        drawn(np.stack([-x, -y, z], -1), "-y"), expected, rtol=1e-6
    )
    flat = drawn(frame[:, :2], "y")
    np.testing.assert_allclose(flat, [[0.5, 0.7], [0, 0], [-1, 1]], rtol=1e-6)


def test_strip(scene, tmp_path):
    skeleton, clip, shares = scene
    figure = drawing.draw_strip(clip, skeleton, shares, frames=[0, 5, 7])
    titles = [axis.get_title() for axis in figure.axes[:3]]
    assert titles == ["Frame 0", "Frame 5", "Frame 7"]
    _render(figure, tmp_path)
    clip[:, 6:] = 0
    figure = drawing.draw_strip(clip, skeleton, frames=2)
    assert [a.get_title() for a in figure.axes] == ["Frame 0", "Frame 5"]


def test_heat_map(scene, tmp_path):
    skeleton, _, shares = scene
    figure = drawing.draw_heat_map(shares, skeleton)
    texts = _texts(figure)
    for text in ("Frame", "Joint", "Person 2", "Importance (share, %)"):
        assert text in texts
    names = [t.get_text() for t in figure.axes[0].get_yticklabels()]
    assert len(names) == shares.shape[2]
    first = skeletons.get(skeleton).joints[0]
    assert names[0].lower() == first.lower().replace("_", " ")
    drawn = figure.axes[1].images[0].get_array()
    np.testing.assert_allclose(drawn, 100 * shares[1].T, rtol=1e-6)
    _render(figure, tmp_path)
    assert len(drawing.draw_heat_map(shares[0], skeleton).axes) == 2


def test_animation(make_clips, tmp_path):
    image = pytest.importorskip("PIL.Image")
    clip = make_clips("kinect20", 1, 2, 3)[0]
    shares = explain.to_shares(np.abs(clip[None]).sum(-1))[0]
    path = drawing.animate(
        clip, "kinect20", shares, tmp_path / "clip.gif", frame_rate=10
    )
    with image.open(path) as picture:
        assert picture.n_frames == 3
        assert picture.info["duration"] == 100
    assert [file.name for file in tmp_path.iterdir()] == ["clip.gif"]


def test_a_failed_animation_leaves_the_old_file(
    make_clips, tmp_path, monkeypatch
):
    import os

    path = tmp_path / "clip.gif"
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    clip = make_clips("kinect20", 1, 1, 2)[0]
    with pytest.raises(OSError, match="no space"):
        drawing.animate(clip, "kinect20", path=path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["clip.gif"]


def test_bad_input(make_clips, random):
    clips = make_clips("kinect20")
    clip = clips[0]
    with pytest.raises(ValueError, match="20 joints"):
        drawing.draw_strip(clip, "ntu")
    with pytest.raises(ValueError, match=r"clips\[0\]"):
        drawing.draw_strip(clips, "kinect20")
    with pytest.raises(ValueError, match="must be finite"):
        drawing.draw_strip(np.where(clip > 1, np.nan, clip), "kinect20")
    with pytest.raises(ValueError, match="explain.upsample"):
        drawing.draw_strip(clip, "kinect20", np.ones((2, 2, 20)))
    with pytest.raises(ValueError, match="negative"):
        drawing.draw_strip(clip, "kinect20", -np.ones(clip.shape[:3]))
    with pytest.raises(ValueError, match="0..7"):
        drawing.draw_strip(clip, "kinect20", frames=[8])
    with pytest.raises(ValueError, match="`up`"):
        drawing.draw_skeleton(clip[:, 0], "kinect20", up="x")
    with pytest.raises(ValueError, match="20 joints"):
        drawing.draw_heat_map(np.ones((5, 25)), "kinect20")
    with pytest.raises(ValueError, match="frame_rate"):
        drawing.animate(clip, "kinect20", frame_rate=0)
