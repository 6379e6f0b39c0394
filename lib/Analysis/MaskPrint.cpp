//===- MaskPrint.cpp - The analysis as text -------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MaskFacts.h"
#include "mlir/IR/Region.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

namespace {

class FactsPrinter {
public:
  FactsPrinter(raw_ostream &os, Region &region) : os(os) {
    names[region.getArgument(0)] = "b";
    names[region.getArgument(1)] = "h";
  }

  void print(StringRef label, const Disjunction &disjunction);
  void printSymbols();

private:
  void print(const Conjunct &conjunct);
  void printBounds(StringRef combine, StringRef none,
                   ArrayRef<const Sum *> bounds);
  void printGuard(const Node *guard);
  void nameSymbols(const Sum *sum);
  void nameSymbol(Value value);

  raw_ostream &os;
  DenseMap<Value, std::string> names;
  SmallVector<Value> symbols;
};

} // namespace

void FactsPrinter::nameSymbol(Value value) {
  if (names.try_emplace(value, "s" + std::to_string(symbols.size())).second)
    symbols.push_back(value);
}

void FactsPrinter::nameSymbols(const Sum *sum) {
  for (const Term &term : sum->terms) {
    if (term.leaf->kind == LeafKind::Symbol)
      nameSymbol(term.leaf->value);
    for (const Sum *operand : {term.leaf->a, term.leaf->b})
      if (operand)
        nameSymbols(operand);
  }
}

void FactsPrinter::printBounds(StringRef combine, StringRef none,
                               ArrayRef<const Sum *> bounds) {
  for (const Sum *bound : bounds)
    nameSymbols(bound);
  if (bounds.empty()) {
    os << none;
    return;
  }
  if (bounds.size() > 1)
    os << combine << "(";
  llvm::interleaveComma(bounds, os,
                        [&](const Sum *sum) { printSum(os, sum, names); });
  if (bounds.size() > 1)
    os << ")";
}

void FactsPrinter::printGuard(const Node *guard) {
  os << " and ";
  if (guard->kind == NodeKind::Ge) {
    nameSymbols(guard->sum);
    printSum(os, guard->sum, names);
    os << " >= 0";
    return;
  }
  nameSymbol(guard->value);
  os << (guard->negated ? "not " : "") << names.lookup(guard->value);
}

void FactsPrinter::print(const Conjunct &conjunct) {
  os << "j in [";
  printBounds("max", "0", conjunct.keyLower);
  os << ", ";
  printBounds("min", "numKeys", conjunct.keyUpper);
  os << ")";
  if (!conjunct.rowLower.empty() || !conjunct.rowUpper.empty()) {
    os << " and i in [";
    printBounds("max", "0", conjunct.rowLower);
    os << ", ";
    printBounds("min", "numQueries", conjunct.rowUpper);
    os << ")";
  }
  for (const Node *guard : conjunct.guards)
    printGuard(guard);
  if (conjunct.numPeriodic)
    os << " and " << conjunct.numPeriodic << " periodic";
  if (conjunct.numOpaque)
    os << " and " << conjunct.numOpaque << " opaque";
  os << "\n";
}

void FactsPrinter::print(StringRef label, const Disjunction &disjunction) {
  if (disjunction.conjuncts.empty())
    os << "  " << label << ": nothing\n";
  for (const Conjunct &conjunct : disjunction.conjuncts) {
    os << "  " << label << (disjunction.isSuperset ? " at most: " : ": ");
    print(conjunct);
  }
}

void FactsPrinter::printSymbols() {
  for (Value symbol : symbols) {
    os << "  " << names.lookup(symbol) << ": ";
    if (Operation *op = symbol.getDefiningOp())
      os << op->getName();
    else
      os << "argument " << cast<BlockArgument>(symbol).getArgNumber();
    os << "\n";
  }
}

static StringRef nameOf(MaskAnalysis::Trend trend) {
  switch (trend) {
  case MaskAnalysis::Trend::Flat:
    return "flat";
  case MaskAnalysis::Trend::Growing:
    return "growing";
  case MaskAnalysis::Trend::Shrinking:
    return "shrinking";
  case MaskAnalysis::Trend::Unknown:
    return "unknown";
  }
  llvm_unreachable("all trends are handled");
}

void MaskAnalysis::print(raw_ostream &os) const {
  os << (isTrivial() ? "trivial"
         : isExact() ? "exact"
                     : "conservative")
     << ", trend " << nameOf(getTrend()) << "\n";
  FactsPrinter printer(os, facts->region);
  printer.print("kept", facts->kept);
  printer.print("masked", facts->masked);
  printer.printSymbols();
  for (Operation *op : getDefeatingOps())
    os << "  not understood: " << op->getName() << "\n";
}
