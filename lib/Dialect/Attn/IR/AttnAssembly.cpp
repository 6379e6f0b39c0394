//===- AttnAssembly.cpp - Textual form of the operations ------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "AttnAssembly.h"

using namespace mlir;
using namespace mlir::attn;
using UnresolvedOperand = OpAsmParser::UnresolvedOperand;

//===----------------------------------------------------------------------===//
// Clauses
//===----------------------------------------------------------------------===//

ParseResult attn::parseOptionalScale(OpAsmParser &parser,
                                     std::optional<UnresolvedOperand> &operand,
                                     Type &type, FloatAttr &value) {
  if (failed(parser.parseOptionalKeyword("scale")))
    return success();
  if (parser.parseLParen())
    return failure();
  UnresolvedOperand parsed;
  OptionalParseResult isOperand = parser.parseOptionalOperand(parsed);
  if (isOperand.has_value()) {
    operand = parsed;
    if (failed(*isOperand) || parser.parseColonType(type))
      return failure();
  } else {
    double constant;
    if (parser.parseFloat(constant))
      return failure();
    value = parser.getBuilder().getF64FloatAttr(constant);
  }
  return parser.parseRParen();
}

void attn::printOptionalScale(OpAsmPrinter &printer, Operation *, Value operand,
                              Type type, FloatAttr value) {
  // A malformed operation with both is printed in the generic form.
  if (!operand && !value)
    return;
  printer << " scale(";
  if (operand)
    printer << operand << " : " << type;
  else
    printer.printFloat(value.getValue());
  printer << ')';
}

namespace {
/// Operands with their types, as written behind a keyword.
struct OperandList {
  SmallVector<UnresolvedOperand> operands;
  SmallVector<Type> types;
  SMLoc loc;

  /// `(%a, %b : type, type)`.
  ParseResult parse(OpAsmParser &parser) {
    loc = parser.getCurrentLocation();
    return failure(parser.parseLParen() || parser.parseOperandList(operands) ||
                   parser.parseColonTypeList(types) || parser.parseRParen());
  }

  /// `(%a, %b)`, all of type index.
  ParseResult parseIndices(OpAsmParser &parser) {
    loc = parser.getCurrentLocation();
    if (parser.parseOperandList(operands, OpAsmParser::Delimiter::Paren))
      return failure();
    types.assign(operands.size(), parser.getBuilder().getIndexType());
    return success();
  }

  ParseResult resolve(OpAsmParser &parser, OperationState &result) const {
    return parser.resolveOperands(operands, types, loc, result.operands);
  }

  int32_t size() const { return operands.size(); }
};

/// `scores(...)` or `masks(...)`: attributes, each with its operands.
struct ModifierList {
  OperandList list;
  SmallVector<Attribute> kinds;
  SmallVector<int32_t> counts;

  ParseResult parseModifier(OpAsmParser &parser) {
    Attribute kind;
    if (parser.parseAttribute(kind))
      return failure();
    kinds.push_back(kind);
    int32_t before = list.size();
    if (succeeded(parser.parseOptionalLParen()) &&
        (parser.parseOperandList(list.operands) ||
         parser.parseColonTypeList(list.types) || parser.parseRParen()))
      return failure();
    counts.push_back(list.size() - before);
    return success();
  }

  ParseResult parseOptional(OpAsmParser &parser, StringRef keyword) {
    list.loc = parser.getCurrentLocation();
    if (failed(parser.parseOptionalKeyword(keyword)))
      return success();
    return parser.parseCommaSeparatedList(
        AsmParser::Delimiter::Paren, [&] { return parseModifier(parser); });
  }

  void getAttributes(Builder &builder, ArrayAttr &kindsAttr,
                     DenseI32ArrayAttr &countsAttr) const {
    if (!kinds.empty())
      kindsAttr = builder.getArrayAttr(kinds);
    if (list.size())
      countsAttr = builder.getDenseI32ArrayAttr(counts);
  }
};
} // namespace

static ParseResult parseOptionalRegion(OpAsmParser &parser, StringRef keyword,
                                       Region &region) {
  if (failed(parser.parseOptionalKeyword(keyword)))
    return success();
  return parser.parseRegion(region);
}

/// `score {...} mask {...}`.
static ParseResult parseRegions(OpAsmParser &parser, OperationState &result) {
  Region *score = result.addRegion();
  Region *mask = result.addRegion();
  return failure(parseOptionalRegion(parser, "score", *score) ||
                 parseOptionalRegion(parser, "mask", *mask));
}

/// `key_rows(%count : index) {...}`.
static ParseResult parseKeyRows(OpAsmParser &parser, OperationState &result,
                                OperandList &count) {
  Region *region = result.addRegion();
  if (failed(parser.parseOptionalKeyword("key_rows")))
    return success();
  if (count.parse(parser))
    return failure();
  if (count.size() != 1)
    return parser.emitError(count.loc)
           << "expects 1 operand in 'key_rows', but got " << count.size();
  return parser.parseRegion(*region);
}

/// `attributes {...} -> types`.
static ParseResult parseTail(OpAsmParser &parser, OperationState &result) {
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      failed(result.name.verifyInherentAttrs(
          result.attributes, [&] { return parser.emitError(loc); })))
    return failure();
  if (succeeded(parser.parseOptionalArrow()))
    return parser.parseTypeList(result.types);
  return success();
}

static void printOperands(OpAsmPrinter &printer, StringRef keyword,
                          ValueRange operands) {
  printer << ' ' << keyword << '(' << operands << " : " << operands.getTypes()
          << ')';
}

static void printModifiers(OpAsmPrinter &printer, StringRef keyword,
                           ArrayAttr kinds, ArrayRef<int32_t> counts,
                           OperandRange operands) {
  if (!kinds || kinds.empty())
    return;
  printer << ' ' << keyword << '(';
  for (auto [i, kind] : llvm::enumerate(kinds)) {
    printer << (i ? ", " : "") << kind;
    size_t count = i < counts.size() ? counts[i] : 0;
    OperandRange own = operands.take_front(count);
    operands = operands.drop_front(count);
    if (!own.empty())
      printer << '(' << own << " : " << own.getTypes() << ')';
  }
  printer << ')';
}

static void printRegion(OpAsmPrinter &printer, StringRef keyword,
                        Region &region) {
  if (region.empty())
    return;
  printer << ' ' << keyword << ' ';
  printer.printRegion(region);
}

static void printTail(OpAsmPrinter &printer, AttentionOpInterface op,
                      ArrayRef<StringRef> elided) {
  printer.printOptionalAttrDictWithKeyword(op->getAttrs(), elided);
  if (op->getNumResults())
    printer << " -> " << op->getResultTypes();
}

static void printRegions(OpAsmPrinter &printer, AttentionOpInterface op) {
  printRegion(printer, "score", op.getScoreRegion());
  printRegion(printer, "mask", op.getMaskRegion());
}

/// The names the descriptions use: (s, b, h, i, j), (b, h, i, j), (b, h, j).
static void nameArguments(Region &region, OpAsmSetValueNameFn setNameFn) {
  static constexpr StringLiteral kNames[] = {"s", "b", "h", "i", "j"};
  static constexpr StringLiteral kKeyNames[] = {"b", "h", "j"};
  if (region.empty() || region.getNumArguments() > std::size(kNames))
    return;
  ArrayRef<StringLiteral> names(kNames);
  if (region.getNumArguments() == std::size(kKeyNames))
    names = kKeyNames;
  for (auto [argument, name] : llvm::zip_equal(
           region.getArguments(), names.take_back(region.getNumArguments())))
    setNameFn(argument, name);
}

//===----------------------------------------------------------------------===//
// attn.attention
//===----------------------------------------------------------------------===//

ParseResult AttentionOp::parse(OpAsmParser &parser, OperationState &result) {
  OperandList ins, outs, sinks, numKeys;
  ModifierList scores, masks;
  std::optional<UnresolvedOperand> scale;
  Type scaleType;
  auto &properties = result.getOrAddProperties<Properties>();
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword("ins") || ins.parse(parser) ||
      parser.parseKeyword("outs") || outs.parse(parser))
    return failure();
  if (ins.size() != 3 || outs.size() < 1 || outs.size() > 2)
    return parser.emitError(loc)
           << "expects 3 operands in 'ins' and 1 or 2 in 'outs', but got "
           << ins.size() << " and " << outs.size();
  if (parseOptionalScale(parser, scale, scaleType, properties.scale_value) ||
      (succeeded(parser.parseOptionalKeyword("sinks")) &&
       sinks.parse(parser)) ||
      scores.parseOptional(parser, "scores") ||
      masks.parseOptional(parser, "masks") || parseRegions(parser, result) ||
      parseKeyRows(parser, result, numKeys) || parseTail(parser, result))
    return failure();
  if (sinks.size() > 1)
    return parser.emitError(sinks.loc)
           << "expects 1 operand in 'sinks', but got " << sinks.size();

  Builder &builder = parser.getBuilder();
  scores.getAttributes(builder, properties.scores,
                       properties.score_operand_counts);
  masks.getAttributes(builder, properties.masks,
                      properties.mask_operand_counts);
  properties.operandSegmentSizes = {1,
                                    1,
                                    1,
                                    scale.has_value(),
                                    sinks.size(),
                                    scores.list.size(),
                                    masks.list.size(),
                                    numKeys.size(),
                                    1,
                                    outs.size() - 1};
  return failure(
      ins.resolve(parser, result) ||
      (scale && parser.resolveOperand(*scale, scaleType, result.operands)) ||
      sinks.resolve(parser, result) || scores.list.resolve(parser, result) ||
      masks.list.resolve(parser, result) || numKeys.resolve(parser, result) ||
      outs.resolve(parser, result));
}

void AttentionOp::getAsmBlockArgumentNames(Region &region,
                                           OpAsmSetValueNameFn setNameFn) {
  nameArguments(region, setNameFn);
}

void AttentionOp::print(OpAsmPrinter &printer) {
  printOperands(printer, "ins", ValueRange{getQuery(), getKey(), getValue()});
  printOperands(printer, "outs", getDpsInits());
  printOptionalScale(printer, *this, getScale(),
                     getScale() ? getScale().getType() : Type(),
                     getScaleValueAttr());
  if (getSinks())
    printOperands(printer, "sinks", getSinks());
  printModifiers(printer, "scores", getScoresAttr(),
                 getScoreOperandCounts().value_or(ArrayRef<int32_t>()),
                 getScoreOperands());
  printModifiers(printer, "masks", getMasksAttr(),
                 getMaskOperandCounts().value_or(ArrayRef<int32_t>()),
                 getMaskOperands());
  SmallVector<StringRef> elided = {getOperandSegmentSizesAttrName(),
                                   getScaleValueAttrName(),
                                   getScoresAttrName(),
                                   getMasksAttrName(),
                                   getScoreOperandCountsAttrName(),
                                   getMaskOperandCountsAttrName()};
  if (hasDefaultMaps(*this, getIndexingMapsAttr(), getDefaultMaps()))
    elided.push_back(getIndexingMapsAttrName());
  printRegions(printer, *this);
  if (getNumKeys())
    printOperands(printer, "key_rows", getNumKeys());
  if (!getKeyRows().empty()) {
    printer << ' ';
    printer.printRegion(getKeyRows());
  }
  printTail(printer, *this, elided);
}

//===----------------------------------------------------------------------===//
// attn.online_attention
//===----------------------------------------------------------------------===//

ParseResult OnlineAttentionOp::parse(OpAsmParser &parser,
                                     OperationState &result) {
  OperandList ins, outs, origin, rows, keyRows;
  auto &properties = result.getOrAddProperties<Properties>();
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword("ins") || ins.parse(parser) ||
      parser.parseKeyword("outs") || outs.parse(parser))
    return failure();
  if (ins.size() != 3 || outs.size() != 3)
    return parser.emitError(loc)
           << "expects 3 operands in 'ins' and 3 in 'outs', but got "
           << ins.size() << " and " << outs.size();
  double scale = 1.0;
  if (succeeded(parser.parseOptionalKeyword("logit_scale")) &&
      (parser.parseLParen() || parser.parseFloat(scale) ||
       parser.parseRParen()))
    return failure();
  if ((succeeded(parser.parseOptionalKeyword("origin")) &&
       origin.parseIndices(parser)) ||
      (succeeded(parser.parseOptionalKeyword("rows")) &&
       rows.parseIndices(parser)) ||
      (succeeded(parser.parseOptionalKeyword("key_rows")) &&
       keyRows.parse(parser)))
    return failure();
  if (rows.size() > 1)
    return parser.emitError(rows.loc)
           << "expects 1 operand in 'rows', but got " << rows.size();
  if (keyRows.size() > 1)
    return parser.emitError(keyRows.loc)
           << "expects 1 operand in 'key_rows', but got " << keyRows.size();
  properties.logit_scale = parser.getBuilder().getF64FloatAttr(scale);
  properties.operandSegmentSizes = {
      1, 1, 1, origin.size(), rows.size(), keyRows.size(), 1, 1, 1};
  return failure(
      parseRegions(parser, result) || parseTail(parser, result) ||
      ins.resolve(parser, result) || origin.resolve(parser, result) ||
      rows.resolve(parser, result) || keyRows.resolve(parser, result) ||
      outs.resolve(parser, result));
}

void OnlineAttentionOp::getAsmBlockArgumentNames(
    Region &region, OpAsmSetValueNameFn setNameFn) {
  nameArguments(region, setNameFn);
}

void OnlineAttentionOp::print(OpAsmPrinter &printer) {
  printOperands(printer, "ins", ValueRange{getQuery(), getKey(), getValue()});
  printOperands(printer, "outs", getDpsInits());
  if (!getLogitScale().isExactlyValue(1.0)) {
    printer << " logit_scale(";
    printer.printFloat(getLogitScale());
    printer << ')';
  }
  if (!getOrigin().empty())
    printer << " origin(" << getOrigin() << ')';
  if (getRows())
    printer << " rows(" << getRows() << ')';
  if (getKeyRows())
    printOperands(printer, "key_rows", getKeyRows());
  SmallVector<StringRef> elided = {getOperandSegmentSizesAttrName(),
                                   getLogitScaleAttrName()};
  if (hasDefaultMaps(*this, getIndexingMapsAttr(), getDefaultMaps()))
    elided.push_back(getIndexingMapsAttrName());
  printRegions(printer, *this);
  printTail(printer, *this, elided);
}

//===----------------------------------------------------------------------===//
// attn.longformer
//===----------------------------------------------------------------------===//

ParseResult LongformerOp::parse(OpAsmParser &parser, OperationState &result) {
  OperandList ins, outs;
  std::optional<UnresolvedOperand> scale;
  Type scaleType;
  int64_t window;
  auto &properties = result.getOrAddProperties<Properties>();
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword("ins") || ins.parse(parser) ||
      parser.parseKeyword("outs") || outs.parse(parser))
    return failure();
  if (ins.size() != 7 || outs.size() != 1)
    return parser.emitError(loc)
           << "expects 7 operands in 'ins' and 1 in 'outs', but got "
           << ins.size() << " and " << outs.size();
  if (parseOptionalScale(parser, scale, scaleType, properties.scale_value) ||
      parser.parseKeyword("window") || parser.parseLParen() ||
      parser.parseInteger(window) || parser.parseRParen() ||
      parseRegions(parser, result) || parseTail(parser, result))
    return failure();
  properties.window = parser.getBuilder().getI64IntegerAttr(window);
  return failure(
      ins.resolve(parser, result) ||
      (scale && parser.resolveOperand(*scale, scaleType, result.operands)) ||
      outs.resolve(parser, result));
}

void LongformerOp::getAsmBlockArgumentNames(Region &region,
                                            OpAsmSetValueNameFn setNameFn) {
  nameArguments(region, setNameFn);
}

void LongformerOp::print(OpAsmPrinter &printer) {
  printOperands(printer, "ins", getOperands().take_front(7));
  printOperands(printer, "outs", getDpsInits());
  printOptionalScale(printer, *this, getScale(),
                     getScale() ? getScale().getType() : Type(),
                     getScaleValueAttr());
  printer << " window(" << getWindow() << ')';
  SmallVector<StringRef> elided = {getScaleValueAttrName(),
                                   getWindowAttrName()};
  if (hasDefaultMaps(*this, getIndexingMapsAttr(), getDefaultMaps()))
    elided.push_back(getIndexingMapsAttrName());
  printRegions(printer, *this);
  printTail(printer, *this, elided);
}
