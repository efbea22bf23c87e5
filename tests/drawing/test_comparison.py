import numpy as np
import pytest
from matplotlib.collections import LineCollection

from keras_skeleton import skeletons
from keras_skeleton.drawing import draw_comparison


def make_clip(frames=10):
    clip = np.random.default_rng(0).normal(size=(1, frames, 20, 3))
    return clip.astype("float32")


def lines(panel):
    return [c for c in panel.collections if isinstance(c, LineCollection)]


def panels(figure):
    """The axes with bodies, those on the right."""
    return figure.axes[1::2]


def test_rows_have_names_and_both_clips():
    clip = make_clip()
    rows = {"twice": 2 * clip, "shorter": clip[:, ::2]}
    figure = draw_comparison(
        rows, "kinect20", before=clip, frames=4, title="What becomes"
    )
    assert [axes.texts[0].get_text() for axes in figure.axes[::2]] == [*rows]
    assert figure.get_suptitle() == "What becomes"
    bones = 4 * len(skeletons.get("kinect20").edges)
    for panel in panels(figure):
        behind, front = lines(panel)
        assert len(behind.get_segments()) == len(front.get_segments()) == bones
        assert len({tuple(color) for color in behind.get_colors()}) == 1
        assert len({tuple(color) for color in front.get_colors()}) == 3
    figure.canvas.draw()
    # Bodies do not meet, and lie within their cells.
    (_, front) = lines(panels(figure)[0])
    places = np.concatenate(front.get_segments())
    low, high = panels(figure)[0].get_xlim()
    assert low < places[:, 0].min() and places[:, 0].max() < high


def test_lost_joints_are_not_drawn():
    clip = make_clip()
    clip[:, :5, 4:8] = 0
    clip[:, :, 3] = 0
    figure = draw_comparison({"lost": clip}, "kinect20", frames=10)
    (front,) = lines(panels(figure)[0])
    is_drawn = [
        len(each) == 2 and np.isfinite(each).all()
        for each in front.get_segments()
    ]
    edges = skeletons.get("kinect20").edges
    gone = {3, 4, 5, 6, 7}
    kept = sum(not gone & set(edge) for edge in edges)
    # A single joint at zero is what the clip is centred on.
    assert sum(is_drawn) == 5 * kept + 5 * len(edges)
    nobody = draw_comparison({"nobody": 0 * clip}, "kinect20")
    nobody.canvas.draw()


def test_left_is_on_the_right_of_who_faces_the_sensor():
    arm = skeletons.Skeleton(
        "comparison_arm",
        ("body", "left", "right"),
        ((1, 0), (2, 0)),
        mirror=((1, 2),),
    )
    # Axes of the sensor: x to the person's right, z away.
    clip = np.array([[0.0, 1, 3], [-1, 1, 3], [1, 1, 3]])[None, None]
    figure = draw_comparison({"arms": clip}, arm, frames=1)
    (front,) = lines(panels(figure)[0])
    left, right = (each[0, 0] for each in front.get_segments())
    assert left > right


@pytest.mark.parametrize(
    ("clips", "arguments", "match"),
    [
        ({}, {}, "at least one clip"),
        ({"one": make_clip()}, {"frames": 0}, "frames=0"),
        ({"one": make_clip()[..., :10, :]}, {}, "`one` has 10 joints"),
        ({"one": make_clip()}, {"up": "x"}, "`up` must be one of"),
    ],
)
def test_wrong_input(clips, arguments, match):
    with pytest.raises(ValueError, match=match):
        draw_comparison(clips, "kinect20", **arguments)


def test_frames_by_number():
    clip = make_clip()
    chosen = draw_comparison({"some": clip}, "kinect20", frames=[2, 7])
    cut = draw_comparison({"some": clip[:, [2, 7]]}, "kinect20", frames=2)
    (one,), (other,) = (lines(panels(each)[0]) for each in (chosen, cut))
    np.testing.assert_array_equal(one.get_segments(), other.get_segments())
    with pytest.raises(ValueError, match=r"lie in 0\.\.9"):
        draw_comparison({"some": clip}, "kinect20", frames=[10])
