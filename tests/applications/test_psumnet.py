import numpy as np
import pytest
from graph_networks import randomize_network
from keras import ops

from keras_skeleton import skeletons
from keras_skeleton import weights
from keras_skeleton.applications import PSUMNet
from keras_skeleton.applications import psumnet
from keras_skeleton.layers.augmentation import SelectJoints
from keras_skeleton.layers.augmentation import Streams

BLOCKS = {"body": ((2, 2),), "hand": ((2, 2),), "leg": ((2, 2),)}
LEG = {
    "input_shape": (1, 8, 9, 12),
    "skeleton": "nw_ucla",
    "part": "leg",
    "hidden_dim": 4,
    "blocks": BLOCKS,
}
WHOLE = {
    "input_shape": (1, 8, 20, 3),
    "skeleton": "nw_ucla",
    "hidden_dim": 4,
    "blocks": BLOCKS,
}


def clips(shape, count=3, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *shape)).astype("float32")


@pytest.mark.once
@pytest.mark.usefixtures("zeros_at_first")
def test_published_sizes():
    model = PSUMNet(classes=60)
    for part, size in {
        "body": 1_448_418,
        "hand": 978_482,
        "leg": 499_898,
    }.items():
        variables = [
            variable
            for variable in model.trainable_weights
            if variable.path.startswith(f"{part}_")
        ]
        assert sum(int(np.prod(v.shape)) for v in variables) == size
    encoder = PSUMNet(part="leg")
    assert encoder.input_shape == (None, 2, 64, 9, 12)
    assert encoder.output_shape == (None, 2, 16, 9, 256)


@pytest.mark.once
def test_parts_of_other_layouts():
    arms = psumnet.part_of("nw_ucla", "hand")
    assert arms.joints == (2, *range(4, 12))
    assert set(arms.bones) == {
        *((1, 0), (2, 1), (3, 2), (4, 3)),
        *((5, 0), (6, 5), (7, 6), (8, 7)),
    }
    legs = psumnet.part_of("nw_ucla", "leg")
    assert legs.joints == (0, *range(12, 20))
    for name in ("coco17", "openpose25", "h36m17"):
        skeleton = skeletons.get(name)
        assert psumnet.part_of(name, "body").bones == skeleton.edges


@pytest.mark.once
def test_corrected_legs():
    published = psumnet.part_of("ntu", "leg")
    corrected = psumnet.part_of("ntu", "leg", "corrected")
    assert published.joints == corrected.joints
    assert (8, 7) in corrected.bones
    assert (8, 7) not in published.bones


def test_three_streams_are_fused():
    model = PSUMNet(**WHOLE, classes=4, fusion_weights=(0.5, 2.0, 3.0))
    x = clips(WHOLE["input_shape"])
    streams, expected = {}, 0
    for i, part in enumerate(psumnet.PARTS):
        chosen = psumnet.part_of("nw_ucla", part)
        joints = SelectJoints(chosen.joints)(x)
        channels = ops.convert_to_numpy(Streams(bones=chosen.bones)(joints))
        streams[part] = PSUMNet(
            input_shape=channels.shape[1:],
            skeleton="nw_ucla",
            part=part,
            hidden_dim=4,
            blocks=BLOCKS,
            classes=4,
        )
        randomize_network(streams[part], seed=i)
        scores = streams[part].predict_on_batch(channels)
        expected = expected + (0.5, 2.0, 3.0)[i] * scores
    model.load_streams(**streams)
    outputs = model.predict_on_batch(x)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(outputs / scale, expected / scale, atol=1e-5)


@pytest.mark.once
def test_streams_come_from_files_and_must_fit(tmp_path):
    leg = PSUMNet(**LEG, classes=4)
    randomize_network(leg)
    path = tmp_path / "leg.safetensors"
    weights.save_weights(leg, path)
    model = PSUMNet(**WHOLE, classes=4)
    model.load_streams(leg=path)
    variables = {v.path: v for v in model.weights}
    for variable in leg.weights:
        np.testing.assert_array_equal(
            ops.convert_to_numpy(variables[f"leg_{variable.path}"].value),
            ops.convert_to_numpy(variable.value),
        )
    with pytest.raises(ValueError, match="network of leg for part='hand'"):
        model.load_streams(hand=leg)
    with pytest.raises(ValueError, match="has no place"):
        PSUMNet(**WHOLE, classes=5).load_streams(leg=leg)
    with pytest.raises(ValueError, match="has the parts leg"):
        leg.load_streams(body=leg)


@pytest.mark.parametrize("arguments", [LEG, WHOLE])
def test_heads_on_encoders(arguments):
    encoder = PSUMNet(**arguments)
    model = PSUMNet(encoder=encoder, classes=4)
    x = clips(arguments["input_shape"])
    outputs = model.predict_on_batch(x)
    assert outputs.shape == (3, 4)
    assert encoder.output_shape[3] == {"leg": 9}.get(
        arguments.get("part"), 20 + 9 + 9
    )
    one = model.predict_on_batch(x[1:2])
    scale = np.abs(one).max()
    np.testing.assert_allclose(outputs[1:2] / scale, one / scale, atol=1e-5)


@pytest.mark.once
def test_registered_weights_say_where_to_get_them():
    names = ["ntu120_xsub_body", "ntu60_xsub_body"]
    assert weights.names(system="psumnet") == names
    with pytest.raises(FileNotFoundError, match="convert psumnet"):
        PSUMNet("ntu60_xsub_body")


@pytest.mark.once
def test_preprocess_and_decode():
    x = clips((2, 90, 25, 3))
    assert psumnet.preprocess_input(x).shape[2] == 64
    named = psumnet.decode_predictions([[0.0, 1.0]], ["sit", "stand"], top=1)
    assert named == [[("stand", 1.0)]]


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_dim": 6}, "multiple of the 4 branches"),
        ({"part": "head"}, "must be one of body, hand, leg"),
        ({"bones": "skeleton"}, "'published' or 'corrected'"),
        ({"input_shape": (1, 8, 20, 12)}, "has 9 joints"),
        ({"fusion_weights": (1, 2)}, "one factor for each"),
        ({"skeleton": "shrec22"}, "no part 'leg'"),
        ({"skeleton": "panoptic19", "part": "hand"}, "names no part|joints"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PSUMNet(**{**LEG, **arguments})
