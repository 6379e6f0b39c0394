//===- MaskConjuncts.cpp - Masks as unions of key intervals ---------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MaskConjuncts.h"
#include "mlir/Analysis/Presburger/IntegerRelation.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

/// Above this many conjuncts a union is widened.
static constexpr unsigned kMaxConjuncts = 64;

/// Emptiness is asked only of small systems: the solver has no time limit.
static constexpr unsigned kMaxEmptinessQueries = 16;
static constexpr unsigned kMaxEmptinessVariables = 6;
static constexpr unsigned kMaxEmptinessAtoms = 6;

using Atoms = SmallVector<const Node *, 4>;

//===----------------------------------------------------------------------===//
// Disjunctive normal form
//===----------------------------------------------------------------------===//

/// a's factors are `sign` times those of b.
static bool isParallel(const Sum *a, const Sum *b, int64_t sign) {
  return llvm::equal(a->terms, b->terms, [&](const Term &x, const Term &y) {
    return x.leaf == y.leaf && x.factor == sign * y.factor;
  });
}

/// Adds an atom, keeping the tightest of parallel comparisons. False if the
/// conjunct became empty.
static bool addAtom(Atoms &atoms, const Node *atom) {
  for (const Node *&known : atoms) {
    if (known == atom)
      return true;
    if (known->kind != atom->kind)
      continue;
    if (atom->kind != NodeKind::Ge) {
      if (known->value == atom->value)
        return false;
      continue;
    }
    if (isParallel(known->sum, atom->sum, -1) &&
        known->sum->constant + atom->sum->constant < 0)
      return false;
    if (isParallel(known->sum, atom->sum, 1)) {
      if (atom->sum->constant < known->sum->constant)
        known = atom;
      return true;
    }
  }
  atoms.push_back(atom);
  return true;
}

/// Adds a conjunct unless a known one contains it.
static void addConjunct(SmallVectorImpl<Atoms> &conjuncts, Atoms atoms) {
  llvm::sort(atoms, [](const Node *a, const Node *b) { return a->id < b->id; });
  auto contains = [](const Atoms &weak, const Atoms &strong) {
    return llvm::all_of(weak, [&](const Node *atom) {
      return llvm::is_contained(strong, atom);
    });
  };
  for (const Atoms &known : conjuncts)
    if (contains(known, atoms))
      return;
  llvm::erase_if(conjuncts,
                 [&](const Atoms &known) { return contains(atoms, known); });
  conjuncts.push_back(std::move(atoms));
}

namespace {
struct Union {
  SmallVector<Atoms, 2> conjuncts;
  bool isSuperset = false;
};
} // namespace

static Union expand(const Node *node);

static Union expandOr(const Node *node) {
  Union result;
  for (const Node *operand : node->operands) {
    Union part = expand(operand);
    result.isSuperset |= part.isSuperset;
    for (Atoms &atoms : part.conjuncts)
      addConjunct(result.conjuncts, std::move(atoms));
  }
  // Too many: give up every bound.
  if (result.conjuncts.size() > kMaxConjuncts) {
    result.conjuncts.assign(1, Atoms());
    result.isSuperset = true;
  }
  return result;
}

static Union expandAnd(const Node *node) {
  SmallVector<Union> parts;
  for (const Node *operand : node->operands)
    parts.push_back(expand(operand));
  llvm::sort(parts, [](const Union &a, const Union &b) {
    return a.conjuncts.size() < b.conjuncts.size();
  });
  Union result;
  result.conjuncts.emplace_back();
  for (Union &part : parts) {
    // A part that makes the product too large is left out: a superset.
    if (result.conjuncts.size() * part.conjuncts.size() > kMaxConjuncts) {
      result.isSuperset = true;
      continue;
    }
    result.isSuperset |= part.isSuperset;
    SmallVector<Atoms, 2> product;
    for (const Atoms &left : result.conjuncts) {
      for (const Atoms &right : part.conjuncts) {
        Atoms atoms = left;
        if (llvm::all_of(
                right, [&](const Node *atom) { return addAtom(atoms, atom); }))
          addConjunct(product, std::move(atoms));
      }
    }
    result.conjuncts = std::move(product);
  }
  return result;
}

static Union expand(const Node *node) {
  switch (node->kind) {
  case NodeKind::False:
    return {};
  case NodeKind::And:
    return expandAnd(node);
  case NodeKind::Or:
    return expandOr(node);
  default: {
    Union result;
    result.conjuncts.emplace_back();
    if (node->kind != NodeKind::True)
      result.conjuncts.back().push_back(node);
    return result;
  }
  }
}

//===----------------------------------------------------------------------===//
// Emptiness
//===----------------------------------------------------------------------===//

namespace {
/// Every leaf is a variable; floordiv, min and max add the inequalities that
/// define them (min and max: bound them, which keeps a superset).
class EmptinessQuery {
public:
  bool build(const Atoms &atoms) {
    for (const Node *atom : atoms)
      if (atom->kind == NodeKind::Ge)
        add(atom->sum);
    return variables.size() <= kMaxEmptinessVariables;
  }

  bool isEmpty() {
    presburger::IntegerPolyhedron set(
        presburger::PresburgerSpace::getSetSpace(variables.size()));
    for (const SmallVector<Term, 4> &row : rows) {
      SmallVector<int64_t> coefficients(variables.size() + 1, 0);
      for (const Term &term : row) {
        if (term.leaf)
          coefficients[variables.lookup(term.leaf)] += term.factor;
        else
          coefficients.back() += term.factor;
      }
      set.addInequality(coefficients);
    }
    return set.isIntegerEmpty();
  }

private:
  /// sum * sign + factor * leaf + constant >= 0. Constants are terms without a
  /// leaf.
  void addRow(const Sum *sum, int64_t sign, const Leaf *leaf, int64_t factor,
              int64_t constant) {
    SmallVector<Term, 4> row;
    for (const Term &term : sum->terms)
      row.push_back({term.leaf, sign * term.factor});
    if (leaf)
      row.push_back({leaf, factor});
    row.push_back({nullptr, sign * sum->constant + constant});
    rows.push_back(std::move(row));
    for (const Term &term : sum->terms)
      addVariable(term.leaf);
  }

  void add(const Sum *sum) { addRow(sum, 1, nullptr, 0, 0); }

  void addVariable(const Leaf *leaf) {
    unsigned next = variables.size();
    if (!variables.try_emplace(leaf, next).second)
      return;
    if (leaf->range.min > -kPositionLimit)
      rows.push_back({{leaf, 1}, {nullptr, -leaf->range.min}});
    if (leaf->kind == LeafKind::FloorDiv) {
      addRow(leaf->a, 1, leaf, -leaf->divisor, 0);
      addRow(leaf->a, -1, leaf, leaf->divisor, leaf->divisor - 1);
    } else if (leaf->kind == LeafKind::Min || leaf->kind == LeafKind::Max) {
      int64_t sign = leaf->kind == LeafKind::Min ? 1 : -1;
      addRow(leaf->a, sign, leaf, -sign, 0);
      addRow(leaf->b, sign, leaf, -sign, 0);
    }
  }

  DenseMap<const Leaf *, unsigned> variables;
  SmallVector<SmallVector<Term, 4>> rows;
};
} // namespace

/// Drops conjuncts that no integers satisfy.
static void dropEmpty(SmallVectorImpl<Atoms> &conjuncts) {
  if (conjuncts.size() < 2 || conjuncts.size() > kMaxEmptinessQueries)
    return;
  llvm::erase_if(conjuncts, [](const Atoms &atoms) {
    if (atoms.size() < 2 || atoms.size() > kMaxEmptinessAtoms)
      return false;
    EmptinessQuery query;
    return query.build(atoms) && query.isEmpty();
  });
}

Disjunction mask::toDisjunction(PredicateReader &reader,
                                const Node *predicate) {
  Union expanded = expand(predicate);
  dropEmpty(expanded.conjuncts);
  Disjunction result;
  result.isSuperset = expanded.isSuperset;
  for (const Atoms &atoms : expanded.conjuncts)
    result.conjuncts.push_back(solveConjunct(reader, atoms));
  return result;
}
