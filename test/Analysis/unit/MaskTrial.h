//===- MaskTrial.h - One mask against all its pairs -------------*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_TEST_ANALYSIS_UNIT_MASKTRIAL_H
#define ATTN_TEST_ANALYSIS_UNIT_MASKTRIAL_H

#include "Interpreter.h"
#include "RandomMask.h"
#include "attn/Analysis/MaskAnalysis.h"
#include <optional>

namespace attn::test {

/// How near walks come to the keys that a tile must see: found of ideal.
struct Tightness {
  int64_t empty = 0, idealEmpty = 0; // keys without a kept pair, not visited
  int64_t full = 0, idealFull = 0;   // keys all rows keep, visited as such

  void add(const Tightness &other);
  double emptyPercent() const;
  double fullPercent() const;
};

struct Totals {
  int64_t masks = 0, tiles = 0, walks = 0, splits = 0, failures = 0;
  int64_t exact = 0, counted = 0, emittedOps = 0, slowest = 0;
  int64_t hull = 0, idealHull = 0, full = 0, idealFull = 0;
  /// Walks of masks without tables that are understood, and of the others.
  Tightness closedForm, tables;
  double analysisSeconds = 0, emissionSeconds = 0;
};

double percent(int64_t part, int64_t whole);

/// One predicate, the values of what it reads, and the pairs it keeps.
class MaskTrial {
public:
  MaskTrial(mlir::MLIRContext &context, unsigned seed, Totals &totals);
  ~MaskTrial() { root->erase(); }

  void makeRandom();
  /// Attributes of the dialect in postfix notation: "a b or". Their tables are
  /// sorted unless the text starts with "unsorted" or "restarting". Sizes are
  /// drawn if they are 0.
  void makeNamed(llvm::StringRef text, int64_t numQueries, int64_t numKeys);

  bool run();
  void print();

  /// Of the walks with the split that the analysis suggests.
  const Tightness &getTightness() const { return tightness; }
  /// Changes one operation of the code for the walks, counted from `first`,
  /// before it is run; false if there is none left to change.
  bool mutate(mlir::Block::iterator first);
  std::optional<unsigned> mutant; // which change; none: no mutation
  bool isMutated = false;
  std::pair<mlir::Value, mlir::Value> replaced; // by the mutation
  bool isQuiet = false;
  /// All that the walks visited.
  std::vector<int64_t> trace;

private:
  struct Tile {
    int64_t first, last;
  };
  using Split = mlir::attn::MaskAnalysis::RowSplit;
  using Ranges = llvm::SmallVector<Tile, 3>;

  void addTables();
  void addArgument(mlir::Type type) {
    outer->addArgument(type, builder.getUnknownLoc());
  }
  mlir::Value addTable(llvm::ArrayRef<int64_t> shape, unsigned bits);
  mlir::Value materialize(llvm::StringRef attribute);
  mlir::Value operandOf(llvm::StringRef attribute);
  void finish(mlir::Value keep);
  void fillTables();
  void fill(Tensor &tensor, bool isBool);
  void evaluateAllPairs();
  void setInputs(Interpreter &machine);
  bool checkTile(Interpreter &machine,
                 const mlir::attn::MaskAnalysis::KeyBounds &bounds, Tile tile);
  bool checkDynamic();
  bool checkConstant();
  bool checkCount();
  bool checkWalks(const Split &split, bool isSuggested);
  bool walk(Interpreter &machine, const mlir::attn::KeyRuns::Run &run,
            mlir::Value next, mlir::Value key, llvm::ArrayRef<int64_t> rows,
            Tightness &counts);
  Split forcedSplit();
  Ranges randomRanges(const Split &split);
  llvm::SmallVector<int64_t> rowsOf(const Split &split, const Ranges &ranges);
  bool fail(const llvm::Twine &what, Tile tile,
            llvm::ArrayRef<int64_t> bounds = {});
  Tile randomTile();

  unsigned seed;
  Totals &totals;
  mlir::OpBuilder builder;
  mlir::Operation *root;
  mlir::Block *outer;
  mlir::Block *mask;
  std::unique_ptr<RandomMask> generator;
  std::optional<mlir::attn::MaskAnalysis> analysis;
  std::optional<mlir::attn::MaskAnalysis> shown; // what is being checked
  int64_t numQueries = 0, numKeys = 0, batch = 0, head = 0;
  bool isNamed = false;
  bool isSorted = false, isRestarting = false; // what the tables hold
  llvm::SmallVector<int64_t> symbols;
  /// Sizes of the tables: extents of 0 and -1 are the rows and the keys.
  llvm::SmallVector<std::pair<mlir::Value, llvm::SmallVector<int64_t, 2>>>
      shapes;
  llvm::SmallVector<std::pair<mlir::Value, Tensor>> contents;
  std::vector<char> kept;
  Tightness tightness;
};

} // namespace attn::test

#endif // ATTN_TEST_ANALYSIS_UNIT_MASKTRIAL_H
