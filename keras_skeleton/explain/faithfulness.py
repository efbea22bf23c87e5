"""Whether a map shows what a model really looks at."""

import dataclasses
import typing

import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import _inputs
from keras_skeleton.explain import attention
from keras_skeleton.explain import attribution
from keras_skeleton.explain.saliency import check_classes
from keras_skeleton.explain.saliency import class_probabilities

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Orders that every map is measured beside.
RANDOM, MOTION = "random order", "what moves most"


@dataclasses.dataclass(frozen=True)
class Faithfulness:
    """Curves of how a class probability follows what a map calls important.

    Attributes:
        shares: Shares of joints or frames that are taken away or put back,
            float64 `(S,)` from 0 to 1.
        deletion: Dict by the names of maps of the mean probability `(S,)`
            while the most important are taken away first. Falls early where a
            map is faithful.
        insertion: The same while the most important are put back first, into
            clips without any. Rises early where a map is faithful.
        over: `"joints"` or `"frames"`.
        num_clips: Number of clips.
    """

    shares: np.ndarray
    deletion: dict
    insertion: dict
    over: str
    num_clips: int

    @property
    def scores(self) -> dict[str, float]:
        """Area under insertion minus that under deletion, by map.

        From -1 to 1; higher is more faithful.
        """
        return {
            name: float(
                np.trapezoid(self.insertion[name], self.shares)
                - np.trapezoid(self.deletion[name], self.shares)
            )
            for name in self.deletion
        }

    @property
    def best(self) -> str:
        """Name of the most faithful map, the two plain orders left out."""
        scores = self.scores
        names = [name for name in scores if name not in (RANDOM, MOTION)]
        return max(names, key=scores.get)

    def __str__(self):
        rows = [f"{'':24} insertion  deletion  difference"]
        for name, score in sorted(self.scores.items(), key=lambda x: -x[1]):
            areas = (
                np.trapezoid(curve[name], self.shares)
                for curve in (self.insertion, self.deletion)
            )
            cells = " ".join(f"{area:9.3f}" for area in areas)
            rows.append(f"{name:24} {cells}  {score:10.3f}")
        return "\n".join(rows)

    def draw(self) -> "Figure":
        """Draws both curves of all maps.

        Returns:
            A matplotlib `Figure`.
        """
        from keras_skeleton.drawing.charts import draw_curve_panels

        scores = self.scores
        names = sorted(scores, key=scores.get, reverse=True)
        panels = {
            f"Most important {self.over} {verb}": {
                name: (100 * self.shares, 100 * curves[name]) for name in names
            }
            for verb, curves in (
                ("taken away", self.deletion),
                ("put back", self.insertion),
            )
        }
        return draw_curve_panels(
            panels,
            x_label=f"Share of the {self.over} (%)",
            y_label="Probability (%)",
            title=f"Probability of the class, mean of {self.num_clips} clips",
        )


def faithfulness(
    model,
    maps: ArrayLike | dict,
    clips: ArrayLike | dict,
    class_index=None,
    *,
    over="joints",
    fill="mean",
    steps=10,
    repetitions=3,
    batch_size=16,
    seed=0,
) -> Faithfulness:
    """Measures maps by what happens to the prediction without what they show.

    The joints of each clip are ordered by their importance. They are held
    still one after another, the most important first, while the probability
    of the class is followed (deletion); and they are set free again in the
    same order, from a clip in which nobody moves (insertion). A map is worth
    something if it does better than a random order and than the joints that
    move most, which are measured along.

    Args:
        model: A classifier. Of several inputs, the skeletons are changed.
        maps: Dict by name of arrays `(N, M, T', V')`, as the functions of
            `explain` return them, or one such array. `M` may be 1 for all
            persons. Negative values are less important than none. Of a model
            with several inputs also dicts by input, as these functions
            return them.
        clips: Array `(N, M, T, V, C)`, or a dict of arrays by name.
        class_index: The class: one integer, or one per clip. The predicted
            class by default.
        over: `"joints"` of persons, or `"frames"`, each of which becomes a
            copy of the nearest one that is left.
        fill: How a joint is held still, see `held_still`.
        steps: How often something is taken away.
        repetitions: Random orders, whose curves are averaged.
        batch_size: Clips computed at a time.
        seed: Seed of the random orders.

    Returns:
        A `Faithfulness`; it prints as a table and draws its curves.

    Raises:
        ValueError: If maps and clips do not belong together.

    Example:

    ```python
    maps = {"saliency": saliency(model, clips), "cam": grad_cam(model, clips)}
    result = faithfulness(model, maps, clips)
    print(result.best, result.scores)
    result.draw().savefig("faithfulness.png")
    ```

    Reference: Petsiuk et al., RISE, BMVC 2018 (arXiv 1806.07421), whose
    pixels are joints and frames here.
    """
    if over not in ("joints", "frames"):
        raise ValueError(
            f"`over` must be 'joints' or 'frames'. Received: {over!r}"
        )
    if steps < 1 or repetitions < 1:
        raise ValueError(
            "`steps` and `repetitions` must be at least 1. Received: "
            f"steps={steps}, repetitions={repetitions}"
        )
    if not isinstance(maps, dict):
        maps = {"map": maps}
    if isinstance(clips, dict) and set(maps) <= set(clips):
        maps = {"map": maps}
    # Of a map for each input, that of the skeletons counts.
    maps = {name: _inputs.skeletons_of(each) for name, each in maps.items()}
    skeletons = np.asarray(_inputs.skeletons_of(clips), dtype="float32")
    change = (
        _Joints(skeletons, fill) if over == "joints" else _Frames(skeletons)
    )
    classes = _classes(model, clips, class_index, batch_size)
    generator = np.random.default_rng(seed)
    ranks = {
        name: [_ranks(change.importance(_full(name, values, skeletons)))]
        for name, values in maps.items()
    }
    ranks[MOTION] = [_ranks(change.importance(_motion(skeletons)))]
    ranks[RANDOM] = [
        _ranks(generator.random(ranks[MOTION][0].shape))
        for _ in range(repetitions)
    ]
    # There are no more steps than joints or frames.
    steps = min(steps, ranks[MOTION][0].shape[1])
    shares = np.linspace(0, 1, steps + 1)

    def curve(rank, are_kept):
        """Mean probability at each share."""
        probabilities = []
        size = rank.shape[1]
        for share in shares:
            taken = rank < round(share * size)
            changed = change(~taken if are_kept else taken)
            inputs = _inputs_with(clips, changed)
            found = class_probabilities(model, inputs, batch_size)
            probabilities.append(found[np.arange(len(found)), classes].mean())
        return np.array(probabilities)

    def mean_curve(each, are_kept):
        return np.mean([curve(rank, are_kept) for rank in each], axis=0)

    return Faithfulness(
        shares,
        {name: mean_curve(each, False) for name, each in ranks.items()},
        {name: mean_curve(each, True) for name, each in ranks.items()},
        over,
        len(skeletons),
    )


class _Joints:
    """Holds joints of persons still; a unit is a joint of a person."""

    def __init__(self, clips, fill):
        self.clips = clips
        self.still = attribution.held_still(clips, fill)

    def importance(self, values):
        """`(N, units)` of maps `(N, M, T, V)`; absent persons come last."""
        is_seen = np.any(self.clips != 0, axis=(2, 3, 4))[..., None]
        total = values.sum(axis=2)
        total = np.where(is_seen, total, -np.inf)
        return total.reshape(len(total), -1)

    def __call__(self, is_taken):
        persons, _, joints = self.clips.shape[1:4]
        is_taken = is_taken.reshape(-1, persons, 1, joints, 1)
        return np.where(is_taken, self.still, self.clips)


class _Frames:
    """Puts the nearest frame that is left in the place of others."""

    def __init__(self, clips):
        self.clips = clips

    def importance(self, values):
        return values.sum(axis=(1, 3))

    def __call__(self, is_taken):
        number = np.arange(is_taken.shape[1])
        distance = np.abs(number[:, None] - number).astype("float32")
        distance = np.where(is_taken[:, None], np.inf, distance)
        nearest = distance.argmin(axis=-1)
        # Where no frame is left, all are the first.
        index = nearest[:, None, :, None, None]
        return np.take_along_axis(self.clips, index, axis=2)


def _classes(model, clips, class_index, batch_size):
    found = class_probabilities(model, clips, batch_size)
    if class_index is None:
        return found.argmax(axis=1)
    return check_classes(class_index, *found.shape)


def _full(name, values, clips):
    """A map at all frames and joints, `(N, M, T, V)`."""
    values = np.asarray(values, dtype="float64")
    samples, persons, frames, joints = clips.shape[:4]
    if values.ndim != 4 or len(values) != samples:
        raise ValueError(
            f"The map {name!r} must have the axes (samples, persons, frames, "
            f"joints) of the {samples} clips. Received shape {values.shape}."
        )
    if values.shape[1] not in (1, persons):
        raise ValueError(
            f"The map {name!r} is of {values.shape[1]} persons, the clips are "
            f"of {persons}."
        )
    values = attention.upsample(values, frames, joints)
    return np.broadcast_to(values, (samples, persons, frames, joints))


def _motion(clips):
    """How far each joint moves to the next frame, `(N, M, T, V)`."""
    moved = np.diff(clips, axis=2, append=clips[:, :, -1:])
    is_seen = np.any(clips != 0, axis=(3, 4))
    is_followed = is_seen & np.roll(is_seen, -1, axis=2)
    return np.linalg.norm(moved, axis=-1) * is_followed[..., None]


def _ranks(importance):
    """The place of each unit in the order, 0 for the most important."""
    order = np.argsort(-importance, axis=1, kind="stable")
    return np.argsort(order, axis=1, kind="stable")


def _inputs_with(clips, skeletons):
    if isinstance(clips, dict):
        return {**clips, _inputs.SKELETONS: skeletons}
    return skeletons
