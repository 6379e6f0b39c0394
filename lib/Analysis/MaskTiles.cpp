//===- MaskTiles.cpp - The tiles of a mask, as a function -----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The walk over keys that the tile phase makes, without the attention: it
// counts the keys that each block of rows visits.
//
//===----------------------------------------------------------------------===//

#include "MaskText.h"
#include "attn/Analysis/MaskAnalysis.h"
#include "attn/Analysis/Passes.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::attn {
#define GEN_PASS_DEF_MASKTILESPASS
#include "attn/Analysis/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

namespace {

/// What is known of a key block: the number of keys visited, that of keys in
/// runs of which every pair is kept, the first key visited, one past the last.
enum Entry : int64_t { kVisited, kFull, kFirst, kEnd, kNumEntries };

/// One axis of the rows: (row floordiv stride) mod size, in tiles of `tile`.
/// The outermost has size 0.
struct Axis {
  int64_t stride, size, tile;
};

class TilesBuilder {
public:
  TilesBuilder(OpBuilder &builder, AttentionOp op, int64_t blockQueries,
               int64_t blockKeys, const MaskAnalysis &analysis,
               const MaskAnalysis::RowSplit &split);

  /// Emits the loops; gives the map of the tiles and the rows of each.
  SmallVector<Value> build(Value batch, Value head);

private:
  Value countTiles();
  void locateRows(Value tile);
  Value clear(Value line);
  Value walk(KeyRuns &runs, Value line);
  Value mark(const KeyRuns::Run &run, Value key, Value length, Value line);

  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  template <typename Op> Value make(Value lhs, Value rhs) {
    return b.createOrFold<Op>(loc, lhs, rhs);
  }
  Value add(Value lhs, Value rhs) { return make<arith::AddIOp>(lhs, rhs); }
  Value sub(Value lhs, Value rhs) { return make<arith::SubIOp>(lhs, rhs); }
  Value mul(Value lhs, Value rhs) { return make<arith::MulIOp>(lhs, rhs); }
  Value min(Value lhs, Value rhs) { return make<arith::MinSIOp>(lhs, rhs); }
  Value max(Value lhs, Value rhs) { return make<arith::MaxSIOp>(lhs, rhs); }
  Value divide(Value lhs, Value rhs) { return make<arith::DivUIOp>(lhs, rhs); }
  Value ceilDiv(Value lhs, Value rhs) {
    return make<arith::CeilDivSIOp>(lhs, rhs);
  }
  Value less(Value lhs, Value rhs) {
    return b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::slt, lhs,
                                         rhs);
  }
  Value select(Value condition, Value lhs, Value rhs) {
    return b.createOrFold<arith::SelectOp>(loc, condition, lhs, rhs);
  }
  Value toEntry(Value index) {
    return b.createOrFold<arith::IndexCastOp>(loc, entryType, index);
  }
  OpFoldResult at(int64_t value) { return b.getIndexAttr(value); }

  OpBuilder &b;
  AttentionOp op;
  Location loc;
  const MaskAnalysis &analysis;
  int64_t blockKeys;
  Type entryType;
  SmallVector<Axis, 3> axes;
  bool isResidue;
  Value numQueries, numKeys, numBlocks;
  SmallVector<MaskAnalysis::AxisRange, 3> ranges;
  /// Rows of the tile; a residue may have none.
  Value numRows;
};

} // namespace

TilesBuilder::TilesBuilder(OpBuilder &builder, AttentionOp op,
                           int64_t blockQueries, int64_t blockKeys,
                           const MaskAnalysis &analysis,
                           const MaskAnalysis::RowSplit &split)
    : b(builder), op(op), loc(op.getLoc()), analysis(analysis),
      blockKeys(blockKeys), entryType(builder.getI32Type()),
      isResidue(split.isResidue) {
  int64_t outer = 0;
  SmallVector<int64_t, 3> tile = split.getTile(blockQueries);
  for (auto [index, divisor] : llvm::enumerate(split.divisors)) {
    axes.push_back({divisor, outer ? outer / divisor : 0, tile[index]});
    outer = divisor;
  }
  axes.push_back({1, outer, tile.back()});
}

//===----------------------------------------------------------------------===//
// The rows of a tile
//===----------------------------------------------------------------------===//

// As an affine expression, from which callers know the result's size.
Value TilesBuilder::countTiles() {
  AffineExpr count = getAffineSymbolExpr(0, b.getContext())
                         .ceilDiv(axes.front().stride)
                         .ceilDiv(axes.front().tile);
  for (const Axis &axis : ArrayRef(axes).drop_front())
    count = count * llvm::divideCeil(axis.size, axis.tile);
  return getValueOrCreateConstantIndexOp(
      b, loc,
      affine::makeComposedFoldedAffineApply(b, loc, AffineMap::get(0, 1, count),
                                            {OpFoldResult(numQueries)}));
}

void TilesBuilder::locateRows(Value tile) {
  SmallVector<Value, 3> first(axes.size()), sizes(axes.size());
  Value residue = constant(0);
  for (size_t i = axes.size(); i-- > 1;) {
    Value blocks = constant(llvm::divideCeil(axes[i].size, axes[i].tile));
    Value outer = divide(tile, blocks);
    first[i] = mul(sub(tile, mul(outer, blocks)), constant(axes[i].tile));
    sizes[i] = constant(axes[i].size);
    if (isResidue)
      residue = first[i];
    tile = outer;
  }
  first[0] = mul(tile, constant(axes[0].tile));
  sizes[0] = ceilDiv(sub(numQueries, residue), constant(axes[0].stride));
  ranges.clear();
  numRows = constant(1);
  for (auto [start, size, axis] : llvm::zip(first, sizes, axes)) {
    Value count = min(sub(size, start), constant(axis.tile));
    count = max(count, constant(0));
    Value last = axis.tile == 1 && axes.size() > 1
                     ? start
                     : sub(add(start, count), constant(1));
    ranges.push_back({start, last});
    numRows = mul(numRows, count);
  }
}

//===----------------------------------------------------------------------===//
// The keys of a tile
//===----------------------------------------------------------------------===//

Value TilesBuilder::clear(Value line) {
  Value zero = toEntry(constant(0));
  auto loop =
      scf::ForOp::create(b, loc, constant(0), numBlocks, constant(1), line);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value cleared = loop.getRegionIterArg(0);
  for (int64_t entry = 0; entry < kNumEntries; ++entry)
    cleared = tensor::InsertOp::create(
        b, loc, zero, cleared,
        ValueRange{loop.getInductionVar(), constant(entry)});
  scf::YieldOp::create(b, loc, cleared);
  return loop.getResult(0);
}

// Writes what `length` keys of a run, from `key` on, add to their blocks.
Value TilesBuilder::mark(const KeyRuns::Run &run, Value key, Value length,
                         Value line) {
  Value block = constant(blockKeys), step = constant(run.step),
        zero = constant(0), one = constant(1);
  Value end = add(key, mul(length, step));
  Value seen = select(run.visible, length, zero);
  Value firstBlock = divide(key, block);
  Value endBlock = select(less(zero, seen), ceilDiv(end, block), firstBlock);
  auto loop = scf::ForOp::create(b, loc, firstBlock, min(endBlock, numBlocks),
                                 one, line);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value position = loop.getInductionVar();
  Value next = loop.getRegionIterArg(0);
  // The keys of the run before the block, and before its end.
  auto countUntil = [&](Value limit) {
    Value count = ceilDiv(max(sub(limit, key), zero), step);
    return min(count, length);
  };
  Value start = mul(position, block);
  Value before = countUntil(start), until = countUntil(add(start, block));
  Value count = sub(until, before);
  auto old = [&](Entry entry) -> Value {
    Value value = tensor::ExtractOp::create(
        b, loc, next, ValueRange{position, constant(entry)});
    return b.createOrFold<arith::IndexCastOp>(loc, b.getIndexType(), value);
  };
  Value visited = old(kVisited), full = old(kFull), first = old(kFirst),
        last = old(kEnd);
  Value any = less(zero, count);
  Value isFirst = b.createOrFold<arith::AndIOp>(
      loc, any,
      b.createOrFold<arith::CmpIOp>(loc, arith::CmpIPredicate::eq, visited,
                                    zero));
  Value lastKey = add(key, mul(sub(until, one), step));
  Value entries[kNumEntries] = {
      add(visited, count), add(full, select(run.full, count, zero)),
      select(isFirst, add(key, mul(before, step)), first),
      select(any, add(lastKey, one), last)};
  for (auto [entry, value] : llvm::enumerate(entries))
    next = tensor::InsertOp::create(b, loc, toEntry(value), next,
                                    ValueRange{position, constant(entry)});
  scf::YieldOp::create(b, loc, next);
  return loop.getResult(0);
}

Value TilesBuilder::walk(KeyRuns &runs, Value line) {
  Value none = less(numRows, constant(1));
  Value first = select(none, numKeys, runs.emitNext(constant(0)));
  auto loop = scf::WhileOp::create(
      b, loc, TypeRange{b.getIndexType(), line.getType()},
      ValueRange{first, line},
      [&](OpBuilder &, Location, ValueRange args) {
        scf::ConditionOp::create(b, loc, less(args[0], numKeys), args);
      },
      [&](OpBuilder &, Location, ValueRange args) {
        Value key = args[0];
        KeyRuns::Run run = runs.emitRun(key);
        Value step = constant(run.step);
        Value length = ceilDiv(sub(run.end, key), step);
        Value marked = mark(run, key, length, args[1]);
        Value next = runs.emitNext(add(key, mul(length, step)));
        scf::YieldOp::create(b, loc, ValueRange{next, marked});
      });
  return loop.getResult(1);
}

SmallVector<Value> TilesBuilder::build(Value batch, Value head) {
  SmallVector<Range> domain = op.getIterationDomain(b);
  auto getSize = [&](unsigned dim) {
    return getValueOrCreateConstantIndexOp(b, loc, domain[dim].size);
  };
  numQueries = getSize(kQuery);
  numKeys = getSize(kKey);
  Value numBatches = getSize(kBatch), numHeads = getSize(kHead);
  // Tables are read there, whatever the caller says.
  auto inside = [&](Value index, Value size) {
    Value last = sub(size, constant(1));
    return max(min(index, last), constant(0));
  };
  batch = inside(batch, numBatches);
  head = inside(head, numHeads);
  MaskSummary summary =
      analysis.emitSummary(b, loc, numBatches, numHeads, numKeys);
  Value numTiles = countTiles();
  AffineExpr keys = getAffineSymbolExpr(0, b.getContext());
  numBlocks = getValueOrCreateConstantIndexOp(
      b, loc,
      affine::makeComposedFoldedAffineApply(
          b, loc, AffineMap::get(0, 1, keys.ceilDiv(blockKeys)),
          {OpFoldResult(numKeys)}));
  OpFoldResult tiles = getAsOpFoldResult(numTiles),
               blocks = getAsOpFoldResult(numBlocks);
  Value map = tensor::EmptyOp::create(
      b, loc, ArrayRef<OpFoldResult>{tiles, blocks, at(kNumEntries)},
      entryType);
  Value rows = tensor::EmptyOp::create(b, loc, ArrayRef{tiles}, entryType);
  auto forall =
      scf::ForallOp::create(b, loc, ArrayRef{tiles}, ValueRange{map, rows},
                            /*mapping=*/std::nullopt);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(forall.getBody());
  OpFoldResult tile = forall.getInductionVars().front();
  SmallVector<OpFoldResult> offsets = {tile, at(0), at(0)},
                            sizes = {at(1), blocks, at(kNumEntries)},
                            ones(3, at(1));
  BlockArgument mapHere = forall.getRegionIterArgs()[0],
                rowsHere = forall.getRegionIterArgs()[1];
  auto mapType = cast<RankedTensorType>(map.getType());
  auto lineType =
      RankedTensorType::get(mapType.getShape().drop_front(), entryType);
  Value line = tensor::ExtractSliceOp::create(b, loc, lineType, mapHere,
                                              offsets, sizes, ones);
  Value place = tensor::ExtractSliceOp::create(
      b, loc, rowsHere, ArrayRef{tile}, ArrayRef{at(1)}, ArrayRef{at(1)});
  locateRows(forall.getInductionVars().front());
  KeyRuns runs(analysis, summary, b, loc, batch, head, ranges, numKeys);
  line = walk(runs, clear(line));
  place = tensor::InsertOp::create(b, loc, toEntry(numRows), place,
                                   ValueRange{constant(0)});
  b.setInsertionPointToStart(forall.getTerminator().getBody());
  tensor::ParallelInsertSliceOp::create(b, loc, line, mapHere, offsets, sizes,
                                        ones);
  tensor::ParallelInsertSliceOp::create(b, loc, place, rowsHere, ArrayRef{tile},
                                        ArrayRef{at(1)}, ArrayRef{at(1)});
  return SmallVector<Value>(forall.getResults());
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

static std::string describeRows(const MaskAnalysis::RowSplit &split) {
  if (split.divisors.empty())
    return "rows of a tile follow each other";
  std::string divisors = llvm::join(
      llvm::map_range(split.divisors,
                      [](int64_t value) { return std::to_string(value); }),
      " x ");
  return split.isResidue
             ? "rows of a tile are one residue modulo " + divisors
             : "tiles are patches of a grid with lines of " + divisors;
}

static void report(AttentionOp op, const MaskAnalysis &analysis,
                   const MaskAnalysis::RowSplit &split) {
  static constexpr StringLiteral names[] = {
      "", "closed form in query and key", "captured integers",
      "captured booleans", "evaluated element by element"};
  auto options =
      remark::RemarkOpts::name("MaskTiles").category("attn-mask-tiles");
  unsigned kind = getMaskClass(op.getMaskRegion(), analysis);
  remark::analysis(op.getLoc(), options)
      << "mask of class " << std::to_string(kind) << ", " << names[kind] << "; "
      << describeRows(split) << remark::metric("Class", std::to_string(kind))
      << remark::metric("Split",
                        std::string(split.divisors.empty() ? "no" : "yes"));
  for (Operation *defeating : analysis.getDefeatingOps())
    remark::missed(defeating->getLoc(), options)
        << "not understood: " << getMaskText(defeating);
}

static MaskAnalysis::RowSplit chooseSplit(AttentionOp op,
                                          const MaskAnalysis &analysis) {
  MaskAnalysis::RowSplit split = analysis.suggestSplit();
  AffineMap map = op.getRoleMaps().front();
  auto type = cast<RankedTensorType>(op.getQuery().getType());
  for (auto [position, expr] : llvm::enumerate(map.getResults()))
    if (expr.isFunctionOfDim(kQuery) && !split.fits(type.getDimSize(position)))
      return {};
  return split;
}

// A mask that keeps every pair where there was none.
static void addMask(OpBuilder &b, AttentionOp op) {
  Region &region = op.getMaskRegion();
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&region, region.end(), SmallVector<Type>(4, b.getIndexType()),
                SmallVector<Location>(4, op.getLoc()));
  Value keep = arith::ConstantIntOp::create(b, op.getLoc(), 1, 1);
  YieldOp::create(b, op.getLoc(), keep);
}

namespace {
struct MaskTilesPass final : attn::impl::MaskTilesPassBase<MaskTilesPass> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<AttentionOp> ops;
    getOperation().walk([&](AttentionOp op) { ops.push_back(op); });
    if (ops.empty())
      return;
    if (failed(check(ops)) || failed(rewrite(ops.front())))
      signalPassFailure();
  }

private:
  LogicalResult check(ArrayRef<AttentionOp> ops) {
    func::FuncOp function = getOperation();
    std::pair<StringRef, int64_t> sizes[] = {{"block-queries", blockQueries},
                                             {"block-keys", blockKeys}};
    for (auto [name, value] : sizes)
      if (value < 1 || value > 1 << 30)
        return function.emitError()
               << "expects option '" << name
               << "' to be between 1 and 2^30, but got " << value;
    if (ops.size() != 1)
      return function.emitOpError("expects 1 'attn.attention' to show the "
                                  "tiles of, but got ")
             << ops.size();
    AttentionOp op = ops.front();
    if (op.getMasks())
      return op.emitOpError("expects mask attributes to be expanded before "
                            "their tiles are shown (run attn-expand)");
    if (op->getParentOp() != function || !function.getBody().hasOneBlock())
      return op.emitOpError("expects to stand in the one block of a function "
                            "to show the tiles of its mask");
    return success();
  }

  LogicalResult rewrite(AttentionOp op) {
    func::FuncOp function = getOperation();
    Block &body = function.getBody().front();
    OpBuilder b(op);
    Type index = b.getIndexType();
    unsigned position = function.getNumArguments();
    for (StringRef name : {"batch", "head"})
      if (failed(function.insertArgument(
              function.getNumArguments(), index, {},
              NameLoc::get(b.getStringAttr(name), op.getLoc()))))
        return failure();
    if (op.getMaskRegion().empty())
      addMask(b, op);
    MaskAnalysis analysis = MaskAnalysis::compute(op.getMaskRegion());
    MaskAnalysis::RowSplit split = chooseSplit(op, analysis);
    report(op, analysis, split);
    if (!splitRows)
      split = MaskAnalysis::RowSplit();
    if (!split.divisors.empty())
      analysis = MaskAnalysis::compute(op.getMaskRegion(), split.divisors);
    SmallVector<Value> results =
        TilesBuilder(b, op, blockQueries, blockKeys, analysis, split)
            .build(function.getArgument(position),
                   function.getArgument(position + 1));
    return replaceResults(body, results);
  }

  LogicalResult replaceResults(Block &body, ValueRange results) {
    func::FuncOp function = getOperation();
    Operation *terminator = body.getTerminator();
    OpBuilder b(terminator);
    func::ReturnOp::create(b, terminator->getLoc(), results);
    terminator->erase();
    for (Operation &each : llvm::make_early_inc_range(llvm::reverse(body)))
      if (each.use_empty() &&
          (isa<AttentionOp>(each) || isOpTriviallyDead(&each)))
        each.erase();
    function.setFunctionType(FunctionType::get(
        function.getContext(), function.getFunctionType().getInputs(),
        TypeRange(results)));
    function.removeResAttrsAttr();
    return success();
  }
};
} // namespace
