"""Joints and frames that were not found, at every door."""

import json
import pickle
import re

import numpy as np
import pytest
from arms import ARM

from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets import _missing
from keras_skeleton.datasets import formats
from keras_skeleton.datasets import preparation
from keras_skeleton.datasets.readers import custom
from keras_skeleton.datasets.readers import nw_ucla
from keras_skeleton.datasets.readers import pyskl
from keras_skeleton.skeletons import Skeleton

pytestmark = pytest.mark.once

WALK = 1.0 + np.arange(6 * 4 * 3, dtype="float32").reshape(6, 4, 3)


def with_gaps():
    clip = WALK.copy()
    clip[2] = np.nan
    clip[4, 1, 2] = np.nan
    return clip


def test_zeros():
    with pytest.warns(UserWarning, match="13 values in 2 of its 6 frames") as w:
        data = Sequences.from_arrays([WALK, with_gaps()], skeleton=ARM)
    assert "clip_000001" in str(w[0].message)
    expected = WALK.copy()
    expected[2] = expected[4, 1] = 0
    np.testing.assert_array_equal(data[1][0][0], expected)
    np.testing.assert_array_equal(data[0][0][0], WALK)


@pytest.mark.parametrize(
    "form",
    [
        lambda clip: clip,
        lambda clip: clip[None],
        np.ma.masked_invalid,
        lambda clip: [
            [[None if np.isnan(x) else x for x in j] for j in frame]
            for frame in clip.tolist()
        ],
        lambda clip: np.where(np.isnan(clip), None, clip),
    ],
)
def test_interpolation(form):
    with pytest.warns(UserWarning, match="5 joints in frames were inter"):
        data = Sequences.from_arrays(
            [form(with_gaps())], skeleton=ARM, missing="interpolate"
        )
    np.testing.assert_allclose(data[0][0][0], WALK, rtol=1e-6)


def test_who_is_absent_stays_absent():
    clip = np.stack([WALK, WALK])
    clip[1, :2] = clip[1, 3] = clip[1, 5:] = 0
    filled, told, fault = _missing.settle(clip, "interpolate")
    assert fault is None and told == "4 joints in frames were interpolated"
    np.testing.assert_array_equal(filled[0], WALK)
    np.testing.assert_allclose(filled[1, 2:5], WALK[2:5])
    assert not filled[1, [0, 1, 5]].any()
    # A joint at the origin may be there; one with a score of 0 is not.
    clip = WALK.copy()
    clip[0, 0] = clip[3, 2] = 0
    np.testing.assert_array_equal(_missing.settle(clip, "interpolate")[0], clip)
    filled, _, _ = _missing.settle(clip, "interpolate", scored=True)
    np.testing.assert_allclose(filled[3], WALK[3])
    # Before the first frame with this joint, it is where it is then.
    np.testing.assert_allclose(filled[0, 0], WALK[1, 0])


@pytest.mark.parametrize(
    ("clip", "reason"),
    [
        (with_gaps(), "13 values in 2 .*pass missing='zeros'.*interpolate"),
        (np.concatenate([WALK, 0 * WALK, WALK]), "6 of its 18 frames show no"),
    ],
)
def test_error(clip, reason):
    with pytest.raises(ValueError, match=reason):
        Sequences.from_arrays([clip], skeleton=ARM, missing="error")
    # Padding after the end is no gap.
    padded = np.concatenate([WALK, 0 * WALK])
    assert Sequences.from_arrays([padded], skeleton=ARM, missing="error")


def test_faults_stay_faults():
    clip = WALK.copy()
    clip[..., 2] = np.nan
    with pytest.raises(ValueError, match="coordinate 2 .* all frames; leave"):
        Sequences.from_arrays([clip], skeleton=ARM)
    clip = with_gaps()
    clip[0, 0, 0] = np.inf
    with pytest.raises(ValueError, match="1 of its values are infinite"):
        Sequences.from_arrays([clip], skeleton=ARM)
    with pytest.raises(ValueError, match="`missing` must be one of 'zeros'"):
        Sequences.from_arrays([WALK], skeleton=ARM, missing="drop")


def write_ucla(folder):
    frames = np.ones((5, 20, 3)).tolist()
    frames[1][3] = [None, None, None]
    frames[2][4] = [1.0, float("nan"), 1.0]
    content = {"skeletons": frames, "label": 1}
    (folder / "a01_s01_e00_v01.json").write_text(json.dumps(content))


def write_pyskl(folder):
    frames = np.ones((1, 5, 25, 3), "float32")
    frames[0, 1, 3] = frames[0, 2, 4, 1] = np.nan
    entry = {"frame_dir": "a", "label": 0, "total_frames": 5}
    content = {
        "split": {"xsub_train": ["a"]},
        "annotations": [{**entry, "keypoint": frames}],
    }
    (folder / "ntu.pkl").write_bytes(pickle.dumps(content))


def write_json(folder):
    frames = np.ones((5, 4, 3)).tolist()
    frames[1][3] = [None, None, None]
    frames[2][2] = [1.0, None, 1.0]
    content = {"skeleton": ARM.to_dict(), "clips": [{"frames": frames}]}
    (folder / "own.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("write", "load"),
    [
        (write_ucla, lambda folder, **o: nw_ucla.load_data(folder, **o)),
        (
            write_pyskl,
            lambda folder, **o: pyskl.load_data(folder / "ntu.pkl", **o),
        ),
        (write_json, lambda folder, **o: custom.from_json(folder, **o)),
    ],
)
def test_readers(tmp_path, write, load):
    write(tmp_path)
    with pytest.warns(UserWarning, match="4 values in 2 of its 5 frames"):
        clip = load(tmp_path)[0][0][0]
    lost = [(1, 3)]
    assert not clip[1, 3].any()
    assert (clip == 0).all(-1).sum() == len(lost) + 1
    with pytest.warns(UserWarning, match="2 joints in frames were interp"):
        clip = load(tmp_path, missing="interpolate")[0][0]
    np.testing.assert_array_equal(clip, np.ones_like(clip))
    with pytest.raises(ValueError, match="missing='zeros'"):
        load(tmp_path, missing="error")


def test_every_reader_takes_it():
    """Of the function that loads, in Python, as of the command."""
    import importlib
    import inspect

    for name, found in formats.FORMATS.items():
        module = importlib.import_module(
            f"keras_skeleton.datasets.readers.{found.module}"
        )
        for loader in ("load_data", "from_csv", "from_json"):
            function = getattr(module, loader, None)
            if function is not None:
                parameters = inspect.signature(function).parameters
                assert parameters["missing"].default == "zeros", name
                assert "missing:" in function.__doc__, name
                assert "skeleton" in parameters, name
                assert "skeleton:" in function.__doc__, name


def test_prepare_tells(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    write_ucla(folder)
    path = tmp_path / "a.h5"
    reader = formats.make_reader("nw_ucla", folder, missing="interpolate")
    report = preparation.prepare(reader, path)
    ((name, note),) = report.notes
    assert name == "a01_s01_e00_v01"
    assert re.match("4 values in 2 of its 5 frames.*2 joints", note)
    assert (Sequences.load(path)[0][0] == 1).all()
    with pytest.raises(ValueError, match="`missing` must be one of"):
        formats.make_reader("nw_ucla", folder, missing="none")


def test_raw_ntu_lies_between_the_frames_around(tmp_path):
    """Its preparations would take zeros for places."""
    from keras_skeleton.datasets.readers import ntu

    def write(lost):
        lines = ["5"]
        for t in range(5):
            lines += ["1", "72057594037931101 0 1 1 1 1 0 0 0 2", "25"]
            for j in range(25):
                place = f"{0.1 * j + 0.01 * t:.3f} {0.05 * j:.3f} 3.0"
                place = "nan nan nan" if (t, j) in lost else place
                lines.append(place + " 1" * 9)
        name = "S001C001P001R001A001.skeleton"
        (tmp_path / name).write_text("\r\n".join(lines) + "\r\n")
        return ntu.prepare_raw(tmp_path)[0][0]

    expected = write(())
    with pytest.warns(UserWarning, match="3 joints in frames are NaN"):
        found = write({(2, 6), (3, 6), (1, 0)})
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.raises(ValueError, match="3 joints .*missing='zeros'"):
        ntu.prepare_raw(tmp_path, missing="error")
    with pytest.raises(ValueError, match="joint 6 of a body is NaN in all"):
        write({(t, 6) for t in range(5)})


def test_any_layout_of_as_many_joints(tmp_path):
    write_ucla(tmp_path)
    names = [f"joint_{i}" for i in range(20)]
    own = Skeleton("own", names, [(i, i - 1) for i in range(1, 20)])
    with pytest.warns(UserWarning, match="4 values"):
        assert nw_ucla.load_data(tmp_path, skeleton=own).skeleton == own
    with pytest.raises(ValueError, match="25 joints, the data have 20"):
        nw_ucla.load_data(tmp_path, skeleton="ntu")
    path = tmp_path / "own.txt.json"
    folder = tmp_path / "raw"
    folder.mkdir()
    write_ucla(folder)
    path.write_text(json.dumps(own.to_dict()))
    reader = formats.make_reader("nw_ucla", folder, skeleton=str(path))
    assert reader.skeleton == own
