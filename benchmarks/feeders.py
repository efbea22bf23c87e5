"""Preparation and feeding of clips in the plain style of research code.

What `data.py` times ours by: the same work, file by file and line by line,
sample by sample, without anything clever.
"""

import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader
from torch.utils.data import Dataset

JOINT_FIELDS = (
    *("x", "y", "z", "depth_x", "depth_y", "color_x", "color_y"),
    *("orientation_w", "orientation_x", "orientation_y", "orientation_z"),
    "state",
)


def read_bodies(path):
    """First pass over a raw NTU RGB+D file: what it shows of each body."""
    with open(path) as file:
        lines = file.readlines()
    num_frames = int(lines[0])
    row = 1
    shown = 0
    bodies = {}
    for _ in range(num_frames):
        num_bodies = int(lines[row])
        row += 1
        for _ in range(num_bodies):
            identity = lines[row].strip("\r\n").split()[0]
            num_joints = int(lines[row + 1])
            row += 2
            joints = []
            for _ in range(num_joints):
                fields = lines[row].strip("\r\n").split()
                values = [float(field) for field in fields]
                joint = dict(zip(JOINT_FIELDS, values, strict=True))
                joints.append([joint["x"], joint["y"], joint["z"]])
                row += 1
            body = bodies.setdefault(identity, {"joints": [], "start": shown})
            body["joints"].append(np.array(joints, dtype=np.float32))
        shown += num_bodies > 0
    for body in bodies.values():
        body["joints"] = np.stack(body["joints"])
        body["end"] = body["start"] + len(body["joints"]) - 1
        points = body["joints"].reshape(-1, 3)
        body["motion"] = np.sum(np.var(points, axis=0))
    return bodies, shown


def is_overlapping(body, span):
    return min(body["end"], span[1]) - max(body["start"], span[0]) > 0


def denoise(bodies, num_frames):
    """Second pass: frames `(T, 75)` or `(T, 150)` of the persons."""
    bodies = list(bodies.values())
    is_single = len(bodies) == 1
    if not is_single:
        bodies = [body for body in bodies if len(body["joints"]) > 11]
        for body in list(bodies):
            if len(bodies) == 1:
                break
            good = []
            for index, frame in enumerate(body["joints"]):
                width = frame[:, 0].max() - frame[:, 0].min()
                height = frame[:, 1].max() - frame[:, 1].min()
                if width <= 0.8 * height:
                    good.append(index)
            length = len(body["joints"])
            if (length - len(good)) / length >= 0.69754:
                bodies.remove(body)
            elif len(good) < length:
                points = body["joints"][good].reshape(-1, 3)
                motion = np.sum(np.var(points, axis=0))
                body["motion"] = min(body["motion"], motion)
    if len(bodies) == 1:
        frames = np.zeros((num_frames, 75), dtype=np.float32)
        body = bodies[0]
        frames[body["start"] : body["end"] + 1] = body["joints"].reshape(-1, 75)
    else:
        bodies.sort(key=lambda body: -body["motion"])
        frames = np.zeros((num_frames, 150), dtype=np.float32)
        spans = [None, (0, 0)]
        for body in bodies:
            for person in (0, 1):
                span = spans[person]
                if span is not None and is_overlapping(body, span):
                    continue
                span = span or (body["start"], body["end"])
                spans[person] = (
                    min(span[0], body["start"]),
                    max(span[1], body["end"]),
                )
                place = slice(75 * person, 75 * person + 75)
                rows = slice(body["start"], body["end"] + 1)
                frames[rows, place] = body["joints"].reshape(-1, 75)
                break
    if not is_single:
        frames = np.array([frame for frame in frames if frame.sum() != 0])
    return frames


def centre(frames):
    """Third pass: frames `(T, 150)` relative to the first spine."""
    first = 0
    while not np.any(frames[first, :75]):
        first += 1
    origin = np.copy(frames[first, 3:6])
    num_persons = frames.shape[1] // 75
    for frame in frames:
        for person in range(num_persons):
            part = frame[75 * person : 75 * person + 75]
            if num_persons == 1 or part.sum() != 0:
                part -= np.tile(origin, 25)
    if num_persons == 1:
        frames = np.hstack([frames, np.zeros_like(frames)])
    return frames


def prepare_files(paths):
    """All passes, one after the other; padded frames `(N, T, 150)`."""
    found = [read_bodies(path) for path in paths]
    clips = [denoise(*each) for each in found]
    clips = [centre(frames) for frames in clips]
    padded = np.zeros((len(clips), 300, 150), dtype=np.float32)
    for row, clip in zip(padded, clips, strict=True):
        row[: len(clip)] = clip
    return padded


def rotate(clip, angles):
    """Turns a tensor `(C, T, V, M)` about x, y and z."""
    num_frames = clip.shape[1]
    (cx, cy, cz), (sx, sy, sz) = torch.cos(angles), torch.sin(angles)
    one, zero = torch.ones(()), torch.zeros(())
    about_x = torch.stack([one, zero, zero, zero, cx, sx, zero, -sx, cx])
    about_y = torch.stack([cy, zero, -sy, zero, one, zero, sy, zero, cy])
    about_z = torch.stack([cz, sz, zero, -sz, cz, zero, zero, zero, one])
    matrix = about_z.view(3, 3) @ about_y.view(3, 3) @ about_x.view(3, 3)
    shape = clip.shape
    frames = clip.permute(1, 0, 2, 3).reshape(num_frames, 3, -1)
    frames = torch.matmul(matrix.expand(num_frames, 3, 3), frames)
    return frames.view(num_frames, 3, *shape[2:]).permute(1, 0, 2, 3)


def crop_resize(clip, num_valid, share, draw, num_frames, min_frames=64):
    """Crops an array `(C, T, V, M)` in time and resizes the crop."""
    length = max(math.floor(num_valid * share), min_frames)
    length = min(length, num_valid)
    start = int(draw * (num_valid - length + 1))
    crop = torch.tensor(clip[:, start : start + length], dtype=torch.float32)
    channels, _, joints, persons = crop.shape
    crop = crop.permute(0, 2, 3, 1).reshape(channels * joints * persons, length)
    crop = F.interpolate(
        crop[None, :, :, None],
        size=(num_frames, 1),
        mode="bilinear",
        align_corners=False,
    )
    crop = crop.view(channels, joints, persons, num_frames)
    return crop.permute(0, 3, 1, 2)


class MAMPFeeder(Dataset):
    """Padded clips `(N, T, 150)`, cropped, resized and rotated."""

    def __init__(self, rows, labels, num_frames=120, max_angle=0.3):
        rows = rows.reshape(*rows.shape[:2], 2, 25, 3)
        self.data = rows.transpose(0, 4, 1, 3, 2)
        self.labels = labels
        self.num_frames = num_frames
        self.max_angle = max_angle

    def __len__(self):
        return len(self.labels)

    def sample(self, index, share, draw, angles):
        clip = np.array(self.data[index])
        num_valid = np.sum(clip.sum(0).sum(-1).sum(-1) != 0)
        clip = crop_resize(clip, num_valid, share, draw, self.num_frames)
        return rotate(clip, angles)

    def __getitem__(self, index):
        share = np.random.rand() * 0.5 + 0.5
        angles = torch.empty(3).uniform_(-self.max_angle, self.max_angle)
        clip = self.sample(index, share, np.random.rand(), angles)
        return clip, self.labels[index]


class NWUCLAFeeder(Dataset):
    """Clips `(T, 20, 3)`, shown from random sides."""

    def __init__(self, clips, labels, num_frames=52):
        self.data = [np.asarray(clip, "float64") for clip in clips]
        self.labels = labels
        self.num_frames = num_frames

    def __len__(self):
        return len(self.labels)

    def sample(self, index, degrees, factor, frames):
        value = self.data[index]
        value = value - value[0, 1]
        ax, ay = np.radians(degrees)
        about_x = [
            [1, 0, 0],
            [0, math.cos(ax), math.sin(ax)],
            [0, -math.sin(ax), math.cos(ax)],
        ]
        about_y = [
            [math.cos(ay), 0, -math.sin(ay)],
            [0, 1, 0],
            [math.sin(ay), 0, math.cos(ay)],
        ]
        scale = np.diag([factor] * 3)
        matrix = np.dot(about_y, np.dot(about_x, scale))
        value = np.reshape(value, (-1, 3))
        value = np.dot(value, matrix)
        value = (value - np.min(value, axis=0)) / (
            np.max(value, axis=0) - np.min(value, axis=0)
        )
        value = value * 2 - 1
        value = np.reshape(value, (-1, 20, 3))
        clip = np.zeros((self.num_frames, 20, 3))
        clip[:] = value[frames]
        return np.transpose(clip, (2, 0, 1))[..., None]

    def __getitem__(self, index):
        degrees = random.randint(-60, 60), random.randint(-60, 60)
        factor = random.uniform(0.5, 1.5)
        frames = list(np.arange(len(self.data[index]))) * 100
        frames = sorted(random.sample(frames, self.num_frames))
        return self.sample(index, degrees, factor, frames), self.labels[index]


def loader(dataset, batch_size):
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        num_workers=0,
        drop_last=True,
    )
