"""Published systems, one module each."""

from keras_skeleton._lazy import attach

# All systems: the classes of each, its encoder and classifier first. What
# belongs to a system, in this package and others, has its name: the module
# here, that of its weights, the attribute `system` of its classes.
SYSTEMS = {
    "cascadeformer": ("CascadeFormer", "CascadeFormerPretext"),
    "ctrgcn": ("CTRGCN",),
    "deformable3d": ("DeformableTransformer3D",),
    "dsta": ("DSTA",),
    "epamnet": ("EPAMNet",),
    "halp": ("HaLP", "HaLPPretext"),
    "hiclr": ("HiCLR", "HiCLRPretext"),
    "hypergcn": ("HyperGCN",),
    "mamp": ("MAMP", "MAMPPretext"),
    "mmixer": ("MMixer",),
    "msclr": ("MSCLR", "MSCLRPretext", "AimCLRPretext"),
    "psumnet": ("PSUMNet",),
    "stars": ("STARS", "STARSPretext", "STARSMoCo", "STARSDINO"),
    "stgcn": ("STGCN",),
}

__getattr__, __dir__, __all__ = attach(
    __name__,
    submodules=tuple(SYSTEMS),
    homes={name: system for system, names in SYSTEMS.items() for name in names},
)
