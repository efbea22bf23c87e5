"""Pictures of the gallery: those that guides wrote, or a quick set.

`KERAS_SKELETON_GUIDES` names a folder with one folder for each guide, and
`demo`, as `.ci/run` makes it. Without it, `docs/make_gallery.py` draws some
pictures, once: they are kept in `build/gallery` until what draws them changes.
"""

import hashlib
import logging
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "docs" / "make_gallery.py"
KEPT = ROOT / "build" / "gallery"
ENDS = (".png", ".gif", ".html")
log = logging.getLogger("mkdocs.hooks.gallery")

# Where a picture comes from, and what it shows.
CAPTIONS = {
    "quick/actions": "Generated actions, from left to right",
    "quick/motion.gif": "A generated kick",
    "quick/page": "The page that plays a clip: turn it, stop it",
    "quick/skeleton": "A frame with the joints that count made larger",
    "quick/graph": "The bones as a graph: who is linked with whom",
    "quick/pictures": "Video and depth of generated motion, drawn for tests "
    "of models that see both",
    "demo/attention": "What the demo's pre-trained MAMP attends to",
    "demo/motion.gif": "The same as an animation",
    "demo/motion.html": "The same as a page: turn it, stop it",
    "quickstart/explanation": "A prediction explained: turn it, stop it",
    "pose_from_depth/depth": "Joints found in depth maps",
    "pose_from_depth/space": "The same joints in space",
    "explain_graph_model/saliency": "Which joints the score of the class "
    "reacts to, and when",
    "explain_graph_model/grad_cam": "Where the features lie that speak for "
    "the class",
    "explain_graph_model/topology": "The graph that the last block makes for "
    "this clip",
    "explain_graph_model/hyper_edges": "The heaviest hyper-edges of a head",
    "self_supervised/views": "Views of a clip that a contrast is made of",
    "self_supervised/features": "Features of an encoder that saw no labels, "
    "in two dimensions",
    "your_own_data/clip": "A gesture of a skeleton of one's own",
}


def _folder():
    given = os.environ.get("KERAS_SKELETON_GUIDES")
    if given:
        folder = pathlib.Path(given)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"KERAS_SKELETON_GUIDES={given!r} is no folder: run the "
                "guides first, or leave it out for a quick set of pictures."
            )
        return folder
    digest = hashlib.sha256()
    for path in (SCRIPT, *sorted((ROOT / "keras_skeleton/drawing").iterdir())):
        if path.is_file():
            digest.update(path.read_bytes())
    mark = KEPT / "made"
    if not (mark.exists() and mark.read_text() == digest.hexdigest()):
        log.info("Drawing the pictures of the gallery")
        made = subprocess.run(
            [sys.executable, SCRIPT, KEPT / "quick"],
            env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"},
        )
        if made.returncode:
            log.info("No pictures: %s failed", SCRIPT.name)
            return KEPT
        mark.write_text(digest.hexdigest())
    return KEPT


def pictures():
    """Dict from a picture's place on the site to its file."""
    folder = _folder()
    return {
        f"gallery/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.glob("*/*"))
        if path.suffix in ENDS
    }


def shown(guide, up="."):
    """Markdown of the pictures that a guide made, or nothing."""
    texts = []
    for place in pictures():
        _, made_by, name = place.split("/")
        if made_by == guide:
            texts.append(_picture(f"{up}/{place}", f"{made_by}/{name}"))
    if not texts:
        return ""
    note = ""
    if os.environ.get("KERAS_SKELETON_SHORT") == "1":
        note = (
            "These were made by a short run, whose models are hardly trained "
            "and look at nothing in particular.\n\n"
        )
    return "## Pictures\n\n" + note + "\n\n".join(texts)


def listing():
    """Markdown of the whole gallery."""
    makers = list(dict.fromkeys(p.split("/")[1] for p in pictures()))
    texts = []
    for maker in makers:
        title, command = maker.replace("_", " "), f"guides/{maker}.py"
        if maker == "quick":
            title, command = "generated motion", "docs/make_gallery.py FOLDER"
        elif maker == "demo":
            command = "start.py demo"
        text = shown(maker).removeprefix("## Pictures\n\n")
        title = title.capitalize()
        texts.append(f"## {title}\n\n    python {command}\n\n{text}")
    return "\n\n".join(texts) or "This site was built without pictures."


def _picture(place, key):
    stem = key.rpartition(".")[0]
    caption = CAPTIONS.get(key) or CAPTIONS.get(stem) or stem.split("/")[1]
    caption = caption.replace("_", " ")
    if place.endswith(".html"):
        return (
            f'<iframe src="{place}" title="{caption}" class="page" '
            f'loading="lazy"></iframe>\n\n[{caption}]({place})'
        )
    return f"![{caption}]({place})\n\n*{caption}*"
