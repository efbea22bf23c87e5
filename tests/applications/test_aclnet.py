import keras
import numpy as np
import pytest
from graph_networks import randomize_network
from keras import ops

from keras_skeleton import explain
from keras_skeleton import training
from keras_skeleton import weights
from keras_skeleton.applications import CTRGCN
from keras_skeleton.applications import DGSTGCN
from keras_skeleton.applications import ACLNet
from keras_skeleton.applications import ACLNetTraining
from keras_skeleton.applications import aclnet
from keras_skeleton.layers.augmentation import Streams
from keras_skeleton.serving import FrozenModel

TINY = ACLNet.tiny
SHAPE = TINY["input_shape"]


def clips(count=6, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(count, *SHAPE)).astype("float32")


def array(x):
    return np.array(ops.convert_to_numpy(x))


@pytest.mark.once
def test_published_sizes():
    for cls, classes, expected in ((DGSTGCN, 60, 1_701_172), (ACLNet, 60, 0)):
        model = cls(classes=classes)
        count = sum(int(np.prod(v.shape)) for v in model.trainable_weights)
        # Ten blocks with two gates for each of eight graphs, of which the
        # first is in use.
        published = expected or 3_705_696 + 23_100
        assert count == published - 10 * 14
    assert model.feature_map.shape == (None, 2, 25, 25, 384)


@pytest.mark.once
def test_fetched_weights():
    card = weights.get("aclnet", "ntu60_xsub_joint")
    assert card.obtained == "fetched"
    (file,) = card.files
    assert file.url.endswith("ntu60_xsub/j_1/best_top1_acc_epoch_148.pth")
    card = weights.get("dgstgcn", "ntu120_xset_bone_motion")
    assert card.files[0].url.endswith("dgstgcn/ntu120_xset_3dkp/bm.pth")


@pytest.mark.once
def test_published_fusions_are_of_streams():
    six = max(aclnet.FUSION_WEIGHTS, key=len)
    for streams, factors in aclnet.FUSION_WEIGHTS.items():
        assert len(factors) == len(streams) <= len(six) == 6
        shape = (1, *SHAPE)
        shown = Streams("kinect20", streams).compute_output_shape(shape)
        assert shown[-1] == 3 * len(streams)
    # Motions count half.
    halves = [stream.endswith("motion") for stream in six]
    assert aclnet.FUSION_WEIGHTS[six] == tuple(2.0 - x for x in halves)


def test_graphs_are_shown():
    model = ACLNet(**TINY)
    assert explain.graph_blocks(model) == ("block_0", "block_1")
    block = model.blocks[0]
    first = ops.ones((2, *SHAPE[1:]))
    shared, own = array(block.topology()), array(block.topology(first))
    assert shared.shape == (4, 20, 20)
    assert own.shape == (2, 4, 2, 20, 20)
    # With gates of 0, no clip adds anything.
    np.testing.assert_allclose(
        own, np.broadcast_to(shared[:, None], own.shape), atol=1e-6
    )
    convolution = block.graph_convolution
    convolution.agreement_gate.assign(2.0)
    added = array(block.topology(first)) - shared[:, None]
    # Of each receiver, in the rows, the shares of the senders.
    np.testing.assert_allclose(added.sum(-1), 2.0, rtol=1e-4)


def test_receivers_are_in_the_rows():
    layer = DGSTGCN(**TINY).blocks[1].graph_convolution
    random = np.random.default_rng(0)
    for variable in layer.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    x = ops.convert_to_tensor(
        random.normal(size=(2, 3, 20, 8)).astype("float32")
    )
    values = ops.relu(layer.value_norm(layer.value(x), training=False))
    values = array(values).reshape(2, 3, 20, 4, 4)
    received = np.einsum(
        "bscuv,btvsc->btusc", array(layer.topology(x)), values
    ).reshape(2, 3, 20, 16)
    mixed = array(layer.norm(layer.mix(received), training=False))
    shortcut = layer.shortcut_norm(layer.shortcut(x), training=False)
    expected = np.maximum(mixed + array(shortcut), 0)
    found = array(layer(x, training=False))
    np.testing.assert_allclose(
        found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max()
    )


def small(**arguments):
    return ACLNetTraining(**{**ACLNetTraining.tiny, **arguments})


def run(model, epochs, first=0, **options):
    labels = np.array([0, 1, 2, 0, 1, 2])
    return model.fit(
        clips(), labels, batch_size=3, initial_epoch=first, epochs=epochs,
        shuffle=False, verbose=0, **options,
    ).history  # fmt: skip


def test_epochs_decide_what_is_learned():
    model = small(counting_epochs=1, contrast_epochs=2, memory_size=6)
    compiled = keras.backend.backend() != "torch"
    model.compile(training.SGD(0.0), jit_compile=compiled)
    logs = run(model, 4)
    inter, intra = logs["inter_class"], logs["intra_class"]
    assert inter[:2] == [0, 0] and min(inter[2:]) > 0
    # Full with the second batch of three.
    assert min(intra) > 0 and intra[0] < intra[1]
    assert int(model.affinity.set_in.value) == 3
    total = logs["crossentropy"][3] + 0.1 * (inter[3] + intra[3])
    assert logs["loss"][3] == pytest.approx(total, rel=1e-5)
    confusions = array(model.affinity.bank.value)
    assert confusions.sum() > 0 and not confusions.diagonal().any()


@pytest.mark.once
# Exporters warn about what they do themselves.
@pytest.mark.filterwarnings("ignore")
def test_export_and_single_clips(tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    model = ACLNet(**TINY, classes=3)
    randomize_network(model)
    path = str(tmp_path / "model.onnx")
    signature = [keras.InputSpec("float32", (None, *SHAPE))]
    model.export(path, format="onnx", verbose=False, input_signature=signature)
    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    (inputs,) = session.get_inputs()
    x = clips(1)
    expected = array(model(x, training=False))
    (found,) = session.run(None, {inputs.name: x})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    frozen = FrozenModel(model)(x)
    np.testing.assert_allclose(frozen, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.once
def test_confusions_are_counted_late():
    model = small(counting_epochs=5)
    model.compile("sgd")
    run(model, 2)
    assert not array(model.affinity.bank.value).any()


@pytest.mark.once
def test_evaluation_is_that_of_the_classifier():
    model = small()
    model.compile("sgd")
    labels = np.arange(6) % 3
    found = model.evaluate(clips(), labels, verbose=0, return_dict=True)
    assert found["inter_class"] == found["intra_class"] == 0
    np.testing.assert_array_equal(
        model.predict_on_batch(clips()), model.model.predict_on_batch(clips())
    )
    model.model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    own = model.model.evaluate(clips(), labels, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(own["loss"], rel=1e-5)
    assert found["accuracy"] == pytest.approx(own["accuracy"])


@pytest.mark.once
def test_sample_weights_count_in_all_losses():
    labels = np.array([0, 1, 2, 0, 1, 2])
    logs = []
    for factor in (1.0, 2.0):
        keras.utils.set_random_seed(0)
        model = small(memory_size=6)
        model.compile(training.SGD(0.0))
        history = model.fit(
            clips(), labels, sample_weight=np.full(6, factor), epochs=1,
            verbose=0,
        ).history  # fmt: skip
        logs.append(history)
    for name in ("loss", "crossentropy", "inter_class", "intra_class"):
        once, twice = (each[name][0] for each in logs)
        assert once > 0
        assert twice == pytest.approx(2 * once, rel=1e-4), name


@pytest.mark.once
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: small(model=ACLNet(**TINY, classes=3)), "not both"),
        (lambda: ACLNetTraining(ACLNet(**TINY)), "classes=None"),
        (
            lambda: ACLNetTraining(
                ACLNet(**TINY, classes=3, classifier_activation="softmax")
            ),
            "gives logits",
        ),
        (
            lambda: ACLNetTraining(CTRGCN(**CTRGCN.tiny, classes=3)),
            "Received a CTRGCN",
        ),
        (lambda: small(margin="a"), "`margin` must be a number .*'a'"),
        (lambda: small(temperature=0), "`temperature` must be"),
        (lambda: small(num_neighbors=0), "whole number from 1 up. Received"),
        (lambda: ACLNet(**{**TINY, "num_graphs": 3}), "multiple of `num_gr"),
        (
            lambda: training.ClassAffinity(3, 4, temperatures=(0.1,)),
            "`temperatures` must",
        ),
        (
            lambda: training.LabelledMemory(2, 4).contrast(
                ops.ones((3, 4)), ops.zeros((3,), "int32")
            ),
            "larger `memory_size`",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
