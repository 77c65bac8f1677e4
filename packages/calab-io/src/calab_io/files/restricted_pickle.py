"""Pickles from files, read without running them.

A pickle is a program: `pickle.load` imports and calls what it names. Here `pickletools` only splits
it into steps, and a machine of our own takes these. It has no import and calls nothing by name.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pickletools import genops
from typing import IO, Any, cast

from .pickled_objects import Placeholder, Unbuilt, made_by

__all__ = ["unpickle"]

#: A step adds some hundred bytes at most beside what it copies from the file: less than a gigabyte
#: in all. A list of a million file names takes two million steps.
MOST_STEPS = 3_000_000
#: Whole numbers as keys of a dictionary; larger ones can be chosen to collide.
LARGEST_KEY = 2**31
#: Characters in the name of a type or function; it is copied wherever it is used.
LONGEST_NAME = 1000


def unpickle(content: mmap.mmap) -> Any:
    """Read a pickle without running it.

    Parameters
    ----------
    content : mmap
        The file, standing where the pickle begins.

    Returns
    -------
    object
        Plain data: numbers, text, bytes, lists, tuples, dictionaries, NumPy's arrays and scalars,
        with a `Placeholder` for everything else. Sets and arrays of objects are flat lists.
        Entries of dictionaries whose key is neither text nor a whole number are left out.

    Raises
    ------
    Exception
        Of nearly any type if the pickle is damaged.
    """
    machine = _Machine(len(content))
    # A map of a file has all that is needed here, though it is not declared as one.
    for count, (opcode, argument, _) in enumerate(genops(cast("IO[bytes]", content))):
        if count == MOST_STEPS:
            raise ValueError(f"expected a pickle of at most {MOST_STEPS} steps")
        step = STEPS.get(opcode.name)
        if step is None:
            raise ValueError(f"expected plain data, got the step {opcode.name} of a pickle")
        step(machine, argument)
    return machine.stack.pop()


class _Machine:
    """A stack, and a memo of what stood on it."""

    def __init__(self, size: int) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        #: Bytes that may still be copied out of objects, which a pickle could ask for of the same
        #: one over and over; where nobody means harm, each of the file's is copied once.
        self.left = size

    def copy(self, size: int) -> None:
        """Count what is copied."""
        self.left -= size
        if self.left < 0:
            raise ValueError("expected a pickle that copies nothing twice")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def marked(self) -> list[Any]:
        """Take off what stands above the last mark."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def last(self, count: int) -> list[Any]:
        """Take off so many."""
        return [self.stack.pop() for _ in range(count)][::-1]

    def pop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.marked()

    def remember(self, place: int) -> None:
        self.memo[place] = self.stack[-1]
        if isinstance(self.stack[-1], Unbuilt):
            self.stack[-1].places.append(place)

    def extend(self, items: list[Any]) -> None:
        """Add to a list, or to what would have been like one."""
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def enter(self, items: list[Any]) -> None:
        """Add keys and values in turn to a dictionary, or to what would have been like one."""
        if not isinstance(self.stack[-1], dict):
            return
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Tuples are left out since their hash goes as deep as they nest.
            if isinstance(key, str) or (isinstance(key, int) and abs(key) < LARGEST_KEY):
                self.stack[-1][key] = value

    def new_dict(self) -> None:
        items = self.marked()
        self.push({})
        self.enter(items)

    def new_name(self, *parts: str) -> None:
        """Name something of a module; what it is does not matter before it is called."""
        if sum(len(part) for part in parts) > LONGEST_NAME:
            raise ValueError(f"expected names of at most {LONGEST_NAME} characters in a pickle")
        self.push(Placeholder(".".join(parts)))

    def new_object(self, parts: list[Any]) -> None:
        """Make an object of a type, which comes first."""
        self.push(Placeholder(_name(parts[0])))

    def old_object(self, *parts: str) -> None:
        """Make an object of a type that is named here, as protocol 0 does."""
        self.marked()
        self.new_name(*parts)

    def reduce(self) -> None:
        function, arguments = self.last(2)
        self.push(made_by(_name(function), arguments, self.copy))

    def build(self) -> None:
        state, thing = self.stack.pop(), self.stack[-1]
        if not isinstance(thing, Unbuilt):
            return
        self.stack[-1] = thing.build(state)
        for place in thing.places:
            if self.memo[place] is thing:
                self.memo[place] = self.stack[-1]
        # Once is enough, also for one that is built over and over.
        thing.places.clear()


def _name(thing: Any) -> str:
    return thing.name if isinstance(thing, Placeholder) else type(thing).__name__


Step = Callable[[_Machine, Any], object]


def _each(names: str, step: Step) -> dict[str, Step]:
    return dict.fromkeys(names.split(), step)


#: What each step does, given its argument; those that are not here belong to no plain data.
STEPS: dict[str, Step] = {
    **_each("PROTO FRAME STOP", lambda m, arg: None),
    **_each("INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT", _Machine.push),
    **_each("UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8", _Machine.push),
    **_each("STRING SHORT_BINSTRING BINSTRING SHORT_BINBYTES BINBYTES", _Machine.push),
    **_each("BINBYTES8 BYTEARRAY8", _Machine.push),
    "NONE": lambda m, arg: m.push(None),
    "NEWTRUE": lambda m, arg: m.push(True),
    "NEWFALSE": lambda m, arg: m.push(False),
    **_each("EMPTY_LIST EMPTY_SET", lambda m, arg: m.push([])),
    "EMPTY_DICT": lambda m, arg: m.push({}),
    "EMPTY_TUPLE": lambda m, arg: m.push(()),
    "MARK": lambda m, arg: m.mark(),
    "POP": lambda m, arg: m.pop(),
    "POP_MARK": lambda m, arg: m.marked(),
    "DUP": lambda m, arg: m.push(m.stack[-1]),
    "TUPLE1": lambda m, arg: m.push(tuple(m.last(1))),
    "TUPLE2": lambda m, arg: m.push(tuple(m.last(2))),
    "TUPLE3": lambda m, arg: m.push(tuple(m.last(3))),
    "TUPLE": lambda m, arg: m.push(tuple(m.marked())),
    **_each("LIST FROZENSET", lambda m, arg: m.push(m.marked())),
    "DICT": lambda m, arg: m.new_dict(),
    "APPEND": lambda m, arg: m.extend(m.last(1)),
    **_each("APPENDS ADDITEMS", lambda m, arg: m.extend(m.marked())),
    "SETITEM": lambda m, arg: m.enter(m.last(2)),
    "SETITEMS": lambda m, arg: m.enter(m.marked()),
    **_each("PUT BINPUT LONG_BINPUT", _Machine.remember),
    "MEMOIZE": lambda m, arg: m.remember(len(m.memo)),
    **_each("GET BINGET LONG_BINGET", lambda m, arg: m.push(m.memo[arg])),
    # The argument of these two has a space between module and name.
    "GLOBAL": lambda m, arg: m.new_name(*arg.split(" ")),
    "INST": lambda m, arg: m.old_object(*arg.split(" ")),
    "STACK_GLOBAL": lambda m, arg: m.new_name(*m.last(2)),
    **_each("EXT1 EXT2 EXT4 PERSID", lambda m, arg: m.push(Placeholder("object"))),
    "BINPERSID": lambda m, arg: m.new_object(m.last(1)),
    "OBJ": lambda m, arg: m.new_object(m.marked()),
    "NEWOBJ": lambda m, arg: m.new_object(m.last(2)),
    "NEWOBJ_EX": lambda m, arg: m.new_object(m.last(3)),
    "REDUCE": lambda m, arg: m.reduce(),
    "BUILD": lambda m, arg: m.build(),
}
