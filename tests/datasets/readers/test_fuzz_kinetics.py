import json

from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.readers import kinetics

PERSON = {"pose": [0.25, 0.5] * 18, "score": [0.75] * 17 + [0]}
FRAMES = {
    "data": [
        {"frame_index": 1, "skeleton": [PERSON, PERSON]},
        {"frame_index": 2, "skeleton": []},
        {"frame_index": 3, "skeleton": [PERSON]},
    ],
    "label": "abseiling",
    "label_index": 0,
}
ANNOTATIONS = {
    "info": {"resolution": [340, 256], "num_frame": 9},
    "annotations": [
        {
            "frame_index": time,
            "id": 0,
            "person_id": None,
            "keypoints": [[100.5, 20.0, 0.5]] * 18,
        }
        for time in range(3)
    ],
    "category_id": 3,
}
CLIPS = [
    json.dumps(content, indent=indent).encode()
    for content in (FRAMES, ANNOTATIONS)
    for indent in (None, 0)
]
LABELS = {
    "a": {"has_skeleton": True, "label": "abseiling", "label_index": 0},
    "b": {"has_skeleton": False, "label": "zumba", "label_index": 399},
}


@fuzzed
@given(mutated(CLIPS))
def test_clips(data):
    try:
        frames, label = kinetics.parse_clip(data)
    except ValueError:
        return
    assert frames.dtype == "float32" and frames.ndim == 4
    assert frames.size < 1 << 24
    assert 0 <= label <= kinetics.MOST_CLASSES


@fuzzed
@given(mutated([json.dumps(LABELS, indent=0).encode()]))
def test_labels(data):
    try:
        table = kinetics.parse_labels(data)
    except ValueError:
        return
    for label, _ in table.values():
        assert label is None or 0 <= label <= kinetics.MOST_CLASSES
