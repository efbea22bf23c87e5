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
        total: How much there is to do, `None` where it is not known.
        what: One of these, such as `"file"`.
        pace: Whether to tell how many are done in a second, and the seconds
            that are left.
    """

    def __init__(self, total, what, pace=False):
        self._total, self._pace = total, pace
        self._what = f"{what}es" if what.endswith("tch") else f"{what}s"
        self._done, self._written = 0, -1
        self._start = time.monotonic()
        self._moves = sys.stdout.isatty()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._moves and self._done:
            print()

    def add(self, count, more=""):
        """Tells that so many more are done.

        Args:
            count: How many.
            more: What to say beside it, such as a loss.
        """
        self._done += count
        # Where the end is unknown, a line for twice as many each time.
        share = self._done.bit_length()
        if self._total is not None:
            share = self._done * LINES // max(self._total, 1)
        if self._moves:
            width = 72 if self._pace else 40
            print(f"\r{self._text(more):{width}}", end="", flush=True)
        elif share > self._written:
            print(self._text(more), flush=True)
            self._written = share

    def _text(self, more):
        total = "" if self._total is None else f" of {self._total}"
        seconds = time.monotonic() - self._start
        words = f"{self._done}{total} {self._what}, {seconds:.0f} s"
        if self._pace and seconds > 0:
            pace = self._done / seconds
            words += f", {pace:.1f} per second"
            if self._total is not None and self._done < self._total:
                words += f", {(self._total - self._done) / pace:.0f} s left"
        return f"{words}, {more}" if more else words
