"""Uniform numbers that make transforms draw what a fixture drew."""

import numpy as np


def of_integers(values, low, high):
    """For whole numbers from `low` to `high`."""
    return (np.asarray(values, "float64") - low + 0.5) / (high - low + 1)


def of_range(values, low, high):
    """For numbers between two limits."""
    return (np.asarray(values, "float64") - low) / (high - low)


def of_choice(chosen, population):
    """For different numbers below `population`, in any order."""
    chosen = np.sort(np.asarray(chosen, "int64"))
    last = population - len(chosen) + np.arange(len(chosen))
    return of_integers(chosen, 0, last)


def of_frames(frames, length, copies=100):
    """For frames taken without replacement from copies of a clip."""
    frames = np.sort(np.asarray(frames, "int64"))
    copy = np.arange(len(frames)) - np.searchsorted(frames, frames)
    return of_choice(copy * length + frames, copies * length)


def of_crop(interval, share, start, valid, min_frames=64):
    """For `CropResize`: a drawn share of the frames and the first frame."""
    low, high = interval
    length = min(max(int(np.floor(valid * share)), min_frames), valid)
    return np.array(
        [
            of_range(share, low, high),
            of_integers(start, 0, valid - length),
        ]
    )


def of_angles(angles, limit=0.3):
    """For `RandomRotation(limit)`."""
    return of_range(angles, -limit, limit)


def of_normal(values):
    """For `GaussianNoise` of deviation 1 on one clip."""
    values = np.asarray(values, "float64").reshape(-1)
    values = np.append(values, np.zeros(len(values) % 2))
    x, y = values.reshape(2, -1)
    radius = -np.expm1(-(x**2 + y**2) / 2)
    angle = np.arctan2(y, x) / (2 * np.pi) % 1
    return np.concatenate([radius, angle])


def of_noise(normal, direction, coordinates):
    """For `RandomNoise`, whose Box-Muller transform is to be `normal`."""
    normal = normal.astype("float64")
    radius = -np.expm1(-(normal**2) / 2)
    angle = np.where(normal < 0, 0.5, 0.0)
    point = direction.reshape(coordinates, -1).T
    return np.concatenate([radius, angle, of_range(point.ravel(), -1, 1)])
