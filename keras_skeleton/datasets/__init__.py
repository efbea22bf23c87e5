"""Data sets: raw files become `Sequences`, and those become batches."""

from keras_skeleton._lazy import on_first_use

with on_first_use(globals()):
    from keras_skeleton.datasets import aligned as aligned
    from keras_skeleton.datasets import batches as batches
    from keras_skeleton.datasets import clouds as clouds
    from keras_skeleton.datasets import depth as depth
    from keras_skeleton.datasets import features as features
    from keras_skeleton.datasets import files as files
    from keras_skeleton.datasets import formats as formats
    from keras_skeleton.datasets import overview as overview
    from keras_skeleton.datasets import preparation as preparation
    from keras_skeleton.datasets import readers as readers
    from keras_skeleton.datasets import samplers as samplers
    from keras_skeleton.datasets import sequences as sequences
    from keras_skeleton.datasets import synthetic as synthetic
    from keras_skeleton.datasets import video_store as video_store
    from keras_skeleton.datasets._long_tailed import (
        class_counts as class_counts,
    )
    from keras_skeleton.datasets.aligned import Aligned as Aligned
    from keras_skeleton.datasets.features import Features as Features
    from keras_skeleton.datasets.features import Videos as Videos
    from keras_skeleton.datasets.readers import bvh as bvh
    from keras_skeleton.datasets.readers import casia_b as casia_b
    from keras_skeleton.datasets.readers import coco as coco
    from keras_skeleton.datasets.readers import custom as custom
    from keras_skeleton.datasets.readers import dhg as dhg
    from keras_skeleton.datasets.readers import fine_gym as fine_gym
    from keras_skeleton.datasets.readers import human36m as human36m
    from keras_skeleton.datasets.readers import itop as itop
    from keras_skeleton.datasets.readers import k400 as k400
    from keras_skeleton.datasets.readers import kinetics as kinetics
    from keras_skeleton.datasets.readers import mediapipe as mediapipe
    from keras_skeleton.datasets.readers import ntu as ntu
    from keras_skeleton.datasets.readers import ntu_x as ntu_x
    from keras_skeleton.datasets.readers import nw_ucla as nw_ucla
    from keras_skeleton.datasets.readers import openpose as openpose
    from keras_skeleton.datasets.readers import panoptic as panoptic
    from keras_skeleton.datasets.readers import penn_action as penn_action
    from keras_skeleton.datasets.readers import pku_mmd as pku_mmd
    from keras_skeleton.datasets.readers import pyskl as pyskl
    from keras_skeleton.datasets.readers import shrec17 as shrec17
    from keras_skeleton.datasets.readers import stgcn as stgcn
    from keras_skeleton.datasets.readers import videos as videos
    from keras_skeleton.datasets.sequences import Sequences as Sequences
