import numpy as np
import pytest

from keras_skeleton import drawing

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.once


def test_a_sheet_of_frames_with_joints_and_maps(random, tmp_path):
    video = random.integers(0, 256, (7, 12, 16, 3)).astype("uint8")
    depth = random.uniform(0, 4000, (4, 12, 16)).astype("uint16")
    depth[:, :3] = 0
    joints = random.uniform(1, 12, (2, 7, 17, 3))
    joints[0, :, 3, 2] = 0
    joints[1] = 0
    figure = drawing.draw_pictures(
        {"video": video, "depth": depth},
        {"video": joints},
        "coco17",
        maps={"video": random.uniform(size=(2, 3, 4))},
        frames=5,
        title="Sheet",
    )
    figure.savefig(tmp_path / "sheet.png")
    panels = figure.axes
    assert len(panels) == 10
    assert [panel.get_title() for panel in panels[:5]] == [
        f"Frame {frame}" for frame in (0, 2, 3, 4, 6)
    ]
    np.testing.assert_array_equal(panels[1].images[0].get_array(), video[2])
    found = panels[4].collections[0].get_offsets()
    expected = np.delete(joints[0, 6], 3, axis=0)[:, :2]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # No limb ends in the joint that was not found.
    assert len(panels[4].lines) > 10
    for line in panels[4].lines:
        ends = np.stack(line.get_data(), axis=-1)
        assert np.abs(ends - joints[0, 6, 3, :2]).max(axis=1).min() > 1e-6
    # Frames show the part of the map that they belong to.
    parts = [panels[i].images[1].get_array() for i in range(5)]
    np.testing.assert_array_equal(parts[0], parts[2])
    assert np.any(parts[2] != parts[3])
    grey = drawing.draw_pictures(video[..., 0]).axes[0].images[0].get_array()
    np.testing.assert_array_equal(
        grey, video[0, :, :, [0, 0, 0]].transpose(1, 2, 0)
    )
    hidden = panels[5].images[0].get_array().mask
    assert hidden[:3].all() and not hidden[3:].any()


def test_bad_pictures(random):
    video = np.zeros((3, 4, 5, 3), "uint8")
    joints = np.zeros((1, 2, 17, 2))
    for arguments, message in (
        ((video.astype("float32"),), "must be uint8"),
        ((video[0, :, :, 0],), r"\(T, H, W, 3\)"),
        (({},), "at least one row"),
        ((video, joints), "Pass the `skeleton`"),
        ((video, joints, "coco17"), "3 pictures of ''.*2 frames"),
        ((video, None, None, -np.ones((1, 2, 2))), "not negative"),
        (({"a": video}, {"b": joints}, "coco17"), "none of 'b'"),
    ):
        with pytest.raises(ValueError, match=message):
            drawing.draw_pictures(*arguments)
    with pytest.raises(ValueError, match="at least 1"):
        drawing.draw_pictures(video, frames=0)
    with pytest.raises(ValueError, match="lie in 0..2"):
        drawing.draw_pictures(video, frames=[3])
