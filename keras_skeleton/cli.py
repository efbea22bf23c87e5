"""The command `keras-skeleton`."""

import argparse
import sys


def main(arguments=None):
    """Runs one command and returns the exit code.

    Args:
        arguments: List of words; those of the command line by default.
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (ValueError, OSError) as error:
        # Bad input and bad files are the user's to mend: one line, no trace.
        text = " ".join(str(error).split())
        print(f"keras-skeleton: error: {text}", file=sys.stderr)
        return 2
    return 0


def _parser():
    parser = argparse.ArgumentParser(
        prog="keras-skeleton",
        description="Human motion understanding from skeletons.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_convert(commands)
    return parser


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
    parser.add_argument("file", metavar="FILE", help="the official file")
    parser.set_defaults(run=convert)


def convert(options):
    """Installs registered weights from a downloaded official file."""
    from keras_skeleton.weights import conversion
    from keras_skeleton.weights import download
    from keras_skeleton.weights import reader
    from keras_skeleton.weights import registry

    entry = registry.get(options.system, options.name)
    if entry.obtained != "by hand":
        print(f"{options.name} needs no conversion: it is loaded by its name.")
        return
    tensors = reader.read_tensors(options.file)
    module = conversion.system_module(options.system)
    model = module.build(entry, tensors)
    conversion.load_official(model, tensors)
    path = registry.save_weights(
        model,
        registry.installed_path(options.system, options.name),
        source=entry.source,
        licence=entry.licence,
        official_sha256=download.file_sha256(options.file),
    )
    print(f"{len(tensors)} tensors converted and installed as {path}")
