"""MAMP in plain PyTorch, as one would write it there: what ours is timed by.

So is the step by which STARS tunes its encoder. Inputs and outputs are those
of `keras_skeleton.applications.MAMP` and `STARSPretext`, so that
both can be given the same numbers. `copy_weights` takes the weights over.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Attention(nn.Module):
    def __init__(self, dim, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.projection = nn.Linear(dim, dim)

    def forward(self, x):
        batch, length, dim = x.shape
        qkv = self.qkv(x).view(batch, length, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(query, key, value)
        return self.projection(x.transpose(1, 2).reshape(batch, length, dim))


class Block(nn.Module):
    def __init__(self, dim, num_heads, drop_path_rate=0.0):
        super().__init__()
        self.norm_1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, num_heads)
        self.norm_2 = nn.LayerNorm(dim)
        self.mlp_hidden = nn.Linear(dim, 4 * dim)
        self.mlp_output = nn.Linear(4 * dim, dim)
        self.drop_path_rate = drop_path_rate

    def drop_path(self, x):
        if not self.training or self.drop_path_rate == 0:
            return x
        keep = 1 - self.drop_path_rate
        kept = torch.rand(len(x), 1, 1, device=x.device) < keep
        return x * kept / keep

    def forward(self, x):
        x = x + self.drop_path(self.attention(self.norm_1(x)))
        hidden = F.gelu(self.mlp_hidden(self.norm_2(x)))
        return x + self.drop_path(self.mlp_output(hidden))


class Position(nn.Module):
    def __init__(self, segments, joints, dim):
        super().__init__()
        self.temporal = nn.Parameter(0.02 * torch.randn(1, segments, 1, dim))
        self.joint = nn.Parameter(0.02 * torch.randn(1, 1, joints, dim))

    def forward(self, x):
        return x + (self.temporal + self.joint).flatten(1, 2)


def patchify(clips, segment_length):
    """Tokens `(B, L, values)` of clips `(B, T, V, C)`, time-major."""
    batch, frames, joints, coordinates = clips.shape
    x = clips.view(batch, -1, segment_length, joints, coordinates)
    x = x.transpose(2, 3).reshape(batch, -1, segment_length * coordinates)
    return x


class Encoder(nn.Module):
    def __init__(
        self,
        input_shape,
        hidden_dim,
        num_layers,
        num_heads,
        segment_length,
        drop_path_rate=0.0,
    ):
        super().__init__()
        _, frames, joints, coordinates = input_shape
        self.segment_length = segment_length
        self.joint_embedding = nn.Linear(
            segment_length * coordinates, hidden_dim
        )
        self.position_embedding = Position(
            frames // segment_length, joints, hidden_dim
        )
        rates = torch.linspace(0, drop_path_rate, num_layers).tolist()
        self.blocks = nn.ModuleList(
            Block(hidden_dim, num_heads, rate) for rate in rates
        )
        self.norm = nn.LayerNorm(hidden_dim)

    def embed(self, clips):
        tokens = patchify(clips, self.segment_length)
        return self.position_embedding(self.joint_embedding(tokens))

    def encode(self, x):
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class Classifier(nn.Module):
    """The encoder with the published head for fine-tuning."""

    def __init__(
        self, encoder, input_shape, classes, head_dim, head_dropout_rate
    ):
        super().__init__()
        self.encoder = encoder
        self.grid = (input_shape[0], -1, input_shape[2])
        width = input_shape[2] * encoder.norm.weight.shape[0]
        self.dropout = nn.Dropout(head_dropout_rate)
        self.head_hidden = nn.Linear(width, head_dim)
        self.head_norm = nn.BatchNorm1d(head_dim)
        self.predictions = nn.Linear(head_dim, classes)

    def forward(self, clips):
        x = self.encoder.encode(self.encoder.embed(clips.flatten(0, 1)))
        x = self.dropout(x.unflatten(1, self.grid[1:]))
        x = x.mean(1).flatten(1).unflatten(0, (-1, self.grid[0])).mean(1)
        return self.predictions(F.relu(self.head_norm(self.head_hidden(x))))

    def loss(self, clips, labels):
        return F.cross_entropy(self(clips), labels, label_smoothing=0.1)


class Pretext(nn.Module):
    """Masked motion prediction."""

    def __init__(
        self,
        encoder,
        input_shape,
        num_heads,
        decoder_dim,
        decoder_layers,
        mask_ratio,
        masking_temperature,
    ):
        super().__init__()
        _, frames, joints, coordinates = input_shape
        self.encoder = encoder
        self.num_joints = joints
        self.mask_ratio = mask_ratio
        self.temperature = masking_temperature
        values = encoder.segment_length * coordinates
        self.decoder_embedding = nn.Linear(
            encoder.norm.weight.shape[0], decoder_dim
        )
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, decoder_dim))
        self.decoder_position_embedding = Position(
            frames // encoder.segment_length, joints, decoder_dim
        )
        self.decoder_blocks = nn.ModuleList(
            Block(decoder_dim, num_heads) for _ in range(decoder_layers)
        )
        self.decoder_norm = nn.LayerNorm(decoder_dim)
        self.decoder_prediction = nn.Linear(decoder_dim, values)

    def choose(self, patches):
        """Indices `(B, K)` of the tokens to keep; moving ones are hidden."""
        batch, length, _ = patches.shape
        grid = patches.view(batch, -1, self.num_joints, patches.shape[-1])
        change = (grid[:, 1:] - grid[:, :-1]).abs()
        change = torch.cat([change[:, :1], change], 1).mean(-1).flatten(1)
        highest = change.amax(1, keepdim=True)
        scaled = change / (highest * self.temperature + 1e-10)
        uniform = torch.rand_like(scaled)
        noise = scaled.softmax(1).log() - torch.log(
            -torch.log(uniform + 1e-10) + 1e-10
        )
        return noise.argsort(1)[:, : int(length * (1 - self.mask_ratio))]

    def target(self, clips):
        motion = torch.zeros_like(clips)
        motion[:, :-1] = clips[:, 1:] - clips[:, :-1]
        target = patchify(motion, self.encoder.segment_length)
        mean = target.mean(-1, keepdim=True)
        variance = target.var(-1, keepdim=True)
        return (target - mean) / (variance + 1e-6).sqrt()

    def forward(self, clips, kept=None):
        """Prediction and target `(B, L, values)` and mask `(B, L)`."""
        clips = clips.flatten(0, 1)
        if kept is None:
            kept = self.choose(patchify(clips, self.encoder.segment_length))
        rows = torch.arange(len(kept), device=kept.device)[:, None]
        tokens = self.encoder.embed(clips)
        mask = torch.ones(tokens.shape[:2], device=tokens.device)
        mask[rows, kept] = 0
        latent = self.decoder_embedding(self.encoder.encode(tokens[rows, kept]))
        x = self.mask_token.repeat(*tokens.shape[:2], 1)
        x[rows, kept] = latent
        x = self.decoder_position_embedding(x)
        for block in self.decoder_blocks:
            x = block(x)
        return (
            self.decoder_prediction(self.decoder_norm(x)),
            self.target(clips),
            mask,
        )

    def loss(self, clips):
        prediction, target, mask = self(clips)
        error = (prediction - target).square().mean(-1)
        return (error * mask).sum() / mask.sum()


class Queue(nn.Module):
    """The last projections, and the numbers of their samples."""

    def __init__(self, size, dim):
        super().__init__()
        features = F.normalize(torch.randn(size, dim), dim=1)
        self.register_buffer("features", features)
        self.register_buffer("sample", torch.full((size,), -1))
        self.register_buffer("position", torch.tensor(0))

    def neighbors(self, projections, samples):
        similarity = projections @ self.features.T
        similarity[self.sample == samples[:, None]] = -1
        return self.features[similarity.argmax(1)]

    def push(self, projections, samples):
        size, count = len(self.features), len(projections)
        places = (self.position + torch.arange(count)) % size
        self.features[places] = projections
        self.sample[places] = samples
        self.position.copy_((self.position + count) % size)


class Tuning(nn.Module):
    """Nearest-neighbour contrast of both views, which are the same clips.

    As in the published code, the second view is encoded like the first, and
    gives no gradient.
    """

    def __init__(self, encoder, predictor_dim, queue_size, temperature):
        super().__init__()
        dim = encoder.norm.weight.shape[0]
        self.encoder = encoder
        self.temperature = temperature
        self.projector = nn.BatchNorm1d(dim)
        self.predictor_hidden = nn.Linear(dim, predictor_dim, bias=False)
        self.predictor_norm = nn.BatchNorm1d(predictor_dim)
        self.predictor_output = nn.Linear(predictor_dim, dim)
        self.queue = Queue(queue_size, dim)
        half = len(encoder.blocks) // 2
        for frozen in (
            encoder.joint_embedding,
            encoder.position_embedding,
            encoder.blocks[:half],
        ):
            frozen.requires_grad_(False)

    def forward(self, clips):
        """Projections and predictions `(N, D)`, of length 1."""
        tokens = self.encoder.embed(clips.flatten(0, 1))
        tokens = self.encoder.encode(tokens).mean(1)
        pooled = tokens.unflatten(0, (len(clips), -1)).mean(1)
        projections = self.projector(pooled)
        x = self.predictor_norm(self.predictor_hidden(projections))
        predictions = self.predictor_output(F.relu(x))
        return F.normalize(projections, dim=1), F.normalize(predictions, dim=1)

    def loss(self, clips, samples):
        first, predictions = self(clips)
        with torch.no_grad():
            second, other_predictions = self(clips)
            rows = torch.arange(len(clips))
            near_first = self.queue.neighbors(first, samples)
            near_second = self.queue.neighbors(second, samples)
            self.queue.push(first, samples)
        losses = [
            F.cross_entropy(near @ predicted.T / self.temperature, rows)
            for near, predicted in (
                (near_second, predictions),
                (near_first, other_predictions),
            )
        ]
        return sum(losses) / 2

    def optimizer(self, learning_rate, layer_decay):
        """AdamW with a rate for each trained block."""
        blocks = self.encoder.blocks
        groups = [
            {
                "params": list(block.parameters()),
                "lr": learning_rate * layer_decay ** (len(blocks) - k),
            }
            for k, block in enumerate(blocks)
            if k >= len(blocks) // 2
        ]
        blocked = {id(p) for p in blocks.parameters()}
        others = [
            p
            for p in self.parameters()
            if p.requires_grad and id(p) not in blocked
        ]
        return torch.optim.AdamW(
            [*groups, {"params": others}],
            lr=learning_rate,
            betas=(0.9, 0.95),
            weight_decay=0.01,
        )

    def clip_gradients(self, norm):
        for parameter in self.parameters():
            if parameter.grad is not None:
                nn.utils.clip_grad_norm_([parameter], norm)


def optimizer(model, learning_rate, beta_2):
    """AdamW that does not decay one-dimensional parameters."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, beta_2))


def copy_weights(arrays, twin):
    """Gives a twin the weights of our model.

    Args:
        arrays: Dict from a variable's path in our model to its NumPy array.
        twin: A `Classifier`, a `Pretext` or a `Tuning`.

    Raises:
        ValueError: If any array or any parameter is left over.
    """
    state = {}
    for path, array in arrays.items():
        words = path.removeprefix("tuning_head/").split("/")
        for prefix in ("block", "decoder_block"):
            head, _, number = words[0].rpartition("_")
            if head == prefix and number.isdigit():
                words[:1] = [f"{prefix}s", number]
        if words[0] in (
            *("joint_embedding", "position_embedding", "blocks", "norm"),
        ):
            words.insert(0, "encoder")
        tensor = torch.from_numpy(array)
        last = words[-1]
        if last == "kernel":
            tensor = tensor.T
        words[-1] = {
            "kernel": "weight",
            "gamma": "weight",
            "beta": "bias",
            "moving_mean": "running_mean",
            "moving_variance": "running_var",
        }.get(last, last)
        state[".".join(words).removesuffix(".token")] = tensor
    missing, unknown = twin.load_state_dict(state, strict=False)
    missing = [name for name in missing if "num_batches" not in name]
    if missing or unknown:
        raise ValueError(
            f"The twin has no {unknown} and our model no {missing}."
        )
