//===- AttnAttrs.cpp - Textual form of the attributes ---------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/Dialect/Attn/IR/Attn.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::attn;

static ParseResult parseFloat64(AsmParser &parser, FloatAttr &attr) {
  double value;
  if (parser.parseFloat(value))
    return failure();
  attr = parser.getBuilder().getF64FloatAttr(value);
  return success();
}

static void printFloat64(AsmPrinter &printer, FloatAttr attr) {
  printer.printFloat(attr.getValue());
}

namespace {
/// `<name = 1, name = [1, 2]>`: integers and lists of integers, in any order.
struct IntegerFields {
  struct Field {
    StringRef name;
    SmallVector<int64_t> *values;
    bool isList;
  };
  AsmParser &parser;
  SmallVector<Field> fields;

  ParseResult parseField() {
    StringRef keyword;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&keyword) || parser.parseEqual())
      return failure();
    for (const Field &field : fields) {
      if (keyword != field.name || !field.values->empty())
        continue;
      auto parseValue = [&] {
        return parser.parseInteger(field.values->emplace_back());
      };
      if (!field.isList)
        return parseValue();
      return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                            parseValue);
    }
    InFlightDiagnostic diag = parser.emitError(loc) << "expects one each of ";
    llvm::interleaveComma(fields, diag, [&](const Field &field) {
      diag << "'" << field.name << "'";
    });
    return diag << ", but got '" << keyword << "'";
  }

  ParseResult parse() {
    return parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater,
                                          [&] { return parseField(); });
  }
};
} // namespace

#define GET_ATTRDEF_CLASSES
#include "attn/Dialect/Attn/IR/AttnAttrs.cpp.inc"

Attribute CausalAttr::parse(AsmParser &parser, Type) {
  auto align = CausalAlignment::TopLeft;
  int64_t offset = 0;
  auto parseField = [&]() -> ParseResult {
    StringRef keyword;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&keyword))
      return failure();
    if (keyword == "offset")
      return failure(parser.parseEqual() || parser.parseInteger(offset));
    if (auto parsed = symbolizeCausalAlignment(keyword)) {
      align = *parsed;
      return success();
    }
    return parser.emitError(loc)
           << "expects 'top_left', 'bottom_right' or 'offset', but got '"
           << keyword << "'";
  };
  if (succeeded(parser.parseOptionalLess()) &&
      (parser.parseCommaSeparatedList(parseField) || parser.parseGreater()))
    return {};
  return CausalAttr::get(parser.getContext(), align, offset);
}

void CausalAttr::print(AsmPrinter &printer) const {
  bool bottomRight = getAlign() != CausalAlignment::TopLeft;
  if (!bottomRight && !getOffset())
    return;
  printer << '<';
  if (bottomRight)
    printer << stringifyCausalAlignment(getAlign());
  if (getOffset())
    printer << (bottomRight ? ", " : "") << "offset = " << getOffset();
  printer << '>';
}

Attribute DilatedAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> window, step, steps;
  SMLoc loc = parser.getCurrentLocation();
  IntegerFields fields{parser,
                       {{"window", &window, false},
                        {"step", &step, false},
                        {"steps", &steps, true}}};
  if (fields.parse())
    return {};
  if (window.empty() || !(step.empty() || steps.empty())) {
    parser.emitError(loc)
        << "expects 'window' and either 'step' or 'steps' of '#attn.dilated'";
    return {};
  }
  return parser.getChecked<DilatedAttr>(
      loc, parser.getContext(), window.front(),
      ArrayRef<int64_t>(step.empty() ? steps : step));
}

void DilatedAttr::print(AsmPrinter &printer) const {
  printer << "<window = " << getWindow();
  if (getSteps().size() == 1)
    printer << ", step = " << getSteps().front();
  else
    printer << ", steps = [" << getSteps() << ']';
  printer << '>';
}

Attribute NeighborhoodAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> shape, window, dilation;
  SMLoc loc = parser.getCurrentLocation();
  IntegerFields fields{parser,
                       {{"shape", &shape, true},
                        {"window", &window, true},
                        {"dilation", &dilation, true}}};
  if (fields.parse())
    return {};
  if (dilation.empty())
    dilation.assign(shape.size(), 1);
  return parser.getChecked<NeighborhoodAttr>(loc, parser.getContext(), shape,
                                             window, dilation);
}

void NeighborhoodAttr::print(AsmPrinter &printer) const {
  printer << "<shape = [" << getShape() << "], window = [" << getWindow()
          << ']';
  if (!llvm::all_equal(getDilation()) || getDilation().front() != 1)
    printer << ", dilation = [" << getDilation() << ']';
  printer << '>';
}

Attribute GlobalTokensAttr::parse(AsmParser &parser, Type) {
  bool symmetric = true;
  if (succeeded(parser.parseOptionalLess())) {
    if (parser.parseKeyword("symmetric") || parser.parseEqual())
      return {};
    if (failed(parser.parseOptionalKeyword("true"))) {
      symmetric = false;
      if (parser.parseKeyword("false"))
        return {};
    }
    if (parser.parseGreater())
      return {};
  }
  return GlobalTokensAttr::get(parser.getContext(), symmetric);
}

void GlobalTokensAttr::print(AsmPrinter &printer) const {
  if (!getSymmetric())
    printer << "<symmetric = false>";
}

void AttnDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "attn/Dialect/Attn/IR/AttnAttrs.cpp.inc"
      >();
}
