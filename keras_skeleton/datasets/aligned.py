"""Several modalities of the same clips: skeletons with video, depth, features.

Which frames a batch shows is drawn once, for the skeletons, and holds for all.
"""

import typing
import warnings

import keras
import numpy as np
from numpy.typing import ArrayLike

from keras_skeleton import skeletons as layouts
from keras_skeleton.datasets import _picture_sources
from keras_skeleton.datasets import batches as skeleton_batches
from keras_skeleton.datasets.sequences import Sequences
from keras_skeleton.skeletons.skeleton import SkeletonLike

SKELETONS = "skeletons"


class Aligned:
    """Skeletons and further modalities of the same clips, joined by name.

    Clips that a modality lacks are left out, named in `missing` and counted
    in a warning. Labels, protocols and class names are those of the
    skeletons. Frames are paired by their share of the clip, as modalities may
    have other rates; clips whose numbers of frames stand in another relation
    than those of most clips, as of a video that was cut off, are told in a
    warning and named in `uneven`, but kept.

    Args:
        skeletons: The `Sequences`.
        **modalities: By name `Features`, `Videos` or others with their face,
            such as `video=Videos.from_folder("videos")`.

    Attributes:
        missing: Dict by modality of the names of clips of others that it
            lacks.
        uneven: Dict by modality of the names of clips whose number of frames
            is more than 20 % (and two frames) off what that of the skeletons
            lets expect; a choice. Of fewer than three clips, the same number
            is expected.

    Raises:
        ValueError: If no clip is in all modalities.

    Example:

    >>> data = Aligned(skeletons=sequences, video=videos)
    >>> train, test = data.split("xsub")
    >>> batches = train.to_keras(
    ...     {"skeletons": [UniformSample(48)], "video": [scale]},
    ...     every={"video": 3},
    ...     shuffle=True,
    ... )
    >>> inputs, labels = batches[0]
    >>> inputs["skeletons"].shape, inputs["video"].shape
    ((32, 1, 48, 20, 3), (32, 16, 96, 96, 3))
    """

    def __init__(self, skeletons: Sequences, **modalities):
        if not modalities:
            raise ValueError(
                "Aligned joins skeletons with something: pass, for example, "
                "video=Videos(...)."
            )
        parts = {SKELETONS: skeletons, **modalities}
        for name, part in parts.items():
            if len(set(part.names)) != len(part.names):
                raise ValueError(
                    f"Names of clips in {name!r} occur more than once, so "
                    "that it is not known which ones belong together."
                )
        everywhere = set.intersection(*(set(p.names) for p in parts.values()))
        anywhere = set.union(*(set(p.names) for p in parts.values()))
        self.missing = {
            name: sorted(anywhere - set(part.names))
            for name, part in parts.items()
        }
        names = [name for name in skeletons.names if name in everywhere]
        if not names:
            examples = ", ".join(
                f"{name}: {part.names[0]!r}" for name, part in parts.items()
            )
            raise ValueError(
                "No clip is in all modalities. Clips are joined by name, and "
                f"the names are such as {examples}."
            )
        if len(anywhere) > len(names):
            lacking = ", ".join(
                f"{name} lacks {len(lost)}, such as {lost[0]!r}"
                for name, lost in self.missing.items()
                if lost
            )
            warnings.warn(
                f"{len(names)} of {len(anywhere)} clips are in all "
                f"modalities; the others are left out ({lacking}).",
                stacklevel=2,
            )
        self.parts = {
            name: part.select([part.names.index(each) for each in names])
            for name, part in parts.items()
        }
        self.uneven = self._find_uneven()

    def _find_uneven(self):
        """Clips of odd lengths by modality, with a warning."""
        uneven, told = {}, []
        lengths = np.asarray(self.skeletons.lengths)
        for name, part in self.parts.items():
            own = np.asarray(part.lengths)
            rate = np.median(own / lengths) if len(own) > 2 else 1
            distance = np.abs(own - rate * lengths)
            is_odd = distance > np.maximum(2, 0.2 * rate * lengths)
            uneven[name] = [self.names[i] for i in np.flatnonzero(is_odd)]
            if is_odd.any():
                i = (distance / lengths).argmax()
                told.append(
                    f"{name}: {is_odd.sum()}, such as {self.names[i]!r} with "
                    f"{own[i]} frames to {lengths[i]} of the skeletons"
                )
        if told:
            warnings.warn(
                "Clips have far more or fewer frames than the skeletons let "
                "expect, so that frames may be paired that do not belong "
                f"together ({'; '.join(told)}). All are named in `uneven`.",
                stacklevel=3,
            )
        return uneven

    def __len__(self):
        return len(self.skeletons)

    def __repr__(self):
        others = ", ".join(name for name in self.parts if name != SKELETONS)
        return f"Aligned({self.skeletons!r} with {others})"

    @property
    def skeletons(self) -> Sequences:
        """The `Sequences` of the clips."""
        return self.parts[SKELETONS]

    @property
    def names(self) -> list[str]:
        """Names of the clips."""
        return self.skeletons.names

    @property
    def labels(self) -> np.ndarray:
        """Labels of the clips, int64 `(N,)`."""
        return self.skeletons.labels

    @property
    def class_names(self) -> list | None:
        """Names of the classes."""
        return self.skeletons.class_names

    def select(self, indices: ArrayLike) -> typing.Self:
        """Returns the given clips, in the given order."""
        selection = object.__new__(type(self))
        selection.missing, selection.uneven = self.missing, self.uneven
        selection.parts = {
            name: part.select(indices) for name, part in self.parts.items()
        }
        return selection

    def split(self, protocol: str) -> tuple[typing.Self, typing.Self]:
        """Returns `(train, test)` by the published rule of a protocol."""
        rows = []
        for part in self.skeletons.split(protocol):
            number = {name: row for row, name in enumerate(self.names)}
            rows.append([number[name] for name in part.names])
        return tuple(map(self.select, rows))

    def to_keras(
        self,
        transforms: dict,
        batch_size=32,
        *,
        together=(),
        every=None,
        seed=0,
        **options,
    ) -> "AlignedBatches":
        """Returns batches for `fit`, on any backend.

        Args:
            transforms: Dict by modality. Those of `skeletons` are a list of
                transforms of `layers.augmentation`, the first of which
                chooses frames: `UniformSample`, `RandomFrames` or another
                that takes frames as they are. Those of other modalities are
                lists of functions of an array `(N, K, ...)`.
            batch_size: Clips per batch.
            together: Transforms of all modalities at once, applied before
                `transforms`, such as `MirrorTogether`.
            every: Dict by modality other than the skeletons: of the frames
                chosen, it gets every `every`-th, from the first one.
            seed: Whole number.
            **options: `shuffle`, `sampler`, `labels`, `drop_remainder`,
                `shard` and `training`, see `Sequences.to_keras`.

        Returns:
            A `keras.utils.PyDataset` of dicts by modality and labels.

        Raises:
            ValueError: If the skeletons' first transform chooses no frames,
                a modality is unknown, or `every` names the skeletons.
        """
        every = every or {}
        if not isinstance(transforms, dict):
            raise ValueError(
                "`transforms` must be a dict by modality, such as "
                '{"skeletons": [UniformSample(48)]}. Received: '
                f"{transforms!r}"
            )
        unknown = (set(transforms) | set(every)) - set(self.parts)
        if unknown:
            raise ValueError(
                f"There is no modality {sorted(unknown)[0]!r}. There are "
                f"{', '.join(map(repr, self.parts))}."
            )
        if SKELETONS in every:
            raise ValueError(
                "`every` is for the other modalities: the skeletons have the "
                "frames that their first transform chooses. Let it choose "
                f"fewer. Received: every={every!r}"
            )
        for name, step in every.items():
            if not isinstance(step, int) or step < 1:
                raise ValueError(
                    "`every` must be whole numbers of at least 1. Received "
                    f"{step!r} for {name!r}."
                )
        plan = skeleton_batches.EpochPlan(
            self.skeletons,
            transforms.get(SKELETONS, ()),
            batch_size,
            seed=seed,
            **options,
        )
        first = plan.transforms[0] if plan.transforms else None
        if (
            first is None
            or plan.num_chosen
            != first.compute_output_shape((None, 1, 1, 1, 1))[2]
        ):
            raise ValueError(
                "The first transform of the skeletons must choose frames that "
                "all modalities can take as they are, such as "
                f"`UniformSample(48)`. Received: {first!r}"
            )
        return AlignedBatches(self, plan, transforms, tuple(together), every)


class AlignedBatches(keras.utils.PyDataset):
    """The batches of `Aligned.to_keras`.

    Args:
        data: The `Aligned`.
        plan: The `EpochPlan` of its skeletons.
        transforms: Dict by modality of lists.
        together: Transforms of all modalities.
        every: Dict by modality of steps.
    """

    def __init__(self, data, plan, transforms, together, every):
        super().__init__()
        self.data, self.plan, self.transforms = data, plan, transforms
        self.together, self.every = together, every
        self.epoch = 0
        self._current = None

    def set_epoch(self, epoch: int) -> None:
        """Makes `epoch` the number of the coming epoch."""
        self.epoch = int(epoch)

    def on_epoch_end(self):
        self.epoch += 1

    def __len__(self):
        return self.plan.num_batches

    def __iter__(self):
        epoch = self.epoch
        self.epoch += 1
        for index in range(len(self)):
            yield self._batch(epoch, index)

    def __getitem__(self, index):
        return self._batch(self.epoch, index)

    def _batch(self, epoch, index):
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} batches, not {index}.")
        if self._current is None or self._current[0] != epoch:
            self._current = (epoch, *self.plan.epoch_plan(epoch))
        _, order, draws = self._current
        rows = self.plan.rows(index)
        order, draws = order[rows], draws[rows]
        clips, frames, lengths = self.plan.read(order, draws)
        batch = {SKELETONS: clips}
        for name, part in self.data.parts.items():
            if name == SKELETONS:
                continue
            own = frames[:, :: self.every.get(name, 1)]
            # Recordings of one clip may differ by some frames.
            own = own * part.lengths[order][:, None] // lengths[:, None]
            batch[name] = part.take_frames(order, own)
        batch = self._together(batch, epoch, rows)
        batch[SKELETONS] = self.plan.transform(
            batch[SKELETONS], frames, lengths, draws
        )
        for name, functions in self.transforms.items():
            if name != SKELETONS:
                for function in functions:
                    batch[name] = np.asarray(function(batch[name]))
        labels = self.plan.read_labels(order)
        return (batch, labels) if self.plan.labels else batch

    def _together(self, batch, epoch, rows):
        count = sum(each.num_draws for each in self.together)
        draws = None
        if self.plan.training:
            # Beside those of the transforms, which have the seed and epoch.
            generator = np.random.default_rng([self.plan.seed, epoch, 1])
            draws = generator.random((self.plan.epoch_size, count))[rows]
        start = 0
        for each in self.together:
            stop = start + each.num_draws
            own = None if draws is None else draws[:, start:stop]
            batch, start = each(batch, own), stop
        return batch


class MirrorTogether:
    """Mirrors pictures and poses in them from left to right.

    Args:
        skeleton: `Skeleton` of the clips or its registered name.
        pictures: Names of the modalities that are pictures, `(N, K, H, W, C)`
            or `(N, K, H, W)`.
        rate: Share of the clips that are mirrored.

    Columns are those of the first of `pictures`: `x` becomes `W - 1 - x`, but
    for joints at zero, which were not found. Skeletons in space, of three
    coordinates without a score, are mirrored at `x = 0`: pass `in_space=True`.
    """

    num_draws = 1

    def __init__(
        self,
        skeleton: SkeletonLike,
        pictures=("video",),
        rate=0.5,
        in_space=False,
    ):
        self.skeleton = layouts.get(skeleton)
        self.pictures, self.rate = tuple(pictures), rate
        self.in_space = in_space

    def __call__(self, batch, draws):
        if draws is None:
            return batch
        is_chosen = draws[:, 0] < self.rate
        batch = dict(batch)
        clips = np.array(batch[SKELETONS])
        turned = clips[is_chosen][:, :, :, self.skeleton.mirror_permutation]
        width = batch[self.pictures[0]].shape[3] if self.pictures else 0
        for name in self.pictures:
            pictures = np.array(batch[name])
            pictures[is_chosen] = pictures[is_chosen][:, :, :, ::-1]
            batch[name] = pictures
        x = turned[..., 0]
        mirrored = -x if self.in_space else width - 1 - x
        turned[..., 0] = np.where(x != 0, mirrored, x)
        clips[is_chosen] = turned
        return {**batch, SKELETONS: clips}


class CropTogether:
    """Cuts out the box around everybody in a clip, from pictures and poses.

    The box holds all joints of all persons that were found in the frames
    chosen, is made larger, and square; pictures are brought to one size, and
    joints to their places there. Published for EPAM-Net with a quarter.

    Args:
        size: `(H, W)` of the pictures that are returned.
        pictures: Names of the modalities that are pictures, `(N, K, H, W, C)`
            or `(N, K, H, W)`. Joints are in pixels of the first; in others,
            which must show the same view in the same proportions, the box is
            scaled to their size.
        margin: By how much the box is larger than the people.
        threshold: Largest score of joints that do not count, where clips have
            a third coordinate.
        nearest: Names of pictures between whose numbers there is nothing, as
            of depth: each pixel takes the nearest. Pictures of other numbers
            than uint8 do in any case; the others are interpolated.

    Raises:
        ValueError: When called, if joints seem to be in metres or shares of
            the picture (all are within 10 pixels, or an eighth of the
            picture, of its corner), or pictures have other proportions.

    The box is no larger than the shorter side of the picture, so that whoever
    takes more of it is cut off. A clip that shows nobody is not cut.
    """

    num_draws = 0

    def __init__(
        self,
        size,
        pictures=("video",),
        margin=0.25,
        threshold=0.0,
        nearest=("depth",),
    ):
        self.size = tuple(map(int, size))
        self.pictures, self.margin = tuple(pictures), float(margin)
        self.threshold, self.nearest = float(threshold), tuple(nearest)

    def __call__(self, batch, draws):
        clips = np.array(batch[SKELETONS])
        shape = batch[self.pictures[0]].shape[2:4]
        self._check(clips, batch, shape)
        boxes = np.stack([self._box(clip, shape) for clip in clips])
        scale = np.array(self.size)[::-1] / (boxes[:, 2:] - boxes[:, :2])
        is_found = np.any(clips[..., :2] != 0, axis=-1, keepdims=True)
        low = boxes[:, None, None, None, :2]
        moved = (clips[..., :2] - low) * scale[:, None, None, None]
        clips[..., :2] = np.where(is_found, moved, 0)
        batch = {**batch, SKELETONS: clips.astype("float32")}
        for name in self.pictures:
            pictures = np.asarray(batch[name])
            own = np.array(pictures.shape[3:1:-1]) / shape[::-1]
            is_nearest = name in self.nearest or pictures.dtype != np.uint8
            cut = _picture_sources.cut_nearest if is_nearest else _cut_smooth
            batch[name] = np.stack(
                [
                    cut(clip, box, self.size)
                    for clip, box in zip(
                        pictures, boxes * np.tile(own, 2), strict=True
                    )
                ]
            )
        return batch

    def _check(self, clips, batch, shape):
        """Checks that joints are in pixels, of all pictures."""
        places = np.abs(clips[..., :2])
        limit = min(10, min(shape) / 8)
        if places.any() and places.max() < limit:
            raise ValueError(
                f"Joints must be in pixels of {self.pictures[0]!r}, whose "
                f"pictures are {shape[0]} x {shape[1]}. All received are "
                f"within {places.max():.3g} of the corner, as in metres or "
                "shares of the picture. Project them into the picture, or "
                "multiply them by its size."
            )
        for name in self.pictures[1:]:
            own = batch[name].shape[2:4]
            # A size that was rounded is up to half a pixel off.
            if abs(own[0] * shape[1] - own[1] * shape[0]) > max(shape):
                raise ValueError(
                    f"Pictures of {name!r} are {own[0]} x {own[1]}, those of "
                    f"{self.pictures[0]!r} {shape[0]} x {shape[1]}: of other "
                    "proportions, so that one box cannot be that of both. Cut "
                    "them apart, with joints in pixels of each."
                )

    def _box(self, clip, shape):
        """Left, top, right and bottom in pixels."""
        height, width = shape
        counts = np.any(clip[..., :2] != 0, axis=-1)
        if clip.shape[-1] > 2:
            counts &= clip[..., 2] > self.threshold
        if not counts.any():
            return np.array([0.0, 0.0, width, height])
        places = clip[counts][:, :2]
        low, high = places.min(axis=0), places.max(axis=0)
        half = np.max(high - low) * (1 + self.margin) / 2
        half = min(max(half, 1.0), height / 2, width / 2)
        # Moved rather than cut where it goes over the edge.
        middle = np.clip(
            (low + high) / 2, half, np.array([width, height]) - half
        )
        return np.concatenate([middle - half, middle + half])


def _cut_smooth(pictures, box, size):
    """Cuts a box out of uint8 `(K, H, W, ...)`, interpolated."""
    from PIL import Image

    is_gray = pictures.ndim == 4 and pictures.shape[-1] == 1
    made = np.stack(
        [
            np.asarray(
                Image.fromarray(picture[..., 0] if is_gray else picture).resize(
                    size[::-1], Image.BILINEAR, box=tuple(box)
                )
            )
            for picture in pictures
        ]
    )
    return made[..., None] if is_gray else made
