"""What weights expect to see, and how joints of an estimator get there."""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import skeletons
from keras_skeleton.skeletons.skeleton import SkeletonLike


@dataclasses.dataclass(frozen=True)
class PoseForm:
    """The poses that weights were trained on: what a camera must be brought to.

    It follows from the data set that the card of the weights names, see
    `form_of`; a card whose weights differ says so in its recipe under
    `"form"`.

    Attributes:
        sensor: What saw the joints, for warnings.
        coordinates: Names of the coordinates: `("x", "y", "z")` in metres,
            or `("x", "y")` in pixels, perhaps with `"score"` or
            `"visibility"` behind.
        up: `"y"` or `"-y"`: whether y grows upwards. In three dimensions
            with y upwards, x points to the left of the picture and z away
            from the camera, as of a Kinect: a rotation, left stays left.
        frame_rate: Frames per second, or `None` where that is unknown or
            differs: then that of the video is kept, up to 30.
        window: Seconds that a clip typically has.
        sides: `"person"` where a left hand is the person's, `"swapped"`
            where it is the right one.
        image_shape: Height and width in pixels that the picture is to be
            scaled to, or `None` to leave it.
        monocular: Whether the joints were found in pictures of one camera,
            as those of an estimator are.
    """

    sensor: str
    coordinates: tuple
    up: str = "-y"
    frame_rate: float | None = 30.0
    window: float = 2.0
    sides: str = "person"
    image_shape: tuple | None = None
    monocular: bool = True

    def __post_init__(self):
        object.__setattr__(self, "coordinates", tuple(self.coordinates))
        if self.image_shape is not None:
            object.__setattr__(self, "image_shape", tuple(self.image_shape))
        known = (
            ("x", "y"),
            ("x", "y", "z"),
            ("x", "y", "score"),
            ("x", "y", "visibility"),
        )
        for name, value, choices in (
            ("coordinates", self.coordinates, known),
            ("up", self.up, ("y", "-y")),
            ("sides", self.sides, ("person", "swapped")),
        ):
            if value not in choices:
                raise ValueError(
                    f"`{name}` must be one of {choices}. Received: {value!r}"
                )
        if not self.window > 0:
            raise ValueError(
                f"`window` must be above 0 seconds. Received: {self.window}"
            )

    @property
    def is_spatial(self) -> bool:
        """Whether there are three dimensions."""
        return "z" in self.coordinates


_SPACE, _SCORED = ("x", "y", "z"), ("x", "y", "score")
_KINECT = PoseForm("a Kinect v2", _SPACE, up="y", window=3.0, monocular=False)
# PYSKL divides by the size of each video, and takes this where all have it.
_ESTIMATED = PoseForm("HRNet", _SCORED, window=3.0, image_shape=(1080, 1920))
# By data set. Rates and lengths of clips as the data sets say; of NW-UCLA and
# Penn Action, that say nothing, the window is a choice.
FORMS = {
    **dict.fromkeys(("ntu60", "ntu120", "pku_mmd"), _KINECT),
    "nw_ucla": dataclasses.replace(
        _KINECT, sensor="a Kinect v1", frame_rate=None, window=2.0
    ),
    **dict.fromkeys(("pyskl", "ntu60_2d", "ntu120_2d"), _ESTIMATED),
    "penn_action": PoseForm(
        "people who marked joints by hand",
        ("x", "y", "visibility"),
        frame_rate=None,
        # In 205 of 215 clips from the front and 154 of 206 from the back.
        sides="swapped",
    ),
}


def form_of(recipe, label):
    """The `PoseForm` that the recipe of a card names.

    Args:
        recipe: Dict with `data_set`, and perhaps `form`, a `PoseForm` or a
            dict of its attributes, which replace those of the data set.
        label: Name of the weights, for messages.

    Raises:
        ValueError: If neither tells.
    """
    known = FORMS.get(recipe.get("data_set"))
    own = recipe.get("form")
    if isinstance(own, PoseForm):
        return own
    try:
        if own and known is None:
            return PoseForm(**own)
        if own:
            return dataclasses.replace(known, **own)
    except TypeError as error:
        raise ValueError(
            f"The form of the weights {label} does not fit `PoseForm`: {error}"
        ) from error
    if known is None:
        raise ValueError(
            f"Nothing says what poses the weights {label} expect: the data "
            f"set {recipe.get('data_set')!r} is none of {', '.join(FORMS)}. "
            "Pass form=PoseForm(...), or record it with the weights: "
            "save_weights(model, path, form={...})."
        )
    return known


class Bridge:
    """Brings poses of an estimator to what weights expect.

    Joints are taken by their meaning (`skeletons.mapping`; of joints that
    the estimator has not, the nearest), then axes, units, sides and scores
    are those of the `PoseForm`.

    Args:
        estimator: The `PoseEstimator`.
        skeleton: The layout that the weights expect.
        form: The `PoseForm`.
        size: `(width, height)` of the pictures in pixels, or `None`.

    Attributes:
        notes: list of texts that a user should read.

    Raises:
        ValueError: If the estimator cannot give what is expected.
    """

    def __init__(self, estimator, skeleton: SkeletonLike, form, size=None):
        source, target = estimator.skeleton, skeletons.get(skeleton)
        if form.is_spatial and not estimator.has_world:
            raise ValueError(
                "The weights take joints in three dimensions, but the "
                f"estimator ({type(estimator).__name__}) finds them in the "
                "picture only. Use one that gives metres (poses='mediapipe', "
                "--pose mediapipe), or weights for joints in the picture."
            )
        if form.image_shape is not None and size is None:
            raise ValueError(
                "The weights expect pixels of pictures of the size "
                f"{form.image_shape}, and nothing says how large those of the "
                "poses are: pass size=(width, height)."
            )
        self.form, self.size = form, size
        self.mapping = skeletons.mapping(source, target, missing="nearest")
        self.notes = []
        if not form.monocular:
            self.notes.append(
                f"The weights were trained on joints of {form.sensor}, a "
                "camera of depths. Joints estimated in pictures differ from "
                "these, and from the place in the room nothing is left: "
                "expect far lower accuracy than on the card."
            )
        if self.mapping.missing:
            self.notes.append(
                f"{source.name} has no {', '.join(self.mapping.missing)}; "
                "the nearest joints stand for them."
            )

    def __call__(
        self, joints: ArrayLike, scores: ArrayLike, world: ArrayLike | None
    ) -> np.ndarray:
        """One person's poses.

        Args:
            joints: `(T, V, 2)`, see `Track.at`.
            scores: `(T, V)`.
            world: `(T, V, 3)` or `None`.

        Returns:
            float32 array `(T, V', C)`.
        """
        form = self.form
        if form.is_spatial:
            places = self.mapping.apply(world)
            if form.up == "y":
                places = places * np.array([-1, -1, 1], "float32")
            return places
        mapped = self.mapping.apply(
            np.concatenate([joints, scores[..., None]], axis=-1), "min"
        )
        if form.sides == "swapped":
            mapped = mapped[:, list(self.mapping.target.mirror_permutation)]
        places, scores = mapped[..., :2], mapped[..., 2:]
        if form.image_shape is not None:
            scale = np.array(form.image_shape[::-1]) / np.array(self.size)
            places = places * scale.astype("float32")
        if form.up == "y":
            places = places * np.array([1, -1], "float32")
        if "visibility" in form.coordinates:
            scores = (scores > 0.5).astype("float32")
        if len(form.coordinates) == 2:
            return places
        return np.concatenate([places, scores], axis=-1)
