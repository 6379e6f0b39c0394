//===- MaskPredicate.cpp - Mask regions as normalised predicates ----------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MaskPredicate.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;
using namespace mlir::attn;
using namespace mlir::attn::mask;

PredicateReader::PredicateReader(Region &mask, ArrayRef<int64_t> divisors)
    : pool(divisors), mask(mask) {
  nodes.push_back(Node{NodeKind::False});
  falseNode = &nodes.back();
  nodes.push_back(Node{NodeKind::True, 1});
  trueNode = &nodes.back();
}

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

const Node *PredicateReader::literal(NodeKind kind, const Sum *sum, Value value,
                                     bool negated) {
  const void *key = sum ? (const void *)sum : value.getAsOpaquePointer();
  auto [it, inserted] =
      literals.try_emplace({key, unsigned(kind) * 2 + negated}, nullptr);
  if (inserted) {
    nodes.push_back(Node{kind, unsigned(nodes.size()), sum, value, negated});
    it->second = &nodes.back();
  }
  return it->second;
}

const Node *PredicateReader::join(NodeKind kind,
                                  ArrayRef<const Node *> operands) {
  const Node *neutral = kind == NodeKind::And ? trueNode : falseNode;
  const Node *absorbing = kind == NodeKind::And ? falseNode : trueNode;
  llvm::SmallSetVector<const Node *, 4> kept;
  for (const Node *operand : operands) {
    if (!operand || operand == absorbing)
      return operand;
    if (operand->kind == kind)
      kept.insert(operand->operands.begin(), operand->operands.end());
    else if (operand != neutral)
      kept.insert(operand);
  }
  if (kept.empty())
    return neutral;
  if (kept.size() == 1)
    return kept.front();
  Node node{kind, unsigned(nodes.size())};
  node.operands.assign(kept.begin(), kept.end());
  nodes.push_back(std::move(node));
  return &nodes.back();
}

const Node *PredicateReader::both(const Node *a, const Node *b) {
  return join(NodeKind::And, {a, b});
}

const Node *PredicateReader::either(const Node *a, const Node *b) {
  return join(NodeKind::Or, {a, b});
}

const Node *PredicateReader::opaque(Value value, bool negated) {
  return literal(NodeKind::Opaque, nullptr, value, negated);
}

const Node *PredicateReader::negate(const Node *node) {
  switch (node->kind) {
  case NodeKind::False:
    return trueNode;
  case NodeKind::True:
    return falseNode;
  case NodeKind::Ge:
    return greaterEqualZero(pool.addConstant(pool.scale(node->sum, -1), -1));
  case NodeKind::Scan: {
    const Node *result =
        literal(node->kind, nullptr, node->value, !node->negated);
    nodes[result->id].read = node->read;
    nodes[result->id].indices = node->indices;
    return result;
  }
  default:
    return literal(node->kind, nullptr, node->value, !node->negated);
  }
}

const Node *PredicateReader::greaterEqualZero(const Sum *sum) {
  if (!sum)
    return nullptr;
  if (sum->range.min >= 0)
    return trueNode;
  if (sum->range.max < 0)
    return falseNode;
  LeafKind variable = sum->onKey ? LeafKind::Key : LeafKind::Row;
  for (const Term &term : sum->terms) {
    const Leaf *leaf = term.leaf;
    if (leaf->kind < LeafKind::Min ||
        !(leaf->hasSelect || dependsOn(leaf, variable)))
      continue;
    const Node *first = greaterEqualZero(pool.replace(sum, term, leaf->a));
    const Node *second = greaterEqualZero(pool.replace(sum, term, leaf->b));
    if (leaf->kind == LeafKind::Select)
      return either(both(read(leaf->value, false), first),
                    both(read(leaf->value, true), second));
    bool any = (leaf->kind == LeafKind::Max) == (term.factor > 0);
    return any ? either(first, second) : both(first, second);
  }
  // Divide by the common factor, rounding the constant down: the same integers.
  int64_t divisor = 0;
  for (const Term &term : sum->terms)
    divisor = std::gcd(divisor, term.factor);
  if (divisor > 1)
    sum = pool.floorDiv(sum, divisor);
  return sum ? literal(NodeKind::Ge, sum, Value(), false) : nullptr;
}

//===----------------------------------------------------------------------===//
// i1 values
//===----------------------------------------------------------------------===//

const Node *PredicateReader::read(Value value, bool negated) {
  auto [it, inserted] = nodeOf.try_emplace({value, negated}, nullptr);
  if (!inserted)
    return it->second;
  const Node *node = readUncached(value, negated);
  if (!node) {
    node = isIndependent(value) ? literal(NodeKind::Bool, nullptr,
                                          canonicalSymbol(value), negated)
                                : opaque(value, negated);
  }
  return nodeOf[{value, negated}] = node;
}

const Node *PredicateReader::exclusive(Value a, Value b, bool negated) {
  return either(both(read(a, false), read(b, !negated)),
                both(read(a, true), read(b, negated)));
}

const Node *PredicateReader::readUncached(Value value, bool negated) {
  APInt constant;
  if (matchPattern(value, m_ConstantInt(&constant)))
    return constant.isZero() == negated ? trueNode : falseNode;
  Operation *op = value.getDefiningOp();
  if (!op || !mask.isAncestor(op->getParentRegion()))
    return nullptr;
  NodeKind conjunction = negated ? NodeKind::Or : NodeKind::And;
  NodeKind disjunction = negated ? NodeKind::And : NodeKind::Or;
  if (isa<arith::AndIOp, arith::OrIOp>(op))
    return join(
        isa<arith::AndIOp>(op) ? conjunction : disjunction,
        {read(op->getOperand(0), negated), read(op->getOperand(1), negated)});
  if (isa<arith::XOrIOp>(op))
    return exclusive(op->getOperand(0), op->getOperand(1), negated);
  if (isa<arith::SelectOp>(op))
    return either(
        both(read(op->getOperand(0), false), read(op->getOperand(1), negated)),
        both(read(op->getOperand(0), true), read(op->getOperand(2), negated)));
  if (isa<arith::CmpIOp>(op)) {
    size_t known = defeatingOps.size();
    const Node *node = op->getOperand(0).getType().isInteger(1)
                           ? readBoolCompare(op, negated)
                           : readCompare(op, negated);
    if (node || isIndependentOp(op))
      return node;
    node = scan(op, negated);
    while (node && defeatingOps.size() > known)
      defeatingOps.pop_back();
    return node;
  }
  if (isIndependentOp(op))
    return nullptr;
  if (const Sum *sum = table(value))
    return greaterEqualZero(negated ? pool.scale(sum, -1)
                                    : pool.addConstant(sum, -1));
  if (const Node *node = scan(op, negated))
    return node;
  defeatingOps.insert(op);
  return nullptr;
}

/// The one table read that makes a value depend on row and key; null if there
/// are others.
Operation *PredicateReader::onlyTableRead(Operation *op) {
  Operation *found = nullptr;
  llvm::SmallPtrSet<Operation *, 8> seen;
  SmallVector<Operation *> worklist{op};
  while (!worklist.empty()) {
    Operation *next = worklist.pop_back_val();
    if (!seen.insert(next).second)
      continue;
    if (isa<tensor::ExtractOp, memref::LoadOp>(next)) {
      if (found)
        return nullptr;
      found = next;
      continue;
    }
    if (!isPure(next) || next->getNumRegions() != 0)
      return nullptr;
    for (Value operand : next->getOperands()) {
      if (isIndependent(operand))
        continue;
      if (!operand.getDefiningOp())
        return nullptr;
      worklist.push_back(operand.getDefiningOp());
    }
  }
  return found;
}

/// A truth value of what is read at positions that row and key give separately:
/// the entries that a block of pairs reads then are a rectangle of the table.
const Node *PredicateReader::scan(Operation *op, bool negated) {
  Operation *read = onlyTableRead(op);
  if (!read)
    return nullptr;
  auto extract = dyn_cast<tensor::ExtractOp>(read);
  SmallVector<const Sum *, 4> indices;
  for (Value position : extract ? extract.getIndices()
                                : cast<memref::LoadOp>(read).getIndices()) {
    const Sum *sum = integer(position);
    if (!sum || (sum->onRow && sum->onKey) || sum->hasSelect)
      return nullptr;
    indices.push_back(sum);
  }
  const Node *node =
      literal(NodeKind::Scan, nullptr, op->getResult(0), negated);
  nodes[node->id].read = read;
  nodes[node->id].indices = std::move(indices);
  return node;
}

const Node *PredicateReader::readBoolCompare(Operation *op, bool negated) {
  auto compare = cast<arith::CmpIOp>(op);
  Value a = compare.getLhs(), b = compare.getRhs();
  switch (compare.getPredicate()) {
  case arith::CmpIPredicate::eq:
    return exclusive(a, b, !negated);
  case arith::CmpIPredicate::ne:
    return exclusive(a, b, negated);
  default:
    if (!isIndependentOp(op))
      defeatingOps.insert(op);
    return nullptr;
  }
}

/// a < b (strict) or a <= b of unsigned numbers: a negative number is larger
/// than any other.
const Node *PredicateReader::compareUnsigned(const Sum *a, const Sum *b,
                                             bool strict) {
  const Node *less =
      greaterEqualZero(pool.addConstant(pool.sub(b, a), strict ? -1 : 0));
  const Node *aNonNegative = greaterEqualZero(a);
  const Node *bNonNegative = greaterEqualZero(b);
  const Node *aNegative =
      greaterEqualZero(pool.addConstant(pool.scale(a, -1), -1));
  const Node *bNegative =
      greaterEqualZero(pool.addConstant(pool.scale(b, -1), -1));
  return join(NodeKind::Or,
              {both(aNonNegative, bNegative),
               join(NodeKind::And, {aNonNegative, bNonNegative, less}),
               join(NodeKind::And, {aNegative, bNegative, less})});
}

/// remsi(x, c) == 0 does not depend on the rounding: x - c * floordiv(x, c)
/// avoids the case split of a remainder that takes the sign of x.
const Sum *PredicateReader::remainderForZeroTest(Value value) {
  APInt divisor;
  auto remainder = value.getDefiningOp<arith::RemSIOp>();
  if (!remainder || isIndependent(value) ||
      !matchPattern(remainder.getRhs(), m_ConstantInt(&divisor)))
    return nullptr;
  const Sum *numerator = integer(remainder.getLhs());
  if (divisor.isZero() || divisor.isMinSignedValue())
    return nullptr;
  int64_t modulus = divisor.abs().getSExtValue();
  return pool.combine(numerator, 1, pool.floorDiv(numerator, modulus),
                      -modulus);
}

const Node *PredicateReader::readCompare(Operation *op, bool negated) {
  using Predicate = arith::CmpIPredicate;
  auto compare = cast<arith::CmpIOp>(op);
  Predicate predicate = compare.getPredicate();
  if (negated)
    predicate = arith::invertPredicate(predicate);
  const Sum *a = nullptr;
  bool isEquality = predicate == Predicate::eq || predicate == Predicate::ne;
  if (isEquality && matchPattern(compare.getRhs(), m_Zero()))
    a = remainderForZeroTest(compare.getLhs());
  if (!a)
    a = integer(compare.getLhs());
  const Sum *b = integer(compare.getRhs());
  if (!a || !b)
    return nullptr;
  auto atLeast = [&](const Sum *x, const Sum *y, int64_t slack) {
    return greaterEqualZero(pool.addConstant(pool.sub(x, y), -slack));
  };
  const Node *node = nullptr;
  switch (predicate) {
  case Predicate::eq:
    node = both(atLeast(a, b, 0), atLeast(b, a, 0));
    break;
  case Predicate::ne:
    node = either(atLeast(a, b, 1), atLeast(b, a, 1));
    break;
  case Predicate::slt:
    node = atLeast(b, a, 1);
    break;
  case Predicate::sle:
    node = atLeast(b, a, 0);
    break;
  case Predicate::sgt:
    node = atLeast(a, b, 1);
    break;
  case Predicate::sge:
    node = atLeast(a, b, 0);
    break;
  case Predicate::ult:
    node = compareUnsigned(a, b, true);
    break;
  case Predicate::ule:
    node = compareUnsigned(a, b, false);
    break;
  case Predicate::ugt:
    node = compareUnsigned(b, a, true);
    break;
  case Predicate::uge:
    node = compareUnsigned(b, a, false);
    break;
  }
  if (!node && !isIndependentOp(op))
    defeatingOps.insert(op);
  return node;
}
