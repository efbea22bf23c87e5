"""The PyTorch twins of the benchmarks compute what is published."""

import importlib.util
import pathlib

import numpy as np
import pytest
from support import assert_close
from support import cases
from support import part

pytestmark = pytest.mark.once

torch = pytest.importorskip("torch")
TWINS = pathlib.Path(__file__).parents[1] / "benchmarks" / "graph_twins.py"
# More points than this, and PyTorch takes distances from a matrix product,
# whose error float32 shows.
EXACT_POINTS = 25


@pytest.fixture(scope="module")
def twins():
    spec = importlib.util.spec_from_file_location("graph_twins", TWINS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(twins, config, clips):
    """The twin of an official constructor."""
    constructor = config["constructor"]
    _, channels, frames, joints, persons = clips.shape
    shape = (persons, frames, joints, channels)
    classes = constructor["num_class"]
    if config["system"] == "CTR-GCN":
        return twins.CTRGCN(shape, classes, config["base_channel"])
    if config["system"] == "PSUMNet":
        stream = constructor["stream"]
        return twins.PSUMNet(shape, classes, stream, config["base_channel"])
    return twins.HyperGCN(
        shape,
        classes,
        "large" if "large" in config["model"] else "base",
        config["embedding_channels"],
        constructor["hyper_joints"],
        config.get("num_subset", 8),
        config.get("k_nearest", 9),
    )


def load(twins, config, arrays):
    twin = build(twins, config, arrays["in/x"])
    state = part(arrays, "state/")
    assert state.keys() == twin.state_dict().keys()
    twin.load_state_dict(
        {
            name: torch.from_numpy(
                array.astype("float32") if array.dtype == np.float16 else array
            )
            for name, array in state.items()
        }
    )
    return twin.eval(), torch.from_numpy(arrays["in/x"])


def outputs_of(twin, clips):
    found = {}
    for name, block in twin.blocks().items():
        block.register_forward_hook(
            lambda _, inputs, output, name=name: found.update({name: output})
        )
    with torch.inference_mode():
        found["logits"] = twin(clips)
    return {name: tensor.numpy() for name, tensor in found.items()}


@pytest.mark.parametrize(
    ("system", "patterns"),
    [
        ("ctrgcn", ["ctrgcn*.npz"]),
        ("hypergcn", ["base*.npz", "large*.npz"]),
        ("psumnet", ["body*.npz", "hand*.npz", "leg*.npz"]),
    ],
)
def test_outputs(fixtures_dir, twins, system, patterns):
    for name, config, arrays in cases(fixtures_dir(system), *patterns):
        twin, clips = load(twins, config, arrays)
        points = clips.shape[3] + config["constructor"].get("hyper_joints", 0)
        exact = system != "hypergcn" or points <= EXACT_POINTS
        expected = part(arrays, "out/")
        assert "logits" in expected
        for key, value in outputs_of(twin, clips).items():
            if key in expected:
                assert_close(
                    value,
                    expected[key],
                    f"{name}: {key}",
                    1e-5 if exact else 5e-3,
                )


@pytest.mark.parametrize(
    ("system", "pattern"),
    [
        ("ctrgcn", "train_step*.npz"),
        ("hypergcn", "train_step*.npz"),
        ("psumnet", "loss*.npz"),
    ],
)
def test_training(fixtures_dir, twins, system, pattern):
    for name, config, arrays in cases(fixtures_dir(system), pattern):
        twin, clips = load(twins, config, arrays)
        twin.train()
        with torch.no_grad():
            logits = twin(clips)
        assert_close(
            logits.numpy(), arrays["out/train_logits"], f"{name}: logits", 1e-4
        )
        state = twin.state_dict()
        for key, value in part(arrays, "after/bn/").items():
            assert_close(state[key].numpy(), value, f"{name}: {key}")
        if system == "hypergcn":
            parts = [b.gcn1.divergence() for b in twin.blocks().values()]
            assert_close(
                (sum(parts) / len(parts)).detach().numpy(),
                arrays["out/eval_divergence"],
                f"{name}: divergence",
            )


@pytest.mark.parametrize(
    ("system", "pattern", "name"),
    [
        ("pyskl", "backbone_dgstgcn*.npz", "DGSTGCN"),
        ("aclnet", "recognizer_test*.npz", "ACLNet"),
        ("brl", "backbone_stgcnpp*.npz", "STGCNPlusPlus"),
    ],
)
def test_twins_of_pyskl(fixtures_dir, monkeypatch, system, pattern, name):
    monkeypatch.syspath_prepend(TWINS.parent)
    twins = pytest.importorskip("pyskl_twins")
    for label, config, arrays in cases(fixtures_dir(system), pattern):
        settings, clips = config["backbone"], arrays["in/keypoint"]
        if not is_published(settings):
            continue
        clips = clips.reshape(-1, *clips.shape[-4:])
        state = part(arrays, "state/")
        classes = config.get("cls_head", {}).get("num_classes", 1)
        twin = getattr(twins, name)(
            clips.shape[1:], classes, settings["base_channels"], plan(settings)
        ).eval()
        network = twin if any("backbone" in x for x in state) else twin.backbone
        network.load_state_dict(
            {
                key: torch.from_numpy(np.asarray(x))
                for key, x in state.items()
                # The losses of training.
                if "loss" not in key
            }
        )
        clips = torch.from_numpy(clips)
        with torch.inference_mode():
            features = twin.backbone(clips).numpy()
            scores = twin(clips.permute(0, 4, 2, 3, 1)).numpy()
        key = "out/x" if network is twin.backbone else "out/feature"
        assert_close(features, arrays[key], f"{label}: features")
        if network is twin:
            assert_close(scores, arrays["out/cls_score"], f"{label}: scores")


def is_published(settings):
    """Whether a twin, which has the published graphs, can be of a form."""
    return (
        settings["graph_cfg"].get("num_filter", 8) == 8
        and settings.get("gcn_ratio", 0.125) == 0.125
        and settings.get("ch_ratio", 2) == 2
    )


def plan(settings):
    """Width and stride of each block of an official configuration."""
    width, found = 1, []
    for i in range(1, settings["num_stages"] + 1):
        width *= 2 if i in settings["inflate_stages"] else 1
        found.append((width, 2 if i in settings["down_stages"] else 1))
    return found
