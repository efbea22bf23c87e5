import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import explain
from keras_skeleton import weights
from keras_skeleton.applications import SkeletonMAE
from keras_skeleton.applications import SkeletonMAEPretext

PAIR = {
    **SkeletonMAE.tiny,
    "input_shape": (2, 8, 17, 2),
    "skeleton": "coco17",
}


def clips(shape=PAIR["input_shape"], count=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *shape)).astype("float32")


def randomize(model, seed=1):
    random = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(random.normal(0, 0.4, variable.shape))
    return model


def arrays(layer):
    return [ops.convert_to_numpy(v.value) for v in layer.weights]


def assert_copies(model, encoder):
    """All encoders of the head have the weights of one."""
    layers = model.representation_layers
    assert len(layers) == 2
    every = [each for layer in layers for each in layer.encoders]
    assert len({id(each) for each in every}) == 4
    assert len({id(v) for each in every for v in each.weights}) == 4 * len(
        encoder.joint_encoder.weights
    )
    for each in every:
        for a, b in zip(
            arrays(each), arrays(encoder.joint_encoder), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_a_pretrained_encoder_begins_every_encoder_of_the_head():
    pretext = SkeletonMAEPretext(**PAIR)
    pretext.compile(keras.optimizers.Adam(1e-2))
    pretext.fit(clips(), batch_size=3, epochs=2, verbose=0)
    model = SkeletonMAE(encoder=pretext.encoder, classes=3)
    assert model.joint_encoder is pretext.encoder.joint_encoder
    assert_copies(model, pretext.encoder)
    # The copies are trained by themselves.
    model.compile("sgd", "mse")
    model.fit(clips(), np.zeros((3, 3)), verbose=0)
    first, second = (arrays(e) for e in model.representation_layers[0].encoders)
    assert any((a != b).any() for a, b in zip(first, second, strict=True))


def test_saved_encoders_begin_the_head_and_saved_heads_stay(tmp_path):
    encoder = randomize(SkeletonMAE(**PAIR))
    path = tmp_path / "encoder.safetensors"
    weights.save_weights(encoder, path)
    model = SkeletonMAE(weights=path, classes=3)
    assert_copies(model, encoder)
    np.testing.assert_array_equal(
        arrays(model.joint_encoder)[0], arrays(encoder.joint_encoder)[0]
    )
    randomize(model)
    path = tmp_path / "model.safetensors"
    weights.save_weights(model, path)
    same = SkeletonMAE(weights=path, classes=3)
    for a, b in zip(arrays(model), arrays(same), strict=True):
        np.testing.assert_array_equal(a, b)
    first, second = same.representation_layers[0].encoders
    assert (arrays(first)[0] != arrays(second)[0]).any()


def test_persons_have_encoders_of_their_own():
    """A change of the second person's encoder leaves the first's map alone."""
    model = randomize(SkeletonMAE(**PAIR, classes=3))
    layer = model.get_layer("representation_0")
    inner = keras.Model(model.input, layer.output)
    before = inner.predict_on_batch(clips())
    for variable in layer.encoders[1].trainable_variables:
        variable.assign(variable * 1.5)
    after = inner.predict_on_batch(clips())
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    assert np.abs(before[:, 1] - after[:, 1]).max() > 1e-3


def test_the_encoder_sees_single_frames_and_the_head_all():
    model = randomize(SkeletonMAE(**PAIR, classes=3))
    encoder = randomize(SkeletonMAE(**PAIR))
    x = clips()
    other = x.copy()
    other[:, :, 5] += 1
    difference = np.abs(
        encoder.predict_on_batch(x) - encoder.predict_on_batch(other)
    ).max(axis=(0, 1, 3, 4))
    assert difference[5] > 1e-3
    assert not np.delete(difference, 5).any()
    features = keras.Model(model.input, model.get_layer("features").output)
    difference = np.abs(
        features.predict_on_batch(x) - features.predict_on_batch(other)
    ).max(axis=(0, 1, 3, 4))
    assert difference.shape == (4,)
    assert np.count_nonzero(difference) > 1


def test_links_beside_the_bones():
    x = clips()[:, :, :, :, :2]
    x[:, :, :, 5] = 10
    arguments = {**PAIR, "encoder_layers": 1}
    seen = {}
    for links in (None, (), ((5, 16),)):
        model = SkeletonMAE(**arguments, links=links)
        seen[links] = model.joint_encoder.graph[5].nonzero()[0].tolist()
    assert seen == {
        None: [0, 6, 7, 11],
        (): [0, 7, 11],
        ((5, 16),): [0, 7, 11, 16],
    }


@pytest.mark.parametrize("number", [1, 2])
def test_parts_are_drawn_for_each_clip(number):
    parts = {"a": [0, 1], "b": [2, 3], "c": [4, 5, 6]}
    model = SkeletonMAEPretext(**PAIR, hidden_parts=number, parts=parts, seed=3)
    x = clips(count=30)
    mask, _ = model.hide(model.prepare(ops.convert_to_tensor(x)))
    mask = ops.convert_to_numpy(mask).reshape(30, 2 * 8, 17)
    assert (mask == mask[:, :1]).all()
    rows = {tuple(np.flatnonzero(row)) for row in mask[:, 0]}
    one = {(0, 1), (2, 3), (4, 5, 6)}
    two = {(0, 1, 2, 3), (0, 1, 4, 5, 6), (2, 3, 4, 5, 6)}
    assert rows == (one if number == 1 else two)


def test_hidden_joints_are_not_seen_and_absent_persons_do_not_count():
    model = randomize(SkeletonMAEPretext(**PAIR))
    x = clips()
    x[:, 1, 4:] = 0
    hidden = [8, 10, 14, 16]
    other = x.copy()
    other[:, :, :, hidden] += 1
    found = [
        {k: ops.convert_to_numpy(v) for k, v in model(clip).items()}
        for clip in (x, other)
    ]
    first, second = found
    np.testing.assert_array_equal(first["prediction"], second["prediction"])
    assert (first["target"] != second["target"]).any()
    mask = first["mask"].reshape(3, 2, 8, 17)
    assert not np.delete(mask, hidden, axis=3).any()
    assert mask[:, 0][..., hidden].all()
    assert mask[:, 1, :4][..., hidden].all()
    assert not mask[:, 1, 4:].any()
    empty = model.objective(ops.zeros((1, *PAIR["input_shape"])), None, False)
    assert float(ops.convert_to_numpy(empty[0])) == 0


def test_restored_joints_have_the_predicted_direction():
    model = randomize(SkeletonMAEPretext(**PAIR))
    embedding = model.encoder.joint_embedding
    x = clips()
    places = clips(seed=5)

    def predict(rows, choice, training=None):
        embedded = embedding(model.prepare(ops.convert_to_tensor(places)))
        return 3 * embedded

    model.predict_hidden = predict
    restored, mask = map(ops.convert_to_numpy, model.restore(x))
    hidden = mask > 0
    np.testing.assert_array_equal(restored[~hidden], x[~hidden])
    low = x.min(axis=(1, 2, 3), keepdims=True)
    high = x.max(axis=(1, 2, 3), keepdims=True)
    expected = np.clip(places, low, high)
    np.testing.assert_allclose(restored[hidden], expected[hidden], atol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"hidden_parts": ["tail"]}, "has the parts head, torso"),
        ({"hidden_parts": ()}, "names of parts"),
        ({"hidden_parts": 6}, "Of the 6 parts"),
        ({"hidden_parts": 1, "parts": {"a": [0], "b": [17]}}, "joints 0 to 16"),
        ({"hidden_parts": ("a",), "parts": {"a": range(17)}}, "no joint"),
        ({"exponent": 0.5}, "at least 1"),
        ({"form": "sum"}, "'mean', 'paper'"),
        ({"strides": ()}, "`strides`"),
        ({"activation": "tanh"}, "prelu, relu"),
        ({"encoder_layers": 0}, "`num_layers`"),
    ],
)
def test_wrong_arguments(arguments, match):
    with pytest.raises(ValueError, match=match):
        SkeletonMAEPretext(**{**PAIR, **arguments})


@pytest.mark.once
def test_files_with_another_weight_of_the_centre():
    model = SkeletonMAE(**PAIR)
    names = weights.official_names(model)
    for center_weight, epsilon in ((1.0, 0.0), (1.25, 0.25), (1.0, 0.25)):
        model = SkeletonMAE(**PAIR, center_weight=center_weight)
        tensors = {
            names[v.path]: ops.convert_to_numpy(v.value).T
            for v in model.weights
        }
        for i in range(2):
            tensors[f"encoder.layers.{i}.eps"] = np.full(1, epsilon)
        if epsilon + 1 == center_weight:
            weights.load_official(model, tensors)
            continue
        with pytest.raises(ValueError, match="eps holds .0.25., computed with"):
            weights.load_official(model, tensors)


@pytest.mark.once
def test_wrong_encoders_links_and_strides():
    with pytest.raises(ValueError, match="not both"):
        SkeletonMAEPretext(SkeletonMAE(**PAIR), hidden_dim=8)
    with pytest.raises(ValueError, match="encoder='file.keras'"):
        SkeletonMAEPretext("file.keras")
    for links in (((0, 99),), "ab", ((0, 1, 2),)):
        with pytest.raises(ValueError, match="`links` must hold pairs .* 0 to"):
            SkeletonMAE(**{**PAIR, "links": links})
    with pytest.raises(ValueError, match="whole number.*strides=.1.5,"):
        SkeletonMAE(**{**PAIR, "strides": (1.5,)})


def test_the_last_map_of_the_head_is_explained():
    model = randomize(SkeletonMAE(**PAIR, classes=3))
    # Behind a stride of 2, four of eight frames.
    assert explain.grad_cam(model, clips()).shape == (3, 2, 4, 17)
    assert explain.saliency(model, clips()).shape == (3, 2, 8, 17)
