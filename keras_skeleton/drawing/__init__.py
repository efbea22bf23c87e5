"""Skeletons, animations, pages, graphs and tables as pictures.

Nothing here knows a model: pictures take clips, maps and graphs.
"""

from keras_skeleton._lazy import attach

_HOMES = {
    "animate": "figures",
    "draw_attention": "matrices",
    "draw_comparison": "comparison",
    "draw_confusion_matrix": "matrices",
    "draw_curve_panels": "charts",
    "draw_curves": "charts",
    "draw_heat_map": "figures",
    "draw_hyper_edges": "topologies",
    "draw_over": "overlay",
    "draw_points": "charts",
    "draw_skeleton": "figures",
    "draw_strip": "figures",
    "draw_topology": "topologies",
    "write_page": "page",
}

__getattr__, __dir__, __all__ = attach(__name__, homes=_HOMES)
