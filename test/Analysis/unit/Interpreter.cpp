//===- Interpreter.cpp - Runs index and integer arithmetic ----------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Interpreter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdlib>

using namespace mlir;
using namespace ::attn::test;

enum Kind {
  Constant,
  Add,
  Sub,
  Mul,
  FloorDiv,
  CeilDiv,
  Div,
  Rem,
  DivU,
  RemU,
  Min,
  Max,
  MinU,
  MaxU,
  Shl,
  ShrS,
  ShrU,
  And,
  Or,
  Xor,
  Abs,
  Select,
  Compare,
  SignExtend,
  ZeroExtend,
  Apply,
  Opaque,
  Unknown,
};

static Kind kindOf(Operation *op) {
  return llvm::StringSwitch<Kind>(op->getName().getStringRef())
      .Case("arith.constant", Constant)
      .Case("arith.addi", Add)
      .Case("arith.subi", Sub)
      .Case("arith.muli", Mul)
      .Case("arith.floordivsi", FloorDiv)
      .Case("arith.ceildivsi", CeilDiv)
      .Case("arith.divsi", Div)
      .Case("arith.remsi", Rem)
      .Case("arith.divui", DivU)
      .Case("arith.remui", RemU)
      .Case("arith.minsi", Min)
      .Case("arith.maxsi", Max)
      .Case("arith.minui", MinU)
      .Case("arith.maxui", MaxU)
      .Case("arith.shli", Shl)
      .Case("arith.shrsi", ShrS)
      .Case("arith.shrui", ShrU)
      .Case("arith.andi", And)
      .Case("arith.ori", Or)
      .Case("arith.xori", Xor)
      .Case("math.absi", Abs)
      .Case("arith.select", Select)
      .Case("arith.cmpi", Compare)
      .Cases({"arith.index_cast", "arith.extsi", "arith.trunci"}, SignExtend)
      .Cases({"arith.index_castui", "arith.extui"}, ZeroExtend)
      .Case("affine.apply", Apply)
      .Case("test.opaque", Opaque)
      .Default(Unknown);
}

static unsigned widthOf(Value value) {
  return value.getType().isIndex() ? 64
                                   : value.getType().getIntOrFloatBitWidth();
}

unsigned Interpreter::slot(Value value) {
  auto [it, inserted] = slots.try_emplace(value, registers.size());
  if (inserted)
    registers.push_back(0);
  return it->second;
}

int64_t &Interpreter::input(Value value) { return registers[slot(value)]; }

int64_t Interpreter::operator[](Value value) const {
  return registers[slots.lookup(value)];
}

void Interpreter::compile(Block::iterator first, Block::iterator last) {
  for (Operation &op : llvm::make_range(first, last)) {
    Kind kind = kindOf(&op);
    if (kind == Unknown) {
      llvm::errs() << "cannot interpret " << op << "\n";
      std::abort();
    }
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      auto value = cast<IntegerAttr>(constant.getValue()).getValue();
      input(constant) = value.getBitWidth() == 1 ? value.getZExtValue()
                                                 : value.getSExtValue();
      continue;
    }
    Instruction instruction{&op, kind, widthOf(op.getResult(0)), 0, {}};
    for (auto [index, operand] : llvm::enumerate(op.getOperands()))
      instruction.operands[index] = slot(operand);
    instruction.result = slot(op.getResult(0));
    code.push_back(instruction);
  }
}

static bool compare(arith::CmpIPredicate predicate, int64_t a, int64_t b) {
  uint64_t ua = a, ub = b;
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return a == b;
  case arith::CmpIPredicate::ne:
    return a != b;
  case arith::CmpIPredicate::slt:
    return a < b;
  case arith::CmpIPredicate::sle:
    return a <= b;
  case arith::CmpIPredicate::sgt:
    return a > b;
  case arith::CmpIPredicate::sge:
    return a >= b;
  case arith::CmpIPredicate::ult:
    return ua < ub;
  case arith::CmpIPredicate::ule:
    return ua <= ub;
  case arith::CmpIPredicate::ugt:
    return ua > ub;
  case arith::CmpIPredicate::uge:
    return ua >= ub;
  }
  std::abort();
}

static int64_t applyMap(AffineExpr expr, ArrayRef<int64_t> dims) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return dims[dim.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  int64_t a = applyMap(binary.getLHS(), dims);
  int64_t b = applyMap(binary.getRHS(), dims);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return a + b;
  case AffineExprKind::Mul:
    return a * b;
  case AffineExprKind::FloorDiv:
    return llvm::divideFloorSigned(a, b);
  case AffineExprKind::CeilDiv:
    return llvm::divideCeilSigned(a, b);
  case AffineExprKind::Mod:
    return llvm::mod(a, b);
  default:
    std::abort();
  }
}

int64_t Interpreter::execute(const Instruction &instruction) const {
  int64_t a = registers[instruction.operands[0]];
  int64_t b = registers[instruction.operands[1]];
  uint64_t mask = ~uint64_t(0) >> (64 - instruction.width);
  uint64_t ua = a & mask, ub = b & mask;
  switch (instruction.kind) {
  case Add:
    return a + b;
  case Sub:
    return a - b;
  case Mul:
    return a * b;
  case FloorDiv:
    return llvm::divideFloorSigned(a, b);
  case CeilDiv:
    return llvm::divideCeilSigned(a, b);
  case Div:
    return a / b;
  case Rem:
    return a % b;
  case DivU:
    return ua / ub;
  case RemU:
    return ua % ub;
  case Min:
    return std::min(a, b);
  case Max:
    return std::max(a, b);
  case MinU:
    return ua < ub ? a : b;
  case MaxU:
    return ua < ub ? b : a;
  case Shl:
    return ua << b;
  case ShrS:
    return a >> b;
  case ShrU:
    return ua >> b;
  case And:
    return a & b;
  case Or:
    return a | b;
  case Xor:
    return a ^ b;
  case Abs:
    return std::abs(a);
  case Select:
    return a ? b : registers[instruction.operands[2]];
  case Compare:
    return compare(cast<arith::CmpIOp>(instruction.op).getPredicate(), a, b);
  case SignExtend: // an i1 is kept as 0 or 1
    return widthOf(instruction.op->getOperand(0)) == 1 ? -a : a;
  case ZeroExtend: {
    unsigned from = widthOf(instruction.op->getOperand(0));
    return a & (~uint64_t(0) >> (64 - from));
  }
  case Apply:
    return applyMap(
        cast<affine::AffineApplyOp>(instruction.op).getAffineMap().getResult(0),
        {a, b});
  case Opaque:
    return ((a * 31 + b * 17) ^ (a >> 1)) % 3 == 0;
  }
  std::abort();
}

void Interpreter::run() {
  for (const Instruction &instruction : code) {
    int64_t value = execute(instruction);
    if (instruction.width == 1)
      value &= 1;
    else
      value = llvm::SignExtend64(value, instruction.width);
    registers[instruction.result] = value;
  }
}
