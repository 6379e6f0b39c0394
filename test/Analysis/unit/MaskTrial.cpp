//===- MaskTrial.cpp - One mask against all its pairs ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MaskTrial.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"
#include <chrono>

using namespace mlir;
using namespace mlir::attn;
using namespace ::attn::test;

using Clock = std::chrono::steady_clock;

static constexpr unsigned kNumIndexSymbols = 2;
static constexpr int64_t kNumBatches = 4, kNumHeads = 4;

/// Arguments of the outer block: two index symbols and a flag, then these, then
/// the tables.
enum Argument {
  Batch = 3,
  Head,
  FirstRow,
  LastRow,
  NumKeys,
  NumQueries,
  NumBatches,
  NumHeads
};

/// A table with an entry per block has as many of them at most.
static constexpr int64_t kMaxBlocks = 300 / RandomMask::kMinBlock + 1;

/// Extents of tables that the sizes decide.
static constexpr int64_t kRows = 0, kKeys = -1;

//===----------------------------------------------------------------------===//
// Tightness
//===----------------------------------------------------------------------===//

void Tightness::add(const Tightness &other) {
  empty += other.empty;
  idealEmpty += other.idealEmpty;
  full += other.full;
  idealFull += other.idealFull;
}

double ::attn::test::percent(int64_t part, int64_t whole) {
  return whole ? 100.0 * double(part) / double(whole) : 100.0;
}

double Tightness::emptyPercent() const { return percent(empty, idealEmpty); }

double Tightness::fullPercent() const { return percent(full, idealFull); }

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

MaskTrial::MaskTrial(MLIRContext &context, unsigned seed, Totals &totals)
    : seed(seed), totals(totals), builder(&context) {
  Location loc = builder.getUnknownLoc();
  Type index = builder.getIndexType();
  OperationState rootState(loc, "test.root");
  outer = new Block;
  rootState.addRegion()->push_back(outer);
  root = Operation::create(rootState);
  for (unsigned i = 0; i <= NumHeads; ++i)
    addArgument(i == kNumIndexSymbols ? Type(builder.getI1Type()) : index);
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
}

Value MaskTrial::addTable(ArrayRef<int64_t> shape, unsigned bits) {
  SmallVector<int64_t> sizes(shape.size(), ShapedType::kDynamic);
  // The number of entries a row of a BigBird table has is static.
  if (shape.size() == 2 && shape.back() > 0 && isNamed)
    sizes.back() = shape.back();
  addArgument(RankedTensorType::get(sizes, builder.getIntegerType(bits)));
  Value table = outer->getArguments().back();
  shapes.emplace_back(table, SmallVector<int64_t, 2>(shape));
  return table;
}

void MaskTrial::addTables() {
  auto add = [&](ArrayRef<int64_t> shape, unsigned bits,
                 MaskTable::Reach reach) {
    generator->tables.push_back({addTable(shape, bits), reach});
  };
  add({kRows}, 32, MaskTable::Rows);
  add({kKeys}, 32, MaskTable::Keys);
  add({kNumBatches, kRows}, 32, MaskTable::Rows);
  add({kNumBatches, kKeys}, 32, MaskTable::Keys);
  add({kRows}, 1, MaskTable::Rows);
  add({kKeys}, 1, MaskTable::Keys);
  add({generator->uniform(1, 50)}, 32, MaskTable::Anything);
  add({kNumHeads, generator->uniform(1, 20)}, 32, MaskTable::Anything);
  generator->clampedTable =
      addTable({generator->uniform(1, 6), generator->uniform(1, 6)}, 1);
  generator->blockTable = addTable({kMaxBlocks, kMaxBlocks}, 1);
  generator->pairTable = addTable({kRows, kKeys}, 1);
}

void MaskTrial::makeRandom() {
  if (seed % 2)
    addTables();
  // A few large ones reach the limits of the normal form.
  Value keep = generator->predicate(seed % 16 ? generator->uniform(0, 3) : 5);
  numQueries = generator->uniform(1, 40);
  // Tables are summarised in blocks of 128 keys.
  numKeys = generator->uniform(1, seed % 16 == 3 ? 300 : 40);
  finish(keep);
}

Value MaskTrial::operandOf(StringRef attribute) {
  if (attribute.contains("documents"))
    return addTable({kKeys}, 32);
  if (attribute.contains("key_lengths"))
    return addTable({kNumBatches}, 32);
  if (attribute.contains("global_tokens") || attribute.contains("longformer"))
    return addTable({kKeys}, 1);
  if (attribute.contains("blocks") && !attribute.contains("bigbird"))
    return addTable({8, 8}, 1);
  if (attribute.contains("bigbird"))
    return addTable({16, 2}, 32);
  return {};
}

Value MaskTrial::materialize(StringRef attribute) {
  auto parsed = dyn_cast_or_null<MaskAttrInterface>(
      parseAttribute(attribute, builder.getContext()));
  if (!parsed) {
    llvm::errs() << "no mask: " << attribute << "\n";
    std::abort();
  }
  SmallVector<Value> operands;
  if (Value operand = operandOf(attribute))
    operands.push_back(operand);
  PairContext pair{mask->getArgument(0),         mask->getArgument(1),
                   mask->getArgument(2),         mask->getArgument(3),
                   outer->getArgument(NumHeads), outer->getArgument(NumQueries),
                   outer->getArgument(NumKeys),  operands};
  return parsed.materialize(builder, builder.getUnknownLoc(), pair);
}

void MaskTrial::makeNamed(StringRef text, int64_t rows, int64_t keys) {
  isNamed = true;
  isRestarting = text.consume_front("restarting ");
  isSorted = !text.consume_front("unsorted ") && !isRestarting;
  Location loc = builder.getUnknownLoc();
  SmallVector<Value> stack;
  for (StringRef word : llvm::split(text, ' ')) {
    if (word != "and" && word != "or" && word != "not") {
      stack.push_back(materialize(word));
      continue;
    }
    Value b = stack.pop_back_val();
    if (word == "not") {
      Value one = arith::ConstantIntOp::create(builder, loc, 1, 1);
      stack.push_back(arith::XOrIOp::create(builder, loc, b, one));
      continue;
    }
    Value a = stack.pop_back_val();
    stack.push_back(word == "and"
                        ? Value(arith::AndIOp::create(builder, loc, a, b))
                        : Value(arith::OrIOp::create(builder, loc, a, b)));
  }
  numQueries = rows ? rows : generator->uniform(1, 80);
  numKeys = keys ? keys : numQueries;
  finish(stack.back());
}

void MaskTrial::finish(Value keep) {
  OperationState yield(builder.getUnknownLoc(), "test.yield");
  yield.addOperands(keep);
  builder.create(yield);
  batch = generator->uniform(0, kNumBatches - 1);
  head = generator->uniform(0, kNumHeads - 1);
  for (unsigned i = 0; i < kNumIndexSymbols; ++i)
    symbols.push_back(generator->uniform(-10, 40));
  symbols.push_back(generator->uniform(0, 1));
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

/// Ids that rise, also up to some point only, fall, stay, come in any order, or
/// lie near the ends of what the type holds.
void MaskTrial::fill(Tensor &tensor, bool isBool) {
  int64_t kind = isSorted ? 0 : isRestarting ? 6 : generator->uniform(0, 9);
  int64_t chance = generator->uniform(0, 3) ? generator->uniform(0, 100) : 10;
  if (isSorted)
    chance = 10;
  int64_t value = generator->uniform(-2, 5);
  tensor.entries.clear();
  for (int64_t i = 0; i < tensor.size(); ++i) {
    bool changes = generator->uniform(0, 99) < chance;
    if (isBool)
      value = changes;
    else if (kind <= 3)
      value += changes ? generator->uniform(0, 3) : 0;
    else if (kind == 4)
      value -= changes;
    else if (kind == 6) // falls where a block of a summary ends
      value = i % 128 / 8;
    else if (kind == 5)
      value = generator->uniform(0, 1) ? INT32_MAX : INT32_MIN;
    else if (kind >= 7)
      value = generator->uniform(-3, kind == 9 ? 60 : 6);
    tensor.entries.push_back(value);
  }
}

void MaskTrial::fillTables() {
  for (auto &[table, extents] : shapes) {
    Tensor tensor;
    for (int64_t extent : extents)
      tensor.shape.push_back(extent == kRows   ? numQueries
                             : extent == kKeys ? numKeys
                                               : extent);
    fill(tensor, getElementTypeOrSelf(table.getType()).isInteger(1));
    contents.emplace_back(table, std::move(tensor));
  }
}

void MaskTrial::setInputs(Interpreter &machine) {
  for (Value argument : outer->getArguments())
    machine.input(argument) = 0;
  for (auto [argument, value] : llvm::zip(outer->getArguments(), symbols))
    machine.input(argument) = value;
  machine.input(outer->getArgument(Batch)) = batch;
  machine.input(outer->getArgument(Head)) = head;
  machine.input(outer->getArgument(NumKeys)) = numKeys;
  machine.input(outer->getArgument(NumQueries)) = numQueries;
  machine.input(outer->getArgument(NumBatches)) = kNumBatches;
  machine.input(outer->getArgument(NumHeads)) = kNumHeads;
  for (const auto &[table, tensor] : contents)
    machine.setTensor(table, tensor);
  // Constants that a mask reads lie in front of it.
  machine.run(
      machine.compile(outer->begin(), mask->getParentOp()->getIterator()));
}

void MaskTrial::evaluateAllPairs() {
  Interpreter machine;
  setInputs(machine);
  machine.input(mask->getArgument(0)) = batch;
  machine.input(mask->getArgument(1)) = head;
  machine.input(mask->getArgument(2)) = 0;
  machine.input(mask->getArgument(3)) = 0;
  Interpreter::ProgramId program =
      machine.compile(mask->begin(), std::prev(mask->end()));
  Value keep = mask->back().getOperand(0);
  for (int64_t row = 0; row < numQueries; ++row) {
    for (int64_t key = 0; key < numKeys; ++key) {
      machine.input(mask->getArgument(2)) = row;
      machine.input(mask->getArgument(3)) = key;
      machine.run(program);
      kept.push_back(machine[keep] != 0);
    }
  }
  if (!machine.getError().empty()) {
    llvm::errs() << "a mask of the test is wrong: " << machine.getError()
                 << "\n";
    std::abort();
  }
}

void MaskTrial::print() {
  root->print(llvm::errs());
  llvm::errs() << "\n";
  if (shown)
    shown->print(llvm::errs());
}

bool MaskTrial::fail(const Twine &what, Tile tile, ArrayRef<int64_t> bounds) {
  ++totals.failures;
  if (isQuiet)
    return false;
  llvm::errs() << "seed " << seed << ": " << what << " for rows [" << tile.first
               << ", " << tile.last << "] of " << numQueries << " x " << numKeys
               << ", b " << batch << ", h " << head << ", symbols";
  for (int64_t symbol : symbols)
    llvm::errs() << " " << symbol;
  llvm::errs() << ", values";
  for (int64_t bound : bounds)
    llvm::errs() << " " << bound;
  llvm::errs() << "\n";
  for (const auto &[table, tensor] : contents) {
    llvm::errs() << "  argument " << cast<BlockArgument>(table).getArgNumber()
                 << ":";
    for (int64_t entry : tensor.entries)
      llvm::errs() << " " << entry;
    llvm::errs() << "\n";
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Bounds
//===----------------------------------------------------------------------===//

MaskTrial::Tile MaskTrial::randomTile() {
  int64_t first = generator->uniform(0, numQueries - 1);
  return {first,
          generator->uniform(first, std::min(numQueries - 1, first + 7))};
}

bool MaskTrial::checkTile(Interpreter &machine,
                          const MaskAnalysis::KeyBounds &bounds, Tile tile) {
  int64_t lo = machine[bounds.lo], hi = machine[bounds.hi];
  int64_t fullLo = machine[bounds.fullLo], fullHi = machine[bounds.fullHi];
  int64_t values[] = {lo, fullLo, fullHi, hi};
  if (!machine.getError().empty())
    return fail(machine.getError(), tile, values);
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
  if (analysis->isExact() && !generator->hasReadTable() && !isNamed) {
    totals.hull += hi - lo;
    totals.idealHull += std::max<int64_t>(0, last - first + 1);
    totals.full += fullHi - fullLo;
    totals.idealFull += longest;
  }
  return true;
}

bool MaskTrial::checkDynamic() {
  shown = analysis;
  builder.setInsertionPointToEnd(outer);
  Operation *previous = &outer->back();
  auto start = Clock::now();
  MaskAnalysis::KeyBounds bounds = analysis->emitKeyBounds(
      builder, builder.getUnknownLoc(), outer->getArgument(3),
      outer->getArgument(4), outer->getArgument(5), outer->getArgument(6),
      outer->getArgument(7));
  totals.emissionSeconds +=
      std::chrono::duration<double>(Clock::now() - start).count();
  Interpreter machine;
  setInputs(machine);
  Interpreter::ProgramId program =
      machine.compile(std::next(previous->getIterator()), outer->end());
  totals.emittedOps +=
      std::distance(std::next(previous->getIterator()), outer->end());
  for (int i = 0; i < 6; ++i) {
    Tile tile = randomTile();
    machine.input(outer->getArgument(5)) = tile.first;
    machine.input(outer->getArgument(6)) = tile.last;
    machine.run(program);
    if (!checkTile(machine, bounds, tile))
      return false;
  }
  return true;
}

bool MaskTrial::checkConstant() {
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
  setInputs(machine);
  Interpreter::ProgramId program =
      machine.compile(std::next(previous->getIterator()), outer->end());
  machine.run(program);
  return checkTile(machine, bounds, tile);
}

bool MaskTrial::checkCount() {
  std::optional<int64_t> count = analysis->countPairs(numQueries, numKeys);
  if (!count)
    return true;
  ++totals.counted;
  if (*count != llvm::count(kept, 1))
    return fail("wrong number of pairs", {0, *count});
  return true;
}

//===----------------------------------------------------------------------===//
// Walks
//===----------------------------------------------------------------------===//

/// Divisors that the mask did not ask for.
MaskTrial::Split MaskTrial::forcedSplit() {
  Split split;
  if (generator->uniform(0, 1) && !generator->gridDivisors.empty()) {
    split.divisors = generator->gridDivisors;
    return split;
  }
  int64_t inner = generator->uniform(2, 6);
  if (generator->uniform(0, 1)) {
    split.divisors = {inner};
    split.isResidue = generator->uniform(0, 1);
    return split;
  }
  split.divisors = {inner * generator->uniform(2, 3), inner};
  return split;
}

/// Rows of a residue or of a patch; empty if there are no whole lines.
MaskTrial::Ranges MaskTrial::randomRanges(const Split &split) {
  auto range = [&](int64_t size, int64_t most) {
    int64_t first = generator->uniform(0, size - 1);
    return Tile{first, std::min(size - 1, first + generator->uniform(0, most))};
  };
  if (split.divisors.empty())
    return {randomTile()};
  int64_t outerStride = split.divisors.front();
  if (split.isResidue) {
    int64_t row = generator->uniform(0, numQueries - 1);
    Tile residue{row % outerStride, row % outerStride};
    int64_t size = (numQueries - residue.first - 1) / outerStride + 1;
    return {range(size, 7), residue};
  }
  if (numQueries < outerStride)
    return {};
  Ranges ranges{range(numQueries / outerStride, 3)};
  for (size_t i = 1; i < split.divisors.size(); ++i)
    ranges.push_back(range(split.divisors[i - 1] / split.divisors[i], 3));
  ranges.push_back(range(split.divisors.back(), 3));
  return ranges;
}

SmallVector<int64_t> MaskTrial::rowsOf(const Split &split,
                                       const Ranges &ranges) {
  SmallVector<int64_t> rows{0};
  SmallVector<int64_t, 3> strides(split.divisors.begin(), split.divisors.end());
  strides.push_back(1);
  for (auto [range, stride] : llvm::zip_equal(ranges, strides)) {
    SmallVector<int64_t> next;
    for (int64_t row : rows)
      for (int64_t i = range.first; i <= range.last; ++i)
        next.push_back(row + i * stride);
    rows = std::move(next);
  }
  return rows;
}

namespace {
/// The compiled code of a walk.
struct WalkCode {
  Interpreter::ProgramId next, run;
  Value key, nextKey;
  KeyRuns::Run found;
};

/// What happened to the keys.
struct Visits {
  std::vector<char> seen, full;
};
} // namespace

/// Takes runs as a kernel does, now and then only a part of one. Gives what is
/// wrong, or nothing.
static StringRef takeRuns(Interpreter &machine, const WalkCode &code,
                          int64_t numKeys, Visits &visits,
                          std::vector<int64_t> &trace) {
  int64_t last = -1;
  auto nextOf = [&](int64_t key) {
    machine.input(code.key) = key;
    machine.run(code.next);
    return machine[code.nextKey];
  };
  int64_t key = nextOf(0), steps = 0;
  while (key < numKeys) {
    if (!machine.getError().empty())
      return machine.getError();
    if (key <= last)
      return "key visited twice";
    if (++steps > 4 * numKeys + 16)
      return "walk that does not end";
    machine.input(code.key) = key;
    machine.run(code.run);
    int64_t end = machine[code.found.end], step = code.found.step;
    bool isFull = machine[code.found.full] != 0;
    bool isVisible = machine[code.found.visible] != 0;
    trace.insert(trace.end(), {key, end, isFull, isVisible});
    if (end < key || end > numKeys)
      return "run that ends elsewhere";
    int64_t length = (end - key + step - 1) / step, taken = length;
    if (isVisible && length > 1 && (key * 40503 >> 3) % 4 == 0)
      taken = 1 + (key * 7919) % length;
    for (int64_t i = 0; isVisible && i < taken; ++i) {
      last = key + i * step;
      visits.seen[last] = true;
      visits.full[last] = isFull;
    }
    int64_t from = key + taken * step;
    key = nextOf(from);
    if (key < from && key < numKeys)
      return "next key that lies behind";
  }
  return machine.getError();
}

bool MaskTrial::checkWalks(const Split &split, bool isSuggested) {
  Location loc = builder.getUnknownLoc();
  MaskAnalysis walked =
      split.divisors.empty()
          ? *analysis
          : MaskAnalysis::compute(*mask->getParent(), split.divisors);
  shown = walked;
  builder.setInsertionPointToEnd(outer);
  Operation *first = &outer->back();
  bool isConstant = generator->uniform(0, 3) == 0;
  Ranges tile = randomRanges(split);
  if (tile.empty())
    return true;
  auto position = [&](int64_t value) -> Value {
    if (isConstant)
      return generator->constant(value);
    addArgument(builder.getIndexType());
    return outer->getArguments().back();
  };
  SmallVector<MaskAnalysis::AxisRange> rows;
  for (auto [axis, range] : llvm::enumerate(tile)) {
    Value begin = position(range.first);
    bool isSingle = split.isResidue && axis > 0;
    rows.push_back({begin, isSingle ? begin : position(range.last)});
  }
  Value keys = isConstant ? generator->constant(numKeys)
                          : Value(outer->getArgument(NumKeys));
  addArgument(builder.getIndexType());
  WalkCode code;
  code.key = outer->getArguments().back();
  MaskSummary summary =
      walked.emitSummary(builder, loc, outer->getArgument(NumBatches),
                         outer->getArgument(NumHeads), keys);
  Operation *afterSummary = &outer->back();
  KeyRuns runs(walked, summary, builder, loc, outer->getArgument(Batch),
               outer->getArgument(Head), rows, keys);
  Operation *afterTile = &outer->back();
  code.nextKey = runs.emitNext(code.key);
  Operation *afterNext = &outer->back();
  code.found = runs.emitRun(code.key);
  if (mutant && isSuggested)
    isMutated = mutate(std::next(first->getIterator()));
  for (Value *value :
       {&code.nextKey, &code.found.end, &code.found.full, &code.found.visible})
    if (isMutated && *value == replaced.first)
      *value = replaced.second;

  Interpreter machine;
  setInputs(machine);
  auto compile = [&](Operation *before, Operation *last) {
    return machine.compile(std::next(before->getIterator()),
                           std::next(last->getIterator()));
  };
  Interpreter::ProgramId scan = compile(first, afterSummary);
  Interpreter::ProgramId prepare = compile(afterSummary, afterTile);
  code.next = compile(afterTile, afterNext);
  code.run = compile(afterNext, &outer->back());
  machine.run(scan);
  for (int i = 0; i < (isConstant ? 1 : 3) && !tile.empty(); ++i) {
    for (auto [range, axis] : llvm::zip_equal(tile, rows)) {
      machine.input(axis.first) = range.first;
      machine.input(axis.last) = range.last;
    }
    machine.run(prepare);
    Visits visits{std::vector<char>(numKeys, 0), std::vector<char>(numKeys, 0)};
    StringRef wrong = takeRuns(machine, code, numKeys, visits, trace);
    SmallVector<int64_t> rowsOfTile = rowsOf(split, tile);
    auto failTile = [&](const Twine &what, int64_t key) {
      SmallVector<int64_t> values{key};
      llvm::append_range(values, split.divisors);
      for (const Tile &range : tile)
        values.append({range.first, range.last});
      return fail("walk" + Twine(split.isResidue ? " of a residue: " : ": ") +
                      what,
                  {rowsOfTile.front(), rowsOfTile.back()}, values);
    };
    if (!wrong.empty())
      return failTile(wrong, -1);
    Tightness counts;
    for (int64_t key = 0; key < numKeys; ++key) {
      bool any = false, all = true;
      for (int64_t row : rowsOfTile) {
        bool isKept = kept[row * numKeys + key];
        any |= isKept;
        all &= isKept;
      }
      if (any && !visits.seen[key])
        return failTile("kept pair lost", key);
      if (!all && visits.full[key])
        return failTile("masked pair in a full run", key);
      counts.idealEmpty += !any;
      counts.empty += !any && !visits.seen[key];
      counts.idealFull += all;
      counts.full += all && visits.full[key];
    }
    ++totals.walks;
    if (isSuggested) {
      tightness.add(counts);
      bool isClosed = walked.isExact() && !generator->hasReadTable();
      (isClosed ? totals.closedForm : totals.tables).add(counts);
    }
    tile = randomRanges(split);
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Mutants
//===----------------------------------------------------------------------===//

/// The changes that may be made to an operation; each makes one and says so if
/// its turn has come.
static bool changeOp(Operation *op, unsigned &turn, OpBuilder &builder,
                     std::pair<Value, Value> &replaced) {
  auto isTurn = [&] { return turn-- == 0; };
  Location loc = op->getLoc();
  auto become = [&](Value other) {
    // The operation stays: code is compiled from one operation to another.
    op->getResult(0).replaceAllUsesWith(other);
    replaced = {op->getResult(0), other};
    return true;
  };
  builder.setInsertionPoint(op);
  if (op->getNumOperands() == 2 && op->getNumResults() == 1) {
    Value a = op->getOperand(0), b = op->getOperand(1);
    if (isa<arith::MinSIOp>(op) && isTurn())
      return become(arith::MaxSIOp::create(builder, loc, a, b));
    if (isa<arith::MaxSIOp>(op) && isTurn())
      return become(arith::MinSIOp::create(builder, loc, a, b));
    if (isa<arith::MinSIOp, arith::MaxSIOp>(op) && isTurn())
      return become(a);
    if (isa<arith::MinSIOp, arith::MaxSIOp>(op) && isTurn())
      return become(b);
    if (isa<arith::AddIOp>(op) && isTurn())
      return become(arith::SubIOp::create(builder, loc, a, b));
    if (isa<arith::SubIOp>(op) && isTurn())
      return become(arith::AddIOp::create(builder, loc, a, b));
    if (isa<arith::AndIOp>(op) && isTurn())
      return become(arith::OrIOp::create(builder, loc, a, b));
    if (isa<arith::OrIOp>(op) && isTurn())
      return become(arith::AndIOp::create(builder, loc, a, b));
    if (isa<arith::FloorDivSIOp>(op) && isTurn())
      return become(arith::DivSIOp::create(builder, loc, a, b));
    if (isa<arith::FloorDivSIOp>(op) && isTurn())
      return become(arith::CeilDivSIOp::create(builder, loc, a, b));
  }
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    if (isTurn()) {
      compare.setPredicate(arith::invertPredicate(compare.getPredicate()));
      return true;
    }
    if (compare.getPredicate() == arith::CmpIPredicate::sle && isTurn()) {
      compare.setPredicate(arith::CmpIPredicate::slt);
      return true;
    }
  }
  if (isa<arith::SelectOp>(op) && isTurn()) {
    Value a = op->getOperand(1);
    op->setOperand(1, op->getOperand(2));
    op->setOperand(2, a);
    return true;
  }
  for (OpOperand &operand : op->getOpOperands()) {
    IntegerAttr constant;
    if (!operand.get().getType().isIndex() ||
        !matchPattern(operand.get(), m_Constant(&constant)))
      continue;
    for (int64_t change : {1, -1}) {
      if (!isTurn())
        continue;
      operand.set(arith::ConstantIndexOp::create(builder, loc,
                                                 constant.getInt() + change));
      return true;
    }
  }
  return false;
}

bool MaskTrial::mutate(Block::iterator first) {
  unsigned turn = *mutant;
  SmallVector<Operation *> ops;
  for (Operation &op : llvm::make_range(first, outer->end()))
    op.walk<WalkOrder::PreOrder>(
        [&](Operation *inner) { ops.push_back(inner); });
  OpBuilder::InsertionGuard guard(builder);
  return llvm::any_of(ops, [&](Operation *op) {
    return changeOp(op, turn, builder, replaced);
  });
}

//===----------------------------------------------------------------------===//
// All of a trial
//===----------------------------------------------------------------------===//

bool MaskTrial::run() {
  auto start = Clock::now();
  analysis = MaskAnalysis::compute(*mask->getParent());
  double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  totals.analysisSeconds += seconds;
  totals.slowest = std::max(totals.slowest, int64_t(seconds * 1e6));
  ++totals.masks;
  totals.exact += analysis->isExact();
  shown = analysis;
  Split suggested = analysis->suggestSplit();
  totals.splits += !suggested.divisors.empty();
  // Patches are for whole lines.
  if (!suggested.divisors.empty() && !suggested.isResidue && !isNamed)
    numQueries = llvm::alignTo(numQueries, suggested.divisors.front());
  fillTables();
  evaluateAllPairs();
  if (!checkWalks(suggested, true) || mutant)
    return totals.failures == 0;
  if (!suggested.divisors.empty() && !checkWalks(Split(), false))
    return false;
  if (generator->uniform(0, 1) && !checkWalks(forcedSplit(), false))
    return false;
  return checkDynamic() && checkConstant() && checkCount();
}
