import numpy as np
import pytest
from pages import read_page

from keras_skeleton import explain


def test_explain_writes_all_maps(make_transformer, make_clips, tmp_path):
    model, clip = make_transformer(), make_clips("kinect20", 1)[0]
    clip[1] = 0
    names = ["walk", "run", "sit"]
    path = explain.explain(model, clip, names, tmp_path / "clip.html")
    page, data = read_page(path)
    probabilities = explain.class_probabilities(model, clip[None])[0]
    best = names[int(np.argmax(probabilities))]
    assert best in page.texts["title"]
    assert f"Predicted: {best}" in page.texts["prediction"]
    assert data["classes"][0]["name"] == best
    maps = {one["name"]: one["values"] for one in data["maps"]}
    assert list(maps) == [
        "Integrated gradients",
        "Class attention",
        "Grad-CAM",
        "Gradient saliency",
        "Attention rollout",
    ]
    notes = {one["name"]: one["note"] for one in data["maps"]}
    assert "no explanation" in notes["Attention rollout"]
    found = explain.faithfulness(
        model,
        {"Grad-CAM": explain.grad_cam(model, clip[None])},
        clip[None],
        steps=5,
        repetitions=1,
    )
    score = f"on this clip: {found.scores['Grad-CAM']:.2f} "
    assert score in notes["Grad-CAM"]
    for values in maps.values():
        values = np.reshape(values, (2, -1))
        assert values[0].any() and not values[1].any()
    chosen = np.argmin(probabilities)
    path = explain.explain(
        model,
        clip,
        names,
        path,
        class_index=int(chosen),
        label=1,
        measure=False,
    )
    for label in (-1, 3, "run"):
        with pytest.raises(ValueError, match="number of a class, 0 to 2"):
            explain.explain(model, clip, path=path, label=label, measure=False)
    page, data = read_page(path)
    assert names[chosen] in page.texts["title"]
    assert "labelled: run" in page.texts["prediction"]
    assert not any("Faithfulness" in one["note"] for one in data["maps"])


def test_explain_without_attention(convolutional, make_clips, tmp_path):
    clip = make_clips("kinect20", 1, 1)[0]
    with pytest.raises(ValueError, match="skeleton="):
        explain.explain(convolutional, clip, path=tmp_path / "a.html")
    path = explain.explain(
        convolutional, clip, path=tmp_path / "a.html", skeleton="kinect20"
    )
    names = [one["name"] for one in read_page(path)[1]["maps"]]
    assert names == ["Integrated gradients", "Grad-CAM", "Gradient saliency"]


def test_explain_without_an_axis_of_persons(
    make_graph_network, make_clips, tmp_path
):
    model = make_graph_network("leg", part="leg", persons=1)
    shown = make_clips("nw_ucla", 1)[0, 0, :4]
    clip = np.random.default_rng(0).normal(size=model.input_shape[2:])
    path = tmp_path / "clip.html"
    explain.explain(model, clip, path=path, shown=shown, measure=False)
    points = read_page(path)[1]["points"]
    np.testing.assert_allclose(np.ravel(points), shown.ravel(), atol=1e-3)


@pytest.mark.parametrize("part", [None, "leg"])
def test_explain_parts_of_the_body(
    make_graph_network, make_clips, tmp_path, part
):
    arguments = {"part": part} if part else {}
    model = make_graph_network(part or "psumnet", **arguments)
    whole = make_clips("nw_ucla", 1)[0, :, :4]
    path = tmp_path / "clip.html"
    clip = whole
    if part:
        clip = np.random.default_rng(0).normal(size=model.input_shape[1:])
        with pytest.raises(ValueError, match="12 channels .* `shown=`"):
            explain.explain(model, clip, path=path)
        with pytest.raises(ValueError, match="persons and frames"):
            explain.explain(model, clip, path=path, shown=whole[:, :3])
        broken = np.where(clip == clip.max(), np.nan, clip)
        with pytest.raises(ValueError, match="`clip` must be finite"):
            explain.explain(model, broken, path=path, shown=whole)
    explain.explain(
        model, clip, path=path, shown=whole if part else None, measure=False
    )
    _, data = read_page(path)
    np.testing.assert_allclose(
        np.reshape(data["points"], whole.shape), whole, atol=1e-3
    )
    maps = {one["name"]: one["values"] for one in data["maps"]}
    assert list(maps) == [
        "Integrated gradients",
        "Grad-CAM",
        "Gradient saliency",
    ]
    joints = explain.joints_of(model)
    for values in maps.values():
        values = np.reshape(values, whole.shape[:-1])
        assert values[..., joints].any()
        assert not np.delete(values, joints, axis=2).any()
