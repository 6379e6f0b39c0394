//===- SignatureBuilder.cpp -----------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "SignatureBuilder.h"
#include "Reports.h"

#include "attn/Dialect/Attn/IR/Attn.h"
#include "mlir/Dialect/Affine/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/SCF/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Tensor/IR/ValueBoundsOpInterfaceImpl.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"

using namespace mlir;
using ::attn::DimConstraint;
using ::attn::DimExpr;
using ::attn::DType;
using ::attn::ParameterInfo;
using ::attn::Signature;

void ::attn::registerSignatureInterfaces(DialectRegistry &registry) {
  affine::registerValueBoundsOpInterfaceExternalModels(registry);
  arith::registerValueBoundsOpInterfaceExternalModels(registry);
  linalg::registerValueBoundsOpInterfaceExternalModels(registry);
  scf::registerValueBoundsOpInterfaceExternalModels(registry);
  tensor::registerValueBoundsOpInterfaceExternalModels(registry);
}

static std::optional<DType> toDType(Type type) {
  if (type.isF64())
    return DType::F64;
  if (type.isF32())
    return DType::F32;
  if (type.isF16())
    return DType::F16;
  if (type.isBF16())
    return DType::BF16;
  if (type.isIndex())
    return DType::Index;
  if (!type.isInteger())
    return std::nullopt;
  switch (type.getIntOrFloatBitWidth()) {
  case 64:
    return DType::I64;
  case 32:
    return DType::I32;
  case 16:
    return DType::I16;
  case 8:
    return DType::I8;
  case 1:
    return DType::I1;
  default:
    return std::nullopt;
  }
}

/// The name in the source where `location` points to, without its '%'.
static std::string readName(Location location, StringRef source) {
  ::attn::SourceLocation place = ::attn::toSourceLocation(location);
  for (unsigned line = 1; line < place.line; ++line)
    source = source.split('\n').second;
  if (place.column == 0 || place.column > source.size())
    return "";
  source = source.substr(place.column - 1);
  if (!source.consume_front("%"))
    return "";
  StringRef name = source.take_while([](char c) {
    return isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' ||
           c == '.' || c == '-';
  });
  // A number says less than "argument0".
  return name.empty() || isdigit(static_cast<unsigned char>(name[0]))
             ? ""
             : name.str();
}

static FailureOr<ParameterInfo> describe(func::FuncOp function, Type type,
                                         std::string name) {
  ParameterInfo info;
  info.name = std::move(name);
  auto tensor = dyn_cast<RankedTensorType>(type);
  info.isTensor = tensor != nullptr;
  std::optional<DType> dtype = toDType(tensor ? tensor.getElementType() : type);
  if (!dtype || (tensor && tensor.getEncoding()))
    return function.emitOpError("expects '")
           << info.name
           << "' to be a ranked tensor or a scalar of f64, f32, f16, bf16, "
              "i64, i32, i16, i8, i1 or index, but got "
           << type;
  info.dtype = *dtype;
  if (tensor)
    for (int64_t size : tensor.getShape())
      info.shape.push_back(ShapedType::isDynamic(size) ? -1 : size);
  return info;
}

namespace {

/// Writes sizes and index values of a function as expressions over its
/// arguments.
class SizeExpressions {
public:
  explicit SizeExpressions(func::FuncOp function)
      : entry(&function.getBody().front()) {
    for (BlockArgument argument : function.getArguments()) {
      firstSlot.push_back(numSlots);
      auto type = dyn_cast<RankedTensorType>(argument.getType());
      numSlots += type ? type.getRank() : 1;
    }
  }

  std::optional<DimExpr> getDim(Value value, int64_t dim) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type)
      return std::nullopt;
    if (!type.isDynamicDim(dim))
      return DimExpr::constant(type.getDimSize(dim));
    if (isArgument(value))
      return DimExpr::slot(getSlot(value, dim));
    return getExpr({value, dim});
  }

  std::optional<DimExpr> getIndex(Value value) {
    if (isArgument(value))
      return DimExpr::slot(getSlot(value, 0));
    return getExpr({value});
  }

  /// `expr` with dimensions and symbols replaced by `inputs`.
  static std::optional<DimExpr> translate(AffineExpr expr, unsigned numDims,
                                          ArrayRef<DimExpr> inputs) {
    if (auto constant = dyn_cast<AffineConstantExpr>(expr))
      return DimExpr::constant(constant.getValue());
    if (auto dim = dyn_cast<AffineDimExpr>(expr))
      return inputs[dim.getPosition()];
    if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
      return inputs[numDims + symbol.getPosition()];
    auto binary = cast<AffineBinaryOpExpr>(expr);
    std::optional<DimExpr> lhs = translate(binary.getLHS(), numDims, inputs);
    std::optional<DimExpr> rhs = translate(binary.getRHS(), numDims, inputs);
    if (!lhs || !rhs)
      return std::nullopt;
    switch (expr.getKind()) {
    case AffineExprKind::Add:
      return DimExpr::binary(DimExpr::Op::Add, *lhs, *rhs);
    case AffineExprKind::Mul:
      return DimExpr::binary(DimExpr::Op::Mul, *lhs, *rhs);
    case AffineExprKind::FloorDiv:
      return DimExpr::binary(DimExpr::Op::FloorDiv, *lhs, *rhs);
    case AffineExprKind::CeilDiv:
      return DimExpr::binary(DimExpr::Op::CeilDiv, *lhs, *rhs);
    case AffineExprKind::Mod:
      return DimExpr::binary(DimExpr::Op::Mod, *lhs, *rhs);
    default:
      return std::nullopt;
    }
  }

private:
  std::optional<DimExpr>
  getExpr(const ValueBoundsConstraintSet::Variable &size) {
    AffineMap map;
    ValueDimList operands;
    if (failed(ValueBoundsConstraintSet::computeBound(
            map, operands, presburger::BoundType::EQ, size,
            [&](Value v, std::optional<int64_t>, ValueBoundsConstraintSet &) {
              return isArgument(v);
            })))
      return std::nullopt;
    SmallVector<DimExpr> inputs;
    for (auto [operand, operandDim] : operands) {
      if (!isArgument(operand))
        return std::nullopt;
      inputs.push_back(DimExpr::slot(getSlot(operand, operandDim.value_or(0))));
    }
    return translate(map.getResult(0), map.getNumDims(), inputs);
  }

  bool isArgument(Value value) const {
    auto argument = dyn_cast<BlockArgument>(value);
    return argument && argument.getOwner() == entry;
  }

  unsigned getSlot(Value argument, int64_t dim) const {
    return firstSlot[cast<BlockArgument>(argument).getArgNumber()] + dim;
  }

  Block *entry;
  SmallVector<unsigned> firstSlot;
  unsigned numSlots = 0;
};

} // namespace

static LogicalResult addResultDims(func::FuncOp function,
                                   Signature &signature) {
  if (!llvm::hasSingleElement(function.getBody()))
    return function.emitOpError("expects a body of one block");
  SizeExpressions sizes(function);
  Operation *terminator = function.getBody().front().getTerminator();
  for (auto [index, value] : llvm::enumerate(terminator->getOperands())) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type)
      return function.emitOpError("expects result #")
             << index << " to be a ranked tensor, but got " << value.getType();
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      std::optional<DimExpr> expr = sizes.getDim(value, dim);
      if (!expr) {
        InFlightDiagnostic error =
            function.emitOpError("expects dimension ")
            << dim << " of result #" << index
            << " to follow from the arguments' sizes, but it does not";
        error.attachNote(value.getLoc()) << "the result is made here";
        return error;
      }
      signature.resultDims.push_back(std::move(*expr));
    }
  }
  return success();
}

FailureOr<Signature>(::attn::buildSignature)(func::FuncOp function,
                                             std::string_view source) {
  Signature signature;
  for (BlockArgument argument : function.getArguments()) {
    std::string name = readName(argument.getLoc(), source);
    if (name.empty())
      name = "argument" + std::to_string(argument.getArgNumber());
    FailureOr<ParameterInfo> info =
        ::describe(function, argument.getType(), std::move(name));
    if (failed(info))
      return failure();
    signature.arguments.push_back(std::move(*info));
  }
  for (auto [index, type] : llvm::enumerate(function.getResultTypes())) {
    FailureOr<ParameterInfo> info =
        ::describe(function, type, "result" + std::to_string(index));
    if (failed(info))
      return failure();
    signature.results.push_back(std::move(*info));
  }
  if (failed(addResultDims(function, signature)))
    return failure();
  return signature;
}

/// The size operand dimension `expr` of the extents `loops` needs: largest
/// index plus one. Known for expressions that grow with every loop index.
static std::optional<DimExpr>
getNeededSize(AffineExpr expr, ArrayRef<std::optional<DimExpr>> loops) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return loops[dim.getPosition()];
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || expr.getKind() != AffineExprKind::FloorDiv)
    return std::nullopt;
  auto dim = dyn_cast<AffineDimExpr>(binary.getLHS());
  auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (!dim || !divisor || !loops[dim.getPosition()])
    return std::nullopt;
  return DimExpr::binary(DimExpr::Op::CeilDiv, *loops[dim.getPosition()],
                         DimExpr::constant(divisor.getValue()));
}

static void addConstraint(Signature &signature, DimConstraint::Kind kind,
                          const DimExpr &lhs, const DimExpr &rhs,
                          StringRef origin) {
  if (lhs == rhs || (lhs.asConstant() && rhs.asConstant()))
    return;
  for (const DimConstraint &known : signature.constraints)
    if (known.kind == kind && known.lhs == lhs && known.rhs == rhs)
      return;
  signature.constraints.push_back({kind, lhs, rhs, origin.str()});
}

/// Operands that share a loop must agree on its extent. Returns the extents.
static SmallVector<std::optional<DimExpr>>
addLoopConstraints(SizeExpressions &sizes, Signature &signature,
                   StringRef origin, ArrayRef<AffineMap> maps,
                   ValueRange operands) {
  SmallVector<std::optional<DimExpr>> loops(
      maps.empty() ? 0 : maps.front().getNumDims());
  // The first operand dimension that is a loop defines its extent.
  for (auto [map, operand] : llvm::zip_equal(maps, operands))
    for (auto [dim, expr] : llvm::enumerate(map.getResults()))
      if (auto loop = dyn_cast<AffineDimExpr>(expr))
        if (!loops[loop.getPosition()])
          loops[loop.getPosition()] = sizes.getDim(operand, dim);
  for (auto [map, operand] : llvm::zip_equal(maps, operands))
    for (auto [dim, expr] : llvm::enumerate(map.getResults())) {
      std::optional<DimExpr> needed = getNeededSize(expr, loops);
      std::optional<DimExpr> size = sizes.getDim(operand, dim);
      if (needed && size)
        addConstraint(signature, DimConstraint::Kind::Equal, *needed, *size,
                      origin);
    }
  return loops;
}

/// An index of a region's pair, whole or divided by a constant: the number of
/// the region's argument and the divisor.
static std::optional<std::pair<unsigned, int64_t>>
getPairIndex(Value index, Region &region) {
  int64_t divisor = 1;
  if (auto quotient = index.getDefiningOp<arith::FloorDivSIOp>()) {
    APInt constant;
    if (!matchPattern(quotient.getRhs(), m_ConstantInt(&constant)) ||
        !constant.isStrictlyPositive())
      return std::nullopt;
    divisor = constant.getSExtValue();
    index = quotient.getLhs();
  }
  auto argument = dyn_cast<BlockArgument>(index);
  if (!argument || argument.getOwner()->getParent() != &region)
    return std::nullopt;
  return std::pair(argument.getArgNumber(), divisor);
}

/// Regions read captured tensors at the pair's own indices, or at its blocks:
/// those must have an element for each.
static void addRegionConstraints(SizeExpressions &sizes, Signature &signature,
                                 StringRef origin, Region &region,
                                 unsigned firstIndex,
                                 ArrayRef<std::optional<DimExpr>> loops) {
  region.walk([&](tensor::ExtractOp extract) {
    for (auto [dim, index] : llvm::enumerate(extract.getIndices())) {
      auto pairIndex = getPairIndex(index, region);
      if (!pairIndex || pairIndex->first < firstIndex)
        continue;
      // Arguments (b, h, i, j) are the first four loops.
      std::optional<DimExpr> extent = loops[pairIndex->first - firstIndex];
      std::optional<DimExpr> size = sizes.getDim(extract.getTensor(), dim);
      if (!extent || !size)
        continue;
      if (pairIndex->second != 1)
        extent = DimExpr::binary(DimExpr::Op::CeilDiv, *extent,
                                 DimExpr::constant(pairIndex->second));
      addConstraint(signature, DimConstraint::Kind::AtLeast, *extent, *size,
                    origin);
    }
  });
}

static void addAttentionConstraints(SizeExpressions &sizes,
                                    Signature &signature,
                                    mlir::attn::AttentionOpInterface op) {
  StringRef origin = op->getName().getStringRef();
  SmallVector<std::optional<DimExpr>> loops = addLoopConstraints(
      sizes, signature, origin, op.getRoleMaps(), op.getRoleOperands());
  auto attention = dyn_cast<mlir::attn::AttentionOp>(op.getOperation());
  if (op.hasKeyRows()) {
    // Key and value have rows; the regions count keys.
    std::optional<DimExpr> &keys = loops[mlir::attn::kKey];
    keys.reset();
    if (attention) {
      keys = sizes.getIndex(attention.getNumKeys());
      addRegionConstraints(
          sizes, signature, origin, attention.getKeyRows(), 0,
          {loops[mlir::attn::kBatch], loops[mlir::attn::kHead], keys});
    }
  }
  addRegionConstraints(sizes, signature, origin, op.getScoreRegion(), 1, loops);
  addRegionConstraints(sizes, signature, origin, op.getMaskRegion(), 0, loops);
  if (!attention || !attention.getSinks())
    return;
  std::optional<DimExpr> size = sizes.getDim(attention.getSinks(), 0);
  const std::optional<DimExpr> &heads = loops[mlir::attn::kHead];
  if (heads && size)
    addConstraint(signature, DimConstraint::Kind::Equal, *heads, *size, origin);
}

void ::attn::addConstraints(func::FuncOp function, Signature &signature) {
  SizeExpressions sizes(function);
  function.walk([&](Operation *op) {
    if (auto attention = dyn_cast<mlir::attn::AttentionOpInterface>(op)) {
      addAttentionConstraints(sizes, signature, attention);
      return;
    }
    auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
    if (linalgOp && linalgOp.hasPureTensorSemantics())
      addLoopConstraints(sizes, signature, op->getName().getStringRef(),
                         linalgOp.getIndexingMapsArray(), op->getOperands());
  });
}
