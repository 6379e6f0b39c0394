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
  void print(const Conjunct &conjunct, bool isSuperset);
  void printBounds(StringRef combine, StringRef none,
                   ArrayRef<const Sum *> bounds);
  void printLiteral(const Node *literal);
  void printStride(const Stride &stride);
  void nameSymbols(const Sum *sum);
  void nameLeaf(const Leaf *leaf);
  void nameSymbol(Value value, StringRef prefix = "s");

  raw_ostream &os;
  DenseMap<Value, std::string> names;
  SmallVector<Value> symbols;
};

} // namespace

void FactsPrinter::nameSymbol(Value value, StringRef prefix) {
  std::string name = prefix.str() + std::to_string(symbols.size());
  if (names.try_emplace(value, name).second)
    symbols.push_back(value);
}

void FactsPrinter::nameLeaf(const Leaf *leaf) {
  if (leaf->kind == LeafKind::Symbol)
    nameSymbol(leaf->value);
  else if (leaf->kind == LeafKind::Table)
    nameSymbol(leaf->value, "t");
  else if (leaf->kind == LeafKind::Search)
    nameLeaf(leaf->table);
  for (const Sum *operand : {leaf->a, leaf->b})
    if (operand)
      nameSymbols(operand);
}

void FactsPrinter::nameSymbols(const Sum *sum) {
  for (const Term &term : sum->terms)
    nameLeaf(term.leaf);
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

void FactsPrinter::printLiteral(const Node *literal) {
  if (literal->kind == NodeKind::Ge) {
    nameSymbols(literal->sum);
    printSum(os, literal->sum, names);
    os << " >= 0";
    return;
  }
  nameSymbol(literal->value);
  os << (literal->negated ? "not " : "") << names.lookup(literal->value);
}

// Of the keys p, p + 1, .. before q, and all that lie multiples of the period
// away: [p, q) mod period.
void FactsPrinter::printStride(const Stride &stride) {
  os << " and j in ";
  if (stride.unit != 1)
    os << stride.unit << "*";
  os << "[";
  printBounds("max", "", stride.lower);
  os << ", ";
  printBounds("min", "", stride.upper);
  os << ") mod " << stride.period;
}

static bool anyLeaf(const Sum *sum,
                    llvm::function_ref<bool(const Leaf *)> test) {
  return llvm::any_of(sum->terms, [&](const Term &term) {
    return test(term.leaf) || (term.leaf->a && anyLeaf(term.leaf->a, test)) ||
           (term.leaf->b && anyLeaf(term.leaf->b, test));
  });
}

/// 1: known in closed form; 2: reads integers of the row or of the key; 3:
/// reads truth values of them; 4: some of it is not understood.
static unsigned classOf(const Conjunct &conjunct, bool isSuperset) {
  if (isSuperset || conjunct.numOpaque)
    return 4;
  unsigned result = conjunct.scans.empty() ? 1 : 3;
  for (const Node *atom : conjunct.atoms)
    if (atom->kind == NodeKind::Ge)
      (void)anyLeaf(atom->sum, [&](const Leaf *leaf) {
        if (leaf->kind == LeafKind::Table)
          result =
              std::max(result, leaf->value.getType().isInteger(1) ? 3u : 2u);
        return false;
      });
  return result;
}

void FactsPrinter::print(const Conjunct &conjunct, bool isSuperset) {
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
  for (const Node *guard : conjunct.guards) {
    os << " and ";
    printLiteral(guard);
  }
  for (const Stride &stride : conjunct.strides)
    printStride(stride);
  for (const Node *run : conjunct.runs) {
    os << " and scanned ";
    printLiteral(run);
  }
  for (const Node *probe : conjunct.probes) {
    os << " and bounded ";
    printLiteral(probe);
  }
  if (!conjunct.scans.empty())
    os << " and " << conjunct.scans.size() << " scanned at row and key";
  if (conjunct.numOpaque)
    os << " and " << conjunct.numOpaque << " opaque";
  if (unsigned number = classOf(conjunct, isSuperset); number != 1)
    os << " (class " << number << ")";
  os << "\n";
}

void FactsPrinter::print(StringRef label, const Disjunction &disjunction) {
  if (disjunction.conjuncts.empty())
    os << "  " << label << ": nothing\n";
  for (const Conjunct &conjunct : disjunction.conjuncts) {
    os << "  " << label << (disjunction.isSuperset ? " at most: " : ": ");
    print(conjunct, disjunction.isSuperset);
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
  if (RowSplit split = suggestSplit(); !split.divisors.empty()) {
    os << "  rows: " << (split.isResidue ? "residues" : "patches")
       << (split.isResidue ? " mod " : " in lines of ");
    llvm::interleave(split.divisors, os, " of ");
    os << "\n";
  }
  printer.printSymbols();
  for (Operation *op : getDefeatingOps())
    os << "  not understood: " << op->getName() << "\n";
}
