"""ST-GCN++, DG-STGCN and ACLNet in plain PyTorch, in the published form.

The operations are those of the published code, one by one. Clips are
`(N, C, T, V, M)`, features `(N * M, C, T, V)`, and the tensors have the
published names, so that published weights can be loaded with
`load_state_dict`.
"""

import graph_twins
import torch
import torch.nn.functional as F
from torch import nn

PLAN = graph_twins.CTRGCN_PLAN
GRAPHS = 8
DILATIONS = (1, 2, 3, 4)


class Over(nn.Module):
    """A convolution by the name `conv`."""

    def __init__(self, channels, stride, dilation):
        super().__init__()
        self.conv = nn.Conv2d(
            channels,
            channels,
            (3, 1),
            stride=(stride, 1),
            padding=(dilation, 0),
            dilation=(dilation, 1),
        )

    def forward(self, x):
        return self.conv(x)


class Shortcut(nn.Module):
    """A strided pointwise convolution and a normalization."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1, stride=(stride, 1))
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.bn(self.conv(x))


class DynamicGraph(nn.Module):
    """Learned graphs, and what each clip adds to them."""

    def __init__(self, inputs, outputs, joints, mean_first):
        super().__init__()
        self.mean_first = mean_first
        self.A = nn.Parameter(0.04 + 0.02 * torch.randn(GRAPHS, joints, joints))
        self.alpha = nn.Parameter(torch.zeros(GRAPHS))
        self.beta = nn.Parameter(torch.zeros(GRAPHS))
        self.pre = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs), nn.ReLU()
        )
        self.conv1 = nn.Conv2d(inputs, outputs, 1)
        self.conv2 = nn.Conv2d(inputs, outputs, 1)
        self.post = nn.Conv2d(outputs, outputs, 1)
        self.bn = nn.BatchNorm2d(outputs)
        self.down = nn.Identity()
        if inputs != outputs:
            self.down = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        batch, _, frames, joints = x.shape
        values = self.pre(x).view(batch, GRAPHS, -1, frames, joints)
        if self.mean_first:
            mean = x.mean(2, keepdim=True)
            ends = self.conv1(mean), self.conv2(mean)
        else:
            ends = (
                conv(x).mean(2, keepdim=True)
                for conv in (self.conv1, self.conv2)
            )
        first, second = (e.view(batch, GRAPHS, -1, joints) for e in ends)
        differences = torch.tanh(first[..., None] - second[..., None, :])
        agreement = torch.einsum("nkcv,nkcw->nkvw", first, second).softmax(-2)
        graph = self.alpha[0] * differences
        graph = graph + self.beta[0] * agreement[:, :, None]
        graph = graph + self.A[:, None]
        y = torch.einsum("nkctv,nkcvw->nkctw", values, graph)
        y = self.post(y.reshape(batch, -1, frames, joints))
        return F.relu(self.bn(y) + self.down(x))


class LearnedGraph(nn.Module):
    """Three graphs, the same for all clips, that begin as the body."""

    def __init__(self, inputs, outputs, joints):
        super().__init__()
        self.A = nn.Parameter(0.04 + 0.02 * torch.randn(3, joints, joints))
        self.bn = nn.BatchNorm2d(outputs)
        self.conv = nn.Conv2d(inputs, 3 * outputs, 1)
        self.down = nn.Identity()
        if inputs != outputs:
            self.down = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        values = self.conv(x).unflatten(1, (3, -1))
        y = torch.einsum("nkctv,kvw->nctw", values, self.A)
        return F.relu(self.bn(y) + self.down(x))


class MultiScale(nn.Module):
    """Six branches over frames, then mixed; `mean` adds that of the joints."""

    def __init__(self, channels, stride, mean):
        super().__init__()
        width = channels // 6
        first = channels - 5 * width
        self.branches = nn.ModuleList()
        for dilation, own in zip(
            DILATIONS, (first, width, width, width), strict=True
        ):
            self.branches.append(
                nn.Sequential(
                    nn.Conv2d(channels, own, 1),
                    nn.BatchNorm2d(own),
                    nn.ReLU(),
                    Over(own, stride, dilation),
                )
            )
        self.branches.append(
            nn.Sequential(
                nn.Conv2d(channels, width, 1),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.MaxPool2d((3, 1), (stride, 1), (1, 0)),
            )
        )
        self.branches.append(nn.Conv2d(channels, width, 1, stride=(stride, 1)))
        self.has_mean = mean
        if mean:
            self.add_coeff = nn.Parameter(torch.zeros(25))
        self.transform = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 1),
        )
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x):
        joints = x.shape[3]
        if self.has_mean:
            x = torch.cat([x, x.mean(-1, keepdim=True)], -1)
        x = torch.cat([branch(x) for branch in self.branches], dim=1)
        if self.has_mean:
            local, mean = x[..., :joints], x[..., joints:]
            x = local + mean * self.add_coeff[:joints]
        return self.bn(self.transform(x))


class Block(nn.Module):
    def __init__(self, graph, inputs, outputs, stride, residual, mean):
        super().__init__()
        self.gcn = graph
        self.tcn = MultiScale(outputs, stride, mean)
        self.has_residual = residual
        self.residual = nn.Identity()
        if residual and (inputs != outputs or stride != 1):
            self.residual = Shortcut(inputs, outputs, stride)

    def forward(self, x):
        y = self.tcn(self.gcn(x))
        if self.has_residual:
            y = y + self.residual(x)
        return F.relu(y)


class Backbone(nn.Module):
    """From clips `(N, M, T, V, C)` to `(N, M, C', T', V)`."""

    def __init__(self, input_shape, width, plan, graph, mean):
        super().__init__()
        persons, _, joints, channels = input_shape
        self.data_bn = nn.BatchNorm1d(joints * channels)
        self.gcn = nn.ModuleList()
        for i, (factor, stride) in enumerate(plan):
            sizes = channels, factor * width
            own = graph(*sizes, joints)
            self.gcn.append(Block(own, *sizes, stride, i > 0, mean))
            channels = factor * width

    def forward(self, clips):
        batch, persons, frames, joints, channels = clips.shape
        x = clips.permute(0, 1, 3, 4, 2).reshape(-1, joints * channels, frames)
        x = self.data_bn(x).view(-1, joints, channels, frames)
        x = x.permute(0, 2, 3, 1).contiguous()
        for block in self.gcn:
            x = block(x)
        return x.view(batch, persons, *x.shape[1:])


class Classifier(nn.Module):
    """A backbone and its head; `input_shape` is `(M, T, V, C)`."""

    mean = True

    def __init__(self, input_shape, classes, width=64, plan=PLAN):
        super().__init__()
        self.backbone = Backbone(
            input_shape, width, plan, self.graph, self.mean
        )
        self.cls_head = nn.Module()
        self.cls_head.fc_cls = nn.Linear(plan[-1][0] * width, classes)

    def forward(self, clips):
        x = self.backbone(clips.permute(0, 4, 2, 3, 1))
        return self.cls_head.fc_cls(x.mean((3, 4)).mean(1))

    def loss(self, clips, labels):
        return F.cross_entropy(self(clips), labels)


class STGCNPlusPlus(Classifier):
    """ST-GCN++, the classifier of BRL."""

    mean = False

    @staticmethod
    def graph(*sizes):
        return LearnedGraph(*sizes)


class DGSTGCN(Classifier):
    """DG-STGCN."""

    @staticmethod
    def graph(*sizes):
        return DynamicGraph(*sizes, mean_first=True)


class ACLNet(Classifier):
    """The network of ACLNet."""

    @staticmethod
    def graph(*sizes):
        return DynamicGraph(*sizes, mean_first=False)

    def __init__(self, input_shape, classes, width=96, plan=PLAN):
        super().__init__(input_shape, classes, width, plan)


def randomize(model, seed=0):
    """As `graph_twins.randomize`."""
    graph_twins.randomize(model, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            for name in ("alpha", "beta", "add_coeff"):
                if isinstance(getattr(module, name, None), nn.Parameter):
                    getattr(module, name).uniform_(
                        0.3, 0.6, generator=generator
                    )
