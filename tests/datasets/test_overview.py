import json

import numpy as np
import pytest

from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets import overview
from keras_skeleton.skeletons import Skeleton

pytestmark = pytest.mark.once

ARM = Skeleton("arm", ("shoulder", "elbow", "hand"), ((1, 0), (2, 1)))


def make_data(**arguments):
    generator = np.random.default_rng(0)
    lengths = [5, 8, 12, 40, 12]
    clips = [generator.normal(size=(2, n, 3, 3)) for n in lengths]
    clips[0][1] = 0
    clips[4] = clips[2]
    given = {
        "labels": [0, 1, 1, 0, 1],
        "skeleton": ARM,
        "class_names": ["wave", "point"],
        "splits": {"xsub": {"train": [0, 1, 2], "test": [3, 4]}},
        **arguments,
    }
    return Sequences.from_arrays(clips, given.pop("labels"), **given)


def test_describe():
    found = overview.describe(make_data())
    assert json.loads(json.dumps(found))["num_clips"] == 5
    assert found["num_frames"] == 77
    assert found["clips_by_persons"] == {1: 1, 2: 4}
    assert found["coordinates"] == ["x", "y", "z"]
    lengths = found["lengths"]
    assert (lengths["min"], lengths["median"], lengths["max"]) == (5, 12, 40)
    assert sum(lengths["counts"]) == 5
    assert found["classes"] == {
        "all": {"wave": 2, "point": 3},
        "xsub train": {"wave": 1, "point": 2},
        "xsub test": {"wave": 1, "point": 1},
    }
    assert found["protocols"] == {
        "xsub": {"train": 3, "test": 2, "copies_of_train": 1}
    }


def test_every_length_is_in_one_bin():
    for lengths in ([1], [7, 7], [1, 10, 11], list(range(3, 400, 7))):
        lengths = np.array(lengths)
        edges = overview._edges(lengths)
        assert np.histogram(lengths, bins=edges)[0].sum() == len(lengths)
        # A bin ends before the next begins: the last edge is no length.
        assert edges[-1] > lengths.max()


def test_text():
    data = make_data(labels=[0, 1, 1, -1, 1], strict=True)
    data.skipped = [("bad.txt", "it is empty")]
    text = overview.format_text(overview.describe(data))
    assert "5 clips, 77 frames" in text
    assert "Frames per clip: 5 to 40, median 12" in text
    assert "1 of the 2 test clips of xsub are exact copies" in text
    assert "bad.txt: it is empty" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["class", "all", "xsub", "train", "xsub", "test"] in rows
    assert ["point", "3", "2", "1"] in rows
    assert ["unknown", "1", "0", "1"] in rows
    assert ["total", "5", "3", "2"] in rows


@pytest.mark.parametrize("coordinates", [None, ("x", "y", "score")])
def test_page(tmp_path, coordinates):
    data = make_data(coordinates=coordinates)
    path = overview.write_page(data, tmp_path / "clip.html")
    page = path.read_text()
    assert "point (clip_0000" in page
    other = overview.write_page(data, tmp_path / "other.html", index=0)
    assert "wave (clip_000000)" in other.read_text()


def test_zeros_and_overlap_are_shown():
    clips = [np.ones((6, 3, 3)) for _ in range(3)]
    clips[0][1] = clips[0][4:] = 0
    clips[1][:] = 0
    splits = {"own": {"train": [0, 1], "test": [1, 2]}}
    with pytest.warns(UserWarning, match="show nobody|in the 'train' and"):
        data = Sequences.from_arrays(clips, skeleton=ARM, splits=splits)
    found = overview.describe(data)
    assert found["zeros"] == {
        "clips": 1,
        "frames_within": 1,
        "frames_at_end": 2,
    }
    assert found["protocols"]["own"]["in_both"] == 1
    text = overview.format_text(found)
    assert "1 clips show nobody" in text and "2 at the end" in text
    assert "1 clips are in the training and in the test part of own" in text


def test_there_is_no_such_clip(tmp_path):
    with pytest.raises(ValueError, match="no clip 5: there are 5, numbered"):
        overview.write_page(make_data(), tmp_path / "page.html", 5)
