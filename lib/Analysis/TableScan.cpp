//===- TableScan.cpp - Truth values of a table over a tile ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows and keys of a tile read a rectangle of the table. A loop per dimension
// that varies; the outermost ends once some entry is true and some is not.
// Along the innermost dimension whole vectors are read where it is long enough
// for one; the last of them ends where the rectangle does, and so reads again
// what the one before it read.
//
//===----------------------------------------------------------------------===//

#include "TileEmitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

namespace {

constexpr unsigned kVectorBits = 256;

class TableScan {
public:
  TableScan(OpBuilder &builder, Location loc, Region &region, const Node *node,
            IRMapping arguments)
      : b(builder), loc(loc), region(region), node(node),
        arguments(std::move(arguments)) {}

  /// Whether some, and whether every entry of the rectangle is true.
  std::pair<Value, Value> emit(ArrayRef<Value> first, ArrayRef<Value> end);

private:
  /// Some and every entry so far.
  using State = SmallVector<Value, 2>;

  /// How many entries a vector has; 0 where the truth of several at once is
  /// not known how to compute.
  int64_t getLanes() const;
  bool dependsOnRead(Value value) const;
  bool isElementwise(Value value) const;
  bool isLoop(unsigned dim) const {
    return node->indices[dim]->onRow || node->indices[dim]->onKey;
  }

  Value boolean(bool value) {
    return arith::ConstantIntOp::create(b, loc, value, 1);
  }
  Value constant(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }

  std::pair<Value, Value> emitLoops();
  State emitUntilMixed(unsigned dim);
  State emitFrom(unsigned dim, ValueRange carried);
  State emitVectors(ValueRange carried);
  Value emitEntry();
  Value widen(Value value, IRMapping &wide, IRMapping &scalars);
  State join(ValueRange state, Value entry) {
    return {arith::OrIOp::create(b, loc, state[0], entry),
            arith::AndIOp::create(b, loc, state[1], entry)};
  }

  OpBuilder &b;
  Location loc;
  Region &region;
  const Node *node;
  IRMapping arguments;
  SmallVector<Value> first, end, position;
  /// Entries read at once; 0: one by one.
  int64_t lanes = 0;
};

} // namespace

//===----------------------------------------------------------------------===//
// Whole vectors
//===----------------------------------------------------------------------===//

bool TableScan::dependsOnRead(Value value) const {
  Operation *op = value.getDefiningOp();
  if (!op || !region.isAncestor(op->getParentRegion()))
    return false;
  return op == node->read ||
         llvm::any_of(op->getOperands(),
                      [&](Value operand) { return dependsOnRead(operand); });
}

bool TableScan::isElementwise(Value value) const {
  Operation *op = value.getDefiningOp();
  if (!dependsOnRead(value) || op == node->read)
    return true;
  return OpTrait::hasElementwiseMappableTraits(op) &&
         op->getNumResults() == 1 &&
         VectorType::isValidElementType(value.getType()) &&
         llvm::all_of(op->getOperands(),
                      [&](Value operand) { return isElementwise(operand); });
}

int64_t TableScan::getLanes() const {
  Type element = node->read->getResult(0).getType();
  if (!isa<tensor::ExtractOp>(node->read) || node->indices.empty() ||
      !element.isIntOrFloat() || element.getIntOrFloatBitWidth() < 8 ||
      kVectorBits % element.getIntOrFloatBitWidth() != 0 ||
      !isLoop(node->indices.size() - 1) || !isElementwise(node->value))
    return 0;
  // Where many rows or keys share an entry, the tile reads few.
  for (const Term &term : node->indices.back()->terms)
    if (term.leaf->kind == LeafKind::FloorDiv)
      return 0;
  return kVectorBits / element.getIntOrFloatBitWidth();
}

Value TableScan::widen(Value value, IRMapping &wide, IRMapping &scalars) {
  if (Value known = wide.lookupOrNull(value))
    return known;
  auto vectorOf = [&](Type element) {
    return VectorType::get({lanes}, element);
  };
  Value result;
  if (!dependsOnRead(value)) {
    Value scalar = cloneInto(b, region, scalars, value);
    result =
        vector::BroadcastOp::create(b, loc, vectorOf(value.getType()), scalar);
  } else {
    Operation *op = value.getDefiningOp();
    SmallVector<Value> operands;
    for (Value operand : op->getOperands())
      operands.push_back(widen(operand, wide, scalars));
    OperationState state(loc, op->getName().getStringRef(), operands,
                         vectorOf(value.getType()), op->getAttrs());
    result = b.create(state)->getResult(0);
  }
  wide.map(value, result);
  return result;
}

// The truth of the entry, or entries, at the position.
Value TableScan::emitEntry() {
  Operation *read = node->read;
  IRMapping scalars = arguments;
  Value table = cloneInto(b, region, scalars, read->getOperand(0));
  Value value;
  if (lanes == 0) {
    IRMapping at = scalars;
    at.map(read->getOperand(0), table);
    for (auto [operand, index] :
         llvm::zip(read->getOperands().take_back(position.size()), position))
      at.map(operand, index);
    scalars.map(read->getResult(0), b.clone(*read, at)->getResult(0));
    value = cloneInto(b, region, scalars, node->value);
  } else {
    Type element = read->getResult(0).getType();
    IRMapping wide;
    Value padding = arith::ConstantOp::create(b, loc, b.getZeroAttr(element));
    wide.map(read->getResult(0),
             vector::TransferReadOp::create(
                 b, loc, VectorType::get({lanes}, element), table, position,
                 std::optional<Value>(padding), ArrayRef<bool>{true})
                 .getResult());
    value = widen(node->value, wide, scalars);
  }
  if (!node->negated)
    return value;
  Value yes = arith::ConstantOp::create(
      b, loc,
      cast<TypedAttr>(lanes == 0
                          ? Attribute(b.getBoolAttr(true))
                          : DenseElementsAttr::get(
                                cast<VectorType>(value.getType()), true)));
  return arith::XOrIOp::create(b, loc, value, yes);
}

TableScan::State TableScan::emitVectors(ValueRange carried) {
  auto type = VectorType::get({lanes}, b.getI1Type());
  State none;
  for (bool value : {false, true})
    none.push_back(
        arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, value)));
  Value last = arith::SubIOp::create(b, loc, end.back(), constant(lanes));
  auto loop = scf::ForOp::create(b, loc, first.back(), end.back(),
                                 constant(lanes), none);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(loop.getBody());
    position.back() =
        arith::MinSIOp::create(b, loc, loop.getInductionVar(), last);
    State next = join(loop.getRegionIterArgs(), emitEntry());
    scf::YieldOp::create(b, loc, next);
  }
  Value some = vector::ReductionOp::create(b, loc, vector::CombiningKind::OR,
                                           loop.getResult(0));
  Value every = vector::ReductionOp::create(b, loc, vector::CombiningKind::AND,
                                            loop.getResult(1));
  return {arith::OrIOp::create(b, loc, carried[0], some),
          arith::AndIOp::create(b, loc, carried[1], every)};
}

//===----------------------------------------------------------------------===//
// The loops
//===----------------------------------------------------------------------===//

TableScan::State TableScan::emitFrom(unsigned dim, ValueRange carried) {
  if (dim == position.size())
    return join(carried, emitEntry());
  if (!isLoop(dim))
    return emitFrom(dim + 1, carried);
  if (lanes != 0 && dim + 1 == position.size())
    return emitVectors(carried);
  OpBuilder::InsertionGuard guard(b);
  auto loop =
      scf::ForOp::create(b, loc, first[dim], end[dim], constant(1), carried);
  b.setInsertionPointToStart(loop.getBody());
  position[dim] = loop.getInductionVar();
  State next = emitFrom(dim + 1, loop.getRegionIterArgs());
  scf::YieldOp::create(b, loc, next);
  return State(loop.getResults());
}

TableScan::State TableScan::emitUntilMixed(unsigned dim) {
  SmallVector<Type> types = {b.getIndexType(), b.getI1Type(), b.getI1Type()};
  Value yes = boolean(true);
  auto loop = scf::WhileOp::create(
      b, loc, types, ValueRange{first[dim], boolean(false), yes},
      [&](OpBuilder &, Location, ValueRange args) {
        Value isLeft = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt,
                                             args[0], end[dim]);
        Value noneYet = arith::XOrIOp::create(b, loc, args[1], yes);
        Value open = arith::OrIOp::create(b, loc, noneYet, args[2]);
        scf::ConditionOp::create(
            b, loc, arith::AndIOp::create(b, loc, isLeft, open), args);
      },
      [&](OpBuilder &, Location, ValueRange args) {
        position[dim] = args[0];
        Value following = arith::AddIOp::create(b, loc, args[0], constant(1));
        State next = emitFrom(dim + 1, args.drop_front());
        scf::YieldOp::create(b, loc, ValueRange{following, next[0], next[1]});
      });
  return {loop.getResult(1), loop.getResult(2)};
}

std::pair<Value, Value> TableScan::emitLoops() {
  position = first;
  unsigned outer = 0;
  while (outer < position.size() && !isLoop(outer))
    ++outer;
  bool isRow = lanes != 0 && outer + 1 == position.size();
  State result = isRow ? emitVectors({boolean(false), boolean(true)})
                       : emitUntilMixed(outer);
  return {result[0], result[1]};
}

std::pair<Value, Value> TableScan::emit(ArrayRef<Value> firstPosition,
                                        ArrayRef<Value> endPosition) {
  first.assign(firstPosition.begin(), firstPosition.end());
  end.assign(endPosition.begin(), endPosition.end());
  int64_t wanted = getLanes();
  if (wanted == 0)
    return emitLoops();
  Value length = arith::SubIOp::create(b, loc, end.back(), first.back());
  Value isLong = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sge,
                                       length, constant(wanted));
  auto branch =
      scf::IfOp::create(b, loc, TypeRange{b.getI1Type(), b.getI1Type()}, isLong,
                        /*addThenBlock=*/true, /*addElseBlock=*/true);
  OpBuilder::InsertionGuard guard(b);
  for (Region *part : {&branch.getThenRegion(), &branch.getElseRegion()}) {
    b.setInsertionPointToStart(&part->front());
    lanes = part == &branch.getThenRegion() ? wanted : 0;
    auto [some, every] = emitLoops();
    scf::YieldOp::create(b, loc, ValueRange{some, every});
  }
  return {branch.getResult(0), branch.getResult(1)};
}

std::pair<Condition, Condition> TileEmitter::scan(const Node *node,
                                                  const Keys &keys) {
  IRMapping arguments;
  arguments.map(facts.region.getArgument(0), batch);
  arguments.map(facts.region.getArgument(1), head);
  // Extremes may be wider than what is read, and the table does not go on.
  IRMapping outside = arguments;
  Value table =
      cloneInto(builder, facts.region, outside, node->read->getOperand(0));
  SmallVector<Value> first, end;
  for (auto [dim, sum] : llvm::enumerate(node->indices)) {
    Value size = isa<RankedTensorType>(table.getType())
                     ? builder.createOrFold<tensor::DimOp>(loc, table, dim)
                     : builder.createOrFold<memref::DimOp>(loc, table, dim);
    Index lastEntry = sub(wrap(size, {0, kPositionLimit}), constant(1));
    Index least = maximum(extremeOverKeys(sum, false, keys), constant(0));
    Index most = minimum(extremeOverKeys(sum, true, keys), lastEntry);
    first.push_back(materialize(minimum(least, lastEntry)));
    end.push_back(materialize(add(most, constant(1))));
  }
  TableScan scan(builder, loc, facts.region, node, arguments);
  auto [some, every] = scan.emit(first, end);
  return {Condition{some}, Condition{every}};
}
