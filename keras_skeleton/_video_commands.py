"""What `prepare` and `show` do with video and depth."""

import pathlib

from keras_skeleton import _outputs

# What is the store's business, not that of where the pictures lie.
STORE_OPTIONS = ("size", "encoding", "quality")


def prepare(options, chosen):
    """Prepares pictures, see `keras_skeleton.datasets.video_store`."""
    from keras_skeleton.datasets import video_store
    from keras_skeleton.datasets.readers import videos

    if options.workers != 1 or options.shards != 1:
        raise ValueError(
            "Videos are prepared by one process into one file. Leave out "
            "--workers and --shards."
        )
    known = [*STORE_OPTIONS, *videos.KINDS[options.format].options]
    if unknown := sorted(set(chosen) - set(known)):
        raise ValueError(
            f"{options.format!r} has no option {unknown[0]!r}. It has "
            f"{', '.join(known)}."
        )
    of_store = {
        name: chosen.pop(name) for name in STORE_OPTIONS if name in chosen
    }
    report = video_store.prepare(
        videos.find(options.format, options.source, **chosen),
        options.path,
        progress=True,
        overwrite=options.overwrite,
        **of_store,
    )
    print(
        f"{report.num_clips} clips of {report.num_frames} frames of "
        f"{' x '.join(map(str, report.frame_shape))} are in {report.path}"
    )
    if report.num_resumed:
        print(f"{report.num_resumed} clips had been read by a stopped run")
    print_skipped(report.skipped)


def show(options):
    """Shows a store of videos, see `keras_skeleton.datasets.overview`."""
    from keras_skeleton.datasets import Sequences
    from keras_skeleton.datasets import Videos
    from keras_skeleton.datasets import overview
    from keras_skeleton.datasets import video_store

    if options.check:
        if damaged := video_store.find_damage(options.path):
            raise ValueError(
                f"{options.path}: {len(damaged)} clips are not as they were "
                f"written: {', '.join(damaged[:20])}"
            )
        print(f"{options.path} is whole: every byte is as it was written.")
        return
    sheet = options.sheet or pathlib.Path(options.path).with_suffix(".png")
    _outputs.check(
        {"--sheet": sheet},
        {"OUT.h5": options.path, "--skeletons": options.skeletons},
    )
    videos = Videos.load(options.path)
    skeletons = options.skeletons
    if skeletons is not None:
        skeletons = Sequences.load(skeletons, in_memory=False)
    print(overview.describe_videos(videos))
    overview.write_sheet(
        videos, sheet, skeletons, options.clip, options.image_size
    )
    print(f"\nFrames are in {sheet}")


def check_prepared(path):
    """Raises a `ValueError` for a video or a folder in a store's place."""
    from keras_skeleton.datasets.features import VIDEOS

    path = pathlib.Path(path)
    if path.is_dir() or path.suffix.lower() in VIDEOS:
        what = "a folder" if path.is_dir() else "a video"
        raise ValueError(
            f"{str(path)!r} is {what}, not a store. Make one first: "
            "keras-skeleton prepare FORMAT FOLDER store.h5, of videos with "
            "the format 'videos'."
        )


def print_skipped(skipped):
    """Prints what was left out of a store, and why."""
    if skipped:
        print(f"{len(skipped)} clips or files were left out:")
    for name, reason in skipped:
        print(f"  {name}: {reason}")
