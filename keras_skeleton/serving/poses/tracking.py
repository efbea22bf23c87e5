"""Following persons from frame to frame."""

import numpy as np

from keras_skeleton._matching import nearest_pairs
from keras_skeleton.serving.poses.people import Person
from keras_skeleton.serving.poses.people import Track

# Shares of a person's size. Between frames of three videos with fast arms,
# two estimators move a person by at most 0.16; two findings of one person in
# a frame are mostly less than that apart.
STEP = 0.2
SPEED = 1.5
FARTHEST = 0.5
SAME = 0.17


class Tracker:
    """Gives the persons of frame after frame lasting numbers.

    What an estimator calls its first or second person means nothing: slots
    change hands, and show one person twice. So persons are joined by where
    they are. The distance of two poses is, of the joints found in both, the
    mean of how far the middle one is apart and of how far all together have
    moved, as a share of the larger one's size. The nearest pair of a person
    and a track is joined first, then the next nearest (a plain choice, made
    for persons who seldom touch). Pairs farther apart than 0.2 of the size
    and 1.5 for each second since the person was seen, at most 0.5 together,
    are not joined: somebody new begins. Of two findings less than 0.17
    apart, the one with the higher score counts.

    Args:
        longest_gap: Seconds after which somebody who comes back is somebody
            new.
        min_score: Mean score of joints below which a finding is nobody.
        remember: Whether to keep everybody, frame by frame; else only those
            who may come back, and their last two frames, for live sources.

    Attributes:
        tracks: list of the `Track` that are kept.

    Example:

    ```python
    tracker = Tracker()
    for frame in frames:
        for number, person in tracker.update(estimate(frame), frame.time):
            print(f"{frame.time:.2f} s: person {number}")
    ```
    """

    def __init__(self, longest_gap=1.0, min_score=0.0, remember=True):
        self.longest_gap = float(longest_gap)
        self.min_score = float(min_score)
        self.remember = bool(remember)
        self.tracks = []
        self._live, self._count = [], 0

    def update(
        self, people: list[Person], time: float
    ) -> list[tuple[int, Person]]:
        """Takes the persons of the next frame.

        Args:
            people: list of `Person`.
            time: Seconds, larger than that of the frame before.

        Returns:
            List of tuples of the person's number and the `Person`.
        """
        people = self._once(people)
        self._live = [
            track
            for track in self._live
            if time - track.end <= self.longest_gap
        ]
        shape = (len(people), len(self._live))
        distances = np.array(
            [
                [distance(person, track.people[-1]) for track in self._live]
                for person in people
            ]
        ).reshape(shape)
        waits = np.array([time - track.end for track in self._live])
        limits = np.minimum(STEP + SPEED * waits, FARTHEST)
        pairs = nearest_pairs(distances, distances <= limits[None])
        before = list(self._live)
        found = []
        for place, person in enumerate(people):
            if place in pairs:
                track = before[pairs[place]]
            else:
                self._count += 1
                track = Track(self._count)
                self.tracks.append(track)
                self._live.append(track)
            track.add(time, person)
            found.append((track.number, person))
        if not self.remember:
            self.tracks = list(self._live)
            for track in self.tracks:
                del track.times[:-2], track.people[:-2]
        return found

    def _once(self, people):
        """Those who are somebody, each of them once, the surest first."""
        kept = []
        for person in sorted(people, key=lambda each: -each.score):
            if not person.size or person.score < self.min_score:
                continue
            if all(distance(person, other) > SAME for other in kept):
                kept.append(person)
        return kept


def distance(first, second):
    """How far two poses are apart, as a share of the larger one's size."""
    both = (first.scores > 0) & (second.scores > 0)
    size = max(first.size, second.size)
    if not both.any() or not size:
        return np.inf
    steps = first.joints[both] - second.joints[both]
    apart = np.median(np.hypot(*steps.T))
    # Where an estimator takes left for right, the body stays where it is.
    moved = np.linalg.norm(steps.mean(0))
    return float(apart + moved) / 2 / size
