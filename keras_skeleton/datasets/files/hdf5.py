"""HDF5 data sets out of files that may claim anything."""

import h5py


def open_file(path):
    """Opens an HDF5 file for reading.

    Raises:
        ValueError: if it is not one, or is damaged.
    """
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:
        raise ValueError(f"it is not a complete HDF5 file: {error}") from error


def get_dataset(file, name, shape, kinds, most):
    """Returns a data set whose size and type are as expected.

    Args:
        file: an open `h5py.File`.
        name: string.
        shape: tuple of sizes; `None` allows any.
        kinds: string, the allowed kinds of type, such as `"fiu"`.
        most: integer, the elements it may have.

    Raises:
        ValueError: if there is no such data set, if it lies in another
            file, or if its type or size is another.
    """
    # A link or a data set of another file could show what is none of the
    # data.
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"it has no data set {name!r}")
    found = file[name]
    if (
        not isinstance(found, h5py.Dataset)
        or found.external
        or found.is_virtual
    ):
        raise ValueError(f"its {name!r} is not a data set of this file")
    fits = len(found.shape or ()) == len(shape) and all(
        wanted in (None, size)
        for wanted, size in zip(shape, found.shape, strict=True)
    )
    if not fits or found.size > most:
        words = ", ".join("any" if n is None else str(n) for n in shape)
        raise ValueError(
            f"its {name!r} has the shape {found.shape}; expected ({words})"
        )
    if found.dtype.kind not in kinds or found.dtype.itemsize > 64:
        raise ValueError(f"its {name!r} has the type {found.dtype}")
    return found
