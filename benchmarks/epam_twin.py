"""EPAM-Net in plain PyTorch, to measure ours against.

Its parts and the names of its tensors are those of the published files
(ahmed-nady/Multimodal-Action-Recognition), so that either model takes the
weights of the other. `tests/test_epam_twin.py` insists that it computes what
the published code does. Pictures are (N, C, T, H, W).
"""

import torch
from torch import nn


def rounded(channels):
    """Hidden channels of a squeeze and excitation, a multiple of 8."""
    wanted = channels / 16
    found = max(8, int(wanted + 4) // 8 * 8)
    return found if found >= 0.9 * wanted else found + 8


class Convolution(nn.Module):
    """A convolution over pictures, and its batch normalization."""

    def __init__(self, inputs, outputs, size=1, stride=1, groups=1):
        super().__init__()
        self.conv = nn.Conv3d(
            inputs,
            outputs,
            (1, size, size),
            (1, stride, stride),
            (0, size // 2, size // 2),
            groups=groups,
            bias=False,
        )
        self.bn = nn.BatchNorm3d(outputs)

    def forward(self, x):
        return self.bn(self.conv(x))


class Excitation(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc1 = nn.Conv3d(channels, rounded(channels), 1)
        self.fc2 = nn.Conv3d(rounded(channels), channels, 1)

    def forward(self, x):
        mean = x.mean(dim=(2, 3, 4), keepdim=True)
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(mean))))


class Block(nn.Module):
    def __init__(self, inputs, expanded, outputs, stride, shift, is_excited):
        super().__init__()
        self.shift = shift
        self.conv1 = Convolution(inputs, expanded)
        self.conv2 = Convolution(expanded, expanded, 3, stride, expanded)
        self.se_module = Excitation(expanded) if is_excited else None
        self.conv3 = Convolution(expanded, outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = Convolution(inputs, outputs, stride=stride)

    def forward(self, x):
        y = torch.relu(self.conv1(shifted(x, self.shift)))
        y = self.conv2(y)
        if self.se_module is not None:
            y = self.se_module(y)
        y = self.conv3(nn.functional.silu(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        return torch.relu(y + shortcut)


def shifted(x, share):
    """A part of the channels a frame ahead, another one a frame back."""
    count = x.shape[1] // share
    y = torch.zeros_like(x)
    y[:, :count, :-1] = x[:, :count, 1:]
    y[:, count : 2 * count, 1:] = x[:, count : 2 * count, :-1]
    y[:, 2 * count :] = x[:, 2 * count :]
    return y


class Stream(nn.Module):
    def __init__(self, channels, width, blocks, stride, shift):
        super().__init__()
        self.conv1_s = Convolution(channels, width, 3, stride)
        inputs = width
        self.stages = len(blocks)
        for stage, count in enumerate(blocks):
            outputs = width * 2**stage
            layers = []
            for i in range(count):
                layers.append(
                    Block(
                        inputs,
                        int(2.25 * outputs),
                        outputs,
                        2 if i == 0 else 1,
                        shift,
                        i % 2 == 0,
                    )
                )
                inputs = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.conv5 = Convolution(inputs, int(2.25 * inputs))
        self.width = int(2.25 * inputs)

    def forward(self, x):
        x = torch.relu(self.conv1_s(x))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return torch.relu(self.conv5(x))


class Spatial(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(2, 1, (1, 7, 7), padding=(0, 3, 3), bias=False)
        self.bn = nn.BatchNorm3d(1)

    def forward(self, x):
        largest = x.max(dim=1, keepdim=True).values
        both = torch.cat([largest, x.mean(dim=1, keepdim=True)], dim=1)
        return torch.sigmoid(self.bn(self.conv(both)))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.spatial = Spatial()
        self.conv_temporal_attention = nn.Conv1d(1, 1, 7, padding=3, bias=False)

    def forward(self, pose):
        where = self.spatial(pose)
        when = self.conv_temporal_attention(where.mean(dim=(3, 4)))
        return where * torch.sigmoid(when)[..., None, None]


class Head(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.fc_cls = nn.Linear(width, classes)

    def forward(self, x):
        return self.fc_cls(self.dropout(x.mean(dim=(2, 3, 4))))


class EPAMNet(nn.Module):
    """Scores of both streams; their sum is what is predicted."""

    def __init__(
        self,
        classes=60,
        joints=17,
        video=(24, (3, 5, 11, 7)),
        pose=(24, (5, 11, 7)),
    ):
        super().__init__()
        self.rgb_backbone = Stream(3, *video, 2, 8)
        self.pose_backbone = Stream(joints, *pose, 1, 4)
        self.attention_module = Attention()
        self.rgb_cls_head = Head(self.rgb_backbone.width, classes)
        self.pose_cls_head = Head(self.pose_backbone.width, classes)

    def forward(self, video, heatmaps):
        seen, pose = self.rgb_backbone(video), self.pose_backbone(heatmaps)
        every = pose.shape[2] // seen.shape[2]
        seen = seen + seen * self.attention_module(pose[:, :, ::every])
        return self.rgb_cls_head(seen), self.pose_cls_head(pose)
