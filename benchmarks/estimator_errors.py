"""Labelled joints in an image as a pose estimator would have found them."""

import keras
import numpy as np

from keras_skeleton import skeletons
from keras_skeleton.layers.augmentation import SkeletonTransform


@keras.saving.register_keras_serializable(package="benchmarks")
class EstimatorErrors(SkeletonTransform):
    """Changes labelled joints into what pose estimators find. NumPy only.

    Errors are in proportion to the person, whose size is the median diagonal
    of the box around the joints of a frame. Every clip gets errors of its own
    strength, some none at all:

    - each joint lies elsewhere on the body than the labels have it (one
      offset per clip), jitters from frame to frame, and lags behind;
    - the sides change places, in some frames of the arms, the legs or both;
    - joints are not found, alone or a limb together, for a while or always;
    - frames are lost, with everything in them;
    - visibility becomes a score. Joints that were labelled as invisible get a
      low score, none, or a high one, so that nothing is learnt from what the
      annotators took for invisible.

    In training (`varied=True`) a part of the clip is cut out, or the clip goes
    on from its beginning, as in a window that slides over a longer video;
    clips are mirrored, turned and stretched a little, and have their sides
    exchanged as a whole: "left" means the person's in some layouts, and not
    in others.

    Args:
        num_frames: Frames of the result.
        skeleton: `Skeleton` of the clips, or the name of a registered one.
        varied: Whether to cut, mirror, turn and exchange, too.
        strength: Factor of all errors; 0 for none.
        **kwargs: See `SkeletonTransform`.

    Call arguments:
        clips: float32 `(N, 1, T, V, 3)`: pixels, and 0 or 1 for visibility.
        draws: `(N, 1)` numbers in [0, 1), from which all else is drawn.

    Returns:
        float32 `(N, 1, num_frames, V, 3)`: pixels, and the score.
    """

    num_draws = 1

    def __init__(
        self, num_frames, skeleton, varied=False, strength=1.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.num_frames = int(num_frames)
        self.skeleton = skeletons.get(skeleton)
        self.varied = bool(varied)
        self.strength = float(strength)

    def transform(self, clips, draws, lengths):
        clips, draws = np.asarray(clips), np.asarray(draws, "float64")
        lengths = np.asarray(self.valid_length(clips, lengths))
        return np.stack(
            [
                self._clip(clip[0, :length], int(draw * (1 << 53)))[None]
                for clip, length, draw in zip(
                    clips, lengths, draws[:, 0], strict=True
                )
            ]
        ).astype("float32")

    def new_lengths(self, clips, draws, lengths):
        return np.full(len(clips), self.num_frames, "int32")

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.num_frames, *input_shape[3:])

    def _clip(self, clip, seed):
        generator = np.random.default_rng(seed)
        places = self._times(len(clip), generator)
        left = np.floor(places).astype(int) % len(clip)
        right = np.minimum(left + 1, len(clip) - 1)
        weight = (places % 1)[:, None, None]
        xy = (1 - weight) * clip[left, :, :2] + weight * clip[right, :, :2]
        is_visible = clip[np.rint(places).astype(int) % len(clip), :, 2] > 0
        if self.varied:
            xy, is_visible = self._varied(xy, is_visible, generator)
        size = np.median(np.linalg.norm(np.ptp(xy, axis=1), axis=-1))
        xy = self._misplaced(xy, size, generator)
        xy, is_visible = self._exchanged(xy, is_visible, generator)
        scores = self._scores(is_visible, generator)
        scores = np.where(self._lost(generator), 0.0, scores)
        xy = np.where(scores[..., None] > 0, xy, 0.0)
        return np.concatenate([xy, scores[..., None]], axis=-1)

    def _times(self, length, generator):
        """Where in the clip each frame lies; beyond its end it starts over."""
        start, span = 0.0, float(length)
        if self.varied:
            kind = generator.random()
            if kind < 0.25:
                # More than one turn of what repeats.
                span *= generator.uniform(1.0, 3.0)
                start = generator.uniform(0, length)
            elif kind < 0.75:
                span *= generator.uniform(0.4, 1.0)
                span = min(max(span, 12.0), float(length))
                start = generator.uniform(0, length - span)
        places = (np.arange(self.num_frames) + 0.5) * span / self.num_frames
        return start + np.maximum(places - 0.5, 0.0)

    def _varied(self, xy, is_visible, generator):
        order = self.skeleton.mirror_permutation
        if generator.random() < 0.5:
            xy = xy * np.array([-1.0, 1.0])
        if generator.random() < 0.5:
            xy, is_visible = xy[:, order], is_visible[:, order]
        angle = generator.uniform(-0.2, 0.2)
        cos, sin = np.cos(angle), np.sin(angle)
        stretch = np.diag(generator.uniform(0.85, 1.15, 2))
        return xy @ np.array([[cos, sin], [-sin, cos]]) @ stretch, is_visible

    def _misplaced(self, xy, size, generator):
        frames, joints = xy.shape[:2]
        spread = size * self.strength
        lag = generator.integers(1, 4)
        if self.strength and lag > 1 and generator.random() < 0.3:
            # The mean of this frame and those before.
            padded = np.concatenate([np.repeat(xy[:1], lag - 1, axis=0), xy])
            xy = sum(padded[i : i + frames] for i in range(lag)) / lag
        offset = generator.uniform(0, 0.03) * generator.normal(
            size=(1, joints, 2)
        )
        jitter = generator.uniform(0, 0.02) * generator.normal(
            size=(frames, joints, 2)
        )
        return xy + spread * (offset + jitter)

    def _exchanged(self, xy, is_visible, generator):
        if generator.random() > 0.25 * self.strength:
            return xy, is_visible
        parts = self.skeleton.parts
        names = [("arm",), ("leg",), ("arm", "leg")][generator.integers(3)]
        chosen = [
            joint
            for part, joints in parts.items()
            if part.endswith(names)
            for joint in joints
        ]
        order = np.arange(self.skeleton.num_joints)
        order[chosen] = np.asarray(self.skeleton.mirror_permutation)[chosen]
        when = self._spell(generator, 0.3)
        xy = np.where(when[:, None, None], xy[:, order], xy)
        return xy, np.where(when[:, None], is_visible[:, order], is_visible)

    def _scores(self, is_visible, generator):
        """Scores as estimators of different temper give them."""
        high, low = is_visible.astype("float64"), np.zeros(is_visible.shape)
        kind = generator.random()
        if not self.strength or kind < 0.25:
            return high
        noise = generator.random(is_visible.shape)
        least = generator.uniform(0.3, 0.9)
        high = least + (1 - least) * noise
        if kind < 0.5:
            # All joints are taken to be seen.
            return high
        if kind < 0.8:
            low = noise * generator.uniform(0.1, 0.6)
        return np.where(is_visible, high, low)

    def _lost(self, generator):
        """Which joints are not found, boolean `(T, V)`."""
        frames, joints = self.num_frames, self.skeleton.num_joints
        lost = np.zeros((frames, joints), bool)
        if generator.random() < 0.5 * self.strength:
            share = generator.uniform(0, 0.15)
            lost |= generator.random((frames, joints)) < share
        if generator.random() < 0.25 * self.strength:
            parts = list(self.skeleton.parts.values())
            part = list(parts[generator.integers(len(parts))])
            lost[:, part] |= self._spell(generator, 0.6)[:, None]
        if generator.random() < 0.25 * self.strength:
            lost |= generator.random((frames, 1)) < generator.uniform(0, 0.3)
        if lost.all():
            lost[:] = False
        return lost

    def _spell(self, generator, longest):
        """Some frames in a row, boolean `(T,)`."""
        span = int(generator.uniform(0, longest) * self.num_frames)
        start = generator.integers(self.num_frames - span + 1)
        number = np.arange(self.num_frames)
        return (number >= start) & (number < start + span)

    def get_config(self):
        return {
            **super().get_config(),
            "num_frames": self.num_frames,
            "skeleton": skeletons.serialize(self.skeleton),
            "varied": self.varied,
            "strength": self.strength,
        }
