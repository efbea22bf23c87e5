"""The command `keras-skeleton predict`."""

import contextlib
import importlib
import logging
import os
import pathlib
import signal
import sys
import threading
import warnings

from keras_skeleton import _outputs
from keras_skeleton import _quiet
from keras_skeleton.serving import numbers

ESTIMATORS = ("rtmlib", "mediapipe")
# Poses that lie in files.
FILES = ("openpose", "coco", "mediapipe-files")


def add(commands):
    """Adds the command to a parser."""
    parser = commands.add_parser(
        "predict",
        help="say what people in a video do",
        description=(
            "Finds people in a video, follows them, and classifies what each "
            "of them does in windows of time. Needs "
            'pip install "keras-skeleton[pose]".'
        ),
    )
    parser.add_argument(
        "source",
        nargs="?",
        metavar="VIDEO",
        help="a video file, a folder of pictures, or with --pose openpose, "
        "coco or mediapipe-files the files with the poses",
    )
    parser.add_argument(
        "--camera",
        metavar="NUMBER",
        help="a camera, from 0, or an address, in the place of a video; goes "
        "on until Ctrl-C",
    )
    parser.add_argument(
        "--serve",
        type=int,
        nargs="?",
        const=8765,
        metavar="PORT",
        help="with --camera: show it on a page for browsers on this machine "
        "(8765)",
    )
    parser.add_argument(
        "--weights",
        required=True,
        metavar="SYSTEM:NAME",
        help="for example ctrgcn:nw_ucla, or SYSTEM:FILE of your own",
    )
    found = parser.add_argument_group("how people are found")
    found.add_argument(
        "--pose",
        choices=(*ESTIMATORS, *FILES),
        default="rtmlib",
        help="rtmlib: 17 joints in the picture, several people (default); "
        "mediapipe: 33 joints, also in metres, which weights of Kinect data "
        "need; or the format of files with poses",
    )
    found.add_argument(
        "--pose-model", metavar="FILE", help="weights of the estimator"
    )
    found.add_argument("--people", type=int, help="how many to look for")
    found.add_argument(
        "--min-score", type=float, help="score from which on somebody counts"
    )
    found.add_argument(
        "--frame-rate",
        type=float,
        help="frames per second of pictures or files with poses (30)",
    )
    found.add_argument(
        "--size", metavar="WIDTHxHEIGHT", help="of the video of such files"
    )
    done = parser.add_argument_group("how they are classified")
    done.add_argument("--window", type=float, metavar="SECONDS")
    done.add_argument("--step", type=float, metavar="SECONDS")
    done.add_argument(
        "--smoothing", type=int, default=3, help="windows to average (3)"
    )
    done.add_argument(
        "--threshold",
        type=float,
        default=0.0,
        help="probability below which there is no label (0)",
    )
    written = parser.add_argument_group("what to write")
    for name, what in (
        ("output", "video with skeletons and labels, .mp4 or .gif"),
        ("json", "windows, segments and people"),
        ("csv", "a line for each window"),
        ("html", "page with the moving skeletons"),
    ):
        written.add_argument(f"--{name}", metavar="FILE", help=what)
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="no progress bar, no messages of libraries",
    )
    parser.set_defaults(run=run)


def run(options):
    """Runs the command, see `serving.predict_video`."""
    _check_numbers(options)
    if options.quiet:
        # TensorFlow reads it, and tells one thing all the same.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        with _quiet.no_error_output():
            importlib.import_module("keras")
    from keras_skeleton import serving
    from keras_skeleton.serving import video_output

    if options.output is not None:
        video_output.check_ending(options.output)
    source, poses = options.source, options.pose
    outputs = {
        f"--{name}": vars(options)[name]
        for name in ("output", "json", "csv", "html")
    }
    _outputs.check(
        outputs, {"VIDEO": source, "--pose-model": options.pose_model}
    )
    written = [path for path in outputs.values() if path is not None]
    if (source is None) == (options.camera is None):
        raise ValueError("Pass either a VIDEO or --camera NUMBER.")
    if source is None:
        if written or poses in FILES:
            raise ValueError(
                "With --camera, people are found by rtmlib or mediapipe, and "
                "no files are written."
            )
        run_live(options)
        return
    if options.serve is not None:
        raise ValueError("--serve shows a camera: pass --camera NUMBER.")
    if not pathlib.Path(source).exists():
        what = "file" if poses in FILES else "video"
        raise FileNotFoundError(f"There is no {what} or folder {source!r}.")
    if options.frame_rate is None:
        options.frame_rate = 30.0
    elif poses not in FILES and pathlib.Path(source).is_file():
        raise ValueError(
            "--frame-rate is for folders of pictures and files with poses; a "
            "video says itself when its frames were taken."
        )
    if poses in FILES:
        poses = serving.poses.FilePoses(
            source,
            poses.removesuffix("-files"),
            size=_size(options.size),
            frame_rate=options.frame_rate,
            people=options.people,
        )
        source = None
    # TensorFlow takes several shapes of clips for a mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with _notes(), _ending_cleanly():
        found = serving.predict_video(
            source,
            options.weights,
            poses=poses,
            pose_model=options.pose_model,
            people=options.people,
            min_score=options.min_score,
            window=options.window,
            step=options.step,
            smoothing=options.smoothing,
            threshold=options.threshold,
            frame_rate=options.frame_rate,
            output=options.output,
            json_path=options.json,
            csv_path=options.csv,
            page_path=options.html,
            verbose=0 if options.quiet else 1,
        )
    print(found)
    if options.html is not None and video_output.why_no_page(found):
        written.remove(options.html)
    for path in written:
        print(f"Written: {path}")


def run_live(options):
    """Runs the command on a camera, see `serving.predict_live`."""
    from keras_skeleton import serving
    from keras_skeleton.serving import live

    camera = options.camera
    if pathlib.Path(camera).is_file():
        raise ValueError(
            f"{camera} is a file and no camera. Pass it as VIDEO, without "
            "--camera."
        )
    poses = _estimator(options)
    chosen = {
        name: vars(options)[name]
        for name in ("window", "step", "threshold")
        if vars(options)[name] is not None
    }
    printer = live.Printer()
    with contextlib.ExitStack() as stack:
        show = printer
        if options.serve is not None:
            page = serving.LiveServer(poses.skeleton, options.serve)
            stack.enter_context(page)
            print(f"The page is {page.address} (Ctrl-C ends it)", flush=True)

            def show(*shown):
                printer(*shown)
                page(*shown)

        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        serving.predict_live(
            options.weights,
            int(camera) if camera.isdecimal() else camera,
            poses=poses,
            show=show,
            **chosen,
        )


def _estimator(options):
    from keras_skeleton.serving.poses import estimators

    return estimators.make_estimator(
        options.pose,
        options.pose_model,
        options.people,
        options.min_score,
    )


def _check_numbers(options):
    """Before Keras starts, which takes some seconds."""
    numbers.check(
        **{
            name: vars(options)[name]
            for name in (
                "window",
                "step",
                "smoothing",
                "threshold",
                "people",
                "min_score",
                "frame_rate",
            )
        }
    )
    _size(options.size)


@contextlib.contextmanager
def _notes():
    """Shows warnings as plain lines."""

    def show(message, *where, **more):
        print(f"keras-skeleton: note: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def _ending_cleanly():
    """Lets a request to end (SIGTERM) tidy up as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(*_):
        raise SystemExit(143)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _size(text):
    if text is None:
        return None
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ValueError(
            f"--size is WIDTHxHEIGHT in pixels, as 640x480. Received: {text!r}"
        )
    return int(width), int(height)
