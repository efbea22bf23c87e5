"""Damaged raw files of NTU RGB+D are read or refused, and nothing else."""

import numpy as np
from fuzzing import fuzzed
from fuzzing import mutated
from hypothesis import given

from keras_skeleton.datasets.readers import _ntu_raw


def skeleton_text(num_frames, spans, newline="\r\n"):
    """Raw text of bodies that are there from one frame to another."""
    generator = np.random.default_rng(num_frames)
    lines = [str(num_frames)]
    for frame in range(num_frames):
        shown = [i for i, (low, high) in spans.items() if low <= frame < high]
        lines.append(str(len(shown)))
        for identity in shown:
            lines += [f"{identity} 0 1 1 1 1 0 0.03 0.06 2", "25"]
            place = generator.uniform(-1, 1, (25, 3)) + [0, 0, 3]
            place[:, 1] *= 1.5
            for x, y, z in place:
                rest = "240.1 250 898 638 0 0 0 0 2"
                lines.append(f"{x:.5g} {y:.5g} {z:.5g} {rest}")
    return (newline.join(lines) + newline).encode()


BODY = 72057594037931101
EXAMPLES = [
    skeleton_text(3, {BODY: (0, 3)}),
    skeleton_text(4, {BODY: (1, 3), BODY + 1: (2, 4)}, newline="\n"),
    skeleton_text(13, {BODY: (0, 13), BODY + 1: (0, 12), BODY + 2: (3, 4)}),
    skeleton_text(2, {}),
]


def check(prepare, recording, num_persons):
    try:
        clip = prepare(recording)
    except ValueError as error:
        assert str(error)
    else:
        assert clip.dtype == np.float32
        assert clip.shape[0] in num_persons and clip.shape[1] >= 1
        assert clip.shape[2:] == (25, 3)


@fuzzed
@given(mutated(EXAMPLES))
def test_skeleton_files(data):
    try:
        recording = _ntu_raw.parse_skeleton(data)
    except ValueError as error:
        assert str(error).startswith("line ")
        return
    assert recording.num_frames <= len(data)
    values = [joints for _, joints in recording.bodies.values()]
    for (frames, _), joints in zip(
        recording.bodies.values(), values, strict=True
    ):
        assert joints.shape == (len(frames), 25, 3)
        assert np.isfinite(joints).all()
    # A joint takes six bytes at least.
    assert 6 * sum(map(np.size, values)) <= 3 * len(data)
    check(_ntu_raw.prepare_like_ctrgcn, recording, {2})
    check(_ntu_raw.prepare_like_pyskl, recording, {1, 2})
