#include "Unfused.h"
#include "Tensor.h"

#include "attn/Analysis/MaskAnalysis.h"
#include "attn/Dialect/Attn/IR/Attn.h"
#include "attn/Expand/Passes.h"
#include "attn/Pipelines/Pipelines.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <array>

using namespace mlir;

namespace {

/// One module in its own context, with its diagnostics as text.
class Module {
public:
  Module(StringRef source, StringRef fileName)
      : context(makeRegistry(), MLIRContext::Threading::DISABLED),
        handler(&context, [this](Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() == DiagnosticSeverity::Error)
            errors += (errors.empty() ? "" : "; ") + diagnostic.str();
        }) {
    module = parseSourceString<ModuleOp>(source, &context, fileName);
  }

  ModuleOp get() const { return module.get(); }
  const std::string &getErrors() const { return errors; }
  bool run(llvm::ArrayRef<std::unique_ptr<Pass> (*)()> passes) {
    PassManager manager(&context, ModuleOp::getOperationName());
    for (auto create : passes)
      manager.addPass(create());
    return succeeded(manager.run(*module));
  }

private:
  static DialectRegistry makeRegistry() {
    DialectRegistry registry;
    mlir::attn::registerDialects(registry);
    return registry;
  }

  MLIRContext context;
  std::string errors;
  ScopedDiagnosticHandler handler;
  OwningOpRef<ModuleOp> module;
};

} // namespace

static FloatAttr widen(FloatAttr attribute) {
  APFloat value = attribute.getValue();
  bool losesInfo;
  value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                &losesInfo);
  return FloatAttr::get(Float64Type::get(attribute.getContext()), value);
}

/// Gives every floating-point value the type f64.
static LogicalResult widenModule(ModuleOp module) {
  // What looks at the bits of a number has no meaning in another type.
  WalkResult walk = module.walk([](arith::BitcastOp op) {
    op.emitError("a module with 'arith.bitcast' has no f64 form");
    return WalkResult::interrupt();
  });
  if (walk.wasInterrupted())
    return failure();
  AttrTypeReplacer replacer;
  replacer.addReplacement([](FloatType type) -> Type {
    return Float64Type::get(type.getContext());
  });
  replacer.addReplacement(
      [](FloatAttr attribute) -> Attribute { return widen(attribute); });
  replacer.addReplacement(
      [](DenseFPElementsAttr attribute)
          -> std::optional<std::pair<Attribute, WalkResult>> {
        Type wide = Float64Type::get(attribute.getContext());
        auto converted = attribute.mapValues(wide, [](const APFloat &value) {
          APFloat result = value;
          bool losesInfo;
          result.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                         &losesInfo);
          return result.bitcastToAPInt();
        });
        return std::make_pair(Attribute(converted), WalkResult::skip());
      });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true,
                                        /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
  module.walk([](Operation *op) {
    if (!isa<arith::ExtFOp, arith::TruncFOp>(op))
      return;
    op->getResult(0).replaceAllUsesWith(op->getOperand(0));
    op->erase();
  });
  return verify(module);
}

llvm::Expected<std::string>(::attn::makeUnfused)(StringRef source,
                                                 StringRef fileName,
                                                 bool widen) {
  Module module(source, fileName);
  // Attributes are written as regions first, which have types to widen.
  bool done = module.get() && module.run({mlir::attn::createExpandPass}) &&
              (!widen || succeeded(widenModule(module.get()))) &&
              module.run({mlir::attn::createDecomposePass});
  if (!done)
    return ::attn::makeError("no unfused form: " + module.getErrors());
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.get().print(stream);
  return text;
}

namespace {

/// Sizes of the six dimensions, -1 where unknown.
using Extents = std::array<int64_t, 6>;

} // namespace

static Extents getExtents(mlir::attn::AttentionOp op, Block &entry,
                          ArrayRef<::attn::TensorRef> arguments) {
  Extents extents;
  extents.fill(-1);
  for (auto [operand, map] :
       llvm::zip(op.getRoleOperands(), op.getRoleMaps())) {
    auto type = cast<ShapedType>(operand.getType());
    auto argument = dyn_cast<BlockArgument>(operand);
    for (auto [dim, result] : llvm::enumerate(map.getResults())) {
      auto expr = dyn_cast<AffineDimExpr>(result);
      if (!expr)
        continue;
      int64_t &extent = extents[expr.getPosition()];
      if (!type.isDynamicDim(dim))
        extent = type.getDimSize(dim);
      else if (argument && argument.getOwner() == &entry)
        extent = arguments[argument.getArgNumber()].shape[dim];
    }
  }
  // Lower ranks have no b and no h.
  for (unsigned dim : {0u, 1u})
    if (extents[dim] < 0 &&
        llvm::none_of(
            op.getRoleMaps(),
            [&](AffineMap map) { return map.isFunctionOfDim(dim); }))
      extents[dim] = 1;
  return extents;
}

static std::optional<double>
countOperations(mlir::attn::AttentionOp op, Block &entry,
                ArrayRef<::attn::TensorRef> arguments) {
  Extents extents = getExtents(op, entry, arguments);
  if (llvm::is_contained(extents, -1))
    return std::nullopt;
  auto [b, h, m, n, d, e] = extents;
  double pairs = double(m) * double(n);
  if (!op.getMaskRegion().empty()) {
    std::optional<int64_t> kept =
        mlir::attn::MaskAnalysis::compute(op.getMaskRegion()).countPairs(m, n);
    if (!kept)
      return std::nullopt;
    pairs = double(*kept);
  }
  return 2.0 * double(b) * double(h) * pairs * double(d + e);
}

/// Writes sizes and integer arguments as the constants they are in this call.
static void fixSizes(func::FuncOp function,
                     ArrayRef<::attn::TensorRef> arguments) {
  OpBuilder builder(function.getContext());
  builder.setInsertionPointToStart(&function.getBody().front());
  function.walk([&](tensor::DimOp op) {
    auto argument = dyn_cast<BlockArgument>(op.getSource());
    std::optional<int64_t> dim = op.getConstantIndex();
    if (!argument || argument.getOwner() != &function.getBody().front() || !dim)
      return;
    int64_t size = arguments[argument.getArgNumber()].shape[*dim];
    op.replaceAllUsesWith(
        arith::ConstantIndexOp::create(builder, op.getLoc(), size).getResult());
  });
  for (BlockArgument argument : function.getArguments()) {
    const void *data = arguments[argument.getArgNumber()].data;
    Type type = argument.getType();
    if (!type.isIndex() && !type.isInteger(32) && !type.isInteger(64))
      continue;
    int64_t value = type.isInteger(32) ? *static_cast<const int32_t *>(data)
                                       : *static_cast<const int64_t *>(data);
    argument.replaceAllUsesWith(arith::ConstantOp::create(
        builder, argument.getLoc(), builder.getIntegerAttr(type, value)));
  }
}

std::optional<double>(::attn::countOperations)(StringRef source,
                                               StringRef entry,
                                               ArrayRef<TensorRef> arguments) {
  Module module(source, "<source>");
  if (!module.get() || !module.run({mlir::attn::createExpandPass}))
    return std::nullopt;
  auto function = module.get().lookupSymbol<func::FuncOp>(entry);
  if (!function || function.getNumArguments() != arguments.size())
    return std::nullopt;
  fixSizes(function, arguments);
  std::optional<double> sum = 0;
  function.walk([&](mlir::attn::AttentionOp op) {
    std::optional<double> operations =
        ::countOperations(op, function.getBody().front(), arguments);
    sum = sum && operations ? std::optional(*sum + *operations) : std::nullopt;
  });
  return sum && *sum > 0 ? sum : std::nullopt;
}
