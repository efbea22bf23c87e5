"""Reads pickles without executing anything in them."""

import collections
import pickle
import struct

import numpy as np

# What a pickle may ask for. Everything else, among it all that touches
# attributes, classes or extension codes, is refused.
OPERATIONS = (
    "PROTO FRAME STOP MARK POP POP_MARK "
    "NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 "
    "FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES "
    "SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE BINUNICODE "
    "SHORT_BINUNICODE BINUNICODE8 "
    "EMPTY_LIST EMPTY_DICT EMPTY_TUPLE EMPTY_SET TUPLE TUPLE1 TUPLE2 TUPLE3 "
    "LIST DICT FROZENSET APPEND APPENDS SETITEM SETITEMS ADDITEMS "
    "GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT MEMOIZE "
    "GLOBAL STACK_GLOBAL REDUCE BUILD NEWOBJ BINPERSID"
).split()
SIMPLE_TYPES = (str, int, float, bool, bytes, type(None))
LONGEST_KEY = 16
ERRORS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    RecursionError,
    MemoryError,
    struct.error,
    pickle.UnpicklingError,
)


class Named:
    """Stands for what a pickle refers to by module and name.

    Pickles get to hold no function or class itself, so that they can
    neither change one nor do anything with it but call it.
    """

    __slots__ = ("function", "name")

    def __init__(self, name, function):
        self.name = name
        self.function = function


class Inert:
    """Stands for an object whose content does not matter."""

    def __init__(self, *unused):
        pass


def ordered_dict(pairs=()):
    found = collections.OrderedDict()
    _set_items(found, [each for key, value in pairs for each in (key, value)])
    return found


def encode(text, encoding="latin1"):
    """Undoes how old protocols store bytes: as text of the same codes."""
    return _require(text, str).encode("latin1")


# Names that pickles of any kind use for plain data.
PLAIN = {
    ("collections", "OrderedDict"): ordered_dict,
    ("_codecs", "encode"): encode,
}


class Unpickler(pickle._Unpickler):
    """Builds plain containers and what a table allows, and nothing else.

    It is the unpickler in Python: the one in C reserves memory for whatever
    a file claims, and cannot be told which operations to refuse.

    Args:
        file: Binary file with `read` and `readline`, best in memory or
            mapped into it.
        size: Bytes in the file.
        names: Dictionary from `(module, name)` to a function that is called
            instead of what the name means, or to `None` for what may be
            mentioned but not called.
    """

    refused = "Nothing was executed."

    def __init__(self, file, size, names):
        super().__init__(file, encoding="latin1")
        self.file = file
        self.size = size
        self.names = names

    def load(self):
        """Reads one pickle.

        Raises:
            ValueError: If it is damaged or holds anything but plain data.
        """
        self.read = self._file_read
        self.readline = self._file_readline
        self.metastack = []
        self.stack = []
        self.append = self.stack.append
        self.proto = 0
        handlers = self.dispatch
        read = self.read
        try:
            while True:
                code = read(1)
                if not code:
                    raise ValueError("it ends too early")
                handler = handlers.get(code[0])
                if handler is None:
                    raise ValueError(
                        f"it is no pickle, damaged, or holds more than plain "
                        f"data (operation {code!r}). {self.refused}"
                    )
                handler(self)
        except pickle._Stop as stop:
            return stop.value
        except ERRORS as error:
            raise ValueError(str(error) or type(error).__name__) from error

    def find_class(self, module, name):
        try:
            return Named(name, self.names[module, name])
        except KeyError:
            raise ValueError(
                f"it refers to {module[:80]}.{name[:80]}, which is not plain "
                f"data. {self.refused}"
            ) from None

    def build(self, instance, state):
        """Gives an object its content."""
        raise ValueError(
            f"it gives a state to an object of type {type(instance).__name__}"
        )

    def persistent_load(self, identifier):
        raise ValueError("it refers to objects outside of the file")

    # Each operation pops its operands from `stack` and pushes its result.

    def load_frame(self):
        # Frames only say how much may be read at once.
        self.read(8)

    def load_bytearray8(self):
        self.load_binbytes8()

    def load_reduce(self):
        arguments = self.stack.pop()
        named = self.stack[-1]
        if type(named) is not Named or named.function is None:
            raise ValueError(f"it calls what is no function. {self.refused}")
        if type(arguments) is not tuple:
            raise ValueError("it calls a function without arguments")
        self.stack[-1] = named.function(*arguments)

    load_newobj = load_reduce

    def load_build(self):
        state = self.stack.pop()
        instance = self.stack[-1]
        # Attributes of a state dict are of no interest.
        if not isinstance(instance, (Inert, collections.OrderedDict)):
            self.build(instance, state)

    def load_append(self):
        value = self.stack.pop()
        _require(self.stack[-1], list).append(value)

    def load_appends(self):
        values = self.pop_mark()
        _require(self.stack[-1], list).extend(values)

    def load_dict(self):
        items = self.pop_mark()
        self.append(_set_items({}, items))

    def load_setitem(self):
        value = self.stack.pop()
        key = self.stack.pop()
        _set_items(_require(self.stack[-1], dict), [key, value])

    def load_setitems(self):
        items = self.pop_mark()
        _set_items(_require(self.stack[-1], dict), items)

    def load_additems(self):
        values = self.pop_mark()
        _require(self.stack[-1], set).update(map(check_key, values))

    def load_frozenset(self):
        values = self.pop_mark()
        self.append(frozenset(map(check_key, values)))

    def load_long_binput(self):
        (index,) = struct.unpack("<I", self.read(4))
        if index > self.size:
            raise ValueError("its table of objects is larger than the file")
        self.memo[index] = self.stack[-1]


def _require(value, kind):
    if not isinstance(value, kind):
        raise ValueError(
            f"it takes an object of type {type(value).__name__} for a "
            f"{kind.__name__}"
        )
    return value


def check_key(key):
    """Refuses keys whose hash takes long: nested and large containers."""
    parts = key if type(key) is tuple else (key,)
    if len(parts) > LONGEST_KEY or not all(
        type(part) in SIMPLE_TYPES or isinstance(part, np.generic)
        for part in parts
    ):
        raise ValueError(f"it has a key of type {type(key).__name__}")
    return key


def _set_items(target, items):
    if len(items) % 2:
        raise ValueError("it has a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[check_key(key)] = value
    return target


def handlers(cls):
    """Methods for the allowed operations, by their code."""
    inherited = {
        code: handler.__name__
        for code, handler in pickle._Unpickler.dispatch.items()
    }
    codes = [getattr(pickle, operation)[0] for operation in OPERATIONS]
    return {code: getattr(cls, inherited[code]) for code in codes}


Unpickler.dispatch = handlers(Unpickler)
