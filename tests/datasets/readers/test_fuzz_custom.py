import contextlib
import json

from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton import skeletons
from keras_skeleton.datasets.files import tables
from keras_skeleton.datasets.readers import custom
from keras_skeleton.datasets.readers.base import read_units

ARM = skeletons.Skeleton("arm", ("shoulder", "elbow", "hand"), ((1, 0), (2, 1)))
TABLE = b"""clip,frame,person,joint,x,y,label,subject
one,0,a,shoulder,1,2.5,wave,3
one,0,a,2,1e2,-2,wave,3
one,1,b,elbow,0.5,2,wave,3
"two",7,a,hand,1,2,0,4
"""
CLIPS = {
    "skeleton": ARM.to_dict(),
    "class_names": ["wave"],
    "clips": [
        {"name": "one", "label": "wave", "frames": [[[1, 2], [3, 4], [5, 6]]]},
        {"label": 0, "frames": [[[[1, 2.5], [3, 4], [5, 6]]]]},
    ],
}


class Source:
    """A file in memory."""

    def __init__(self, name, data):
        self.names = [name]
        self.read = lambda name: data


def read(kind, data, **attributes):
    reader = object.__new__(kind)
    reader._source = Source(f"file{kind.ending}", data)
    for name, value in attributes.items():
        setattr(reader, name, value)
    return read_units(reader, reader.units())


@fuzzed
@given(mutated([TABLE]))
def test_csv(data):
    with contextlib.suppress(ValueError):
        coordinates = tables.coordinates_of(tables.parse_header(data))
        clips, _ = read(
            custom.CSVReader,
            data,
            skeleton=ARM,
            class_names=["wave"],
            coordinates=coordinates,
            _metadata=("subject",),
        )
        for clip in clips:
            assert clip.frames.shape[2:] == (3, len(coordinates))
            assert clip.label in (-1, 0)


@fuzzed
@given(mutated([json.dumps(CLIPS).encode()]))
def test_json(data):
    with contextlib.suppress(ValueError):
        content = custom.parse_json(data)
        custom.read_skeleton(content.get("skeleton"))
    clips, _ = read(
        custom.JSONReader,
        data,
        skeleton=ARM,
        class_names=["wave"],
        coordinates=("x", "y"),
        _metadata=(),
    )
    for clip in clips:
        assert clip.frames.shape[-2:] == (3, 2)
        assert clip.label in (-1, 0)
