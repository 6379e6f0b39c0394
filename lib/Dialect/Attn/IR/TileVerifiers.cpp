//===- TileVerifiers.cpp - Constraints of the operations around a tile ----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttnMaps.h"

#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace mlir::attn;
using llvm::SmallBitVector;

//===----------------------------------------------------------------------===//
// attn.merge
//===----------------------------------------------------------------------===//

LogicalResult MergeOp::verify() {
  // merge_c1
  static constexpr StringLiteral names[] = {"accumulator", "maximum", "sum"};
  for (unsigned i = 0; i < 3; ++i) {
    Type first = getOperand(i).getType(), second = getOperand(i + 3).getType();
    if (first != second)
      return emitOpError() << "expects both '" << names[i]
                           << "' operands to have the same type, but got "
                           << first << " and " << second;
  }
  auto accumulator = cast<ShapedType>(getAccumulator().getType());
  Type element = accumulator.getElementType();
  if (!isa<FloatType>(element) || accumulator.getRank() == 0)
    return emitOpError() << "expects 'accumulator' to hold floating-point rows,"
                            " but got "
                         << accumulator;
  // merge_c2
  for (unsigned i = 1; i < 3; ++i) {
    auto rows = cast<ShapedType>(getOperand(i).getType());
    if (rows.getElementType() != element ||
        failed(verifyCompatibleShape(rows.getShape(),
                                     accumulator.getShape().drop_back())))
      return emitOpError() << "expects '" << names[i]
                           << "' to have the shape and element type of "
                              "'accumulator' without its last dimension, but "
                              "got "
                           << rows << " and " << accumulator;
  }
  return success();
}

//===----------------------------------------------------------------------===//
// attn.pack
//===----------------------------------------------------------------------===//

/// Checks that a map goes from (h, r, c) to the operand's dimensions.
static LogicalResult verifyTileMap(Operation *op, AffineMap map, Value operand,
                                   StringRef name) {
  int64_t rank = cast<ShapedType>(operand.getType()).getRank();
  if (map.getNumDims() == 3 && !map.getNumSymbols() &&
      map.getNumResults() == rank)
    return success();
  return op->emitOpError() << "expects the map of '" << name
                           << "' to have 3 dimensions, no symbols and " << rank
                           << " results, but got " << AffineMapAttr::get(map);
}

/// Distinct dimensions, where `maySplit` allows one to be split in two.
static bool hasDistinctDims(AffineMap map, bool maySplit) {
  SmallBitVector wholes(3), quotients(3), remainders(3);
  for (AffineExpr expr : map.getResults()) {
    std::optional<DimUse> use = getDimUse(expr);
    if (!use || (use->kind != DimUse::Whole &&
                 (!maySplit || use->dim == 0 || use->divisor != 2)))
      return false;
    SmallBitVector &seen = use->kind == DimUse::Whole      ? wholes
                           : use->kind == DimUse::Quotient ? quotients
                                                           : remainders;
    if (seen.test(use->dim))
      return false;
    seen.set(use->dim);
  }
  return quotients == remainders && quotients.count() <= 1 &&
         !wholes.anyCommon(quotients);
}

/// Distinct dimensions, where the rows may be the axes of a grid.
static bool hasGridRows(AffineMap map) {
  std::optional<SmallVector<RowAxis>> axes = getRowAxes(map);
  if (!axes)
    return false;
  SmallVector<AffineExpr> others;
  for (AffineExpr expr : map.getResults())
    if (!expr.isFunctionOfDim(1))
      others.push_back(expr);
  return hasDistinctDims(AffineMap::get(3, 0, others, map.getContext()),
                         /*maySplit=*/false);
}

/// Checks the sizes an operand has along the axes of a grid.
static LogicalResult verifyGridSizes(Operation *op, AffineMap map,
                                     Value operand, StringRef name) {
  auto type = cast<ShapedType>(operand.getType());
  std::optional<SmallVector<RowAxis>> axes = getRowAxes(map);
  for (const RowAxis &axis : *axes) {
    int64_t size = type.getDimSize(axis.position);
    if (axis.size && ShapedType::isStatic(size) && size > axis.size)
      return op->emitOpError()
             << "expects '" << name << "' dim " << axis.position
             << " to be at most " << axis.size
             << ", the size of its axis in the map, but got " << size;
  }
  return success();
}

static LogicalResult verifyGather(PackOp op) {
  // pack_c5
  if (!op.getGather())
    return success();
  auto type = cast<ShapedType>(op.getGather().getType());
  if (type.getRank() != 1 || !type.getElementType().isIndex())
    return op.emitOpError()
           << "expects 'gather' to be a list of index, but got " << type;
  if (!op.getSourceMap().getResultPosition(
          getAffineDimExpr(1, op.getContext())))
    return op.emitOpError() << "expects the map of 'source' to have r whole "
                               "where there is a 'gather', but got "
                            << op.getMaps()[0];
  return success();
}

LogicalResult PackOp::verify() {
  // pack_c1
  if (getMaps().size() != 2)
    return emitOpError() << "expects 'maps' to hold 2 maps, but got "
                         << getMaps().size();
  if (failed(verifyTileMap(*this, getSourceMap(), getSource(), "source")) ||
      failed(verifyTileMap(*this, getDestinationMap(), getDestination(),
                           "destination")))
    return failure();
  // pack_c2
  if (!hasGridRows(getSourceMap()))
    return emitOpError() << "expects the map of 'source' to hold distinct "
                            "dimensions, or rows as the axes of a grid, but "
                            "got "
                         << getMaps()[0];
  if (!hasDistinctDims(getDestinationMap(), /*maySplit=*/true))
    return emitOpError() << "expects the map of 'destination' to hold distinct "
                            "dimensions, one of them split by 2 at most, but "
                            "got "
                         << getMaps()[1];
  // pack_c3
  for (Value operand : {getSource(), getDestination()})
    if (!isa<FloatType>(getElementTypeOrSelf(operand.getType())))
      return emitOpError() << "expects '"
                           << (operand == getSource() ? "source"
                                                      : "destination")
                           << "' to hold floating-point elements, but got "
                           << operand.getType();
  // pack_c4
  if (getScale() && getScaleValueAttr())
    return emitOpError()
           << "expects 'scale' to be an attribute or an operand, but got both";
  // pack_c6
  return failure(
      failed(verifyGather(*this)) ||
      failed(verifyGridSizes(*this, getSourceMap(), getSource(), "source")));
}

//===----------------------------------------------------------------------===//
// attn.normalize
//===----------------------------------------------------------------------===//

/// Checks that `rows`, placed by `rowMap`, has the shape of `full` without its
/// columns.
static LogicalResult verifyRowShape(NormalizeOp op, Value rows, StringRef name,
                                    AffineMap rowMap, Value full,
                                    StringRef fullName, AffineMap map) {
  auto fullType = cast<ShapedType>(full.getType());
  auto rowsType = cast<ShapedType>(rows.getType());
  SmallVector<int64_t> expected;
  AffineExpr columns = getAffineDimExpr(2, op.getContext());
  for (AffineExpr expr : rowMap.getResults()) {
    const auto *found = llvm::find(map.getResults(), expr);
    if (found != map.getResults().end() && expr != columns)
      expected.push_back(fullType.getDimSize(found - map.getResults().begin()));
  }
  bool hasColumns = map.getResultPosition(columns).has_value();
  if (expected.size() == rowMap.getNumResults() &&
      expected.size() + hasColumns == map.getNumResults() &&
      succeeded(verifyCompatibleShape(expected, rowsType.getShape())))
    return success();
  return op.emitOpError() << "expects '" << name << "' to have the shape of '"
                          << fullName << "' without its columns, but got "
                          << rowsType << " and " << fullType;
}

LogicalResult NormalizeOp::verify() {
  // normalize_c1
  size_t most = getLse() ? 3 : 2;
  if (getMaps() && (getMaps()->size() < 2 || getMaps()->size() > most))
    return emitOpError() << "expects 'maps' to hold "
                         << (getLse() ? "2 or 3" : "2") << " maps, but got "
                         << getMaps()->size();
  SmallVector<std::tuple<AffineMap, Value, StringRef>> shaped = {
      {getAccumulatorMap(), getAccumulator(), "accumulator"},
      {getOutputMap(), getOutput(), "output"}};
  if (getLse())
    shaped.emplace_back(getLseMap(), getLse(), "lse");
  for (auto [map, operand, name] : shaped) {
    if (failed(verifyTileMap(*this, map, operand, name)))
      return failure();
    bool maySplit = operand != getAccumulator();
    if (maySplit ? !hasGridRows(map) : !hasDistinctDims(map, false))
      return emitOpError() << "expects the map of '" << name
                           << "' to hold distinct dimensions"
                           << (maySplit ? ", or rows as the axes of a grid"
                                        : "")
                           << ", but got " << AffineMapAttr::get(map);
  }
  // normalize_c2
  std::pair<Value, StringRef> states[] = {{getMaximum(), "maximum"},
                                          {getSum(), "sum"}};
  for (auto [rows, name] : states)
    if (failed(verifyRowShape(
            *this, rows, name, dropColumns(getAccumulatorMap()),
            getAccumulator(), "accumulator", getAccumulatorMap())))
      return failure();
  if (getLse() && failed(verifyRowShape(*this, getLse(), "lse", getLseMap(),
                                        getOutput(), "output", getOutputMap())))
    return failure();
  // normalize_c3
  Type element = getElementTypeOrSelf(getAccumulator().getType());
  if (!element.isF32() && !element.isF64())
    return emitOpError() << "expects 'accumulator' to hold f32 or f64, but got "
                         << element;
  std::pair<Value, StringRef> same[] = {
      {getMaximum(), "maximum"}, {getSum(), "sum"}, {getLse(), "lse"}};
  for (auto [operand, name] : same)
    if (operand && getElementTypeOrSelf(operand.getType()) != element)
      return emitOpError() << "expects '" << name
                           << "' element type to equal 'accumulator' element "
                              "type ("
                           << element << "), but got "
                           << getElementTypeOrSelf(operand.getType());
  // normalize_c4
  return verifyGridSizes(*this, getOutputMap(), getOutput(), "output");
}
