"""Published systems, one module each."""

from keras_skeleton._lazy import attach

# All systems: the classes of each, its encoder and classifier first. What
# belongs to a system, in this package and others, has its name: the module
# here, that of its weights, the attribute `system` of its classes.
SYSTEMS = {
    "a2j": ("A2J",),
    "aclnet": ("ACLNet", "ACLNetTraining"),
    "brl": ("BRL",),
    "cascadeformer": ("CascadeFormer", "CascadeFormerPretext"),
    "ctrgcn": ("CTRGCN",),
    "deformable3d": ("DeformableTransformer3D",),
    "dgstgcn": ("DGSTGCN",),
    "dsta": ("DSTA",),
    "epamnet": ("EPAMNet",),
    "finetec": ("FineTec", "FineTecPretext"),
    "halp": ("HaLP", "HaLPPretext"),
    "hiclr": ("HiCLR", "HiCLRPretext"),
    "hypergcn": ("HyperGCN",),
    "mamp": ("MAMP", "MAMPPretext"),
    "mmixer": ("MMixer",),
    "msclr": ("MSCLR", "MSCLRPretext", "AimCLRPretext"),
    "psumnet": ("PSUMNet",),
    "skeletonmae": ("SkeletonMAE", "SkeletonMAEPretext"),
    "stars": ("STARS", "STARSPretext", "STARSMoCo", "STARSDINO"),
    "stgcn": ("STGCN",),
    "stgcnpp": ("STGCNPlusPlus",),
    "unipose": ("UniPose", "UniPoseTraining"),
}

__getattr__, __dir__, __all__ = attach(
    __name__,
    submodules=tuple(SYSTEMS),
    homes={name: system for system, names in SYSTEMS.items() for name in names},
)
