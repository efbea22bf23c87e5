"""Checks of what a transform is made of, by its defaults."""

import functools
import inspect

import numpy as np


def checked(init):
    """A constructor of a transform that names values which cannot be.

    What is on or off by default must be `True` or `False`, and no number NaN.
    Where the constructor itself cannot work with a value, that is a
    `ValueError` too.
    """
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapper(self, *args, **kwargs):
        given = signature.bind(self, *args, **kwargs).arguments
        for name, value in given.items():
            expected = _mismatch(signature.parameters[name].default, value)
            if expected:
                raise ValueError(
                    f"`{name}` of {type(self).__name__} must be {expected}. "
                    f"Received: {value!r}"
                )
        try:
            init(self, *args, **kwargs)
        except TypeError as error:
            given = list(given.items())[1:]
            raise ValueError(
                f"{type(self).__name__} cannot be made of "
                f"{', '.join(f'{name}={value!r}' for name, value in given)}: "
                f"{error}. See its documentation for what each may be."
            ) from error

    # Keras reads the arguments of a layer without following wrappers.
    wrapper.__signature__ = signature
    return wrapper


def _mismatch(default, value):
    """What was expected instead of a value; `None` if it may be right."""
    if isinstance(value, float | np.floating) and not np.isfinite(value):
        return "a finite number"
    if isinstance(default, bool):
        is_switch = isinstance(value, bool | np.bool_)
        return None if is_switch else "True or False"
    return None
