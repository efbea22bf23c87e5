"""Point clouds of persons, prepared for networks of points, in NumPy.

A cloud is turned to the axes of the person and brought to the size of a box,
its points get the normals of the surface, and their order says which of them
are the centres of groups. The steps and their constants are those of Hand
PointNet, whose format C3P takes; C3P published prepared data only, so that
their use here is a choice. Points are metres in the axes of a camera, z away
from it.
"""

import numpy as np
from numpy.typing import ArrayLike

# How much longer than the cloud the side of its box is.
ROOM = 1.2
# Distances are computed for so many pairs at once.
PAIRS = 1 << 22


def prepare_clouds(
    clouds, number=2048, centres=(512, 128), neighbours=30, seed=0
) -> dict[str, np.ndarray]:
    """Turns point clouds into what a network of points takes.

    For each cloud: turn it so that its axes are those of falling extent
    (`principal_axes`); divide by the length of its box, 1.2 of the largest
    extent; choose points; take the plane through the nearest points of each
    for its normal, turned towards the camera; move the middle to 0; and order
    the points so that the first 512 of 2048, and the first 128 of these,
    cover the person evenly (`farthest_points`).

    Args:
        clouds: List of arrays `(P, 3)`, the points of a person in each frame,
            at least three.
        number: Points to choose. Of fewer, all are repeated as often as they
            fit, and the rest is drawn.
        centres: Numbers of the points that come first, falling.
        neighbours: Points that a normal is made of, among all of the cloud.
        seed: Seed of the choice and of the order.

    Returns:
        Dict of float32 arrays: `points` `(T, number, 6)`, places in the box
        and normals; `rotation` `(T, 3, 3)`, the axes in columns; `offset`
        `(T, 3)`; and `length` `(T,)`, of the box in metres. `to_box` and
        `from_box` need the last three.

    Raises:
        ValueError: If a cloud has fewer than three points or one that is not
            finite, or the numbers do not fall.

    Example:

    >>> clouds = [np.random.default_rng(0).normal(size=(900, 3)) + (0, 0, 3)]
    >>> prepare_clouds(clouds)["points"].shape
    (1, 2048, 6)

    Reference: Ge et al., Hand PointNet, CVPR 2018; official code
    3huo/Hand-Pointnet. Wu et al., C3P, ECCV 2022; official code
    wucunlin/C3P.
    """
    sizes = (number, *centres)
    if any(a < b for a, b in zip(sizes, sizes[1:], strict=False)) or (
        min(sizes) < 1
    ):
        raise ValueError(
            "`number` and `centres` must be falling numbers of points. "
            f"Received number={number}, centres={tuple(centres)}."
        )
    found = [
        _prepare(
            _checked(points, index),
            number,
            centres,
            neighbours,
            np.random.default_rng((seed, index)),
        )
        for index, points in enumerate(clouds)
    ]
    if not found:
        raise ValueError("There are no clouds to prepare.")
    keys = ("points", "rotation", "offset", "length")
    return {
        key: np.stack([each[i] for each in found]).astype("float32")
        for i, key in enumerate(keys)
    }


def depth_clouds(
    depth: ArrayLike, mask: ArrayLike, intrinsics: ArrayLike
) -> list[np.ndarray]:
    """The points that depth maps show.

    Args:
        depth: Array `(T, H, W)` in metres; 0 where nothing was measured.
        mask: boolean `(T, H, W)`, the pixels that count.
        intrinsics: The matrix of the camera `(3, 3)`, see `datasets.depth`.

    Returns:
        List of `T` float32 arrays `(P, 3)` in metres, in the axes of the
        camera, for `prepare_clouds`.

    Example:

    >>> clouds = depth_clouds(depth, is_person, camera.intrinsics)
    """
    (fx, _, cx), (_, fy, cy), _ = np.asarray(intrinsics, "float32")
    clouds = []
    for picture, wanted in zip(depth, mask, strict=True):
        rows, columns = np.nonzero(np.asarray(wanted) & (picture > 0))
        z = picture[rows, columns]
        points = [(columns - cx) * z / fx, (rows - cy) * z / fy, z]
        clouds.append(np.stack(points, axis=-1).astype("float32"))
    return clouds


def principal_axes(points: ArrayLike) -> np.ndarray:
    """The axes of a cloud in columns, that of its largest extent first.

    The first points to positive y, the third to positive z, and the second
    makes them a rotation.

    Args:
        points: Array `(P, 3)`.

    Returns:
        float64 `(3, 3)`.
    """
    spread = np.cov(np.asarray(points, "float64").T)
    # Rising, in columns.
    _, axes = np.linalg.eigh(spread)
    first, third = axes[:, 2], axes[:, 0]
    first = -first if first[1] < 0 else first
    third = -third if third[2] < 0 else third
    return np.stack([first, np.cross(third, first), third], axis=1)


def to_box(
    joints: ArrayLike, rotation: ArrayLike, offset: ArrayLike, length: ArrayLike
) -> np.ndarray:
    """Joints in metres as places in the box of their cloud.

    Args:
        joints: Array `(..., V, 3)`.
        rotation: Array `(..., 3, 3)`, as `prepare_clouds` gives them.
        offset: Array `(..., 3)`.
        length: Array `(...)`.

    Returns:
        Array `(..., V, 3)`.
    """
    offset, length = _broadcast(offset, length)
    return np.asarray(joints) @ np.asarray(rotation) / length - offset


def from_box(
    places: ArrayLike, rotation: ArrayLike, offset: ArrayLike, length: ArrayLike
) -> np.ndarray:
    """The reverse of `to_box`."""
    offset, length = _broadcast(offset, length)
    places = (np.asarray(places) + offset) * length
    return places @ np.swapaxes(np.asarray(rotation), -1, -2)


def _broadcast(offset, length):
    return (
        np.asarray(offset)[..., None, :],
        np.asarray(length)[..., None, None],
    )


def surface_normals(
    points: ArrayLike, cloud: ArrayLike, neighbours=30
) -> np.ndarray:
    """Normals of a surface that is known by points, towards the camera.

    The direction of least extent of the nearest points, with a sign by which
    it points to the camera at the origin.

    Args:
        points: Array `(P, 3)`, where normals are wanted.
        cloud: Array `(Q, 3)`, all points that are known.
        neighbours: How many of them make a plane, at least 3.

    Returns:
        float64 `(P, 3)` of length 1.
    """
    points, cloud = (np.asarray(x, "float64") for x in (points, cloud))
    neighbours = min(neighbours, len(cloud))
    near = np.empty((len(points), neighbours), int)
    step = max(1, PAIRS // len(cloud))
    for start in range(0, len(points), step):
        piece = slice(start, start + step)
        distance = _squares(points[piece], cloud)
        if neighbours < len(cloud):
            order = np.argpartition(distance, neighbours - 1, axis=1)
            near[piece] = order[:, :neighbours]
        else:
            near[piece] = np.arange(len(cloud))
    around = cloud[near]
    around = around - around.mean(axis=1, keepdims=True)
    _, axes = np.linalg.eigh(np.swapaxes(around, 1, 2) @ around)
    normals = axes[..., 0]
    away = np.sum(normals * points, axis=-1) > 0
    return np.where(away[:, None], -normals, normals)


def farthest_points(points: ArrayLike, number: int, start=0) -> np.ndarray:
    """Points that cover a cloud evenly.

    Each is the one farthest from all those before it; of equally far ones the
    first.

    Args:
        points: Array `(P, 3)`.
        number: How many, at most P.
        start: Number of the first.

    Returns:
        int64 `(number,)`.
    """
    points = np.asarray(points, "float64")
    if not 1 <= number <= len(points):
        raise ValueError(
            f"`number` must be 1 to the {len(points)} points. Received "
            f"number={number}."
        )
    chosen = np.empty(number, "int64")
    chosen[0] = start
    distance = np.full(len(points), np.inf)
    # Copies of a point are as far as it is; none is chosen twice.
    distance[start] = -1
    for i in range(1, number):
        last = points[chosen[i - 1]]
        square = np.sum((points - last) ** 2, axis=1)
        distance = np.minimum(distance, square)
        chosen[i] = np.argmax(distance)
        distance[chosen[i]] = -1
    return chosen


def clusters(points: ArrayLike, radius=0.15, least=10) -> np.ndarray:
    """Parts of a cloud that hang together: DBSCAN.

    A point is in the core of a part if `least` points, itself included, lie
    within `radius`. Cores within `radius` of each other are one part, and
    what is within `radius` of a core belongs to the part of the nearest.

    Args:
        points: Array `(P, 3)`.
        radius: Distance in metres.
        least: Number of points.

    Returns:
        int64 `(P,)`: the number of the part, that of most points 0; -1 of
        points in none.

    Reference: Ester et al., A density-based algorithm for discovering
    clusters, KDD 1996.
    """
    points = np.asarray(points, "float64")
    labels = np.full(len(points), -1)
    if not len(points):
        return labels
    square = radius**2
    near = list(_neighbourhoods(points, radius))
    is_core = np.zeros(len(points), bool)
    for own, around in near:
        close = _squares(points[own], points[around]) <= square
        is_core[own] = close.sum(axis=1) >= least
    # In a cell, all points are within the radius of each other: cells with
    # cores are joined as wholes.
    parts = _Parts(len(near))
    cell_of = np.empty(len(points), int)
    for number, (own, _) in enumerate(near):
        cell_of[own] = number
    for number, (own, around) in enumerate(near):
        cores = own[is_core[own]]
        others = around[is_core[around]]
        others = others[cell_of[others] > number]
        if not len(cores) or not len(others):
            continue
        close = (_squares(cores, others, points) <= square).any(axis=0)
        for other in np.unique(cell_of[others[close]]):
            parts.join(number, other)
    roots = np.array([parts.root(number) for number in range(len(near))])
    labels[is_core] = roots[cell_of[is_core]]
    for own, around in near:
        edge = own[~is_core[own]]
        cores = around[is_core[around]]
        if not len(edge) or not len(cores):
            continue
        distance = _squares(edge, cores, points)
        nearest = cores[distance.argmin(axis=1)]
        reached = distance.min(axis=1) <= square
        labels[edge[reached]] = labels[nearest[reached]]
    names, counts = np.unique(labels[labels >= 0], return_counts=True)
    rank = np.full(len(near) + 1, -1)
    rank[names[np.argsort(-counts, kind="stable")]] = np.arange(len(names))
    return rank[labels]


class _Parts:
    """Numbers that are joined to parts, known by their lowest."""

    def __init__(self, count):
        self.parents = list(range(count))

    def root(self, number):
        while self.parents[number] != number:
            number = self.parents[number]
        return number

    def join(self, one, other):
        one, other = sorted((self.root(one), self.root(other)))
        self.parents[other] = one


def _neighbourhoods(points, radius):
    """For each cell with points: theirs, and all that may be near them."""
    cells = np.floor((points - points.min(axis=0)) * 3**0.5 / radius)
    cells = cells.astype(int)
    _, number = np.unique(cells, axis=0, return_inverse=True)
    order = np.argsort(number.ravel(), kind="stable")
    starts = np.flatnonzero(np.diff(number.ravel()[order], prepend=-1))
    members = np.split(order, starts[1:])
    places = {tuple(cells[own[0]]): own for own in members}
    steps = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    for place, own in places.items():
        around = map(tuple, place + steps)
        yield own, np.concatenate([places[p] for p in around if p in places])


def _squares(one, other, points=None):
    """Squared distances `(P, Q)` of points, or of those with these numbers."""
    if points is not None:
        one, other = points[one], points[other]
    # From differences: the shorter formula loses what is nearly 0.
    total = np.zeros((len(one), len(other)))
    for axis in range(3):
        total += np.subtract.outer(one[:, axis], other[:, axis]) ** 2
    return total


def _checked(points, index):
    points = np.asarray(points, "float64")
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 3:
        raise ValueError(
            "A cloud must have at least three points in metres, (points, 3). "
            f"Received shape {points.shape} for frame {index}. Leave frames "
            "without a person out."
        )
    if not np.isfinite(points).all():
        raise ValueError(
            f"The cloud of frame {index} has points that are not finite."
        )
    return points


def _prepare(points, number, centres, neighbours, generator):
    rotation = principal_axes(points)
    turned = points @ rotation
    length = ROOM * np.ptp(turned, axis=0).max()
    if not length > 0:
        raise ValueError("All points of a cloud are at one place.")
    times, rest = divmod(number, len(points))
    chosen = np.concatenate(
        [
            np.tile(np.arange(len(points)), times),
            generator.permutation(len(points))[:rest],
        ]
    )
    places = turned[chosen] / length
    middle = places.mean(axis=0)
    if times:
        middle = turned.mean(axis=0) / length
    normals = surface_normals(points[chosen], points, neighbours) @ rotation
    order, reach = np.arange(number), number
    for count in centres:
        head = order[:reach]
        start = generator.integers(reach)
        taken = farthest_points(places[head], count, start)
        order[:reach] = np.concatenate([head[taken], np.delete(head, taken)])
        reach = count
    cloud = np.concatenate([places - middle, normals], axis=1)[order]
    return cloud, rotation, middle, length


def clean_person(
    points: ArrayLike,
    space=((-0.85, 0.95), (-1.7, 1.0), (1.85, 3.7)),
    floor=True,
    radius=0.15,
    least=10,
    margin=0.1,
) -> np.ndarray:
    """The points of the person in the cloud of a whole scene.

    Leaves out what is outside of a space, then the floor, then all but the
    largest of the parts that hang together (`clusters`) and those whose
    middle is in the box around it, a little enlarged: a hand in front of the
    body may be a part of its own.

    These are the steps of SPiKE for ITOP, with its space, radius and number.
    It finds the floor in a histogram of heights, too; how is a choice here:
    the fullest step of 5 cm in the lower quarter is the floor if it has three
    times the points of the median step, and all up to 2 cm above it goes. By
    how much the box is enlarged is a choice as well.

    Args:
        points: Array `(P, 3)` in metres, y up.
        space: Lowest and highest x, y and z of the person, or `None`.
        floor: Whether the floor is to be removed.
        radius: See `clusters`.
        least: See `clusters`.
        margin: By how much the box is enlarged on each side, in metres.

    Returns:
        boolean array `(P,)`: which points are the person. None are where the
        scene is empty.

    Reference: Ballester et al., SPiKE, 2024, arXiv 2409.01879; official code
    iballester/SPiKE.
    """
    points = np.asarray(points, "float64")
    kept = np.isfinite(points).all(axis=1)
    if space is not None:
        low, high = np.array(space).T
        kept &= (points >= low).all(axis=1) & (points <= high).all(axis=1)
    if floor and kept.any():
        kept &= points[:, 1] > _floor(points[kept, 1])
    rows = np.flatnonzero(kept)
    labels = clusters(points[rows], radius, least)
    is_person = np.zeros(len(points), bool)
    largest = points[rows[labels == 0]]
    if not len(largest):
        return is_person
    low, high = largest.min(axis=0) - margin, largest.max(axis=0) + margin
    for part in range(labels.max() + 1):
        own = rows[labels == part]
        middle = points[own].mean(axis=0)
        if part == 0 or np.all((middle >= low) & (middle <= high)):
            is_person[own] = True
    return is_person


def _floor(heights, step=0.05):
    """The height up to which there is floor, below all where there is none."""
    edges = np.arange(heights.min(), heights.max() + 2 * step, step)
    counts, _ = np.histogram(heights, edges)
    lower = counts[: max(1, len(counts) // 4)]
    fullest = int(np.argmax(lower))
    if lower[fullest] < 3 * np.median(counts[counts > 0]):
        return -np.inf
    return edges[fullest + 1] + 0.02
