import numpy as np
import pytest


@pytest.fixture(scope="session")
def tiny():
    """Arguments of a small MAMP; two segments of four frames."""
    return {
        "input_shape": (1, 8, 20, 3),
        "skeleton": "nw_ucla",
        "hidden_dim": 8,
        "num_layers": 2,
        "num_heads": 2,
        "head_dim": 6,
    }


@pytest.fixture(scope="session")
def official():
    """Makes random official tensors for the tiny model."""

    def make(segments=2, kind=None, classes=5, decoder_layers=0, seed=0):
        shapes = {
            "temp_embed": (1, segments, 1, 8),
            "pos_embed": (1, 1, 20, 8),
            "joints_embed.proj.weight": (8, 3, 4, 1),
            "joints_embed.proj.bias": (8,),
            **pair("norm", (8,)),
        }
        for i in range(2):
            shapes |= block(f"blocks.{i}", 8)
        if decoder_layers:
            shapes |= {
                "mask_token": (1, 1, 4),
                "decoder_temp_embed": (1, segments, 1, 4),
                "decoder_pos_embed": (1, 1, 20, 4),
                **pair("decoder_embed", (4, 8)),
                **pair("decoder_norm", (4,)),
                **pair("decoder_pred", (12, 4)),
            }
        for i in range(decoder_layers):
            shapes |= block(f"decoder_blocks.{i}", 4)
        if kind == "plain":
            shapes |= pair("head.fc", (classes, 8))
        if kind == "linear":
            shapes |= statistics("head.fc.0", 8)
            shapes |= pair("head.fc.1", (classes, 8))
        if kind == "finetune":
            shapes |= pair("head.fc1", (6, 160)) | pair("head.bn", (6,))
            shapes |= statistics("head.bn", 6) | pair("head.fc2", (classes, 6))
        random = np.random.default_rng(seed)
        return {
            name: random.uniform(0.5, 1, shape).astype("float32")
            for name, shape in shapes.items()
        }

    def pair(name, shape):
        return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}

    def statistics(name, dim):
        return {
            f"{name}.running_mean": (dim,),
            f"{name}.running_var": (dim,),
            f"{name}.num_batches_tracked": (),
        }

    def block(name, dim):
        return {
            **pair(f"{name}.norm1", (dim,)),
            **pair(f"{name}.attn.qkv", (3 * dim, dim)),
            **pair(f"{name}.attn.proj", (dim, dim)),
            **pair(f"{name}.norm2", (dim,)),
            **pair(f"{name}.mlp.fc1", (4 * dim, dim)),
            **pair(f"{name}.mlp.fc2", (dim, 4 * dim)),
        }

    return make
