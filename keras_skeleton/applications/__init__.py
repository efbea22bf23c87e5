"""Published systems, one module each."""

from keras_skeleton.applications import ctrgcn
from keras_skeleton.applications import hyper_gcn
from keras_skeleton.applications import mamp
from keras_skeleton.applications import psumnet
from keras_skeleton.applications.ctrgcn import CTRGCN
from keras_skeleton.applications.hyper_gcn import HyperGCN
from keras_skeleton.applications.mamp import MAMP
from keras_skeleton.applications.mamp import MAMPPretext
from keras_skeleton.applications.psumnet import PSUMNet

__all__ = [
    "CTRGCN",
    "MAMP",
    "HyperGCN",
    "MAMPPretext",
    "PSUMNet",
    "ctrgcn",
    "hyper_gcn",
    "mamp",
    "psumnet",
]
