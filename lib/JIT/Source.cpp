//===- Source.cpp ---------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Source.h"

#include "llvm/ADT/StringRef.h"

using namespace attn;

namespace {

constexpr size_t maxBytes = size_t(64) << 20;
// Parser, printer and verifier recurse on nesting; so do types and attributes
// built from aliases, which nest without brackets.
constexpr unsigned maxNesting = 1000;
constexpr unsigned maxAliasNesting = 20000;
// Affine expressions become trees as deep as they are long.
constexpr size_t maxAffineBytes = size_t(64) << 10;

/// One pass over the characters outside strings and comments.
class Scanner {
public:
  Scanner(std::string_view source, const std::string &fileName)
      : source(source), fileName(fileName) {}

  std::optional<Diagnostic> run() {
    for (; at < source.size() && !error; ++at)
      step();
    return std::move(error);
  }

private:
  void step() {
    char c = source[at];
    if (c == '\n') {
      line += 1;
      lineStart = at + 1;
    } else if (c == '"') {
      skipString();
    } else if (c == '/' && peek(1) == '/') {
      while (at + 1 < source.size() && source[at + 1] != '\n')
        at += 1;
    } else if (c == '(' || c == '[' || c == '{' || isAngle(c)) {
      open(c);
    } else if (c == ')' || c == ']' || c == '}' || isAngle(c, '>')) {
      close();
    } else if ((c == '#' || c == '!') && at == lineStart) {
      inAlias = true;
      aliasNesting += 1;
    }
    if (affineStart && at - *affineStart > maxAffineBytes)
      fail("expected an affine expression of at most " +
           std::to_string(maxAffineBytes) + " bytes");
    if (aliasNesting > maxAliasNesting)
      fail("expected aliases that nest at most " +
           std::to_string(maxAliasNesting) + " deep in sum");
  }

  char peek(size_t distance) const {
    return at + distance < source.size() ? source[at + distance] : '\0';
  }

  /// Angle brackets, but no arrow or comparison.
  bool isAngle(char c, char wanted = '<') const {
    if (c != wanted || peek(1) == '=')
      return false;
    return wanted == '<' || (at > 0 && source[at - 1] != '-');
  }

  void open(char c) {
    depth += 1;
    if (c == '{')
      inAlias = false;
    aliasNesting += inAlias;
    if (depth > maxNesting)
      fail("expected at most " + std::to_string(maxNesting) +
           " levels of nesting");
    llvm::StringRef before(source.data(), at);
    if (c == '<' && !affineStart &&
        (before.ends_with("affine_map") || before.ends_with("affine_set"))) {
      affineStart = at;
      affineDepth = depth;
    }
  }

  void close() {
    if (affineStart && depth == affineDepth)
      affineStart.reset();
    depth -= depth > 0;
  }

  void skipString() {
    for (at += 1; at < source.size() && source[at] != '"'; ++at) {
      if (source[at] == '\n') // unterminated: the parser will say so
        return void(at -= 1);
      if (source[at] == '\\')
        at += 1;
    }
  }

  void fail(std::string message) {
    if (error)
      return;
    error.emplace();
    error->location = {fileName, line, unsigned(at - lineStart + 1)};
    error->message = std::move(message);
  }

  std::string_view source;
  const std::string &fileName;
  size_t at = 0, lineStart = 0;
  unsigned line = 1, depth = 0, affineDepth = 0, aliasNesting = 0;
  bool inAlias = false;
  std::optional<size_t> affineStart;
  std::optional<Diagnostic> error;
};

} // namespace

std::optional<Diagnostic> attn::checkSource(std::string_view source,
                                            const std::string &fileName) {
  if (source.size() > maxBytes) {
    Diagnostic error;
    error.location.file = fileName;
    error.message = "expected a source of at most " + std::to_string(maxBytes) +
                    " bytes, got " + std::to_string(source.size());
    return error;
  }
  if (llvm::StringRef(source).starts_with("ML\xefR"))
    return std::nullopt;
  return Scanner(source, fileName).run();
}
