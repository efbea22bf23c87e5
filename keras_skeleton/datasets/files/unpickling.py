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
# Keys for which hashes that are the same can be made on purpose, so that
# finding one among them takes long.
MOST_ODD_KEYS = 10_000
# Bytes of memory for what a file calls for, by bytes of the file. What is
# written out in it needs less; what is made again and again of one piece of
# it, by copies and calls, needs more.
MOST_GROWTH = 64
FREE_BYTES = 1 << 20
SET_BYTES, ITEM_BYTES, PAIR_BYTES = 216, 70, 100
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
            mentioned but not called. Beside these, names that pickles of any
            kind use for plain data are known.
    """

    refused = "Nothing was executed."

    def __init__(self, file, size, names):
        super().__init__(file, encoding="latin1")
        self.file = file
        self.size = size
        self.names = {
            ("collections", "OrderedDict"): self.ordered_dict,
            ("_codecs", "encode"): self.encode,
            **names,
        }
        self.left = MOST_GROWTH * size + FREE_BYTES
        self.odd_keys = 0

    def charge(self, size):
        """Counts bytes that a call makes of what is there already.

        Raises:
            ValueError: If all calls make more than follows from the size of
                the file.
        """
        self.left -= size
        if self.left < 0:
            raise ValueError("it makes more of its data than its size allows")

    def ordered_dict(self, pairs=()):
        if not isinstance(pairs, (list, tuple)):
            raise ValueError("it makes a dictionary of something else")
        self.charge(PAIR_BYTES * len(pairs))
        found = collections.OrderedDict()
        for pair in pairs:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise ValueError("it makes a dictionary of something else")
            self.set_items(found, pair)
        return found

    def encode(self, text, encoding="latin1"):
        """Undoes how old protocols store bytes: as text of the same codes."""
        self.charge(len(_require(text, str)))
        return text.encode("latin1")

    def check_key(self, key):
        """Refuses keys whose hash takes long, and too many odd ones."""
        parts = key if type(key) is tuple else (key,)
        if len(parts) > LONGEST_KEY or not all(map(_is_simple, parts)):
            raise ValueError(f"it has a key of type {type(key).__name__}")
        if type(key) is tuple or isinstance(key, np.complexfloating):
            self.odd_keys += 1
            if self.odd_keys > MOST_ODD_KEYS:
                raise ValueError(
                    f"it has more than {MOST_ODD_KEYS} keys of type "
                    f"{type(key).__name__}"
                )
        return key

    def set_items(self, target, items):
        if len(items) % 2:
            raise ValueError("it has a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[self.check_key(key)] = value
        return target

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
        self.charge(8 * len(arguments))
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
        self.append(self.set_items({}, items))

    def load_setitem(self):
        value = self.stack.pop()
        key = self.stack.pop()
        self.set_items(_require(self.stack[-1], dict), [key, value])

    def load_setitems(self):
        items = self.pop_mark()
        self.set_items(_require(self.stack[-1], dict), items)

    def load_empty_set(self):
        self.charge(SET_BYTES)
        self.append(set())

    def load_additems(self):
        values = self.pop_mark()
        _require(self.stack[-1], set).update(map(self.check_key, values))

    def load_frozenset(self):
        values = self.pop_mark()
        self.charge(SET_BYTES)
        self.append(frozenset(map(self.check_key, values)))

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


def _is_simple(part):
    """Whether a part of a key has a hash that takes no time."""
    if type(part) is int:
        return part.bit_length() <= 64
    return type(part) in SIMPLE_TYPES or isinstance(part, np.generic)


def handlers(cls):
    """Methods for the allowed operations, by their code."""
    inherited = {
        code: handler.__name__
        for code, handler in pickle._Unpickler.dispatch.items()
    }
    codes = [getattr(pickle, operation)[0] for operation in OPERATIONS]
    return {code: getattr(cls, inherited[code]) for code in codes}


Unpickler.dispatch = handlers(Unpickler)
