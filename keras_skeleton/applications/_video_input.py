"""Frames and colours of video, and the frames of skeletons beside it."""

import numpy as np

from keras_skeleton.layers import augmentation

# Mean and deviation of red, green and blue, of values up to 255.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_DEVIATION = (58.395, 57.12, 57.375)


def choose_frames(lengths, num_frames=48, num_video_frames=16, draws=None):
    """Chooses the frames of skeletons and of video by one draw.

    Args:
        lengths: Frames of each clip, `(N,)`.
        num_frames: Frames of the skeletons, a multiple of the video's.
        num_video_frames: Frames of the video.
        draws: Numbers in [0, 1), `(N, num_frames + 3)`, for the choice in
            training; `None` for that of the published evaluation.

    Returns:
        Two arrays of frame numbers, `(N, num_frames)` and, as a part of
        them, `(N, num_video_frames)`.
    """
    if num_frames % num_video_frames:
        raise ValueError(
            "`num_frames` must be a whole multiple of `num_video_frames`. "
            f"Received: {num_frames} and {num_video_frames}."
        )
    lengths = np.asarray(lengths, "int32")
    layer = augmentation.SegmentSample(num_frames).twin("numpy")
    frames = layer.choose_frames(lengths, draws, int(lengths.max(initial=1)))
    return frames, frames[:, :: num_frames // num_video_frames]


def preprocess_input(inputs, num_frames=48, num_video_frames=16, lengths=None):
    """Brings skeletons and video to the form that `EPAMNet` takes.

    Frames are those of the published evaluation (`choose_frames`), and
    colours are normalized. Videos must show the same people in a picture of
    the model's size already: cut out the box around everybody in the whole
    video, made larger by a quarter and a square, and resize it.

    Args:
        inputs: Dict of arrays `skeletons` `(N, M, T, V, C)` and `video`
            `(N, T, H, W, 3)`, of the same frames, red, green and blue from 0
            to 255; or of one of them.
        num_frames: Frames of the skeletons to return.
        num_video_frames: Frames of the video to return.
        lengths: Frames of each clip, `(N,)`; all by default.

    Returns:
        Dict of arrays by the same names.

    Raises:
        ValueError: If the inputs are of other names or have other frames.
    """
    names = {"skeletons": 2, "video": 1}
    if not isinstance(inputs, dict) or not set(inputs) <= set(names):
        raise ValueError(
            "`inputs` must be a dict with 'skeletons', 'video' or both. "
            f"Received: {list(inputs) if isinstance(inputs, dict) else inputs}"
        )
    lengths_found = {
        name: array.shape[names[name]] for name, array in inputs.items()
    }
    if len(set(lengths_found.values())) != 1:
        raise ValueError(
            "Skeletons and video must have the same frames, with people found "
            f"in each. Received numbers of frames {lengths_found}."
        )
    count = len(next(iter(inputs.values())))
    if lengths is None:
        lengths = [*lengths_found.values()][:1] * count
    frames, of_video = choose_frames(lengths, num_frames, num_video_frames)
    rows = np.arange(count)[:, None]
    outputs = {}
    if "skeletons" in inputs:
        clips = np.asarray(inputs["skeletons"], "float32")
        # The two arrays of numbers move to the front together.
        outputs["skeletons"] = np.moveaxis(clips[rows, :, frames], 1, 2)
    if "video" in inputs:
        video = np.asarray(inputs["video"])[rows, of_video]
        video = video.astype("float32") - np.array(PIXEL_MEAN, "float32")
        outputs["video"] = video / np.array(PIXEL_DEVIATION, "float32")
    return outputs
