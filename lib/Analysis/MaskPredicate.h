//===- MaskPredicate.h - Mask regions as normalised predicates --*- C++ -*-===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_LIB_ANALYSIS_MASKPREDICATE_H
#define ATTN_LIB_ANALYSIS_MASKPREDICATE_H

#include "MaskExpr.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/SetVector.h"

namespace mlir::attn::mask {

enum class NodeKind : uint8_t {
  False,
  True,
  Ge,     // sum >= 0
  Bool,   // an i1 that depends on neither row nor key
  Scan,   // an i1 computed from one entry of a table, read at row and key
  Opaque, // an i1 that was not understood
  And,
  Or,
};

/// A predicate without negation except in front of Bool and Opaque. Ge nodes
/// are interned: the same comparison is the same node.
struct Node {
  NodeKind kind;
  unsigned id = 0;
  const Sum *sum = nullptr;
  Value value = {};
  bool negated = false;
  SmallVector<const Node *, 2> operands = {};
  /// Scan: the read, and the position along each dimension, which depends on
  /// row or key or none.
  Operation *read = nullptr;
  SmallVector<const Sum *, 4> indices = {};
};

/// Reads a mask region. Expressions that do not depend on row and key are
/// symbols, those that depend on one of them and are not understood are tables;
/// what is not understood and depends on both is recorded in `defeatingOps`.
class PredicateReader {
public:
  explicit PredicateReader(Region &mask, ArrayRef<int64_t> divisors = {});

  /// The predicate of an i1 value or of its negation.
  const Node *read(Value value, bool negated);
  /// sum >= 0, with selects, and min and max of the variable a bound would be
  /// solved for, expanded. Null sums give null.
  const Node *greaterEqualZero(const Sum *sum);
  const Node *negate(const Node *literal);

  ExprPool pool;
  llvm::SetVector<Operation *> defeatingOps;

private:
  const Node *readUncached(Value value, bool negated);
  const Node *readCompare(Operation *op, bool negated);
  const Node *readBoolCompare(Operation *op, bool negated);
  const Node *compareUnsigned(const Sum *a, const Sum *b, bool strict);
  const Node *opaque(Value value, bool negated);
  const Node *scan(Operation *op, bool negated);
  Operation *onlyTableRead(Operation *op);
  const Node *literal(NodeKind kind, const Sum *sum, Value value, bool negated);
  const Node *join(NodeKind kind, ArrayRef<const Node *> operands);
  const Node *both(const Node *a, const Node *b);
  const Node *either(const Node *a, const Node *b);
  const Node *exclusive(Value a, Value b, bool negated);

  const Sum *integer(Value value);
  const Sum *integerUncached(Value value);
  const Sum *integerOfOp(Operation *op);
  const Sum *binary(Operation *op, const Sum *a, const Sum *b);
  const Sum *divisionOrBits(Operation *op, const Sum *a, const Sum *b);
  const Sum *affine(AffineExpr expr, ArrayRef<const Sum *> operands,
                    unsigned numDims);
  const Sum *affineOp(Operation *op, AffineMap map);
  const Sum *truncatingDiv(const Sum *a, int64_t divisor);
  const Sum *symbol(Value value);
  const Sum *table(Value value);
  const Sum *selectOf(Operation *op);
  const Sum *remainderForZeroTest(Value value);

  bool isIndependent(Value value);
  bool isIndependentOp(Operation *op);
  Value canonicalSymbol(Value value);

  Region &mask;
  std::deque<Node> nodes;
  const Node *falseNode;
  const Node *trueNode;
  DenseMap<std::pair<Value, unsigned>, const Node *> nodeOf;
  DenseMap<std::pair<const void *, unsigned>, const Node *> literals;
  DenseMap<Value, const Sum *> sumOf;
  DenseMap<Operation *, bool> independent;
  SmallVector<Operation *> symbolOps;
};

} // namespace mlir::attn::mask

#endif // ATTN_LIB_ANALYSIS_MASKPREDICATE_H
