"""Pictures of moving figures: video, depth maps and point clouds of clips.

Limbs are drawn as rounded cylinders in perspective. Joints and the camera are
known exactly, so that models of video or depth can be trained and measured
without any download.
"""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import skeletons
from keras_skeleton.datasets.sequences import Sequences
from keras_skeleton.datasets.synthetic import motion
from keras_skeleton.skeletons.skeleton import SkeletonLike

# Radii in metres, by what joint names say; the first that fits counts.
RADII = (
    ("head", 0.105),
    *((name, 0.115) for name in ("spine", "chest", "pelvis", "torso")),
    *((name, 0.1) for name in ("hip", "middle", "center")),
    ("neck", 0.065),
    ("knee", 0.075),
    *((name, 0.06) for name in ("shoulder", "elbow", "ankle")),
)
RADIUS = 0.045
# Pictures are drawn in pieces that stay in the processor's cache.
PIECE_BYTES = 1 << 21


@dataclasses.dataclass(frozen=True)
class Camera:
    """A pinhole camera at the origin that looks along z.

    The axes are those of Kinect data: y up, z away from the camera, and x to
    the left of the picture.

    Args:
        height: Rows of the pictures.
        width: Columns of the pictures.
        focal: Focal length in pixels. Defaults to 1.2 of the height, by
            which a person three metres away takes two thirds of it.
    """

    height: int = 96
    width: int = 96
    focal: float | None = None

    def __post_init__(self):
        if self.height < 1 or self.width < 1:
            raise ValueError(
                "A picture needs at least one pixel. Received height="
                f"{self.height}, width={self.width}."
            )
        if self.focal is None:
            object.__setattr__(self, "focal", 1.2 * self.height)
        if self.focal <= 0:
            raise ValueError(
                f"`focal` must be above 0 pixels. Received: {self.focal}"
            )

    @property
    def middle(self):
        """Column and row of the optical axis."""
        return (self.width - 1) / 2, (self.height - 1) / 2

    @property
    def intrinsics(self) -> np.ndarray:
        """Its matrix, float32 `(3, 3)`, in pixels.

        Focal lengths are negative, as x points to the left of the picture
        and y up.
        """
        column, row = self.middle
        return np.float32(
            [[-self.focal, 0, column], [0, -self.focal, row], [0, 0, 1]]
        )

    def project(self, points: ArrayLike) -> np.ndarray:
        """Where points are in the picture.

        Args:
            points: Array `(..., 3)` in metres.

        Returns:
            float32 `(..., 3)`: column, row, and depth in metres. What is not
            in front of the camera is at the middle, with its depth.
        """
        x, y, z = np.moveaxis(np.asarray(points, "float32"), -1, 0)
        scale = np.where(z > 0, self.focal / np.where(z > 0, z, 1), 0)
        column, row = self.middle
        found = [column - x * scale, row - y * scale, z]
        return np.stack(found, axis=-1).astype("float32")

    def unproject(self, pixels: ArrayLike) -> np.ndarray:
        """The points of pixels of known depth; the reverse of `project`.

        Args:
            pixels: Array `(..., 3)`: column, row, depth in metres.

        Returns:
            float32 `(..., 3)` in metres.
        """
        column, row, depth = np.moveaxis(np.asarray(pixels, "float32"), -1, 0)
        middle = self.middle
        x = (middle[0] - column) * depth / self.focal
        y = (middle[1] - row) * depth / self.focal
        return np.stack([x, y, depth], axis=-1).astype("float32")


def draw_clip(
    clip: ArrayLike,
    skeleton: SkeletonLike,
    camera=None,
    *,
    wall=4.6,
    noise=0.0,
    seed=0,
) -> dict[str, np.ndarray]:
    """Draws video and depth maps of a clip.

    Args:
        clip: Array `(M, T, V, 3)` in metres, as `synthetic.load_data` makes
            it: persons in front of the camera. Absent persons (all zeros) are
            not drawn.
        skeleton: A `Skeleton` or its registered name; each edge is a limb.
        camera: A `Camera`.
        wall: Depth in metres of the wall behind the scene.
        noise: Standard deviation in metres of the measured depths.
        seed: Seed of colours, of the light and of the noise.

    Returns:
        Dict of `video`, uint8 `(T, H, W, 3)`; `depth`, float32 `(T, H, W)` in
        metres; and `person`, int8 `(T, H, W)`: the person a pixel shows, -1
        for the wall and the floor.

    Raises:
        ValueError: If the clip has another form than the skeleton.

    Example:

    >>> data = synthetic.load_data(num_clips=1, skeleton="kinect20")
    >>> drawn = draw_clip(data[0][0], "kinect20")
    >>> drawn["video"].shape[1:], drawn["depth"].dtype
    ((96, 96, 3), dtype('float32'))
    """
    camera = camera or Camera()
    skeleton = skeletons.get(skeleton)
    clip = np.asarray(clip, "float32")
    if clip.ndim != 4 or clip.shape[2:] != (skeleton.num_joints, 3):
        raise ValueError(
            "`clip` must be places in metres (persons, frames, joints, 3) "
            f"with the {skeleton.num_joints} joints of {skeleton.name!r}. "
            f"Received shape {clip.shape}."
        )
    generator = np.random.default_rng(seed)
    limbs = np.array(skeleton.edges)
    radii = np.array([_radius(skeleton.joints[child]) for child, _ in limbs])
    persons, frames = clip.shape[:2]
    clothes = generator.uniform(0.25, 1.0, (persons, 3, 3))
    colors = clothes[:, _garment(skeleton)]
    light = _unit(np.array([generator.uniform(-0.7, 0.7), 0.5, -1.0]))
    scene = _scene(camera, wall, generator)
    places = camera.project(clip)
    is_seen = np.any(clip != 0, axis=(2, 3))
    drawn = {
        "video": np.empty((frames, camera.height, camera.width, 3), "uint8"),
        "depth": np.empty((frames, camera.height, camera.width), "float32"),
        "person": np.empty((frames, camera.height, camera.width), "int8"),
    }
    step = max(1, PIECE_BYTES // (32 * camera.height * camera.width))
    for start in range(0, frames, step):
        piece = slice(start, start + step)
        found = _draw_frames(
            places[:, piece], is_seen[:, piece], limbs, radii, camera, light
        )
        _compose(drawn, piece, found, scene, colors)
    if noise:
        error = generator.normal(0, noise, drawn["depth"].shape)
        drawn["depth"] += error.astype("float32")
    return drawn


def film(
    sequences: Sequences, num_frames: int, camera=None, *, noise=0.0
) -> dict[str, np.ndarray]:
    """Draws depth maps of clips, as many frames of each.

    Args:
        sequences: A `Sequences` of skeletons in metres, as
            `synthetic.load_data` makes them.
        num_frames: Frames of each clip `T`, evenly spread over it.
        camera: A `Camera`.
        noise: Standard deviation in metres of the measured depths.

    Returns:
        Dict of `depth`, float32 `(N, T, H, W)`; `person`, boolean `(N, T, H,
        W)`, where somebody is seen; and `skeletons`, float32 `(N, M, T, V,
        3)`, who was drawn.

    Example:

    >>> data = synthetic.load_data(num_clips=4, skeleton="kinect20", noise=0)
    >>> film(data, 6)["depth"].shape
    (4, 6, 96, 96)
    """
    found = {"depth": [], "person": [], "skeletons": []}
    for number in range(len(sequences)):
        clip = sequences[number][0]
        chosen = np.linspace(0, clip.shape[1] - 1, num_frames)
        clip = clip[:, chosen.round().astype(int)]
        drawn = draw_clip(
            clip, sequences.skeleton, camera, noise=noise, seed=number
        )
        found["depth"].append(drawn["depth"])
        found["person"].append(drawn["person"] >= 0)
        found["skeletons"].append(clip)
    return {name: np.stack(arrays) for name, arrays in found.items()}


def depth_points(
    depth: ArrayLike,
    camera,
    number: int,
    *,
    mask: ArrayLike | None = None,
    seed=0,
) -> np.ndarray:
    """Point clouds of depth maps.

    Args:
        depth: Array `(T, H, W)` in metres; 0 where nothing was measured.
        camera: The `Camera`.
        number: Points of each cloud. Where there are fewer pixels, some are
            taken again.
        mask: boolean `(T, H, W)`, the pixels that count; by default all that
            were measured.
        seed: Seed of the choice.

    Returns:
        float32 `(T, number, 3)` in metres. A frame without pixels has zeros.

    Example:

    >>> is_person = drawn["person"] >= 0
    >>> cloud = depth_points(drawn["depth"], camera, 512, mask=is_person)
    """
    depth = np.asarray(depth, "float32")
    mask = depth > 0 if mask is None else np.asarray(mask) & (depth > 0)
    generator = np.random.default_rng(seed)
    clouds = np.zeros((len(depth), number, 3), "float32")
    for cloud, values, wanted in zip(clouds, depth, mask, strict=True):
        rows, columns = np.nonzero(wanted)
        if not len(rows):
            continue
        chosen = generator.permutation(len(rows))
        chosen = np.resize(chosen, number)
        rows, columns = rows[chosen], columns[chosen]
        pixels = np.stack([columns, rows, values[rows, columns]], axis=-1)
        cloud[:] = camera.unproject(pixels)
    return clouds


def _radius(joint):
    for word, radius in RADII:
        if word in joint:
            return radius
    return RADIUS


def _garment(skeleton):
    """Skin, shirt or trousers, 0 to 2, for each limb by its child."""
    lower = ("hip", "knee", "ankle")
    skin = ("head", "neck", "hand", "wrist", "thumb", "finger", "foot", "nose")
    garment = []
    for child, _ in skeleton.edges:
        name = skeleton.joints[child]
        is_lower = any(word in name for word in lower)
        is_skin = any(word in name for word in skin)
        garment.append(0 if is_skin else 2 if is_lower else 1)
    return garment


def _unit(vector):
    return (vector / np.linalg.norm(vector)).astype("float32")


def _scene(camera, wall, generator):
    """Depth `(H, W)` and colours `(H, W, 3)` of the wall and the floor."""
    column, row = camera.middle
    below = np.arange(camera.height, dtype="float32") - row
    with np.errstate(divide="ignore"):
        floor = camera.focal * motion.CAMERA_HEIGHT / np.maximum(below, 0)
    depth = np.minimum(floor, wall)[:, None]
    depth = np.broadcast_to(depth, (camera.height, camera.width))
    across = (np.arange(camera.width, dtype="float32") - column) / camera.focal
    # Boards on the floor, stripes on the wall: something that stays still.
    x = across[None] * depth
    is_floor = (floor < wall)[:, None]
    along = np.where(is_floor, depth, below[:, None] / camera.focal * wall)
    pattern = (np.floor(x / 0.5) + np.floor(along / 0.5)) % 2
    tones = generator.uniform(0.35, 0.75, (2, 3))
    color = np.where(is_floor[..., None], tones[0], tones[1])
    color = color * (0.9 + 0.1 * pattern[..., None])
    color = color * (1 - 0.06 * depth[..., None])
    return depth.astype("float32"), color.astype("float32")


def _draw_frames(places, is_seen, limbs, radii, camera, light):
    """The nearest limb of each pixel.

    Args:
        places: `(M, T, V, 3)`, columns, rows and depths.
        is_seen: boolean `(M, T)`.
        limbs: int `(L, 2)`, child and parent.
        radii: `(L,)` in metres.
        camera: The `Camera`.
        light: Direction to the light, `(3,)`.

    Returns:
        Depth `(T, H, W)`, infinite where there is nobody; number of the limb,
        those of the first person first; brightness from 0 to 1.
    """
    persons, frames = is_seen.shape
    shape = (frames, camera.height, camera.width)
    nearest = np.full(shape, np.inf, "float32")
    limb = np.zeros(shape, "int32")
    brightness = np.zeros(shape, "float32")
    for person in range(persons):
        for number, (child, parent) in enumerate(limbs):
            start, end = places[person][:, parent], places[person][:, child]
            seen = is_seen[person] & (start[:, 2] > 0) & (end[:, 2] > 0)
            for frame in np.flatnonzero(seen):
                _draw_limb(
                    start[frame],
                    end[frame],
                    radii[number],
                    camera.focal,
                    light,
                    nearest[frame],
                    limb[frame],
                    brightness[frame],
                    person * len(limbs) + number,
                )
    return nearest, limb, brightness


def _draw_limb(
    start, end, radius, focal, light, nearest, limb, brightness, number
):
    """Draws one limb into one frame, within the box around it."""
    height, width = nearest.shape
    reach = focal * radius / min(start[2], end[2])
    low = np.floor(np.minimum(start, end)[:2] - reach).astype(int)
    high = np.ceil(np.maximum(start, end)[:2] + reach).astype(int) + 1
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, (width, height))
    if left >= right or top >= bottom:
        return
    x = np.arange(left, right, dtype="float32")[None] - start[0]
    y = np.arange(top, bottom, dtype="float32")[:, None] - start[1]
    along = end - start
    square = along[0] ** 2 + along[1] ** 2
    share = np.zeros(np.broadcast_shapes(x.shape, y.shape), "float32")
    if square > 1e-12:
        share = np.clip((x * along[0] + y * along[1]) / square, 0, 1)
    depth = start[2] + share * along[2]
    # Where on the round surface a pixel lies, in radii from its axis.
    scale = depth / (focal * radius)
    aside = (x - share * along[0]) * scale
    above = (y - share * along[1]) * scale
    inside = 1 - aside * aside - above * above
    towards = np.sqrt(np.maximum(inside, 0))
    depth = depth - radius * towards
    box = slice(top, bottom), slice(left, right)
    is_nearer = (inside > 0) & (depth < nearest[box])
    nearest[box][is_nearer] = depth[is_nearer]
    limb[box][is_nearer] = number
    # In the axes of the camera: x to the left of the picture, y up.
    shine = -aside * light[0] - above * light[1] - towards * light[2]
    brightness[box][is_nearer] = np.maximum(shine, 0)[is_nearer]


def _compose(drawn, piece, found, scene, colors):
    nearest, limb, brightness = found
    background, color = scene
    is_person = nearest < background
    num_limbs = colors.shape[1]
    drawn["depth"][piece] = np.where(is_person, nearest, background)
    drawn["person"][piece] = np.where(is_person, limb // num_limbs, -1)
    shade = (0.3 + 0.7 * brightness)[..., None]
    painted = colors.reshape(-1, 3).astype("float32")[limb] * shade
    painted = np.where(is_person[..., None], painted, color)
    drawn["video"][piece] = (255 * np.clip(painted, 0, 1)).astype("uint8")
