"""Published systems, one module each."""

from keras_skeleton._lazy import on_first_use

with on_first_use(globals()) as _places:
    from keras_skeleton.applications import a2j as a2j
    from keras_skeleton.applications import aclnet as aclnet
    from keras_skeleton.applications import brl as brl
    from keras_skeleton.applications import cascadeformer as cascadeformer
    from keras_skeleton.applications import ctrgcn as ctrgcn
    from keras_skeleton.applications import deformable3d as deformable3d
    from keras_skeleton.applications import dgstgcn as dgstgcn
    from keras_skeleton.applications import dsta as dsta
    from keras_skeleton.applications import epamnet as epamnet
    from keras_skeleton.applications import finetec as finetec
    from keras_skeleton.applications import halp as halp
    from keras_skeleton.applications import hiclr as hiclr
    from keras_skeleton.applications import hypergcn as hypergcn
    from keras_skeleton.applications import mamp as mamp
    from keras_skeleton.applications import mmixer as mmixer
    from keras_skeleton.applications import msclr as msclr
    from keras_skeleton.applications import psumnet as psumnet
    from keras_skeleton.applications import skeletonmae as skeletonmae
    from keras_skeleton.applications import stars as stars
    from keras_skeleton.applications import stgcn as stgcn
    from keras_skeleton.applications import stgcnpp as stgcnpp
    from keras_skeleton.applications import unipose as unipose

    # Of each system its encoder and classifier first.
    # isort: off
    from keras_skeleton.applications.a2j import A2J as A2J
    from keras_skeleton.applications.aclnet import ACLNet as ACLNet
    from keras_skeleton.applications.aclnet import (
        ACLNetTraining as ACLNetTraining,
    )
    from keras_skeleton.applications.brl import BRL as BRL
    from keras_skeleton.applications.cascadeformer import (
        CascadeFormer as CascadeFormer,
    )
    from keras_skeleton.applications.cascadeformer import (
        CascadeFormerPretext as CascadeFormerPretext,
    )
    from keras_skeleton.applications.ctrgcn import CTRGCN as CTRGCN
    from keras_skeleton.applications.deformable3d import (
        DeformableTransformer3D as DeformableTransformer3D,
    )
    from keras_skeleton.applications.dgstgcn import DGSTGCN as DGSTGCN
    from keras_skeleton.applications.dsta import DSTA as DSTA
    from keras_skeleton.applications.epamnet import EPAMNet as EPAMNet
    from keras_skeleton.applications.finetec import FineTec as FineTec
    from keras_skeleton.applications.finetec import (
        FineTecPretext as FineTecPretext,
    )
    from keras_skeleton.applications.halp import HaLP as HaLP
    from keras_skeleton.applications.halp import HaLPPretext as HaLPPretext
    from keras_skeleton.applications.hiclr import HiCLR as HiCLR
    from keras_skeleton.applications.hiclr import HiCLRPretext as HiCLRPretext
    from keras_skeleton.applications.hypergcn import HyperGCN as HyperGCN
    from keras_skeleton.applications.mamp import MAMP as MAMP
    from keras_skeleton.applications.mamp import MAMPPretext as MAMPPretext
    from keras_skeleton.applications.mmixer import MMixer as MMixer
    from keras_skeleton.applications.msclr import MSCLR as MSCLR
    from keras_skeleton.applications.msclr import MSCLRPretext as MSCLRPretext
    from keras_skeleton.applications.msclr import AimCLRPretext as AimCLRPretext
    from keras_skeleton.applications.psumnet import PSUMNet as PSUMNet
    from keras_skeleton.applications.skeletonmae import (
        SkeletonMAE as SkeletonMAE,
    )
    from keras_skeleton.applications.skeletonmae import (
        SkeletonMAEPretext as SkeletonMAEPretext,
    )
    from keras_skeleton.applications.stars import STARS as STARS
    from keras_skeleton.applications.stars import STARSPretext as STARSPretext
    from keras_skeleton.applications.stars import STARSMoCo as STARSMoCo
    from keras_skeleton.applications.stars import STARSDINO as STARSDINO
    from keras_skeleton.applications.stgcn import STGCN as STGCN
    from keras_skeleton.applications.stgcnpp import (
        STGCNPlusPlus as STGCNPlusPlus,
    )
    from keras_skeleton.applications.unipose import UniPose as UniPose
    from keras_skeleton.applications.unipose import (
        UniPoseTraining as UniPoseTraining,
    )


# All systems and the classes of each. What belongs to a system, in this package
# and others, has its name: the module here, that of its weights, the attribute
# `system` of its classes.
SYSTEMS = {
    system: tuple(
        name
        for name, place in _places.items()
        if place == f"{__name__}.{system}.{name}"
    )
    for system, module in _places.items()
    if module == f"{__name__}.{system}"
}
