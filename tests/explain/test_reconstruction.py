import numpy as np
import pytest
from keras import ops

from keras_skeleton import explain
from keras_skeleton.applications import CascadeFormerPretext
from keras_skeleton.applications import FineTec
from keras_skeleton.applications import FineTecPretext
from keras_skeleton.applications import MAMPPretext
from keras_skeleton.applications import SkeletonMAEPretext
from keras_skeleton.layers.augmentation.views import MainPerson

pytestmark = pytest.mark.once
PAIR = (2, 8, 20, 3)


def clips(count=3):
    random = np.random.default_rng(0)
    return random.normal(size=(count, *PAIR)).astype("float32")


def test_hidden_parts_are_where_they_are_predicted():
    model = SkeletonMAEPretext(
        **{**SkeletonMAEPretext.tiny, "input_shape": PAIR}
    )
    x = clips()
    restored, mask = explain.reconstruct(model, x, batch_size=2)
    assert restored.shape == x.shape
    hidden = [8, 9, 10, 11, 16, 17, 18, 19]
    assert mask[..., hidden].all()
    assert mask.sum() == 3 * 2 * 8 * len(hidden)
    np.testing.assert_array_equal(restored[mask == 0], x[mask == 0])
    assert (restored[mask == 1] != x[mask == 1]).any(axis=-1).all()


@pytest.mark.parametrize("value_order", ["joints", "coordinates"])
def test_hidden_joints_of_one_person(value_order):
    model = CascadeFormerPretext(
        **{**CascadeFormerPretext.tiny, "input_shape": PAIR},
        value_order=value_order,
    )
    x = clips()
    # What is predicted is known: the person with all signs changed.
    model.predict_hidden = lambda one, *_: -model.make_target(one)
    restored, mask = explain.reconstruct(model, x)
    one = ops.convert_to_numpy(MainPerson()(x))
    assert restored.shape == one.shape
    assert 0 < mask.mean() < 1
    np.testing.assert_array_equal(restored[mask == 0], one[mask == 0])
    np.testing.assert_array_equal(np.abs(restored), np.abs(one))
    is_hidden = restored != one
    np.testing.assert_array_equal(is_hidden.any(axis=-1), mask == 1)
    if value_order == "joints":
        np.testing.assert_array_equal(is_hidden.all(axis=-1), mask == 1)


@pytest.mark.parametrize("cls", [SkeletonMAEPretext, CascadeFormerPretext])
def test_a_picture(cls):
    model = cls(**{**cls.tiny, "input_shape": PAIR})
    x = clips(1)[0]
    x[0] *= 0.1
    figure = explain.draw_reconstruction(model, x, frames=3, title="Hidden")
    labels = [axes.texts[0].get_text() for axes in figure.axes[::2]]
    assert labels == ["seen", "predicted"]
    seen, predicted = figure.axes[1::2]
    persons = 2 if cls is SkeletonMAEPretext else 1
    bones = [
        np.isfinite(line).all()
        for line in seen.collections[1].get_segments()
        if len(line) == 2
    ]
    every = predicted.collections[1].get_segments()
    assert len(every) == persons * 3 * 19
    assert sum(bones) < len(every)
    # Behind both is the same clip as it is.
    for a, b in zip(
        seen.collections[0].get_segments(),
        predicted.collections[0].get_segments(),
        strict=True,
    ):
        assert np.isfinite(a).all()
        assert np.isfinite(b).all()
    figure.canvas.draw()


def test_wrong_input():
    model = MAMPPretext(**MAMPPretext.tiny)
    with pytest.raises(ValueError, match="predicts no places"):
        explain.reconstruct(model, clips())
    model = SkeletonMAEPretext(**SkeletonMAEPretext.tiny)
    with pytest.raises(ValueError, match=r"\(N, M, T, V, C\)"):
        explain.reconstruct(model, clips()[0])


def test_lost_frames_over_the_true_ones():
    model = FineTec(**FineTec.tiny, classes=3)
    true = np.tile(clips(2)[:, :1, :1], (1, 1, 8, 1, 1))
    model.fill_bank(true[:1])
    lossy = true + 0
    lossy[:, :, [2, 3, 6]] = 0
    restored, mask = explain.reconstruct(model, lossy)
    assert mask[:, :, [2, 3, 6]].all() and mask.sum() == 2 * 3 * 20
    np.testing.assert_array_equal(restored[mask == 0], true[mask == 0])
    assert (restored[mask == 1] != 0).any(axis=-1).all()
    figure = explain.draw_reconstruction(
        model, lossy[0], true[0], frames=[2, 4]
    )
    seen, predicted = figure.axes[1::2]
    behind, front = (
        [np.isfinite(x).all() and len(x) == 2 for x in each.get_segments()]
        for each in seen.collections[:2]
    )
    # The true body stands in both frames, what was seen in one.
    assert sum(behind) == 2 * 19 and sum(front) == 19
    assert len(predicted.collections[1].get_segments()) == 2 * 19
    with pytest.raises(ValueError, match="before something was lost"):
        explain.draw_reconstruction(model, lossy[0], true[0, :, :4])


def test_frames_hidden_in_the_first_stage():
    model = FineTecPretext(**FineTecPretext.tiny)
    x = clips(3)[:, :1]
    model.encoder.fill_bank(x)
    restored, mask = explain.reconstruct(model, x)
    assert set(mask[:, 0, :, 0].sum(axis=1)) <= {2, 4, 6}
    np.testing.assert_array_equal(restored[mask == 0], x[mask == 0])
    assert (restored[mask == 1] != x[mask == 1]).any(axis=-1).all()


def test_frames_that_are_given_as_lost():
    model = FineTec(**FineTec.tiny, validity="given", classes=3)
    x = clips(3)[:, :1]
    model.fill_bank(x)
    inputs = {"skeletons": x, "valid": np.ones((3, 8), "float32")}
    inputs["valid"][1, 5] = 0
    restored, mask = explain.reconstruct(model, inputs, batch_size=2)
    assert mask[1, 0, 5].all() and mask.sum() == 20
    np.testing.assert_array_equal(restored[mask == 0], x[mask == 0])
    one = {name: array[1] for name, array in inputs.items()}
    assert explain.draw_reconstruction(model, one, frames=[4, 5])
