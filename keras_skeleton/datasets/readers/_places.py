"""Where a data set is when its path is not given."""

from keras_skeleton import _download


def locate(path, name, hint, address=None, check=None):
    """Returns the path of a data set.

    Args:
        path: The given path, or `None`.
        name: Name of the file or folder in the cache.
        hint: What the data are and where to get them.
        address: Where they can be fetched from without an account.
        check: Function that is called with the path of the fetched file and
            raises a `ValueError` if it is not what it should be.

    Raises:
        FileNotFoundError: If there is no path, nothing in the cache and no
            address.
        ConnectionError: If the file cannot be fetched.
        ValueError: If the fetched file is damaged; it is removed.
    """
    if path is not None:
        return path
    place = _download.cache_folder("datasets") / name
    if place.exists():
        return place
    if address is not None:
        return _download.fetch(
            address, kind="datasets", file_name=name, check=check
        )
    raise FileNotFoundError(
        f"{hint} To load the data without a path, put them at {place}."
    )
