"""Pre-training of SkeletonMAE in plain PyTorch, as one would write it there.

It computes what `keras_skeleton.applications.SkeletonMAEPretext` does with the
same parts hidden in all clips; `copy_weights` takes weights and graph over.
"""

import torch
import torch.nn.functional as F
from torch import nn


class GraphIsomorphism(nn.Module):
    """Sums over neighbours `(B, V, C)`, then two linear layers."""

    def __init__(self, inputs, hidden, outputs, normalized=True):
        super().__init__()
        self.hidden = nn.Linear(inputs, hidden)
        self.hidden_norm = nn.BatchNorm1d(hidden)
        self.hidden_activation = nn.PReLU()
        self.projection = nn.Linear(hidden, outputs)
        self.normalized = normalized
        if normalized:
            self.norm = nn.BatchNorm1d(outputs)
            self.activation = nn.PReLU()

    def forward(self, x, graph):
        x = self.hidden(x + graph @ x)
        x = self.hidden_activation(normalized(self.hidden_norm, x))
        x = self.projection(x)
        if self.normalized:
            x = self.activation(normalized(self.norm, x))
        return x


def normalized(norm, x):
    return norm(x.flatten(0, 1)).view(x.shape)


class SkeletonMAE(nn.Module):
    """Encoder and decoder; `hidden` are the joints that are hidden."""

    def __init__(self, input_shape, hidden, dim=64, width=64, num_layers=3):
        super().__init__()
        _, _, joints, coordinates = input_shape
        self.register_buffer("graph", torch.zeros(joints, joints))
        mask = torch.zeros(joints, 1)
        mask[list(hidden)] = 1
        self.register_buffer("mask", mask, persistent=False)
        self.joint_embedding = nn.Linear(coordinates, dim)
        self.mask_token = nn.Parameter(torch.zeros(dim))
        self.joint_encoder = nn.ModuleDict(
            {
                f"layer_{i}": GraphIsomorphism(
                    width if i else dim, width, width
                )
                for i in range(num_layers)
            }
        )
        self.encoder_to_decoder = nn.Linear(width, width, bias=False)
        self.decoder = GraphIsomorphism(width, width, dim, normalized=False)

    def forward(self, clips):
        """Embedded joints and what is predicted, `(N * M * T, V, D)` each."""
        target = self.joint_embedding(clips.flatten(0, 2))
        x = target * (1 - self.mask) + self.mask_token * self.mask
        for layer in self.joint_encoder.values():
            x = layer(x, self.graph)
        x = self.decoder(self.encoder_to_decoder(x), self.graph)
        return target.detach(), x

    def loss(self, clips):
        target, x = self(clips)
        error = (1 - F.cosine_similarity(target, x, dim=-1, eps=1e-12)) ** 2
        return (error * self.mask[:, 0]).sum() / (len(x) * self.mask.sum())


# Our names of variables, and PyTorch's.
KINDS = {
    "kernel": "weight",
    "gamma": "weight",
    "alpha": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def copy_weights(arrays, graph, twin):
    """Gives a twin the weights of our model.

    Args:
        arrays: Dict from a variable's path in our model to its NumPy array.
        graph: Array `(V, V)`, 1 where joints are neighbours.
        twin: A `SkeletonMAE`.

    Raises:
        ValueError: If any array or any parameter is left over.
    """
    state = {"graph": torch.from_numpy(graph)}
    for path, array in arrays.items():
        *words, last = path.split("/")
        tensor = torch.from_numpy(array)
        if last == "token":
            state["mask_token"] = tensor.reshape(-1)
            continue
        if last == "kernel":
            tensor = tensor.T
        if last == "alpha":
            tensor = tensor.reshape(-1)
        state[".".join([*words, KINDS[last]])] = tensor
    missing, unknown = twin.load_state_dict(state, strict=False)
    # PyTorch counts batches, ours do not.
    missing = [name for name in missing if "num_batches" not in name]
    if missing or unknown:
        raise ValueError(
            f"The twin has no {unknown} and our model no {missing}."
        )
