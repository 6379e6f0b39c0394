//===- MaskAnalysisTest.cpp - Bounds of random masks against all pairs ----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// usage: AttnAnalysisTests [number of masks] [first seed]
//
// Each seed is one random predicate. Its bounds are emitted once with the rows
// as block arguments and once with constants, run, and compared with the
// predicate of every pair: no kept pair may lie outside the hull, and no masked
// pair inside the full interval.
//
//===----------------------------------------------------------------------===//

#include "attn/Analysis/MaskAnalysis.h"
#include "Interpreter.h"
#include "RandomMask.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>

using namespace mlir;
using namespace mlir::attn;
using namespace ::attn::test;

namespace {

using Clock = std::chrono::steady_clock;

struct Totals {
  int64_t masks = 0, tiles = 0, failures = 0;
  int64_t exact = 0, counted = 0, emittedOps = 0, slowest = 0;
  int64_t hull = 0, idealHull = 0, full = 0, idealFull = 0;
  double analysisSeconds = 0, emissionSeconds = 0;
};

/// One random predicate, the values of its symbols, and the pairs it keeps.
class Trial {
public:
  Trial(MLIRContext &context, unsigned seed, Totals &totals);
  ~Trial() { root->erase(); }

  bool run();
  void print();

private:
  struct Tile {
    int64_t first, last;
  };

  void evaluateAllPairs();
  bool checkTile(Interpreter &machine, const MaskAnalysis::KeyBounds &bounds,
                 Tile tile);
  bool checkDynamic();
  bool checkConstant();
  bool checkCount();
  bool fail(StringRef what, Tile tile, ArrayRef<int64_t> bounds = {});
  Tile randomTile();

  unsigned seed;
  Totals &totals;
  OpBuilder builder;
  Operation *root;
  Block *outer;
  Block *mask;
  std::unique_ptr<RandomMask> generator;
  std::optional<MaskAnalysis> analysis;
  int64_t numQueries, numKeys, batch, head;
  SmallVector<int64_t> symbols;
  std::vector<char> kept;
};

} // namespace

static constexpr unsigned kNumIndexSymbols = 2;

Trial::Trial(MLIRContext &context, unsigned seed, Totals &totals)
    : seed(seed), totals(totals), builder(&context) {
  Location loc = builder.getUnknownLoc();
  Type index = builder.getIndexType(), i1 = builder.getI1Type();
  // Arguments: index symbols, a flag, batch, head, first row, last row, keys.
  OperationState rootState(loc, "test.root");
  outer = new Block;
  rootState.addRegion()->push_back(outer);
  root = Operation::create(rootState);
  outer->addArguments({index, index, i1, index, index, index, index, index},
                      SmallVector<Location>(8, loc));
  OperationState maskState(loc, "test.mask");
  mask = new Block;
  maskState.addRegion()->push_back(mask);
  mask->addArguments({index, index, index, index},
                     SmallVector<Location>(4, loc));
  builder.setInsertionPointToEnd(outer);
  builder.create(maskState);
  builder.setInsertionPointToEnd(mask);
  generator = std::make_unique<RandomMask>(builder, *mask, seed);
  generator->indexSymbols = {outer->getArgument(0), outer->getArgument(1)};
  generator->boolSymbols = {outer->getArgument(2)};
  // A few large ones reach the limits of the normal form.
  Value keep = generator->predicate(seed % 16 ? generator->uniform(0, 3) : 5);
  OperationState yield(loc, "test.yield");
  yield.addOperands(keep);
  builder.create(yield);
  numQueries = generator->uniform(1, 40);
  numKeys = generator->uniform(1, 40);
  batch = generator->uniform(0, 3);
  head = generator->uniform(0, 3);
  for (unsigned i = 0; i < kNumIndexSymbols; ++i)
    symbols.push_back(generator->uniform(-10, 40));
  symbols.push_back(generator->uniform(0, 1));
}

void Trial::print() {
  root->print(llvm::errs());
  llvm::errs() << "\n";
  if (analysis)
    analysis->print(llvm::errs());
}

void Trial::evaluateAllPairs() {
  Interpreter machine;
  for (auto [argument, value] : llvm::zip(outer->getArguments(), symbols))
    machine.input(argument) = value;
  machine.input(mask->getArgument(0)) = batch;
  machine.input(mask->getArgument(1)) = head;
  (void)machine.input(mask->getArgument(3));
  machine.compile(mask->begin(), std::prev(mask->end()));
  Value keep = mask->back().getOperand(0);
  for (int64_t row = 0; row < numQueries; ++row) {
    for (int64_t key = 0; key < numKeys; ++key) {
      machine.input(mask->getArgument(2)) = row;
      machine.input(mask->getArgument(3)) = key;
      machine.run();
      kept.push_back(machine[keep] != 0);
    }
  }
}

bool Trial::fail(StringRef what, Tile tile, ArrayRef<int64_t> bounds) {
  ++totals.failures;
  llvm::errs() << "seed " << seed << ": " << what << " for rows [" << tile.first
               << ", " << tile.last << "] of " << numQueries << " x " << numKeys
               << ", b " << batch << ", h " << head << ", symbols";
  for (int64_t symbol : symbols)
    llvm::errs() << " " << symbol;
  llvm::errs() << ", bounds";
  for (int64_t bound : bounds)
    llvm::errs() << " " << bound;
  llvm::errs() << "\n";
  return false;
}

Trial::Tile Trial::randomTile() {
  int64_t first = generator->uniform(0, numQueries - 1);
  return {first,
          generator->uniform(first, std::min(numQueries - 1, first + 7))};
}

bool Trial::checkTile(Interpreter &machine,
                      const MaskAnalysis::KeyBounds &bounds, Tile tile) {
  int64_t lo = machine[bounds.lo], hi = machine[bounds.hi];
  int64_t fullLo = machine[bounds.fullLo], fullHi = machine[bounds.fullHi];
  int64_t values[] = {lo, fullLo, fullHi, hi};
  if (lo < 0 || fullLo < lo || fullHi < fullLo || hi < fullHi || hi > numKeys)
    return fail("bounds out of order", tile, values);
  int64_t first = numKeys, last = -1, run = 0, longest = 0;
  for (int64_t key = 0; key < numKeys; ++key) {
    bool any = false, all = true;
    for (int64_t row = tile.first; row <= tile.last; ++row) {
      bool isKept = kept[row * numKeys + key];
      any |= isKept;
      all &= isKept;
    }
    if (any && (key < lo || key >= hi))
      return fail("kept pair outside the hull", tile, values);
    if (!all && key >= fullLo && key < fullHi)
      return fail("masked pair in the full interval", tile, values);
    if (any)
      first = std::min(first, key), last = key;
    run = all ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  ++totals.tiles;
  if (analysis->isExact()) {
    totals.hull += hi - lo;
    totals.idealHull += std::max<int64_t>(0, last - first + 1);
    totals.full += fullHi - fullLo;
    totals.idealFull += longest;
  }
  return true;
}

bool Trial::checkDynamic() {
  builder.setInsertionPointToEnd(outer);
  Operation *maskOp = mask->getParentOp();
  auto start = Clock::now();
  MaskAnalysis::KeyBounds bounds = analysis->emitKeyBounds(
      builder, builder.getUnknownLoc(), outer->getArgument(3),
      outer->getArgument(4), outer->getArgument(5), outer->getArgument(6),
      outer->getArgument(7));
  totals.emissionSeconds +=
      std::chrono::duration<double>(Clock::now() - start).count();
  Interpreter machine;
  for (Value argument : outer->getArguments())
    machine.input(argument) = 0;
  for (auto [argument, value] : llvm::zip(outer->getArguments(), symbols))
    machine.input(argument) = value;
  machine.compile(std::next(maskOp->getIterator()), outer->end());
  totals.emittedOps += outer->getOperations().size() - 1;
  machine.input(outer->getArgument(3)) = batch;
  machine.input(outer->getArgument(4)) = head;
  machine.input(outer->getArgument(7)) = numKeys;
  for (int i = 0; i < 6; ++i) {
    Tile tile = randomTile();
    machine.input(outer->getArgument(5)) = tile.first;
    machine.input(outer->getArgument(6)) = tile.last;
    machine.run();
    if (!checkTile(machine, bounds, tile))
      return false;
  }
  return true;
}

bool Trial::checkConstant() {
  Tile tile = randomTile();
  builder.setInsertionPointToEnd(outer);
  Operation *previous = &outer->back();
  Value operands[] = {generator->constant(batch), generator->constant(head),
                      generator->constant(tile.first),
                      generator->constant(tile.last),
                      generator->constant(numKeys)};
  MaskAnalysis::KeyBounds bounds = analysis->emitKeyBounds(
      builder, builder.getUnknownLoc(), operands[0], operands[1], operands[2],
      operands[3], operands[4]);
  Interpreter machine;
  for (auto [argument, value] : llvm::zip(outer->getArguments(), symbols))
    machine.input(argument) = value;
  machine.compile(std::next(previous->getIterator()), outer->end());
  machine.run();
  return checkTile(machine, bounds, tile);
}

bool Trial::checkCount() {
  std::optional<int64_t> count = analysis->countPairs(numQueries, numKeys);
  if (!count)
    return true;
  ++totals.counted;
  if (*count != llvm::count(kept, 1))
    return fail("wrong number of pairs", {0, *count});
  return true;
}

bool Trial::run() {
  evaluateAllPairs();
  auto start = Clock::now();
  analysis = MaskAnalysis::compute(*mask->getParent());
  double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  totals.analysisSeconds += seconds;
  totals.slowest = std::max(totals.slowest, int64_t(seconds * 1e6));
  ++totals.masks;
  totals.exact += analysis->isExact();
  return checkDynamic() && checkConstant() && checkCount();
}

/// Causal masking, the most frequent one, costs four operations and constants:
/// the bounds are computed for every block of rows.
static bool checkCausalCode(MLIRContext &context) {
  OpBuilder builder(&context);
  Location loc = builder.getUnknownLoc();
  Type index = builder.getIndexType();
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder, loc);
  Block *outer = new Block;
  OperationState root(loc, "test.root");
  root.addRegion()->push_back(outer);
  outer->addArguments({index, index, index, index, index},
                      SmallVector<Location>(5, loc));
  Region mask;
  Block *block = new Block;
  mask.push_back(block);
  block->addArguments({index, index, index, index},
                      SmallVector<Location>(4, loc));
  builder.setInsertionPointToStart(block);
  OperationState yield(loc, "test.yield");
  yield.addOperands(Value(
      arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::sle,
                            block->getArgument(3), block->getArgument(2))));
  builder.create(yield);
  builder.setInsertionPointToStart(module->getBody());
  builder.create(root);
  builder.setInsertionPointToStart(outer);
  (void)MaskAnalysis::compute(mask).emitKeyBounds(
      builder, loc, outer->getArgument(0), outer->getArgument(1),
      outer->getArgument(2), outer->getArgument(3), outer->getArgument(4));
  int64_t count = llvm::count_if(*outer, [](Operation &op) {
    return !op.hasTrait<OpTrait::ConstantLike>();
  });
  if (count != 4) {
    llvm::errs() << "causal masking costs " << count << " operations\n";
    module->print(llvm::errs());
  }
  return count == 4;
}

static double percent(int64_t part, int64_t whole) {
  return whole ? 100.0 * double(part) / double(whole) : 100.0;
}

int main(int argc, char **argv) {
  int64_t numMasks = argc > 1 ? std::atoll(argv[1]) : 12000;
  unsigned firstSeed = argc > 2 ? std::atoi(argv[2]) : 1;
  DialectRegistry registry;
  registry
      .insert<affine::AffineDialect, arith::ArithDialect, math::MathDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.allowUnregisteredDialects();
  context.loadAllAvailableDialects();
  Totals totals;
  for (unsigned seed = firstSeed; seed < firstSeed + numMasks; ++seed) {
    Trial trial(context, seed, totals);
    if (!trial.run() && totals.failures <= 3)
      trial.print();
  }
  llvm::outs() << "seeds " << firstSeed << " to " << firstSeed + numMasks - 1
               << ": " << totals.masks << " masks, " << totals.tiles
               << " tiles, " << totals.failures << " failures\n"
               << totals.exact << " masks understood, " << totals.counted
               << " counted\n"
               << llvm::format("hull %.2f %% of the ideal, full %.2f %%\n",
                               percent(totals.hull, totals.idealHull),
                               percent(totals.full, totals.idealFull))
               << llvm::format("%.1f us analysis (slowest %lld), %.1f us "
                               "emission, %.1f operations\n",
                               1e6 * totals.analysisSeconds / totals.masks,
                               (long long)totals.slowest,
                               1e6 * totals.emissionSeconds / totals.masks,
                               double(totals.emittedOps) / totals.masks);
  return totals.failures != 0 || !checkCausalCode(context);
}
