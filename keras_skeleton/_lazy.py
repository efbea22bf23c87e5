"""Packages whose content is imported on first use."""

import importlib
import importlib.util

# Where things live that people look for elsewhere.
_ROOMS = (
    *("applications", "datasets", "layers", "layers.augmentation", "losses"),
    *("training", "evaluation", "explain", "serving", "skeletons", "tuning"),
    *("drawing", "weights"),
)
# Where what such packages offer is defined, by package and name: tools that
# read sources alone cannot know.
PLACES = {}


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


def attach(package, submodules=(), homes=None):
    """Makes a package load its content on first use.

    Args:
        package: `__name__` of the package.
        submodules: Names of submodules to offer; or a dict from the name to
            offer to the place of the module, relative to the package.
        homes: Dict from the name of a public object to the submodule that
            defines it.

    Returns:
        The functions `__getattr__` and `__dir__` and the list `__all__` of
        the package.
    """
    homes = homes or {}
    if not isinstance(submodules, dict):
        submodules = {name: name for name in submodules}
    public = sorted({*submodules, *homes})
    PLACES[package] = {
        **{name: f"{package}.{place}" for name, place in submodules.items()},
        **{name: f"{package}.{home}.{name}" for name, home in homes.items()},
    }

    def load(name):
        if name in homes:
            module = importlib.import_module(f"{package}.{homes[name]}")
            return getattr(module, name)
        if name in submodules:
            return importlib.import_module(f"{package}.{submodules[name]}")
        raise missing(package, name)

    def names():
        return public

    return load, names, public
