"""The contrastive pre-training in plain PyTorch, in the published form.

The operations are those of the published code, one by one: convolutions with
the channels in front, recurrent units that are called frame by frame, a
network call for each view, a queue with one key in each column. Clips are
`(N, C, T, V, M)`, and the tensors have the published names, so that published
weights can be loaded with `load_state_dict`. The bodies' graphs are among the
weights.

`loss` moves the keys, computes the loss of the views and puts the new keys
into the queue, as one call of the published code does.
"""

import torch
import torch.nn.functional as F
from torch import nn

# Width of each block in multiples of the first, and its stride.
PLAN = (*4 * ((1, 1),), (2, 2), *2 * ((2, 1),), (4, 2), (4, 1))


class GraphProduct(nn.Module):
    def __init__(self, inputs, outputs, graphs=3):
        super().__init__()
        self.graphs = graphs
        self.conv = nn.Conv2d(inputs, graphs * outputs, 1)

    def forward(self, x, graph):
        x = self.conv(x).unflatten(1, (self.graphs, -1))
        return torch.einsum("nkctv,kvw->nctw", x, graph).contiguous()


class Block(nn.Module):
    """Graph product, then a convolution over frames, and a residual."""

    def __init__(self, inputs, outputs, stride, residual, dropout):
        super().__init__()
        self.gcn = GraphProduct(inputs, outputs)
        self.tcn = nn.Sequential(
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, (9, 1), (stride, 1), (4, 0)),
            nn.BatchNorm2d(outputs),
            nn.Dropout(dropout, inplace=True),
        )
        self.has_residual = residual
        if residual and (inputs != outputs or stride != 1):
            self.residual = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, (stride, 1)),
                nn.BatchNorm2d(outputs),
            )
        else:
            self.residual = nn.Identity()

    def forward(self, x, graph):
        residual = self.residual(x) if self.has_residual else 0
        return F.relu(self.tcn(self.gcn(x, graph)) + residual, inplace=True)


class Graphs(nn.Module):
    """What the networks of one and of several layouts share."""

    def __init__(self, channels, hidden_dim, output_dim, dropout, head_dim):
        super().__init__()
        plan = [(width * hidden_dim, stride) for width, stride in PLAN]
        inputs, self.st_gcn_networks = channels, nn.ModuleList()
        for i, (width, stride) in enumerate([*plan, (output_dim, 1)]):
            self.st_gcn_networks.append(
                Block(inputs, width, stride, i > 0, dropout if i > 0 else 0)
            )
            inputs = width
        self.fc = head(output_dim, head_dim)

    def normalize(self, clips, norm):
        """Features `(N * M, C, T, V)` of clips, normalized."""
        count, channels, frames, joints, persons = clips.shape
        x = clips.permute(0, 4, 3, 1, 2).contiguous()
        x = norm(x.view(count * persons, joints * channels, frames))
        x = x.view(count * persons, joints, channels, frames)
        return x.permute(0, 2, 3, 1).contiguous()

    def pool(self, x, persons):
        x = F.avg_pool2d(x, x.shape[2:]).view(-1, persons, x.shape[1])
        return self.fc(x.mean(1))


class STGCN(Graphs):
    """Network of HiCLR, with the projection."""

    def __init__(self, shape, hidden_dim, output_dim, dropout, head_dim):
        persons, _, joints, channels = shape
        super().__init__(channels, hidden_dim, output_dim, dropout, head_dim)
        self.register_buffer("A", torch.rand(3, joints, joints) / joints)
        self.data_bn = nn.BatchNorm1d(channels * joints)
        for i in range(len(self.st_gcn_networks)):
            weight = nn.Parameter(torch.ones(3, joints, joints))
            self.register_parameter(f"edge_importance{i + 1}", weight)

    def forward(self, clips):
        x = self.normalize(clips, self.data_bn)
        for i, block in enumerate(self.st_gcn_networks):
            x = block(x, self.A * getattr(self, f"edge_importance{i + 1}"))
        return self.pool(x, clips.shape[-1])


class FlexibleSTGCN(Graphs):
    """Network of MS-CLR for several layouts, with the projection.

    `layouts` are numbers of joints by the layouts' names.
    """

    def __init__(
        self, shape, layouts, hidden_dim, output_dim, dropout, head_dim
    ):
        persons, _, joints, channels = shape
        super().__init__(channels, hidden_dim, output_dim, dropout, head_dim)
        self.layouts, self.joints = dict(layouts), joints
        self.data_bn, self.edge_importance = nn.ModuleDict(), nn.ModuleDict()
        for name, size in self.layouts.items():
            margin = (0, joints - size, 0, joints - size)
            graph = torch.rand(3, size, size) / size
            self.register_buffer(f"A_{name}", F.pad(graph, margin))
            self.data_bn[name] = nn.BatchNorm1d(channels * size)
            self.edge_importance[name] = nn.ParameterList(
                F.pad(torch.ones(3, size, size), margin)
                for _ in self.st_gcn_networks
            )

    def forward(self, clips, layout, drop=False):
        size = self.layouts[layout]
        x = self.normalize(clips[:, :, :, :size], self.data_bn[layout])
        x = F.pad(x, (0, self.joints - size))
        graph = getattr(self, f"A_{layout}")
        weights = self.edge_importance[layout]
        for block, weight in zip(self.st_gcn_networks, weights, strict=True):
            x = block(x, graph * weight)
        x, persons = x[..., :size], clips.shape[-1]
        if not drop:
            return self.pool(x, persons)
        return self.pool(x, persons), self.pool(drop_features(x), persons)


def drop_features(x, threshold=0.7):
    """Without the joints, and then the features, that stand out."""
    rows, channels, frames, joints = x.shape
    with torch.no_grad():
        square = (x - x.mean(dim=(2, 3), keepdim=True)).square()
        spread = square.sum(dim=(2, 3), keepdim=True) / (frames * joints - 1)
        attention = torch.sigmoid(square / (4 * (spread + 1e-4)) + 0.5)
        of_joints = (attention.mean(dim=(1, 2)) < threshold).float()
        of_joints = of_joints.view(rows, 1, 1, joints)
        kept = (attention < threshold).float()
    x = x * of_joints * of_joints.numel() / of_joints.sum()
    return x * kept * kept.numel() / kept.sum()


class StepwiseGRU(nn.Module):
    """Two-directional units that are given one frame at a time."""

    def __init__(self, inputs, hidden_dim, num_layers):
        super().__init__()
        self.gru = nn.GRU(
            inputs,
            hidden_dim,
            num_layers,
            batch_first=True,
            bidirectional=True,
        )

    def forward(self, frames):
        count = 2 * self.gru.num_layers
        state = frames.new_zeros(count, len(frames), self.gru.hidden_size)
        outputs = frames.new_zeros(
            len(frames), frames.shape[1], 2 * self.gru.hidden_size
        )
        for t in range(frames.shape[1]):
            top, state = self.gru(frames[:, t : t + 1], state)
            outputs[:, t : t + 1] = top
        return outputs


class Recurrent(nn.Module):
    """Network of HaLP, with the projection."""

    def __init__(self, shape, hidden_dim, num_layers, head_dim):
        super().__init__()
        persons, _, joints, channels = shape
        width = persons * joints * channels
        self.encoder = StepwiseGRU(width, hidden_dim, num_layers)
        self.input_norm = nn.BatchNorm1d(width)
        self.fc = head(2 * hidden_dim, head_dim)

    def forward(self, clips):
        x = clips.permute(0, 2, 3, 1, 4).flatten(2)
        x = self.input_norm(x.permute(0, 2, 1)).permute(0, 2, 1)
        return self.fc(self.encoder(x)[:, -1])


def head(inputs, outputs):
    return nn.Sequential(
        nn.Linear(inputs, inputs), nn.ReLU(), nn.Linear(inputs, outputs)
    )


class Contrast(nn.Module):
    """Queries, keys and the queue."""

    def __init__(
        self, encoder_q, encoder_k, head_dim, queue_size, momentum, temperature
    ):
        super().__init__()
        self.encoder_q, self.encoder_k = encoder_q, encoder_k
        self.momentum, self.temperature = momentum, temperature
        encoder_k.requires_grad_(False)
        for key, query in zip(
            encoder_k.parameters(), encoder_q.parameters(), strict=True
        ):
            key.data.copy_(query.data)
        queue = F.normalize(torch.randn(head_dim, queue_size), dim=0)
        self.register_buffer("queue", queue)
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    @torch.no_grad()
    def keys_of(self, *view):
        """The keys of a view, by weights that have moved before."""
        for key, query in zip(
            self.encoder_k.parameters(),
            self.encoder_q.parameters(),
            strict=True,
        ):
            key.data = key.data * self.momentum + query.data * (
                1 - self.momentum
            )
        return F.normalize(self.encoder_k(*view), dim=1)

    def similarities(self, queries, keys):
        own = torch.einsum("nc,nc->n", queries, keys).unsqueeze(-1)
        others = torch.einsum("nc,ck->nk", queries, self.queue.clone().detach())
        return torch.cat([own, others], dim=1) / self.temperature

    def contrast(self, logits, views=(), mine=0):
        """The mean over the clips; that many neighbours of each view count."""
        if not mine:
            labels = torch.zeros(len(logits), dtype=torch.long)
            return F.cross_entropy(logits, labels)
        positives = torch.zeros_like(logits)
        positives[:, 0] = 1
        for each in views:
            nearest = each[:, 1:].topk(mine, dim=1)[1]
            positives.scatter_(1, nearest + 1, 1)
        shares = (F.log_softmax(logits, dim=1) * positives).sum(1)
        return -(shares / positives.sum(1)).mean()

    @staticmethod
    def follow(guide, follower):
        """Cross-entropy of a distribution to that which guides it."""
        target = F.softmax(guide, dim=1).detach()
        return -(target * F.log_softmax(follower, dim=1)).sum(1).mean()

    @torch.no_grad()
    def push(self, keys):
        start = int(self.queue_ptr)
        self.queue[:, start : start + len(keys)] = keys.T
        self.queue_ptr[0] = (start + len(keys)) % self.queue.shape[1]


class HiCLR(Contrast):
    def __init__(self, shape, hidden_dim, output_dim, dropout, **contrast):
        sizes = shape, hidden_dim, output_dim, dropout, contrast["head_dim"]
        super().__init__(STGCN(*sizes), STGCN(*sizes), **contrast)
        self.mask_param = nn.Parameter(torch.zeros(1))

    def loss(self, basic, key, normal, strong, mask=None, mine=0):
        """Loss; the mask `(T, V)` is 0 where joints are replaced."""
        if mask is None:
            mask = draw_mask(*strong.shape[2:4])
        mask = mask[None, None, :, :, None]
        strong = strong * mask + self.mask_param * (1 - mask)
        queries = [
            F.normalize(self.encoder_q(x), dim=1)
            for x in (basic, normal, strong)
        ]
        keys = self.keys_of(key)
        logits = [self.similarities(query, keys) for query in queries]
        loss = self.contrast(logits[0], logits, mine) + 0.5 * (
            self.follow(logits[0], logits[1])
            + self.follow(logits[1], logits[2])
        )
        self.push(keys)
        return loss


def draw_mask(frames, joints, ratio=0.1):
    """A mask with a tenth of the joints of each frame 0."""
    mask = torch.ones(frames, joints)
    drawn = torch.rand(frames, joints).argsort(1)[:, : int(joints * ratio)]
    return mask.scatter_(1, drawn, 0)


class MSCLR(Contrast):
    def __init__(
        self, shape, layouts, hidden_dim, output_dim, dropout, **contrast
    ):
        sizes = (
            *(shape, layouts, hidden_dim, output_dim, dropout),
            contrast["head_dim"],
        )
        super().__init__(
            FlexibleSTGCN(*sizes), FlexibleSTGCN(*sizes), **contrast
        )

    def loss(self, basic, key, extreme, layout, key_layout, mine=0):
        queries = [
            self.encoder_q(basic, layout),
            *self.encoder_q(extreme, layout, drop=True),
        ]
        queries = [F.normalize(query, dim=1) for query in queries]
        keys = self.keys_of(key, key_layout)
        logits = [self.similarities(query, keys) for query in queries]
        loss = self.contrast(logits[0], logits, mine) + 0.5 * (
            self.follow(logits[0], logits[1])
            + self.follow(logits[0], logits[2])
        )
        self.push(keys)
        return loss


class HaLP(Contrast):
    """Without the clustering, which is not PyTorch in the published code."""

    def __init__(
        self,
        shape,
        hidden_dim,
        num_layers,
        num_prototypes,
        num_positives,
        margin,
        weight,
        num_candidates=20,
        num_skipped=1,
        **contrast,
    ):
        sizes = shape, hidden_dim, num_layers, contrast["head_dim"]
        super().__init__(Recurrent(*sizes), Recurrent(*sizes), **contrast)
        self.num_positives, self.margin = num_positives, margin
        self.weight = weight
        self.num_candidates, self.num_skipped = num_candidates, num_skipped
        prototypes = torch.randn(num_prototypes, contrast["head_dim"])
        self.register_buffer("prototypes", F.normalize(prototypes, dim=1))

    def loss(self, query, key, columns=None, shares=None):
        """Loss; columns and shares `(N, positives)` are drawn if left out."""
        queries = F.normalize(self.encoder_q(query), dim=1)
        keys = self.keys_of(key)
        loss = self.contrast(self.similarities(queries, keys))
        with torch.no_grad():
            positives, is_kept = self.positives(keys, columns, shares)
        similarity = torch.einsum("nc,npc->np", queries, positives)
        similarity = similarity / self.temperature
        pull = -(similarity * is_kept).sum() / (is_kept.sum() + 1e-8)
        self.push(keys)
        return loss + self.weight * pull

    def positives(self, keys, columns=None, shares=None):
        """Positives `(N, P, E)` between prototypes, and which ones count."""
        size = len(keys), self.num_positives
        order = (keys @ self.prototypes.T).argsort(dim=1)
        candidates = order[:, : -self.num_skipped][:, -self.num_candidates :]
        if columns is None:
            columns = torch.randint(candidates.shape[1], size)
            shares = torch.rand(size) * self.margin
        nearest = order[:, -1]
        towards = self.prototypes[candidates.gather(1, columns)]
        own, keys = self.prototypes[nearest][:, None], keys[:, None]
        angle = (keys * towards).sum(-1).clamp(-1, 1).acos()
        kappa = 1 - (towards * own).sum(-1)
        kappa = kappa / ((keys * (own - towards)).sum(-1) + 1e-8)
        boundary = torch.atan(angle.sin() / (kappa + angle.cos() + 1e-8))
        boundary = boundary / (angle + 1e-8)
        if self.margin == 1000:
            share = boundary - 0.01
        else:
            share = (1 - shares) * boundary
        share = share.unsqueeze(-1)
        angle = angle.unsqueeze(-1)
        points = ((1 - share) * angle).sin() * keys
        points = points + (share * angle).sin() * towards
        points = F.normalize(points / (angle.sin() + 1e-8), dim=-1)
        found = (points @ self.prototypes.T).argmax(dim=-1)
        return points, (found == nearest[:, None]).float()
