//===- MaskAnalysisTest.cpp - The analysis against all pairs --------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// usage: AttnAnalysisTests [number of masks] [first seed]
//        AttnAnalysisTests named [number of sizes]
//        AttnAnalysisTests mutants [number of sizes]
//
// Each seed is one random predicate. The bounds of its keys, and the runs a
// tile of rows visits, are emitted, run, and compared with the predicate of
// every pair: no kept pair may lie outside, no masked pair inside of what is
// said to be full, and no key is visited twice. `named` asks that the masks
// people use are also tight. `mutants` changes the emitted code, one operation
// at a time, and counts the changes that none of these checks notices.
//
//===----------------------------------------------------------------------===//

#include "MaskTrial.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::attn;
using namespace ::attn::test;

namespace {
/// A mask people use. The least percentages of empty keys left out and of full
/// keys recognised are those it must reach. What is less than 100: heads that
/// differ share a schedule, keys are full for reasons that differ by row,
/// tables are summarised by the block, patches do not follow the steps of a
/// dilation, and tables of blocks are read pair by pair.
struct NamedMask {
  StringRef name, text;
  int64_t numQueries, numKeys; // 0: drawn
  double empty, full;
};
} // namespace

static constexpr NamedMask kNamedMasks[] = {
    {"causal", "#attn.causal", 0, 0, 100, 100},
    {"causal, bottom right", "#attn.causal<bottom_right>", 24, 60, 100, 100},
    {"window", "#attn.window<left=9,right=3>", 0, 0, 100, 100},
    {"prefix", "#attn.prefix<17>", 0, 0, 100, 100},
    {"prefix or causal", "#attn.prefix<17> #attn.causal or", 0, 0, 100, 100},
    {"key lengths", "#attn.key_lengths", 0, 0, 100, 100},
    {"dilated", "#attn.dilated<window=20,step=4>", 0, 0, 100, 100},
    {"dilated by head", "#attn.dilated<window=20,steps=[1,2,4,3]>", 0, 0, 98,
     70},
    {"segments", "#attn.segments<12>", 0, 0, 100, 100},
    {"chunked causal", "#attn.segments<12> #attn.causal and", 0, 0, 100, 100},
    {"streaming", "#attn.prefix<4> #attn.window<left=9,right=0> or", 0, 0, 100,
     100},
    {"documents", "#attn.documents", 0, 0, 100, 100},
    {"documents, causal", "#attn.documents #attn.causal and", 0, 0, 100, 100},
    {"documents, sorted in blocks", "restarting #attn.documents", 300, 300, 0,
     0},
    {"documents, unsorted", "unsorted #attn.documents", 0, 0, 30, 50},
    {"global keys", "#attn.global_tokens<symmetric=false>", 0, 0, 100, 100},
    {"global tokens", "#attn.global_tokens", 0, 0, 100, 55},
    {"longformer", "#attn.longformer<6>", 0, 0, 100, 80},
    {"shared prefix", "#attn.prefix<10> #attn.segments<15> #attn.causal and or",
     0, 0, 100, 100},
    {"neighborhood 1-D", "#attn.neighborhood<shape=[60],window=[7]>", 60, 60,
     100, 100},
    {"neighborhood 2-D", "#attn.neighborhood<shape=[8,9],window=[3,5]>", 72, 72,
     100, 0},
    {"neighborhood 2-D, dilated",
     "#attn.neighborhood<shape=[8,9],window=[3,3],dilation=[2,3]>", 72, 72, 60,
     0},
    {"neighborhood 3-D", "#attn.neighborhood<shape=[4,5,6],window=[3,3,3]>",
     120, 120, 100, 0},
    {"blocks", "#attn.blocks<block_q=10,block_kv=10>", 80, 80, 100, 100},
    {"bigbird", "#attn.bigbird<block=8>", 80, 80, 95, 95},
};

namespace {
/// Adds up what trials report.
class Tester {
public:
  explicit Tester(MLIRContext &context) : context(context) {}

  bool runRandom(unsigned firstSeed, int64_t numMasks);
  bool runNamed(unsigned numSizes);
  bool runMutants(unsigned numSizes);

private:
  struct Outcome {
    bool holds, isMutated;
    Tightness tightness;
    std::vector<int64_t> trace;
  };

  Outcome outcomeOf(const NamedMask &named, unsigned seed,
                    std::optional<unsigned> mutant);

  MLIRContext &context;
  Totals totals;
};
} // namespace

bool Tester::runRandom(unsigned firstSeed, int64_t numMasks) {
  for (unsigned seed = firstSeed; seed < firstSeed + numMasks; ++seed) {
    MaskTrial trial(context, seed, totals);
    trial.makeRandom();
    if (!trial.run() && totals.failures <= 3)
      trial.print();
  }
  llvm::outs() << "seeds " << firstSeed << " to " << firstSeed + numMasks - 1
               << ": " << totals.masks << " masks, " << totals.tiles
               << " tiles, " << totals.walks << " walks, " << totals.failures
               << " failures\n"
               << totals.exact << " masks understood, " << totals.counted
               << " counted, " << totals.splits << " split\n"
               << llvm::format("hull %.2f %% of the ideal, full %.2f %%\n",
                               percent(totals.hull, totals.idealHull),
                               percent(totals.full, totals.idealFull))
               << llvm::format("walks in closed form: %.2f %% of empty keys "
                               "left out, %.2f %% of full keys known\n",
                               totals.closedForm.emptyPercent(),
                               totals.closedForm.fullPercent())
               << llvm::format("walks of other masks: %.2f %% and %.2f %%\n",
                               totals.tables.emptyPercent(),
                               totals.tables.fullPercent())
               << llvm::format("%.1f us analysis (slowest %lld), %.1f us "
                               "emission, %.1f operations\n",
                               1e6 * totals.analysisSeconds / totals.masks,
                               (long long)totals.slowest,
                               1e6 * totals.emissionSeconds / totals.masks,
                               double(totals.emittedOps) / totals.masks);
  return totals.failures == 0;
}

bool Tester::runNamed(unsigned numSizes) {
  bool isTight = true;
  for (const NamedMask &named : kNamedMasks) {
    Tightness tightness;
    for (unsigned seed = 1; seed <= numSizes; ++seed) {
      MaskTrial trial(context, seed, totals);
      trial.makeNamed(named.text, named.numQueries, named.numKeys);
      if (!trial.run() && totals.failures <= 3)
        trial.print();
      tightness.add(trial.getTightness());
    }
    bool reaches = tightness.emptyPercent() >= named.empty &&
                   tightness.fullPercent() >= named.full;
    isTight &= reaches;
    llvm::outs() << llvm::format("%7.2f %% empty, %6.2f %% full  ",
                                 tightness.emptyPercent(),
                                 tightness.fullPercent())
                 << named.name << (reaches ? "\n" : ": too few\n");
    llvm::outs().flush();
  }
  return isTight && totals.failures == 0;
}

Tester::Outcome Tester::outcomeOf(const NamedMask &named, unsigned seed,
                                  std::optional<unsigned> mutant) {
  Totals ownTotals;
  MaskTrial trial(context, seed, ownTotals);
  trial.makeNamed(named.text, named.numQueries, named.numKeys);
  trial.mutant = mutant;
  trial.isQuiet = true;
  bool holds = trial.run();
  return {holds, trial.isMutated, trial.getTightness(), std::move(trial.trace)};
}

// A change is noticed if a check fails or fewer keys are left out; where all
// walks stay the same it changed nothing.
bool Tester::runMutants(unsigned numSizes) {
  int64_t numWrong = 0, numLoose = 0, numSame = 0, numMissed = 0;
  for (const NamedMask &named : kNamedMasks) {
    constexpr unsigned unchanged = ~0u;
    std::vector<Outcome> expected;
    for (unsigned seed = 1; seed <= numSizes; ++seed)
      expected.push_back(outcomeOf(named, seed, unchanged));
    for (unsigned mutant = 0;; ++mutant) {
      bool exists = false, isWrong = false, isLoose = false, differs = false;
      for (unsigned seed = 1; seed <= numSizes && !isWrong; ++seed) {
        Outcome found = outcomeOf(named, seed, mutant);
        const Outcome &original = expected[seed - 1];
        exists |= found.isMutated;
        isWrong |= !found.holds;
        isLoose |= found.tightness.empty < original.tightness.empty ||
                   found.tightness.full < original.tightness.full;
        differs |= found.trace != original.trace;
      }
      if (!exists)
        break;
      ++(isWrong   ? numWrong
         : isLoose ? numLoose
         : differs ? numMissed
                   : numSame);
      if (!isWrong && !isLoose && differs)
        llvm::outs() << named.name << ": change " << mutant
                     << " is not noticed\n";
    }
  }
  llvm::outs() << numWrong << " changes give wrong walks, " << numLoose
               << " loose ones, " << numSame << " the same, " << numMissed
               << " others that are not noticed\n";
  // What is not noticed cuts the same keys into other runs.
  int64_t numNoticed = numWrong + numLoose;
  return numNoticed > 0 && numMissed * 20 <= numNoticed;
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

int main(int argc, char **argv) {
  DialectRegistry registry;
  registry.insert<affine::AffineDialect, arith::ArithDialect, AttnDialect,
                  math::MathDialect, scf::SCFDialect, tensor::TensorDialect>();
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.allowUnregisteredDialects();
  context.loadAllAvailableDialects();
  Tester tester(context);
  StringRef mode = argc > 1 ? argv[1] : "12000";
  if (mode == "named")
    return !tester.runNamed(argc > 2 ? std::atoi(argv[2]) : 10);
  if (mode == "mutants")
    return !tester.runMutants(argc > 2 ? std::atoi(argv[2]) : 2);
  bool holds = tester.runRandom(argc > 2 ? std::atoi(argv[2]) : 1,
                                std::atoll(mode.data()));
  return !holds || !checkCausalCode(context);
}
