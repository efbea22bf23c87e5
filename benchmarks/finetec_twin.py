"""FineTec in plain PyTorch, as one would write it there.

It computes what `keras_skeleton.applications.FineTec` does by default; its
graph network is the ST-GCN++ of `pyskl_twins.py`. Clips are `(N, C, T, V, M)`
outside, and `(N, M, T, V, C)` inside. Nothing is computed twice on purpose:
the one example of the completion is a batch of one until it meets the clips,
and outside training there is one sequence instead of three. The tensors have
the names of our variables, see `finetec_ours.py`.
"""

import pyskl_twins
import torch
import torch.nn.functional as F
from torch import nn

# The blocks of the completion, each by the axis it mixes and its expansion.
BLOCKS = (
    ("joints_0", 4),
    ("frames_0", 4),
    ("joints_1", 2),
    ("frames_1", 2),
    ("frames_2", 2),
    ("joints_2", 2),
    ("frames_3", 4),
    ("joints_3", 4),
)
AXES = {"frames": 1, "joints": 2}
REGIONS = (
    (0, 1, 2, 3, 4),
    (5, 7, 9),
    (6, 8, 10),
    (11, 13, 15),
    (12, 14, 16),
)
CONTEXT, TRUNK = 128, 256
CROP, DROP, MIRROR = 0.5, 0.2, 0.5


class AxisMixing(nn.Module):
    """Linear, ReLU, pooling along one axis of `(B, T, V, C)`, added to it."""

    def __init__(self, axis, size, expansion):
        super().__init__()
        self.axis, self.expansion = axis, expansion
        self.dense = nn.Linear(size, expansion * size)

    def forward(self, x):
        y = F.relu(self.dense(x.transpose(self.axis, 3)))
        y = y.unflatten(3, (-1, self.expansion)).mean(4)
        return x + y.transpose(self.axis, 3)


class DrawnCompletion(nn.Module):
    """The network of the completion, for the answer to the query."""

    def __init__(self, frames, joints):
        super().__init__()
        sizes = {"frames": frames, "joints": joints}
        for name, expansion in BLOCKS:
            axis = name.partition("_")[0]
            block = AxisMixing(AXES[axis], sizes[axis], expansion)
            self.add_module(name, block)
        self.output_joints = nn.Linear(joints, joints)

    def forward(self, query, prompt):
        blocks = [self.get_submodule(name) for name, _ in BLOCKS]
        middle = len(blocks) // 2
        for block in blocks[:middle]:
            query, prompt = block(query), block(prompt)
        x = (query + prompt) / 2
        for block in blocks[middle:]:
            x = block(x)
        x = x[:, x.shape[1] // 2 :]
        return self.output_joints(x.transpose(2, 3)).transpose(2, 3)


class Completion(nn.Module):
    """Restores lost frames of clips `(B, T, V, C)`; `lost` is `(B, T)`."""

    def __init__(self, frames, joints, coordinates, bank_size):
        super().__init__()
        clip = frames, joints, coordinates
        self.register_buffer("bank", torch.zeros(bank_size, *clip))
        self.register_buffer("prior", torch.zeros(joints, coordinates))
        self.drawn = DrawnCompletion(2 * frames, joints)
        self.requires_grad_(False)

    def forward(self, clips, lost):
        example = self.bank[:1]
        hidden = example.clone()
        hidden[:, 1::2] = 0
        query = torch.cat([clips, self.prior.expand_as(clips)], 1)
        found = self.drawn(query, torch.cat([hidden, example], 1))
        is_present = (clips != 0).flatten(1).any(1)
        replaced = (lost & is_present[:, None])[..., None, None]
        return torch.where(replaced, self.prior + found, clips)


class Perturbation(nn.Module):
    """The copies of clips `(B, T, V, C)`: of moving and of resting regions."""

    def __init__(self, joints, regions, dynamic_regions):
        super().__init__()
        members = torch.zeros(len(regions), joints)
        for row, region in zip(members, regions, strict=True):
            row[list(region)] = 1
        self.register_buffer("members", members, persistent=False)
        self.dynamic_regions = dynamic_regions

    def draw(self, rows, frames):
        """What is random: crops, dropped frames and mirrors."""
        smallest = int(torch.tensor(CROP * frames).ceil())
        length = torch.randint(smallest, frames + 1, (rows,))
        start = (torch.rand(rows) * (frames - length + 1)).long()
        chosen = torch.rand(rows, frames - 2).argsort(1)
        dropped = torch.zeros(rows, frames, dtype=torch.bool)
        dropped.scatter_(1, 1 + chosen[:, : int(DROP * frames)], True)
        flips = torch.rand(rows) < MIRROR
        return {
            "start": start,
            "length": length,
            "dropped": dropped,
            "flips": flips,
        }

    def forward(self, clips, start, length, dropped, flips):
        dynamic, static = self.groups(clips.detach())
        moved = interpolated(cropped(clips, start, length), dropped)
        mirrored = clips.clone()
        middle = clips[..., 0].mean((1, 2))[:, None, None]
        mirrored[..., 0] = 2 * middle - clips[..., 0]
        static = static & flips[:, None]
        return [
            torch.where(dynamic[:, None, :, None], moved, clips),
            torch.where(static[:, None, :, None], mirrored, clips),
        ]

    def groups(self, clips):
        """Which joints are dynamic, and which static, `(B, V)`."""
        motion = clips.diff(dim=1).norm(dim=-1).mean(1)
        motion = motion @ (self.members / self.members.sum(1, True)).T
        chosen = motion.topk(self.dynamic_regions).indices
        dynamic = torch.zeros_like(motion).scatter_(1, chosen, 1)
        return (
            dynamic @ self.members > 0,
            (1 - dynamic) @ self.members > 0,
        )


def frames_of(clips, number):
    rows = torch.arange(len(clips), device=clips.device)[:, None]
    return clips[rows, number]


def cropped(clips, start, length):
    """Parts of the clips, stretched to all frames."""
    frames = clips.shape[1]
    share = torch.linspace(0, 1, frames, device=clips.device)
    place = start[:, None] + (length - 1)[:, None] * share
    before = place.long()
    after = (before + 1).clamp(max=frames - 1)
    weight = (place - before)[..., None, None]
    return torch.lerp(frames_of(clips, before), frames_of(clips, after), weight)


def interpolated(clips, dropped):
    """Dropped frames are made of those beside; the ends are there."""
    frames = clips.shape[1]
    number = torch.arange(frames, device=clips.device)
    before = torch.where(dropped, 0, number).cummax(1).values
    after = torch.where(dropped, frames - 1, number)
    after = after.flip(1).cummin(1).values.flip(1)
    weight = (number - before) / (after - before).clamp(min=1)
    return torch.lerp(
        frames_of(clips, before),
        frames_of(clips, after),
        weight[..., None, None],
    )


class Acceleration(nn.Module):
    """What an equation of motion estimates, `(B, T, V, C)`."""

    def __init__(self, values):
        super().__init__()
        self.size = values
        for name, width in (("place", values), ("motion", 2 * values)):
            self.add_module(f"{name}_context", nn.Linear(width, CONTEXT))
            self.add_module(f"{name}_hidden", nn.Linear(width + CONTEXT, TRUNK))
            self.add_module(f"{name}_features", nn.Linear(TRUNK, TRUNK))
        rows, columns = torch.triu_indices(values, values)
        place = torch.zeros(values, values, dtype=torch.long)
        place[rows, columns] = place[columns, rows] = torch.arange(len(rows))
        self.register_buffer("place", place, persistent=False)
        self.inverse_mass = nn.Linear(TRUNK, len(rows))
        self.gravity = nn.Linear(TRUNK, values)
        self.damping = nn.Linear(TRUNK, values**2)
        self.force = nn.Linear(TRUNK, values)

    def features(self, name, x):
        whole = F.gelu(self.get_submodule(f"{name}_context")(x.mean(1, True)))
        x = torch.cat([x, whole.expand(-1, x.shape[1], -1)], -1)
        for layer in ("hidden", "features"):
            x = F.gelu(self.get_submodule(f"{name}_{layer}")(x))
        return x

    def forward(self, clips):
        places = clips.flatten(2)
        speed = F.pad(places.diff(dim=1), (0, 0, 1, 0))
        place = self.features("place", places)
        motion = self.features("motion", torch.cat([places, speed], -1))
        inverse_mass = self.inverse_mass(place)[..., self.place]
        inverse_mass = inverse_mass + torch.eye(self.size, device=clips.device)
        damping = self.damping(motion).unflatten(-1, (self.size, self.size))
        driven = inverse_mass @ self.force(motion)[..., None]
        slowed = damping @ speed[..., None]
        x = (driven - slowed)[..., 0] - self.gravity(place)
        return x.view_as(clips)


def second_difference(clips):
    inner = clips.diff(n=2, dim=1)
    return torch.cat([inner[:, :1], inner, inner[:, -1:]], 1)


class SequenceFusion(nn.Module):
    """Joints of a sequence attend to those of others in the same frame."""

    def __init__(self, coordinates, dim, heads):
        super().__init__()
        self.embedding = nn.Linear(coordinates, dim)
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.norm = nn.LayerNorm(dim)
        self.coordinates = nn.Linear(dim, coordinates)

    def forward(self, sequence, others):
        tokens = self.embedding(sequence.flatten(0, 1))
        context = self.embedding(torch.cat(others, 2).flatten(0, 1))
        fused, _ = self.attention(tokens, context, context, need_weights=False)
        change = self.coordinates(self.norm(tokens + fused))
        return sequence + change.view_as(sequence)


class MotionFusion(nn.Module):
    """Places and accelerations of clips `(B, T, V, C)`, and the loss."""

    def __init__(self, joints, coordinates, regions, dynamic, dim, heads):
        super().__init__()
        self.perturbation = Perturbation(joints, regions, dynamic)
        self.physics = Acceleration(joints * coordinates)
        self.pairing = nn.Linear(2 * coordinates, coordinates)
        self.place_fusion = SequenceFusion(coordinates, dim, heads)
        self.acceleration_fusion = SequenceFusion(coordinates, dim, heads)
        # Of the last step in training, for comparisons.
        self.draws = {}

    def forward(self, clips, draws=None):
        sequences = [clips]
        if self.training:
            if draws is None:
                draws = self.perturbation.draw(*clips.shape[:2])
            self.draws = draws
            sequences += self.perturbation(clips, **draws)
        joined = torch.cat(sequences)
        differences = second_difference(joined)
        accelerations = self.pairing(
            torch.cat([differences, self.physics(joined)], -1)
        )
        loss = 0.0
        if self.training:
            present = is_present(joined).expand_as(joined)
            error = (accelerations - differences.detach()) ** 2
            loss = (error * present).sum() / present.sum().clamp(min=1)
        accelerations = list(accelerations.chunk(len(sequences)))
        fused = torch.cat(
            [
                fusion(each[0], each[1:] or each)
                for fusion, each in (
                    (self.place_fusion, sequences),
                    (self.acceleration_fusion, accelerations),
                )
            ],
            -1,
        )
        return fused * is_present(clips), loss


def is_present(clips):
    return (clips != 0).flatten(1).any(1)[:, None, None, None]


class FineTec(pyskl_twins.STGCNPlusPlus):
    """The classifier; `input_shape` is `(M, T, V, C)`."""

    def __init__(
        self,
        input_shape,
        classes,
        width=64,
        plan=pyskl_twins.PLAN,
        regions=REGIONS,
        bank_size=32,
        dynamic_regions=2,
        fusion_dim=64,
        fusion_heads=4,
        acceleration_weight=0.1,
    ):
        *grid, coordinates = input_shape
        super().__init__((*grid, 2 * coordinates), classes, width, plan)
        self.acceleration_weight = acceleration_weight
        self.completion = Completion(*input_shape[1:], bank_size)
        self.motion_fusion = MotionFusion(
            *input_shape[2:],
            regions,
            dynamic_regions,
            fusion_dim,
            fusion_heads,
        )

    def scores(self, clips, draws=None):
        """Class scores, and the loss of accelerations in training."""
        clips = clips.permute(0, 4, 2, 3, 1)
        lost = (clips == 0).all(4).all(3).all(1)
        lost = lost.repeat_interleave(clips.shape[1], 0)
        restored = self.completion(clips.flatten(0, 1), lost)
        fused, loss = self.motion_fusion(restored, draws)
        x = self.backbone(fused.unflatten(0, clips.shape[:2]))
        return self.cls_head.fc_cls(x.mean((3, 4)).mean(1)), loss

    def forward(self, clips):
        return self.scores(clips)[0]

    def loss(self, clips, labels, draws=None):
        scores, loss = self.scores(clips, draws)
        return F.cross_entropy(scores, labels) + self.acceleration_weight * loss

    @property
    def draws(self):
        """What the last step in training drew, by name."""
        return self.motion_fusion.draws


def randomize(model, seed=0):
    """As `pyskl_twins.randomize`; the bank and the standing pose are drawn."""
    pyskl_twins.randomize(model, seed)
    generator = torch.Generator().manual_seed(seed)
    completion = model.completion
    for tensor in (completion.bank, completion.prior):
        tensor.normal_(generator=generator)
