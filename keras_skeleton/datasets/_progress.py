"""How far a long work is: a line that moves, or plain lines in a file."""

import sys
import time

# Of a file, this many lines are enough.
LINES = 10


class Progress:
    """Counts what is done, on standard output.

    A terminal gets one line that is written over, without colours. A file or
    a pipe gets at most ten plain lines.

    Args:
        total: How much there is to do.
        what: One of these, such as `"file"`.
    """

    def __init__(self, total, what):
        self._total, self._what = total, what
        self._done, self._written = 0, -1
        self._start = time.monotonic()
        self._moves = sys.stdout.isatty()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._moves and self._done:
            print()

    def add(self, count):
        """Tells that so many more are done."""
        self._done += count
        share = self._done * LINES // max(self._total, 1)
        if self._moves:
            print(f"\r{self._text()}", end="", flush=True)
        elif share > self._written:
            print(self._text(), flush=True)
            self._written = share

    def _text(self):
        seconds = time.monotonic() - self._start
        return (
            f"{self._done} of {self._total} {self._what}s, {seconds:.0f} s"
        ).ljust(40 if self._moves else 0)
