"""The graph networks in plain PyTorch, in the published form.

The operations are those of the published code, one by one: convolutions with
the channels in front, a call for each of the graphs and each branch, grouped
convolutions for heads. Clips are `(N, C, T, V, M)`, features
`(N * M, C, T, V)`, and the tensors have the published names, so that
published weights can be loaded with `load_state_dict`. The bodies' graphs are
among the weights.
"""

import torch
import torch.nn.functional as F
from torch import nn

# Width of each block in multiples of the first, and its stride.
CTRGCN_PLAN = (
    *4 * ((1, 1),),
    (2, 2),
    *2 * ((2, 1),),
    (4, 2),
    *2 * ((4, 1),),
)
PSUMNET_PLANS = {
    "body": CTRGCN_PLAN,
    "hand": ((1, 1), (2, 2), (2, 1), (2, 1), (4, 2), (4, 1)),
    "leg": ((1, 1), (2, 2), (2, 1), (4, 2)),
}
HYPERGCN_WIDTHS = {
    "base": (1, 1, 1, 2, 2, 2, 2, 2, 2),
    "large": (1, 1, 1, 2, 2, 2, 4, 4, 4),
}


class FramesUnit(nn.Module):
    """Convolution over frames, and a normalization."""

    def __init__(
        self, inputs, outputs, kernel_size, stride, dilation=1, mode="zeros"
    ):
        super().__init__()
        self.conv = nn.Conv2d(
            inputs,
            outputs,
            (kernel_size, 1),
            stride=(stride, 1),
            padding=(dilation * (kernel_size // 2), 0),
            dilation=(dilation, 1),
            padding_mode=mode,
        )
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.bn(self.conv(x))


class MultiScale(nn.Module):
    """Four branches over frames, side by side."""

    def __init__(self, channels, stride, mode):
        super().__init__()
        width = channels // 4

        def begin(stride=1):
            return (
                nn.Conv2d(channels, width, 1, stride=(stride, 1)),
                nn.BatchNorm2d(width),
            )

        self.branches = nn.ModuleList(
            nn.Sequential(
                *begin(),
                nn.ReLU(inplace=True),
                FramesUnit(width, width, 5, stride, dilation, mode),
            )
            for dilation in (1, 2)
        )
        self.branches.append(
            nn.Sequential(
                *begin(),
                nn.ReLU(inplace=True),
                nn.MaxPool2d((3, 1), stride=(stride, 1), padding=(1, 0)),
                nn.BatchNorm2d(width),
            )
        )
        self.branches.append(nn.Sequential(*begin(stride)))

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class ChannelGraph(nn.Module):
    """One graph, refined for each clip and channel."""

    def __init__(self, inputs, outputs, relations):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, relations, 1)
        self.conv2 = nn.Conv2d(inputs, relations, 1)
        self.conv3 = nn.Conv2d(inputs, outputs, 1)
        self.conv4 = nn.Conv2d(relations, outputs, 1)

    def forward(self, x, graph, alpha):
        receivers = self.conv1(x).mean(-2)
        senders = self.conv2(x).mean(-2)
        values = self.conv3(x)
        differences = receivers.unsqueeze(-1) - senders.unsqueeze(-2)
        refined = self.conv4(torch.tanh(differences)) * alpha + graph
        return torch.einsum("ncuv,nctv->nctu", refined, values)


def shortcut(inputs, outputs):
    if inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))


class ChannelTopology(nn.Module):
    """Graph convolution of CTR-GCN and PSUMNet."""

    def __init__(self, inputs, outputs, joints, relations):
        super().__init__()
        self.PA = nn.Parameter(torch.rand(3, joints, joints) / joints)
        self.alpha = nn.Parameter(torch.zeros(1))
        self.convs = nn.ModuleList(
            ChannelGraph(inputs, outputs, relations) for _ in range(3)
        )
        self.down = shortcut(inputs, outputs)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        y = None
        for conv, graph in zip(self.convs, self.PA, strict=True):
            z = conv(x, graph, self.alpha)
            y = z if y is None else y + z
        return F.relu(self.bn(y) + self.down(x), inplace=True)


class HyperGraph(nn.Module):
    """Graph convolution of Hyper-GCN."""

    def __init__(self, inputs, outputs, joints, virtual, heads, neighbors):
        super().__init__()
        points = joints + virtual
        hidden = heads * (inputs // heads // 4)
        self.joints, self.heads, self.neighbors = joints, heads, neighbors
        self.PA = nn.Parameter(
            torch.rand(heads, points, points), requires_grad=False
        )
        self.edge_importance = nn.Parameter(torch.ones(heads, points, points))
        self.hyper_joint = nn.Parameter(torch.randn(virtual, inputs))
        self.alpha = nn.Parameter(torch.ones(1))
        self.to_V = nn.Conv1d(inputs, hidden, 1, groups=heads)
        self.to_W = nn.Sequential(
            nn.Conv1d(inputs, hidden, 1, groups=heads),
            nn.LeakyReLU(0.01),
            nn.Conv1d(hidden, heads, 1),
            nn.Tanh(),
        )
        self.conv_d = nn.Conv2d(inputs, outputs, 1, groups=heads)
        self.down = shortcut(inputs, outputs)
        self.bn = nn.BatchNorm2d(outputs)

    def body_graph(self):
        graph = self.edge_importance * self.PA
        return graph / (graph.abs().sum(-1, keepdim=True) + 1e-8)

    def hyper_graph(self, nodes):
        """`(B, heads, points, points)` of `(B, C, points)`."""
        projected = self.to_V(nodes).unflatten(1, (self.heads, -1))
        projected = projected.transpose(2, 3).contiguous()
        distances = torch.cdist(projected, projected)
        nearest, chosen = distances.topk(self.neighbors, largest=False)
        incidence = torch.zeros_like(distances).scatter(
            -1, chosen, (-nearest).softmax(-1)
        )
        weights = self.to_W(nodes).unsqueeze(-2)
        weighted = incidence * weights
        joint_degree = weighted.abs().sum(-1, keepdim=True) + 1e-8
        edge_degree = incidence.sum(-2, keepdim=True) + 1e-8
        left = weighted / joint_degree * (weights / edge_degree)
        return left @ incidence.transpose(-1, -2)

    def forward(self, x):
        batch, channels, frames, _ = x.shape
        virtual = self.hyper_joint.T.view(1, channels, 1, -1)
        points = torch.cat([x, virtual.expand(batch, -1, frames, -1)], -1)
        graph = self.hyper_graph(points.mean(2))
        graph = self.body_graph() + F.relu(self.alpha) * graph
        values = self.conv_d(points).unflatten(1, (self.heads, -1))
        y = torch.einsum("bkuv,bkctv->bkctu", graph, values)
        y = y.flatten(1, 2)[..., : self.joints]
        return F.relu(self.bn(y) + self.down(x), inplace=True)

    def divergence(self):
        """How alike the virtual joints are."""
        unit = F.normalize(self.hyper_joint, dim=1)
        count = len(unit)
        alike = F.relu(unit @ unit.T).sum()
        return (alike - count) / (count * (count - 1))


class Block(nn.Module):
    """A graph convolution, then convolutions over frames, and a residual."""

    def __init__(self, graph, inputs, outputs, stride, residual, mode):
        super().__init__()
        self.gcn1 = graph
        self.tcn1 = MultiScale(outputs, stride, mode)
        self.has_residual = residual
        if not residual or (inputs == outputs and stride == 1):
            self.residual = nn.Identity()
        else:
            self.residual = FramesUnit(inputs, outputs, 1, stride)

    def forward(self, x):
        y = self.tcn1(self.gcn1(x))
        if self.has_residual:
            y = y + self.residual(x)
        return F.relu(y, inplace=True)


def head(fc, x, persons):
    """Class scores of `(N * M, C, T, V)`."""
    x = x.unflatten(0, (-1, persons)).flatten(3)
    return fc(x.mean(3).mean(1))


class ChannelTopologyNetwork(nn.Module):
    """What CTR-GCN and PSUMNet share."""

    def __init__(self, input_shape, classes, plan, width, small):
        super().__init__()
        persons, _, joints, channels = input_shape
        self.data_bn = nn.BatchNorm1d(persons * joints * channels)
        blocks = []
        for i, (factor, stride) in enumerate(plan):
            relations = 8 if channels in small else channels // 8
            outputs = factor * width
            graph = ChannelTopology(channels, outputs, joints, relations)
            blocks.append(
                Block(graph, channels, outputs, stride, i > 0, "zeros")
            )
            channels = outputs
        self.add_blocks(blocks)
        self.fc = nn.Linear(channels, classes)

    def forward(self, clips):
        batch, channels, frames, joints, persons = clips.shape
        x = clips.permute(0, 4, 3, 1, 2).reshape(batch, -1, frames)
        x = self.data_bn(x)
        x = x.view(batch, persons, joints, channels, frames)
        x = x.permute(0, 1, 3, 4, 2).reshape(-1, channels, frames, joints)
        for block in self.blocks().values():
            x = block(x)
        return head(self.fc, x, persons)

    def loss(self, clips, labels):
        return F.cross_entropy(self(clips), labels)


class CTRGCN(ChannelTopologyNetwork):
    """CTR-GCN; `input_shape` is `(M, T, V, C)`."""

    def __init__(self, input_shape, classes, width=64):
        super().__init__(input_shape, classes, CTRGCN_PLAN, width, (3, 9))

    def add_blocks(self, blocks):
        for i, block in enumerate(blocks, 1):
            self.add_module(f"l{i}", block)

    def blocks(self):
        """The blocks by name, first to last."""
        names = [f"l{i}" for i in range(1, len(CTRGCN_PLAN) + 1)]
        return {name: self.get_submodule(name) for name in names}


class PSUMNet(ChannelTopologyNetwork):
    """The network of one part of PSUMNet; `input_shape` is `(M, T, V, C)`."""

    def __init__(self, input_shape, classes, part, width=64):
        plan = PSUMNET_PLANS[part]
        super().__init__(input_shape, classes, plan, width, (3, 6))

    def add_blocks(self, blocks):
        self.layers = nn.ModuleList(blocks)

    def blocks(self):
        """The blocks by name, first to last."""
        return {f"layers.{i}": block for i, block in enumerate(self.layers)}


class HyperGCN(nn.Module):
    """Hyper-GCN; `input_shape` is `(M, T, V, C)`."""

    def __init__(
        self,
        input_shape,
        classes,
        size="base",
        width=128,
        virtual=3,
        heads=8,
        neighbors=9,
    ):
        super().__init__()
        persons, _, joints, coordinates = input_shape
        self.to_joint_embedding = nn.Linear(coordinates, width)
        self.pos_embedding = nn.Parameter(torch.randn(1, joints, width))
        self.data_bn = nn.BatchNorm1d(persons * joints * width)
        channels = width
        for i, factor in enumerate(HYPERGCN_WIDTHS[size], 1):
            outputs = factor * width
            graph = HyperGraph(
                channels, outputs, joints, virtual, heads, neighbors
            )
            stride = 2 if i in (4, 7) else 1
            self.add_module(
                f"l{i}",
                Block(graph, channels, outputs, stride, True, "replicate"),
            )
            channels = outputs
        self.fc = nn.Linear(channels, classes)

    def blocks(self):
        """The blocks by name, first to last."""
        names = [f"l{i}" for i in range(1, 10)]
        return {name: self.get_submodule(name) for name in names}

    def forward(self, clips):
        batch, _, frames, joints, persons = clips.shape
        x = self.to_joint_embedding(clips.permute(0, 4, 2, 3, 1))
        x = torch.tanh(x + self.pos_embedding)
        x = x.permute(0, 1, 3, 4, 2).reshape(batch, -1, frames)
        x = self.data_bn(x).view(batch, persons, joints, -1, frames)
        x = x.permute(0, 1, 3, 4, 2).reshape(
            batch * persons, -1, frames, joints
        )
        for first, second, third in (
            (self.l1, self.l2, self.l3),
            (self.l4, self.l5, self.l6),
            (self.l7, self.l8, self.l9),
        ):
            x = first(x)
            x = third(second(x) + x)
        return head(self.fc, x, persons)

    def loss(self, clips, labels):
        loss = F.cross_entropy(self(clips), labels)
        parts = [block.gcn1.divergence() for block in self.blocks().values()]
        return loss + sum(parts) / len(parts)


def randomize(model, seed=0):
    """Gives the parameters that begin as constants other values.

    Without that, the graphs of the clips would count for nothing in a
    comparison of outputs.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor, low, high):
        tensor.uniform_(low, high, generator=generator)

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                draw(module.weight, 0.5, 1.0)
                draw(module.bias, -0.1, 0.1)
                draw(module.running_mean, -0.1, 0.1)
                draw(module.running_var, 0.5, 1.5)
            elif isinstance(module, ChannelTopology | HyperGraph):
                draw(module.alpha, 0.3, 0.6)
                if isinstance(module, HyperGraph):
                    draw(module.edge_importance, 0.5, 1.5)
