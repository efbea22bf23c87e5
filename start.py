"""Sets up everything this project needs, then runs a job.

    python3 start.py demo [PATH]       the demo, on made-up or on real data
    python3 start.py test              all tests, on all backends
    python3 start.py test --record     the same; notes how long they took
    python3 start.py test ARGUMENTS    pytest with these, on each backend

Needs Python 3.11 or newer and nothing else. The environment is made in
`.venv` beside this file and used again by the next call. What follows `demo`
goes to `keras-skeleton demo` (see `demo --help`).
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent
FOLDER = ROOT / ".venv"
PYTHON = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
RECORD = FOLDER / "installed.json"
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"

# The build without graphics card is a tenth of the size, where there is one.
TENSORFLOW = (
    "tensorflow-cpu; platform_machine in 'x86_64 AMD64'"
    " and sys_platform != 'darwin'",
    "tensorflow; platform_machine not in 'x86_64 AMD64'"
    " or sys_platform == 'darwin'",
)


def main():
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(
            "Python 3.11 or newer is needed, this is {}.{}. Install a newer "
            "one and call it by name, for example: python3.11 start.py".format(
                *sys.version_info[:2]
            )
        )
    if len(sys.argv) < 2 or sys.argv[1] not in ("demo", "test"):
        sys.exit(__doc__.strip())
    job, arguments = sys.argv[1], sys.argv[2:]
    sys.exit(demo(arguments) if job == "demo" else test(arguments))


def demo(arguments):
    """Runs the demo on TensorFlow, the fastest backend without a GPU."""
    set_up("vis", TENSORFLOW)
    return run(
        "-m",
        "keras_skeleton",
        "demo",
        *arguments,
        KERAS_BACKEND="tensorflow",
        TF_CPP_MIN_LOG_LEVEL="2",
    )


def test(arguments):
    """Runs the tests; `tests/run.py` says how."""
    set_up("dev", (*TENSORFLOW, "torch", "jax"))
    return run(ROOT / "tests" / "run.py", *arguments)


def set_up(extra, packages):
    """Installs the project with an extra and packages, unless it is done."""
    needed = [f"-e .[{extra}]", *packages]
    # Something else to install, or another Python: then it is not done.
    digest = hashlib.sha256(sys.version.encode())
    for file in (ROOT / "pyproject.toml", CONSTRAINTS):
        digest.update(file.read_bytes())
    record = {"digest": digest.hexdigest(), "installed": []}
    if PYTHON.exists() and RECORD.exists():
        found = json.loads(RECORD.read_text())
        if found["digest"] == record["digest"]:
            record = found
    if set(needed) <= set(record["installed"]):
        return
    start = time.monotonic()
    if not record["installed"]:
        print(f"Making a Python environment in {FOLDER}", flush=True)
        step(
            [sys.executable, "-m", "venv", "--clear", FOLDER],
            "The environment could not be made. On Debian and Ubuntu the "
            "package python3-venv is needed.",
        )
    names = [package.partition(";")[0] for package in packages]
    print(
        f"Installing keras-skeleton with {', '.join(dict.fromkeys(names))}. "
        "The first time, this downloads several hundred megabytes and takes "
        "some minutes.",
        flush=True,
    )
    install = [PYTHON, "-m", "pip", "install", "--quiet"]
    install += ["--disable-pip-version-check", "--constraint", CONSTRAINTS]
    step(
        [*install, "--editable", f".[{extra}]", *packages],
        "The installation failed, see above. Once that is mended, repeat the "
        "command.",
    )
    record["installed"] += needed
    RECORD.write_text(json.dumps(record))
    print(f"Installed in {time.monotonic() - start:.0f} s", flush=True)


def step(command, failure):
    if subprocess.run(command, cwd=ROOT).returncode:
        sys.exit(failure)


def run(*arguments, **environment):
    """Runs Python in the environment; paths mean those of the caller."""
    return subprocess.run(
        [PYTHON, *arguments], env={**os.environ, **environment}
    ).returncode


if __name__ == "__main__":
    main()
