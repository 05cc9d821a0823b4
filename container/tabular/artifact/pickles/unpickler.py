"""Read pickles with an unpickler that calls only known reconstructors and changes only new objects.

A list of allowed names is not enough: the opcode REDUCE calls any callable that was found, and
BUILD writes to any object, classes and functions included. This unpickler separates what a pickle
may name into three kinds: reconstructors that REDUCE may call, with checked arguments; classes
that NEWOBJ may create without arguments; and values that a model only holds.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, NoReturn

Check = Callable[[Any, Any], None]
# What a pickle of protocol 2 or later begins with.
PICKLE_MAGIC = b"\x80"
# The name of a module or attribute that moved, as old pickles have it, to where it is now.
MOVED_MODULES = {
    "__builtin__": "builtins",  # Python 2, and protocol 2
    "numpy.core.multiarray": "numpy._core.multiarray",  # numpy 1
    "numpy.core.numeric": "numpy._core.numeric",
    "numpy.core._multiarray_umath": "numpy._core.multiarray",
    "numpy._core._multiarray_umath": "numpy._core.multiarray",
}


class ForbiddenNameError(pickle.UnpicklingError):
    """A pickle names what no model of these libraries needs."""


class ForbiddenStepError(pickle.UnpicklingError):
    """A pickle does with an allowed name what no pickler writes."""


@dataclass(frozen=True)
class Reconstructor:
    """What REDUCE may call in place of the function or class that a pickle names.

    Attributes
    ----------
    call : callable
        Checks its arguments, and makes the object; raises ForbiddenStepError.
    value : object
        The function or class itself; a class may also be an argument.
    check_state : callable or None
        Checks the object that was made and the state that BUILD sets; None where there is no
        state.
    """

    call: Callable[..., object]
    value: object
    check_state: Check | None = None


@dataclass(frozen=True)
class Creatable:
    """A class that NEWOBJ may create without arguments.

    Attributes
    ----------
    kind : type
        The class.
    check_state : callable
        Checks the new object and the state that BUILD sets; raises ForbiddenStepError.
    """

    kind: type
    check_state: Check


@dataclass(frozen=True)
class Held:
    """A class or function that a model holds as a value; it is never called while loading."""

    value: object


Found = Reconstructor | Creatable | Held
Find = Callable[[str, str], Found | None]


def refuse(module: str, name: str) -> NoReturn:
    """Raise the error of a name that is not allowed."""
    raise ForbiddenNameError(
        f"it names {module}.{name}, which no model of xgboost or scikit-learn needs"
    )


def require(condition: object, what: str) -> None:
    """Raise ForbiddenStepError unless a condition holds.

    Parameters
    ----------
    what : str
        What was found, in words that follow "it".
    """
    if not condition:
        raise ForbiddenStepError(f"it {what}, which no pickle of a model does")


# The one in C has no opcodes to override; joblib builds on this one too.
PythonUnpickler: Any = pickle._Unpickler  # type: ignore[attr-defined,unused-ignore]


class RestrictedUnpickler(PythonUnpickler):  # type: ignore[misc]
    """The machine of Python's own unpickler, with every opcode that calls or writes checked.

    Parameters
    ----------
    file : binary file
    find : (module, name) -> Found or None
        Looks a name up; None where it is not allowed.
    """

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = dict(PythonUnpickler.dispatch)

    def __init__(self, file: BinaryIO, find: Find) -> None:
        super().__init__(file)
        self.source = file
        self._find = find
        # By the identity of what find_class returned: modules keep those objects alive.
        self._found: dict[int, Found] = {}
        # Objects made in this load whose state has not been set, with what checks their state.
        self._new: dict[int, tuple[object, Check]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Find what a pickle names.

        Raises
        ------
        ForbiddenNameError
            The name is not allowed. A dotted name never is.
        """
        known = MOVED_MODULES.get(module, module)
        found = None if "." in name else self._find(known, name)
        if found is None:
            refuse(module, name)
        value = found.kind if isinstance(found, Creatable) else found.value
        self._found[id(value)] = found
        return value

    def nested(self) -> RestrictedUnpickler:
        """Make an unpickler of the same rules for a pickle within the same file."""
        return type(self)(self.source, self._find)

    def load_reduce(self) -> None:
        """Call a reconstructor."""
        arguments = self.stack.pop()
        function = self.stack[-1]
        found = self._found.get(id(function))
        require(isinstance(found, Reconstructor), f"calls {_described(function)}")
        require(type(arguments) is tuple, "calls with arguments that are no tuple")
        assert isinstance(found, Reconstructor)  # noqa: S101 - for the type checker
        try:
            made = found.call(*arguments)
        except TypeError as error:
            raise ForbiddenStepError(f"it calls {_described(function)}: {error}") from error
        if found.check_state is not None:
            self._new[id(made)] = (made, found.check_state)
        self.stack[-1] = made

    def load_newobj(self) -> None:
        """Create an object of a known class without arguments."""
        arguments = self.stack.pop()
        self._create(self.stack.pop(), arguments)

    def load_newobj_ex(self) -> None:
        """Create an object of a known class without arguments."""
        named = self.stack.pop()
        require(named == {}, "creates an object with named arguments")
        arguments = self.stack.pop()
        self._create(self.stack.pop(), arguments)

    def _create(self, kind: Any, arguments: object) -> None:
        found = self._found.get(id(kind))
        require(isinstance(found, Creatable), f"creates {_described(kind)}")
        assert isinstance(found, Creatable)  # noqa: S101 - for the type checker
        known: Any = found.kind
        if issubclass(known, tuple):  # a named tuple holds its values from the start
            values: Any = arguments
            fits = type(values) is tuple and len(values) == len(known._fields)
            require(fits, "has a strange tuple")
            self.append(tuple.__new__(known, values))
            return
        require(arguments == (), "creates an object with arguments")
        made = known.__new__(known)
        self._new[id(made)] = (made, found.check_state)
        self.append(made)

    def load_build(self) -> None:
        """Set the state of an object that this load has made, once."""
        state = self.stack.pop()
        target = self.stack[-1]
        # Once only: a second state would free the memory that views of the first one read.
        # The dict keeps the object, so that its identity is not given to another one.
        _, check = self._new.get(id(target), (None, _never))
        self._new[id(target)] = (target, _never)
        check(target, state)
        setter = getattr(target, "__setstate__", None)
        if setter is not None:
            setter(state)
            return
        require_plain_state(target, state)
        target.__dict__.update(state or {})

    def load_append(self) -> None:
        """Append to a list."""
        require(len(self.stack) > 1 and type(self.stack[-2]) is list, "appends to no list")
        value = self.stack.pop()
        self.stack[-1].append(value)

    def load_appends(self) -> None:
        """Extend a list."""
        items = self.pop_mark()
        require(type(self.stack[-1]) is list, "appends to no list")
        self.stack[-1].extend(items)

    def load_setitem(self) -> None:
        """Set an item of a dict."""
        value, key = self.stack.pop(), self.stack.pop()
        require(isinstance(self.stack[-1], dict), "sets an item of no dict")
        dict.__setitem__(self.stack[-1], key, value)

    def load_setitems(self) -> None:
        """Set items of a dict."""
        items = self.pop_mark()
        target = self.stack[-1]
        require(isinstance(target, dict), "sets items of no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            dict.__setitem__(target, key, value)

    def load_additems(self) -> None:
        """Add to a set."""
        items = self.pop_mark()
        require(type(self.stack[-1]) is set, "adds to no set")
        self.stack[-1].update(items)

    def refuse_opcode(self) -> None:
        """Raise for an opcode that no pickler of a model writes."""
        raise ForbiddenStepError(
            "it has an opcode (INST, OBJ, an extension, a persistent id, a buffer out of band) "
            "that no pickle of a model has"
        )

    dispatch |= {
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.BUILD[0]: load_build,
        pickle.APPEND[0]: load_append,
        pickle.APPENDS[0]: load_appends,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.ADDITEMS[0]: load_additems,
    }


# What no pickler of a model writes: INST and OBJ are of protocol 1, the others need a partner.
for _opcode in (
    *(pickle.INST, pickle.OBJ, pickle.EXT1, pickle.EXT2, pickle.EXT4),
    *(pickle.PERSID, pickle.BINPERSID, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
):
    RestrictedUnpickler.dispatch[_opcode[0]] = RestrictedUnpickler.refuse_opcode


def _never(_: object, __: object) -> None:
    require(False, "sets the state of an object that it has not made, or sets it twice")


def _described(value: object) -> str:
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return f"{module}.{name}" if module and name else f"a {type(value).__name__}"


def require_plain_state(_: object, state: Any) -> None:
    """Require a dict with the names of ordinary attributes.

    A name with two underscores at its start would change how Python or scikit-learn treats the
    object.
    """
    require(state is None or type(state) is dict, "sets a state that is no dict")
    for name in state or {}:
        require(type(name) is str and not name.startswith("__"), f"sets the attribute {name!r:.60}")
