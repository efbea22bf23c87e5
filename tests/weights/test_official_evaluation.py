"""Official files are converted and evaluated by what their cards say."""

import dataclasses

import numpy as np
import pytest

from keras_skeleton import applications
from keras_skeleton import cli
from keras_skeleton import evaluation
from keras_skeleton import weights
from keras_skeleton.evaluation import features
from keras_skeleton.layers import augmentation
from keras_skeleton.layers.augmentation import AlignShoulders
from keras_skeleton.weights import conversion

pytestmark = pytest.mark.once

NAMES = [
    tuple(name.split("/"))
    for name in weights.names()
    if weights.get(*name.split("/")).obtained == "by hand"
]
# Of the many streams of BRL, one of each network.
OF_BRL = [
    ("stgcnpp", "brl_ntu60_xsub_skip"),
    ("ctrgcn", "brl_ntu60_xview_bone"),
]
# Those of NTU RGB+D, in whose form data are made up here.
CLASSIFIERS = [
    each
    for each in NAMES
    if weights.get(*each).classes
    and weights.get(*each).recipe["data_set"] in ("ntu60", "ntu120")
    and (each in OF_BRL or not each[1].startswith("brl_"))
]
SMALL = {
    "cascadeformer": {"hidden_dim": 16, "num_layers": 1, "mlp_dim": 16},
    "ctrgcn": {"hidden_dim": 8},
    "hiclr": {"hidden_dim": 8, "output_dim": 8, "blocks": ((1, 1),)},
    "hypergcn": {"hidden_dim": 32},
    "mamp": {"hidden_dim": 8, "num_layers": 5},
    "psumnet": {"hidden_dim": 8},
    "stgcnpp": {"hidden_dim": 8, "blocks": ((1, 1), (2, 2))},
}
# Bones of NTU RGB+D as published, joint and parent counted from 1.
BONES = (
    "1-2 2-21 3-21 4-3 5-21 6-5 7-6 8-7 9-21 10-9 11-10 12-11 13-1 14-13 "
    "15-14 16-15 17-1 18-17 19-18 20-19"
)
TIPS = {"hypergcn": "22-8 23-8 24-12 25-12", "": "22-23 23-8 24-25 25-12"}
# The middle of this many frames without chance, and no skipped or repeated
# ones where frames are drawn: 64 of 64.
FRAMES = 64


@pytest.fixture
def small(monkeypatch):
    """Makes a registered name stand for a small model of the same form."""

    def make(system, name):
        entry = weights.get(system, name)
        changed = dataclasses.replace(
            entry, configuration={**entry.configuration, **SMALL[system]}
        )
        module = conversion.system_module(system)
        monkeypatch.setattr(module, "PRETRAINED", (changed,))
        return changed

    return make


def official_shape(entry, shape):
    """The shape that is converted to a variable's."""
    ends = shape[::-1]
    candidates = [shape, ends, (*ends, 1), (*ends, 1, 1)]
    if len(shape) == 3:
        groups, inputs, outputs = shape
        candidates += [
            (groups * outputs, inputs, *ones) for ones in ((1,), (1, 1))
        ]
    if len(shape) == 2:
        candidates.append((shape[1], shape[0] // 4, 4, 1))
    for candidate in candidates:
        try:
            if entry.convert(np.zeros(candidate)).shape == shape:
                return candidate
        except ValueError:
            continue
    raise AssertionError(f"{entry} for {shape}")


def made_up_file(model, path, seed=0):
    """Random tensors of all official names and shapes of a model."""
    random = np.random.default_rng(seed)
    table = conversion.table_for(model)
    tensors = {}
    for path_of_ours, variable in conversion.variables_of(model).items():
        entry, name = table.find(path_of_ours)
        shape = tuple(variable.shape)
        if entry.convert is not None:
            shape = official_shape(entry, shape)
        size = np.prod(shape[1:]) if len(shape) > 1 else 1
        values = random.normal(size=shape) / np.sqrt(size)
        if "importance" in name:
            # Factors of numbers that are small already.
            values = values * np.sqrt(size)
        if name.endswith("running_var"):
            values = np.abs(values) + 0.5
        tensors[name] = values.astype("float32")
    np.savez(path, **tensors)
    return tensors


def files_of(entry, tensors, folder):
    """Writes the tensors to the files of a card; their paths as texts."""
    paths = []
    for file in entry.files:
        prefix = f"{file.role}." if len(entry.files) > 1 else ""
        path = folder / f"official_{file.role}.npz"
        own = {
            name.removeprefix(prefix): array
            for name, array in tensors.items()
            if name.startswith(prefix)
        }
        np.savez(path, **own)
        paths.append(str(path))
    return paths


def made_up_data(path, classes, frames=FRAMES):
    """A prepared file of NTU RGB+D; returns clips `(N, M, T, V, C)`."""
    random = np.random.default_rng(1)
    arrays = {}
    for part, count in (("train", 2), ("test", 4)):
        clips = random.normal(size=(count, frames, 2, 25, 3)).cumsum(axis=1)
        arrays[f"x_{part}"] = clips.reshape(count, frames, 150)
        arrays[f"y_{part}"] = np.eye(classes)[np.arange(count)]
    arrays = {name: array.astype("float32") for name, array in arrays.items()}
    np.savez(path, **arrays)
    clips = arrays["x_test"].reshape(-1, frames, 2, 25, 3)
    return clips.transpose(0, 2, 1, 3, 4)


def middle(clips):
    """The middle 95 % of 64 frames, linearly resized to 64."""
    return resized(clips[:, :, 1:63], 64)


def resized(clips, length):
    """All frames, linearly resized to a number of them."""
    frames = clips.shape[2]
    place = (np.arange(length) + 0.5) * frames / length - 0.5
    left = np.maximum(place, 0).astype(int)
    right = np.minimum(left + 1, frames - 1)
    part = (np.maximum(place, 0) - left)[:, None, None]
    return (1 - part) * clips[:, :, left] + part * clips[:, :, right]


def facing(clips):
    """Clips as HiCLR sees them: everybody centred and turned to the front."""
    clips = resized(clips - clips[..., 20:21, :], 50)
    line = clips[..., 8, :] - clips[..., 4, :]
    x, z = line[..., 0], line[..., 2]
    angle = np.arccos(x / (np.hypot(x, z) + 1e-4))
    angle = np.where(z.sum(axis=2, keepdims=True) >= 0, -angle, angle)
    cos, sin = np.cos(angle)[..., None], np.sin(angle)[..., None]
    turned = [
        cos * clips[..., 0] - sin * clips[..., 2],
        clips[..., 1],
        sin * clips[..., 0] + cos * clips[..., 2],
    ]
    return np.stack(turned, axis=-1)


def bones_of(clips, system):
    pairs = f"{BONES} {TIPS.get(system, TIPS[''])}".split()
    bones = np.zeros_like(clips)
    for pair in pairs:
        joint, parent = (int(number) - 1 for number in pair.split("-"))
        bones[..., joint, :] = clips[..., joint, :] - clips[..., parent, :]
    if system == "hypergcn":
        bones[..., 20, :] = clips[..., 20, :]
    return bones


def motion_of(clips):
    return np.diff(clips, axis=2, append=clips[:, :, -1:])


def prepared(system, name, clips):
    """Clips as the published evaluation of a model sees them."""
    if (system, name) in OF_BRL:
        # Its steps are compared with the official ones elsewhere.
        transforms = weights.get(system, name).recipe["transforms"]
        for transform in augmentation.deserialize_transforms(transforms):
            clips = np.array(transform.on_numpy()(clips))
        return clips
    if system == "hypergcn" and "xview" in name:
        clips = np.array(AlignShoulders().on_numpy()(clips))
    elif system == "hiclr":
        clips = facing(clips)
    else:
        clips = middle(clips)
    bones = bones_of(clips, system)
    if system == "psumnet":
        streams = [clips, bones, motion_of(clips), motion_of(bones)]
        return np.concatenate(streams, axis=-1)
    if name.endswith("bone_motion"):
        return motion_of(bones)
    if name.endswith("joint_motion"):
        return motion_of(clips)
    if name.endswith("bone"):
        return bones
    if system == "hypergcn":
        spine = clips[..., 20:21, :].copy()
        clips = clips - spine
        clips[..., 20:21, :] = spine
    return clips


@pytest.mark.parametrize(("system", "name"), CLASSIFIERS)
def test_convert_then_evaluate(
    system, name, small, tmp_path, monkeypatch, capsys
):
    entry = small(system, name)
    application = getattr(applications, applications.SYSTEMS[system][0])
    model = application(**entry.configuration, classes=entry.classes)
    tensors = made_up_file(model, tmp_path / "official.npz")
    paths = files_of(entry, tensors, tmp_path)
    assert cli.main(["convert", system, name, *paths]) == 0, (
        capsys.readouterr().err
    )

    protocol = entry.recipe["protocol"]
    data = tmp_path / f"data_{protocol}.npz"
    clips = made_up_data(data, entry.classes)
    found = []

    def spy(*arguments, **options):
        found.append(predict(*arguments, **options))
        return found[-1]

    predict = features.predict
    monkeypatch.setattr(features, "predict", spy)
    words = ["evaluate", system, name, str(data)]
    assert cli.main(words) == 0, capsys.readouterr().err
    conversion.load_official(model, tensors)
    expected = model.predict_on_batch(prepared(system, name, clips))
    scores, labels = found[0]
    np.testing.assert_array_equal(labels, [0, 1, 2, 3])
    # Relative to what differs between clips: any preparation of them gives
    # much the same scores in networks of random weights.
    spread = np.abs(expected - expected.mean(axis=0)).max()
    assert spread > 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(scores, expected, rtol=0, atol=1e-2 * spread)
    right = (expected.argmax(axis=1) == labels).sum()
    data_set = entry.recipe["data_set"]
    out = capsys.readouterr().out
    assert f"{system} {name} on {data_set} {protocol}: top-1" in out
    assert f"({right} of 4)" in out


def test_every_official_name_with_a_head_is_tested():
    systems = {system for system, _ in CLASSIFIERS}
    assert systems == {
        "cascadeformer",
        "ctrgcn",
        "hiclr",
        "hypergcn",
        "psumnet",
        "stgcnpp",
    }
    assert len(CLASSIFIERS) == 2 + 8 + 32 + 2 + 3 + len(OF_BRL)


def test_pretraining_has_no_head_to_evaluate(small, tmp_path, capsys):
    entry = small("mamp", "ntu60")
    pretext = applications.MAMPPretext(**entry.configuration, **entry.pretext)
    made_up_file(pretext, tmp_path / "official.npz")
    words = ["convert", "mamp", "ntu60", str(tmp_path / "official.npz")]
    assert cli.main(words) == 0, capsys.readouterr().err
    made_up_data(tmp_path / "data.npz", 60)
    words = ["evaluate", "mamp", "ntu60", str(tmp_path / "data.npz")]
    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert "without a classification head" in error
    assert "linear_probe" in error


@pytest.mark.parametrize("head", ["linear", "finetune"])
def test_mamp_with_a_head(head, small, tmp_path, capsys):
    entry = small("mamp", "ntu120_xset")
    model = applications.MAMP(**entry.configuration, head=head, classes=120)
    made_up_file(model, tmp_path / "official.npz")
    words = ["convert", "mamp", "ntu120_xset", str(tmp_path / "official.npz")]
    assert cli.main(words) == 0, capsys.readouterr().err
    made_up_data(tmp_path / "data_xset.npz", 120)
    result = evaluation.evaluate_weights(
        "mamp", "ntu120_xset", tmp_path / "data_xset.npz"
    )
    assert (result.of, len(result.confusion)) == (4, 120)
