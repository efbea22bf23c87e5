import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_skeleton.datasets import Sequences
from keras_skeleton.layers import augmentation
from keras_skeleton.serving import PoseClassifier
from keras_skeleton.serving import PoseForm
from keras_skeleton.serving import StreamingClassifier
from keras_skeleton.skeletons import Skeleton

ROOT = pathlib.Path(__file__).resolve().parents[2]


def frames(number, persons=1, seed=0):
    shape = (number, persons, 3, 3)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class Recorder:
    """A model that keeps the clips it sees and gives the scores it is told."""

    def __init__(self, *scores):
        self.clips = []
        self.told = scores or ([0.0, 0.0],)

    def __call__(self, clips):
        self.clips.append(clips)
        # The constructor tries the model first.
        number = max(len(self.clips) - 2, 0)
        return np.array([self.told[min(number, len(self.told) - 1)]])

    @property
    def seen(self):
        return self.clips[1:]


def stream(model, **arguments):
    arguments = {"window": 4, "frame_shape": (1, 3, 3), **arguments}
    return StreamingClassifier(model, **arguments)


def softmax(logits):
    exponential = np.exp(np.asarray(logits, "float64"))
    return exponential / exponential.sum()


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Flatten()]
    return keras.Sequential(
        [keras.Input((2, 8, 3, 3)), *layers, keras.layers.Dense(4)]
    )


def test_equals_the_batch_prediction(network):
    transforms = [
        augmentation.Center(joint=0),
        augmentation.CropResize(8, interval=(0.95,)),
    ]
    classifier = StreamingClassifier(
        network, transforms, window=10, smoothing=0
    )
    source = frames(14, persons=2)
    clips = np.zeros((14, 2, 10, 3, 3), "float32")
    for last in range(14):
        window = source[max(last - 9, 0) : last + 1]
        clips[last, :, : len(window)] = window.swapaxes(0, 1)
    inputs = clips
    for transform in transforms:
        inputs = transform.on_numpy()(inputs)
    expected = network.predict(inputs, batch_size=7, verbose=0)
    for last, frame in enumerate(source):
        prediction = classifier.update(frame)
        assert prediction.frame == last
        expected_share = softmax(expected[last])
        np.testing.assert_allclose(
            prediction.current, expected_share, atol=1e-5
        )
        np.testing.assert_array_equal(
            prediction.probabilities, prediction.current
        )
        assert prediction.label == prediction.probabilities.argmax()


def test_takes_the_shape_from_the_model(network):
    classifier = StreamingClassifier(network)
    assert classifier.window == 8
    assert classifier.frame_shape == (2, 3, 3)
    assert classifier.update(frames(1)[0]).probabilities.shape == (4,)


def test_keeps_the_last_frames_in_order():
    model = Recorder()
    classifier = stream(model)
    source = frames(9)
    for frame in source:
        classifier.update(frame)
    assert len(model.seen) == 9
    assert {clips.shape for clips in model.clips} == {(1, 1, 4, 3, 3)}
    assert {clips.dtype for clips in model.clips} == {np.dtype("float32")}
    np.testing.assert_array_equal(model.seen[1][0, 0, :2], source[:2, 0])
    assert not model.seen[1][0, 0, 2:].any()
    for last in range(3, 9):
        np.testing.assert_array_equal(
            model.seen[last][0, 0], source[last - 3 : last + 1, 0]
        )


def test_predicts_at_intervals():
    classifier = stream(Recorder(), every=3, min_frames=2)
    found = [classifier.update(frame) for frame in frames(7)]
    assert [each and each.frame for each in found] == [
        *(None, None, 2),
        *(None, None, 5),
        None,
    ]
    classifier = stream(Recorder(), min_frames=3)
    found = [classifier.update(frame) for frame in frames(4)]
    assert [each and each.frame for each in found] == [None, None, 2, 3]


def test_exponential_smoothing():
    logits = ([0.0, 1.0], [2.0, 0.0], [2.0, 0.0])
    classifier = stream(Recorder(*logits), smoothing=0.75)
    shares = [softmax(each) for each in logits]
    expected = shares[0]
    for number, frame in enumerate(frames(3)):
        prediction = classifier.update(frame)
        if number:
            expected = 0.75 * expected + 0.25 * shares[number]
        np.testing.assert_allclose(prediction.probabilities, expected, 1e-6)
        np.testing.assert_allclose(prediction.current, shares[number], 1e-6)
    assert prediction.current.argmax() == 0
    # The past still counts for more.
    assert prediction.label == int(expected.argmax())


def test_smoothing_of_ones_own():
    model = Recorder([0.9, 0.1], [0.2, 0.8], [0.4, 0.6])
    classifier = stream(model, smoothing=np.maximum, from_logits=False)
    for frame in frames(3):
        prediction = classifier.update(frame)
    np.testing.assert_allclose(prediction.probabilities, [0.9, 0.8], 1e-6)
    np.testing.assert_allclose(prediction.current, [0.4, 0.6], 1e-6)


def test_predictions_may_be_written_to():
    classifier = stream(Recorder([1.0, 0.0]))
    first, second = frames(2)
    expected = classifier.update(first).probabilities
    expected[:] = 0
    np.testing.assert_allclose(
        classifier.update(second).probabilities, softmax([1, 0]), 1e-6
    )


def test_names_and_threshold():
    model = Recorder([0.7, 0.3], [0.55, 0.45])
    classifier = stream(
        model,
        threshold=0.6,
        class_names=["wave", "point"],
        from_logits=False,
        smoothing=0.0,
    )
    first, second = (classifier.update(frame) for frame in frames(2))
    assert (first.label, first.name) == (0, "wave")
    assert first.probability == pytest.approx(0.7)
    assert (second.label, second.name) == (None, None)
    assert second.probability == pytest.approx(0.55)


def test_missing_persons():
    model = Recorder()
    classifier = stream(model, frame_shape=(2, 3, 3))
    first, second = frames(1, persons=2)[0]
    for frame in (
        [first, None],
        [None, second],
        first,
        [first],
    ):
        classifier.update(frame)
    clip = model.seen[-1][0]
    np.testing.assert_array_equal(clip[0, [0, 2, 3]], [first] * 3)
    np.testing.assert_array_equal(clip[1, 1], second)
    assert not clip[0, 1].any()
    assert not clip[1, [0, 2, 3]].any()


def test_frames_without_anybody_are_lost_time():
    model = Recorder()
    classifier = stream(model, window=5)
    source = frames(4)
    for frame in (None, source[0], None, source[1], None):
        classifier.update(frame)
    clip = model.seen[-1][0, 0]
    np.testing.assert_array_equal(clip[[0, 2]], source[:2, 0])
    # Before and after all others they are no part of the clip.
    assert not clip[[1, 3, 4]].any()


@pytest.mark.once
def test_gaps_are_the_same_live_and_in_data_sets():
    """One rule: time that was lost, in which people moved on."""
    source = frames(12)
    source[4:7] = 0
    middle = np.linspace(source[3], source[7], 5)[1:-1]
    transforms = [augmentation.CropResize(12, interval=(1.0,))]
    model = Recorder()
    classifier = stream(model, transforms=transforms, window=12)
    for frame in source:
        classifier.update(frame if frame.any() else None)
    data = Sequences.from_arrays(
        [source.swapaxes(0, 1)],
        skeleton=Skeleton("arm", "abc", [(1, 0), (2, 1)]),
    )
    form = augmentation.filling_lost_frames(transforms)
    batches = data.to_keras(form, batch_size=1, labels=False)
    np.testing.assert_array_equal(model.seen[-1], next(iter(batches)))
    np.testing.assert_allclose(
        model.seen[-1][0, 0],
        [*source[:4, 0], *middle[:, 0], *source[7:, 0]],
        atol=1e-5,
    )


def test_nobody_forgets_the_past():
    model = Recorder([0.0, 5.0], [5.0, 0.0])
    classifier = stream(model, window=2)
    frame = frames(1)[0]
    assert classifier.update(frame).label == 1
    model.told = ([5.0, 0.0],)
    assert classifier.update(None) is not None
    assert classifier.update(None) is None
    assert len(model.seen) == 2
    np.testing.assert_allclose(
        classifier.update(frame).probabilities, softmax([5, 0]), 1e-6
    )


def test_reset():
    model = Recorder([0.0, 5.0], [5.0, 0.0])
    classifier = stream(model, every=2)
    source = frames(5)
    for frame in source[:3]:
        classifier.update(frame)
    classifier.reset()
    assert classifier.update(source[3]) is None
    prediction = classifier.update(source[4])
    assert prediction.frame == 1
    np.testing.assert_allclose(prediction.probabilities, softmax([5, 0]), 1e-6)
    np.testing.assert_array_equal(model.seen[-1][0, 0, :2], source[3:, 0])
    assert not model.seen[-1][0, 0, 2:].any()


def test_functions_as_transforms():
    model = Recorder()
    classifier = stream(model, transforms=[lambda clips: clips[:, :, ::2]])
    for frame in frames(4):
        classifier.update(frame)
    np.testing.assert_array_equal(model.seen[-1][0, 0], frames(4)[::2, 0])


def test_transforms_that_change_the_coordinates():
    transforms = [
        augmentation.SelectJoints((0, 2)),
        augmentation.Streams(bones=((1, 0),)),
    ]
    inputs = keras.Input((1, 4, 2, 12))
    outputs = keras.layers.Dense(2)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, outputs)
    with pytest.raises(ValueError, match="Pass `frame_shape="):
        StreamingClassifier(model, transforms)
    classifier = StreamingClassifier(model, transforms, frame_shape=(1, 3, 3))
    assert classifier.update(frames(1)[0]).current.shape == (2,)


LINE = Skeleton("line", "abc", [(1, 0), (2, 1)])
SCORED = ("x", "y", "score")


def scored(number=4):
    """Frames of places and scores, without the joint 2 in the second."""
    source = frames(number) + 9
    source[..., 2] = 0.5
    source[1, 0, 2] = 0
    return source


@pytest.mark.once
def test_scores_stay_scores_as_in_data_sets():
    transforms = [augmentation.Center(joint=0), augmentation.CropResize(4)]
    data = Sequences.from_arrays(
        [scored()[:, 0]], [0], skeleton=LINE, coordinates=SCORED
    )
    (wanted, _), *_ = data.to_keras(transforms, batch_size=1)
    model = Recorder()
    classifier = stream(model, transforms=transforms, coordinates=SCORED)
    for frame in scored():
        classifier.update(frame)
    np.testing.assert_allclose(model.seen[-1], wanted, atol=1e-5)
    assert not model.seen[-1][0, 0, 1, 2].any()
    # A function may leave no scores.
    places = [lambda clips: clips[..., :2], *transforms]
    classifier = stream(model, transforms=places, coordinates=SCORED)
    for frame in scored():
        classifier.update(frame)
    np.testing.assert_allclose(
        model.seen[-1][0, 0, 0], wanted[0, 0, 0, :, :2], atol=1e-5
    )
    with pytest.raises(ValueError, match="must name the 3 coordinates"):
        stream(model, coordinates=("x", "y"))


@pytest.mark.once
def test_pose_classifiers_keep_scores():
    inputs = keras.Input((1, 4, 17, 3))
    score = keras.ops.max(inputs[:, 0, :, :, 2], axis=(1, 2))
    model = keras.Model(inputs, keras.ops.stack([score, 0 * score], axis=-1))
    classifier = PoseClassifier(
        model,
        [augmentation.Center(joint=0), augmentation.CropResize(4)],
        PoseForm("people", SCORED),
        skeleton="coco17",
    )
    clip = np.full((4, 17, 3), 0.5, "float32")
    wanted = softmax([0.5, 0])
    (found,) = classifier.probabilities([clip])
    np.testing.assert_allclose(found, wanted, 1e-5)
    live = classifier.stream(window=4, every=4)()
    *_, last = map(live.update, clip)
    np.testing.assert_allclose(last.current, wanted, 1e-5)


@pytest.mark.once
def test_joints_that_are_nan_were_not_found():
    found = []
    for lost in (0, np.nan):
        model = Recorder()
        classifier = stream(model, coordinates=SCORED)
        source = scored()
        source[1, 0, 2] = lost
        source[2, 0, 1] = (9, 9, lost) if lost else 0
        source[3] = lost
        for frame in source:
            classifier.update(frame)
        found.append(model.seen[-1])
    np.testing.assert_array_equal(*found)
    # As nobody is in the last frame, the clip ends before it.
    assert not found[0][0, 0, 3].any()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((1, 4, 3)), r"= \(1, 3, 3\).*shape \(1, 4, 3\)"),
        (np.zeros((2, 3, 3)), "with fewer persons"),
        (np.zeros(3), "must have the shape"),
        (np.full((3, 3), np.inf), "infinite coordinates"),
        ([["left"]], "array of numbers"),
        ([[[1.0], [1.0, 2.0]]], "array of numbers"),
    ],
)
def test_bad_frames_do_not_count(frame, message):
    model = Recorder()
    classifier = stream(model)
    good = frames(2)
    classifier.update(good[0])
    with pytest.raises(ValueError, match=message):
        classifier.update(frame)
    assert classifier.update(good[1]).frame == 1
    np.testing.assert_array_equal(model.seen[-1][0, 0, :2], good[:, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window": None}, "`window` must be"),
        ({"window": 0}, "`window` must be"),
        ({"every": 1.5}, "`every` must be"),
        ({"min_frames": 5}, "never shows more"),
        ({"frame_shape": None}, "`frame_shape` must be"),
        ({"frame_shape": (3, 3)}, "`frame_shape` must be"),
        ({"smoothing": 1.0}, "`smoothing` must be"),
        ({"smoothing": "mean"}, "`smoothing` must be"),
        ({"threshold": 1.2}, "`threshold` must be"),
        ({"class_names": ["one"]}, "2 classes. Received 1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        stream(Recorder(), **arguments)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("model.onnx", "a function of clips"),
        (lambda clips: np.zeros(3), "scores of shape"),
        (lambda clips: np.zeros((2, 3)), "scores of shape"),
    ],
)
def test_bad_models(model, message):
    with pytest.raises(ValueError, match=message):
        stream(model)


def test_transforms_that_do_not_fit_the_model(network):
    with pytest.raises(ValueError, match="but the model takes clips"):
        StreamingClassifier(network, window=10)


def test_scores_that_are_not_finite():
    classifier = stream(Recorder([np.nan, 0.0]))
    with pytest.raises(ValueError, match="after frame 0"):
        classifier.update(frames(1)[0])


def test_needs_numpy_only():
    script = (
        "import sys; import keras_skeleton.serving.streaming; "
        "print(sorted({'keras', 'tensorflow', 'torch', 'jax'}"
        " & set(sys.modules)))"
    )
    process = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert process.stdout.strip() == "[]"
