"""Persons in a frame, and a person through frames."""

import dataclasses
import functools

import numpy as np
from numpy.typing import ArrayLike


@dataclasses.dataclass(frozen=True, eq=False)
class Person:
    """One person in one frame, in the joints of the estimator.

    Attributes:
        joints: float32 array `(V, 2)`, x to the right and y down in pixels
            of the frame.
        scores: float32 array `(V,)` from 0 to 1; 0 is a joint that was not
            found.
        world: float32 array `(V, 3)` in metres, from the middle of the hips:
            x to the right of the picture, y down, z away from the camera; or
            `None` of estimators that see the picture only.

    Raises:
        ValueError: If the arrays do not fit each other or are not finite.
    """

    joints: np.ndarray
    scores: np.ndarray
    world: np.ndarray | None = None

    def __post_init__(self):
        for name in ("joints", "scores", "world"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, np.asarray(value, "float32"))
        size = len(self.joints)
        for name, shape in (
            ("joints", (size, 2)),
            ("scores", (size,)),
            ("world", (size, 3)),
        ):
            value = getattr(self, name)
            if value is None:
                continue
            if value.shape != shape or not size:
                raise ValueError(
                    f"The {name} of a person must have the shape {shape}. "
                    f"Received shape {value.shape}."
                )
            if not np.isfinite(value).all():
                raise ValueError(
                    f"The {name} of a person hold NaN or infinite numbers. "
                    "Give joints that were not found the score 0 and any "
                    "place."
                )

    @functools.cached_property
    def score(self) -> float:
        """Mean score of all joints."""
        return float(self.scores.mean())

    @functools.cached_property
    def size(self) -> float:
        """The larger side of the box around the joints found, in pixels."""
        found = self.joints[self.scores > 0]
        return float(np.ptp(found, axis=0).max()) if len(found) else 0.0


class Track:
    """A person through time.

    Attributes:
        number: The person's number, from 1.
        times: list of the seconds at which the person was seen.
        people: list of the `Person` at each of them.
    """

    def __init__(self, number, times=(), people=()):
        self.number = number
        self.times = list(times)
        self.people = list(people)

    def add(self, time: float, person: Person) -> None:
        """Takes the person of the next frame."""
        self.times.append(float(time))
        self.people.append(person)

    @property
    def start(self) -> float:
        return self.times[0]

    @property
    def end(self) -> float:
        return self.times[-1]

    def at(
        self, times: ArrayLike
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """The person at other times, between those seen by lines.

        A joint that was not found in some frames (score 0) moves evenly over
        these. Before the first and after the last frame the person stands.

        Args:
            times: Array `(T,)` of seconds.

        Returns:
            Tuple of float32 arrays: joints `(T, V, 2)`, scores `(T, V)`, and
            world `(T, V, 3)` or `None`.
        """
        seen = np.asarray(self.times)
        scores = np.stack([person.scores for person in self.people])
        joints = _between(
            times, seen, np.stack([p.joints for p in self.people]), scores
        )
        world = None
        if self.people[0].world is not None:
            world = np.stack([person.world for person in self.people])
            world = _between(times, seen, world, scores)
        every = np.ones_like(scores)
        scores = _between(times, seen, scores[..., None], every)[..., 0]
        return joints, scores, world


def _between(times, seen, values, scores):
    """Values `(T, V, C)` at other times, from those with a score."""
    after = np.clip(np.searchsorted(seen, times), 1, max(len(seen) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(seen) - 1)
    span = np.maximum(seen[after] - seen[before], 1e-9)
    share = np.clip((times - seen[before]) / span, 0, 1)
    share = share[:, None, None].astype("float32")
    made = (1 - share) * values[before] + share * values[after]
    # Few joints, if any, are lost in some frames.
    for joint in np.flatnonzero((scores <= 0).any(0)):
        found = scores[:, joint] > 0
        made[:, joint] = 0
        for axis in range(values.shape[2] if found.any() else 0):
            made[:, joint, axis] = np.interp(
                times, seen[found], values[found, joint, axis]
            )
    return made
