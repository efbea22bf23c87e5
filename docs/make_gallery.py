"""Draws a quick set of pictures for the gallery, of generated motion.

    python docs/make_gallery.py FOLDER

It takes some seconds and needs neither Keras nor a backend.
"""

import pathlib
import sys

import numpy as np
from matplotlib.figure import Figure

from keras_skeleton import drawing
from keras_skeleton import skeletons
from keras_skeleton.datasets import synthetic

SKELETON = "ntu"
ACTIONS = ("wave one hand", "kick", "squat", "sit down")


def generate(action):
    """A clip of an action, in metres."""
    return synthetic.load_data(
        num_clips=1, classes=[action], skeleton=SKELETON, noise=0.0, seed=3
    ).clip(0)


def resized(clip, frames):
    """Frames spread evenly."""
    chosen = np.linspace(0, clip.shape[1] - 1, frames).round().astype(int)
    return clip[:, chosen]


def speed(clip):
    """How far each joint moves from frame to frame, as shares of the whole."""
    moved = np.linalg.norm(np.diff(clip, axis=1, append=clip[:, -1:]), axis=-1)
    return moved / moved.sum()


def actions():
    made = {name: resized(generate(name), 48) for name in ACTIONS}
    made = {name: clip - clip[:, :1, :1] for name, clip in made.items()}
    return drawing.draw_comparison(made, SKELETON)


def graph(clip):
    skeleton = skeletons.get(SKELETON)
    frame = clip[0, clip.shape[1] // 2]
    links = skeleton.adjacency() / 2
    return drawing.draw_topology(
        frame, skeleton, links, num_links=48, title="Bones, as a graph"
    )


def pictures(clip):
    """Video and depth of a clip, one above the other."""
    drawn = synthetic.draw_clip(resized(clip, 6), SKELETON)
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    rows = figure.subplots(2, 6)
    for column, (image, depth) in enumerate(
        zip(drawn["video"], drawn["depth"], strict=True)
    ):
        rows[0, column].imshow(image)
        rows[1, column].imshow(depth, cmap="viridis_r")
    for axes in rows.ravel():
        axes.set_axis_off()
    return figure


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    clip = generate("kick")
    moved = speed(clip)
    middle = clip.shape[1] // 2
    figures = {
        "actions": actions(),
        "skeleton": drawing.draw_skeleton(
            clip[:, middle], SKELETON, moved[:, middle], title="Speed"
        ),
        "graph": graph(clip),
        "pictures": pictures(clip),
    }
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=90)
    drawing.animate(resized(clip, 24), SKELETON, None, folder / "motion.gif")
    drawing.write_page(
        folder / "page.html", clip, SKELETON, {"Speed": moved}, title="Kick"
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    main(pathlib.Path(sys.argv[1]))
