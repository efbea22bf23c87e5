"""Transforms of clips, as layers: in `tf.data`, in a model, or eagerly."""

from keras_skeleton.layers.augmentation._frames import FrameChoice
from keras_skeleton.layers.augmentation.as_data import deserialize_transforms
from keras_skeleton.layers.augmentation.as_data import serialize_transforms
from keras_skeleton.layers.augmentation.base import SkeletonTransform
from keras_skeleton.layers.augmentation.chains import RandomChoice
from keras_skeleton.layers.augmentation.chains import Views
from keras_skeleton.layers.augmentation.corruption import CorruptFrames
from keras_skeleton.layers.augmentation.corruption import MaskFrames
from keras_skeleton.layers.augmentation.corruption import MaskJoints
from keras_skeleton.layers.augmentation.corruption import corruption_draws
from keras_skeleton.layers.augmentation.crop_resize import CropResize
from keras_skeleton.layers.augmentation.dropping import DropAxis
from keras_skeleton.layers.augmentation.dropping import DropJoints
from keras_skeleton.layers.augmentation.dropping import DropSide
from keras_skeleton.layers.augmentation.dropping import RandomApply
from keras_skeleton.layers.augmentation.dropping import ZeroInvisible
from keras_skeleton.layers.augmentation.filling import FillLostFrames
from keras_skeleton.layers.augmentation.filling import filling_lost_frames
from keras_skeleton.layers.augmentation.frames import RandomFrames
from keras_skeleton.layers.augmentation.frames import RandomSegmentFrames
from keras_skeleton.layers.augmentation.image_plane import CropToPeople
from keras_skeleton.layers.augmentation.image_plane import RandomCropInPlane
from keras_skeleton.layers.augmentation.image_plane import RandomFlipInPlane
from keras_skeleton.layers.augmentation.image_plane import ScaleInPlane
from keras_skeleton.layers.augmentation.layout_views import LayoutViews
from keras_skeleton.layers.augmentation.linear import JointCorruption
from keras_skeleton.layers.augmentation.linear import RandomShear
from keras_skeleton.layers.augmentation.mapping import MapSkeleton
from keras_skeleton.layers.augmentation.noise import GaussianNoise
from keras_skeleton.layers.augmentation.noise import RandomNoise
from keras_skeleton.layers.augmentation.normalization import PreNormalize2D
from keras_skeleton.layers.augmentation.normalization import PreNormalize3D
from keras_skeleton.layers.augmentation.parts import BodyPart
from keras_skeleton.layers.augmentation.parts import DropPart
from keras_skeleton.layers.augmentation.parts import SelectJoints
from keras_skeleton.layers.augmentation.parts import body_part
from keras_skeleton.layers.augmentation.persons import Persons
from keras_skeleton.layers.augmentation.recipes import basic_augmentation
from keras_skeleton.layers.augmentation.recipes import corrupting_augmentation
from keras_skeleton.layers.augmentation.recipes import facing_preprocessing
from keras_skeleton.layers.augmentation.recipes import pose_preprocessing
from keras_skeleton.layers.augmentation.recipes import strong_augmentation
from keras_skeleton.layers.augmentation.recipes import upright_preprocessing
from keras_skeleton.layers.augmentation.sampling import PadTo
from keras_skeleton.layers.augmentation.sampling import SegmentSample
from keras_skeleton.layers.augmentation.sampling import SplitClips
from keras_skeleton.layers.augmentation.sampling import UniformSample
from keras_skeleton.layers.augmentation.sampling import UniformSampleDecode
from keras_skeleton.layers.augmentation.scores import KeepScores
from keras_skeleton.layers.augmentation.space import Center
from keras_skeleton.layers.augmentation.space import RandomMirror
from keras_skeleton.layers.augmentation.space import RandomRotation
from keras_skeleton.layers.augmentation.space import RandomScale
from keras_skeleton.layers.augmentation.streams import Bones
from keras_skeleton.layers.augmentation.streams import Motion
from keras_skeleton.layers.augmentation.streams import Streams
from keras_skeleton.layers.augmentation.temporal import GaussianBlur
from keras_skeleton.layers.augmentation.temporal import LoopFrames
from keras_skeleton.layers.augmentation.temporal import RandomTimeFlip
from keras_skeleton.layers.augmentation.temporal import RandomTimeShift
from keras_skeleton.layers.augmentation.temporal import TemporalCrop
from keras_skeleton.layers.augmentation.views import AlignShoulders
from keras_skeleton.layers.augmentation.views import BoneNormalization
from keras_skeleton.layers.augmentation.views import FaceFront
from keras_skeleton.layers.augmentation.views import MainPerson
from keras_skeleton.layers.augmentation.views import MinMaxNormalization
from keras_skeleton.layers.augmentation.views import RandomView
from keras_skeleton.layers.augmentation.views import RootNormalization

__all__ = [
    "AlignShoulders",
    "BodyPart",
    "BoneNormalization",
    "Bones",
    "Center",
    "CorruptFrames",
    "CropResize",
    "CropToPeople",
    "DropAxis",
    "DropJoints",
    "DropPart",
    "DropSide",
    "FaceFront",
    "FillLostFrames",
    "FrameChoice",
    "GaussianBlur",
    "GaussianNoise",
    "JointCorruption",
    "KeepScores",
    "LayoutViews",
    "LoopFrames",
    "MainPerson",
    "MapSkeleton",
    "MaskFrames",
    "MaskJoints",
    "MinMaxNormalization",
    "Motion",
    "PadTo",
    "Persons",
    "PreNormalize2D",
    "PreNormalize3D",
    "RandomApply",
    "RandomChoice",
    "RandomCropInPlane",
    "RandomFlipInPlane",
    "RandomFrames",
    "RandomMirror",
    "RandomNoise",
    "RandomRotation",
    "RandomScale",
    "RandomSegmentFrames",
    "RandomShear",
    "RandomTimeFlip",
    "RandomTimeShift",
    "RandomView",
    "RootNormalization",
    "ScaleInPlane",
    "SegmentSample",
    "SelectJoints",
    "SkeletonTransform",
    "SplitClips",
    "Streams",
    "TemporalCrop",
    "UniformSample",
    "UniformSampleDecode",
    "Views",
    "ZeroInvisible",
    "basic_augmentation",
    "body_part",
    "corrupting_augmentation",
    "corruption_draws",
    "deserialize_transforms",
    "facing_preprocessing",
    "filling_lost_frames",
    "pose_preprocessing",
    "serialize_transforms",
    "strong_augmentation",
    "upright_preprocessing",
]
