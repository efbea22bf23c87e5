import keras
import numpy as np
import pytest
from keras import ops
from pages import read_page
from two_inputs import arrays
from two_inputs import logits
from two_inputs import two_inputs

from keras_skeleton import explain
from keras_skeleton import layers


def _difference(model, inputs, name, place, class_index, step=1e-2):
    """d logit / d number of one input by a central difference."""
    changed = []
    for sign in (1, -1):
        array = inputs[name].copy()
        array[place] += sign * step
        changed.append(logits(model, {**inputs, name: array}))
    change = changed[0] - changed[1]
    return change[place[0], class_index] / (2 * step)


def test_probabilities():
    model, inputs = two_inputs(), arrays(3)
    scores = np.exp(logits(model, inputs))
    np.testing.assert_allclose(
        explain.class_probabilities(model, inputs, batch_size=2),
        scores / scores.sum(axis=1, keepdims=True),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    ("name", "place"), [("skeletons", (0, 1, 2, 7)), ("video", (1, 2, 0, 5))]
)
def test_saliency_has_a_map_for_each_input(name, place):
    model, inputs = two_inputs(), arrays(3)
    maps = explain.saliency(model, inputs, [1, 2, 0], batch_size=2)
    assert set(maps) == {"skeletons", "video"}
    assert maps[name].shape == inputs[name].shape[:-1]
    chosen = [1, 2, 0][place[0]]
    gradient = [
        _difference(model, inputs, name, (*place, axis), chosen)
        for axis in range(inputs[name].shape[-1])
    ]
    np.testing.assert_allclose(
        maps[name][place],
        np.linalg.norm(gradient),
        atol=3e-3 * maps[name].max(),
    )


def test_absent_persons_hide_no_video():
    model, inputs = two_inputs(), arrays(2)
    inputs["skeletons"][0, 1] = 0
    maps = explain.saliency(model, inputs, 0)
    assert not maps["skeletons"][0, 1].any() and maps["skeletons"][0, 0].any()
    assert maps["video"][0].any()
    cam = explain.grad_cam(model, inputs, 0)
    assert not cam[0, 1].any() and cam[0, 0].any()
    inputs["skeletons"][0] = 0
    cam = explain.grad_cam(model, inputs, 0, layer="video_features")
    assert cam[0].any()


@pytest.mark.parametrize(
    ("layer", "pooled"),
    [("features", "pooled"), ("video_features", "video_pooled")],
)
def test_grad_cam_of_either_branch(layer, pooled):
    model, inputs = two_inputs(), arrays(3)
    names = ("hidden", layer, pooled)
    outputs = {name: model.get_layer(name).output for name in names}
    values = keras.Model(model.input, outputs).predict_on_batch(inputs)
    kernels = [
        ops.convert_to_numpy(model.get_layer(name).kernel.value)
        for name in ("hidden", "predictions")
    ]
    slope = (1 - values["hidden"] ** 2) * kernels[1][:, 2] @ kernels[0].T
    slope = slope[:, :5] if layer == "features" else slope[:, 5:]
    features = values[layer]
    weights = slope[:, None, None, None] / features[0, ..., 0].size
    expected = np.maximum((features * weights).sum(axis=-1), 0)
    assert expected.any()
    cam = explain.grad_cam(model, inputs, 2, layer=layer, batch_size=2)
    np.testing.assert_allclose(cam, expected, atol=1e-5 * expected.max())


def test_the_map_of_the_skeletons_is_drawn(tmp_path):
    model, inputs = two_inputs(), arrays(1)
    clip = {name: array[0] for name, array in inputs.items()}
    path = explain.explain(model, clip, path=tmp_path / "clip.html")
    _, data = read_page(path)
    assert data["shape"] == [2, 4, 20]
    maps = {
        one["name"]: np.reshape(one["values"], (2, 4, 20))
        for one in data["maps"]
    }
    assert list(maps) == ["Grad-CAM", "Gradient saliency"]
    best = logits(model, inputs).argmax()
    expected = explain.saliency(model, inputs, best)["skeletons"][0]
    np.testing.assert_allclose(
        maps["Gradient saliency"], expected / expected.sum(), rtol=2e-3
    )
    explain.explain(model, clip, path=path, layer=None)
    assert [one["name"] for one in read_page(path)[1]["maps"]] == [
        "Gradient saliency"
    ]
    with pytest.raises(ValueError, match="no skeletons to draw"):
        explain.explain(model, {"video": clip["video"]}, path=path)


def _fused(persons):
    """Maps of skeletons to which video is added, with or without persons."""
    inputs = {
        "skeletons": keras.Input((2, 4, 20, 3), name="skeletons"),
        "video": keras.Input((3, 5, 6, 2), name="video"),
    }
    x = keras.layers.Dense(4, name="joints")(inputs["skeletons"])
    if not persons:
        x = ops.mean(x, axis=1, keepdims=True)
    y = keras.layers.Dense(4)(ops.mean(inputs["video"], axis=(1, 2, 3)))
    y = keras.layers.Reshape((1, 1, 1, 4))(y)
    x = keras.layers.Activation("tanh", name="features")(x + y)
    x = keras.layers.Dense(3)(keras.layers.GlobalAveragePooling3D()(x))
    model = keras.Model(inputs, x)
    model.skeleton = two_inputs().skeleton
    return model


def test_maps_of_what_is_fused(tmp_path):
    inputs = arrays(2)
    inputs["skeletons"][0, 1] = 0
    model = _fused(persons=True)
    cams = [explain.grad_cam(model, inputs, index) for index in range(3)]
    assert cams[0].shape == (2, 2, 4, 20)
    assert not any(cam[0, 1].any() for cam in cams)
    assert any(cam[0, 0].any() for cam in cams)
    model = _fused(persons=False)
    assert explain.grad_cam(model, inputs, 0).shape == (2, 1, 4, 20)
    clip = {name: array[1] for name, array in inputs.items()}
    path = explain.explain(model, clip, path=tmp_path / "clip.html")
    cam = np.reshape(read_page(path)[1]["maps"][1]["values"], (2, 4, 20))
    np.testing.assert_array_equal(cam[0], cam[1])


def test_attention_and_graphs_of_one_branch(random):
    inputs = {
        "skeletons": keras.Input((2, 4, 20, 3), name="skeletons"),
        "video": keras.Input((3, 5, 6, 2), name="video"),
    }
    x = layers.FoldPersons(name="fold_persons")(inputs["skeletons"])
    graph = layers.ChannelTopologyGraphConvolution(
        8, np.eye(20)[None], 4, name="graph"
    )
    x = graph(x)
    x = ops.reshape(x, (-1, 80, 8))
    x = layers.TransformerBlock(2, 2, name="block")(x)
    x = layers.TokenGrid(2, 4, 20, name="features")(x)
    y = keras.layers.GlobalAveragePooling3D()(inputs["video"])
    x = keras.layers.Concatenate()(
        [keras.layers.GlobalAveragePooling3D()(x), y]
    )
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    clips = arrays(3)
    maps = explain.attention_maps(model, clips, batch_size=2)
    assert maps.shape == (1, 3, 2, 2, 80, 80)
    folded = clips["skeletons"].reshape(6, 4, 20, 3)
    tokens = ops.reshape(graph(folded), (-1, 80, 8))
    block = model.get_layer("block")
    expected = ops.convert_to_numpy(block.attention_weights(tokens))
    np.testing.assert_allclose(
        maps[0].reshape(expected.shape), expected, atol=1e-5
    )
    graphs = explain.clip_topology(model, clips, "graph", channels="all")
    expected = ops.convert_to_numpy(graph.topology(folded))
    np.testing.assert_allclose(
        graphs.reshape(expected.shape), expected, atol=1e-5
    )


def test_bad_input():
    model, inputs = two_inputs(), arrays(2)
    with pytest.raises(ValueError, match="Received ndarray"):
        explain.saliency(model, inputs["skeletons"])
    with pytest.raises(ValueError, match="dictionary with 'skeletons'"):
        explain.saliency(model, {"skeletons": inputs["skeletons"]})
    with pytest.raises(ValueError, match=r"clips\['video'\].*input shape"):
        explain.saliency(model, {**inputs, "video": np.ones((2, 3, 5, 6))})
    with pytest.raises(ValueError, match="same number of samples"):
        explain.saliency(model, {**inputs, "video": inputs["video"][:1]})
    flat = keras.Model(list(model.inputs), model.output)
    with pytest.raises(ValueError, match="dictionary of inputs by name"):
        explain.saliency(flat, list(inputs.values()))
