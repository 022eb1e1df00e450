"""What a torch pickle holds, found by following its opcodes and running nothing.

A pickle is a program that may call any function of any module. Here it is interpreted by a machine that
knows none: containers become inert stand-ins, the few constructors that torch writes for tensors are
recognised by name, and every other name is noted as a problem while whatever it would have made stays
opaque. No class is looked up, no module imported, nothing called.
"""

import pickletools
from collections.abc import Callable
from typing import Final

from explorer.errors import HeaderError
from explorer.weights.problems import Problems, quoted
from explorer.weights.torch_values import Items, Name, Opaque, Pairs, call, is_known, storage

MAX_OPERATIONS = 8_000_000
"""Opcodes followed before giving up; a checkpoint of 150,000 tensors needs 6 million."""


def interpret(path: str, data: bytes, problems: Problems) -> object:
    """The value a pickle describes, made of the stand-ins of ``torch_values``.

    Names outside of the allow-list become problems. Raises HeaderError for what is no whole pickle.
    """
    machine = _Machine(problems)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count == MAX_OPERATIONS:
                raise HeaderError(
                    f"The pickle in {path} cannot be read", f"it has more than {count} operations"
                )
            machine.step(opcode.name, argument)
        return machine.result()
    except (ValueError, OverflowError, DeprecationWarning) as error:
        # The warning is of a backslash in a name, where warnings are errors: no pickler writes one.
        raise HeaderError(
            f"The pickle in {path} cannot be read", f"it is damaged: {error}"
        ) from None


class _Machine:
    """The stack, the marks on it, and the memo of a pickle under way."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._stack: list[object] = []
        self._marked: list[list[object]] = []
        self._memo: dict[int, object] = {}
        self._reported: set[str] = set()

    def step(self, opcode: str, argument: object) -> None:
        """Follow one opcode. Raises ValueError where the pickle machine could not."""
        if opcode in _PUSHES:
            self._stack.append(argument)
        elif opcode in _CONSTANTS:
            self._stack.append(_CONSTANTS[opcode]())
        elif isinstance(argument, int):
            self._memo_step(opcode, argument)
        elif isinstance(argument, str):
            self._name_step(opcode, argument)
        elif opcode in _STEPS:
            _STEPS[opcode](self)
        elif opcode not in _IGNORED:
            raise ValueError(f"opcode {opcode}")

    def result(self) -> object:
        """What is left when the pickle stops."""
        return self._pop()

    def _memo_step(self, opcode: str, argument: int) -> None:
        if opcode in ("GET", "BINGET", "LONG_BINGET"):
            if argument not in self._memo:
                raise ValueError(f"there is no memo {argument}")
            self._stack.append(self._memo[argument])
        elif opcode in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self._top()
        elif opcode in ("EXT1", "EXT2", "EXT4"):
            self._stack.append(self._named(Name("copyreg extension", str(argument))))

    def _name_step(self, opcode: str, argument: str) -> None:
        module, _, name = argument.partition(" ")
        if opcode == "GLOBAL":
            self._stack.append(self._named(Name(module, name)))
        elif opcode == "INST":
            arguments = tuple(self._since_mark())
            self._stack.append(call(self._named(Name(module, name)), arguments))
        elif opcode == "PERSID":
            self._stack.append(Opaque(argument))
        else:
            raise ValueError(f"opcode {opcode}")

    def _named(self, name: Name) -> Name:
        text = str(name)
        if not is_known(name) and text not in self._reported and len(self._reported) < 1000:
            self._reported.add(text)
            self._problems.add(
                f"the pickle calls for {quoted(text)}, which no tensor needs: loading it may run "
                "anything; it was not run here"
            )
        return name

    def _pop(self) -> object:
        if not self._stack:
            raise ValueError("its stack is empty")
        return self._stack.pop()

    def _top(self) -> object:
        if not self._stack:
            raise ValueError("its stack is empty")
        return self._stack[-1]

    def _since_mark(self) -> list[object]:
        if not self._marked:
            raise ValueError("a mark is missing")
        items, self._stack = self._stack, self._marked.pop()
        return items

    def _take(self, count: int) -> tuple[object, ...]:
        return tuple(self._pop() for _ in range(count))[::-1]

    # One method an opcode, or a family of them.

    def mark(self) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def pop(self) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._since_mark()

    def pop_mark(self) -> None:
        self._since_mark()

    def duplicate(self) -> None:
        self._stack.append(self._top())

    def memoize(self) -> None:
        self._memo[len(self._memo)] = self._top()

    def tuple1(self) -> None:
        self._stack.append(self._take(1))

    def tuple2(self) -> None:
        self._stack.append(self._take(2))

    def tuple3(self) -> None:
        self._stack.append(self._take(3))

    def tuple_since_mark(self) -> None:
        items = tuple(self._since_mark())
        self._stack.append(items)

    def list_since_mark(self) -> None:
        items = Items(self._since_mark())
        self._stack.append(items)

    def dict_since_mark(self) -> None:
        items = self._since_mark()
        self._stack.append(Pairs(list(zip(items[::2], items[1::2], strict=False))))

    def append(self) -> None:
        self._add([self._pop()])

    def append_since_mark(self) -> None:
        self._add(self._since_mark())

    def _add(self, items: list[object]) -> None:
        target = self._top()
        if isinstance(target, Items):
            target.values += items

    def set_item(self) -> None:
        self._set(list(self._take(2)))

    def set_items(self) -> None:
        self._set(self._since_mark())

    def _set(self, items: list[object]) -> None:
        target = self._top()
        if isinstance(target, Pairs):
            target.values += zip(items[::2], items[1::2], strict=False)
        elif isinstance(target, Opaque):
            target.items.values += zip(items[::2], items[1::2], strict=False)

    def stack_global(self) -> None:
        module, name = self._take(2)
        known = isinstance(module, str) and isinstance(name, str)
        self._stack.append(self._named(Name(str(module), str(name)) if known else _UNNAMED))

    def reduce(self) -> None:
        function, arguments = self._take(2)
        self._stack.append(call(self._callable(function), arguments))

    def new_with_keywords(self) -> None:
        kind, arguments, keywords = self._take(3)
        self._stack.append(Opaque((self._callable(kind), arguments, keywords)))

    def object_since_mark(self) -> None:
        kind, *arguments = self._since_mark() or [None]
        self._stack.append(call(self._callable(kind), tuple(arguments)))

    def _callable(self, function: object) -> object:
        """A call of what is no name at all, such as the result of another call, is no better."""
        return function if isinstance(function, Name) else self._named(_UNNAMED)

    def build(self) -> None:
        state = self._pop()
        target = self._top()
        if isinstance(target, Opaque):
            target.state = state

    def persistent_id(self) -> None:
        self._stack.append(storage(self._pop()))


_UNNAMED = Name("a value", "without a name")

_PUSHES: Final = frozenset(
    opcode.name
    for opcode in pickletools.opcodes
    if opcode.arg is not None
    and opcode.stack_before == []
    and opcode.stack_after != []
    and not opcode.name.endswith(("GET", "PERSID"))
    and not opcode.name.startswith(("EXT", "GLOBAL", "INST"))
)
"""Opcodes that put their argument on the stack: numbers, strings and bytes."""

_CONSTANTS: Final[dict[str, Callable[[], object]]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": Items,
    "EMPTY_SET": Items,
    "EMPTY_DICT": Pairs,
    "NEXT_BUFFER": Opaque,
}
_IGNORED: Final = frozenset(("STOP", "READONLY_BUFFER"))
_STEPS: Final[dict[str, Callable[[_Machine], None]]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.duplicate,
    "MEMOIZE": _Machine.memoize,
    "TUPLE": _Machine.tuple_since_mark,
    "TUPLE1": _Machine.tuple1,
    "TUPLE2": _Machine.tuple2,
    "TUPLE3": _Machine.tuple3,
    "LIST": _Machine.list_since_mark,
    "FROZENSET": _Machine.list_since_mark,
    "DICT": _Machine.dict_since_mark,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.append_since_mark,
    "ADDITEMS": _Machine.append_since_mark,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "NEWOBJ_EX": _Machine.new_with_keywords,
    "OBJ": _Machine.object_since_mark,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent_id,
}
