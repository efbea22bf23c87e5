"""Graph networks of few blocks: the full depths take minutes to compile."""

import contextlib

import pytest

from keras_skeleton.applications import ctrgcn
from keras_skeleton.applications import hypergcn
from keras_skeleton.applications import psumnet

_PLANS = {
    (ctrgcn, "_PLAN"): ((1, 1), (2, 2)),
    (hypergcn, "_WIDTHS"): {"base": (1, 1), "large": (1, 1, 1, 2)},
    (psumnet, "_PLANS"): {
        "body": ((2, 2),),
        "hand": ((2, 2),),
        "leg": ((2, 2),),
    },
}


@contextlib.contextmanager
def shallow_graph_networks():
    """Inside, CTRGCN, HyperGCN and PSUMNet are built of few blocks."""
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), plan in _PLANS.items():
            patch.setattr(module, name, plan)
        yield
