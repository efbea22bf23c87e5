"""The PyTorch twin of EPAM-Net computes what the published code does."""

import importlib.util
import pathlib

import pytest
from support import assert_close
from support import cases
from support import part

pytestmark = pytest.mark.once

torch = pytest.importorskip("torch")
TWIN = pathlib.Path(__file__).parents[1] / "benchmarks" / "epam_twin.py"


def test_scores(fixtures_dir):
    spec = importlib.util.spec_from_file_location("epam_twin", TWIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, config, arrays in cases(fixtures_dir("epamnet"), "fusion*.npz"):
        widths = [
            (round(base * backbone.get("gamma_w", 1)), backbone["stage_blocks"])
            for backbone, base in (
                (config["rgb_backbone"], 24),
                (
                    config["pose_backbone"],
                    config["pose_backbone"]["base_channels"],
                ),
            )
        ]
        model = module.EPAMNet(config["num_classes"], 17, *widths).eval()
        tensors = {
            key: torch.from_numpy(array.copy())
            for key, array in part(arrays, "state/").items()
        }
        missing, unknown = model.load_state_dict(tensors, strict=False)
        assert not unknown
        assert all(key.endswith("num_batches_tracked") for key in missing)
        inputs = (arrays["in/imgs"], arrays["in/heatmap_imgs"])
        with torch.no_grad():
            scores = model(*map(torch.from_numpy, inputs))
        for key, found in zip(("rgb", "pose"), scores, strict=True):
            expected = arrays[f"out/{key}_logits"]
            assert_close(found.numpy(), expected, f"{name}: {key}")
