//===- TileEmitter.cpp - Mask expressions over a tile, as IR --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TileEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

static constexpr Limits kPosition{0, kPositionLimit - 1};

TileEmitter::TileEmitter(OpBuilder &builder, Location loc,
                         const MaskAnalysis::Facts &facts,
                         const MaskSummary::Impl *summary, Value batch,
                         Value head, ArrayRef<MaskAnalysis::AxisRange> rows,
                         Value numKeys)
    : IndexEmitter(builder, loc), facts(facts), summary(summary), batch(batch),
      head(head) {
  block.map(facts.region.getArgument(0), batch);
  block.map(facts.region.getArgument(1), head);
  for (MaskAnalysis::AxisRange axis : rows)
    tileRows.axes.push_back(
        {wrap(axis.first, kPosition), wrap(axis.last, kPosition)});
  this->numKeys = wrap(numKeys, {0, kPositionLimit});
}

//===----------------------------------------------------------------------===//
// Symbols and tables
//===----------------------------------------------------------------------===//

Value mask::cloneInto(OpBuilder &builder, Region &region, IRMapping &block,
                      Value value) {
  if (Value mapped = block.lookupOrNull(value))
    return mapped;
  Operation *op = value.getDefiningOp();
  if (!op || !region.isAncestor(op->getParentRegion()))
    return value;
  for (Value operand : op->getOperands())
    block.map(operand, cloneInto(builder, region, block, operand));
  Operation *clone = op->clone(block);
  SmallVector<Value> folded;
  if (succeeded(builder.tryFold(clone, folded)) && !folded.empty()) {
    block.map(op->getResults(), folded);
    clone->destroy();
  } else {
    builder.insert(clone);
    block.map(op->getResults(), clone->getResults());
  }
  return block.lookup(value);
}

static Value asIndex(OpBuilder &builder, Location loc, Value value) {
  Type index = builder.getIndexType();
  if (value.getType().isInteger(1))
    return builder.createOrFold<arith::IndexCastUIOp>(loc, index, value);
  if (!value.getType().isIndex())
    return builder.createOrFold<arith::IndexCastOp>(loc, index, value);
  return value;
}

Value mask::cloneAsIndex(OpBuilder &builder, Location loc, Region &region,
                         IRMapping &block, Value value) {
  return asIndex(builder, loc, cloneInto(builder, region, block, value));
}

Value TileEmitter::cloneSymbol(Value value) {
  return cloneInto(builder, facts.region, block, value);
}

Index TileEmitter::symbol(const Leaf *leaf) {
  return wrap(asIndex(builder, loc, cloneSymbol(leaf->value)), leaf->range);
}

// Reads a table at all rows of the tile; both extremes at once.
void TileEmitter::scanRows(const Leaf *leaf) {
  OpBuilder::InsertionGuard guard(builder);
  Value one = materialize(constant(1));
  Value least = materialize(
      constant(std::min<int64_t>(leaf->range.max, int64_t(1) << 62)));
  Value most = materialize(
      constant(std::max<int64_t>(leaf->range.min, -(int64_t(1) << 62))));
  SmallVector<Value> best = {least, most}, position;
  SmallVector<scf::ForOp> loops;
  for (const auto &[first, last] : tileRows.axes) {
    Value begin = materialize(first);
    Value end = arith::AddIOp::create(builder, loc, materialize(last), one);
    loops.push_back(scf::ForOp::create(builder, loc, begin, end, one, best));
    best = SmallVector<Value>(loops.back().getRegionIterArgs());
    builder.setInsertionPointToStart(loops.back().getBody());
    position.push_back(loops.back().getInductionVar());
  }
  Value row;
  for (auto [axis, value] : llvm::zip(facts.reader.pool.rowAxes(), position)) {
    Value part = value;
    if (axis->axis.stride != 1)
      part = arith::MulIOp::create(
          builder, loc, part,
          arith::ConstantIndexOp::create(builder, loc, axis->axis.stride));
    row = row ? Value(arith::AddIOp::create(builder, loc, row, part)) : part;
  }
  IRMapping mapping;
  mapping.map(facts.region.getArgument(0), batch);
  mapping.map(facts.region.getArgument(1), head);
  mapping.map(facts.region.getArgument(2), row);
  Value value = cloneAsIndex(builder, loc, facts.region, mapping, leaf->value);
  SmallVector<Value> next = {
      arith::MinSIOp::create(builder, loc, best[0], value),
      arith::MaxSIOp::create(builder, loc, best[1], value)};
  for (scf::ForOp loop : llvm::reverse(loops)) {
    builder.setInsertionPointToEnd(loop.getBody());
    scf::YieldOp::create(builder, loc, next);
    next = SmallVector<Value>(loop.getResults());
  }
  leaves[{leaf, 0}] = {next[0], leaf->range};
  leaves[{leaf, 1}] = {next[1], leaf->range};
}

// An entry [batch or 0, head or 0, position] of a summary.
static Value readSummary(OpBuilder &builder, Location loc, Value tensor,
                         bool onBatch, bool onHead, Value batch, Value head,
                         Value position) {
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  return tensor::ExtractOp::create(
      builder, loc, tensor,
      ValueRange{onBatch ? batch : zero, onHead ? head : zero, position});
}

// Half as many keys are left after each round.
static Value searchSorted(OpBuilder &builder, Location loc, Value numKeys,
                          llvm::function_ref<Value(Value)> isBefore) {
  auto constant = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(builder, loc, value);
  };
  Value zero = constant(0), one = constant(1);
  SmallVector<Type> types(2, builder.getIndexType());
  auto loop = scf::WhileOp::create(
      builder, loc, types, ValueRange{zero, numKeys},
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value isLeft = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ugt,
                                             args[1], zero);
        scf::ConditionOp::create(b, loc, isLeft, args);
      },
      [&](OpBuilder &b, Location loc, ValueRange args) {
        Value half = arith::ShRUIOp::create(b, loc, args[1], one);
        Value middle = arith::AddIOp::create(b, loc, args[0], half);
        Value before = isBefore(middle);
        Value behind = arith::AddIOp::create(b, loc, middle, one);
        Value rest = arith::SubIOp::create(b, loc, args[1], half);
        rest = arith::SubIOp::create(b, loc, rest, one);
        Value first = arith::SelectOp::create(b, loc, before, behind, args[0]);
        Value count = arith::SelectOp::create(b, loc, before, rest, half);
        scf::YieldOp::create(b, loc, ValueRange{first, count});
      });
  return loop.getResult(0);
}

// The first key at which the table is at least the value looked for. Of a table
// that is not sorted nothing is known: the bound that keeps all keys, or makes
// none of them full.
Index TileEmitter::search(const Leaf *leaf, bool wantMax, const Rows &rows) {
  Index unknown = wantMax ? numKeys : constant(0);
  if (!summary || !summary->tables.count(leaf->table))
    return unknown;
  auto found = summary->tables.find(leaf->table);
  const MaskSummary::Impl::Table &table = found->second;
  Value wanted = materialize(extreme(leaf->a, wantMax, rows));
  Value &first = searches[{leaf->table, wanted}];
  Value sorted =
      readSummary(builder, loc, table.sorted, table.onBatch, table.onHead,
                  batch, head, materialize(constant(0)));
  Value isSorted = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne,
                                         sorted, materialize(constant(0)));
  if (!first) {
    Value zero = materialize(constant(0));
    Value count = arith::SelectOp::create(builder, loc, isSorted,
                                          materialize(numKeys), zero);
    // The rows of a tile mostly look for the same: one search then serves all.
    SmallVector<std::pair<Value, Value>> known;
    for (const Search &earlier : earlierSearches) {
      if (earlier.table != leaf->table)
        continue;
      Value isSame = arith::CmpIOp::create(
          builder, loc, arith::CmpIPredicate::eq, earlier.wanted, wanted);
      count = arith::SelectOp::create(builder, loc, isSame, zero, count);
      known.push_back({isSame, earlier.first});
    }
    first = searchSorted(builder, loc, count, [&](Value key) -> Value {
      IRMapping mapping;
      mapping.map(facts.region.getArgument(0), batch);
      mapping.map(facts.region.getArgument(1), head);
      mapping.map(facts.region.getArgument(3), key);
      Value value =
          cloneAsIndex(builder, loc, facts.region, mapping, leaf->table->value);
      return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt,
                                   value, wanted);
    });
    for (auto [isSame, other] : known)
      first = arith::SelectOp::create(builder, loc, isSame, other, first);
    earlierSearches.push_back({leaf->table, wanted, first});
  }
  return select({isSorted}, {first, {0, kPositionLimit}}, unknown);
}

//===----------------------------------------------------------------------===//
// Extremes over rows
//===----------------------------------------------------------------------===//

/// The least or greatest value a leaf can take over the rows.
Index TileEmitter::extremeOfLeaf(const Leaf *leaf, bool wantMax,
                                 const Rows &rows) {
  if (leaf->kind == LeafKind::Row) {
    unsigned axis = llvm::find(facts.reader.pool.rowAxes(), leaf) -
                    facts.reader.pool.rowAxes().begin();
    return wantMax ? rows.axes[axis].second : rows.axes[axis].first;
  }
  if (leaf->kind == LeafKind::Table) {
    // Fewer rows than the tile's have narrower extremes, but not wider ones.
    if (!leaves.count({leaf, 0}))
      scanRows(leaf);
    return leaves[{leaf, wantMax}];
  }
  unsigned key = leaf->onRow || leaf->kind == LeafKind::Search
                     ? rows.id * 2 + wantMax
                     : ~0u;
  auto it = leaves.find({leaf, key});
  if (it != leaves.end())
    return it->second;
  Index result;
  switch (leaf->kind) {
  case LeafKind::Symbol:
    result = symbol(leaf);
    break;
  case LeafKind::Search:
    result = search(leaf, wantMax, rows);
    break;
  case LeafKind::FloorDiv:
    result = floorDiv(extreme(leaf->a, wantMax, rows), leaf->divisor);
    break;
  case LeafKind::Min:
    result = minimum(extreme(leaf->a, wantMax, rows),
                     extreme(leaf->b, wantMax, rows));
    break;
  case LeafKind::Max:
    result = maximum(extreme(leaf->a, wantMax, rows),
                     extreme(leaf->b, wantMax, rows));
    break;
  case LeafKind::Row:
  case LeafKind::Key:
  case LeafKind::Table:
  case LeafKind::Select:
    llvm_unreachable("solved for the key, and selects are expanded");
  }
  return leaves[{leaf, key}] = result;
}

Index TileEmitter::sumOf(const Sum *sum, bool wantMax,
                         llvm::function_ref<Index(const Leaf *, bool)> leafOf) {
  // Positive terms first: what follows can be subtracted.
  std::optional<Index> total;
  for (const Term &term : sum->terms) {
    if (term.factor < 0)
      continue;
    Index part = mul(leafOf(term.leaf, wantMax), term.factor);
    total = total ? add(*total, part) : part;
  }
  bool addsConstant = total.has_value();
  if (!total)
    total = constant(sum->constant);
  for (const Term &term : sum->terms)
    if (term.factor < 0)
      total = sub(*total, mul(leafOf(term.leaf, !wantMax), -term.factor));
  if (addsConstant)
    total = add(*total, constant(sum->constant));
  return *total;
}

// True if a sum has a Search leaf: its extremes depend on the side.
static bool hasSearch(const Sum *sum) {
  return llvm::any_of(sum->terms, [](const Term &term) {
    return term.leaf->kind == LeafKind::Search ||
           (term.leaf->a && hasSearch(term.leaf->a)) ||
           (term.leaf->b && hasSearch(term.leaf->b));
  });
}

Index TileEmitter::extreme(const Sum *sum, bool wantMax, const Rows &rows) {
  unsigned key = sum->onRow || hasSearch(sum) ? rows.id * 2 + wantMax : ~0u;
  auto it = sums.find({sum, key});
  if (it != sums.end())
    return it->second;
  Index total = sumOf(sum, wantMax, [&](const Leaf *leaf, bool leafMax) {
    return extremeOfLeaf(leaf, leafMax, rows);
  });
  return sums[{sum, key}] = total;
}

bool TileEmitter::isSingle(const Sum *sum) const {
  if (!sum->onRow)
    return !hasSearch(sum);
  ArrayRef<const Leaf *> axes = facts.reader.pool.rowAxes();
  return llvm::all_of(sum->terms, [&](const Term &term) {
    const Leaf *leaf = term.leaf;
    if (!leaf->onRow)
      return leaf->kind != LeafKind::Search;
    if (leaf->kind == LeafKind::Row) {
      const auto &[first, last] =
          tileRows.axes[llvm::find(axes, leaf) - axes.begin()];
      return first.isConstant()
                 ? last.isConstant() && first.range.min == last.range.min
                 : first.value == last.value;
    }
    return leaf->kind != LeafKind::Table && leaf->kind != LeafKind::Search &&
           (!leaf->a || isSingle(leaf->a)) && (!leaf->b || isSingle(leaf->b));
  });
}

//===----------------------------------------------------------------------===//
// Extremes over rows and keys
//===----------------------------------------------------------------------===//

// An inner axis has its whole range unless the keys share the next outer one's
// value; that is not looked at.
Index TileEmitter::axisOf(Axis axis, const Keys &keys, bool wantMax) {
  if (axis.size != 0)
    return constant(wantMax ? axis.size - 1 : 0);
  return floorDiv(wantMax ? keys.last : keys.first, axis.stride);
}

Index TileEmitter::keyTable(const Leaf *leaf, bool wantMax, const Keys &keys) {
  auto found = summary->tables.find(leaf);
  if (found == summary->tables.end())
    return constant(wantMax ? leaf->range.max : leaf->range.min);
  const MaskSummary::Impl::Table &table = found->second;
  auto read = [&](const Index &key) -> Index {
    Value position = materialize(floorDiv(key, MaskSummary::Impl::kBlockKeys));
    Value value =
        readSummary(builder, loc, wantMax ? table.maxima : table.minima,
                    table.onBatch, table.onHead, batch, head, position);
    return {value, leaf->range};
  };
  Index first = read(keys.first), last = read(keys.last);
  return wantMax ? maximum(first, last) : minimum(first, last);
}

Index TileEmitter::extremeOfKeyLeaf(const Leaf *leaf, bool wantMax,
                                    const Keys &keys) {
  if (!leaf->onKey)
    return extremeOfLeaf(leaf, wantMax, tileRows);
  switch (leaf->kind) {
  case LeafKind::Key:
    return axisOf(leaf->axis, keys, wantMax);
  case LeafKind::Table:
    return keyTable(leaf, wantMax, keys);
  case LeafKind::FloorDiv:
    return floorDiv(extremeOverKeys(leaf->a, wantMax, keys), leaf->divisor);
  case LeafKind::Min:
    return minimum(extremeOverKeys(leaf->a, wantMax, keys),
                   extremeOverKeys(leaf->b, wantMax, keys));
  case LeafKind::Max:
    return maximum(extremeOverKeys(leaf->a, wantMax, keys),
                   extremeOverKeys(leaf->b, wantMax, keys));
  case LeafKind::Row:
  case LeafKind::Symbol:
  case LeafKind::Search:
  case LeafKind::Select:
    break;
  }
  llvm_unreachable("reads no key, or is expanded");
}

Index TileEmitter::extremeOverKeys(const Sum *sum, bool wantMax,
                                   const Keys &keys) {
  if (!sum->onKey)
    return extreme(sum, wantMax);
  return sumOf(sum, wantMax, [&](const Leaf *leaf, bool leafMax) {
    return extremeOfKeyLeaf(leaf, leafMax, keys);
  });
}

//===----------------------------------------------------------------------===//
// Conditions
//===----------------------------------------------------------------------===//

std::optional<Condition> TileEmitter::narrowRows(const Conjunct &conjunct,
                                                 Rows &rows) {
  if (conjunct.rowLower.empty() && conjunct.rowUpper.empty())
    return std::nullopt;
  auto &[first, last] = rows.axes.front();
  for (const Sum *bound : conjunct.rowLower)
    first = maximum(first, extreme(bound, true));
  for (const Sum *bound : conjunct.rowUpper)
    last = minimum(last, add(extreme(bound, true), constant(-1)));
  rows.id = nextRowsId++;
  return lessEqual(first, last);
}

Condition TileEmitter::guard(const Node *node, bool forAll) {
  if (node->kind == NodeKind::Ge)
    return lessEqual(constant(0), extreme(node->sum, !forAll));
  Value value = cloneSymbol(node->value);
  Condition condition{value};
  if (std::optional<int64_t> known = getConstantIntValue(value))
    condition = {Value(), *known != 0};
  return node->negated ? negate(condition) : condition;
}

Condition TileEmitter::literalAt(const Node *node, Value key) {
  Keys at{wrap(key, kPosition), wrap(key, kPosition)};
  auto leafAt = [&](const Leaf *leaf) -> std::optional<Index> {
    if (leaf->kind == LeafKind::Table && leaf->onKey) {
      IRMapping mapping;
      mapping.map(facts.region.getArgument(0), batch);
      mapping.map(facts.region.getArgument(1), head);
      mapping.map(facts.region.getArgument(3), key);
      return Index{
          cloneAsIndex(builder, loc, facts.region, mapping, leaf->value),
          leaf->range};
    }
    if (leaf->kind == LeafKind::Key) {
      Index value = floorDiv(at.first, leaf->axis.stride);
      if (!leaf->axis.size)
        return value;
      Index whole = floorDiv(value, leaf->axis.size);
      return sub(value, mul(whole, leaf->axis.size));
    }
    return std::nullopt;
  };
  std::function<Index(const Sum *)> sumAt = [&](const Sum *sum) -> Index {
    return sumOf(sum, false, [&](const Leaf *leaf, bool) -> Index {
      if (std::optional<Index> value = leafAt(leaf))
        return *value;
      switch (leaf->kind) {
      case LeafKind::FloorDiv:
        return floorDiv(sumAt(leaf->a), leaf->divisor);
      case LeafKind::Min:
        return minimum(sumAt(leaf->a), sumAt(leaf->b));
      case LeafKind::Max:
        return maximum(sumAt(leaf->a), sumAt(leaf->b));
      default:
        return extremeOfLeaf(leaf, false, tileRows);
      }
    });
  };
  return lessEqual(constant(0), sumAt(node->sum));
}
