"""Skeletons and labels over pictures (Pillow)."""

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import skeletons
from keras_skeleton.skeletons.skeleton import SkeletonLike

# By person, in turn; told apart also by those who do not see all colours.
COLORS = (
    (255, 176, 0),
    (100, 143, 255),
    (220, 38, 127),
    (0, 190, 140),
    (254, 97, 0),
    (150, 110, 240),
)


def color_of(person):
    """The colour of a person by number."""
    return COLORS[(person - 1) % len(COLORS)]


def draw_over(
    image: ArrayLike,
    joints: ArrayLike,
    skeleton: SkeletonLike,
    scores: ArrayLike | None = None,
    labels=None,
    numbers=None,
    least=0.2,
) -> np.ndarray:
    """Draws persons with their bones and labels over a picture.

    Args:
        image: uint8 array `(H, W, 3)`, or `(width, height)` for a dark
            ground.
        joints: Array `(M, V, 2)`, places in pixels; may be empty.
        skeleton: A `Skeleton` or the name of a registered one.
        scores: Array `(M, V)`; joints below `least` are not drawn. By default
            all are.
        labels: list of `M` texts, or `None`.
        numbers: list of `M` numbers of persons, from 1, which choose the
            colours; by default the order.
        least: Least score of joints that are drawn.

    Returns:
        uint8 array `(H, W, 3)`; the picture itself stays.

    Example:

    >>> picture = np.zeros((120, 160, 3), "uint8")
    >>> joints = np.random.uniform(20, 100, (1, 17, 2))
    >>> draw_over(picture, joints, "coco17", labels=["wave"]).shape
    (120, 160, 3)
    """
    from PIL import Image
    from PIL import ImageDraw

    skeleton = skeletons.get(skeleton)
    joints = np.asarray(joints, "float32")
    if joints.size and joints.shape[1:] != (skeleton.num_joints, 2):
        raise ValueError(
            f"`joints` must have the shape (M, {skeleton.num_joints}, 2) for "
            f"the skeleton {skeleton.name!r}. Received shape {joints.shape}."
        )
    if isinstance(image, tuple):
        picture = Image.new("RGB", image, (24, 26, 30))
    else:
        picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    height = picture.size[1]
    width = max(2, round(height / 180))
    boxes = []
    for place in range(len(joints)):
        points = joints[place]
        seen = np.ones(len(points), bool)
        if scores is not None:
            seen = np.asarray(scores[place]) >= least
        if not seen.any():
            continue
        color = color_of(place + 1 if numbers is None else numbers[place])
        for child, parent in skeleton.edges:
            if seen[child] and seen[parent]:
                ends = [tuple(points[child]), tuple(points[parent])]
                draw.line(ends, fill=color, width=width)
        for x, y in points[seen]:
            box = (x - width, y - width, x + width, y + width)
            draw.ellipse(box, fill="white", outline=color)
        if labels is not None and labels[place]:
            top = points[seen].min(0)
            _label(draw, top, labels[place], color, picture.size, boxes)
    return np.asarray(picture)


def _label(draw, place, text, color, size, boxes):
    """Writes above a person, inside the picture, beside other labels."""
    from PIL import ImageFont

    font = ImageFont.load_default(max(12, size[1] // 24))
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    pad = max(2, size[1] // 150)
    wide, high = right - left + 2 * pad, bottom - top + 2 * pad
    x = float(np.clip(place[0], 0, max(size[0] - wide, 0)))
    y = float(np.clip(place[1] - high - 3 * pad, 0, max(size[1] - high, 0)))
    while (
        any(
            x < other[2]
            and other[0] < x + wide
            and y < other[3]
            and other[1] < y + high
            for other in boxes
        )
        and y + 2 * high <= size[1]
    ):
        y += high
    boxes.append((x, y, x + wide, y + high))
    draw.rectangle(boxes[-1], fill=color)
    ink = "black" if sum(color) > 380 else "white"
    draw.text((x + pad - left, y + pad - top), text, fill=ink, font=font)
