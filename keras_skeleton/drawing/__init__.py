"""Skeletons, animations, pages, graphs and tables as pictures.

Nothing here knows a model: pictures take clips, maps and graphs.
"""

from keras_skeleton._lazy import on_first_use

with on_first_use(globals()):
    from keras_skeleton.drawing.charts import draw_bars as draw_bars
    from keras_skeleton.drawing.charts import (
        draw_curve_panels as draw_curve_panels,
    )
    from keras_skeleton.drawing.charts import draw_curves as draw_curves
    from keras_skeleton.drawing.charts import draw_points as draw_points
    from keras_skeleton.drawing.comparison import (
        draw_comparison as draw_comparison,
    )
    from keras_skeleton.drawing.figures import animate as animate
    from keras_skeleton.drawing.figures import draw_heat_map as draw_heat_map
    from keras_skeleton.drawing.figures import draw_skeleton as draw_skeleton
    from keras_skeleton.drawing.figures import draw_strip as draw_strip
    from keras_skeleton.drawing.matrices import draw_attention as draw_attention
    from keras_skeleton.drawing.matrices import (
        draw_confusion_matrix as draw_confusion_matrix,
    )
    from keras_skeleton.drawing.overlay import draw_over as draw_over
    from keras_skeleton.drawing.page import write_page as write_page
    from keras_skeleton.drawing.pictures import draw_pictures as draw_pictures
    from keras_skeleton.drawing.topologies import (
        draw_hyper_edges as draw_hyper_edges,
    )
    from keras_skeleton.drawing.topologies import draw_topology as draw_topology
