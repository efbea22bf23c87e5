"""How far a long work is, in a file and on a terminal."""

import io

import pytest

from keras_skeleton._progress import Progress

pytestmark = pytest.mark.once


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("total", [1, 3, 1000, None])
def test_a_file_gets_few_plain_lines(capsys, total):
    with Progress(total, "batch") as progress:
        for _ in range(total or 1000):
            progress.add(1, "loss 0.5")
    lines = capsys.readouterr().out.splitlines()
    assert 1 <= len(lines) <= 11
    if total is not None:
        assert lines[-1].startswith(f"{total} of {total} batches, ")
    assert all(line.endswith(" s, loss 0.5") for line in lines)
    assert "".join(lines).isprintable()


def test_a_terminal_gets_one_line(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    with Progress(2, "file") as progress:
        progress.add(1)
        progress.add(1)
    text = terminal.getvalue()
    assert text.count("\r") == 2 and text.count("\n") == 1
    assert "2 of 2 files" in text and "\x1b" not in text


def test_many_of_a_kind(capsys):
    for one, many in (("batch", "batches"), ("epoch", "epochs")):
        Progress(2, one).add(2)
        assert f"2 of 2 {many}, " in capsys.readouterr().out
