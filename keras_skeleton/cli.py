"""The command `keras-skeleton`."""

import argparse
import json
import pathlib
import sys

from keras_skeleton import _outputs
from keras_skeleton import _predict_command
from keras_skeleton import _video_commands

# Those of `evaluation.protocols`; reading it would load Keras for every
# command.
PROTOCOLS = (
    "linear",
    "knn",
    "semi",
    "finetune",
    "transfer",
    "few-shot",
    "retrieval",
    "cross-view",
    "robustness",
)


def main(arguments=None):
    """Runs one command and returns the exit code.

    Args:
        arguments: List of words; those of the command line by default.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError, ImportError) as error:
        # Bad input and bad files are the user's to mend: one line, no trace.
        text = " ".join(str(error).split())
        print(f"keras-skeleton: error: {text}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nkeras-skeleton: stopped", file=sys.stderr)
        return 130
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="keras-skeleton",
        description="Human motion understanding from skeletons.",
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {_version()}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_weights(commands)
    _add_convert(commands)
    _add_evaluate(commands)
    _add_prepare(commands)
    _add_show(commands)
    _predict_command.add(commands)
    _add_demo(commands)
    return parser


def _version():
    import keras_skeleton

    return keras_skeleton.__version__


def _add_weights(commands):
    parser = commands.add_parser(
        "weights",
        help="list pretrained weights",
        description=(
            "Lists registered weights: system and name, data, top-1 accuracy "
            "in percent (in brackets without test clips that are copies of "
            "training clips), whether they are there, and their licence."
        ),
    )
    parser.add_argument(
        "pattern",
        nargs="?",
        default="*",
        metavar="PATTERN",
        help='system, name, or a pattern such as "*ucla*" (default: all)',
    )
    parser.set_defaults(run=list_weights)


def list_weights(options):
    """Prints one line for each of the registered weights."""
    from keras_skeleton.weights import registry
    from keras_skeleton.weights import tables

    rows = [
        tables.summary(registry.get(*name.split("/")))
        for name in registry.names(options.pattern)
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            text.ljust(size) for text, size in zip(row, widths, strict=True)
        ]
        print("  ".join(cells).rstrip())
    print(f"{len(rows)} weights")


def _add_convert(commands):
    parser = commands.add_parser(
        "convert",
        help="install published weights from their official file",
        description=(
            "Reads an official checkpoint, checks every tensor against the "
            "registered configuration and installs the converted weights. "
            "Afterwards `weights=NAME` works."
        ),
    )
    parser.add_argument("system", metavar="SYSTEM", help="for example mamp")
    parser.add_argument("name", metavar="NAME", help="for example ntu60")
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="the official file; several in the order of the card, of which "
        "those of the head may be left out",
    )
    parser.add_argument(
        "--key",
        metavar="ENTRY",
        help="entry of the checkpoint that holds the tensors "
        "(default: model or state_dict)",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace installed weights that have more tensors, as a head",
    )
    parser.set_defaults(run=convert)


def convert(options):
    """Installs registered weights from downloaded official files."""
    from keras_skeleton.weights import loading
    from keras_skeleton.weights import registry

    entry = registry.get(options.system, options.name)
    if entry.obtained != "by hand":
        print(f"{options.name} needs no conversion: it is loaded by its name.")
        return
    path, count = loading.install(
        entry, options.files, options.key, options.overwrite
    )
    print(f"{count} tensors converted and installed as {path}")


def _add_evaluate(commands):
    parser = commands.add_parser(
        "evaluate",
        help="measure weights on the test part of their data set",
        description=(
            "Evaluates trained weights with the data set, split and "
            "transforms that their card or file names. Weights with a "
            "classification head are measured as they are; with --protocol, "
            "what the features of the encoder are good for. Accuracies are in "
            "percent, of all test clips and of those that are no copies of "
            "training clips."
        ),
    )
    parser.add_argument("system", metavar="SYSTEM", help="for example mamp")
    parser.add_argument(
        "weights", metavar="WEIGHTS", help="registered name or file"
    )
    parser.add_argument("data", metavar="DATA_PATH", help="the data set")
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        help="how to compare encoders (default: the score of the weights "
        "themselves)",
    )
    _add_what_to_evaluate_on(parser)
    _add_protocol_options(parser)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    written = parser.add_argument_group("what to write")
    for name, what in (
        ("json", "the result"),
        ("predictions", "table of predictions, CSV"),
        ("confusion", "picture of confusions, PNG"),
        ("features", "map of the features, PNG"),
        ("curves", "accuracy of each epoch, PNG"),
    ):
        written.add_argument(f"--{name}", metavar="FILE", help=what)
    parser.set_defaults(run=evaluate)


def _add_what_to_evaluate_on(parser):
    own = parser.add_argument_group(
        "weights of one's own", "in the place of what the card or file says"
    )
    own.add_argument("--data-set", metavar="NAME", help="for example nw_ucla")
    own.add_argument("--split", metavar="NAME", help="for example xview")
    own.add_argument(
        "--transforms",
        metavar="JSON",
        help="JSON, or a file of it: a list of "
        '{"class": "CropResize", "config": {"num_frames": 64}}',
    )
    own.add_argument(
        "--stream",
        metavar="NAME",
        help="bone, skip or their motion, made after the transforms",
    )


def _add_protocol_options(parser):
    # Those that are not given keep the default of the protocol's function.
    group = parser.add_argument_group(
        "options of protocols", "each for those that have it"
    )

    def add(name, **settings):
        group.add_argument(name, default=argparse.SUPPRESS, **settings)

    add("--k", type=int, nargs="+", help="numbers of neighbours (1 5 20)")
    add("--ratio", type=float, help="share that keeps labels, such as 0.01")
    add("--choice", choices=("random", "balanced"), help="how these are drawn")
    add("--repetitions", type=int, help="how often they are drawn")
    add("--method", help="what follows the encoder: linear, finetune, knn")
    add("--epochs", type=int)
    add("--learning-rate", type=float)
    add("--shots", type=int, help="labelled clips of an unseen class")
    add("--classes", type=int, nargs="+", help="numbers of unseen classes")
    add("--view", metavar="NAME", help="metadata that tell the view (view)")
    add(
        "--condition",
        metavar="NAME",
        type=lambda name: None if name == "none" else name,
        help="metadata by which probes are parted (condition), or none",
    )
    add("--fill", choices=("interpolation", "duplication"), help="lost frames")
    add("--seed", type=int)


def evaluate(options):
    """Evaluates weights and prints what was found."""
    from keras_skeleton.evaluation import evaluate_weights

    transforms = options.transforms
    if transforms and not transforms.lstrip().startswith("["):
        transforms = pathlib.Path(transforms).read_text("utf-8")
    written = ("json", "predictions", "confusion", "features", "curves")
    _outputs.check(
        {f"--{name}": vars(options)[name] for name in written},
        {"DATA_PATH": options.data, "WEIGHTS": options.weights},
    )
    own = ("k", "ratio", "choice", "repetitions", "method", "epochs")
    own += ("learning_rate", "shots", "classes", "view", "condition", "fill")
    own += ("seed",)
    result = evaluate_weights(
        options.system,
        options.weights,
        options.data,
        protocol=options.protocol,
        data_set=options.data_set,
        split=options.split,
        transforms=transforms,
        stream=options.stream,
        batch_size=options.batch_size,
        verbose=0 if options.quiet else 1,
        json_path=options.json,
        predictions_path=options.predictions,
        confusion_path=options.confusion,
        features_path=options.features,
        curves_path=options.curves,
        **{name: vars(options)[name] for name in own if name in options},
    )
    print(result)


def _add_prepare(commands):
    from keras_skeleton.datasets import formats
    from keras_skeleton.datasets.readers import videos

    names, kinds = (
        "\n".join(f"  {name:{width}} {each.summary}" for name, each in found)
        for found, width in (
            (formats.FORMATS.items(), 12),
            (videos.KINDS.items(), 18),
        )
    )
    parser = commands.add_parser(
        "prepare",
        help="turn the files of a data set into one store",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=(
            "Reads a data set and writes one .h5 file that "
            "`Sequences.load` reads.\nA run that was stopped goes on where "
            "it was. Broken files are left out and reported."
        ),
        epilog=(
            f"formats and what SOURCE is:\n{names}\n\nvideo and depth, "
            "which `Videos.load` reads, with the options size=[H,W] and "
            f"encoding=png or jpeg:\n{kinds}"
        ),
    )
    parser.add_argument("format", metavar="FORMAT", help="see below")
    parser.add_argument("source", metavar="SOURCE", help="the data set")
    parser.add_argument("path", metavar="OUT.h5", help="the file to write")
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that read"
    )
    parser.add_argument(
        "--shards", type=int, default=1, help="files to divide the store among"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an argument of the format's reader, for example "
        "preparation=pyskl; every format has missing=zeros, interpolate or "
        "error, and skeleton=NAME or a .json file",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace a store that is there",
    )
    parser.set_defaults(run=prepare)


def prepare(options):
    """Prepares a data set, see `keras_skeleton.datasets.preparation`."""
    from keras_skeleton.datasets import formats
    from keras_skeleton.datasets import preparation
    from keras_skeleton.datasets.readers import videos

    chosen = dict(map(_parse_option, options.option))
    if not options.source:
        raise ValueError("SOURCE is empty. Pass the path of the data set.")
    _outputs.check_file("OUT.h5", options.path)
    _outputs.check_apart({"OUT.h5": options.path}, {"SOURCE": options.source})
    if options.format in videos.KINDS:
        _video_commands.prepare(options, chosen)
        return
    if options.format not in formats.FORMATS:
        known = [*formats.FORMATS, *videos.KINDS]
        raise ValueError(
            f"Unknown format {options.format!r}. Known are {', '.join(known)}."
        )
    reader = formats.make_reader(options.format, options.source, **chosen)
    report = preparation.prepare(
        reader,
        options.path,
        workers=options.workers,
        shards=options.shards,
        progress=True,
        overwrite=options.overwrite,
    )
    if report.num_resumed:
        print(f"{report.num_resumed} files were read by an earlier run.")
    print(
        f"{report.num_clips} clips of {len(report.class_counts)} classes "
        f"from {report.num_units} files are in {', '.join(report.paths)}"
    )
    _video_commands.print_skipped(report.skipped)
    if report.notes:
        print(f"{len(report.notes)} remarks:")
    for name, note in report.notes[:20]:
        print(f"  {name}: {note}")
    if len(report.notes) > 20:
        print(f"  and {len(report.notes) - 20} more")


def _parse_option(text):
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"Options are NAME=VALUE. Received: {text!r}")
    if name in ("path", "folder"):
        raise ValueError(
            f"Where the data are is SOURCE, not an option. Received: {text!r}"
        )
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _add_show(commands):
    parser = commands.add_parser(
        "show",
        help="say what is in a store, and show a clip",
        description=(
            "Prints the clips of each class and split, their lengths, and "
            "copies of training clips in the test part; writes a page on "
            "which a clip moves. Of a store of videos, writes a picture of "
            "frames, with --skeletons with the joints in them."
        ),
    )
    parser.add_argument("path", metavar="OUT.h5", help="a prepared store")
    parser.add_argument(
        "--html", metavar="FILE", help="the page (default: OUT.html)"
    )
    parser.add_argument(
        "--clip", type=int, metavar="INDEX", help="which clip to show"
    )
    parser.add_argument("--json", metavar="FILE", help="write the counts too")
    of_videos = parser.add_argument_group("of a store of videos")
    of_videos.add_argument(
        "--sheet", metavar="FILE", help="the picture (default: OUT.png)"
    )
    of_videos.add_argument(
        "--skeletons", metavar="STORE.h5", help="skeletons in pixels to draw"
    )
    of_videos.add_argument(
        "--image-size",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="of the picture that the joints are in (default: the frames)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="only compare every byte of the store with its checksums",
    )
    parser.set_defaults(run=show)


def show(options):
    """Shows a store, see `keras_skeleton.datasets.overview`."""
    from keras_skeleton.datasets import Sequences
    from keras_skeleton.datasets import overview
    from keras_skeleton.datasets import video_store

    if video_store.is_store(options.path):
        _refuse(options, "videos", "html", "json")
        _video_commands.show(options)
        return
    _video_commands.check_prepared(options.path)
    _refuse(options, "skeletons", "sheet", "skeletons", "image_size")
    if options.check:
        check(options.path)
        return
    page = options.html or pathlib.Path(options.path).with_suffix(".html")
    _outputs.check(
        {"--json": options.json, "--html": page}, {"OUT.h5": options.path}
    )
    sequences = Sequences.load(options.path, in_memory=False)
    overview.check_clip(sequences, options.clip)
    description = overview.describe(sequences)
    print(overview.format_text(description))
    if options.json:
        text = json.dumps(description, indent=2) + "\n"
        _outputs.write_text(options.json, text)
    overview.write_page(sequences, page, options.clip)
    print(f"\nA moving clip is in {page}")


def _refuse(options, kind, *names):
    """Raises a `ValueError` for options that a store of a kind has not."""
    for name in names:
        if getattr(options, name) is not None:
            raise ValueError(
                f"{options.path} is a store of {kind}, of which --"
                f"{name.replace('_', '-')} shows nothing: leave it out."
            )


def check(path):
    """Says whether a store is as it was written, or names what is not."""
    from keras_skeleton.datasets import _storage

    faults, unknown = _storage.find_damage(path)
    if faults:
        raise ValueError("\n".join(faults))
    if unknown:
        print(
            f"{path} opens, but {unknown} of its files are of an old form "
            "without checksums. Write them anew: Sequences.load(path)."
            "save(path)."
        )
    else:
        print(f"{path} is whole: every byte is as it was written.")


def _add_demo(commands):
    parser = commands.add_parser(
        "demo",
        help="pre-train, fine-tune with few labels, explain; some minutes",
        description=(
            "Pre-trains a small MAMP without labels (or takes the packaged "
            "one, on NW-UCLA), fine-tunes it with few labels, compares it "
            "with training from scratch, and draws what counts for it. Two "
            "to three minutes on two cores."
        ),
    )
    parser.add_argument(
        "path",
        nargs="?",
        metavar="PATH",
        help=(
            "all_sqe.zip of NW-UCLA or its folder; without it, clips are "
            "generated"
        ),
    )
    parser.add_argument(
        "--output",
        default="demo_output",
        metavar="FOLDER",
        help="where to write the results (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--short",
        action="store_true",
        help="train next to nothing, only to see that everything runs",
    )
    parser.set_defaults(run=run_demo)


def run_demo(options):
    """Runs the demo, see `keras_skeleton.demo`."""
    import logging

    from keras_skeleton import demo

    # TensorFlow takes several models in one process for a mistake.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    demo.run(
        options.path,
        options.output,
        options.seed,
        demo.SHORT if options.short else None,
    )
