"""Base of transforms that bring clips to a number of frames."""

from keras_skeleton.layers.augmentation.base import SkeletonTransform


class FrameChoice(SkeletonTransform):
    """A transform whose first step is to take some frames of each clip.

    Which ones follows from lengths and draws alone. So a pipeline that
    begins with such a transform reads these frames and no others, and
    several modalities of a clip can share the choice. A subclass implements
    `choose_frames` and, if more is to be done with the frames, `of_chosen`.

    Args:
        num_frames: Frames to return.
        **kwargs: See `SkeletonTransform`.
    """

    def __init__(self, num_frames, **kwargs):
        super().__init__(**kwargs)
        if int(num_frames) != num_frames or num_frames < 1:
            raise ValueError(
                "`num_frames` must be a whole number of at least 1. "
                f"Received: {num_frames}"
            )
        self.num_frames = int(num_frames)

    def choose_frames(self, lengths, draws=None, longest=None):
        """Returns the numbers of the frames that the transform needs.

        Args:
            lengths: int32 `(N,)`, the frames of each clip.
            draws: Numbers in [0, 1), `(N, num_draws)`, or `None` for the
                choice outside training.
            longest: A number that no length exceeds, where one is known.

        Returns:
            int32 `(N, K)` from 0 to below the length of each clip.
        """
        raise NotImplementedError

    def of_chosen(self, clips, frames, draws, lengths):
        """Returns what the transform makes of the frames chosen.

        Args:
            clips: `(N, M, K, V, C)`, the frames chosen.
            frames: int32 `(N, K)`, what `choose_frames` returned.
            draws: As there.
            lengths: As there.
        """
        return clips

    def transform(self, clips, draws, lengths):
        lengths = self.valid_length(clips, lengths)
        frames = self.choose_frames(lengths, draws, clips.shape[2])
        clips = self.take_frames(clips, frames)
        return self.of_chosen(clips, frames, draws, lengths)

    def deterministic(self, clips, lengths):
        return self.transform(clips, None, lengths)

    def new_lengths(self, clips, draws, lengths):
        return self.backend.numpy.full_like(lengths, self.total_frames)

    @property
    def total_frames(self):
        """Frames of the clips that are returned."""
        return self.num_frames

    def compute_output_shape(self, input_shape):
        samples, persons, _, joints, coordinates = input_shape
        return samples, persons, self.total_frames, joints, coordinates

    def get_config(self):
        return {**super().get_config(), "num_frames": self.num_frames}
