//===- TableMaskAttrs.cpp - Masks that read tensors -----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttrBuilders.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// One element a token
//===----------------------------------------------------------------------===//

/// The entry of a token in a tensor [N] or [B, N].
static Value loadToken(ExprBuilder &e, Value from, Value batch, Value token) {
  if (cast<ShapedType>(from.getType()).getRank() == 1)
    return e.load(from, token);
  return e.load(from, {batch, token});
}

/// A tensor [N] or [B, N] of integers; `letters` names N.
static LogicalResult verifyTokens(const OperandChecks &checks, unsigned operand,
                                  StringRef letter, int64_t tokens,
                                  StringRef elements, const PairSizes &sizes) {
  ShapedType type = checks.shaped(operand);
  bool isList = type && (type.getRank() == 1 || type.getRank() == 2) &&
                isIntegerOrIndex(type.getElementType());
  return failure(
      failed(checks.require(isList, operand,
                            "be a tensor [" + letter + "] or [B, " + letter +
                                "] of " + elements)) ||
      failed(checks.sizes(operand, {{"B", sizes.batch}, {letter, tokens}})));
}

/// The tensor of global tokens: of the keys and, if symmetric, the queries.
static LogicalResult verifyIsGlobal(const OperandChecks &checks, bool symmetric,
                                    const PairSizes &sizes) {
  if (failed(checks.count(1, 1)) ||
      failed(verifyTokens(checks, 0, "S", sizes.keys, "i1 or integers", sizes)))
    return failure();
  if (!symmetric)
    return success();
  return verifyTokens(checks, 0, "L", sizes.queries, "i1 or integers", sizes);
}

Value DocumentsAttr::materialize(OpBuilder &b, Location loc,
                                 const PairContext &pair) const {
  ExprBuilder e{b, loc};
  Value query = loadToken(e, pair.operands.front(), pair.batch, pair.query);
  Value key = loadToken(e, pair.operands.back(), pair.batch, pair.key);
  return e.compare(arith::CmpIPredicate::eq, query, key);
}

LogicalResult
DocumentsAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                              TypeRange types, const PairSizes &sizes) const {
  OperandChecks checks{emitError, getMnemonic(), types};
  if (failed(checks.count(1, 2)) ||
      failed(verifyTokens(checks, 0, "L", sizes.queries, "integers", sizes)) ||
      failed(verifyTokens(checks, types.size() - 1, "S", sizes.keys, "integers",
                          sizes)))
    return failure();
  Type first = getElementTypeOrSelf(types.front());
  Type last = getElementTypeOrSelf(types.back());
  if (first != last)
    return emitError() << "expects the operands of '#attn.documents' to have "
                          "one element type, but got "
                       << first << " and " << last;
  return success();
}

/// The key is global or, if symmetric, the query is.
static Value isGlobal(ExprBuilder &e, bool symmetric, const PairContext &pair) {
  Value table = pair.operands.front();
  Value key = e.toBool(loadToken(e, table, pair.batch, pair.key));
  if (!symmetric)
    return key;
  Value query = e.toBool(loadToken(e, table, pair.batch, pair.query));
  return e.either(query, key);
}

Value GlobalTokensAttr::materialize(OpBuilder &b, Location loc,
                                    const PairContext &pair) const {
  ExprBuilder e{b, loc};
  return isGlobal(e, getSymmetric(), pair);
}

LogicalResult
GlobalTokensAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                                 TypeRange types,
                                 const PairSizes &sizes) const {
  return verifyIsGlobal({emitError, getMnemonic(), types}, getSymmetric(),
                        sizes);
}

LogicalResult
LongformerAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                       int64_t window) {
  if (window < 0)
    return emitError() << "expects the window of '#attn.longformer' to be 0 or "
                          "more, but got "
                       << window;
  return success();
}

Value LongformerAttr::materialize(OpBuilder &b, Location loc,
                                  const PairContext &pair) const {
  ExprBuilder e{b, loc};
  Value near = e.isNear(pair.query, pair.key, getWindow());
  return e.either(near, isGlobal(e, /*symmetric=*/true, pair));
}

LogicalResult
LongformerAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                               TypeRange types, const PairSizes &sizes) const {
  return verifyIsGlobal({emitError, getMnemonic(), types}, /*symmetric=*/true,
                        sizes);
}

//===----------------------------------------------------------------------===//
// Blocks
//===----------------------------------------------------------------------===//

LogicalResult BlocksAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t blockQ, int64_t blockKv) {
  if (std::min(blockQ, blockKv) < 1)
    return emitError() << "expects 'block_q' and 'block_kv' of '#attn.blocks' "
                          "to be 1 or more, but got "
                       << std::min(blockQ, blockKv);
  return success();
}

Value BlocksAttr::materialize(OpBuilder &b, Location loc,
                              const PairContext &pair) const {
  ExprBuilder e{b, loc};
  Value table = pair.operands.front();
  auto type = cast<ShapedType>(table.getType());
  SmallVector<Value> indices;
  Value leading[] = {pair.batch, pair.head};
  for (auto [size, index] :
       llvm::zip_equal(type.getShape().drop_back(2),
                       ArrayRef<Value>(leading).take_back(type.getRank() - 2)))
    indices.push_back(size == 1 ? e.constant(0) : index);
  indices.push_back(e.floorDiv(pair.query, getBlockQ()));
  indices.push_back(e.floorDiv(pair.key, getBlockKv()));
  return e.toBool(e.load(table, indices));
}

LogicalResult
BlocksAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                           TypeRange types, const PairSizes &sizes) const {
  OperandChecks checks{emitError, getMnemonic(), types};
  if (failed(checks.count(1, 1)))
    return failure();
  ShapedType type = checks.shaped(0);
  bool isTable = type && type.getRank() >= 2 && type.getRank() <= 4 &&
                 isIntegerOrIndex(type.getElementType());
  if (failed(checks.require(isTable, 0,
                            "be a tensor of rank 2 to 4 of i1 or integers")))
    return failure();
  ExpectedSize expected[] = {{"B", sizes.batch},
                             {"H", sizes.heads},
                             {"L", sizes.queries, getBlockQ()},
                             {"S", sizes.keys, getBlockKv()}};
  expected[0].mayBroadcast = expected[1].mayBroadcast = true;
  expected[2].mayExceed = expected[3].mayExceed = true;
  return checks.sizes(0, expected);
}

//===----------------------------------------------------------------------===//
// BigBird
//===----------------------------------------------------------------------===//

LogicalResult BigBirdAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  int64_t block, int64_t windowBlocks,
                                  int64_t globalBlocks) {
  if (block < 1)
    return emitError() << "expects 'block' of '#attn.bigbird' to be 1 or more, "
                          "but got "
                       << block;
  if (std::min(windowBlocks, globalBlocks) < 0)
    return emitError() << "expects 'window_blocks' and 'global_blocks' of "
                          "'#attn.bigbird' to be 0 or more, but got "
                       << std::min(windowBlocks, globalBlocks);
  return success();
}

/// A block is among the first or last ones of `size` positions.
static Value isAtEnd(ExprBuilder &e, Value block, Value size, int64_t length,
                     int64_t count) {
  Value last = e.floorDiv(e.add(size, -1), length);
  Value first = e.compare(arith::CmpIPredicate::slt, block, e.constant(count));
  Value end = e.compare(arith::CmpIPredicate::sgt, block, e.add(last, -count));
  return e.either(first, end);
}

Value BigBirdAttr::materialize(OpBuilder &b, Location loc,
                               const PairContext &pair) const {
  ExprBuilder e{b, loc};
  Value table = pair.operands.front();
  Value row = e.floorDiv(pair.query, getBlock());
  Value column = e.floorDiv(pair.key, getBlock());
  Value keep = e.isNear(row, column, getWindowBlocks());
  if (getGlobalBlocks()) {
    keep = e.either(
        keep, isAtEnd(e, row, pair.numQueries, getBlock(), getGlobalBlocks()));
    keep = e.either(
        keep, isAtEnd(e, column, pair.numKeys, getBlock(), getGlobalBlocks()));
  }
  ArrayRef<int64_t> shape = cast<ShapedType>(table.getType()).getShape();
  for (int64_t pick = 0; pick < shape.back(); ++pick) {
    SmallVector<Value> indices = {row, e.constant(pick)};
    if (shape.size() == 3)
      indices.insert(indices.begin(), pair.head);
    Value picked = e.toIndex(e.load(table, indices));
    keep = e.either(keep, e.compare(arith::CmpIPredicate::eq, picked, column));
  }
  return keep;
}

LogicalResult
BigBirdAttr::verifyOperands(function_ref<InFlightDiagnostic()> emitError,
                            TypeRange types, const PairSizes &sizes) const {
  OperandChecks checks{emitError, getMnemonic(), types};
  if (failed(checks.count(1, 1)))
    return failure();
  ShapedType type = checks.shaped(0);
  bool isTable = type && (type.getRank() == 2 || type.getRank() == 3) &&
                 isIntegerOrIndex(type.getElementType()) &&
                 !type.isDynamicDim(type.getRank() - 1);
  if (failed(checks.require(isTable, 0,
                            "be an integer tensor [n, r] or [H, n, r] with r "
                            "static")))
    return failure();
  ExpectedSize expected[] = {{"H", sizes.heads},
                             {"L", sizes.queries, getBlock()},
                             {"r", ShapedType::kDynamic}};
  expected[1].mayExceed = true;
  return checks.sizes(0, expected);
}
