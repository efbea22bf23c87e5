"""Lists of transforms that published systems share."""

import math

from keras_skeleton.layers.augmentation.chains import RandomChoice
from keras_skeleton.layers.augmentation.crop_resize import CropResize
from keras_skeleton.layers.augmentation.dropping import DropAxis
from keras_skeleton.layers.augmentation.dropping import RandomApply
from keras_skeleton.layers.augmentation.filling import FillLostFrames
from keras_skeleton.layers.augmentation.linear import JointCorruption
from keras_skeleton.layers.augmentation.linear import RandomShear
from keras_skeleton.layers.augmentation.noise import GaussianNoise
from keras_skeleton.layers.augmentation.normalization import PreNormalize2D
from keras_skeleton.layers.augmentation.normalization import PreNormalize3D
from keras_skeleton.layers.augmentation.space import Center
from keras_skeleton.layers.augmentation.space import RandomMirror
from keras_skeleton.layers.augmentation.space import RandomRotation
from keras_skeleton.layers.augmentation.temporal import GaussianBlur
from keras_skeleton.layers.augmentation.temporal import LoopFrames
from keras_skeleton.layers.augmentation.temporal import TemporalCrop
from keras_skeleton.layers.augmentation.views import FaceFront


def pose_preprocessing(
    num_frames, image_shape=None, threshold=0.01, keep_aspect=False
):
    """Prepares poses of an estimator: x, y and perhaps a score, in pixels.

    Frames in which nobody was found are filled from those beside them. Places
    are brought to the square from -1 to 1, scores stay as they are, and
    joints that were not found stay at zero; then frames are taken evenly
    from the whole clip.

    Args:
        num_frames: Frames that the model takes.
        image_shape: Height and width of the images in pixels. By default the
            square is that around all joints of a clip that were found, which
            needs no image size, and does not tell where in the image, nor how
            large, the persons were.
        threshold: Largest score of joints that count as not found.
        keep_aspect: Without an image size: whether the longer side of the
            box around all joints fills the square, and not both.

    Returns:
        List of transforms.

    Raises:
        ValueError: If there are both an image size and `keep_aspect`.

    Example:

    >>> form = pose_preprocessing(64, image_shape=(1080, 1920))
    >>> batches = sequences.to_keras(form, batch_size=16)
    """
    if keep_aspect and image_shape is not None:
        raise ValueError(
            "`keep_aspect` is about the box around the joints, which takes "
            f"the place of an image. Received image_shape={image_shape}: "
            "leave one of them out."
        )
    mode = "square" if keep_aspect else "auto"
    if image_shape is not None:
        mode = "fix"
    shape = (1, 1) if image_shape is None else image_shape
    return [
        FillLostFrames(at_end=False),
        PreNormalize2D(shape, threshold, mode),
        CropResize(num_frames, interval=(1.0,)),
    ]


def basic_augmentation(padding_ratio=6, shear=0.5, dimensions=3):
    """The weak augmentation of AimCLR, HiCLR and MS-CLR.

    Args:
        padding_ratio: See `TemporalCrop`.
        shear: See `RandomShear`.
        dimensions: 3, or 2 for clips in the image plane, which nothing
            published is about.

    Returns:
        List of transforms.

    Example:

    >>> views = Views(query=basic_augmentation(), key=basic_augmentation())
    """
    return [TemporalCrop(padding_ratio), RandomShear(shear, dimensions)]


def strong_augmentation(
    skeleton, clip_shape, padding_ratio=6, shear=0.5, dimensions=3
):
    """The strong ("extreme") augmentation of AimCLR, HiCLR and MS-CLR.

    It is the weak one, then joints change sides, the body turns about a main
    axis, and there are noise, blur and a lost coordinate, all as published:
    also where nobody is, and with weights of the blur that do not add up to 1.

    Args:
        skeleton: `Skeleton` of the clips or the name of a registered one.
        clip_shape: Shape `(M, T, V, C)` of the clips.
        padding_ratio: See `TemporalCrop`.
        shear: See `RandomShear`.
        dimensions: See `basic_augmentation`. In the plane there is one angle.

    Returns:
        List of transforms.

    Example:

    >>> strong = strong_augmentation("ntu", (2, 50, 25, 3))
    >>> weak = basic_augmentation()
    >>> views = Views(basic=weak, key=weak, normal=strong, strong=strong)

    Reference: [AimCLR](https://arxiv.org/abs/2112.03590).
    """
    return [
        *basic_augmentation(padding_ratio, shear, dimensions),
        RandomMirror(skeleton, reflect=False),
        RandomRotation(
            math.radians(30),
            min_angle=0.0,
            minor_angle=math.radians(1) if dimensions == 3 else None,
            dimensions=dimensions,
        ),
        RandomApply(GaussianNoise(clip_shape, absent=True)),
        RandomApply(GaussianBlur()),
        RandomApply(DropAxis()),
    ]


def corrupting_augmentation(
    num_frames=64, num_joints=15, dimensions=3, interval=(0.1, 1.0)
):
    """The augmentation of HaLP.

    A crop in time, of a tenth to all of the clip but not shorter than 64
    frames, and either corrupted joints or a strong shear.

    Args:
        num_frames: Frames that the crop is resized to.
        num_joints: See `JointCorruption`; published: 15 of 25.
        dimensions: See `basic_augmentation`.
        interval: Least and largest share of the clip.

    Returns:
        List of transforms.

    Reference: [HaLP](https://arxiv.org/abs/2304.00387).
    """
    return [
        CropResize(num_frames, interval, min_frames=64),
        RandomChoice(
            [
                JointCorruption(num_joints, dimensions=dimensions),
                RandomShear(1.0, dimensions),
            ]
        ),
    ]


def facing_preprocessing(num_frames=50, center=20, shoulders=(4, 8)):
    """The preprocessing of HiCLR.

    Every frame of every person is centred, the clip resized in time, and
    everybody turned to the front.

    The published code takes as the length of a clip the number of frames that
    show the first person, and so loses as many at the end as are missing
    before. Here it is the clip's own length.

    Args:
        num_frames: Frames that clips are resized to.
        center: Joint that is subtracted; 20 is the upper spine of NTU RGB+D.
        shoulders: Left and right shoulder.

    Returns:
        List of transforms.

    Reference: [HiCLR](https://arxiv.org/abs/2211.13466).
    """
    return [
        Center(center, per="person"),
        CropResize(num_frames, interval=1.0),
        FaceFront(shoulders, published=True),
    ]


def upright_preprocessing(center=1, spine=(0, 1), shoulders=(8, 4)):
    """The preprocessing of HaLP, CMD and many graph networks.

    Persons who vanish start over, everybody is centred on the first person in
    every frame, and the clip is turned so that the first person stands
    upright and looks to the front at first.

    Args:
        center: Joint that is subtracted; 1 is the spine of NTU RGB+D.
        spine: Joints at the lower and the upper end of the spine.
        shoulders: Right and left shoulder.

    Returns:
        List of transforms.

    Reference: [Shi et al., 2019](https://arxiv.org/abs/1805.07694).
    """
    return [
        LoopFrames(),
        Center(center, per="frame"),
        PreNormalize3D(
            align_center=False,
            spine=spine,
            shoulders=shoulders,
            compact=False,
        ),
    ]
