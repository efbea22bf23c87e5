"""What is in a data set: counts, lengths, copies, a clip to look at."""

import pathlib

import numpy as np

from keras_skeleton._types import PathLike
from keras_skeleton.datasets import _clips
from keras_skeleton.datasets.sequences import Sequences

BAR_WIDTH = 40
BINS = 10


def describe(sequences: Sequences) -> dict:
    """Counts what a data set holds.

    Args:
        sequences: A `Sequences`.

    Returns:
        A dictionary of plain numbers, strings and lists:

        - `num_clips`, `num_frames`, `persons`, `joints`, `coordinates`,
          `skeleton`, `skipped`;
        - `zeros`: clips that are zeros throughout, `clips`, and frames of
          zeros of the others, `frames_within` before a frame that shows
          somebody and `frames_at_end` after the last one, as padding is;
        - `clips_by_persons`: clips by the number of persons in them;
        - `lengths`: `min`, `median`, `max` and a histogram, `counts` between
          `edges`, in frames;
        - `classes`: clips of each class, `all` and by protocol and part;
        - `protocols`: for each, the clips of each part, and how many clips
          of the test part are exact copies of others (`copies_of_train`).
    """
    names = _class_names(sequences)
    lengths = sequences.lengths
    counts, edges = np.histogram(lengths, bins=_edges(lengths))
    persons, joints, _ = sequences.frame_shape
    classes = {"all": _count(sequences.labels, names)}
    protocols = {}
    for protocol, parts in sequences.splits.items():
        protocols[protocol] = {
            part: len(indices) for part, indices in parts.items()
        }
        for part in sorted(parts, key=lambda part: (part != "train", part)):
            of_part = sequences.labels[parts[part]]
            classes[f"{protocol} {part}"] = _count(of_part, names)
        if {"train", "test"} <= set(parts):
            train, test = sequences.split(protocol)
            both = np.intersect1d(parts["train"], parts["test"])
            if both.size:
                protocols[protocol]["in_both"] = len(both)
            protocols[protocol]["copies_of_train"] = len(test.duplicates(train))
    kept, clips = np.unique(sequences.persons, return_counts=True)
    return {
        "num_clips": len(sequences),
        "num_frames": int(lengths.sum()),
        "skeleton": sequences.skeleton.name,
        "persons": persons,
        "joints": joints,
        "coordinates": list(sequences.coordinates),
        "zeros": _clips.count_zeros(map(sequences.clip, range(len(sequences)))),
        "clips_by_persons": dict(
            zip(kept.tolist(), clips.tolist(), strict=True)
        ),
        "lengths": {
            "min": int(lengths.min()),
            "median": float(np.median(lengths)),
            "max": int(lengths.max()),
            "edges": edges.tolist(),
            "counts": counts.tolist(),
        },
        "classes": classes,
        "protocols": protocols,
        "skipped": [list(each) for each in sequences.skipped],
    }


def _class_names(sequences):
    if sequences.class_names is not None:
        return sequences.class_names
    return [str(label) for label in range(sequences.labels.max() + 1)]


def _count(labels, names):
    counts = np.bincount(labels[labels >= 0], minlength=len(names))
    counted = dict(zip(names, counts.tolist(), strict=True))
    if unknown := int(np.sum(labels < 0)):
        counted["unknown"] = unknown
    return counted


def _edges(lengths):
    low, high = int(lengths.min()), int(lengths.max())
    # Whole frames, the last bin up to the longest clip.
    width = max(1, -(-(high + 1 - low) // BINS))
    return np.arange(low, high + 1 + width, width)


def format_text(description: dict) -> str:
    """Returns a `describe` dictionary as a text to read.

    Args:
        description: What `describe` returned.
    """
    lengths = description["lengths"]
    lines = [
        f"{description['num_clips']} clips, {description['num_frames']} "
        f"frames, skeleton {description['skeleton']!r} of "
        f"{description['joints']} joints "
        f"({', '.join(description['coordinates'])}), persons: "
        f"{', '.join(map(str, description['clips_by_persons']))}",
        "",
        f"Frames per clip: {lengths['min']} to {lengths['max']}, median "
        f"{lengths['median']:g}",
        *_histogram(lengths),
        "",
        *_table(description["classes"]),
    ]
    zeros = description["zeros"]
    if any(zeros.values()):
        lines += [
            "",
            f"Zeros: {zeros['clips']} clips show nobody; of the others, "
            f"{zeros['frames_within']} frames before others that show "
            f"somebody, and {zeros['frames_at_end']} at the end.",
        ]
    for protocol, parts in description["protocols"].items():
        if parts.get("in_both"):
            lines += [
                "",
                f"Note: {parts['in_both']} clips are in the training and in "
                f"the test part of {protocol}.",
            ]
        if parts.get("copies_of_train"):
            lines += [
                "",
                f"Note: {parts['copies_of_train']} of the {parts['test']} "
                f"test clips of {protocol} are exact copies of training "
                "clips. Report results without them too.",
            ]
    return "\n".join([*lines, *_skipped(description["skipped"])])


def _skipped(skipped):
    """Lines that name what was left out."""
    if skipped:
        yield from ("", f"{len(skipped)} clips or files were left out:")
        yield from (f"  {name}: {reason}" for name, reason in skipped[:20])
    if len(skipped) > 20:
        yield f"  and {len(skipped) - 20} more"


def _histogram(lengths):
    counts, edges = lengths["counts"], lengths["edges"]
    longest = max(counts)
    for count, first, stop in zip(counts, edges, edges[1:], strict=False):
        bar = "#" * -(-count * BAR_WIDTH // longest)
        yield f"  {first:5d} to {stop - 1:5d}  {bar} {count}"


def _table(classes):
    """Lines of a table with a row for each class, a column for each part."""
    columns = list(classes)
    names = list(classes["all"])
    rows = [["class", *columns]]
    for name in names:
        counts = (classes[column].get(name, 0) for column in columns)
        rows.append([name, *map(str, counts)])
    totals = (sum(classes[column].values()) for column in columns)
    rows.append(["total", *map(str, totals)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        first, *others = (
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *others]).rstrip()


def check_clip(sequences, index):
    """Raises a `ValueError` if there is no clip of a number."""
    count = len(sequences)
    if index is not None and not -count <= index < count:
        raise ValueError(
            f"There is no clip {index}: there are {count}, numbered from 0 to "
            f"{count - 1}."
        )


def write_page(
    sequences: Sequences, path: PathLike, index=None
) -> pathlib.Path:
    """Writes an interactive page on which one clip moves.

    Args:
        sequences: A `Sequences`.
        path: The `.html` file.
        index: Which clip; by default the one of median length.

    Returns:
        The path.

    Raises:
        ValueError: If there is no such clip.
    """
    check_clip(sequences, index)
    from keras_skeleton.drawing import page

    if index is None:
        order = np.argsort(sequences.lengths, kind="stable")
        index = int(order[len(order) // 2])
    clip, label = sequences[index]
    names = sequences.coordinates
    in_image = "z" not in names
    # A score is not a place.
    places = [i for i, name in enumerate(names) if name in ("x", "y", "z")]
    title = sequences.names[index]
    if label >= 0:
        title = f"{_class_names(sequences)[label]} ({title})"
    return page.write_page(
        path,
        clip[..., places],
        sequences.skeleton,
        title=title,
        up="-y" if in_image else "y",
    )


def describe_videos(videos) -> dict:
    """Returns what is in a store of videos as a text to read.

    Args:
        videos: `Videos`.
    """
    lengths = videos.lengths
    counts, edges = np.histogram(lengths, bins=_edges(lengths))
    kind = {2: "depth maps or pictures of one channel", 3: "pictures"}
    lines = [
        f"{len(videos)} clips, {lengths.sum()} frames, "
        f"{kind[len(videos.frame_shape)]} of "
        f"{' x '.join(map(str, videos.frame_shape[:2]))} pixels",
        "",
        f"Frames per clip: {lengths.min()} to {lengths.max()}, median "
        f"{np.median(lengths):g}",
        *_histogram({"counts": counts.tolist(), "edges": edges.tolist()}),
        *_skipped(videos.skipped),
    ]
    return "\n".join(lines)


def write_sheet(
    videos,
    path: PathLike,
    skeletons: Sequences | None = None,
    index=None,
    image_size=None,
) -> pathlib.Path:
    """Writes a picture with frames of clips and the skeletons in them.

    Args:
        videos: `Videos`, or `Features` that are pictures.
        path: The file to write, such as `sheet.png`.
        skeletons: `Sequences` in pixels (coordinates `x`, `y` and no `z`),
            joined by name, or `None`.
        index: Number of the clip; by default four clips, spread evenly.
        image_size: `(H, W)` of the picture that the joints were found in;
            that of the frames by default.

    Returns:
        The path.

    Raises:
        ValueError: If there is no such clip, the joints are in space, or no
            clip has a skeleton.
    """
    from keras_skeleton.drawing import pictures

    check_clip(videos, index)
    if index is None:
        chosen = np.linspace(0, len(videos) - 1, min(4, len(videos)))
        chosen = sorted(set(chosen.round().astype(int).tolist()))
    else:
        chosen = [index % len(videos)]
    joints = None
    if skeletons is not None:
        joints = _joints_in(videos, skeletons, chosen, image_size)
    figure = pictures.draw_pictures(
        {videos.names[i]: videos.clip(i) for i in chosen},
        joints,
        None if skeletons is None else skeletons.skeleton,
    )
    figure.savefig(path)
    return path


def _joints_in(videos, skeletons, chosen, image_size):
    """Joints by name of the clip, in pixels of the frames of the videos."""
    names = list(skeletons.coordinates)
    if "z" in names or not {"x", "y"} <= set(names):
        raise ValueError(
            "Only joints in pixels can be drawn into pictures. The skeletons "
            f"have the coordinates {', '.join(names)}."
        )
    columns = [names.index("x"), names.index("y")]
    columns += [i for i, name in enumerate(names) if name not in "xy"][:1]
    size = videos.frame_shape[:2]
    scale = np.array(size) / np.array(image_size or size)
    found = {}
    for name in (videos.names[i] for i in chosen):
        if name in skeletons.names:
            clip = skeletons.clip(skeletons.names.index(name))[..., columns]
            clip = clip.astype("float32")
            clip[..., :2] *= scale[::-1]
            # Recordings of one clip may differ by some frames.
            number = int(videos.lengths[videos.names.index(name)])
            frames = np.arange(number) * clip.shape[1] // number
            found[name] = clip[:, frames]
    if not found:
        raise ValueError(
            "None of the clips shown has a skeleton. Clips are joined by "
            f"name, and the names are such as {videos.names[0]!r} and "
            f"{skeletons.names[0]!r}."
        )
    return found
