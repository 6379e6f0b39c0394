//===- SplitHeads.cpp - Heads with masks of their own ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Analysis/MaskAnalysis.h"
#include "attn/Specialize/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Remarks.h"
#include "llvm/Support/raw_ostream.h"

namespace mlir::attn {
#define GEN_PASS_DEF_SPLITHEADSPASS
#include "attn/Specialize/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

/// More heads than this are not looked at one by one.
static constexpr int64_t kMaxHeads = 256;

namespace {

/// Heads [first, end) with the same mask.
struct HeadRange {
  int64_t first, end;
};

class HeadSplitter {
public:
  HeadSplitter(RewriterBase &rewriter, AttentionOp op)
      : rewriter(rewriter), op(op), loc(op.getLoc()) {}

  bool run(int64_t maxRanges);

private:
  std::optional<int64_t> findHead(Value operand, AffineMap map);
  void specialize(Region &from, Region &to, int64_t head);
  std::string describe(Region &region);
  Value slice(Value operand, AffineMap map, const HeadRange &range);
  SmallVector<Value> split(ArrayRef<HeadRange> ranges);
  void shiftHeads(Region &region, unsigned argument, int64_t first);

  RewriterBase &rewriter;
  AttentionOp op;
  Location loc;
  int64_t group = 1;
};

} // namespace

//===----------------------------------------------------------------------===//
// Masks of one head
//===----------------------------------------------------------------------===//

// A copy of the region with the head known and what follows from it folded.
void HeadSplitter::specialize(Region &from, Region &to, int64_t head) {
  OpBuilder::InsertionGuard guard(rewriter);
  Block &source = from.front();
  Block *block = rewriter.createBlock(
      &to, to.end(), source.getArgumentTypes(),
      SmallVector<Location>(source.getNumArguments(), loc));
  IRMapping mapping;
  mapping.map(source.getArguments(), block->getArguments());
  mapping.map(source.getArgument(1),
              arith::ConstantIndexOp::create(rewriter, loc, head).getResult());
  for (Operation &inner : source) {
    Operation *copy = rewriter.clone(inner, mapping);
    SmallVector<Value> folded;
    if (copy->getNumResults() == 0 ||
        failed(OpBuilder(copy).tryFold(copy, folded)) || folded.empty())
      continue;
    mapping.map(inner.getResults(), folded);
    rewriter.replaceAllUsesWith(copy->getResults(), folded);
    rewriter.eraseOp(copy);
  }
  for (Operation &inner : llvm::make_early_inc_range(llvm::reverse(*block)))
    if (isOpTriviallyDead(&inner))
      rewriter.eraseOp(&inner);
}

// Equal for regions that compute the same in the same way.
std::string HeadSplitter::describe(Region &region) {
  std::string text;
  llvm::raw_string_ostream os(text);
  llvm::DenseMap<Value, unsigned> numbers;
  for (BlockArgument argument : region.front().getArguments())
    numbers[argument] = numbers.size();
  for (Operation &inner : region.front()) {
    os << inner.getName() << inner.getAttrDictionary();
    for (Value operand : inner.getOperands()) {
      auto it = numbers.find(operand);
      if (it != numbers.end())
        os << " " << it->second;
      else
        os << " " << operand.getAsOpaquePointer();
    }
    for (Value result : inner.getResults()) {
      numbers[result] = numbers.size();
      os << result.getType();
    }
  }
  return text;
}

//===----------------------------------------------------------------------===//
// Ranges of heads
//===----------------------------------------------------------------------===//

/// The dimension of an operand that runs over the heads.
std::optional<int64_t> HeadSplitter::findHead(Value operand, AffineMap map) {
  for (auto [position, expr] : llvm::enumerate(map.getResults()))
    if (expr.isFunctionOfDim(kHead))
      return position;
  return std::nullopt;
}

static int64_t getDivisor(AffineExpr expr) {
  if (auto division = dyn_cast<AffineBinaryOpExpr>(expr))
    if (auto divisor = dyn_cast<AffineConstantExpr>(division.getRHS()))
      return divisor.getValue();
  return 1;
}

Value HeadSplitter::slice(Value operand, AffineMap map,
                          const HeadRange &range) {
  std::optional<int64_t> position = findHead(operand, map);
  if (!position)
    return operand;
  int64_t divisor = getDivisor(map.getResult(*position));
  SmallVector<OpFoldResult> sizes =
      tensor::getMixedSizes(rewriter, loc, operand);
  SmallVector<OpFoldResult> offsets(sizes.size(), rewriter.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(sizes.size(), rewriter.getIndexAttr(1));
  offsets[*position] = rewriter.getIndexAttr(range.first / divisor);
  sizes[*position] = rewriter.getIndexAttr((range.end - range.first) / divisor);
  return tensor::ExtractSliceOp::create(rewriter, loc, operand, offsets, sizes,
                                        strides);
}

// The region counts heads from the first of the range.
void HeadSplitter::shiftHeads(Region &region, unsigned argument,
                              int64_t first) {
  if (region.empty() || first == 0)
    return;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointToStart(&region.front());
  BlockArgument head = region.getArgument(argument);
  Value offset = arith::ConstantIndexOp::create(rewriter, loc, first);
  auto whole = arith::AddIOp::create(rewriter, loc, head, offset);
  head.replaceAllUsesExcept(whole, whole);
}

SmallVector<Value> HeadSplitter::split(ArrayRef<HeadRange> ranges) {
  SmallVector<AffineMap> maps = op.getRoleMaps();
  SmallVector<Value> results(op.getDpsInits());
  for (const HeadRange &range : ranges) {
    rewriter.setInsertionPoint(op);
    IRMapping mapping;
    auto part = cast<AttentionOp>(rewriter.clone(*op, mapping));
    rewriter.setInsertionPoint(part);
    part.getQueryMutable().assign(slice(op.getQuery(), maps[0], range));
    part.getKeyMutable().assign(slice(op.getKey(), maps[1], range));
    part.getValueMutable().assign(slice(op.getValue(), maps[2], range));
    if (op.getSinks()) {
      AffineMap heads = AffineMap::get(
          kNumLoopDims, 0, getAffineDimExpr(kHead, op.getContext()));
      part.getSinksMutable().assign(slice(op.getSinks(), heads, range));
    }
    SmallVector<Value> outputs;
    for (auto [index, whole] : llvm::enumerate(results)) {
      outputs.push_back(slice(whole, maps[3 + index], range));
      part.getDpsInitsMutable()[index].set(outputs.back());
      part->getResult(index).setType(outputs.back().getType());
    }
    Region &mask = part.getMaskRegion();
    rewriter.eraseBlock(&mask.front());
    specialize(op.getMaskRegion(), mask, range.first);
    shiftHeads(part.getScoreRegion(), 2, range.first);
    if (op.hasKeyRows())
      shiftHeads(part.getKeyRows(), 1, range.first);
    rewriter.setInsertionPointAfter(part);
    for (auto [index, whole] : llvm::enumerate(results)) {
      auto view = outputs[index].getDefiningOp<tensor::ExtractSliceOp>();
      whole = tensor::InsertSliceOp::create(
          rewriter, loc, part->getResult(index), whole, view.getMixedOffsets(),
          view.getMixedSizes(), view.getMixedStrides());
    }
  }
  return results;
}

/// Whether the tiles of one range can do what those of all heads cannot.
static bool isSimpler(const MaskAnalysis &range, const MaskAnalysis &whole) {
  return range.isTrivial() ||
         range.suggestSplit().divisors != whole.suggestSplit().divisors ||
         (range.isSingleInterval() && !whole.isSingleInterval());
}

bool HeadSplitter::run(int64_t maxRanges) {
  Region &mask = op.getMaskRegion();
  if (mask.empty() || mask.getArgument(1).use_empty())
    return false;
  SmallVector<AffineMap> maps = op.getRoleMaps();
  std::optional<int64_t> position = findHead(op.getQuery(), maps[0]);
  if (!position)
    return false;
  for (AffineMap map : maps)
    for (AffineExpr expr : map.getResults())
      if (expr.isFunctionOfDim(kHead))
        group = std::max(group, getDivisor(expr));
  int64_t numHeads =
      cast<RankedTensorType>(op.getQuery().getType()).getDimSize(*position);
  if (ShapedType::isDynamic(numHeads) || numHeads < 2 || numHeads > kMaxHeads)
    return false;

  SmallVector<HeadRange> ranges;
  std::string last;
  MaskAnalysis whole = MaskAnalysis::compute(mask);
  bool saysMore = false;
  for (int64_t head = 0; head < numHeads; ++head) {
    Region copy;
    specialize(mask, copy, head);
    std::string text = describe(copy);
    if (ranges.empty() || text != last) {
      ranges.push_back({head, head});
      saysMore |= isSimpler(MaskAnalysis::compute(copy), whole);
    }
    ranges.back().end = head + 1;
    last = std::move(text);
  }
  bool partsGroup = llvm::any_of(ranges, [&](const HeadRange &range) {
    return range.first % group != 0 || range.end % group != 0;
  });
  auto options =
      remark::RemarkOpts::name("HeadMasks").category("attn-split-heads");
  // What only differs in a number, the width of a window say, is a symbol.
  if (ranges.size() < 2 || !saysMore)
    return false;
  if (int64_t(ranges.size()) > maxRanges || partsGroup) {
    remark::missed(loc, options)
        << "masks of " << std::to_string(ranges.size())
        << " ranges of heads stay in one operation: "
        << (partsGroup
                ? "heads that share keys and values would be parted"
                : "more than the " + std::to_string(maxRanges) + " allowed");
    return false;
  }
  remark::passed(loc, options) << std::to_string(ranges.size())
                               << " ranges of heads with masks of their own";
  SmallVector<Value> results = split(ranges);
  rewriter.replaceOp(op, results);
  return true;
}

bool mlir::attn::splitHeads(RewriterBase &rewriter, AttentionOp op,
                            int64_t maxRanges) {
  return HeadSplitter(rewriter, op).run(maxRanges);
}

namespace {
struct SplitHeadsPass final
    : public attn::impl::SplitHeadsPassBase<SplitHeadsPass> {
  using Base::Base;
  void runOnOperation() override {
    SmallVector<AttentionOp> ops;
    getOperation().walk([&](AttentionOp op) { ops.push_back(op); });
    IRRewriter rewriter(&getContext());
    for (AttentionOp op : ops)
      splitHeads(rewriter, op, maxRanges);
  }
};
} // namespace
