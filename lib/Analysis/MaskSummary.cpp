//===- MaskSummary.cpp - Scans of what a mask reads at the keys -----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Dependence.h"
#include "TileEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

namespace {

class SummaryEmitter {
public:
  SummaryEmitter(OpBuilder &builder, Location loc,
                 const MaskAnalysis::Facts &facts, Value numBatches,
                 Value numHeads, Value numKeys)
      : b(builder), loc(loc), facts(facts), numBatches(numBatches),
        numHeads(numHeads), numKeys(numKeys) {}

  std::shared_ptr<MaskSummary::Impl> emit();

private:
  using Body =
      llvm::function_ref<SmallVector<Value>(ValueRange ivs, ValueRange slices)>;

  MaskSummary::Impl::Table scanTable(const Leaf *leaf);
  MaskSummary::Impl::Runs scanRuns(const Conjunct &conjunct);
  SmallVector<Value> tasks(ArrayRef<Value> counts, ArrayRef<Value> sizes,
                           unsigned numResults, Body body);
  /// The leaves of a sum, inner ones too, that pass a test.
  void findLeaves(const Sum *sum, llvm::SetVector<const Leaf *> &leaves,
                  llvm::function_ref<bool(const Leaf *)> test);

  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }

  OpBuilder &b;
  Location loc;
  const MaskAnalysis::Facts &facts;
  Value numBatches, numHeads, numKeys;
};

} // namespace

// Tasks (batch, head[, block]); each writes the slices [1, 1, size] of its
// results, which start at the block.
SmallVector<Value> SummaryEmitter::tasks(ArrayRef<Value> counts,
                                         ArrayRef<Value> sizes,
                                         unsigned numResults, Body body) {
  SmallVector<OpFoldResult> shape;
  for (Value size : sizes)
    shape.push_back(getAsOpFoldResult(size));
  SmallVector<Value> outputs;
  for (unsigned i = 0; i < numResults; ++i)
    outputs.push_back(tensor::EmptyOp::create(b, loc, shape, b.getIndexType()));
  SmallVector<OpFoldResult> bounds;
  for (Value count : counts)
    bounds.push_back(getAsOpFoldResult(count));
  auto loop = scf::ForallOp::create(b, loc, bounds, outputs,
                                    /*mapping=*/std::nullopt);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> ivs = loop.getInductionVars();
  bool perBlock = counts.size() == 3;
  OpFoldResult one = b.getIndexAttr(1);
  SmallVector<OpFoldResult> offsets = {
      ivs[0], ivs[1], perBlock ? OpFoldResult(ivs[2]) : b.getIndexAttr(0)};
  SmallVector<OpFoldResult> extent = {one, one, perBlock ? one : shape.back()};
  SmallVector<OpFoldResult> strides(3, one);
  SmallVector<Value> slices;
  for (Value output : loop.getRegionIterArgs())
    slices.push_back(tensor::ExtractSliceOp::create(b, loc, output, offsets,
                                                    extent, strides));
  SmallVector<Value> results = body(ivs, slices);
  b.setInsertionPointToStart(loop.getTerminator().getBody());
  for (auto [result, output] : llvm::zip(results, loop.getRegionIterArgs()))
    tensor::ParallelInsertSliceOp::create(b, loc, result, output, offsets,
                                          extent, strides);
  return SmallVector<Value>(loop.getResults());
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

// Least and greatest entry of each block of keys, and whether the whole table
// is sorted.
MaskSummary::Impl::Table SummaryEmitter::scanTable(const Leaf *leaf) {
  MaskSummary::Impl::Table table;
  Dependence reads = dependenceOf(leaf->value, facts.region);
  table.onBatch = reads.onBatch;
  table.onHead = reads.onHead;
  Value zero = constant(0), one = constant(1);
  Value batches = table.onBatch ? numBatches : one;
  Value heads = table.onHead ? numHeads : one;
  Value size = constant(MaskSummary::Impl::kBlockKeys);
  Value blocks = b.createOrFold<arith::CeilDivSIOp>(loc, numKeys, size);
  auto write = [&](ArrayRef<Value> values, ValueRange slices) {
    SmallVector<Value> results;
    for (auto [value, slice] : llvm::zip(values, slices))
      results.push_back(tensor::InsertOp::create(b, loc, value, slice,
                                                 ValueRange{zero, zero, zero}));
    return results;
  };

  SmallVector<Value> scanned = tasks(
      {batches, heads, blocks}, {batches, heads, blocks}, 3,
      [&](ValueRange ivs, ValueRange slices) {
        auto at = [&](Value key) {
          IRMapping mapping;
          mapping.map(facts.region.getArgument(0), ivs[0]);
          mapping.map(facts.region.getArgument(1), ivs[1]);
          mapping.map(facts.region.getArgument(3), key);
          return cloneAsIndex(b, loc, facts.region, mapping, leaf->value);
        };
        Value first = arith::MulIOp::create(b, loc, ivs[2], size);
        Value end = arith::MinSIOp::create(
            b, loc, arith::AddIOp::create(b, loc, first, size), numKeys);
        Value before = arith::MaxSIOp::create(
            b, loc, arith::SubIOp::create(b, loc, first, one), zero);
        Value start = at(first);
        auto loop = scf::ForOp::create(
            b, loc, first, end, one, ValueRange{start, start, at(before), one});
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(loop.getBody());
        ValueRange carried = loop.getRegionIterArgs();
        Value value = at(loop.getInductionVar());
        Value rises = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle,
                                            carried[2], value);
        SmallVector<Value> next = {
            arith::MinSIOp::create(b, loc, carried[0], value),
            arith::MaxSIOp::create(b, loc, carried[1], value), value,
            arith::SelectOp::create(b, loc, rises, carried[3], zero)};
        scf::YieldOp::create(b, loc, next);
        b.setInsertionPointAfter(loop);
        return write({loop.getResult(0), loop.getResult(1), loop.getResult(3)},
                     slices);
      });
  table.minima = scanned[0];
  table.maxima = scanned[1];
  Value ordered = scanned[2];
  table.sorted =
      tasks({batches, heads}, {batches, heads, one}, 1,
            [&](ValueRange ivs, ValueRange slices) {
              auto loop = scf::ForOp::create(b, loc, zero, blocks, one,
                                             ValueRange{one});
              OpBuilder::InsertionGuard guard(b);
              b.setInsertionPointToStart(loop.getBody());
              Value part = tensor::ExtractOp::create(
                  b, loc, ordered,
                  ValueRange{ivs[0], ivs[1], loop.getInductionVar()});
              Value all =
                  arith::AndIOp::create(b, loc, loop.getRegionIterArg(0), part);
              scf::YieldOp::create(b, loc, all);
              b.setInsertionPointAfter(loop);
              return write({loop.getResult(0)}, slices);
            })
          .front();
  return table;
}

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

// For every key, the next one at which the key-only literals hold and the next
// one at which they do not.
MaskSummary::Impl::Runs SummaryEmitter::scanRuns(const Conjunct &conjunct) {
  MaskSummary::Impl::Runs runs;
  llvm::SetVector<const Leaf *> values;
  for (const Node *literal : conjunct.runs)
    findLeaves(literal->sum, values,
               [](const Leaf *leaf) { return bool(leaf->value); });
  for (const Leaf *leaf : values) {
    Dependence reads = dependenceOf(leaf->value, facts.region);
    runs.onBatch |= reads.onBatch;
    runs.onHead |= reads.onHead;
  }
  Value zero = constant(0), one = constant(1);
  Value batches = runs.onBatch ? numBatches : one;
  Value heads = runs.onHead ? numHeads : one;
  Value size = b.createOrFold<arith::AddIOp>(loc, numKeys, one);
  SmallVector<Value> scanned = tasks(
      {batches, heads}, {batches, heads, size}, 2,
      [&](ValueRange ivs, ValueRange slices) {
        SmallVector<Value> carried = {numKeys, numKeys};
        for (Value slice : slices)
          carried.push_back(tensor::InsertOp::create(
              b, loc, numKeys, slice, ValueRange{zero, zero, numKeys}));
        auto loop = scf::ForOp::create(b, loc, zero, numKeys, one, carried);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(loop.getBody());
        ValueRange args = loop.getRegionIterArgs();
        Value last = arith::SubIOp::create(b, loc, numKeys, one);
        Value key = arith::SubIOp::create(b, loc, last, loop.getInductionVar());
        TileEmitter emitter(b, loc, facts, nullptr, ivs[0], ivs[1], {},
                            numKeys);
        Condition holds;
        for (const Node *literal : conjunct.runs)
          holds = emitter.both(holds, emitter.literalAt(literal, key));
        Value isKept = emitter.materialize(holds);
        SmallVector<Value> next = {
            arith::SelectOp::create(b, loc, isKept, key, args[0]),
            arith::SelectOp::create(b, loc, isKept, args[1], key)};
        for (unsigned i = 0; i < 2; ++i)
          next.push_back(tensor::InsertOp::create(b, loc, next[i], args[2 + i],
                                                  ValueRange{zero, zero, key}));
        scf::YieldOp::create(b, loc, next);
        return SmallVector<Value>(loop.getResults().drop_front(2));
      });
  runs.nextKept = scanned[0];
  runs.nextMasked = scanned[1];
  return runs;
}

//===----------------------------------------------------------------------===//
// All of a mask
//===----------------------------------------------------------------------===//

void SummaryEmitter::findLeaves(const Sum *sum,
                                llvm::SetVector<const Leaf *> &leaves,
                                llvm::function_ref<bool(const Leaf *)> test) {
  for (const Term &term : sum->terms) {
    const Leaf *leaf = term.leaf;
    if (test(leaf))
      leaves.insert(leaf);
    for (const Sum *part : {leaf->a, leaf->b})
      if (part)
        findLeaves(part, leaves, test);
  }
}

std::shared_ptr<MaskSummary::Impl> SummaryEmitter::emit() {
  auto impl = std::make_shared<MaskSummary::Impl>();
  llvm::SetVector<const Leaf *> tables;
  auto isKeyTable = [](const Leaf *leaf) {
    return leaf->kind == LeafKind::Table && leaf->onKey;
  };
  for (const Conjunct &conjunct : facts.kept.conjuncts) {
    for (const Node *probe : conjunct.probes)
      findLeaves(probe->sum, tables, isKeyTable);
    for (const Node *scan : conjunct.scans)
      for (const Sum *index : scan->indices)
        findLeaves(index, tables, isKeyTable);
  }
  for (const Leaf *leaf : tables)
    impl->tables[leaf] = scanTable(leaf);
  for (const Conjunct &conjunct : facts.kept.conjuncts)
    if (!conjunct.runs.empty())
      impl->runs[&conjunct] = scanRuns(conjunct);
  return impl;
}

MaskSummary MaskAnalysis::emitSummary(OpBuilder &builder, Location loc,
                                      Value numBatches, Value numHeads,
                                      Value numKeys) const {
  MaskSummary summary;
  summary.impl =
      SummaryEmitter(builder, loc, *facts, numBatches, numHeads, numKeys)
          .emit();
  return summary;
}
