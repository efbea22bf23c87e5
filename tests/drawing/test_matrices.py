import numpy as np
import pytest

from keras_skeleton import drawing
from keras_skeleton import skeletons

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.once


def _texts(figure):
    texts = [axis.get_xlabel() for axis in figure.axes]
    texts += [axis.get_ylabel() for axis in figure.axes]
    return texts + [axis.get_title() for axis in figure.axes]


def _render(figure, tmp_path):
    path = tmp_path / "figure.png"
    figure.savefig(path)
    assert path.stat().st_size > 2000


@pytest.mark.parametrize("skeleton", ["kinect20", "ntu"])
def test_attention(skeleton, tmp_path, random):
    joints = skeletons.get(skeleton).num_joints
    attention = random.dirichlet(np.ones(joints), size=(2, 3, joints))
    figure = drawing.draw_attention(attention, skeleton)
    assert len(figure.axes) == 2 * 3 + 1
    assert "Layer 2, head 3" in _texts(figure)
    assert figure.get_supxlabel() == "To joint"
    _render(figure, tmp_path)
    patches = drawing.draw_attention(attention[:, :, :5, :5], skeleton)
    assert "patch" in patches.get_supxlabel()


def test_confusion_matrix(tmp_path):
    matrix = [[8, 2, 0], [1, 3, 0], [0, 0, 0]]
    figure = drawing.draw_confusion_matrix(matrix, ["walk", "run", "sit"])
    assert {"Predicted class", "True class"} <= set(_texts(figure))
    cells = [text.get_text() for text in figure.axes[0].texts]
    assert cells == ["80", "20", "25", "75"]
    assert "78.6 % of 14 clips" in figure.get_suptitle()
    _render(figure, tmp_path)


def test_bad_input():
    with pytest.raises(ValueError, match="joint_attention"):
        drawing.draw_attention(np.ones((5, 5)), "kinect20")
    with pytest.raises(ValueError, match="each of the 2 layers"):
        drawing.draw_attention(np.ones((2, 1, 5, 5)), names=["only"])


def test_attention_between_frames():
    attention = np.full((1, 2, 24, 24), 1 / 24)
    figure = drawing.draw_attention(attention, names=["cross_attention"])
    panels = figure.axes[:2]
    assert [panel.get_title() for panel in panels] == [
        "cross_attention, head 1",
        "cross_attention, head 2",
    ]
    assert figure.get_supxlabel() == "To frame"
    texts = [tick.get_text() for tick in panels[0].get_xticklabels()]
    assert texts == [str(frame) for frame in range(0, 24, 3)]
    with pytest.raises(ValueError, match="square"):
        drawing.draw_confusion_matrix(np.ones((2, 3)))
    with pytest.raises(ValueError, match="2 names"):
        drawing.draw_confusion_matrix(np.ones((2, 2)), ["one"])
