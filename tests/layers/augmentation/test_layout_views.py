"""Views of clips in layouts that are drawn."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation import LayoutViews
from keras_skeleton.layers.augmentation import RandomMirror
from keras_skeleton.layers.augmentation import Views

LAYOUTS = ("kinect20", "coco17")
PAIRS = {(0, 0), (0, 1), (1, 0), (1, 1)}


def clips(count=3):
    random = np.random.default_rng(0)
    return random.normal(size=(count, 1, 4, 20, 3)).astype("float32")


def array(x):
    return np.array(ops.convert_to_numpy(x))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [("full_random", PAIRS), ("with_first", PAIRS - {(1, 1)})],
)
def test_pairs(pairs, expected):
    layer = LayoutViews(LAYOUTS, pairs=pairs, seed=1)
    drawn = [tuple(int(x) for x in layer.draw()) for _ in range(80)]
    assert set(drawn) == expected
    # The first on one side, the other from all: (0, 0) half of the time.
    share = 1 / 2 if pairs == "with_first" else 1 / 4
    assert drawn.count((0, 0)) / 80 == pytest.approx(share, abs=0.15)


@pytest.mark.parametrize("pair", sorted(PAIRS))
def test_clips_in_the_layouts_drawn(pair):
    layer = LayoutViews(LAYOUTS)
    layer.draw = lambda: pair
    x = clips()
    mapped = skeletons.mapping(*LAYOUTS, missing="nearest").apply(x)
    mapped = np.pad(mapped, (*3 * ((0, 0),), (0, 3), (0, 0)))
    views = layer(x)
    assert list(views) == ["basic", "key", "extreme"]
    for name, view in views.items():
        number = pair[name == "key"]
        np.testing.assert_array_equal(array(view["layout"]), number)
        expected = (x, mapped)[number]
        np.testing.assert_allclose(
            array(view["skeletons"]), expected, atol=1e-6
        )


def test_clips_that_are_there_in_all_layouts():
    layer = LayoutViews(LAYOUTS)
    layer.draw = lambda: (1, 0)
    given = {"kinect20": clips(), "coco17": -clips()[:, :, :, :17]}
    views = layer(given)
    np.testing.assert_array_equal(
        array(views["basic"]["skeletons"])[:, :, :, :17], given["coco17"]
    )
    np.testing.assert_array_equal(
        array(views["key"]["skeletons"]), given["kinect20"]
    )
    with pytest.raises(ValueError, match="in all of the layouts"):
        layer({"kinect20": clips()})


def mirrors(layout):
    mirror = [RandomMirror(layout, rate=1.0)]
    return Views(basic=[], key=mirror, extreme=mirror)


def test_views_of_each_layout():
    """Left and right are those of the layout that is drawn."""
    layer = LayoutViews(LAYOUTS, views={x: mirrors(x) for x in LAYOUTS})
    given = {"kinect20": clips(), "coco17": clips()[:, :, :, :17]}
    for pair in PAIRS:
        layer.draw = lambda pair=pair: pair
        views = layer(given, training=True)
        for name, view in views.items():
            layout = skeletons.get(LAYOUTS[pair[name == "key"]])
            expected = given[layout.name]
            if name != "basic":
                order = list(layout.mirror_permutation)
                expected = expected[:, :, :, order] * [-1, 1, 1]
            np.testing.assert_allclose(
                array(view["skeletons"])[:, :, :, : layout.num_joints],
                expected,
                atol=1e-6,
            )


def test_serialisation():
    layer = LayoutViews(
        LAYOUTS,
        source="coco17",
        views={x: mirrors(x) for x in LAYOUTS},
        key_views=("key", "extreme"),
        pairs="with_first",
        seed=3,
    )
    config = keras.saving.serialize_keras_object(layer)
    revived = keras.saving.deserialize_keras_object(config)
    assert revived.get_config() == layer.get_config()
    x = clips()[:, :, :, :17]
    for one, two in zip(
        keras.tree.flatten(layer(x)),
        keras.tree.flatten(revived(x)),
        strict=True,
    ):
        np.testing.assert_array_equal(array(one), array(two))


@pytest.mark.once
def test_what_cannot_be():
    with pytest.raises(ValueError, match="`pairs` must be 'full_random' or"):
        LayoutViews(LAYOUTS, pairs="all")
    with pytest.raises(ValueError, match="one for each of the layouts"):
        LayoutViews(LAYOUTS, views={"ntu": Views(basic=[])})
    with pytest.raises(ValueError, match="of 'kinect20', with 20 joints"):
        LayoutViews(LAYOUTS)(clips()[:, :, :, :17])
