//===- MaskText.cpp - Mask expressions in words ---------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MaskText.h"
#include "Dependence.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::attn;

//===----------------------------------------------------------------------===//
// Classes
//===----------------------------------------------------------------------===//

/// Bits, or numbers of which only whether they are zero matters.
static bool isBoolean(tensor::ExtractOp read) {
  if (read.getType().isInteger(1))
    return true;
  return llvm::all_of(read->getUsers(), [](Operation *user) {
    auto compare = dyn_cast<arith::CmpIOp>(user);
    return compare && matchPattern(compare.getRhs(), m_Zero()) &&
           (compare.getPredicate() == arith::CmpIPredicate::ne ||
            compare.getPredicate() == arith::CmpIPredicate::eq);
  });
}

unsigned mlir::attn::getMaskClass(Region &region,
                                  const MaskAnalysis &analysis) {
  if (!analysis.isExact())
    return 4;
  unsigned result = 1;
  region.walk([&](tensor::ExtractOp read) {
    bool isTable = llvm::any_of(read.getIndices(), [&](Value index) {
      mask::Dependence reads = mask::dependenceOf(index, region);
      return reads.onRow || reads.onKey;
    });
    if (!isTable || result == 2)
      return;
    result = isBoolean(read) ? 3 : 2;
  });
  return result;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static constexpr unsigned kMaxDepth = 6;

static void write(raw_ostream &os, Value value, unsigned depth,
                  bool isOperand = false);

static void writeList(raw_ostream &os, ValueRange values, unsigned depth) {
  llvm::interleaveComma(values, os,
                        [&](Value value) { write(os, value, depth); });
}

static StringRef getSymbol(Operation *op) {
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    StringRef name = stringifyCmpIPredicate(compare.getPredicate());
    return llvm::StringSwitch<StringRef>(name)
        .Case("eq", "==")
        .Case("ne", "!=")
        .Cases({"slt", "ult"}, "<")
        .Cases({"sle", "ule"}, "<=")
        .Cases({"sgt", "ugt"}, ">")
        .Default(">=");
  }
  if (auto compare = dyn_cast<arith::CmpFOp>(op)) {
    StringRef name = arith::stringifyCmpFPredicate(compare.getPredicate());
    // Ordered or not.
    return llvm::StringSwitch<StringRef>(name.drop_front())
        .Case("eq", "==")
        .Case("ne", "!=")
        .Case("lt", "<")
        .Case("le", "<=")
        .Case("gt", ">")
        .Case("ge", ">=")
        .Default("");
  }
  return llvm::StringSwitch<StringRef>(op->getName().getStringRef())
      .Cases({"arith.addi", "arith.addf"}, "+")
      .Cases({"arith.subi", "arith.subf"}, "-")
      .Cases({"arith.muli", "arith.mulf"}, "*")
      .Cases({"arith.floordivsi", "arith.divui"}, "//")
      .Case("arith.divf", "/")
      .Cases({"arith.remsi", "arith.remui"}, "%")
      .Case("arith.andi", "&")
      .Case("arith.ori", "|")
      .Case("arith.xori", "^")
      .Case("arith.shli", "<<")
      .Cases({"arith.shrsi", "arith.shrui"}, ">>")
      .Default("");
}

static void writeOp(raw_ostream &os, Operation *op, unsigned depth,
                    bool isOperand) {
  IntegerAttr integer;
  FloatAttr number;
  if (matchPattern(op, m_Constant(&integer))) {
    os << integer.getValue();
    return;
  }
  if (matchPattern(op, m_Constant(&number))) {
    SmallString<16> digits;
    number.getValue().toString(digits, /*FormatPrecision=*/6);
    os << digits;
    return;
  }
  if (depth == kMaxDepth) {
    os << "..";
    return;
  }
  ++depth;
  if (auto read = dyn_cast<tensor::ExtractOp>(op)) {
    os << "table[";
    writeList(os, read.getIndices(), depth);
    os << "]";
    return;
  }
  if (op->getNumOperands() == 1 && isa<CastOpInterface>(op)) {
    write(os, op->getOperand(0), depth, isOperand);
    return;
  }
  StringRef symbol = getSymbol(op);
  if (symbol.empty()) {
    os << op->getName().stripDialect() << "(";
    writeList(os, op->getOperands(), depth);
    os << ")";
    return;
  }
  os << (isOperand ? "(" : "");
  write(os, op->getOperand(0), depth, true);
  os << " " << symbol << " ";
  write(os, op->getOperand(1), depth, true);
  os << (isOperand ? ")" : "");
}

static void write(raw_ostream &os, Value value, unsigned depth,
                  bool isOperand) {
  if (Operation *op = value.getDefiningOp()) {
    writeOp(os, op, depth, isOperand);
    return;
  }
  static constexpr StringLiteral names[] = {"b", "h", "i", "j"};
  auto argument = cast<BlockArgument>(value);
  bool isPosition =
      isa<AttentionOpInterface>(argument.getOwner()->getParentOp());
  os << (isPosition ? StringRef(names[argument.getArgNumber()])
                    : StringRef("input"));
}

std::string mlir::attn::getMaskText(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  writeOp(os, op, 0, /*isOperand=*/false);
  return text;
}
