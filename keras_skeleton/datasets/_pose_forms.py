"""What poses data sets, and the weights that were trained on them, have."""

import dataclasses


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
