import numpy as np
import pytest

from keras_skeleton.datasets import Sequences
from keras_skeleton.evaluation import Result
from keras_skeleton.evaluation import choose_labelled
from keras_skeleton.evaluation import semi_supervised
from keras_skeleton.evaluation.result import Percentage


@pytest.fixture
def train(random):
    clips = random.normal(size=(20, 4, 20, 3))
    return Sequences.from_arrays(clips, np.arange(20) % 2, skeleton="nw_ucla")


def make_run(chosen):
    """A protocol that only notes what it is given."""

    def run(encoder, few, test, classes, *, transforms, seed, **options):
        chosen.append((seed, tuple(few.names), options))
        right = Percentage(50.0 + seed, len(test), 10)
        return Result("noted", {"top1": right}, confusion=[[seed, 0], [1, 2]])

    return run


@pytest.mark.once
def test_each_repetition_has_its_own_clips(train, encoder):
    chosen = []
    result = semi_supervised(
        encoder,
        train,
        train,
        ratio=0.25,
        repetitions=3,
        method=make_run(chosen),
        full_epochs=True,
        seed=4,
    )
    assert [seed for seed, *_ in chosen] == [4, 5, 6]
    assert {len(names) for _, names, _ in chosen} == {5}
    assert len({names for _, names, _ in chosen}) == 3
    assert {options["repeat"] for *_, options in chosen} == {4}
    assert [run.value for run in result.runs] == [54, 55, 56]
    assert result.value == 55
    assert result.correct is None
    assert result.scores["top1"].deviation == pytest.approx(1)
    assert result.confusion == [[15, 0], [3, 6]]
    assert result.settings["num_labelled"] == 5
    assert list(result.columns) == ["semi 25 %"]


@pytest.mark.once
def test_one_repetition_is_a_count(train, encoder):
    result = semi_supervised(
        encoder, train, train, ratio=1, repetitions=1, method=make_run([])
    )
    assert result.correct == 10
    assert result.scores["top1"].deviation is None


@pytest.mark.once
def test_random_choice_is_that_of_the_data(train):
    """`Sequences.fraction` follows the official fixtures."""
    chosen = choose_labelled(train.labels, 0.3, seed=3)
    assert train.select(chosen).names == train.fraction(0.3, seed=3).names
    assert len(choose_labelled(np.zeros(199), 0.01)) == 1


@pytest.mark.once
def test_balanced_choice():
    labels = np.repeat([4, 0, 2], [26, 24, 3])
    chosen = choose_labelled(labels, 0.1, "balanced", seed=1)
    found, counts = np.unique(labels[chosen], return_counts=True)
    # round(2.6), round(2.4), and at least one of three.
    assert dict(zip(found, counts, strict=True)) == {4: 3, 0: 2, 2: 1}
    assert len(set(chosen)) == len(chosen)
    other = choose_labelled(labels, 0.1, "balanced", seed=2)
    assert set(other) != set(chosen)


@pytest.mark.once
def test_bad_input(train, encoder):
    def run(**changed):
        options = {"method": make_run([]), "repetitions": 1, **changed}
        semi_supervised(encoder, train, train, **options)

    with pytest.raises(ValueError, match="from 1 up"):
        run(repetitions=0)
    with pytest.raises(ValueError, match="no clip at all"):
        run(ratio=0.01)
    with pytest.raises(ValueError, match="`ratio` must be above 0"):
        run(ratio=10)
    with pytest.raises(ValueError, match="'random', 'balanced'"):
        run(choice="fair")
    with pytest.raises(ValueError, match="'scratch'"):
        run(method="scratch")
    with pytest.raises(ValueError, match="All labels of the training clips"):
        semi_supervised(encoder, [], train)


def test_trains(encoder):
    """Arrays, and both methods, through the real functions."""
    random = np.random.default_rng(3)
    labels = random.permutation(40) % 2
    clips = random.normal(scale=0.1, size=(40, 1, 8, 20, 3))
    clips[..., 0] += np.where(labels, 1.0, -1.0)[:, None, None, None]
    data = clips.astype("float32"), labels
    result = semi_supervised(
        encoder,
        data,
        data,
        ratio=0.3,
        choice="balanced",
        repetitions=2,
        method="linear",
        epochs=6,
    )
    assert result.settings["num_labelled"] == 12
    assert result.scores["top1"].of == 40
    assert result.value > 90
