"""Recipes: what a system's training is made of."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_skeleton import applications
from keras_skeleton import datasets
from keras_skeleton.applications import CTRGCN
from keras_skeleton.applications import MAMP
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.layers.augmentation import CropResize
from keras_skeleton.layers.augmentation import FillLostFrames
from keras_skeleton.layers.augmentation import RandomRotation
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.training import PretextModel
from keras_skeleton.training import Recipe

CROP = CropResize(8, interval=(0.95,))


@pytest.mark.once
def test_given_then_published_then_common():
    recipe = Recipe.of("ctrgcn", learning_rate=0.2, batch_size=None)
    assert recipe.learning_rate == 0.2
    assert (recipe.steps, recipe.batch_size) == ((35, 55), 64)
    assert Recipe.of("ctrgcn", epochs=13).steps == (7, 11)
    assert Recipe.of(CTRGCN, "finetune") == Recipe(kind="finetune")
    assert Recipe.of("ctrgcn", epochs=np.int64(13)) == Recipe.of(
        "ctrgcn", epochs=13.0
    )
    # From random weights as in fine-tuning, where nothing else is known.
    tuned = Recipe.of("skeletonmae", "finetune")
    assert Recipe.of("skeletonmae") == dataclasses.replace(
        tuned, kind="training"
    )
    assert Recipe.of("mamp", ("semi", "finetune")).layer_decay == 0.8
    assert Recipe.of(MAMP(**MAMP.tiny), "finetune").layer_decay == 0.8
    assert Recipe.of("mamp", "pretrain") == Recipe.of(MAMPPretext, "pretrain")


@pytest.mark.once
@pytest.mark.parametrize("system", applications.SYSTEMS)
def test_every_system_has_valid_recipes(system):
    for name in applications.SYSTEMS[system]:
        kind = getattr(applications, name)
        published = getattr(kind, "recipes", {})
        for key in set(published) - {"linear"}:
            assert issubclass(kind, PretextModel) == (key == "pretrain")
            recipe = Recipe.of(kind, key)
            model = kind(**kind.tiny) if recipe.layer_decay else None
            rate = recipe.make_optimizer(model, 10)._learning_rate
            step = 10 * recipe.epochs // 2
            assert 0 < float(rate(step)) < 1.0001 * recipe.learning_rate


@pytest.mark.once
def test_size_of_the_data():
    recipe = Recipe.of("ctrgcn")
    # 8 batches of 12 clips: 188 epochs are 1,504 steps.
    small = recipe.for_clips(100)
    assert (small.batch_size, small.epochs) == (12, 188)
    assert small.steps == (101, 159)
    assert recipe.for_clips(40_000) == recipe
    assert recipe.for_clips(np.int64(3)).batch_size == 8
    for wrong in ([], 0, "clips", True):
        with pytest.raises(ValueError, match="Received"):
            recipe.for_clips(wrong)


@pytest.mark.once
def test_schedules():
    recipe = Recipe(optimizer="sgd", steps=(2, 3), epochs=4, warmup_epochs=0)
    rate = recipe.make_optimizer(None, 10)._learning_rate
    found = [float(rate(step)) for step in (0, 19, 20, 29, 30)]
    expected = [3e-4, 3e-4, 3e-5, 3e-5, 3e-6]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    encoder = MAMP(**MAMP.tiny)
    optimizer = Recipe(layer_decay=0.5).make_optimizer(encoder, 10)
    rate = optimizer._learning_rate
    found = [float(rate(step)) for step in (25, 50, 1000)]
    np.testing.assert_allclose(found, [1.5e-4, 3e-4, 1e-5], rtol=1e-4)
    assert optimizer.scales["block_1"] == 0.5
    # A warm-up takes at most a tenth of a short training.
    rate = Recipe().lasting(10).make_optimizer(None, 10)._learning_rate
    assert float(rate(10)) == pytest.approx(3e-4)


@pytest.mark.once
def test_transforms():
    motion = Streams("nw_ucla", streams="joint_motion")
    recipe = Recipe.of("mamp", "finetune")
    fill, crop, rotation, last = recipe.transforms([CROP, motion])
    assert isinstance(fill, FillLostFrames) and not fill.at_end
    assert crop.interval == (0.5, 1.0) and CROP.interval == (0.95,)
    assert isinstance(rotation, RandomRotation) and rotation.dimensions == 3
    assert last is motion
    # Where it is done already, it is done as was said.
    plain = [FillLostFrames("duplication"), CROP, motion]
    assert Recipe().transforms(plain) == plain
    *_, rotation = recipe.transforms([CROP], ("x", "y", "score"))
    assert rotation.dimensions == 2
    clips = np.ones((2, 1, 8, 17, 3), "float32")
    turned = np.asarray(rotation(clips, training=True))
    np.testing.assert_array_equal(turned[..., 2], 1)


def test_training_by_a_recipe():
    """Classifiers and pretext models alike; few clips are enough."""
    data = datasets.synthetic.load_data(24, classes=3, skeleton="kinect20")
    recipe = Recipe.of("mamp", epochs=2, batch_size=8)
    model = MAMP(**{**MAMP.tiny, "classes": 3})
    batches = recipe.batches(data, [CROP], seed=0)
    history = recipe.compile(model, batches).fit(
        batches, epochs=recipe.epochs, shuffle=False, verbose=0
    )
    assert set(history.history) == {"loss", "accuracy"}
    assert int(model.optimizer.iterations) == 6
    keras.utils.set_random_seed(0)
    recipe = Recipe.of("mamp", "pretrain", epochs=1, batch_size=8)
    pretext = MAMPPretext(**MAMPPretext.tiny)
    batches = recipe.batches(data, [CROP], seed=0, labels=False)
    recipe.compile(pretext, batches).fit(batches, shuffle=False, verbose=0)
    assert int(pretext.optimizer.iterations) == 3


@pytest.mark.once
def test_bad_values():
    with pytest.raises(ValueError, match="Unknown 'rate'. A recipe has arg"):
        Recipe.of("mamp", rate=3)
    with pytest.raises(ValueError, match="`epochs` must be a .*: 0"):
        Recipe(epochs=0)
    with pytest.raises(ValueError, match="'lion'"):
        Recipe(optimizer="lion")
    for key, value in (
        ("learning_rate", -1),
        ("learning_rate", float("nan")),
        ("weight_decay", -1),
        ("warmup_epochs", "5"),
        ("epochs", 2.5),
    ):
        with pytest.raises(ValueError, match=f"`{key}` must be a"):
            Recipe.of("mamp", **{key: value})
    for kind in ("train", (), "pretraining"):
        with pytest.raises(ValueError, match="must be one of 'training'"):
            Recipe.of("ctrgcn", kind)
    with pytest.raises(ValueError, match="Received: None"):
        Recipe.of(None)
    with pytest.raises(ValueError, match="MAMP is trained with labels"):
        Recipe.of("mamp", "pretrain").compile(MAMP(**MAMP.tiny), 3)
    with pytest.raises(ValueError, match="no system 'mapm'"):
        Recipe.of("mapm")
    with pytest.raises(ValueError, match="CTRGCN is trained with labels"):
        Recipe.of("ctrgcn", "pretrain")
    with pytest.raises(ValueError, match="STARSPretext has no recipe"):
        Recipe.of("stars", "pretrain")
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().epochs = 3
