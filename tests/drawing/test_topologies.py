import numpy as np
import pytest

from keras_skeleton import drawing

pytest.importorskip("matplotlib")
pytestmark = pytest.mark.once

HAND = (2, 4, 5, 6, 7, 8, 9, 10, 11)


def _arrows(panel):
    from matplotlib.patches import FancyArrowPatch

    return [p for p in panel.patches if isinstance(p, FancyArrowPatch)]


def _render(figure, tmp_path):
    path = tmp_path / "figure.png"
    figure.savefig(path)
    assert path.stat().st_size > 2000


@pytest.mark.parametrize("skeleton", ["nw_ucla", "ntu"])
def test_drawn_topology(make_clips, random, tmp_path, skeleton):
    frame = make_clips(skeleton, 1)[0, :, 0]
    joints = frame.shape[1]
    size = joints + 2
    graph = random.random((2, size, size))
    graph[:, 3, 5] = 2
    figure = drawing.draw_topology(frame, skeleton, graph, num_links=7)
    body, table, second, _, bar = figure.axes
    assert second.get_title() == "Person 2" and bar.get_ylabel() == "Weight"
    assert len(_arrows(body)) == 7
    assert len(body.lines) == joints - 1
    # Joints and virtual joints, and the names of the latter.
    assert [len(c.get_offsets()) for c in body.collections] == [joints, 2]
    assert [text.get_text() for text in body.texts] == ["V1", "V2"]
    np.testing.assert_allclose(table.images[0].get_array(), graph[0], rtol=1e-6)
    names = [text.get_text() for text in table.get_yticklabels()]
    assert names[-2:] == ["Virtual 1", "Virtual 2"] and len(names) == size
    # The strongest link lies on top: from joint 5 to joint 3.
    places = body.collections[0].get_offsets()
    start, end = _arrows(body)[-1]._posA_posB
    np.testing.assert_allclose(start, places[5])
    np.testing.assert_allclose(end, places[3])
    _render(figure, tmp_path)


def test_symmetric_and_signed_graphs(make_clips):
    frame = make_clips("nw_ucla", 1)[0, 0, 0]
    graph = np.zeros((20, 20))
    graph[2, 7] = graph[7, 2] = -1
    graph[4, 9] = graph[9, 4] = 0.5
    np.fill_diagonal(graph, 3)
    figure = drawing.draw_topology(frame, "nw_ucla", graph)
    body, table, bar = figure.axes
    # Each pair once, without a direction; links of weight 0 not at all.
    assert len(_arrows(body)) == 2
    styles = {type(a.get_arrowstyle()).__name__ for a in _arrows(body)}
    assert styles == {"Curve"}
    assert table.images[0].get_clim() == (-1, 1)
    widths = [arrow.get_linewidth() for arrow in _arrows(body)]
    assert widths == sorted(widths) and widths[0] < widths[1]


def test_topology_of_a_part(make_clips, random):
    frame = make_clips("nw_ucla", 1)[0]
    frame[1] = 0
    graph = random.random((9, 9))
    figure = drawing.draw_topology(frame[:, 0], "nw_ucla", graph, joints=HAND)
    body, table, _ = figure.axes
    assert len(body.lines) == 19
    assert len(body.collections[0].get_offsets()) == 9
    assert table.get_yticklabels()[1].get_text() == "Left shoulder"


def test_left_stays_left(random):
    frame = np.zeros((20, 3))
    frame[:, 1] = random.random(20)
    for angle in np.radians([-80, -30, 0, 45, 80]):
        # Along one line on the ground, as the sensor sees it from -z.
        along = np.linspace(-1, 1, 20)
        frame[:, 0], frame[:, 2] = np.cos(angle) * along, np.sin(angle) * along
        figure = drawing.draw_topology(frame, "nw_ucla", np.eye(20))
        x, y = figure.axes[0].collections[0].get_offsets().T
        np.testing.assert_allclose(x, -along, atol=1e-5)
        np.testing.assert_allclose(y, frame[:, 1], atol=1e-6)


def test_drawn_hyper_edges(make_clips, random, tmp_path):
    frame = make_clips("ntu", 1)[0, :, 0]
    incidence = random.random((2, 27, 27)) * (random.random((2, 27, 27)) < 0.2)
    incidence[:, 4, 7] = 3
    weights = random.random((2, 27)) - 0.5
    figure = drawing.draw_hyper_edges(
        frame, "ntu", incidence, weights=weights, edges=[7, 11, 26]
    )
    assert len(figure.axes) == 6
    panel = figure.axes[3]
    count = np.count_nonzero(incidence[1, :, 7])
    assert panel.get_title() == (
        f"Left hand\nweight {weights[1, 7]:.2f}, {count} joints"
    )
    assert figure.axes[5].get_title().startswith("Virtual 2")
    # An outline and its filling, then joints and virtual joints.
    assert len(panel.collections) == 4
    sizes = panel.collections[2].get_sizes()
    assert np.argmax(sizes) == 4
    assert (sizes > 10).sum() == np.count_nonzero(incidence[1, :25, 7])
    # The outline holds the members.
    filling = panel.collections[0].get_paths()[0]
    places = panel.collections[2].get_offsets()
    assert filling.contains_points(places[incidence[1, :25, 7] > 0]).all()
    _render(figure, tmp_path)


def test_the_strongest_hyper_edges(make_clips, random):
    frame = make_clips("nw_ucla", 1)[0, 0, 0]
    incidence = 0.1 * np.eye(20)
    incidence[:, 8] = 1
    weights = np.zeros(20)
    weights[[3, 13]] = 0.2, -0.9
    figure = drawing.draw_hyper_edges(
        frame, "nw_ucla", incidence, weights=weights, edges=2
    )
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == [
        "Left knee\nweight -0.90, 1 joint",
        "Head\nweight 0.20, 1 joint",
    ]
    figure = drawing.draw_hyper_edges(frame, "nw_ucla", incidence, edges=1)
    assert figure.axes[0].get_title() == "Right shoulder\n20 joints"


def test_bad_drawings(make_clips):
    frame = make_clips("nw_ucla", 1)[0, :, 0]

    def wrong(match, graph, *, function=drawing.draw_topology, **arguments):
        with pytest.raises(ValueError, match=match):
            function(
                arguments.pop("frame", frame), "nw_ucla", graph, **arguments
            )

    square = np.eye(20)
    wrong("block_joints", np.eye(9))
    wrong(r"\(V', V'\)", np.ones((20, 19)))
    wrong("2 axes", np.ones((3, 20, 20)))
    wrong("2 axes", np.ones((2, 3, 20, 20)))
    wrong("finite", np.full((20, 20), np.nan))
    wrong("num_links", square, num_links=-1)
    wrong("joints of the skeleton", square, joints=[20])
    wrong("nobody", square, frame=0 * frame)
    wrong("20", square, frame=frame[:, :5])
    wrong("`up`", square, up="x")
    hyper = {"function": drawing.draw_hyper_edges}
    wrong("Choose one head", np.ones((20, 19)), **hyper)
    wrong("Choose one head", -square, **hyper)
    wrong("20 values", square, weights=np.ones(3), **hyper)
    wrong("0..19", square, edges=[20], **hyper)
    wrong("at least 1", square, edges=0, **hyper)
