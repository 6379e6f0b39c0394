"""Arrays of several frameworks: element types, views, results.

NumPy, torch and everything that speaks DLPack or the buffer protocol. torch is
never imported here: its arrays bring it along.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from .errors import ArgumentError

Array: TypeAlias = Any

# Element names: MLIR's, with "u" for unsigned integers and "i1" for bool.
_NUMPY: dict[Any, str] = {
    np.dtype(name): element
    for name, element in (
        ("float64", "f64"),
        ("float32", "f32"),
        ("float16", "f16"),
        ("int64", "i64"),
        ("int32", "i32"),
        ("int16", "i16"),
        ("int8", "i8"),
        ("uint8", "u8"),
        ("bool", "i1"),
    )
}
# Unsigned integers without a place in the kernel interface travel as i64.
_WIDENED = {np.dtype(name) for name in ("uint16", "uint32", "uint64")}

_TORCH: dict[str, str] = {
    "torch.float64": "f64",
    "torch.float32": "f32",
    "torch.float16": "f16",
    "torch.bfloat16": "bf16",
    "torch.int64": "i64",
    "torch.int32": "i32",
    "torch.int16": "i16",
    "torch.int8": "i8",
    "torch.uint8": "u8",
    "torch.bool": "i1",
}

FLOATS = ("f64", "f32", "f16", "bf16")

_known: dict[Any, str] = dict(_NUMPY)


def element_of_dtype(dtype: Any) -> str | None:
    """The element name of a NumPy or torch dtype, None if unsupported."""
    try:
        return _known[dtype]
    except (KeyError, TypeError):
        pass
    name = str(dtype)
    element = _TORCH.get(name)
    if element is None and name == "bfloat16":  # ml_dtypes
        element = "bf16"
    if element is None and dtype in _WIDENED:
        element = "i64"
    if element is not None:
        _known[dtype] = element
    return element


def is_torch(array: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(array, torch.Tensor)


def is_array(value: object) -> bool:
    """Whether a value is an array (and not a scalar) of some framework."""
    if isinstance(value, np.ndarray):
        return True
    if isinstance(value, np.generic):
        return False
    return hasattr(value, "__dlpack__") or (
        hasattr(value, "__array_interface__") and hasattr(value, "shape")
    )


def adopt(name: str, array: object) -> Array:
    """A NumPy array or a torch tensor without a copy, or ArgumentError."""
    if type(array) is np.ndarray:
        return array
    if is_torch(array):
        _check_torch(name, array)
        return array
    if isinstance(array, np.ndarray):
        return array.view(np.ndarray)
    try:
        # JAX hands out a view this way, with ml_dtypes' bfloat16.
        if hasattr(array, "__array__") and not hasattr(array, "__dlpack__"):
            return np.asarray(array)
        if hasattr(array, "__dlpack__"):
            return _from_dlpack(array)
        return np.asarray(memoryview(array))  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError, RuntimeError) as error:
        raise ArgumentError(
            f"argument '{name}' expects an array (NumPy, torch, DLPack or the "
            f"buffer protocol), but got {type(array).__name__}: {error}"
        ) from error


def _from_dlpack(array: Any) -> Array:
    try:
        return np.from_dlpack(array)
    except (BufferError, RuntimeError, TypeError, ValueError):
        # bf16 is outside NumPy's DLPack; JAX's own conversion knows it.
        if hasattr(array, "__array__"):
            return np.asarray(array)
        raise


def _check_torch(name: str, array: Any) -> None:
    strided = sys.modules["torch"].strided
    if array.is_cpu and array.layout is strided and not array.requires_grad:
        return
    if array.device.type != "cpu":
        raise ArgumentError(
            f"argument '{name}' expects a CPU tensor, but got one on '{array.device}'"
        )
    if array.requires_grad:
        raise ArgumentError(
            f"argument '{name}' requires grad, but there is no backward yet; "
            "expected a tensor without grad (use detach() or torch.no_grad() "
            "results)"
        )
    if array.layout != sys.modules["torch"].strided:
        raise ArgumentError(
            f"argument '{name}' expects a strided tensor, but got layout {array.layout}"
        )


def as_numpy(array: Array) -> np.ndarray[Any, Any]:
    """A NumPy view (bf16 as float32 copy) for evaluation in Python."""
    if is_torch(array):
        array = array.detach()
        if str(array.dtype) == "torch.bfloat16":
            array = array.float()
        return np.asarray(array.cpu().numpy())
    result = np.asarray(array)
    return result.astype(np.float32) if result.dtype.name == "bfloat16" else result


def kernel_array(name: str, array: Array, integers: bool = False) -> Array:
    """A captured array in a form kernels take; a view whenever possible.

    Bools become bytes. With `integers`, what is not i32 or i64 is converted.
    """
    if type(array) is not np.ndarray:
        array = adopt(name, array)
    dtype = array.dtype
    element = element_of_dtype(dtype)
    if element is None:
        raise ArgumentError(
            f"argument '{name}' expects a numeric or bool array, but got dtype {dtype}"
        )
    if integers and element not in ("i32", "i64"):
        if element in FLOATS or element == "i1":
            raise ArgumentError(
                f"argument '{name}' expects integers, but got dtype {dtype}"
            )
        return as_numpy(array).astype(np.int64)
    if element == "i1":
        if is_torch(array):
            return array.view(sys.modules["torch"].uint8)
        return array.view(np.uint8)
    if dtype in _WIDENED:
        return array.astype(np.int64)
    return array


def innermost(array: Array) -> Array:
    """The array itself, or a compact copy if its last stride is not 1."""
    shape = array.shape
    if not shape or shape[-1] <= 1 or 0 in shape:
        return array
    if is_torch(array):
        return array if array.stride(-1) == 1 else array.contiguous()
    aligned = array.flags.aligned and array.strides[-1] == array.itemsize
    return array if aligned else np.ascontiguousarray(array)


class Framework:
    """How results are made in the framework of the first argument."""

    def __init__(
        self,
        name: str,
        empty: Callable[[tuple[int, ...], Any], Array],
        dtypes: dict[str, Any],
        finish: Callable[[Array], Any] | None = None,
    ) -> None:
        self.name = name
        self.empty = empty
        self.dtypes = dtypes
        self.finish = finish


def _numpy_dtypes() -> dict[str, Any]:
    dtypes: dict[str, Any] = {element: dtype for dtype, element in _NUMPY.items()}
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        return dtypes
    dtypes["bf16"] = np.dtype(bfloat16)
    return dtypes


def _make_numpy() -> Framework:
    return Framework("numpy", np.empty, _numpy_dtypes())


def _make_torch() -> Framework:
    torch = sys.modules["torch"]
    dtypes = {
        element: getattr(torch, name.removeprefix("torch."))
        for name, element in _TORCH.items()
    }

    def empty(shape: tuple[int, ...], dtype: Any) -> Array:
        return torch.empty(shape, dtype=dtype)

    return Framework("torch", empty, dtypes)


def _make_other(kind: type) -> Framework:
    """NumPy results handed over through the framework's own from_dlpack."""
    root = kind.__module__.split(".")[0].removesuffix("lib")
    module = sys.modules.get(root)
    if root == "jax" and module is not None:
        return Framework("jax", np.empty, _numpy_dtypes(), module.numpy.asarray)
    return _make_numpy()


_frameworks: dict[type, Framework] = {}


def framework_of(array: object) -> Framework:
    """The framework a result for this argument belongs to."""
    kind = type(array)
    found = _frameworks.get(kind)
    if found is None:
        if isinstance(array, np.ndarray):
            found = _make_numpy()
        elif is_torch(array):
            found = _make_torch()
        else:
            found = _make_other(kind)
        _frameworks[kind] = found
    return found


def may_overlap(a: Array, b: Array) -> bool:
    """Whether the address ranges of two arrays meet."""
    return bool(np.may_share_memory(_bytes_view(a), _bytes_view(b)))


def overlaps(a: Array, b: Array) -> bool:
    """Whether two arrays share memory (or may, when that is hard to say)."""
    x, y = _bytes_view(a), _bytes_view(b)
    if not np.may_share_memory(x, y):
        return False
    return _exactly_shared(x, y)


def _exactly_shared(x: Any, y: Any) -> bool:
    try:
        limited: Any = np.shares_memory  # its stub knows no other max_work
        return bool(limited(x, y, max_work=10_000))
    except Exception:  # TooHardError has moved between NumPy versions
        return True


def _bytes_view(array: Array) -> np.ndarray[Any, Any]:
    if is_torch(array):
        if str(array.dtype) == "torch.bfloat16":
            array = array.view(sys.modules["torch"].int16)
        return np.asarray(array.detach().numpy())
    return np.asarray(array)
