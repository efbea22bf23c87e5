import numpy as np
import pytest

from keras_skeleton import drawing

JOINTS = np.random.default_rng(0).uniform(2, 18, (3, 15, 3))


@pytest.mark.parametrize("channels", [(), (3,)])
def test_joints_on_pictures(tmp_path, channels):
    pytest.importorskip("matplotlib")
    pictures = np.zeros((3, 20, 24, *channels))
    pictures[:, 4:10] = 2.0
    figure = drawing.draw_on_pictures(
        pictures, JOINTS, "itop15", JOINTS + 1, names="abc", title="Joints"
    )
    assert [panel.get_title() for panel in figure.axes] == ["a", "b", "c"]
    # Limbs of what was found above those that are true.
    lines = figure.axes[1].lines
    assert len(lines) == 28
    np.testing.assert_allclose(
        lines[14].get_xdata(), JOINTS[1, [1, 8], 0], rtol=1e-6
    )
    # The same pixels are seen, wherever joints are.
    assert figure.axes[2].get_xlim() == (-0.5, 23.5)
    figure.savefig(tmp_path / "joints.png")
    assert (tmp_path / "joints.png").stat().st_size > 1000


def test_wrong_places():
    with pytest.raises(ValueError, match=r"15 joints of 'itop15'"):
        drawing.draw_on_pictures(np.zeros((2, 9, 9)), JOINTS, "itop15")
