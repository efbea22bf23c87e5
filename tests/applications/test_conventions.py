"""What goes into the models of all systems, and what comes out."""

import importlib

import numpy as np
import pytest
from keras import ops

from keras_skeleton import applications
from keras_skeleton import weights
from keras_skeleton.datasets import nw_ucla
from keras_skeleton.layers.augmentation import CropResize


def module_of(system):
    return importlib.import_module(f"keras_skeleton.applications.{system}")


@pytest.fixture(scope="module")
def test_clips(data_dir):
    """Every eighth test clip of NW-UCLA, padded, and its label."""
    path = data_dir("nw_ucla") / "all_sqe.zip"
    _, test = nw_ucla.load_data(path).split("xview")
    chosen = range(0, len(test), 8)
    return test.padded(chosen), test.labels[list(chosen)]


@pytest.mark.parametrize("system", ["ctrgcn", "hypergcn", "mamp"])
def test_weights_are_right_about_clips_prepared_for_them(system, test_clips):
    clips, labels = test_clips
    application = getattr(applications, applications.SYSTEMS[system][0])
    model = application("nw_ucla", classes=10)
    inputs = module_of(system).preprocess_input(clips, "nw_ucla")
    logits = model.predict(inputs, batch_size=len(clips), verbose=0)
    assert (logits.argmax(axis=1) == labels).mean() >= 0.85


@pytest.mark.parametrize(
    "name, streams", [("nw_ucla", ()), ("nw_ucla_bone_motion", ("bone",))]
)
def test_card_is_followed_without_chance(name, streams, random):
    clips = random.normal(size=(3, 1, 70, 20, 3)).astype("float32")
    clips[1, :, 30:] = 0
    first, second = (
        ops.convert_to_numpy(applications.ctrgcn.preprocess_input(clips, name))
        for _ in range(2)
    )
    assert first.shape == (3, 1, 52, 20, 3)
    np.testing.assert_array_equal(first, second)
    # Padding is not looked at, however long it is.
    alone = applications.ctrgcn.preprocess_input(clips[1:2, :, :30], name)
    alone = ops.convert_to_numpy(alone)
    np.testing.assert_allclose(first[1:2], alone, atol=1e-6)
    is_motion = np.abs(first[:, :, -1]).max() == 0
    assert is_motion == bool(streams)


@pytest.mark.parametrize(
    "system, frames",
    [("ctrgcn", 64), ("hypergcn", 64), ("mamp", 120), ("psumnet", 64)],
)
def test_without_weights_it_is_the_published_form(system, frames, random):
    clips = random.normal(size=(2, 2, 90, 25, 3)).astype("float32")
    result = module_of(system).preprocess_input(clips)
    expected = CropResize(frames, interval=(0.95,))(clips)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(result), ops.convert_to_numpy(expected)
    )


@pytest.mark.once
def test_gaps_are_filled_and_padding_is_not(random):
    clips = random.normal(size=(1, 1, 64, 25, 3)).astype("float32")
    clips[:, :, 20:23] = clips[:, :, 50:] = 0
    result = applications.ctrgcn.preprocess_input(clips)
    filled = clips.copy()
    for frame in (20, 21, 22):
        share = (frame - 19) / 4
        filled[:, :, frame] = (1 - share) * clips[:, :, 19]
        filled[:, :, frame] += share * clips[:, :, 23]
    expected = CropResize(64, interval=(0.95,))(filled)
    np.testing.assert_allclose(
        ops.convert_to_numpy(result), ops.convert_to_numpy(expected), atol=1e-5
    )


@pytest.mark.once
def test_unknown_weights():
    with pytest.raises(ValueError, match="no registered weights 'ntu61'"):
        applications.mamp.preprocess_input(np.zeros((1, 1, 9, 20, 3)), "ntu61")


@pytest.mark.once
@pytest.mark.parametrize("system", applications.SYSTEMS)
def test_names_of_classes_come_from_cards(system):
    application = getattr(applications, applications.SYSTEMS[system][0])
    if getattr(application, "task", "classes") != "classes":
        pytest.skip("there are no classes")
    decode = module_of(system).decode_predictions
    for name in weights.names(system=system):
        names = weights.get(system, name).class_names
        decoded = decode(np.eye(len(names)), name, top=1)
        assert [row[0] for row in decoded] == [(each, 1.0) for each in names]


@pytest.mark.once
@pytest.mark.parametrize(
    "data_set, number, first, last",
    [
        ("ntu60", 60, "drink water", "walking apart from each other"),
        (
            "ntu120_x",
            120,
            "drink water",
            "finger-guessing game (playing rock-paper-scissors)",
        ),
        ("nw_ucla", 10, "pick up with one hand", "carry"),
    ],
)
def test_names_of_classes_come_from_data_sets(data_set, number, first, last):
    scores = np.eye(number)[[0, -1]]
    decoded = applications.ctrgcn.decode_predictions(scores, data_set, top=1)
    assert decoded == [[(first, 1.0)], [(last, 1.0)]]


@pytest.mark.once
@pytest.mark.parametrize(
    "name, message",
    [
        ("ntu61", "neither weights of ctrgcn .* nor a data set"),
        ("pyskl", "not the same in all data"),
        ("ntu120_xsub_bone", "120 class names"),
    ],
)
def test_names_that_do_not_fit(name, message):
    with pytest.raises(ValueError, match=message):
        applications.ctrgcn.decode_predictions([[0.0, 1.0]], name)


@pytest.mark.once
def test_systems_are_the_one_list():
    for system, names in applications.SYSTEMS.items():
        for name in names:
            cls = getattr(applications, name)
            assert cls.system == system
            module = getattr(applications, system)
            assert getattr(module, name) is cls
        # A module of weights for each, be there registered ones or not.
        assert isinstance(weights.names(system=system), list)
    assert set(applications.__all__) == {
        *applications.SYSTEMS,
        *(name for names in applications.SYSTEMS.values() for name in names),
    }
