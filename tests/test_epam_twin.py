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


def is_published(config, *backbones):
    """Whether the twin, which has the published form, can be of another."""
    return (
        config["attention"].startswith("CBAM")
        and config.get("k", 7) == 7
        and backbones[1].get("conv1_stride", 2) == 1
        and all(
            backbone.get("stage_blocks")
            and backbone.get("gamma_b", 2.25) == 2.25
            and backbone["se_style"] == "half"
            and backbone["se_ratio"] == 1 / 16
            and set(backbone["spatial_strides"]) == {2}
            for backbone in backbones
        )
    )


def test_scores(fixtures_dir):
    spec = importlib.util.spec_from_file_location("epam_twin", TWIN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, config, arrays in cases(fixtures_dir("epamnet"), "fusion*.npz"):
        video, pose = config["rgb_backbone"], config["pose_backbone"]
        if not is_published(config, video, pose):
            continue
        # Official widths are multiples of 8.
        width = max(8, round(24 * video["gamma_w"] / 8) * 8)
        widths = [
            (width, video["stage_blocks"]),
            (pose["base_channels"], pose["stage_blocks"]),
        ]
        model = module.EPAMNet(
            config["num_classes"], pose["in_channels"], *widths
        ).eval()
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
