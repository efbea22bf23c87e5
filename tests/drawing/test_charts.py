import numpy as np
import pytest

from keras_skeleton import drawing

pytest.importorskip("matplotlib")


def test_points(random, tmp_path):
    labels = np.arange(90) % 15
    points = random.normal(size=(90, 2))
    figure = drawing.draw_points(points, labels, title="Map")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [f"Class {index}" for index in range(15)]
    groups = figure.axes[0].collections
    np.testing.assert_allclose(groups[3].get_offsets(), points[labels == 3])
    # Classes of the same colour differ in their form.
    colors = [tuple(group.get_facecolor()[0]) for group in groups]
    paths = [group.get_paths()[0].vertices.shape for group in groups]
    assert colors[0] == colors[10] and paths[0] != paths[10]
    figure.savefig(tmp_path / "map.png")
    assert figure.get_suptitle() == "Map"


def test_only_classes_that_are_there():
    figure = drawing.draw_points(
        [[0, 0], [1, 1]], np.array([2, 0]), list("abc")
    )
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["a", "c"]


def test_curves(tmp_path):
    curves = {"training": [40, 60, 55.5], "test": ([1, 3], [38, 51])}
    figure = drawing.draw_curves(curves, y_label="Top-1 (%)", title="linear")
    lines = figure.axes[0].lines
    assert lines[0].get_xdata().tolist() == [1, 2, 3]
    assert lines[1].get_xdata().tolist() == [1, 3]
    ends = [text.get_text() for text in figure.axes[0].texts]
    assert ends == ["55.5", "51.0"]
    figure.savefig(tmp_path / "curves.png")


def test_bars(tmp_path):
    figure = drawing.draw_bars(
        {"video": 61.7, "both": 72.5}, "Top-1 (%)", line=("chance", 25.0)
    )
    (panel,) = figure.axes
    assert [bar.get_height() for bar in panel.patches] == [61.7, 72.5]
    texts = [text.get_text() for text in panel.texts]
    assert texts == ["61.7", "72.5", "chance"]
    figure.savefig(tmp_path / "bars.png")
    for values in ({}, {"a": -1.0}, {"a": np.nan}):
        with pytest.raises(ValueError, match="at least 0"):
            drawing.draw_bars(values)


def test_bad_input():
    for points, labels, message in (
        (np.ones((3, 3)), np.arange(3), "two dimensions"),
        (np.ones((3, 2)), np.arange(2), "3 whole numbers"),
        (np.full((3, 2), np.nan), np.arange(3), "must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            drawing.draw_points(points, labels)
    with pytest.raises(ValueError, match="Received none"):
        drawing.draw_curves({})
    with pytest.raises(ValueError, match="'a' must be one or more numbers"):
        drawing.draw_curves({"a": []})
