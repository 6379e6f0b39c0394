"""Traced callables: the text they become, caching keys, and TraceErrors."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import attn_mlir as am
from attn_mlir._layout import layout_of
from attn_mlir._lower import Problem, emit_module, lower_mask, lower_score
from attn_mlir.capture import Snapshot
from attn_mlir.emit import float_text
from attn_mlir.masks import Mask
from attn_mlir.ranges import Access, accesses
from attn_mlir.scores import Score

SIZES = {"B": 2, "H": 4, "L": 32, "S": 48}


def problem(**changes: Any) -> Problem:
    values: dict[str, Any] = {
        "layout": layout_of("bhld"),
        "element": "f32",
        "heads": 4,
        "kv_heads": 2,
        "qk_width": 16,
        "v_width": 8,
        "scale": None,
        "sinks": False,
        "return_lse": False,
    }
    return Problem(**{**values, **changes})


def text_of(term: Mask | Score, sizes: dict[str, int] = SIZES, **changes: Any) -> str:
    arrays = term.signature().arrays
    lower: Any = lower_mask if isinstance(term, Mask) else lower_score
    lowered = lower(term, arrays, 4)
    shapes = [each.shape for each in arrays]
    access = () if lowered.graph is None else accesses(lowered.graph, sizes, shapes)
    if isinstance(term, Mask):
        return emit_module(problem(**changes), mask=lowered, mask_access=access)
    return emit_module(problem(**changes), score=lowered, score_access=access)


def body(
    term: Mask | Score, sizes: dict[str, int] = SIZES, **changes: Any
) -> list[str]:
    """The operations of the region."""
    lines = [line.strip() for line in text_of(term, sizes, **changes).splitlines()]
    start = next(n for n, line in enumerate(lines) if line.startswith("^bb0"))
    return lines[start + 1 : lines.index("}", start)]


def test_whole_function() -> None:
    assert text_of(am.masks.causal() & am.masks.window(7, -1)) == (
        "func.func @attention(%q: tensor<?x4x?x16xf32>, %k: tensor<?x2x?x16xf32>, "
        "%v: tensor<?x2x?x8xf32>) -> tensor<?x4x?x8xf32> {\n"
        "  %c0 = arith.constant 0 : index\n"
        "  %B = tensor.dim %q, %c0 : tensor<?x4x?x16xf32>\n"
        "  %c2 = arith.constant 2 : index\n"
        "  %L = tensor.dim %q, %c2 : tensor<?x4x?x16xf32>\n"
        "  %o = tensor.empty(%B, %L) : tensor<?x4x?x8xf32>\n"
        "  %r0 = attn.attention\n"
        "    ins(%q, %k, %v : tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>, "
        "tensor<?x2x?x8xf32>)\n"
        "    outs(%o : tensor<?x4x?x8xf32>)\n"
        "    masks(#attn.causal, #attn.window<left = 7>)\n"
        "    -> tensor<?x4x?x8xf32>\n"
        "  return %r0 : tensor<?x4x?x8xf32>\n"
        "}\n"
    )


def test_everything_at_once() -> None:
    lines = text_of(
        am.scores.softcap(30.0).then(am.scores.fn(lambda s, b, h, i, j: s * 2)),
        layout=layout_of("blhd"),
        scale=0.5,
        sinks=True,
        return_lse=True,
        element="f16",
    ).splitlines()
    lines = [line.strip() for line in lines]
    assert "scale(0.5)" in lines
    assert "sinks(%sinks : tensor<4xf32>)" in lines
    assert "scores(#attn.softcap<30.0>)" in lines
    assert "^bb0(%s: f32, %b: index, %h: index, %i: index, %j: index):" in lines
    assert "%l = tensor.empty(%B, %L) : tensor<?x4x?xf32>" in lines
    assert "-> tensor<?x?x4x8xf16>, tensor<?x4x?xf32>" in lines
    maps = next(line for line in lines if line.startswith("attributes"))
    assert maps.count("affine_map") == 5
    assert "(b, n, h floordiv 2, d)" in maps


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (am.masks.causal("bottom_right"), "#attn.causal<bottom_right>"),
        (am.masks.causal(offset=3), "#attn.causal<offset = 3>"),
        (am.masks.window(255, 0), "#attn.window<left = 255, right = 0>"),
        (am.masks.window(-1, -1), "#attn.window"),
        (am.masks.prefix(4), "#attn.prefix<4>"),
        (
            am.masks.key_lengths(np.array([1, 2], np.int32)),
            "#attn.key_lengths(%mask0 : tensor<?xi32>)",
        ),
        (
            am.masks.causal(offset=np.array([1, 2])),
            "#attn.causal(%mask0 : tensor<?xi64>)",
        ),
    ],
    ids=repr,
)
def test_mask_attributes(mask: Mask, expected: str) -> None:
    assert f"    masks({expected})\n" in text_of(mask)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (am.scores.alibi(), "#attn.alibi"),
        (
            am.scores.alibi(np.ones(4, np.float32)),
            "#attn.alibi(%score0 : tensor<?xf32>)",
        ),
        (
            am.scores.bias(np.ones((4, 1, 48), np.float16)),
            "#attn.bias(%score0 : tensor<?x1x?xf16>)",
        ),
    ],
    ids=repr,
)
def test_score_attributes(score: Score, expected: str) -> None:
    assert f"    scores({expected})\n" in text_of(score)


def test_disjunction_is_a_region() -> None:
    assert body(am.masks.prefix(4) | am.masks.causal("bottom_right")) == [
        "%m0 = arith.constant 4 : index",
        "%m1 = arith.cmpi slt, %j, %m0 : index",
        "%m2 = arith.subi %S, %L : index",
        "%m3 = arith.addi %i, %m2 : index",
        "%m4 = arith.cmpi sle, %j, %m3 : index",
        "%m5 = arith.ori %m1, %m4 : i1",
        "attn.yield %m5 : i1",
    ]


def test_shared_values_are_computed_once() -> None:
    lines = body(
        am.masks.fn(lambda b, h, i, j: ((i - j) % 3 == 0) | ((i - j) % 3 == 1))
    )
    assert sum("arith.subi %i, %j" in line for line in lines) == 1
    assert sum("floordivsi" in line for line in lines) == 1


def test_documents_compare_as_loaded() -> None:
    ids = np.zeros(48, np.int32)
    assert body(am.masks.fn(lambda b, h, i, j: ids[i] == ids[j])) == [
        "%m0 = tensor.extract %mask0[%i] : tensor<?xi32>",
        "%m1 = tensor.extract %mask0[%j] : tensor<?xi32>",
        "%m2 = arith.cmpi eq, %m0, %m1 : i32",
        "attn.yield %m2 : i1",
    ]


def test_index_outside_is_wrapped_and_clamped() -> None:
    table = np.zeros((4, 9), np.float32)
    lines = body(am.scores.fn(lambda s, b, h, i, j: s + table[h, j - i]))
    assert lines == [
        "%x0 = arith.subi %j, %i : index",
        "%x1 = arith.constant 0 : index",
        "%x2 = arith.cmpi slt, %x0, %x1 : index",
        "%x3 = arith.addi %x0, %score0_n1 : index",
        "%x4 = arith.select %x2, %x3, %x0 : index",
        "%x5 = arith.maxsi %x4, %x1 : index",
        "%x6 = arith.minsi %x5, %score0_last1 : index",
        "%x7 = tensor.extract %score0[%h, %x6] : tensor<?x?xf32>",
        "%x8 = arith.addf %s, %x7 : f32",
        "attn.yield %x8 : f32",
    ]


@pytest.mark.parametrize(
    ("index", "extent", "expected"),
    [
        (lambda i, j: j, 48, Access.PLAIN),
        (lambda i, j: j, 47, Access.CLAMP),
        (lambda i, j: j, 100, Access.PLAIN),
        (lambda i, j: j // 8, 6, Access.PLAIN),
        (lambda i, j: (i - j) % 5, 5, Access.PLAIN),
        (lambda i, j: j - i + 31, 79, Access.PLAIN),
        (lambda i, j: j - i + 31, 78, Access.CLAMP),
        (lambda i, j: j - i + 30, 79, Access.WRAP),
        (lambda i, j: am.maximum(j - i, 0), 48, Access.PLAIN),
        (lambda i, j: abs(i - j), 48, Access.PLAIN),
        (lambda i, j: -1, 48, Access.WRAP),
        (lambda i, j: 3, 4, Access.PLAIN),
        (lambda i, j: j * (1 << 62), 48, Access.WRAP),
        (lambda i, j: am.where(i < j, j, 2 * i), 63, Access.PLAIN),
    ],
)
def test_what_an_access_needs(
    index: Callable[[Any, Any], Any], extent: int, expected: Access
) -> None:
    data = np.zeros(extent, np.float32)
    score = am.scores.fn(lambda s, b, h, i, j: s + data[index(i, j)])
    lowered = lower_score(score, score.signature().arrays, 4)
    assert lowered.graph is not None
    assert accesses(lowered.graph, SIZES, [data.shape]) == (expected,)


def test_element_types() -> None:
    arrays = {
        "f64": np.zeros(48, np.float64),
        "f16": np.zeros(48, np.float16),
        "i8": np.zeros(48, np.int8),
        "u8": np.zeros(48, np.uint8),
        "u32": np.zeros(48, np.uint32),
        "i1": np.zeros(48, np.bool_),
    }

    def score(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        total = s
        for each in arrays.values():
            total = total + each[j]
        return total

    text = "\n".join(body(am.scores.fn(score)))
    assert "arith.truncf %x0 : f64 to f32" in text
    assert "arith.extf" in text
    assert "tensor.extract %score3[%j] : tensor<?xi8>" in text
    assert "arith.index_castui" in text
    assert "arith.cmpi ne" in text
    assert "tensor.extract %score4[%j] : tensor<?xi64>" in text


def test_scalars() -> None:
    number, zero_d = 3, np.array(2.5, np.float32)
    text = text_of(am.scores.fn(lambda s, b, h, i, j: s * zero_d + number))
    assert "%score0: f32" in text
    assert "arith.constant 3.0 : f32" in text


def test_float_literals() -> None:
    assert float_text(0.1, "f32") == "0.1"
    assert float_text(1e-30, "f32") == "1.0e-30"
    assert float_text(1e22, "f64") == "1.0e+22"
    assert float_text(-math.inf, "f32") == "0xFF800000"
    assert float_text(math.nan, "f64") == "0x7FF8000000000000"


def test_division_by_a_symbol_cannot_trap() -> None:
    lines = body(am.masks.fn(lambda b, h, i, j: i // j == i % j))
    assert any("arith.cmpi eq, %j" in line for line in lines)
    assert not any(line.endswith("floordivsi %i, %j : index") for line in lines)


def test_numpy_and_torch_functions_by_name() -> None:
    torch = pytest.importorskip("torch")

    def with_numpy(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return np.where(np.logical_and(i >= j, j > 2), np.tanh(s), np.float32(2) * s)

    def with_torch(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return torch.where(torch.logical_and(i >= j, j > 2), torch.tanh(s), 2.0 * s)

    assert body(am.scores.fn(with_numpy)) == body(am.scores.fn(with_torch))


# --- keys -------------------------------------------------------------------


def key_of(function: Callable[..., Any]) -> Any:
    return Snapshot(function).key


def make(scalar: Any, array: Any = None) -> Callable[..., Any]:
    data = np.zeros(3) if array is None else array
    return lambda b, h, i, j: (j <= i + scalar) & (data[j] > 0)


def test_equal_captures_share_a_key() -> None:
    assert key_of(make(3)) == key_of(make(3, np.ones(7)))


@pytest.mark.parametrize("other", [4, 3.0, True, np.int64(3), None])
def test_a_changed_scalar_changes_the_key(other: Any) -> None:
    assert key_of(make(3)) != key_of(make(other))


def test_signed_zero_and_nan_have_keys_of_their_own() -> None:
    assert key_of(make(0.0)) != key_of(make(-0.0))
    assert key_of(make(math.nan)) == key_of(make(math.nan))


def test_array_type_and_rank_are_in_the_key() -> None:
    assert key_of(make(3, np.zeros(3))) != key_of(make(3, np.zeros(3, np.float32)))
    assert key_of(make(3, np.zeros(3))) != key_of(make(3, np.zeros((3, 1))))


def test_rebound_closure_is_seen() -> None:
    width = 3

    def mask(b: Any, h: Any, i: Any, j: Any) -> Any:
        return j <= i + width

    before = key_of(mask)
    width = 4
    assert key_of(mask) != before


class Window:
    """A callable object with an array and a scalar."""

    def __init__(self, width: int, ids: np.ndarray[Any, Any]) -> None:
        self.width = width
        self.ids = ids

    def near(self, i: Any, j: Any) -> Any:
        return abs(i - j) <= self.width

    def __call__(self, b: Any, h: Any, i: Any, j: Any) -> Any:
        return self.near(i, j) & (self.ids[i] == self.ids[j])


def test_callable_objects_methods_and_partials() -> None:
    ids = np.arange(48, dtype=np.int32) // 7
    window = Window(5, ids)
    rows = np.arange(48)

    def plain(width: int, table: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        return (abs(i - j) <= width) & (table["ids"][0][i] == table["ids"][0][j])

    expected = (np.abs(rows[:, None] - rows) <= 5) & (ids[:, None] == ids)
    for function in (
        window,
        window.__call__,
        functools.partial(plain, 5, {"ids": [ids]}),
    ):
        np.testing.assert_array_equal(
            am.masks.fn(function).dense(1, 1, 48, 48)[0, 0], expected
        )
        assert "tensor.extract %mask0[%i]" in text_of(am.masks.fn(function))
    assert key_of(window) != key_of(Window(6, ids))
    assert key_of(window) == key_of(Window(5, ids + 1))


def test_helper_functions_with_captures() -> None:
    ids = np.arange(48) // 5

    def same(i: Any, j: Any) -> Any:
        return ids[i] == ids[j]

    mask = am.masks.fn(lambda b, h, i, j: same(i, j) & (j <= i))
    assert "tensor.extract %mask0[%i]" in text_of(mask)


def test_shapes_may_be_used() -> None:
    table = np.zeros((4, 7), np.float32)
    score = am.scores.fn(
        lambda s, b, h, i, j: s + table[h, (j - i) % table.shape[1]] * len(table)
    )
    lowered = lower_score(score, score.signature().arrays, 4)
    assert lowered.pinned
    assert accesses(lowered.graph, SIZES, [table.shape])[1] == Access.PLAIN  # type: ignore[arg-type]


def test_partial_indexing() -> None:
    table = np.zeros((4, 48), np.float32)
    one = am.scores.fn(lambda s, b, h, i, j: s + table[h][j])
    two = am.scores.fn(lambda s, b, h, i, j: s + table[h, j])
    assert body(one) == body(two)


# --- what cannot be traced --------------------------------------------------

ARRAY = np.zeros((48, 48), np.float32)


def uses_if(b: Any, h: Any, i: Any, j: Any) -> Any:
    if i > j:  # the line
        j = j + 1
    return i > j


REFUSED: list[tuple[Callable[..., Any], str]] = [
    (uses_if, "needs the value of a symbol"),
    (lambda b, h, i, j: i > j and j > 2, "needs the value of a symbol"),
    (lambda b, h, i, j: 0 <= j <= i, "needs the value of a symbol"),
    (lambda b, h, i, j: not i > j, "needs the value of a symbol"),
    (lambda b, h, i, j: min(i, j) > 2, "needs the value of a symbol"),
    (lambda b, h, i, j: math.exp(i) > 2, "am.exp"),
    (lambda b, h, i, j: int(i) > 2, r"int\(\)"),
    (lambda b, h, i, j: [1, 2][i] > 1, "use an array"),
    (lambda b, h, i, j: i + "x", "a str cannot be used"),
    (lambda b, h, i, j: undefined_name > 1, "NameError"),  # type: ignore[name-defined] # noqa: F821
    (lambda b, h, i, j: i.real > 1, "AttributeError"),
    (lambda b, h, i, j: np.arctan2(i, j) > 1, "'arctan2' cannot be traced"),
    (lambda b, h, i, j: np.cumsum(i) > 1, "cannot be traced"),
    (lambda b, h, i, j: ARRAY.sum() > 1, "'.sum' of a captured array"),
    (lambda b, h, i, j: (ARRAY + 1)[i, j] > 1, "can only be indexed"),
    (lambda b, h, i, j: ARRAY[i, :] > 1, "not by slices"),
    (lambda b, h, i, j: ARRAY[i, j, j] > 1, "3 indices for a captured array of rank 2"),
    (lambda b, h, i, j: ARRAY[i * 1.5, j] > 1, "must be an integer"),
    (lambda b, h, i, j: ARRAY[i], "cannot be used"),
    (lambda b, h, i, j: i * 0.5, "returns a float"),
    (lambda b, h, i, j: None, "NoneType"),
    (lambda b, h, i, j: i // 0 > 1, "division by the constant 0"),
    (lambda b, h, i, j: (i << j) > 1, "shift amount"),
    (lambda b, h, i, j: (i & 1.5) > 1, "not on floats"),
    (lambda b, h, i, j: i + (1 << 70) > j, "64 bits"),
    (lambda b, h: True, "TypeError"),
    (lambda b, h, i, j: i < 1 / 0, "ZeroDivisionError"),
    (lambda b, h, i, j: len(i) > 1, "no length"),
    (lambda b, h, i, j: sum(i) > 1, "cannot be iterated"),
]


@pytest.mark.parametrize(("function", "message"), REFUSED)
def test_trace_errors(function: Callable[..., Any], message: str) -> None:
    mask = am.masks.fn(function)
    with pytest.raises(am.TraceError, match=message):
        lower_mask(mask, mask.signature().arrays, 4)


def test_trace_error_names_the_line() -> None:
    mask = am.masks.fn(uses_if)
    with pytest.raises(am.TraceError) as caught:
        lower_mask(mask, mask.signature().arrays, 4)
    error = caught.value
    assert error.file == __file__
    assert error.line == uses_if.__code__.co_firstlineno + 1
    assert error.source == "if i > j:  # the line"
    assert f"{__file__}:{error.line}: " in str(error)


def test_score_must_return_a_number() -> None:
    score = am.scores.fn(lambda s, b, h, i, j: i > j)
    with pytest.raises(am.TraceError, match="returns a bool"):
        lower_score(score, (), 4)


def test_captured_strings_of_arrays_are_refused() -> None:
    names = np.array(["a", "b"])
    with pytest.raises(am.ArgumentError, match="numeric or bool"):
        am.masks.fn(lambda b, h, i, j: names[i] == names[j]).signature()


def test_deep_expressions_do_not_overflow_the_stack() -> None:
    def score(s: Any, b: Any, h: Any, i: Any, j: Any) -> Any:
        for n in range(5000):
            s = s * 1.5 + n
        return s

    assert len(body(am.scores.fn(score))) > 10_000
