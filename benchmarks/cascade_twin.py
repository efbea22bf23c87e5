"""CascadeFormer in plain PyTorch, as one would write it there.

Inputs and outputs are those of `keras_skeleton.applications.CascadeFormer`,
version 1.0, and `CascadeFormerPretext`; `copy_weights` takes the weights over.
"""

import torch
import torch.nn.functional as F
from torch import nn


class CascadeFormer(nn.Module):
    """Of one person; `classes=None` for pre-training."""

    def __init__(
        self,
        input_shape,
        classes=None,
        hidden_dim=256,
        num_layers=4,
        num_heads=8,
        mlp_dim=2048,
        num_positions=1000,
        dropout_rate=0.1,
    ):
        super().__init__()
        _, _, joints, coordinates = input_shape
        values = joints * coordinates

        def encoder():
            block = nn.TransformerEncoderLayer(
                hidden_dim, num_heads, mlp_dim, dropout_rate, batch_first=True
            )
            return nn.TransformerEncoder(block, num_layers)

        self.frame_embedding = nn.Linear(values, hidden_dim)
        self.positions = nn.Parameter(torch.zeros(num_positions, hidden_dim))
        self.blocks = encoder()
        if classes is None:
            self.reconstruction = nn.Linear(hidden_dim, values)
            return
        self.cascade_blocks = encoder()
        self.cross_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, batch_first=True
        )
        self.dropout = nn.Dropout(dropout_rate)
        self.norm = nn.LayerNorm(hidden_dim)
        self.predictions = nn.Linear(hidden_dim, classes)

    def encode(self, frames):
        """Tokens `(N, T, D)` of frames `(N, T, V * C)`."""
        tokens = self.frame_embedding(frames)
        return self.blocks(tokens + self.positions[: tokens.shape[1]])

    def forward(self, clips):
        tokens = self.encode(clips[:, 0].flatten(2))
        context = self.cascade_blocks(tokens)
        mixed, _ = self.cross_attention(
            tokens, context, context, need_weights=False
        )
        tokens = self.norm(tokens + self.dropout(mixed))
        return self.predictions(tokens.mean(1))

    def loss(self, clips, labels):
        return F.cross_entropy(self(clips), labels)

    def choose(self, clips, ratio=0.3):
        """A mask `(N, T * V)` that hides a share of the joints."""
        length = clips.shape[2] * clips.shape[3]
        order = torch.rand(len(clips), length).argsort(1)
        mask = torch.zeros(len(clips), length)
        return mask.scatter(1, order[:, : int(ratio * length)], 1.0)

    def predict(self, clips, mask):
        """All coordinates, `(N, T * V, C)`."""
        joints = (
            clips[:, 0] * (1 - mask.view(clips[:, 0].shape[:-1]))[..., None]
        )
        values = self.reconstruction(self.encode(joints.flatten(2)))
        return values.view(len(clips), -1, clips.shape[-1])

    def pretext_loss(self, clips):
        mask = self.choose(clips)
        target = clips[:, 0].flatten(1, 2)
        error = (self.predict(clips, mask) - target).square().mean(-1)
        return (error * mask).sum() / mask.sum()


# Our names of a block's layers, and PyTorch's.
BLOCK = {
    "attention.qkv": "self_attn.in_proj",
    "attention.projection": "self_attn.out_proj",
    "mlp_hidden": "linear1",
    "mlp_output": "linear2",
    "norm_1": "norm1",
    "norm_2": "norm2",
}
OTHERS = {
    "frame_embedding.projection": "frame_embedding",
    "cross_attention.attention.qkv": "cross_attention.in_proj",
    "cross_attention.attention.projection": "cross_attention.out_proj",
    "cross_attention.norm": "norm",
}


def copy_weights(arrays, twin):
    """Gives a twin the weights of our model.

    Args:
        arrays: Dict from a variable's path in our model to its NumPy array.
        twin: A `CascadeFormer`.

    Raises:
        ValueError: If any array or any parameter is left over.
    """
    state = {}
    for path, array in arrays.items():
        *words, last = path.split("/")
        tensor = torch.from_numpy(array)
        if last == "positions":
            state["positions"] = tensor.reshape(twin.positions.shape)
            continue
        stack, _, number = words[0].rpartition("_")
        if stack in ("block", "cascade_block"):
            name = f"{stack}s.layers.{number}.{BLOCK['.'.join(words[1:])]}"
        else:
            name = OTHERS.get(".".join(words), words[0])
        if last == "kernel":
            tensor = tensor.T
        kind = "bias" if last in ("bias", "beta") else "weight"
        joint = "_" if name.endswith("in_proj") else "."
        state[f"{name}{joint}{kind}"] = tensor
    missing, unknown = twin.load_state_dict(state, strict=False)
    if missing or unknown:
        raise ValueError(
            f"The twin has no {unknown} and our model no {missing}."
        )
