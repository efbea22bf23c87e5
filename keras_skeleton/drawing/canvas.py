"""What all figures begin with."""

#: The colours of importance and of weights that are not negative.
COLOR_MAP = "YlOrRd"


def new_figure(size):
    """An empty matplotlib `Figure` of `size` inches."""
    # Not through pyplot: no display, no global list of open figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", dpi=120)
    FigureCanvasAgg(figure)
    return figure
