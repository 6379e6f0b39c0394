//===- Interpreter.cpp - Runs index and integer code ----------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Interpreter.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
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
  For,
  While,
  If,
  Forall,
  Terminator,
  Empty,
  Extract,
  Insert,
  ExtractSlice,
  Dim,
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
      .Case("scf.for", For)
      .Case("scf.while", While)
      .Case("scf.if", If)
      .Case("scf.forall", Forall)
      .Cases({"scf.yield", "scf.condition", "scf.forall.in_parallel"},
             Terminator)
      .Case("tensor.empty", Empty)
      .Case("tensor.extract", Extract)
      .Case("tensor.insert", Insert)
      .Case("tensor.extract_slice", ExtractSlice)
      .Case("tensor.dim", Dim)
      .Default(Unknown);
}

/// No trial needs as many; a loop that runs further never ends.
static constexpr int64_t kMaxSteps = 50'000'000;

/// Trials have fewer rows and keys.
static constexpr int64_t kMaxExtent = 1 << 12;

/// Stands for entries that nobody wrote.
static constexpr int64_t kUnwritten = INT64_MIN + 4242;

static unsigned widthOf(Value value) {
  Type type = value.getType();
  return type.isIntOrFloat() ? type.getIntOrFloatBitWidth() : 64;
}

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

int64_t Tensor::size() const {
  int64_t product = 1;
  for (int64_t extent : shape)
    product *= extent;
  return product;
}

/// The place of an entry, or nothing outside the tensor.
static std::optional<int64_t> placeOf(const Tensor &tensor,
                                      ArrayRef<int64_t> position) {
  int64_t place = 0;
  for (auto [extent, index] : llvm::zip_equal(tensor.shape, position)) {
    if (index < 0 || index >= extent)
      return std::nullopt;
    place = place * extent + index;
  }
  return place;
}

/// Calls back for each position of a box, in order.
static void forEachPosition(ArrayRef<int64_t> shape,
                            llvm::function_ref<void(ArrayRef<int64_t>)> body) {
  if (llvm::any_of(shape, [](int64_t extent) { return extent <= 0; }))
    return;
  SmallVector<int64_t, 4> position(shape.size(), 0);
  while (true) {
    body(position);
    size_t axis = shape.size();
    while (axis-- > 0 && ++position[axis] == shape[axis])
      position[axis] = 0;
    if (axis == size_t(-1))
      return;
  }
}

unsigned Interpreter::slot(Value value) {
  auto [it, inserted] = slots.try_emplace(value, registers.size());
  if (inserted) {
    registers.push_back(0);
    tensors.emplace_back();
  }
  return it->second;
}

Interpreter::Slots Interpreter::slotsOf(ValueRange values) {
  Slots result;
  for (Value value : values)
    result.push_back(slot(value));
  return result;
}

int64_t &Interpreter::input(Value value) { return registers[slot(value)]; }

void Interpreter::setTensor(Value value, Tensor tensor) {
  tensors[slot(value)] = std::make_shared<Tensor>(std::move(tensor));
}

int64_t Interpreter::operator[](Value value) const {
  return registers[slots.lookup(value)];
}

void Interpreter::fail(const char *what) {
  if (error.empty())
    error = what;
}

void Interpreter::copy(unsigned from, unsigned to) {
  registers[to] = registers[from];
  tensors[to] = tensors[from];
}

// Moves tensors that nobody else reads, so that loops write in place.
void Interpreter::copy(ValueRange from, ValueRange to) {
  SmallVector<std::pair<int64_t, std::shared_ptr<Tensor>>, 4> values;
  for (Value value : from) {
    std::shared_ptr<Tensor> &tensor = tensors[slot(value)];
    bool isLast = value.hasOneUse() && value.getParentBlock() ==
                                           value.getUsers().begin()->getBlock();
    values.emplace_back(registers[slot(value)],
                        isLast ? std::move(tensor) : tensor);
  }
  for (auto [value, target] : llvm::zip_equal(values, to)) {
    registers[slot(target)] = value.first;
    tensors[slot(target)] = std::move(value.second);
  }
}

std::shared_ptr<Tensor> Interpreter::writable(Value value) {
  std::shared_ptr<Tensor> &held = tensors[slot(value)];
  if (!held)
    std::abort();
  bool isLast = value.hasOneUse() &&
                value.getParentBlock() == value.getUsers().begin()->getBlock();
  if (isLast && held.use_count() == 1)
    return std::move(held);
  return std::make_shared<Tensor>(*held);
}

int64_t Interpreter::valueOf(OpFoldResult value) {
  if (auto attribute = dyn_cast<Attribute>(value))
    return cast<IntegerAttr>(attribute).getInt();
  return registers[slot(cast<Value>(value))];
}

SmallVector<int64_t, 4> Interpreter::valuesOf(ArrayRef<OpFoldResult> values) {
  SmallVector<int64_t, 4> result;
  for (OpFoldResult value : values)
    result.push_back(valueOf(value));
  return result;
}

//===----------------------------------------------------------------------===//
// Compilation
//===----------------------------------------------------------------------===//

Interpreter::ProgramId Interpreter::compile(Block::iterator first,
                                            Block::iterator last) {
  ProgramId id = programs.size();
  programs.emplace_back();
  for (Operation &op : llvm::make_range(first, last)) {
    Kind kind = kindOf(&op);
    if (kind == Unknown) {
      llvm::errs() << "cannot interpret " << op << "\n";
      std::abort();
    }
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      if (auto dense = dyn_cast<DenseIntElementsAttr>(constant.getValue())) {
        Tensor tensor;
        tensor.shape.assign(dense.getType().getShape().begin(),
                            dense.getType().getShape().end());
        for (const APInt &value : dense)
          tensor.entries.push_back(value.getSExtValue());
        setTensor(constant, std::move(tensor));
        continue;
      }
      auto value = cast<IntegerAttr>(constant.getValue()).getValue();
      input(constant) = value.getBitWidth() == 1 ? value.getZExtValue()
                                                 : value.getSExtValue();
      continue;
    }
    if (kind == Terminator)
      break; // the operation around it knows what it passes on
    Instruction instruction{&op, kind, 64, 0, slotsOf(op.getOperands()), {}};
    instruction.operands.resize(std::max<size_t>(2, op.getNumOperands()), 0);
    if (op.getNumResults() == 1)
      instruction.width = widthOf(op.getResult(0));
    for (Value result : llvm::reverse(op.getResults()))
      instruction.result = slot(result);
    for (Region &region : op.getRegions()) {
      if (region.empty())
        continue;
      (void)slotsOf(region.getArguments());
      instruction.bodies.push_back(
          compile(region.front().begin(), region.front().end()));
      (void)slotsOf(region.front().getTerminator()->getOperands());
    }
    programs[id].push_back(std::move(instruction));
  }
  return id;
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// Tensors and loops
//===----------------------------------------------------------------------===//

void Interpreter::executeSlice(Operation *op) {
  auto slice = cast<tensor::ExtractSliceOp>(op);
  const Tensor &source = *tensors[slot(slice.getSource())];
  SmallVector<int64_t, 4> offsets = valuesOf(slice.getMixedOffsets());
  auto result = std::make_shared<Tensor>();
  result->shape = valuesOf(slice.getMixedSizes());
  forEachPosition(result->shape, [&](ArrayRef<int64_t> position) {
    SmallVector<int64_t, 4> from(position);
    for (auto [index, offset] : llvm::zip_equal(from, offsets))
      index += offset;
    std::optional<int64_t> place = placeOf(source, from);
    if (!place)
      fail("slice outside of a tensor");
    result->entries.push_back(place ? source.entries[*place] : kUnwritten);
  });
  tensors[slot(slice)] = std::move(result);
}

void Interpreter::executeFor(const Instruction &instruction) {
  auto loop = cast<scf::ForOp>(instruction.op);
  copy(loop.getInitArgs(), loop.getRegionIterArgs());
  int64_t end = input(loop.getUpperBound()), step = input(loop.getStep());
  for (int64_t i = input(loop.getLowerBound()); i < end && error.empty();
       i += step) {
    input(loop.getInductionVar()) = i;
    run(instruction.bodies[0]);
    copy(loop.getBody()->getTerminator()->getOperands(),
         loop.getRegionIterArgs());
  }
  for (auto [from, to] :
       llvm::zip_equal(loop.getRegionIterArgs(), loop.getResults()))
    copy(slot(from), slot(to));
}

void Interpreter::executeWhile(const Instruction &instruction) {
  auto loop = cast<scf::WhileOp>(instruction.op);
  copy(loop.getInits(), loop.getBeforeArguments());
  while (error.empty()) {
    run(instruction.bodies[0]);
    scf::ConditionOp condition = loop.getConditionOp();
    bool goesOn = input(condition.getCondition()) != 0;
    copy(condition.getArgs(),
         goesOn ? ValueRange(loop.getAfterArguments()) : loop.getResults());
    if (!goesOn)
      return;
    run(instruction.bodies[1]);
    copy(loop.getYieldOp().getOperands(), loop.getBeforeArguments());
  }
}

// Tasks see what the outputs held before the loop, and no task what another
// wrote.
void Interpreter::executeForall(const Instruction &instruction) {
  auto loop = cast<scf::ForallOp>(instruction.op);
  if (!loop.isNormalized())
    std::abort();
  SmallVector<Tensor> results;
  for (auto [output, argument] :
       llvm::zip_equal(loop.getOutputs(), loop.getRegionIterArgs())) {
    copy(slot(output), slot(argument));
    results.push_back(*tensors[slot(output)]);
  }
  SmallVector<int64_t, 4> counts = valuesOf(loop.getMixedUpperBound());
  forEachPosition(counts, [&](ArrayRef<int64_t> task) {
    for (auto [variable, index] :
         llvm::zip_equal(loop.getInductionVars(), task))
      input(variable) = index;
    run(instruction.bodies[0]);
    if (!error.empty())
      return;
    for (Operation &op : loop.getTerminator().getYieldingOps()) {
      auto insert = cast<tensor::ParallelInsertSliceOp>(op);
      const Tensor &source = *tensors[slot(insert.getSource())];
      auto argument = cast<BlockArgument>(insert.getDest());
      Tensor &result = results[llvm::find(loop.getRegionIterArgs(), argument) -
                               loop.getRegionIterArgs().begin()];
      SmallVector<int64_t, 4> offsets = valuesOf(insert.getMixedOffsets());
      if (source.shape != valuesOf(insert.getMixedSizes()))
        fail("slice of another shape");
      size_t next = 0;
      forEachPosition(source.shape, [&](ArrayRef<int64_t> position) {
        SmallVector<int64_t, 4> to(position);
        for (auto [index, offset] : llvm::zip_equal(to, offsets))
          index += offset;
        if (std::optional<int64_t> place = placeOf(result, to))
          result.entries[*place] = source.entries[next++];
        else
          fail("slice written outside of a tensor");
      });
    }
  });
  for (auto [result, tensor] : llvm::zip_equal(loop.getResults(), results))
    setTensor(result, std::move(tensor));
}

/// True if the instruction was one of those that take more than registers.
bool Interpreter::executeStructured(const Instruction &instruction) {
  Operation *op = instruction.op;
  switch (instruction.kind) {
  case For:
    executeFor(instruction);
    return true;
  case While:
    executeWhile(instruction);
    return true;
  case Forall:
    executeForall(instruction);
    return true;
  case If: {
    auto branch = cast<scf::IfOp>(op);
    bool isThen = input(branch.getCondition()) != 0;
    if (!isThen && instruction.bodies.size() == 1)
      return true;
    run(instruction.bodies[isThen ? 0 : 1]);
    copy((isThen ? branch.thenYield() : branch.elseYield()).getOperands(),
         branch.getResults());
    return true;
  }
  case Empty: {
    auto empty = cast<tensor::EmptyOp>(op);
    Tensor tensor{valuesOf(empty.getMixedSizes()), {}};
    if (llvm::any_of(tensor.shape, [](int64_t extent) {
          return extent < 0 || extent > kMaxExtent;
        })) {
      fail("tensor of a size that cannot be");
      return true;
    }
    tensor.entries.assign(tensor.size(), kUnwritten);
    setTensor(empty, std::move(tensor));
    return true;
  }
  case Extract: {
    const Tensor &tensor = *tensors[instruction.operands[0]];
    SmallVector<int64_t, 4> position;
    for (unsigned index : ArrayRef(instruction.operands).drop_front())
      if (position.size() < tensor.shape.size())
        position.push_back(registers[index]);
    std::optional<int64_t> place = placeOf(tensor, position);
    int64_t value = place ? tensor.entries[*place] : kUnwritten;
    if (!place)
      fail("read outside of a tensor");
    else if (value == kUnwritten)
      fail("read of what nobody wrote");
    registers[instruction.result] = value;
    return true;
  }
  case Insert: {
    auto insert = cast<tensor::InsertOp>(op);
    std::shared_ptr<Tensor> tensor = writable(insert.getDest());
    SmallVector<int64_t, 4> position;
    for (Value index : insert.getIndices())
      position.push_back(input(index));
    if (std::optional<int64_t> place = placeOf(*tensor, position))
      tensor->entries[*place] = input(insert.getScalar());
    else
      fail("write outside of a tensor");
    tensors[instruction.result] = std::move(tensor);
    return true;
  }
  case ExtractSlice:
    executeSlice(op);
    return true;
  case Dim:
    registers[instruction.result] =
        tensors[instruction.operands[0]]
            ->shape[registers[instruction.operands[1]]];
    return true;
  default:
    return false;
  }
}

void Interpreter::run(ProgramId program) {
  for (const Instruction &instruction : programs[program]) {
    if (!error.empty())
      return;
    if (++numSteps > kMaxSteps)
      return fail("code that does not end");
    if (executeStructured(instruction))
      continue;
    bool divides = instruction.kind >= FloorDiv && instruction.kind <= RemU;
    if (divides && registers[instruction.operands[1]] == 0)
      return fail("division by zero");
    int64_t value = execute(instruction);
    if (instruction.width == 1)
      value &= 1;
    else
      value = llvm::SignExtend64(value, instruction.width);
    registers[instruction.result] = value;
  }
}
