"""Packages whose content is imported on first use."""

import builtins
import contextlib
import importlib
import importlib.util
import threading
import types

# Where things live that people look for elsewhere.
_ROOMS = (
    *("applications", "datasets", "layers", "layers.augmentation", "losses"),
    *("training", "evaluation", "explain", "serving", "skeletons", "tuning"),
    *("drawing", "weights"),
)
# Where what such packages offer is defined, by package and name.
PLACES = {}
# Held while imports are noted.
_LOCK = threading.RLock()


class _Place(str):
    """Full name of what is not imported yet, in its stead."""


def missing(package, name):
    """The error for a name that a package lacks, with the place it has."""
    told = f"module {package!r} has no attribute {name!r}"
    root = package.partition(".")[0]
    # `from package import module` asks for the name of the module first.
    is_module = importlib.util.find_spec(f"{package}.{name}") is not None
    if not name.startswith("_") and not is_module:
        for room in _ROOMS:
            place = f"{root}.{room}"
            try:
                module = importlib.import_module(place)
            except ImportError:
                continue
            # Rooms that are being imported have no list of names yet.
            public = getattr(module, "__all__", ())
            if place != package and name in public:
                told += f"; it is {place}.{name}"
                break
    return AttributeError(told)


@contextlib.contextmanager
def on_first_use(namespace):
    """Makes imports wait until their names are used.

    Usage:

        with on_first_use(globals()):
            from package.heavy import Thing as Thing

    These are plain imports to editors and type checkers, which know what they
    offer from nowhere else. The module gets `__getattr__`, `__dir__` and
    `__all__` out of them.

    Args:
        namespace: `globals()` of the module.

    Yields:
        Dict from each name to the place of what it stands for; filled at the
        end.
    """
    package = namespace["__name__"]
    places = PLACES[package] = {}

    def note(name, globals=None, locals=None, fromlist=(), level=0):
        # Other threads may import other modules meanwhile.
        if globals is not namespace:
            return python_import(name, globals, locals, fromlist, level)
        return types.SimpleNamespace(
            **{each: _Place(f"{name}.{each}") for each in fromlist}
        )

    with _LOCK:
        python_import = builtins.__import__
        builtins.__import__ = note
        try:
            yield places
        finally:
            builtins.__import__ = python_import
    for name, value in list(namespace.items()):
        if isinstance(value, _Place):
            places[name] = str(namespace.pop(name))

    def load(name):
        if name not in places:
            raise missing(package, name)
        place, _, last = places[name].rpartition(".")
        if place == package:
            return importlib.import_module(places[name])
        return getattr(python_import(place, fromlist=[last]), last)

    public = sorted(places)
    namespace.update(__getattr__=load, __dir__=lambda: public, __all__=public)
