"""What a torch callable sees while it is traced.

`TorchSymbol` stands for a scalar tensor and `TracedTensor` for a captured or
computed tensor with dimensions, whose elements are symbols made on demand.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from functools import partial, reduce
from typing import Any, NoReturn, TypeAlias

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from .. import symbolic
from .._arrays import element_of_dtype
from ..symbolic import BOOL, FLOAT, INDEX, Graph, Symbol, Value, fail
from ._functions import ELEMENTWISE, cast

__all__ = ["Guard", "TorchSymbol", "TracedTensor"]

MAX_TERMS = 1024  # of a reduction, which is unrolled

Index: TypeAlias = tuple[Value, ...]
Shape: TypeAlias = tuple[int, ...]

_DTYPES = {
    "f64": torch.float64,
    "f32": torch.float32,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "i64": torch.int64,
    "i32": torch.int32,
    "i16": torch.int16,
    "i8": torch.int8,
    "u8": torch.uint8,
    "i1": torch.bool,
}
_KINDS = {INDEX: torch.int64, BOOL: torch.bool}
# Whether scores of the call being traced are float64.
WIDE: ContextVar[bool] = ContextVar("wide", default=False)


class Guard(TorchFunctionMode):
    """Refuses tensors that the trace does not know.

    Captured tensors are replaced by stand-ins wherever they can be reached;
    one that was not would silently become a constant of the kernel.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[int, torch.Tensor] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        # The tracer itself asks tensors for their shapes and dtypes.
        if getattr(func, "__name__", "") == "__get__":
            found = func(*args)
            if not isinstance(found, torch.Tensor):
                return found
        for each in _leaves((args, kwargs or {})):
            if isinstance(each, torch.Tensor) and id(each) not in self._made:
                _fail_unknown(each)
        result = func(*args, **(kwargs or {}))
        for each in _leaves(result):
            if isinstance(each, torch.Tensor):
                self._made[id(each)] = each
        return result


def _fail_unknown(tensor: torch.Tensor) -> NoReturn:
    fail(
        f"a tensor of shape {tuple(tensor.shape)} is reached in a way that is not "
        "traced; capture it in a closure, a global, an attribute, a list, a tuple "
        "or a dict"
    )


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, dict):
        yield from _leaves(list(value.values()))
    else:
        yield value


class _Operators:
    """Operators, methods and functions of torch, on symbols."""

    __slots__ = ()
    __hash__ = object.__hash__

    @classmethod
    def __torch_function__(
        cls, func: Any, types: object, args: Any = (), kwargs: Any = None
    ) -> Any:
        return apply(getattr(func, "__name__", str(func)), args, kwargs or {})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name.endswith("_"):
            fail(f"'.{name}' changes a traced value in place, which is not traced")
        if name not in ELEMENTWISE and name not in _STRUCTURAL:
            fail(f"'.{name}' of a traced tensor is not supported")
        if name == "where":  # its first argument is the value, not the condition
            return lambda condition, other: apply(name, (condition, self, other), {})
        return partial(_method, name, self)

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def requires_grad(self) -> bool:
        return False

    @property
    def is_cuda(self) -> bool:
        return False


def _method(name: str, *args: Any, **kwargs: Any) -> Any:
    return apply(name, args, kwargs)


def _operator(name: str, swapped: bool) -> Callable[..., Any]:
    def method(self: Any, *other: Any) -> Any:
        return apply(name, (*other, self) if swapped else (self, *other), {})

    return method


_BINARY = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
]
_PLAIN = ("eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs", "invert", "matmul")
# Names of torch's operator functions: __add__, __rsub__, __getitem__, ...
_DUNDERS = {f"__{name}__": (name, False) for name in (*_BINARY, *_PLAIN, "getitem")}
_DUNDERS |= {f"__r{name}__": (name, True) for name in (*_BINARY, "matmul", "div")}
_DUNDERS["__div__"] = ("div", False)
for _name, (_base, _swapped) in _DUNDERS.items():
    setattr(_Operators, _name, _operator(_base, _swapped))


class TorchSymbol(_Operators, Symbol):
    """A traced scalar tensor."""

    __slots__ = ()
    __hash__ = object.__hash__
    ndim = 0

    @property
    def dtype(self) -> torch.dtype:
        wide = torch.float64 if WIDE.get() else torch.float32
        return _KINDS.get(self.type, wide)

    @property
    def shape(self) -> torch.Size:
        return torch.Size()

    @property
    def data(self) -> TorchSymbol:
        return self


class TracedTensor(_Operators):
    """A tensor whose `element(indices)` is a symbol.

    `shape` is a function: asking for the shape of a captured tensor makes the
    kernel depend on it.
    """

    __slots__ = ("_dtype", "_shape", "element", "graph", "ndim")
    __hash__ = object.__hash__

    def __init__(
        self,
        graph: Graph,
        ndim: int,
        shape: Callable[[], Shape],
        element: Callable[[Index], Symbol],
        dtype: torch.dtype | None = None,
    ) -> None:
        self.graph = graph
        self.ndim = ndim
        self.element = element
        self._shape = shape
        self._dtype = dtype

    @property
    def shape(self) -> torch.Size:
        return torch.Size(self._shape())

    @property
    def dtype(self) -> torch.dtype:
        if self._dtype is None:
            first: Any = self.element((0,) * self.ndim)
            self._dtype = first.dtype
        return self._dtype

    @property
    def data(self) -> TracedTensor:
        return self

    def __len__(self) -> int:
        return self._shape()[0]

    def __getitem__(self, key: Any) -> Any:
        return _getitem(self, key)

    def __iter__(self) -> Iterator[Any]:
        return iter([self[n] for n in range(len(self))])

    def __bool__(self) -> NoReturn:
        fail("the truth of a captured tensor is not known while tracing")

    __float__ = __int__ = __index__ = __bool__

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        fail("a traced tensor cannot become an array; is this function not traced?")


def captured(
    graph: Graph, array: Any, stand_in: Any, asked: Callable[[], None]
) -> TracedTensor:
    """A captured tensor with dimensions, over the stand-in of the tracer.

    asked: called when the shape matters.
    """
    element = element_of_dtype(array.dtype)
    assert element is not None

    def shape() -> Shape:
        asked()
        return tuple(stand_in.shape)

    return TracedTensor(
        graph,
        int(array.ndim),
        shape,
        lambda index: stand_in[index],
        _DTYPES[element],
    )


def unread(graph: Graph, array: Any) -> Any:
    """Stands in for a captured tensor whose values reach no result."""
    element = element_of_dtype(array.dtype)
    assert element is not None
    kind = symbolic.element_kind(element)
    symbol = symbolic.as_kind(graph.variable("b"), kind)
    return symbol if array.ndim == 0 else _Unread(tuple(array.shape), symbol)


class _Unread:
    def __init__(self, shape: Shape, symbol: Symbol) -> None:
        self.shape = shape
        self._symbol = symbol

    def __getitem__(self, index: Any) -> Any:
        return self._symbol


def _constant(graph: Graph, tensor: torch.Tensor) -> Value:
    """A tensor that the callable made itself."""
    values = np.asarray(tensor.detach().cpu().double().numpy())
    if tensor.dtype == torch.bool:
        values = values != 0
    elif not tensor.dtype.is_floating_point:
        values = tensor.detach().cpu().numpy()
    if values.ndim == 0:
        return graph.constant(values[()])

    def element(index: Index) -> Symbol:
        if any(isinstance(each, Symbol) for each in index):
            fail(
                "a tensor made inside the callable cannot be indexed by traced "
                "values; make it outside and capture it"
            )
        return graph.constant(values[index])

    return TracedTensor(graph, values.ndim, lambda: values.shape, element, tensor.dtype)


# --- application ------------------------------------------------------------


def _graph_of(args: Any) -> Graph:
    graphs: Iterator[Graph] = (
        each.graph for each in _leaves(args) if isinstance(each, (Symbol, TracedTensor))
    )
    return next(graphs)


def _known(graph: Graph, value: Any) -> Any:
    """An argument with torch and NumPy values replaced by traced ones."""
    if isinstance(value, torch.Tensor):
        return _constant(graph, value)
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (tuple, list):
        return type(value)(_known(graph, each) for each in value)
    return value


def apply(name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """torch's function of this name on traced values."""
    graph = _graph_of((args, kwargs))
    if kwargs.pop("out", None) is not None:
        fail(f"torch.{name} with out= cannot be traced")
    name, swapped = _DUNDERS.get(name, (name, False))
    if name == "div" and swapped:
        name = "truediv"
    given = [_known(graph, each) for each in args]
    if swapped:
        given.reverse()
    named = {key: _known(graph, each) for key, each in kwargs.items()}
    function = _STRUCTURAL.get(name)
    if function is None and name not in ELEMENTWISE:
        fail(f"the function torch.{name} cannot be traced")
    try:
        if function is not None:
            return function(*given, **named)
        return _elementwise(graph, ELEMENTWISE[name], given, named)
    except TypeError as error:
        raise TypeError(f"torch.{name} with these arguments: {error}") from error


def _elementwise(
    graph: Graph,
    function: Callable[..., Value],
    args: Sequence[Any],
    kwargs: dict[str, Any],
) -> Any:
    named_first = ("condition", "input", "self", "other")
    args = (*args, *(kwargs.pop(name) for name in named_first if name in kwargs))
    tensors = [each for each in args if isinstance(each, TracedTensor)]
    named = [each for each in kwargs.values() if isinstance(each, TracedTensor)]
    if named:
        fail("a tensor with dimensions is expected as a positional argument")
    if not tensors:
        return _scalar(graph, function, args, kwargs)
    ndim = max(each.ndim for each in tensors)
    alone = len(tensors) == 1
    shapes = [] if alone else [tuple(each.shape) for each in tensors]
    shape = None if alone else _broadcast(shapes)

    def element(index: Index) -> Symbol:
        scalars = [
            _element(each, index, alone) if isinstance(each, TracedTensor) else each
            for each in args
        ]
        return _scalar(graph, function, scalars, kwargs)

    def sizes() -> Shape:
        return tuple(tensors[0].shape) if shape is None else shape

    return TracedTensor(graph, ndim, sizes, element)


def _scalar(
    graph: Graph,
    function: Callable[..., Value],
    args: Sequence[Any],
    kwargs: dict[str, Any],
) -> TorchSymbol:
    """Apply a function to scalars; inside it operators are the tracer's own."""
    before, graph.symbol = graph.symbol, Symbol
    try:
        first, *rest = (_bare(each) for each in args)
        named = {key: _bare(each) for key, each in kwargs.items()}
        result = graph.lift(function(graph.lift(first), *rest, **named))
    finally:
        graph.symbol = before
    return TorchSymbol(graph, result.node)


def _bare(value: Any) -> Any:
    return Symbol(value.graph, value.node) if isinstance(value, Symbol) else value


def _broadcast(shapes: Sequence[Shape]) -> Shape:
    try:
        return tuple(np.broadcast_shapes(*shapes))
    except ValueError:
        fail(f"the shapes {', '.join(map(str, shapes))} do not broadcast")


def _element(tensor: TracedTensor, index: Index, alone: bool) -> Symbol:
    """An element by an index into the broadcast shape."""
    own = index[len(index) - tensor.ndim :]
    if not alone:
        sizes = tensor.shape
        own = tuple(
            0 if size == 1 else each for each, size in zip(own, sizes, strict=True)
        )
    return tensor.element(own)


# --- indexing ---------------------------------------------------------------


def _getitem(tensor: Any, key: Any) -> Any:
    if not isinstance(tensor, TracedTensor):
        if key in ((), ...):
            return tensor
        fail("a scalar tensor cannot be indexed")
    items = list(key) if isinstance(key, tuple) else [key]
    if any(isinstance(each, list) for each in items):
        fail("a captured tensor is not indexed by a list; use a captured tensor")
    taken = sum(each is not None and each is not ... for each in items)
    if taken > tensor.ndim:
        fail(f"{taken} indices for a captured tensor of rank {tensor.ndim}")
    if ... in [each for each in items if each is ...]:
        at = next(n for n, each in enumerate(items) if each is ...)
        items[at : at + 1] = [slice(None)] * (tensor.ndim - taken)
    else:
        items += [slice(None)] * (tensor.ndim - taken)
    return _View(tensor, items).result()


class _View:
    """One indexing operation: how result axes map to the tensor's axes."""

    def __init__(self, tensor: TracedTensor, items: list[Any]) -> None:
        self.tensor = tensor
        self.sources: list[Callable[[Index], Value]] = []  # per axis of the tensor
        self.sizes: list[Callable[[], int]] = []  # per axis of the result
        gathers = [each for each in items if isinstance(each, TracedTensor)]
        self._check_order(items)
        if gathers:
            self.gathered = _broadcast([tuple(each.shape) for each in gathers])
        self.first: int | None = None  # the result axis where gathered ones start
        for item in items:
            self._add(item)

    def _check_order(self, items: list[Any]) -> None:
        places = [n for n, each in enumerate(items) if isinstance(each, TracedTensor)]
        inner = items[places[0] : places[-1]] if places else []
        if any(isinstance(each, slice) or each is None for each in inner):
            fail("slices between index tensors are not traced")

    def _add(self, item: Any) -> None:
        if item is None:
            self.sizes.append(lambda: 1)
            return
        axis = len(self.sources)
        if isinstance(item, slice):
            self._add_slice(item, axis)
        elif isinstance(item, TracedTensor):
            self._add_gather(item)
        else:
            symbol = self.tensor.graph.lift(item)
            if symbol.type == BOOL:
                fail("a captured tensor is not indexed by a condition; use torch.where")
            if symbol.type == FLOAT:
                fail("an index must be an integer, but got a float expression")
            if isinstance(item, int) and item < 0:
                item += self.tensor.shape[axis]
            self.sources.append(lambda index: item)

    def _add_slice(self, item: slice, axis: int) -> None:
        place = len(self.sizes)
        tensor = self.tensor
        if item == slice(None):
            self.sources.append(lambda index: index[place])
            self.sizes.append(lambda: tensor.shape[axis])
            return
        try:
            start, stop, step = item.indices(tensor.shape[axis])
        except TypeError:
            fail("the bounds of a slice must be known while tracing")
        length = len(range(start, stop, step))

        def source(index: Index) -> Value:
            own = index[place]
            if isinstance(own, Symbol):  # a negative index counts from the slice's end
                own = symbolic.where(own < 0, own + length, own)
            return start + step * own

        self.sources.append(source)
        self.sizes.append(lambda: length)

    def _add_gather(self, item: TracedTensor) -> None:
        if self.first is None:
            self.first = len(self.sizes)
            self.sizes += [partial(int, size) for size in self.gathered]
        first, count = self.first, len(self.gathered)

        def source(index: Index) -> Value:
            chosen = _element(item, index[first : first + count], False)
            if chosen.type != INDEX:
                fail("an index tensor must hold integers")
            return chosen

        self.sources.append(source)

    def result(self) -> Any:
        tensor, sources = self.tensor, self.sources

        def element(index: Index) -> Symbol:
            return tensor.element(tuple(source(index) for source in sources))

        if not self.sizes:
            return element(())
        sizes = self.sizes
        return TracedTensor(
            tensor.graph,
            len(sizes),
            lambda: tuple(size() for size in sizes),
            element,
            tensor._dtype,
        )


# --- reductions, made of unrolled sums --------------------------------------


def _axes(tensor: TracedTensor, dim: Any) -> tuple[int, ...]:
    if dim is None or dim == ():
        return tuple(range(tensor.ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    return tuple(sorted({operator.index(each) % tensor.ndim for each in dims}))


def _reduction(name: str, start: Value, combine: Callable[[Any, Any], Any]) -> Any:
    def function(
        tensor: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
    ) -> Any:
        if not isinstance(tensor, TracedTensor):
            return tensor if dtype is None else cast(tensor, dtype)
        axes = _axes(tensor, dim)
        shape = tensor.shape
        counts = [shape[axis] for axis in axes]
        terms = int(np.prod(counts, dtype=np.int64))
        if terms > MAX_TERMS:
            fail(
                f"torch.{name} over {terms} elements cannot be traced (at most {MAX_TERMS})"
            )
        if terms == 0 and start is None:
            fail(f"torch.{name} needs an element")
        kept = [n for n in range(tensor.ndim) if n not in axes]

        def element(index: Index) -> Symbol:
            places = list(index) if not keepdim else [index[n] for n in kept]
            values = []
            for inner in np.ndindex(*counts):
                full: list[Value] = [None] * tensor.ndim
                for axis, place in zip(kept, places, strict=True):
                    full[axis] = place
                for axis, place in zip(axes, inner, strict=True):
                    full[axis] = int(place)
                values.append(tensor.element(tuple(full)))
            total = reduce(combine, values) if values else tensor.graph.lift(start)
            if name == "mean":
                total = total / terms
            return total if dtype is None else cast(total, dtype)

        sizes = [1 if n in axes else shape[n] for n in range(tensor.ndim)]
        if not keepdim:
            sizes = [sizes[n] for n in kept]
        if not sizes:
            return element(())
        return TracedTensor(tensor.graph, len(sizes), lambda: tuple(sizes), element)

    return function


def _added(a: Symbol, b: Symbol) -> Any:
    """Sums of bools count."""
    return symbolic.as_kind(a, INDEX) + b if a.type == BOOL else a + b


def _extreme(name: str, other: str) -> Callable[..., Any]:
    whole = _reduction(name, None, lambda a, b: apply(other, (a, b), {}))

    def function(tensor: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if isinstance(dim, (TracedTensor, Symbol)):
            return apply(other, (tensor, dim), {})
        if dim is not None:
            fail(f"torch.{name} with dim cannot be traced; use torch.a{name}")
        return whole(tensor)

    return function


def _matmul(a: Any, b: Any) -> Any:
    if not (isinstance(a, TracedTensor) and isinstance(b, TracedTensor)):
        fail("a matrix product needs tensors with dimensions")
    if b.ndim == 1:  # [.., k] . [k]
        return apply("sum", (apply("mul", (a, b), {}), -1), {})
    if a.ndim != 1 or b.ndim != 2:
        fail("a matrix product is traced for a vector and a matrix, or two vectors")
    return apply("sum", (apply("mul", (a[:, None], b), {}), 0), {})


def _stack(tensors: Any, dim: int = 0) -> Any:
    graph = _graph_of(tensors)
    values = [
        graph.lift(each) for each in tensors if not isinstance(each, TracedTensor)
    ]
    if len(values) != len(tensors):
        fail("torch.stack is traced for scalars")

    def element(index: Index) -> Symbol:
        (place,) = index
        if isinstance(place, Symbol):
            chosen = values[-1]
            for n, each in enumerate(values[:-1]):
                chosen = symbolic.where(place == n, each, chosen)
            return chosen
        return values[place]

    return TracedTensor(graph, 1, lambda: (len(values),), element)


# --- casts and what changes nothing -----------------------------------------


def _cast_to(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, TracedTensor):
        return TracedTensor(
            value.graph,
            value.ndim,
            lambda: tuple(value.shape),
            lambda index: cast(value.element(index), dtype),
            dtype if dtype not in (torch.float16, torch.bfloat16) else None,
        )
    return cast(value, dtype)


def _to(value: Any, *args: Any, **kwargs: Any) -> Any:
    for each in (*args, *kwargs.values()):
        if isinstance(each, torch.dtype):
            return _cast_to(value, each)
        if isinstance(each, (TorchSymbol, TracedTensor)):
            return _cast_to(value, each.dtype)
        if isinstance(each, (str, torch.device)) and torch.device(each).type != "cpu":
            fail(f"a traced tensor stays on the CPU, but is moved to {each}")
    return value


def _caster(dtype: torch.dtype) -> Callable[[Any], Any]:
    return lambda value, **keywords: _cast_to(value, dtype)


def _same(value: Any, *args: Any, **keywords: Any) -> Any:
    return value


def _size(value: Any, dim: int | None = None) -> Any:
    return value.shape if dim is None else value.shape[dim]


def _reshaped(value: Any, *shape: Any) -> Any:
    """Reshapes of a scalar to a scalar, e.g. `.view(())`."""
    sizes = (
        shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    )
    if isinstance(value, TracedTensor) or tuple(sizes) != ():
        fail("a reshape of a traced tensor is not supported; index it")
    return value


def _squeezed(value: Any, *dims: Any) -> Any:
    if isinstance(value, TracedTensor):
        fail("a reshape of a traced tensor is not supported; index it")
    return value


def _transposed(value: Any, *dims: Any) -> Any:
    if not isinstance(value, TracedTensor):
        return value
    order = list(range(value.ndim))
    a, b = dims or (0, 1)
    order[a], order[b] = order[b], order[a]
    return TracedTensor(
        value.graph,
        value.ndim,
        lambda: tuple(value.shape[n] for n in order),
        lambda index: value.element(tuple(index[n] for n in order)),
        value._dtype,
    )


_STRUCTURAL: dict[str, Callable[..., Any]] = {
    "getitem": _getitem,
    "sum": _reduction("sum", 0, _added),
    "mean": _reduction("mean", None, _added),
    "prod": _reduction("prod", 1, lambda a, b: a * b),
    "any": _reduction("any", False, lambda a, b: symbolic.truth(a) | symbolic.truth(b)),
    "all": _reduction("all", True, lambda a, b: symbolic.truth(a) & symbolic.truth(b)),
    "amax": _reduction("amax", None, lambda a, b: apply("maximum", (a, b), {})),
    "amin": _reduction("amin", None, lambda a, b: apply("minimum", (a, b), {})),
    "max": _extreme("max", "maximum"),
    "min": _extreme("min", "minimum"),
    "matmul": _matmul,
    "dot": _matmul,
    "inner": _matmul,
    "vdot": _matmul,
    "mv": _matmul,
    "stack": _stack,
    "transpose": _transposed,
    "t": _transposed,
    "to": _to,
    "type": _to,
    "type_as": _to,
    "float": _caster(torch.float32),
    "double": _caster(torch.float64),
    "half": _caster(torch.float16),
    "bfloat16": _caster(torch.bfloat16),
    "long": _caster(torch.int64),
    "int": _caster(torch.int32),
    "short": _caster(torch.int16),
    "char": _caster(torch.int8),
    "byte": _caster(torch.uint8),
    "bool": _caster(torch.bool),
    "clone": _same,
    "contiguous": _same,
    "cpu": _same,
    "detach": _same,
    "item": _squeezed,
    "squeeze": _squeezed,
    "view": _reshaped,
    "reshape": _reshaped,
    "dim": lambda value: value.ndim,
    "size": _size,
    "numel": lambda value: value.shape.numel(),
    "is_floating_point": lambda value: value.dtype.is_floating_point,
}
