//===- OutlineTasks.cpp - Parallel loops to calls of the runtime ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Codegen/Passes.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::attn {
#define GEN_PASS_DEF_OUTLINETASKSPASS
#include "attn/Codegen/Passes.h.inc"
} // namespace mlir::attn

using namespace mlir;
using namespace mlir::attn;

static constexpr StringLiteral kParallelFor = "attn_parallel_for";

namespace {

/// Turns one parallel loop into a function and a call.
class TaskOutliner {
public:
  TaskOutliner(scf::ForallOp tasks, unsigned number,
               const LLVMTypeConverter &types)
      : tasks(tasks), parent(tasks->getParentOfType<func::FuncOp>()),
        types(types), loc(tasks.getLoc()), b(tasks),
        pointer(LLVM::LLVMPointerType::get(tasks.getContext())),
        name((parent.getName() + "_task" + Twine(number)).str()) {}

  void outline();

private:
  Value toInteger(Value index) {
    return arith::IndexCastOp::create(b, loc, b.getI64Type(), index);
  }
  Value cast(Value value, Type type) {
    return UnrealizedConversionCastOp::create(b, loc, type, value).getResult(0);
  }
  Value field(Value context, unsigned position) {
    return LLVM::GEPOp::create(
        b, loc, pointer, contextType, context,
        ArrayRef<LLVM::GEPArg>{0, static_cast<int32_t>(position)});
  }
  void collectCaptures();
  func::FuncOp createTask();
  void createCall(func::FuncOp task);

  scf::ForallOp tasks;
  func::FuncOp parent;
  const LLVMTypeConverter &types;
  Location loc;
  OpBuilder b;
  Type pointer;
  std::string name;
  SmallVector<Value> captures;
  SmallVector<Operation *> constants;
  /// Iterations of each dimension.
  SmallVector<Value> counts;
  LLVM::LLVMStructType contextType;
};

} // namespace

void TaskOutliner::collectCaptures() {
  SmallVector<Value> lower = tasks.getLowerBound(b),
                     upper = tasks.getUpperBound(b), step = tasks.getStep(b);
  for (auto [lo, hi, by] : llvm::zip(lower, upper, step)) {
    Value extent = b.createOrFold<arith::SubIOp>(loc, hi, lo);
    counts.push_back(b.createOrFold<arith::CeilDivSIOp>(loc, extent, by));
  }
  llvm::SetVector<Value> used;
  getUsedValuesDefinedAbove(tasks.getRegion(), used);
  for (ArrayRef<Value> values :
       {ArrayRef<Value>(lower), ArrayRef<Value>(step), ArrayRef<Value>(counts)})
    used.insert(values.begin(), values.end());
  SmallVector<Type> fields;
  for (Value value : used) {
    Operation *definition = value.getDefiningOp();
    if (definition && definition->hasTrait<OpTrait::ConstantLike>()) {
      constants.push_back(definition);
      continue;
    }
    captures.push_back(value);
    fields.push_back(types.convertType(value.getType()));
  }
  contextType = LLVM::LLVMStructType::getLiteral(b.getContext(), fields);
}

func::FuncOp TaskOutliner::createTask() {
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(parent);
  auto type = b.getFunctionType({b.getI64Type(), pointer}, {});
  auto task = func::FuncOp::create(b, loc, name, type);
  task.setPrivate();
  task->setAttr("llvm.linkage", LLVM::LinkageAttr::get(
                                    b.getContext(), LLVM::Linkage::Internal));
  Block *body = task.addEntryBlock();
  b.setInsertionPointToStart(body);
  IRMapping mapping;
  for (Operation *constant : constants)
    if (!mapping.contains(constant->getResult(0)))
      b.clone(*constant, mapping);
  for (auto [position, capture] : llvm::enumerate(captures)) {
    Value loaded = LLVM::LoadOp::create(b, loc, contextType.getBody()[position],
                                        field(body->getArgument(1), position));
    mapping.map(capture, cast(loaded, capture.getType()));
  }
  // The task number counts the last dimension fastest.
  Value rest = arith::IndexCastOp::create(b, loc, b.getIndexType(),
                                          body->getArgument(0));
  SmallVector<Value> lower = tasks.getLowerBound(b), step = tasks.getStep(b);
  SmallVector<Value> ivs(counts.size());
  for (unsigned i = counts.size(); i-- > 0;) {
    Value count = mapping.lookupOrDefault(counts[i]);
    Value position =
        i == 0 ? rest : b.createOrFold<arith::RemSIOp>(loc, rest, count);
    if (i > 0)
      rest = b.createOrFold<arith::DivSIOp>(loc, rest, count);
    Value scaled = b.createOrFold<arith::MulIOp>(
        loc, position, mapping.lookupOrDefault(step[i]));
    ivs[i] = b.createOrFold<arith::AddIOp>(loc, scaled,
                                           mapping.lookupOrDefault(lower[i]));
  }
  for (auto [iv, value] : llvm::zip(tasks.getInductionVars(), ivs))
    mapping.map(iv, value);
  for (Operation &op : tasks.getBody()->without_terminator())
    b.clone(op, mapping);
  func::ReturnOp::create(b, loc);
  return task;
}

void TaskOutliner::createCall(func::FuncOp task) {
  Value context;
  {
    // In the entry block: a loop around the call must not grow the stack.
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&parent.getBody().front());
    Value one = LLVM::ConstantOp::create(b, loc, b.getI64Type(),
                                         b.getI64IntegerAttr(1));
    context = LLVM::AllocaOp::create(b, loc, pointer, contextType, one);
  }
  for (auto [position, capture] : llvm::enumerate(captures))
    LLVM::StoreOp::create(b, loc,
                          cast(capture, contextType.getBody()[position]),
                          field(context, position));
  Value total = arith::ConstantIndexOp::create(b, loc, 1);
  for (Value count : counts)
    total = b.createOrFold<arith::MulIOp>(loc, total, count);
  Value function =
      func::ConstantOp::create(b, loc, task.getFunctionType(), name);
  LLVM::CallOp::create(
      b, loc, TypeRange(), kParallelFor,
      ValueRange{toInteger(total), cast(function, pointer), context});
}

void TaskOutliner::outline() {
  collectCaptures();
  func::FuncOp task = createTask();
  createCall(task);
  tasks.erase();
}

static void declareRuntime(ModuleOp module) {
  if (module.lookupSymbol(kParallelFor))
    return;
  OpBuilder b(module.getBodyRegion());
  Type pointer = LLVM::LLVMPointerType::get(module.getContext());
  auto type =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(module.getContext()),
                                  {b.getI64Type(), pointer, pointer});
  LLVM::LLVMFuncOp::create(b, module.getLoc(), kParallelFor, type);
}

namespace {
struct OutlineTasksPass final
    : public attn::impl::OutlineTasksPassBase<OutlineTasksPass> {
  using Base::Base;
  void runOnOperation() override {
    SmallVector<scf::ForallOp> outermost;
    getOperation().walk<WalkOrder::PreOrder>([&](scf::ForallOp tasks) {
      outermost.push_back(tasks);
      return WalkResult::skip();
    });
    if (outermost.empty())
      return;
    for (scf::ForallOp tasks : outermost)
      if (tasks.getNumResults() > 0) {
        tasks.emitOpError(
            "expects buffers, but returns tensors (run attn-bufferize)");
        return signalPassFailure();
      }
    declareRuntime(getOperation());
    LLVMTypeConverter types(&getContext());
    for (auto [number, tasks] : llvm::enumerate(outermost))
      TaskOutliner(tasks, number, types).outline();
  }
};
} // namespace
