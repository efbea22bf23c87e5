"""MS-CLR: several joint layouts in one network, and its training."""

import keras
import numpy as np
import pytest
from graph_networks import randomize_network
from keras import ops

from keras_skeleton import skeletons
from keras_skeleton import weights
from keras_skeleton.applications import MSCLR
from keras_skeleton.applications import STGCN
from keras_skeleton.applications import AimCLRPretext
from keras_skeleton.applications import MSCLRPretext
from keras_skeleton.datasets import synthetic
from keras_skeleton.evaluation import nearest_neighbors
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.layers.augmentation import Views
from keras_skeleton.training import ResumeTraining

LAYOUTS = ("kinect20", "coco17")
TINY = {k: v for k, v in MSCLR.tiny.items() if k != "skeleton"}
PLAIN = {"jit_compile": keras.backend.backend() == "jax"}
JIT = {"jit_compile": keras.backend.backend() != "torch"}


def encoder(**arguments):
    return MSCLR(**TINY, layouts=LAYOUTS, **arguments)


def clips(count=4, joints=20, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, 1, 8, joints, 3)).astype("float32")


def mixed(count=4):
    return {"skeletons": clips(count), "layout": np.arange(count) % 2}


def values(model):
    return [np.array(x) for x in model.get_weights()]


def test_one_layout_of_several():
    model = encoder(classes=3, head="ensemble")
    randomize_network(model)
    x = mixed()
    scores = model.predict_on_batch(x)
    for number, name in enumerate(LAYOUTS):
        alone = model.for_layout(name)
        joints = skeletons.get(name).num_joints
        own = x["skeletons"][number::2, :, :, :joints]
        np.testing.assert_allclose(
            scores[number::2], alone.predict_on_batch(own), atol=1e-5
        )
    # Copies: to train one leaves the other alone.
    before = values(model)
    alone.compile("sgd", "mse", **PLAIN)
    alone.fit(own, np.ones((2, 3)), verbose=0)
    for old, new in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(old, new)
    with pytest.raises(ValueError, match="has the layouts kinect20, coco17"):
        model.for_layout("ntu")


def test_weights_of_several_layouts_in_one(tmp_path):
    model = encoder()
    randomize_network(model)
    path = tmp_path / "several.safetensors"
    weights.save_weights(model, path)
    alone = MSCLR(path, skeleton="coco17")
    other = model.for_layout("coco17")
    assert alone.settings == other.settings
    for one, two in zip(values(alone), values(other), strict=True):
        np.testing.assert_array_equal(one, two)
    again = MSCLR(path, pooling="avg")
    assert again.settings == model.settings
    with pytest.raises(ValueError, match="importance_ntu"):
        MSCLR(path, skeleton="ntu")


def test_padding_does_not_matter():
    model = encoder(pooling="max")
    x = mixed()
    features = model.predict_on_batch(x)
    x["skeletons"][1::2, :, :, 17:] = 100
    np.testing.assert_array_equal(model.predict_on_batch(x), features)


def test_classifier_of_mixed_layouts_learns():
    keras.utils.set_random_seed(0)
    model = encoder(classes=2, head="ensemble")
    model.compile(
        keras.optimizers.Adam(1e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **JIT,
    )
    logs = model.fit(mixed(), np.array([0, 1, 1, 0]), epochs=20, verbose=0)
    losses = logs.history["loss"]
    assert losses[-1] < losses[0] - 0.2
    ensemble = model.ensemble()
    given = {"kinect20": clips(), "coco17": clips(joints=17)}
    expected = [
        model.for_layout(name).predict_on_batch(x) for name, x in given.items()
    ]
    np.testing.assert_allclose(
        ensemble.predict_on_batch(given), np.mean(expected, axis=0), atol=1e-5
    )


def views_of(layout):
    mirror = [RandomMirror(layout)]
    return Views(basic=mirror, key=[], extreme=mirror)


class Batches(keras.utils.PyDataset):
    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, index):
        return (self.batches[index],)


@pytest.mark.parametrize("form", ["views", "by layout", "alone", "mixed"])
def test_batches(form):
    augmentation = {name: views_of(name) for name in LAYOUTS}
    model = MSCLRPretext(
        **{**MSCLRPretext.tiny, "skeleton": "kinect20"},
        augmentation=augmentation,
    )
    batch = {
        "views": {
            "basic": {"skeletons": clips(), "layout": np.ones(4, "int32")},
            "key": mixed(),
            "extreme": {"skeletons": clips(), "layout": np.ones(4, "int32")},
        },
        "by layout": {"kinect20": clips(), "coco17": clips(joints=17)},
        "alone": clips(),
        "mixed": mixed(),
    }[form]
    # All in one compiled step; once is enough, as that takes long.
    model.compile("sgd", **(JIT if form == "by layout" else PLAIN))
    before = values(model)
    logs = model.fit(Batches([batch, batch]), epochs=2, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    assert any(
        not np.array_equal(x, y)
        for x, y in zip(before, values(model), strict=True)
    )
    assert int(model.seen.value) == 16


def test_wrong_batches():
    model = MSCLRPretext(**MSCLRPretext.tiny)
    with pytest.raises(ValueError, match="'basic', 'key', 'extreme'"):
        model.views_of({"kinect20": clips(), "ntu": clips(joints=25)})


def test_resume_is_exact(tmp_path):
    """Pairs and views are drawn on from where the training stopped."""

    def train(epochs, state):
        keras.utils.set_random_seed(0)
        model = MSCLRPretext(
            **MSCLRPretext.tiny,
            augmentation={name: views_of(name) for name in LAYOUTS},
            seed=1,
        )
        model.compile(keras.optimizers.SGD(0.1, momentum=0.9), **PLAIN)
        model.fit(
            clips(8),
            batch_size=4,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[ResumeTraining(tmp_path / state, verbose=0)],
        )
        return model

    whole = train(3, "whole")
    train(1, "stopped")
    resumed = train(3, "stopped")
    for one, two in zip(values(whole), values(resumed), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("stream", ["bone", "joint_motion"])
def test_streams(stream):
    """Bones and motion of a clip are those of its own layout."""
    model = MSCLRPretext(**MSCLRPretext.tiny, stream=stream)
    view = mixed()
    view["skeletons"][1::2, :, :, 17:] = 0
    found = model.streams_of(view)[stream]["skeletons"]
    found = np.array(ops.convert_to_numpy(found))
    for number, name in enumerate(LAYOUTS):
        joints = skeletons.get(name).num_joints
        own = view["skeletons"][number::2, :, :, :joints]
        expected = Streams(name, streams=[stream]).on_numpy()(own)
        np.testing.assert_allclose(
            found[number::2, :, :, :joints], expected, atol=1e-6
        )
        assert not found[number::2, :, :, joints:].any()


def test_aimclr_on_any_encoder():
    model = AimCLRPretext(STGCN(**STGCN.tiny), embedding_dim=8, queue_size=16)
    model.compile("sgd", **PLAIN)
    logs = model.fit(clips(), batch_size=4, verbose=0).history
    assert np.isfinite(logs["loss"]).all()
    assert model(clips()).shape == (4, 8)


def test_one_layout_is_the_thin_stgcn():
    """Without other layouts nothing is padded, selected or filled."""
    model = MSCLR(**MSCLR.tiny)
    twin = STGCN(**STGCN.tiny)
    ours = {
        v.path.replace("/kinect20/", "/").replace("_kinect20", ""): x
        for v, x in zip(model.weights, model.get_weights(), strict=True)
    }
    for variable in twin.weights:
        variable.assign(ours[variable.path])
    np.testing.assert_allclose(
        model.predict_on_batch(clips()),
        twin.predict_on_batch(clips()),
        atol=1e-6,
    )


@pytest.mark.once
def test_published_graphs():
    def edges(published):
        model = MSCLR(
            **{**TINY, "input_shape": (1, 8, 42, 3)},
            skeleton="smplx42",
            published_graphs=published,
        )
        graph = model.blocks[0].graph_convolution.topology()
        return int((ops.convert_to_numpy(graph) > 0).sum())

    # Two bones more, to the eyeballs, in both directions.
    assert edges(False) == edges(True) + 4


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layouts": ()}, "None or a list of layouts"),
        ({"layouts": ("coco17", "coco17")}, "different names"),
        ({"layouts": LAYOUTS, "skeleton": "ntu"}, "none of the layouts"),
        ({"layouts": ("ntu", "coco17")}, "has 20 joints"),
        ({"layouts": LAYOUTS, "head": "mean"}, "`head` must be"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MSCLR(**TINY, **arguments)


@pytest.mark.once
def test_pretext_needs_several_layouts():
    with pytest.raises(ValueError, match="there is `AimCLRPretext`"):
        MSCLRPretext(MSCLR(**MSCLR.tiny))
    with pytest.raises(ValueError, match="either `encoder` or `layouts`"):
        MSCLRPretext(encoder(), layouts=LAYOUTS)
    with pytest.raises(ValueError, match="there is `AimCLRPretext`"):
        MSCLRPretext(STGCN(**STGCN.tiny))


@pytest.mark.once
@pytest.mark.parametrize(
    "augmentation", [[RandomMirror("kinect20")], {"kinect20": "weak"}]
)
def test_views_are_made_by_layers(augmentation):
    with pytest.raises(ValueError, match="a layer that makes the views"):
        MSCLRPretext(encoder(), augmentation=augmentation)


@pytest.mark.once
def test_clips_of_one_layout_are_refused():
    with pytest.raises(ValueError, match="Received: ndarray"):
        encoder()(clips())
    data = synthetic.load_data(num_clips=4, skeleton="kinect20")
    with pytest.raises(ValueError, match="for_layout"):
        nearest_neighbors(
            encoder(), data, data, transforms=[CropResize(8, interval=0.95)]
        )
