//===- MaskSolve.cpp - Comparisons solved for the key ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MaskConjuncts.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

namespace {

struct Bound {
  const Sum *value = nullptr;
  bool isLower = false; // value <= variable, else variable < value
};

/// factor * ((sign * key + offset) mod modulus) + rest >= 0, where `key` is
/// (j floordiv unit), or its remainder by a multiple of the modulus.
struct Remainder {
  int64_t factor, modulus, unit, sign;
  const Sum *offset, *rest;
};

class AtomSolver {
public:
  AtomSolver(ExprPool &pool, Conjunct &conjunct)
      : pool(pool), conjunct(conjunct) {}

  void solve(const Node *atom);

private:
  void solveRow(const Node *atom);
  void solveKey(const Node *atom);
  Bound solveFor(const Sum *sum, const Leaf *variable);
  const Sum *joinAxes(const Sum *sum);
  const Leaf *onlyAxis(const Sum *sum);
  std::optional<Remainder> matchRemainder(const Sum *sum);
  std::optional<std::pair<int64_t, int64_t>> unitOf(const Leaf *leaf);
  bool solveStride(const Sum *sum);
  const Sum *relaxDivisions(const Sum *sum);
  void addBound(Bound bound);
  Stride &strideOf(int64_t period, int64_t unit, const Sum *offset,
                   int64_t sign, const Sum *lower, const Sum *upper);

  ExprPool &pool;
  Conjunct &conjunct;
};

} // namespace

/// Adds a bound unless a known one is as tight. `sign` is 1 for lower bounds,
/// of which the greatest counts, and -1 for upper ones.
static void tighten(ExprPool &pool, SmallVectorImpl<const Sum *> &bounds,
                    const Sum *bound, int64_t sign) {
  for (const Sum *&known : bounds) {
    const Sum *difference = pool.sub(bound, known);
    if (!difference || !difference->isConstant())
      continue;
    if (difference->constant * sign > 0)
      known = bound;
    return;
  }
  bounds.push_back(bound);
}

static bool hasTable(const Sum *sum, bool onKey) {
  return llvm::any_of(sum->terms, [&](const Term &term) {
    const Leaf *leaf = term.leaf;
    if (leaf->kind == LeafKind::Table)
      return leaf->onKey == onKey;
    return (leaf->a && hasTable(leaf->a, onKey)) ||
           (leaf->b && hasTable(leaf->b, onKey));
  });
}

/// Solves sum >= 0 for a variable that occurs in exactly one term:
///   k*v + R >= 0            v >= -(R floordiv k), or v <= R floordiv -k
///   k*(g floordiv d) + R >= 0   the same for the quotient q; then
///                           q >= x is g >= d*x, and q <= x is g < d*x + d
///   k*table[v] + R >= 0     the same for what is read; if the table is sorted,
///                           table[v] >= x is v >= the first key with that
Bound AtomSolver::solveFor(const Sum *sum, const Leaf *variable) {
  const Term *found = nullptr;
  for (const Term &term : sum->terms) {
    if (!reads(term.leaf, variable))
      continue;
    if (found)
      return {};
    found = &term;
  }
  if (!found)
    return {};
  const Leaf *leaf = found->leaf;
  int64_t factor = found->factor;
  // Of a key split into axes, what is left may read some of them.
  const Sum *others = pool.without(sum, leaf);
  if (!others || others->dependsOn(variable->kind))
    return {};
  const Sum *limit = pool.floorDiv(others, std::abs(factor));
  Bound bound = factor > 0 ? Bound{pool.scale(limit, -1), true}
                           : Bound{pool.addConstant(limit, 1), false};
  if (leaf == variable)
    return bound;
  if (leaf->kind == LeafKind::Table && variable->kind == LeafKind::Key)
    return {pool.search(leaf, bound.value), bound.isLower};
  if (leaf->kind != LeafKind::FloorDiv)
    return {};
  const Sum *rest =
      factor > 0
          ? pool.combine(leaf->a, 1, limit, leaf->divisor)
          : pool.addConstant(pool.combine(leaf->a, -1, limit, leaf->divisor),
                             leaf->divisor - 1);
  return rest ? solveFor(rest, variable) : Bound{};
}

/// Axes of the key that make up (j floordiv stride) become that quotient.
const Sum *AtomSolver::joinAxes(const Sum *sum) {
  ArrayRef<const Leaf *> axes = pool.keyAxes();
  if (axes.size() == 1)
    return sum;
  auto factorOf = [&](const Leaf *leaf) -> int64_t {
    for (const Term &term : sum->terms)
      if (term.leaf == leaf)
        return term.factor;
    return 0;
  };
  const Leaf *last = nullptr;
  for (const Leaf *axis : axes)
    if (factorOf(axis) != 0)
      last = axis;
  if (!last)
    return sum;
  int64_t factor = factorOf(last);
  const Sum *joined = sum;
  for (const Leaf *axis : axes) {
    if (factorOf(axis) != factor * (axis->axis.stride / last->axis.stride))
      return sum;
    joined = pool.without(joined, axis);
    if (axis == last)
      break;
  }
  const Sum *whole = pool.floorDiv(pool.whole(), last->axis.stride);
  return pool.combine(joined, 1, whole, factor);
}

/// The one inner axis a sum reads, if it reads nothing else of the key.
const Leaf *AtomSolver::onlyAxis(const Sum *sum) {
  const Leaf *found = nullptr;
  for (const Leaf *axis : pool.keyAxes()) {
    bool isRead = llvm::any_of(
        sum->terms, [&](const Term &term) { return reads(term.leaf, axis); });
    if (!isRead)
      continue;
    if (found)
      return nullptr;
    found = axis;
  }
  bool readsWhole = llvm::any_of(sum->terms, [&](const Term &term) {
    return reads(term.leaf, pool.wholeKey());
  });
  return readsWhole || !found || found->axis.size == 0 ? nullptr : found;
}

/// A leaf that is (j floordiv unit) mod size; size 0 is no remainder.
std::optional<std::pair<int64_t, int64_t>>
AtomSolver::unitOf(const Leaf *leaf) {
  if (leaf->kind == LeafKind::Key)
    return std::pair(leaf->axis.stride, leaf->axis.size);
  if (leaf->kind != LeafKind::FloorDiv || leaf->a->constant != 0 ||
      leaf->a->terms.size() != 1 || leaf->a->terms[0].factor != 1 ||
      leaf->a->terms[0].leaf->kind != LeafKind::Key)
    return std::nullopt;
  Axis axis = leaf->a->terms[0].leaf->axis;
  if (axis.size % leaf->divisor != 0)
    return std::nullopt;
  return std::pair(axis.stride * leaf->divisor, axis.size / leaf->divisor);
}

/// x mod c is x - c * (x floordiv c): the key occurs twice.
std::optional<Remainder> AtomSolver::matchRemainder(const Sum *sum) {
  for (const Term &term : sum->terms) {
    const Leaf *leaf = term.leaf;
    if (leaf->kind != LeafKind::FloorDiv || !leaf->onKey ||
        term.factor % leaf->divisor != 0)
      continue;
    Remainder result{
        -term.factor / leaf->divisor, leaf->divisor, 1, 1, nullptr, nullptr};
    result.rest =
        pool.combine(pool.without(sum, leaf), 1, leaf->a, -result.factor);
    const Sum *inside = joinAxes(leaf->a);
    if (!result.rest || result.rest->onKey || !inside)
      continue;
    const Term *key = nullptr;
    unsigned numKeys = 0;
    for (const Term &part : inside->terms)
      if (part.leaf->onKey)
        key = &part, ++numKeys;
    if (numKeys != 1 || std::abs(key->factor) != 1)
      continue;
    auto unit = unitOf(key->leaf);
    if (!unit || unit->second % leaf->divisor != 0)
      continue;
    result.unit = unit->first;
    result.sign = key->factor;
    result.offset = pool.without(inside, key->leaf);
    return result;
  }
  return std::nullopt;
}

Stride &AtomSolver::strideOf(int64_t period, int64_t unit, const Sum *offset,
                             int64_t sign, const Sum *lower, const Sum *upper) {
  for (Stride &stride : conjunct.strides)
    if (stride.period == period && stride.unit == unit &&
        stride.offset == offset && stride.sign == sign)
      return stride;
  conjunct.strides.push_back({period, unit, {lower}, {upper}, offset, sign});
  return conjunct.strides.back();
}

bool AtomSolver::solveStride(const Sum *sum) {
  const Leaf *axis = onlyAxis(sum);
  if (Bound bound = axis ? solveFor(sum, axis) : Bound(); bound.value) {
    auto [unit, size] = axis->axis;
    Stride &stride = strideOf(unit * size, unit, pool.constant(0), 1,
                              pool.constant(0), pool.constant(size));
    tighten(pool, bound.isLower ? stride.lower : stride.upper, bound.value,
            bound.isLower ? 1 : -1);
    return true;
  }
  std::optional<Remainder> found = matchRemainder(sum);
  if (!found)
    return false;
  // least <= (sign * key + offset) mod modulus < bound.
  const Sum *limit = pool.floorDiv(found->rest, std::abs(found->factor));
  bool isLower = found->factor > 0;
  const Sum *value =
      isLower ? pool.scale(limit, -1) : pool.addConstant(limit, 1);
  const Sum *offset = found->offset;
  auto towardsKey = [&](const Sum *remainder) {
    return found->sign > 0 ? pool.sub(remainder, offset)
                           : pool.addConstant(pool.sub(offset, remainder), 1);
  };
  const Sum *zero = pool.constant(0), *modulus = pool.constant(found->modulus);
  const Sum *bound = towardsKey(value), *least = towardsKey(zero),
            *most = towardsKey(modulus);
  if (found->sign < 0)
    std::swap(least, most);
  if (!bound || !least || !most)
    return false;
  Stride &stride = strideOf(found->modulus * found->unit, found->unit, offset,
                            found->sign, least, most);
  bool isKeyLower = isLower == (found->sign > 0);
  tighten(pool, isKeyLower ? stride.lower : stride.upper, bound,
          isKeyLower ? 1 : -1);
  return true;
}

/// A weaker comparison without floordiv of the key: d * (g floordiv d) lies
/// between g - d + 1 and g. Null if the key cancels.
const Sum *AtomSolver::relaxDivisions(const Sum *sum) {
  auto isDivision = [&](const Term &term) {
    return term.leaf->kind == LeafKind::FloorDiv && term.leaf->onKey;
  };
  while (sum && llvm::any_of(sum->terms, isDivision)) {
    const Term term = *llvm::find_if(sum->terms, isDivision);
    int64_t divisor = term.leaf->divisor;
    int64_t common = std::gcd(divisor, std::abs(term.factor));
    const Sum *real = term.factor > 0
                          ? term.leaf->a
                          : pool.addConstant(term.leaf->a, 1 - divisor);
    sum = pool.combine(pool.without(sum, term.leaf), divisor / common, real,
                       term.factor / common);
  }
  sum = sum ? joinAxes(sum) : nullptr;
  return sum && sum->onKey ? sum : nullptr;
}

void AtomSolver::addBound(Bound bound) {
  (bound.isLower ? conjunct.keyLower : conjunct.keyUpper)
      .push_back(bound.value);
}

void AtomSolver::solveKey(const Node *atom) {
  const Sum *sum = joinAxes(atom->sum);
  if (!sum->onRow && hasTable(sum, /*onKey=*/true)) {
    conjunct.runs.push_back(atom);
    ++conjunct.numPeriodic;
    return;
  }
  if (Bound bound = solveFor(sum, pool.wholeKey()); bound.value) {
    addBound(bound);
    if (hasTable(sum, /*onKey=*/true)) {
      conjunct.probes.push_back(atom);
      ++conjunct.numPeriodic;
    }
    return;
  }
  ++conjunct.numPeriodic;
  if (solveStride(sum))
    return;
  if (!sum->onRow) {
    conjunct.runs.push_back(atom);
    return;
  }
  conjunct.hasUnsolved = true;
  conjunct.probes.push_back(atom);
  if (const Sum *relaxed = relaxDivisions(sum))
    if (Bound bound = solveFor(relaxed, pool.wholeKey()); bound.value)
      addBound(bound);
}

void AtomSolver::solveRow(const Node *atom) {
  Bound bound;
  if (pool.rowAxes().size() == 1)
    bound = solveFor(atom->sum, pool.rowAxes().front());
  if (!bound.value) {
    if (!hasTable(atom->sum, /*onKey=*/false))
      ++conjunct.numPeriodic;
    conjunct.guards.push_back(atom);
    return;
  }
  (bound.isLower ? conjunct.rowLower : conjunct.rowUpper)
      .push_back(bound.value);
}

void AtomSolver::solve(const Node *atom) {
  if (atom->kind == NodeKind::Opaque)
    ++conjunct.numOpaque;
  else if (atom->kind == NodeKind::Scan)
    conjunct.scans.push_back(atom);
  else if (atom->kind == NodeKind::Bool ||
           (!atom->sum->onKey && !atom->sum->onRow))
    conjunct.guards.push_back(atom);
  else if (atom->sum->onKey)
    solveKey(atom);
  else
    solveRow(atom);
}

Conjunct mask::solveConjunct(PredicateReader &reader,
                             ArrayRef<const Node *> atoms) {
  Conjunct conjunct;
  conjunct.atoms.assign(atoms.begin(), atoms.end());
  AtomSolver solver(reader.pool, conjunct);
  for (const Node *atom : atoms)
    solver.solve(atom);
  return conjunct;
}
