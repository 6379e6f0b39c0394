//===- AttnVerifiers.cpp - The numbered constraints of the operations -----===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttnMaps.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SmallBitVector.h"

using namespace mlir;
using namespace mlir::attn;
using llvm::SmallBitVector;

static constexpr StringLiteral kDimNames[] = {"b", "h", "m", "n", "d", "e"};
static constexpr StringLiteral kSizeNames[] = {"B", "H", "L", "S", "D", "E"};

namespace {
/// What the constraints are checked on.
struct Roles {
  AttentionOpInterface op;
  SmallVector<AffineMap> maps;
  SmallVector<Value> operands;
  SmallVector<StringRef> names;

  explicit Roles(AttentionOpInterface op)
      : op(op), maps(op.getRoleMaps()), operands(op.getRoleOperands()),
        names(op.getRoleNames()) {}

  ShapedType getType(unsigned role) const {
    return cast<ShapedType>(operands[role].getType());
  }
  Type getElementType(unsigned role) const {
    return getType(role).getElementType();
  }
  /// The tileable form also takes packed tiles.
  bool mayBePacked() const { return isa<OnlineAttentionOp>(op); }
};

/// The position of the first operand after query, key and value.
constexpr unsigned kFirstDestination = 3;
} // namespace

//===----------------------------------------------------------------------===//
// Maps
//===----------------------------------------------------------------------===//

static LogicalResult verifyMapForms(const Roles &roles) {
  // attention_c1
  if (roles.maps.empty())
    return roles.op->emitOpError()
           << "expects 'indexing_maps' for a 'query' of rank "
           << roles.getType(0).getRank()
           << ", since only ranks 2 to 4 have default maps";
  if (roles.maps.size() != roles.operands.size())
    return roles.op->emitOpError()
           << "expects 'indexing_maps' to hold " << roles.operands.size()
           << " maps, but got " << roles.maps.size();
  for (auto [map, name] : llvm::zip_equal(roles.maps, roles.names))
    if (map.getNumDims() != kNumLoopDims || map.getNumSymbols())
      return roles.op->emitOpError()
             << "expects the map of '" << name << "' to have " << kNumLoopDims
             << " dimensions and no symbols, but got "
             << AffineMapAttr::get(map);
  return success();
}

/// Checks one map's results and collects the dimensions it uses.
static LogicalResult verifyMapResults(const Roles &roles, unsigned role,
                                      SmallBitVector &used) {
  // attention_c2
  AffineMap map = roles.maps[role];
  int64_t divisors[kNumLoopDims] = {};
  SmallBitVector quotients(kNumLoopDims), remainders(kNumLoopDims);
  auto fail = [&](StringRef what) {
    return roles.op->emitOpError()
           << "expects the map of '" << roles.names[role] << "' " << what
           << ", but got " << AffineMapAttr::get(map);
  };
  for (AffineExpr result : map.getResults()) {
    std::optional<DimUse> use = getDimUse(result);
    bool isSplit =
        use && (use->dim == kWidth || use->dim == kKey) && roles.mayBePacked();
    bool isGroup = use && use->dim == kHead && use->kind == DimUse::Quotient &&
                   role < kFirstDestination;
    if (!use || (use->kind != DimUse::Whole && !isSplit && !isGroup))
      return fail(roles.mayBePacked()
                      ? "to hold dimensions, h divided by a constant, or d or "
                        "n split by a constant"
                      : "to hold dimensions, or h divided by a constant");
    SmallBitVector &seen =
        use->kind == DimUse::Remainder ? remainders : quotients;
    if (seen.test(use->dim))
      return fail("to hold each dimension once");
    if (divisors[use->dim] && divisors[use->dim] != use->divisor)
      return fail("to split a dimension by one constant");
    seen.set(use->dim);
    divisors[use->dim] = use->divisor;
    used.set(use->dim);
  }
  for (unsigned dim : {unsigned(kKey), unsigned(kWidth)})
    if (divisors[dim] > 1 && !(quotients.test(dim) && remainders.test(dim)))
      return fail("to hold both halves of a split dimension");
  return success();
}

static LogicalResult verifyMapDims(const Roles &roles,
                                   ArrayRef<SmallBitVector> used) {
  // attention_c3
  static constexpr std::pair<LoopDim, LoopDim> kRoleDims[] = {
      {kQuery, kWidth},
      {kKey, kWidth},
      {kKey, kValueWidth},
      {kQuery, kValueWidth},
      {kQuery, kQuery}};
  for (auto [role, dims] : llvm::enumerate(used)) {
    auto [first, second] =
        kRoleDims[std::min<size_t>(role, std::size(kRoleDims) - 1)];
    SmallBitVector inner = dims;
    inner.reset(kBatch).reset(kHead);
    SmallBitVector expected(kNumLoopDims);
    expected.set(first).set(second);
    if (inner != expected) {
      InFlightDiagnostic diag = roles.op->emitOpError();
      diag << "expects the map of '" << roles.names[role] << "' to have "
           << kDimNames[first];
      if (first != second)
        diag << " and " << kDimNames[second];
      return diag << ", and no other dimension besides b and h, but got "
                  << AffineMapAttr::get(roles.maps[role]);
    }
  }
  for (LoopDim dim : {kBatch, kHead})
    for (auto [role, dims] : llvm::enumerate(used))
      for (unsigned to = kFirstDestination; to < used.size(); ++to)
        if (dims.test(dim) && !used[to].test(dim))
          return roles.op->emitOpError()
                 << "expects the map of '" << roles.names[to] << "' to have "
                 << kDimNames[dim] << ", which the map of '"
                 << roles.names[role] << "' has";
  return success();
}

//===----------------------------------------------------------------------===//
// Shapes and element types
//===----------------------------------------------------------------------===//

static LogicalResult verifyRanks(const Roles &roles) {
  // attention_c4
  for (unsigned role = 0; role < roles.operands.size(); ++role) {
    int64_t rank = roles.getType(role).getRank();
    unsigned expected = roles.maps[role].getNumResults();
    if (rank == expected)
      continue;
    InFlightDiagnostic diag = roles.op->emitOpError();
    diag << "expects '" << roles.names[role] << "' to have rank " << expected
         << ", as many as its map has results, but got " << rank;
    diag.attachNote(roles.operands[role].getLoc())
        << "'" << roles.names[role] << "' is "
        << roles.operands[role].getType();
    return failure();
  }
  return success();
}

namespace {
/// The first static size seen of a dimension, and where.
struct KnownSize {
  int64_t size = ShapedType::kDynamic;
  unsigned role = 0;
};
} // namespace

static LogicalResult reportSize(const Roles &roles, unsigned role, DimUse use,
                                KnownSize known, int64_t size) {
  InFlightDiagnostic diag = roles.op->emitOpError();
  diag << "expects '" << roles.names[role] << "' dim " << kSizeNames[use.dim];
  if (use.kind == DimUse::Remainder)
    diag << " mod " << use.divisor << " to be " << use.divisor;
  else
    diag << " to equal '" << roles.names[known.role] << "' dim "
         << kSizeNames[use.dim] << " (" << known.size << ')';
  if (use.kind == DimUse::Quotient)
    diag << " divided by " << use.divisor;
  diag << ", but got " << size;
  diag.attachNote(roles.operands[known.role].getLoc())
      << "'" << roles.names[known.role] << "' is "
      << roles.operands[known.role].getType();
  return failure();
}

/// Checks the halves of split dimensions against the whole ones.
static LogicalResult verifySplitSize(const Roles &roles, unsigned role,
                                     DimUse use, KnownSize known,
                                     int64_t size) {
  if (use.kind == DimUse::Remainder)
    return size == use.divisor ? success()
                               : reportSize(roles, role, use, known, size);
  if (ShapedType::isDynamic(known.size))
    return success();
  // A head count divides exactly; a packed dimension may end in a half pair.
  bool agrees = use.dim == kHead
                    ? size * use.divisor == known.size
                    : size == (known.size + use.divisor - 1) / use.divisor;
  return agrees ? success() : reportSize(roles, role, use, known, size);
}

static LogicalResult verifySizes(const Roles &roles) {
  // attention_c5
  KnownSize known[kNumLoopDims];
  for (DimUse::Kind kind : {DimUse::Whole, DimUse::Quotient, DimUse::Remainder})
    for (unsigned role = 0; role < roles.operands.size(); ++role)
      for (auto [size, expr] : llvm::zip_equal(roles.getType(role).getShape(),
                                               roles.maps[role].getResults())) {
        DimUse use = *getDimUse(expr);
        if (use.kind != kind || ShapedType::isDynamic(size))
          continue;
        KnownSize &dim = known[use.dim];
        if (kind != DimUse::Whole) {
          if (failed(verifySplitSize(roles, role, use, dim, size)))
            return failure();
        } else if (ShapedType::isDynamic(dim.size)) {
          dim = {size, role};
        } else if (dim.size != size) {
          return reportSize(roles, role, use, dim, size);
        }
      }
  return success();
}

static LogicalResult verifyElementTypes(Roles &roles) {
  // attention_c6
  auto isSupported = [](Type type) {
    return isa<Float64Type, Float32Type, Float16Type, BFloat16Type>(type);
  };
  bool isTile = isa<OnlineAttentionOp>(roles.op);
  Type query = roles.getElementType(0);
  if (!isSupported(query))
    return roles.op->emitOpError()
           << "expects 'query' element type to be f64, f32, f16 or bf16, but "
              "got "
           << query;
  for (unsigned role = 1; role < (isTile ? 3u : 4u); ++role) {
    Type type = roles.getElementType(role);
    // Tiles may be packed in another type than the compute type.
    if (isTile && isSupported(type) && type.isF64() == query.isF64())
      continue;
    if (type != query)
      return roles.op->emitOpError()
             << "expects '" << roles.names[role] << "' element type to "
             << (isTile && !query.isF64() ? "be f32, f16 or bf16 as" : "equal")
             << " 'query' element type (" << query << "), but got " << type;
  }
  Type compute = roles.op.getComputeType();
  for (unsigned role = isTile ? 3 : 4; role < roles.operands.size(); ++role)
    // online_attention_c13
    if (roles.getElementType(role) != compute)
      return roles.op->emitOpError()
             << "expects '" << roles.names[role]
             << "' element type to be the compute type (" << compute
             << "), but got " << roles.getElementType(role);
  return success();
}

//===----------------------------------------------------------------------===//
// Regions
//===----------------------------------------------------------------------===//

static LogicalResult verifySignature(AttentionOpInterface op, Region &region,
                                     StringRef name, ArrayRef<Type> arguments,
                                     Type result) {
  if (!region.hasOneBlock())
    return op->emitOpError()
           << "expects the '" << name << "' region to have 1 block, but got "
           << region.getBlocks().size();
  Block &block = region.front();
  if (block.getArgumentTypes() != TypeRange(arguments))
    return op->emitOpError()
           << "expects the '" << name << "' region to have arguments ("
           << arguments << "), but got (" << block.getArgumentTypes() << ')';
  auto yield = dyn_cast<YieldOp>(block.back());
  if (!yield)
    return op->emitOpError()
           << "expects the '" << name << "' region to end in 'attn.yield'";
  if (yield.getValue().getType() != result)
    return yield.emitOpError()
           << "expects the '" << name << "' region to yield " << result
           << ", but got " << yield.getValue().getType();
  return success();
}

static bool mayBeInRegion(Operation &op) {
  if (op.getNumRegions())
    return false;
  // Captured tensors become buffers, which are read.
  auto effects = getEffectsRecursively(&op);
  return effects && llvm::all_of(*effects, [](auto &effect) {
           return isa<MemoryEffects::Read>(effect.getEffect());
         });
}

static LogicalResult verifyContents(AttentionOpInterface op, Region &region,
                                    StringRef name) {
  // attention_c12
  for (Operation &inner : region.getOps()) {
    if (mayBeInRegion(inner))
      continue;
    InFlightDiagnostic diag = op->emitOpError();
    diag << "expects the '" << name
         << "' region to hold only operations without side effects and without "
            "regions, but got '"
         << inner.getName() << "'";
    diag.attachNote(inner.getLoc()) << "the operation is here";
    return failure();
  }
  return success();
}

static LogicalResult verifyRegionForms(AttentionOpInterface op) {
  Type compute = op.getComputeType();
  Type index = IndexType::get(op->getContext());
  Type i1 = IntegerType::get(op->getContext(), 1);
  // attention_c9
  Region &score = op.getScoreRegion();
  if (!score.empty() && (failed(verifySignature(
                             op, score, "score",
                             {compute, index, index, index, index}, compute)) ||
                         failed(verifyContents(op, score, "score"))))
    return failure();
  // attention_c10
  Region &mask = op.getMaskRegion();
  if (!mask.empty() &&
      (failed(verifySignature(op, mask, "mask", {index, index, index, index},
                              i1)) ||
       failed(verifyContents(op, mask, "mask"))))
    return failure();
  return success();
}

LogicalResult attn::detail::verifyAttentionOp(AttentionOpInterface op) {
  Roles roles(op);
  if (failed(verifyMapForms(roles)))
    return failure();
  SmallVector<SmallBitVector> used(roles.maps.size(),
                                   SmallBitVector(kNumLoopDims));
  for (unsigned role = 0; role < roles.maps.size(); ++role)
    if (failed(verifyMapResults(roles, role, used[role])))
      return failure();
  return failure(failed(verifyMapDims(roles, used)) ||
                 failed(verifyRanks(roles)) || failed(verifySizes(roles)) ||
                 failed(verifyElementTypes(roles)) ||
                 failed(verifyRegionForms(op)));
}

//===----------------------------------------------------------------------===//
// attn.attention
//===----------------------------------------------------------------------===//

/// For every operation with a scale.
template <typename Op> static LogicalResult verifyScale(Op op) {
  // attention_c7, longformer_c4
  if (op.getScale() && op.getScaleValueAttr())
    return op.emitOpError()
           << "expects 'scale' to be an attribute or an operand, but got both";
  Type compute = op.getComputeType();
  if (op.getScale() && op.getScale().getType() != compute)
    return op.emitOpError()
           << "expects 'scale' to have the compute type (" << compute
           << "), but got " << op.getScale().getType();
  return success();
}

static LogicalResult verifySinks(AttentionOp op) {
  // attention_c8
  if (!op.getSinks())
    return success();
  auto type = cast<ShapedType>(op.getSinks().getType());
  Type compute = op.getComputeType();
  if (type.getRank() != 1 || type.getElementType() != compute)
    return op.emitOpError() << "expects 'sinks' to be a tensor [H] of "
                            << compute << ", but got " << type;
  auto output = cast<ShapedType>(op.getOutput().getType());
  int64_t heads = 1;
  for (auto [size, expr] :
       llvm::zip_equal(output.getShape(), op.getRoleMaps()[3].getResults()))
    if (expr == getAffineDimExpr(kHead, op.getContext()))
      heads = size;
  int64_t size = type.getDimSize(0);
  if (ShapedType::isStatic(heads) && ShapedType::isStatic(size) &&
      heads != size)
    return op.emitOpError() << "expects 'sinks' dim H to equal 'output' dim H ("
                            << heads << "), but got " << size;
  return success();
}

/// What the types say; 1 for a dimension that no operand has. Keys read through
/// `key_rows` are counted by an operand.
static PairSizes getPairSizes(AttentionOpInterface op) {
  std::optional<int64_t> sizes[kNumLoopDims];
  for (auto [operand, map] :
       llvm::zip_equal(op.getRoleOperands(), op.getRoleMaps()))
    for (auto [size, expr] : llvm::zip_equal(
             cast<ShapedType>(operand.getType()).getShape(), map.getResults()))
      if (auto dim = dyn_cast<AffineDimExpr>(expr)) {
        // Static sizes agree; one may follow a dynamic one.
        std::optional<int64_t> &known = sizes[dim.getPosition()];
        if (!known || ShapedType::isDynamic(*known))
          known = size;
      }
  if (op.hasKeyRows())
    sizes[kKey] = ShapedType::kDynamic;
  return {sizes[kBatch].value_or(1), sizes[kHead].value_or(1),
          sizes[kQuery].value_or(1), sizes[kKey].value_or(1)};
}

/// Each attribute is of the interface and accepts its operands.
template <typename Interface>
static LogicalResult verifyModifiers(AttentionOp op, StringRef name,
                                     StringRef what, ArrayAttr kinds,
                                     std::optional<ArrayRef<int32_t>> counts,
                                     OperandRange operands) {
  // attention_c11
  size_t numKinds = kinds ? kinds.size() : 0;
  if (counts && counts->size() != numKinds)
    return op.emitOpError()
           << "expects an operand count for each of the " << numKinds
           << " attributes in '" << name << "', but got " << counts->size();
  int64_t total = 0;
  for (int32_t count : counts.value_or(ArrayRef<int32_t>())) {
    if (count < 0)
      return op.emitOpError() << "expects operand counts of '" << name
                              << "' to be 0 or more, but got " << count;
    total += count;
  }
  if (total != static_cast<int64_t>(operands.size()))
    return op.emitOpError() << "expects '" << name << "' to have " << total
                            << " operands, but got " << operands.size();
  auto emitError = [&]() { return op.emitOpError(); };
  PairSizes sizes = getPairSizes(op);
  for (size_t i = 0; i < numKinds; ++i) {
    auto kind = dyn_cast<Interface>(kinds[i]);
    if (!kind)
      return op.emitOpError() << "expects '" << name << "' to hold " << what
                              << " attributes, but got " << kinds[i];
    size_t count = counts ? (*counts)[i] : 0;
    if (failed(kind.verifyOperands(
            emitError, operands.take_front(count).getTypes(), sizes)))
      return failure();
    operands = operands.drop_front(count);
  }
  return success();
}

/// Rows of key and value can be chosen only where n is one of their dimensions.
static LogicalResult verifyWholeKeys(AttentionOpInterface op) {
  AffineExpr key = getAffineDimExpr(kKey, op.getContext());
  for (unsigned role : {1, 2})
    if (!op.getRoleMaps()[role].getResultPosition(key))
      return op->emitOpError()
             << "expects the map of '" << op.getRoleNames()[role]
             << "' to have n whole where there are 'key_rows', but got "
             << AffineMapAttr::get(op.getRoleMaps()[role]);
  return success();
}

static LogicalResult verifyKeyRows(AttentionOp op) {
  // attention_c16
  if (!op.getNumKeys() && op.getKeyRows().empty())
    return success();
  if (!op.getNumKeys() || op.getKeyRows().empty())
    return op.emitOpError()
           << "expects 'key_rows' to have a number of keys and "
              "a region, but got only the "
           << (op.getNumKeys() ? "number" : "region");
  Type index = IndexType::get(op.getContext());
  return failure(failed(verifySignature(op, op.getKeyRows(), "key_rows",
                                        {index, index, index}, index)) ||
                 failed(verifyContents(op, op.getKeyRows(), "key_rows")) ||
                 failed(verifyWholeKeys(op)));
}

LogicalResult AttentionOp::verifyRegions() {
  return failure(failed(verifyScale(*this)) || failed(verifySinks(*this)) ||
                 failed(verifyKeyRows(*this)) ||
                 failed(verifyModifiers<ScoreAttrInterface>(
                     *this, "scores", "score", getScoresAttr(),
                     getScoreOperandCounts(), getScoreOperands())) ||
                 failed(verifyModifiers<MaskAttrInterface>(
                     *this, "masks", "mask", getMasksAttr(),
                     getMaskOperandCounts(), getMaskOperands())));
}

//===----------------------------------------------------------------------===//
// attn.online_attention
//===----------------------------------------------------------------------===//

LogicalResult OnlineAttentionOp::verifyRegions() {
  // online_attention_c14
  if (!getOrigin().empty() && getOrigin().size() != 4)
    return emitOpError() << "expects 'origin' to have 4 operands or none, but "
                            "got "
                         << getOrigin().size();
  // online_attention_c15
  if (!getKeyRows())
    return success();
  auto type = cast<ShapedType>(getKeyRows().getType());
  if (type.getRank() != 1 || !type.getElementType().isIndex())
    return emitOpError() << "expects 'key_rows' to be a list of index, but got "
                         << type;
  return verifyWholeKeys(*this);
}

//===----------------------------------------------------------------------===//
// attn.longformer
//===----------------------------------------------------------------------===//

/// The second projections are like the first.
static LogicalResult verifyGlobalOperands(LongformerOp op) {
  // longformer_c1
  static constexpr StringLiteral names[] = {"query", "key", "value"};
  for (unsigned i = 0; i < 3; ++i) {
    auto own = cast<RankedTensorType>(op->getOperand(i).getType());
    auto other = cast<RankedTensorType>(op->getOperand(i + 3).getType());
    if (own.getElementType() != other.getElementType() ||
        failed(verifyCompatibleShape(own, other)))
      return op.emitOpError()
             << "expects 'global_" << names[i]
             << "' to have the element type and sizes of '" << names[i] << "' ("
             << own << "), but got " << other;
  }
  return success();
}

static LogicalResult verifyIsGlobal(LongformerOp op) {
  // longformer_c2
  PairSizes sizes = getPairSizes(op);
  if (ShapedType::isStatic(sizes.queries) && ShapedType::isStatic(sizes.keys) &&
      sizes.queries != sizes.keys)
    return op.emitOpError() << "expects 'key' dim S to equal 'query' dim L ("
                            << sizes.queries << "), but got " << sizes.keys;
  auto type = cast<RankedTensorType>(op.getIsGlobal().getType());
  bool hasBatch = op.getRoleMaps()[0].isFunctionOfDim(kBatch);
  if (!type.getElementType().isSignlessInteger() || type.getRank() < 1 ||
      type.getRank() > (hasBatch ? 2 : 1))
    return op.emitOpError() << "expects 'is_global' to be a tensor [L]"
                            << (hasBatch ? " or [B, L]" : "")
                            << " of i1 or integers, but got " << type;
  int64_t tokens =
      ShapedType::isStatic(sizes.queries) ? sizes.queries : sizes.keys;
  int64_t expected[] = {sizes.batch, tokens};
  if (failed(verifyCompatibleShape(
          type.getShape(), ArrayRef(expected).take_back(type.getRank()))))
    return op.emitOpError() << "expects 'is_global' to have a flag for each of "
                            << "the query's tokens, but got " << type;
  return success();
}

LogicalResult LongformerOp::verifyRegions() {
  // longformer_c3
  if (getWindowAttr().getInt() < 0)
    return emitOpError() << "expects 'window' to be 0 or more, but got "
                         << getWindowAttr().getInt();
  return failure(failed(verifyScale(*this)) ||
                 failed(verifyGlobalOperands(*this)) ||
                 failed(verifyIsGlobal(*this)));
}
