"""The commands `prepare` and `show`, with several processes and a kill."""

import importlib
import inspect
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from keras_skeleton import __version__
from keras_skeleton import cli
from keras_skeleton.datasets import Sequences
from keras_skeleton.datasets import formats
from keras_skeleton.datasets.readers import nw_ucla

pytestmark = pytest.mark.once


def write_clips(folder, num_clips=20):
    """Files in the form of NW-UCLA; one is broken."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for index in range(num_clips):
        label = index % 3 + 1
        name = f"a{label:02d}_s{index:02d}_e00_v{index % 2 + 2:02d}.json"
        frames = generator.normal(size=(3 + index % 5, 20, 3))
        content = {"skeletons": frames.tolist(), "label": label}
        (folder / name).write_text(json.dumps(content))
    (folder / "a01_s50_e00_v01.json").write_text("{")
    return folder


def test_prepare_and_show(tmp_path, capsys):
    folder = write_clips(tmp_path / "raw")
    path = tmp_path / "clips.h5"
    words = ["prepare", "nw_ucla", str(folder), str(path)]
    assert cli.main(words) == 0
    output = capsys.readouterr().out
    assert "20 clips of 3 classes from 21 files" in output
    assert "a01_s50_e00_v01: it cannot be read as JSON" in output
    with pytest.warns(UserWarning, match="left out"):
        expected = nw_ucla.load_data(folder)
    np.testing.assert_array_equal(Sequences.load(path).bodies, expected.bodies)
    counts = tmp_path / "counts.json"
    assert cli.main(["show", str(path), "--json", str(counts)]) == 0
    output = capsys.readouterr().out
    assert "20 clips" in output
    assert "1 clips or files were left out" in output
    assert json.loads(counts.read_text())["protocols"]["xview"]["train"] == 10
    assert "a0" in (tmp_path / "clips.html").read_text()


def test_mistakes(tmp_path, capsys):
    folder = write_clips(tmp_path / "raw")
    path = str(tmp_path / "clips.h5")
    assert cli.main(["prepare", "nw_ukla", str(folder), path]) == 2
    assert "Known are ntu60, ntu120" in capsys.readouterr().err
    words = ["prepare", "nw_ucla", str(folder), path, "--option"]
    assert cli.main([*words, "size=2"]) == 2
    assert "has no option 'size'" in capsys.readouterr().err
    assert cli.main([*words, "size"]) == 2
    assert "NAME=VALUE" in capsys.readouterr().err
    assert cli.main(["prepare", "nw_ucla", str(tmp_path / "no"), path]) == 2
    assert "all_sqe.zip" in capsys.readouterr().err
    assert cli.main(["show", path]) == 2
    capsys.readouterr()
    # Before anything is read.
    assert cli.main(["prepare", "nw_ucla", "", path]) == 2
    assert "SOURCE is empty" in capsys.readouterr().err
    for place, reason in (("", "the path of a file"), (tmp_path, "a folder")):
        words = ["prepare", "nw_ucla", str(folder), str(place), "--overwrite"]
        assert cli.main(words) == 2
        assert reason in capsys.readouterr().err
    assert cli.main(["prepare", "nw_ucla", str(folder), path]) == 0
    assert cli.main(["show", path, "--sheet", "frames.png"]) == 2
    assert "of which --sheet shows nothing" in capsys.readouterr().err


@pytest.mark.parametrize("name", formats.FORMATS)
def test_every_format_has_a_reader(name, tmp_path):
    found = formats.FORMATS[name]
    module = importlib.import_module(
        f"keras_skeleton.datasets.readers.{found.module}"
    )
    parameters = inspect.signature(getattr(module, found.maker)).parameters
    assert set(found.options) <= set(parameters)
    needed = {
        key: "ntu"
        for key, parameter in list(parameters.items())[1:]
        if parameter.default is parameter.empty
    }
    with pytest.raises(FileNotFoundError):
        formats.make_reader(name, tmp_path / "missing", **needed)


def command(*words):
    return [sys.executable, "-m", "keras_skeleton", "prepare", *map(str, words)]


def test_a_killed_preparation_goes_on(tmp_path):
    """With two processes, killed in the middle of the work."""
    folder = tmp_path / "raw"
    folder.mkdir()
    frames = np.random.default_rng(0).normal(size=(100, 20, 3))
    text = json.dumps({"skeletons": frames.tolist(), "label": 1})
    for index in range(400):
        name = f"a01_s{index // 60:02d}_e{index % 60:02d}_v01.json"
        (folder / name).write_text(text)
    path = tmp_path / "clips.h5"
    words = ["nw_ucla", folder, path, "--workers", 2]
    started = subprocess.Popen(
        command(*words), stdout=subprocess.PIPE, start_new_session=True
    )
    parts = tmp_path / "clips.h5.parts"
    deadline = time.monotonic() + 120
    while not list(parts.glob("*.h5")) and time.monotonic() < deadline:
        assert started.poll() is None
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    started.stdout.close()
    assert not path.exists()
    finished = len(list(parts.glob("*.h5")))
    assert 1 <= finished < 4
    again = subprocess.run(
        command(*words), capture_output=True, text=True, check=True
    )
    assert "files were read by an earlier run" in again.stdout
    assert not parts.exists()
    found = Sequences.load(path)
    assert found.names == sorted(file.stem for file in folder.iterdir())
    assert len(found) == 400
    np.testing.assert_array_equal(found[399][0][0], frames.astype("float32"))


def run(capsys, *words):
    code = cli.main(list(map(str, words)))
    found = capsys.readouterr()
    return code, found.out, found.err


@pytest.mark.parametrize(
    ("form", "options", "reason"),
    [
        ("csv", [], "needs the option 'skeleton'.*kinect20"),
        ("csv", ["skeleton=kinekt"], "Unknown skeleton 'kinekt'"),
        ("csv", ["skeleton=no.json"], "no.json"),
        ("csv", ["skeleton=[1]"], "Unknown skeleton"),
        ("csv", ["skeleton=kinect20", "metadata=3"], "`metadata` must be"),
        ("csv", ["skeleton=kinect20", "class_names=3"], "`class_names` must"),
        ("k400", [], "needs the option 'keypoints'"),
        ("bvh", ["scale=abc"], "`scale` must be a number above 0"),
        ("bvh", ["relative_positions=no"], "must be true or false"),
        ("coco", ["num_persons=two"], "`num_persons` must be a whole number"),
        ("coco", ["num_persons=0"], "from 1 up. Received: 0"),
        ("coco", ["labels=labels.csv"], "no such file; pass a dictionary"),
        ("coco", ["labels=[1]"], "is a list; pass a dictionary"),
        ("mediapipe", ["landmarks=hands"], "'image' or 'world'"),
        ("casia_b", [], "No line of own.csv begins with the path"),
        ("nw_ucla", ["missing=drop"], "`missing` must be one of"),
        ("nw_ucla", ["skeleton=ntu"], "25 joints, the data have 20"),
        ("kinetics", ["max_persons=all"], "`max_persons` must be a whole"),
        ("panoptic", ["num_persons=x"], "`num_persons` must be a whole"),
        ("panoptic", ["head={}"], "with the options head={}: TypeError"),
        ("k400", ["keypoints=3"], "with the options keypoints=3: TypeError"),
        ("ntu60", ["preparation=no"], "`preparation` must be one of"),
    ],
)
def test_no_mistake_ends_in_a_traceback(
    tmp_path, capsys, form, options, reason
):
    raw = tmp_path / "raw"
    write_clips(raw, 3)
    (raw / "own.csv").write_text("name\nwalk\n")
    (raw / "own.bvh").write_text("HIERARCHY")
    (raw / "S001C001P001R001A001.skeleton").write_text("0")
    (raw / "body3DScene_00000001.json").write_text("{}")
    (raw / "kinetics_train").mkdir()
    (raw / "kinetics_train" / "a.json").write_text("{}")
    source = raw / "own.csv" if form == "casia_b" else raw
    words = [word for option in options for word in ("--option", option)]
    code, _, error = run(
        capsys, "prepare", form, source, tmp_path / "out.h5", *words
    )
    assert code == 2
    assert error.startswith("keras-skeleton: error: ")
    assert re.search(reason, error)


def test_show_of_a_clip_that_is_not_there(tmp_path, capsys):
    path = tmp_path / "clips.h5"
    assert run(
        capsys, "prepare", "nw_ucla", write_clips(tmp_path / "raw"), path
    )
    for index in (99999, -21):
        code, _, error = run(capsys, "show", path, "--clip", index)
        assert code == 2 and f"There is no clip {index}" in error


def test_a_store_is_not_replaced_unasked(tmp_path, capsys):
    folder, path = write_clips(tmp_path / "raw"), tmp_path / "clips.h5"
    words = ["prepare", "nw_ucla", folder, path]
    assert run(capsys, *words)[0] == 0
    before = path.read_bytes()
    code, _, error = run(capsys, *words)
    assert code == 2 and "--overwrite" in error
    assert path.read_bytes() == before
    (folder / "a01_s00_e00_v02.json").unlink()
    assert run(capsys, *words, "--overwrite")[0] == 0
    assert len(Sequences.load(path)) == 19


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"keras-skeleton {__version__}\n"


def test_progress_in_a_file_is_plain(tmp_path):
    words = ["nw_ucla", write_clips(tmp_path / "raw"), tmp_path / "clips.h5"]
    # Neither command needs an engine.
    environment = {**os.environ, "KERAS_BACKEND": "none"}
    done = subprocess.run(
        command(*words), capture_output=True, check=True, env=environment
    )
    for output in (done.stdout, done.stderr):
        assert b"\x1b" not in output and b"\r" not in output
        assert b"\b" not in output
    assert b"21 of 21 files" in done.stdout
    shown = command(tmp_path / "clips.h5")
    shown[3] = "show"
    subprocess.run(shown, capture_output=True, check=True, env=environment)


def children_of(pid):
    """The processes that one started, and those that these started."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children_of(child)]
    return found


def is_alive(pid):
    try:
        status = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    # Those that nobody has waited for are gone too.
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(
    not pathlib.Path("/proc/self/task").exists(), reason="no /proc"
)
def test_workers_end_with_their_parent(tmp_path):
    """The parent alone is killed, in the middle of the work."""
    folder = write_clips(tmp_path / "raw", 20)
    text = (folder / "a01_s00_e00_v02.json").read_text()
    for index in range(380):
        name = f"a01_s{index // 60:02d}_e{index % 60 + 1:02d}_v01.json"
        (folder / name).write_text(text)
    path = tmp_path / "clips.h5"
    started = subprocess.Popen(
        command("nw_ucla", folder, path, "--workers", 2),
        stdout=subprocess.PIPE,
    )
    parts = tmp_path / "clips.h5.parts"
    deadline = time.monotonic() + 240
    while not list(parts.glob("*.h5")) and time.monotonic() < deadline:
        assert started.poll() is None
        time.sleep(0.02)
    workers = children_of(started.pid)
    assert len(workers) >= 2
    started.kill()
    started.wait()
    started.stdout.close()
    deadline = time.monotonic() + 60
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        assert not [pid for pid in workers if is_alive(pid)]
    finally:
        for pid in filter(is_alive, workers):
            os.kill(pid, signal.SIGKILL)
    assert not path.exists()


def test_what_is_read_is_not_replaced(tmp_path, capsys):
    folder = write_clips(tmp_path / "raw", 2)
    table = tmp_path / "own.json"
    table.write_text((folder / "a01_s00_e00_v02.json").read_text())
    store = tmp_path / "clips.h5"
    assert cli.main(["prepare", "nw_ucla", str(folder), str(store)]) == 0
    before = store.read_bytes()
    for words in (
        ("prepare", "nw_ucla", table, table, "--overwrite"),
        ("show", store, "--html", store),
        ("show", store, "--json", store),
        ("show", store, "--json", tmp_path / "a", "--html", tmp_path / "a"),
    ):
        assert cli.main(list(map(str, words))) == 2
        assert "would be replaced" in capsys.readouterr().err
    assert store.read_bytes() == before
    assert json.loads(table.read_text())["label"] == 1
    os.mkfifo(tmp_path / "pipe")
    words = ["show", str(store), "--html", str(tmp_path / "pipe")]
    assert cli.main(words) == 2
    assert "no ordinary file" in capsys.readouterr().err


def test_options_that_are_no_options(tmp_path, capsys):
    folder = str(write_clips(tmp_path / "raw", 2))
    words = ["prepare", "nw_ucla", folder, str(tmp_path / "a.h5"), "--option"]
    assert cli.main([*words, "path=x"]) == 2
    assert "SOURCE" in capsys.readouterr().err
