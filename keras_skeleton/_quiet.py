"""Keeping libraries in C++ from telling what they do."""

import contextlib
import os


@contextlib.contextmanager
def no_error_output():
    """Sends the standard error output of the process nowhere for a while.

    For libraries that write to it from C++ and offer no way to ask them not
    to. What other threads write meanwhile is lost too, so keep it short.
    """
    before = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
