//===- MaskExpr.cpp - Hash-consed integer expressions of masks ------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MaskExpr.h"
#include "llvm/ADT/Hashing.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

/// Larger constants and factors are refused: with positions below 2^30, no
/// intermediate of the emitted arithmetic comes near the ends of 64 bits.
static constexpr int64_t kConstantLimit = int64_t(1) << 52;
static constexpr int64_t kFactorLimit = int64_t(1) << 31;

/// Nesting of min, max and select moved out of one division.
static constexpr unsigned kDistributeLimit = 4;

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

static int64_t saturatingAdd(int64_t a, int64_t b) {
  int64_t result;
  if (llvm::AddOverflow(a, b, result))
    return a < 0 ? INT64_MIN : INT64_MAX;
  return result;
}

static int64_t saturatingMul(int64_t a, int64_t b) {
  int64_t result;
  if (llvm::MulOverflow(a, b, result))
    return (a < 0) != (b < 0) ? INT64_MIN : INT64_MAX;
  return result;
}

/// An end that is already saturated stays where it is.
static int64_t addEnds(int64_t a, int64_t b, int64_t infinity) {
  if (a == infinity || b == infinity)
    return infinity;
  return saturatingAdd(a, b);
}

Limits mask::addLimits(Limits a, Limits b) {
  return {addEnds(a.min, b.min, INT64_MIN), addEnds(a.max, b.max, INT64_MAX)};
}

Limits mask::scaleLimits(Limits a, int64_t factor) {
  if (factor == 0)
    return {0, 0};
  auto scaleEnd = [&](int64_t end) {
    if (end == INT64_MIN || end == INT64_MAX)
      return (end < 0) == (factor < 0) ? INT64_MAX : INT64_MIN;
    return saturatingMul(end, factor);
  };
  int64_t first = scaleEnd(a.min), second = scaleEnd(a.max);
  return factor > 0 ? Limits{first, second} : Limits{second, first};
}

Limits mask::divideLimits(Limits a, int64_t divisor) {
  auto divideEnd = [&](int64_t end) {
    if (end == INT64_MIN || end == INT64_MAX)
      return end;
    return llvm::divideFloorSigned(end, divisor);
  };
  return {divideEnd(a.min), divideEnd(a.max)};
}

//===----------------------------------------------------------------------===//
// Interning
//===----------------------------------------------------------------------===//

SmallVector<Axis> mask::splitAxes(ArrayRef<int64_t> divisors) {
  SmallVector<Axis> axes;
  int64_t outer = 0;
  for (int64_t divisor : divisors) {
    axes.push_back({divisor, outer ? outer / divisor : 0});
    outer = divisor;
  }
  axes.push_back({1, outer});
  return axes;
}

const Sum *ExprPool::position(LeafKind kind, ArrayRef<Axis> axes,
                              SmallVectorImpl<const Leaf *> &leavesOfAxes) {
  const Sum *sum = constant(0);
  for (Axis axis : axes) {
    Leaf leaf;
    leaf.kind = kind;
    leaf.axis = axis;
    leaf.onRow = kind == LeafKind::Row;
    leaf.onKey = kind == LeafKind::Key;
    leaf.range = {0, axis.size ? axis.size - 1
                               : (kPositionLimit - 1) / axis.stride};
    const Sum *part = fromLeaf(leaf);
    leavesOfAxes.push_back(part->terms.front().leaf);
    sum = combine(sum, 1, part, axis.stride);
  }
  return sum;
}

ExprPool::ExprPool(ArrayRef<int64_t> divisors) {
  SmallVector<Axis> axes = splitAxes(divisors);
  rowSum = position(LeafKind::Row, axes, rowLeaves);
  keySum = position(LeafKind::Key, axes, keyLeaves);
  SmallVector<const Leaf *, 1> whole;
  wholeKeySum = position(LeafKind::Key, Axis(), whole);
  wholeKeyLeaf = whole.front();
}

bool mask::reads(const Leaf *leaf, const Leaf *variable) {
  if (leaf == variable)
    return true;
  if (leaf->kind == LeafKind::Table)
    return dependsOn(leaf, variable->kind);
  auto anyReads = [&](const Sum *sum) {
    return sum && llvm::any_of(sum->terms, [&](const Term &term) {
             return reads(term.leaf, variable);
           });
  };
  return anyReads(leaf->a) || anyReads(leaf->b);
}

static bool sameLeaf(const Leaf &a, const Leaf &b) {
  return a.kind == b.kind && a.a == b.a && a.b == b.b &&
         a.divisor == b.divisor && a.value == b.value && a.table == b.table &&
         a.axis.stride == b.axis.stride && a.axis.size == b.axis.size;
}

const Sum *ExprPool::fromLeaf(Leaf leaf) {
  size_t hash =
      llvm::hash_combine(unsigned(leaf.kind), leaf.a, leaf.b, leaf.divisor,
                         leaf.value.getAsOpaquePointer(), leaf.axis.stride,
                         leaf.axis.size, leaf.table);
  const Leaf *found = nullptr;
  auto [first, last] = leafTable.equal_range(hash);
  for (auto it = first; it != last && !found; ++it)
    if (sameLeaf(*it->second, leaf))
      found = it->second;
  if (!found) {
    leaf.id = leaves.size();
    leaves.push_back(leaf);
    found = &leaves.back();
    leafTable.emplace(hash, found);
  }
  return intern(0, {Term{found, 1}});
}

const Sum *ExprPool::intern(int64_t constant, SmallVector<Term, 4> terms) {
  if (std::abs(constant) > kConstantLimit)
    return nullptr;
  size_t hash = llvm::hash_value(constant);
  for (const Term &term : terms) {
    if (std::abs(term.factor) > kFactorLimit)
      return nullptr;
    hash = llvm::hash_combine(hash, term.leaf, term.factor);
  }
  auto same = [&](const Sum *sum) {
    return sum->constant == constant &&
           llvm::equal(sum->terms, terms, [](const Term &a, const Term &b) {
             return a.leaf == b.leaf && a.factor == b.factor;
           });
  };
  auto [first, last] = sumTable.equal_range(hash);
  for (auto it = first; it != last; ++it)
    if (same(it->second))
      return it->second;

  Sum sum;
  sum.constant = constant;
  sum.terms = std::move(terms);
  sum.id = sums.size();
  sum.range = {constant, constant};
  for (const Term &term : sum.terms) {
    sum.onRow |= term.leaf->onRow;
    sum.onKey |= term.leaf->onKey;
    sum.onSymbol |= term.leaf->onSymbol;
    sum.hasSelect |= term.leaf->hasSelect;
    sum.range =
        addLimits(sum.range, scaleLimits(term.leaf->range, term.factor));
  }
  sums.push_back(std::move(sum));
  sumTable.emplace(hash, &sums.back());
  return &sums.back();
}

//===----------------------------------------------------------------------===//
// Construction
//===----------------------------------------------------------------------===//

const Sum *ExprPool::constant(int64_t value) {
  if (value < -kConstantLimit || value > kConstantLimit)
    return nullptr;
  return intern(value, {});
}

const Sum *ExprPool::symbol(Value value, Limits range) {
  Leaf leaf;
  leaf.kind = LeafKind::Symbol;
  leaf.onSymbol = true;
  leaf.value = value;
  leaf.range = range;
  return fromLeaf(leaf);
}

const Sum *ExprPool::table(Value value, Limits range, bool onRow, bool onKey) {
  Leaf leaf;
  leaf.kind = LeafKind::Table;
  leaf.onRow = onRow;
  leaf.onKey = onKey;
  leaf.onSymbol = true; // what it reads is not known at compile time
  leaf.value = value;
  leaf.range = range;
  return fromLeaf(leaf);
}

const Sum *ExprPool::search(const Leaf *table, const Sum *atLeast) {
  if (!atLeast)
    return nullptr;
  Leaf leaf;
  leaf.kind = LeafKind::Search;
  leaf.table = table;
  leaf.a = atLeast;
  leaf.onRow = atLeast->onRow;
  leaf.onSymbol = true;
  leaf.range = {0, kPositionLimit};
  return fromLeaf(leaf);
}

const Sum *ExprPool::combine(const Sum *a, int64_t ka, const Sum *b,
                             int64_t kb) {
  if (!a || !b)
    return nullptr;
  bool overflow = false;
  auto mulAdd = [&](int64_t x, int64_t y) {
    int64_t first, second, result = 0;
    overflow |= llvm::MulOverflow(x, ka, first) ||
                llvm::MulOverflow(y, kb, second) ||
                llvm::AddOverflow(first, second, result) || result == INT64_MIN;
    return overflow ? 0 : result;
  };
  SmallVector<Term, 4> terms;
  auto append = [&](const Leaf *leaf, int64_t x, int64_t y) {
    if (int64_t factor = mulAdd(x, y))
      terms.push_back({leaf, factor});
  };
  const Term *x = a->terms.begin(), *y = b->terms.begin();
  while (x != a->terms.end() || y != b->terms.end()) {
    if (y == b->terms.end() ||
        (x != a->terms.end() && x->leaf->id < y->leaf->id)) {
      append(x->leaf, x->factor, 0);
      ++x;
    } else if (x == a->terms.end() || y->leaf->id < x->leaf->id) {
      append(y->leaf, 0, y->factor);
      ++y;
    } else {
      append(x->leaf, x->factor, y->factor);
      ++x, ++y;
    }
  }
  int64_t constant = mulAdd(a->constant, b->constant);
  return overflow ? nullptr : intern(constant, std::move(terms));
}

const Sum *ExprPool::addConstant(const Sum *a, int64_t value) {
  return combine(a, 1, constant(value), 1);
}

const Sum *ExprPool::scale(const Sum *a, int64_t factor) {
  return combine(a, factor, constant(0), 0);
}

const Sum *ExprPool::without(const Sum *a, const Leaf *leaf) {
  SmallVector<Term, 4> terms;
  for (const Term &term : a->terms)
    if (term.leaf != leaf)
      terms.push_back(term);
  return intern(a->constant, std::move(terms));
}

const Sum *ExprPool::replace(const Sum *a, const Term &term, const Sum *by) {
  return combine(without(a, term.leaf), 1, by, term.factor);
}

const Sum *ExprPool::extreme(bool maximum, const Sum *a, const Sum *b) {
  const Sum *difference = sub(a, b);
  if (!difference)
    return nullptr;
  if (difference->range.min >= 0)
    return maximum ? a : b;
  if (difference->range.max <= 0)
    return maximum ? b : a;
  if (a->id > b->id)
    std::swap(a, b);
  Leaf leaf;
  leaf.kind = maximum ? LeafKind::Max : LeafKind::Min;
  leaf.a = a;
  leaf.b = b;
  leaf.onRow = a->onRow || b->onRow;
  leaf.onKey = a->onKey || b->onKey;
  leaf.onSymbol = a->onSymbol || b->onSymbol;
  leaf.hasSelect = a->hasSelect || b->hasSelect;
  leaf.range = maximum ? Limits{std::max(a->range.min, b->range.min),
                                std::max(a->range.max, b->range.max)}
                       : Limits{std::min(a->range.min, b->range.min),
                                std::min(a->range.max, b->range.max)};
  return fromLeaf(leaf);
}

const Sum *ExprPool::select(Value condition, const Sum *a, const Sum *b,
                            bool onRow, bool onKey) {
  if (!a || !b || a == b)
    return a && b ? a : nullptr;
  Leaf leaf;
  leaf.kind = LeafKind::Select;
  leaf.a = a;
  leaf.b = b;
  leaf.value = condition;
  leaf.onRow = onRow || a->onRow || b->onRow;
  leaf.onKey = onKey || a->onKey || b->onKey;
  leaf.onSymbol = true; // the condition may read symbols
  leaf.hasSelect = true;
  leaf.range = {std::min(a->range.min, b->range.min),
                std::max(a->range.max, b->range.max)};
  return fromLeaf(leaf);
}

static const Term *findBranching(const Sum *sum) {
  for (const Term &term : sum->terms)
    if (term.leaf->kind >= LeafKind::Min)
      return &term;
  return nullptr;
}

const Sum *ExprPool::floorDiv(const Sum *a, int64_t divisor) {
  if (!a)
    return nullptr;
  const Term *branching = findBranching(a);
  if (!branching)
    return floorDivOfPlain(a, divisor);
  if (llvm::count_if(a->terms, [](const Term &term) {
        return term.leaf->kind >= LeafKind::Min;
      }) > kDistributeLimit)
    return nullptr;
  const Leaf *leaf = branching->leaf;
  const Sum *first = floorDiv(replace(a, *branching, leaf->a), divisor);
  const Sum *second = floorDiv(replace(a, *branching, leaf->b), divisor);
  if (leaf->kind == LeafKind::Select)
    return select(leaf->value, first, second, leaf->onRow, leaf->onKey);
  return extreme((leaf->kind == LeafKind::Max) == (branching->factor > 0),
                 first, second);
}

const Sum *ExprPool::floorDivOfPlain(const Sum *a, int64_t divisor) {
  if (divisor == 1)
    return a;
  if (divisor <= 0 || divisor > kFactorLimit)
    return nullptr;
  // Multiples of the divisor leave the division.
  SmallVector<Term, 4> inside, outside;
  int64_t quotient = llvm::divideFloorSigned(a->constant, divisor);
  for (const Term &term : a->terms) {
    if (term.factor % divisor == 0)
      outside.push_back({term.leaf, term.factor / divisor});
    else
      inside.push_back(term);
  }
  const Sum *whole = intern(quotient, std::move(outside));
  if (inside.empty() || !whole)
    return whole;
  int64_t rest = a->constant - quotient * divisor;
  // floor((floor(x / c) + r) / d) == floor((x + r * c) / (c * d)).
  if (inside.size() == 1 && inside[0].factor == 1 &&
      inside[0].leaf->kind == LeafKind::FloorDiv) {
    const Leaf *inner = inside[0].leaf;
    const Sum *numerator = addConstant(inner->a, rest * inner->divisor);
    int64_t product;
    if (llvm::MulOverflow(inner->divisor, divisor, product))
      return nullptr;
    return add(whole, floorDiv(numerator, product));
  }
  const Sum *numerator = intern(rest, std::move(inside));
  if (!numerator)
    return nullptr;
  Limits range = divideLimits(numerator->range, divisor);
  if (range.min == range.max)
    return addConstant(whole, range.min);
  Leaf leaf;
  leaf.kind = LeafKind::FloorDiv;
  leaf.a = numerator;
  leaf.divisor = divisor;
  leaf.onRow = numerator->onRow;
  leaf.onKey = numerator->onKey;
  leaf.onSymbol = numerator->onSymbol;
  leaf.range = range;
  return add(whole, fromLeaf(leaf));
}

//===----------------------------------------------------------------------===//
// Evaluation and printing
//===----------------------------------------------------------------------===//

static int64_t evaluateAxis(Axis axis, int64_t position) {
  int64_t value = position / axis.stride;
  return axis.size ? value % axis.size : value;
}

static int64_t evaluateLeaf(const Leaf *leaf, int64_t row, int64_t key) {
  switch (leaf->kind) {
  case LeafKind::Row:
    return evaluateAxis(leaf->axis, row);
  case LeafKind::Key:
    return evaluateAxis(leaf->axis, key);
  case LeafKind::FloorDiv:
    return llvm::divideFloorSigned(evaluate(leaf->a, row, key), leaf->divisor);
  case LeafKind::Min:
    return std::min(evaluate(leaf->a, row, key), evaluate(leaf->b, row, key));
  case LeafKind::Max:
    return std::max(evaluate(leaf->a, row, key), evaluate(leaf->b, row, key));
  case LeafKind::Symbol:
  case LeafKind::Table:
  case LeafKind::Search:
  case LeafKind::Select:
    break;
  }
  llvm_unreachable("symbols, tables and selects have no value at compile time");
}

int64_t mask::evaluate(const Sum *sum, int64_t row, int64_t key) {
  int64_t result = sum->constant;
  for (const Term &term : sum->terms)
    result += term.factor * evaluateLeaf(term.leaf, row, key);
  return result;
}

static void printLeaf(raw_ostream &os, const Leaf *leaf,
                      const DenseMap<Value, std::string> &names) {
  switch (leaf->kind) {
  case LeafKind::Row:
  case LeafKind::Key:
    os << (leaf->kind == LeafKind::Row ? "i" : "j");
    if (leaf->axis.stride != 1)
      os << " floordiv " << leaf->axis.stride;
    if (leaf->axis.size)
      os << " mod " << leaf->axis.size;
    return;
  case LeafKind::Symbol:
    os << names.lookup(leaf->value);
    return;
  case LeafKind::Table:
    os << names.lookup(leaf->value) << (leaf->onRow ? "[i]" : "[j]");
    return;
  case LeafKind::Search:
    os << "first j with " << names.lookup(leaf->table->value) << "[j] >= (";
    printSum(os, leaf->a, names);
    os << ")";
    return;
  case LeafKind::FloorDiv: {
    bool isPlain = leaf->a->constant == 0 && leaf->a->terms.size() == 1 &&
                   leaf->a->terms[0].factor == 1;
    os << (isPlain ? "" : "(");
    printSum(os, leaf->a, names);
    os << (isPlain ? "" : ")") << " floordiv " << leaf->divisor;
    return;
  }
  case LeafKind::Min:
  case LeafKind::Max:
  case LeafKind::Select:
    os << (leaf->kind == LeafKind::Min   ? "min("
           : leaf->kind == LeafKind::Max ? "max("
                                         : "select(");
    printSum(os, leaf->a, names);
    os << ", ";
    printSum(os, leaf->b, names);
    os << ")";
    return;
  }
}

void mask::printSum(raw_ostream &os, const Sum *sum,
                    const DenseMap<Value, std::string> &names) {
  bool first = true;
  // Positive terms first, so that no sum but a purely negative one starts with
  // a minus.
  for (bool negative : {false, true}) {
    for (const Term &term : sum->terms) {
      if ((term.factor < 0) != negative)
        continue;
      os << (first ? (negative ? "-" : "") : (negative ? " - " : " + "));
      first = false;
      if (std::abs(term.factor) != 1)
        os << std::abs(term.factor) << "*";
      bool group =
          term.leaf->kind == LeafKind::FloorDiv && std::abs(term.factor) != 1;
      os << (group ? "(" : "");
      printLeaf(os, term.leaf, names);
      os << (group ? ")" : "");
    }
  }
  if (first)
    os << sum->constant;
  else if (sum->constant != 0)
    os << (sum->constant < 0 ? " - " : " + ") << std::abs(sum->constant);
}
