"""An unpickler that calls only known reconstructors and changes only new objects of the same load.

A list of allowed names is not enough. The opcode REDUCE calls any callable that the pickle names,
and BUILD writes to any object, including classes and functions. This unpickler has three kinds of
allowed names: reconstructors, which REDUCE may call with checked arguments; classes, of which
NEWOBJ may create objects without arguments; and values, which a model holds and which the unpickler
never calls.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, NoReturn

Check = Callable[[Any, Any], None]
# The first byte of a pickle of protocol 2 or later.
PICKLE_MAGIC = b"\x80"
# Modules that were renamed: the name in old pickles, and the name now.
MOVED_MODULES = {
    "__builtin__": "builtins",  # Python 2, and protocol 2
    "numpy.core.multiarray": "numpy._core.multiarray",  # numpy 1
    "numpy.core.numeric": "numpy._core.numeric",
    "numpy.core._multiarray_umath": "numpy._core.multiarray",
    "numpy._core._multiarray_umath": "numpy._core.multiarray",
}


class ForbiddenNameError(pickle.UnpicklingError):
    """A pickle names a class or function that no model needs."""


class ForbiddenStepError(pickle.UnpicklingError):
    """A pickle uses an allowed name in a way that no pickler writes."""


@dataclass(frozen=True)
class Reconstructor:
    """A function or class that REDUCE may call.

    Attributes
    ----------
    call : callable
        Called in place of the function or class. It checks the arguments and makes the object, or
        raises ForbiddenStepError.
    value : object
        The function or class that the pickle names. It may also be an argument of another call.
    check_state : callable or None
        Checks the new object and the state that BUILD sets; None if BUILD sets no state.
    """

    call: Callable[..., object]
    value: object
    check_state: Check | None = None


@dataclass(frozen=True)
class CreatableClass:
    """A class of which NEWOBJ may create objects without arguments.

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
class HeldValue:
    """A class or function that a model holds as a value. The unpickler never calls it."""

    value: object


AllowedName = Reconstructor | CreatableClass | HeldValue
FindName = Callable[[str, str], AllowedName | None]


def refuse(module: str, name: str) -> NoReturn:
    """Raise ForbiddenNameError for a name that is not allowed."""
    raise ForbiddenNameError(
        f"it names {module}.{name}, which no model of xgboost or scikit-learn needs"
    )


def require(condition: object, what: str) -> None:
    """Raise ForbiddenStepError unless a condition holds.

    Parameters
    ----------
    what : str
        What the pickle does, as the predicate of a sentence: "calls os.system".
    """
    if not condition:
        raise ForbiddenStepError(f"it {what}, which no pickle of a model does")


# Methods of the C unpickler can't be overridden per opcode. joblib subclasses this class too.
PythonUnpickler: Any = pickle._Unpickler  # type: ignore[attr-defined,unused-ignore]


class RestrictedUnpickler(PythonUnpickler):  # type: ignore[misc]
    """Python's own unpickler, with checks in every opcode that calls or writes.

    Parameters
    ----------
    file : binary file
    find : (module, name) -> AllowedName or None
        Returns the rule for a name; None if the name is not allowed.
    """

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = dict(PythonUnpickler.dispatch)

    def __init__(self, file: BinaryIO, find: FindName) -> None:
        super().__init__(file)
        self.source = file
        self._find = find
        # The rules of the names that find_class returned, by the id of the object. Modules keep
        # these objects alive.
        self._found: dict[int, AllowedName] = {}
        # The objects that this load has made, by id, each with the check of the state for BUILD.
        self._new: dict[int, tuple[object, Check]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return the class or function that a pickle names.

        Raises
        ------
        ForbiddenNameError
            The name is not allowed. Dotted names (``A.b``) are never allowed.
        """
        known = MOVED_MODULES.get(module, module)
        found = None if "." in name else self._find(known, name)
        if found is None:
            refuse(module, name)
        value = found.kind if isinstance(found, CreatableClass) else found.value
        self._found[id(value)] = found
        return value

    def nested(self) -> RestrictedUnpickler:
        """Return an unpickler with the same rules, for a pickle inside the same file."""
        return type(self)(self.source, self._find)

    def load_reduce(self) -> None:
        """Call a reconstructor."""
        arguments = self.stack.pop()
        function = self.stack[-1]
        found = self._found.get(id(function))
        require(isinstance(found, Reconstructor), f"calls {_described(function)}")
        require(type(arguments) is tuple, "calls with arguments that are not a tuple")
        assert isinstance(found, Reconstructor)  # noqa: S101 - for the type checker
        try:
            made = found.call(*arguments)
        except TypeError as error:
            raise ForbiddenStepError(f"it calls {_described(function)}: {error}") from error
        if found.check_state is not None:
            self._new[id(made)] = (made, found.check_state)
        self.stack[-1] = made

    def load_newobj(self) -> None:
        """Create an object of an allowed class without arguments."""
        arguments = self.stack.pop()
        self._create(self.stack.pop(), arguments)

    def load_newobj_ex(self) -> None:
        """Create an object of an allowed class without arguments."""
        named = self.stack.pop()
        require(named == {}, "creates an object with named arguments")
        arguments = self.stack.pop()
        self._create(self.stack.pop(), arguments)

    def _create(self, kind: Any, arguments: object) -> None:
        found = self._found.get(id(kind))
        require(isinstance(found, CreatableClass), f"creates {_described(kind)}")
        assert isinstance(found, CreatableClass)  # noqa: S101 - for the type checker
        known: Any = found.kind
        if issubclass(known, tuple):  # a named tuple gets its values when it is created
            values: Any = arguments
            fits = type(values) is tuple and len(values) == len(known._fields)
            require(fits, "has an unexpected tuple")
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
        # Only once: a second state would free memory that views of the first state still use.
        # The dict keeps the object alive, so that no other object gets the same id.
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
        require(
            len(self.stack) > 1 and type(self.stack[-2]) is list,
            "appends to an object that is not a list",
        )
        value = self.stack.pop()
        self.stack[-1].append(value)

    def load_appends(self) -> None:
        """Extend a list."""
        items = self.pop_mark()
        require(type(self.stack[-1]) is list, "appends to an object that is not a list")
        self.stack[-1].extend(items)

    def load_setitem(self) -> None:
        """Set an item of a dict."""
        value, key = self.stack.pop(), self.stack.pop()
        require(isinstance(self.stack[-1], dict), "sets an item of an object that is not a dict")
        dict.__setitem__(self.stack[-1], key, value)

    def load_setitems(self) -> None:
        """Set items of a dict."""
        items = self.pop_mark()
        target = self.stack[-1]
        require(isinstance(target, dict), "sets items of an object that is not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            dict.__setitem__(target, key, value)

    def load_additems(self) -> None:
        """Add to a set."""
        items = self.pop_mark()
        require(type(self.stack[-1]) is set, "adds to an object that is not a set")
        self.stack[-1].update(items)

    def refuse_opcode(self) -> None:
        """Raise ForbiddenStepError for an opcode that no pickler of a model writes."""
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


# Opcodes that no pickler of a model writes. INST and OBJ belong to protocol 1. The other opcodes
# need data from the program that loads the pickle.
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
    """Require a state that is a dict of ordinary attributes.

    An attribute whose name starts with two underscores would change how Python or scikit-learn
    treats the object.
    """
    require(state is None or type(state) is dict, "sets a state that is not a dict")
    for name in state or {}:
        require(type(name) is str and not name.startswith("__"), f"sets the attribute {name!r:.60}")
