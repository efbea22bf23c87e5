"""The choice of what differs between the backends."""

import keras


def of_backend(what, **functions):
    """The function of the current backend.

    Args:
        what: What needs it, for the error.
        **functions: By name of the backend.

    Raises:
        RuntimeError: If there is none.
    """
    backend = keras.backend.backend()
    if backend not in functions:
        raise RuntimeError(
            f"{what} needs one of the backends {', '.join(functions)}. The "
            f"current backend is {backend!r}."
        )
    return functions[backend]


def is_jax_on_cpu():
    """Whether JAX computes, and has no accelerator."""
    return keras.backend.backend() == "jax" and all(
        device.startswith("cpu") for device in keras.distribution.list_devices()
    )
