//===- JITTest.cpp --------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

// RUN: %unit/JITTest
//
// Compiling and calling kernels: results, every refusal of a call or a source,
// memory over thousands of kernels, page permissions.

#include "../Unit/Check.h"

#include "attn/JIT/Compiler.h"

#include <fstream>
#include <malloc.h>
#include <thread>
#include <unistd.h>

using namespace attn;

namespace {

// y = 2 x, for any length.
constexpr const char *doubleText = R"mlir(
func.func @double(%x: tensor<?xf32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %init = tensor.empty(%n) : tensor<?xf32>
  %y = linalg.generic {
      indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}
      ins(%x : tensor<?xf32>) outs(%init : tensor<?xf32>) {
  ^bb0(%a: f32, %b: f32):
    %s = arith.addf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<?xf32>
  return %y : tensor<?xf32>
}
)mlir";

constexpr const char *matmulText = R"mlir(
func.func @matmul(%lhs: tensor<?x?xf32>, %rhs: tensor<?x8xf32>, %scale: f32)
    -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %m = tensor.dim %lhs, %c0 : tensor<?x?xf32>
  %empty = tensor.empty(%m) : tensor<?x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x8xf32>)
      -> tensor<?x8xf32>
  %p = linalg.matmul ins(%lhs, %rhs : tensor<?x?xf32>, tensor<?x8xf32>)
      outs(%init : tensor<?x8xf32>) -> tensor<?x8xf32>
  %r = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]} outs(%p : tensor<?x8xf32>) {
  ^bb0(%a: f32):
    %s = arith.mulf %a, %scale : f32
    linalg.yield %s : f32
  } -> tensor<?x8xf32>
  return %r : tensor<?x8xf32>
}
)mlir";

struct Array {
  std::vector<int64_t> shape, strides;
  std::vector<float> data;

  explicit Array(std::vector<int64_t> sizes) : shape(std::move(sizes)) {
    strides.resize(shape.size());
    int64_t count = 1;
    for (size_t i = shape.size(); i-- > 0;) {
      strides[i] = count;
      count *= shape[i];
    }
    data.resize(count);
    for (int64_t i = 0; i < count; ++i)
      data[i] = float(i % 7) - 3;
  }
  TensorRef ref() {
    return {data.data(),  DType::F32,    false, uint32_t(shape.size()),
            shape.data(), strides.data()};
  }
};

std::shared_ptr<const Kernel> compileOrFail(std::string_view text,
                                            Options options = {}) {
  CompileResult result = compile(text, options);
  for (const Diagnostic &diagnostic : result.diagnostics)
    fprintf(stderr, "%s:%u:%u: %s\n", diagnostic.location.file.c_str(),
            diagnostic.location.line, diagnostic.location.column,
            diagnostic.message.c_str());
  CHECK(result.kernel != nullptr);
  return result.kernel;
}

/// Compiles text that must be refused; returns the first error.
Diagnostic refuse(std::string_view text, Options options = {}) {
  CompileResult result = compile(text, options);
  CHECK(result.kernel == nullptr);
  CHECK(!result.diagnostics.empty());
  for (const Diagnostic &diagnostic : result.diagnostics)
    if (diagnostic.severity == Diagnostic::Severity::Error)
      return diagnostic;
  CHECK(false);
  return {};
}

void testResults() {
  auto kernel = compileOrFail(doubleText);
  CHECK_EQ(kernel->getName(), "double");
  CHECK_EQ(kernel->getSignature().arguments[0].name, "x");
  for (int64_t n : {0, 1, 3, 17, 1000}) {
    Array x({n}), y({n});
    TensorRef in = x.ref(), out = y.ref();
    CHECK_EQ(kernel->call({&in, 1}, {&out, 1}), "");
    for (int64_t i = 0; i < n; ++i)
      CHECK(y.data[i] == 2 * x.data[i]);
  }
  auto matmul = compileOrFail(matmulText);
  Array lhs({3, 5}), rhs({5, 8}), out({3, 8});
  float scale = 0.5f;
  TensorRef in[] = {lhs.ref(), rhs.ref(), {&scale, DType::F32, false, 0}};
  TensorRef result = out.ref();
  CHECK_EQ(matmul->call(in, {&result, 1}), "");
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 8; ++j) {
      float sum = 0;
      for (int k = 0; k < 5; ++k)
        sum += lhs.data[i * 5 + k] * rhs.data[k * 8 + j];
      CHECK(out.data[i * 8 + j] == sum * scale);
    }
  std::vector<int64_t> dims;
  CHECK_EQ(matmul->inferResultShapes(in, dims), "");
  CHECK(dims == std::vector<int64_t>({3, 8}));
}

void testRefusedCalls() {
  auto kernel = compileOrFail(matmulText);
  float scale = 1;
  Array lhs({3, 5}), rhs({5, 8}), out({3, 8});
  TensorRef scalar = {&scale, DType::F32, false, 0};
  auto call = [&](TensorRef a, TensorRef b, TensorRef c, TensorRef d) {
    TensorRef in[] = {a, b, c};
    return kernel->call(in, {&d, 1});
  };
  TensorRef a = lhs.ref(), b = rhs.ref(), d = out.ref();
  CHECK_EQ(call(a, b, scalar, d), "");

  TensorRef bad = a;
  bad.dtype = DType::F64;
  CHECK_EQ(call(bad, b, scalar, d),
           "argument 'lhs' expects element type f32, but got f64");
  Array flat({15}), wrong({5, 9}), longer({6, 8}), shorter({2, 8});
  CHECK_EQ(call(flat.ref(), b, scalar, d),
           "argument 'lhs' expects rank 2, but got shape [15]");
  CHECK_EQ(call(a, wrong.ref(), scalar, d),
           "argument 'rhs' expects shape [?, 8], but got [5, 9]");
  CHECK_EQ(call(a, longer.ref(), scalar, d),
           "expected dimension 0 of 'rhs' to equal dimension 1 of 'lhs' (5), "
           "but got 6");
  CHECK_EQ(call(a, b, scalar, shorter.ref()),
           "argument 'result0' expects shape [3, 8], but got [2, 8]");
  CHECK_EQ(call(a, b, a, d),
           "argument 'scale' expects a scalar, but got rank 2");
  CHECK_EQ(kernel->call({&a, 1}, {&d, 1}), "expected 3 arguments, but got 1");

  int64_t gaps[] = {10, 2}, repeated[] = {0, 1};
  bad = a;
  bad.strides = gaps;
  CHECK_EQ(call(bad, b, scalar, d),
           "argument 'lhs' expects innermost stride 1, but got 2");
  bad = d;
  bad.strides = repeated;
  CHECK_EQ(call(a, b, scalar, bad), "argument 'result0' expects distinct "
                                    "elements, but got strides [0, 1] that "
                                    "overlap");
  bad = d;
  bad.readOnly = true;
  CHECK_EQ(
      call(a, b, scalar, bad),
      "argument 'result0' expects writable memory, but got a read-only array");
  bad = a;
  bad.data = static_cast<char *>(a.data) + 2;
  CHECK_EQ(call(bad, b, scalar, d), "argument 'lhs' expects memory aligned to "
                                    "4 bytes, but got address modulo "
                                    "that 2");
  bad.data = nullptr;
  CHECK_EQ(call(bad, b, scalar, d),
           "argument 'lhs' expects memory, but got a null pointer");
  bad = d;
  bad.data = rhs.data.data() + 8;
  CHECK_EQ(call(a, b, scalar, bad), "argument 'result0' expects memory of its "
                                    "own, but got memory shared with "
                                    "argument 'rhs'");
}

/// Sizes that attention relies on are checked, captured tensors included.
void testAttentionSizes() {
  auto kernel = compileOrFail(R"mlir(
func.func @attend(%q: tensor<?x4x?x16xf32>, %k: tensor<?x2x?x16xf32>,
                  %v: tensor<?x2x?x16xf32>, %lengths: tensor<?xi32>)
    -> tensor<?x4x?x16xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %b = tensor.dim %q, %c0 : tensor<?x4x?x16xf32>
  %m = tensor.dim %q, %c2 : tensor<?x4x?x16xf32>
  %init = tensor.empty(%b, %m) : tensor<?x4x?x16xf32>
  %out = attn.attention
      ins(%q, %k, %v : tensor<?x4x?x16xf32>, tensor<?x2x?x16xf32>,
                       tensor<?x2x?x16xf32>)
      outs(%init : tensor<?x4x?x16xf32>)
      masks(#attn.key_lengths(%lengths : tensor<?xi32>))
      -> tensor<?x4x?x16xf32>
  return %out : tensor<?x4x?x16xf32>
}
)mlir");
  if (!kernel)
    return;
  int32_t lengths[] = {3, 5};
  int64_t count = 2, one = 1, step = 1;
  TensorRef length = {lengths, DType::I32, false, 1, &count, &step};
  TensorRef tooFew = {lengths, DType::I32, false, 1, &one, &step};
  Array q({2, 4, 7, 16}), k({2, 2, 5, 16}), v({2, 2, 5, 16}),
      out({2, 4, 7, 16});
  Array longer({2, 2, 6, 16}), other({3, 2, 5, 16});
  auto call = [&](TensorRef b, TensorRef c, TensorRef d) {
    TensorRef in[] = {q.ref(), b, c, d}, result = out.ref();
    return kernel->call(in, {&result, 1});
  };
  CHECK_EQ(call(k.ref(), v.ref(), length), "");
  CHECK_EQ(call(k.ref(), longer.ref(), length),
           "expected dimension 2 of 'v' to equal dimension 2 of 'k' (5), but "
           "got 6");
  CHECK_EQ(call(other.ref(), v.ref(), length),
           "expected dimension 0 of 'k' to equal dimension 0 of 'q' (2), but "
           "got 3");
  CHECK_EQ(call(k.ref(), v.ref(), tooFew),
           "expected dimension 0 of 'lengths' to be at least dimension 0 of "
           "'q' (2), but got 1");
}

/// A table of blocks has one for each pair.
void testBlockSizes() {
  auto kernel = compileOrFail(R"mlir(
func.func @attend(%q: tensor<?x16xf32>, %k: tensor<?x16xf32>,
                  %table: tensor<?x?xi8>) -> tensor<?x16xf32> {
  %c0 = arith.constant 0 : index
  %m = tensor.dim %q, %c0 : tensor<?x16xf32>
  %init = tensor.empty(%m) : tensor<?x16xf32>
  %out = attn.attention
      ins(%q, %k, %k : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>)
      outs(%init : tensor<?x16xf32>)
      masks(#attn.blocks<block_q = 4, block_kv = 2>(%table : tensor<?x?xi8>))
      -> tensor<?x16xf32>
  return %out : tensor<?x16xf32>
}
)mlir");
  if (!kernel)
    return;
  Array q({7, 16}), k({5, 16}), out({7, 16});
  int8_t table[12] = {1, 0, 1, 0, 1, 1};
  auto call = [&](int64_t rows, int64_t columns) {
    int64_t shape[] = {rows, columns}, strides[] = {columns, 1};
    TensorRef in[] = {
        q.ref(), k.ref(), {table, DType::I8, false, 2, shape, strides}};
    TensorRef result = out.ref();
    return kernel->call(in, {&result, 1});
  };
  CHECK_EQ(call(2, 3), "");
  CHECK_EQ(call(3, 4), "");
  CHECK_EQ(call(1, 3), "expected dimension 0 of 'table' to be at least "
                       "(dimension 0 of 'q' ceildiv 4) (2), but got 1");
  CHECK_EQ(call(2, 2), "expected dimension 1 of 'table' to be at least "
                       "(dimension 0 of 'k' ceildiv 2) (3), but got 2");
}

void testHugeSizes() {
  auto kernel = compileOrFail(matmulText);
  float scale = 1;
  Array lhs({3, 5}), rhs({5, 8}), out({3, 8});
  TensorRef in[] = {lhs.ref(), rhs.ref(), {&scale, DType::F32, false, 0}};
  TensorRef result = out.ref();
  const int64_t sizes[][2] = {{INT64_C(1) << 40, 5},
                              {INT64_C(1) << 62, 5},
                              {INT64_MAX, 5},
                              {INT64_C(1) << 33, 5}};
  for (const auto &shape : sizes) {
    in[0].shape = shape;
    int64_t outShape[] = {shape[0], 8};
    result.shape = outShape;
    std::string error = kernel->call(in, {&result, 1});
    // 2^33 x 5 is allowed by itself; its result shares memory with it.
    CHECK(!error.empty());
  }
  const int64_t negative[] = {-1, 5};
  in[0].shape = negative;
  CHECK(!kernel->call(in, {&result, 1}).empty());
  const int64_t hidden[] = {0, INT64_MAX};
  in[0].shape = hidden;
  CHECK(!kernel->call(in, {&result, 1}).empty());
}

void testRefusedSources() {
  Diagnostic error = refuse("func.func @f( {");
  CHECK_EQ(error.location.file, "<source>");
  CHECK_EQ(error.location.line, 1u);
  CHECK(error.location.column > 0);

  Options named;
  named.fileName = "kernel.mlir";
  error = refuse("func.func @f() {\n  foo.bar\n  return\n}", named);
  CHECK_EQ(error.location.file, "kernel.mlir");
  CHECK_EQ(error.location.line, 2u);

  error = refuse("");
  CHECK_EQ(error.message, "expected one public function with a body, or the "
                          "'entry' option, but got 0");
  error = refuse("func.func @f() { return }\nfunc.func @g() { return }");
  CHECK_EQ(error.notes.size(), 2u);
  Options other;
  other.entry = "h";
  error = refuse(doubleText, other);
  CHECK_EQ(error.message,
           "expected a public function 'h' with a body, but got 0");
  other = {};
  other.target = "cpu:pentium";
  error = refuse(doubleText, other);
  CHECK(error.message.starts_with("unknown target 'cpu:pentium', expected"));
  other = {};
  other.optLevel = 9;
  error = refuse(doubleText, other);
  CHECK_EQ(error.message, "expected 'opt_level' from -1 to 3, but got 9");

  error = refuse("func.func @f(%x: memref<4xf32>) { return }");
  CHECK(error.message.find("'x' to be a ranked tensor") != std::string::npos);
  error = refuse("func.func @f(%x: f32) -> f32 { return %x : f32 }");
  CHECK(error.message.find("result #0 to be a ranked tensor") !=
        std::string::npos);
  error = refuse("func.func @f(%x: tensor<4x4xf32>) -> tensor<?xf32> {\n"
                 "  %n = \"test.unknown\"() : () -> index\n"
                 "  %e = tensor.empty(%n) : tensor<?xf32>\n"
                 "  return %e : tensor<?xf32>\n}");
  error = refuse("func.func @f() -> tensor<1048576x1048576x2xf32> {\n"
                 "  %e = tensor.empty() : tensor<1048576x1048576x2xf32>\n"
                 "  return %e : tensor<1048576x1048576x2xf32>\n}");
  CHECK(error.message.find("at most 2^40 elements") != std::string::npos);
  error = refuse("func.func @f() -> tensor<1048576x128xf32> {\n"
                 "  %e = arith.constant dense<1.0> : tensor<1048576x128xf32>\n"
                 "  return %e : tensor<1048576x128xf32>\n}");
  CHECK(error.message.find("constants of at most 2^26") != std::string::npos);
}

void testMissingDimension() {
  Diagnostic error = refuse(R"mlir(
func.func @f(%x: tensor<?xf32>) -> tensor<?xf32> {
  %c9 = arith.constant 9 : index
  %n = tensor.dim %x, %c9 : tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?xf32>
  return %e : tensor<?xf32>
})mlir");
  CHECK(error.message.find("expects a dimension below 1, but got 9") !=
        std::string::npos);
}

void testDataDependentSize() {
  Diagnostic error = refuse(R"mlir(
func.func @f(%x: tensor<4xi64>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %v = tensor.extract %x[%c0] : tensor<4xi64>
  %n = arith.index_cast %v : i64 to index
  %e = tensor.empty(%n) : tensor<?xf32>
  return %e : tensor<?xf32>
})mlir");
  CHECK(error.message.find("dimension 0 of result #0 to follow from") !=
        std::string::npos);
}

void testUnknownSymbol() {
  Diagnostic error = refuse(R"mlir(
func.func private @system(f32) -> f32
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %a = tensor.extract %x[%c0] : tensor<4xf32>
  %b = func.call @system(%a) : (f32) -> f32
  %r = tensor.insert %b into %x[%c0] : tensor<4xf32>
  return %r : tensor<4xf32>
})mlir");
  CHECK(error.message.find("unknown external function 'system'") !=
        std::string::npos);
}

void testNesting() {
  std::string deep = "func.func @f() {";
  for (int i = 0; i < 100000; ++i)
    deep += "scf.execute_region {";
  Diagnostic error = refuse(deep);
  CHECK_EQ(error.message, "expected at most 1000 levels of nesting");
  std::string attribute = "func.func @f() attributes {a = ";
  refuse(attribute + std::string(2000000, '['));
  std::string type = "func.func @f() attributes {a = ";
  for (int i = 0; i < 100000; ++i)
    type += "tuple<";
  refuse(type);
  std::string aliases = "#a0 = []\n";
  for (int i = 1; i < 30000; ++i)
    aliases +=
        "#a" + std::to_string(i) + " = [#a" + std::to_string(i - 1) + "]\n";
  refuse(aliases);
  std::string affine = "#m = affine_map<(d0) -> (d0";
  for (int i = 2; i < 100000; ++i)
    affine += " + d0 floordiv " + std::to_string(i);
  refuse(affine + ")>");
  // Just inside the limits: an answer, either way.
  std::string inside =
      "func.func @f() attributes {a = " + std::string(900, '[') +
      std::string(900, ']') + "} { return }";
  compile(inside, {});
}

long residentKiB() {
  malloc_trim(0);
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE) / 1024;
}

bool hasWritableCode() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find(" rwx") != std::string::npos)
      return true;
  return false;
}

void testMemory() {
  // Small, so that thousands compile in seconds.
  const char *text = "func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {\n"
                     "  return %x : tensor<4xf32>\n}";
  Options options;
  options.cache = false;
  for (int i = 0; i < 100; ++i)
    compileOrFail(text, options);
  long before = residentKiB();
  for (int i = 0; i < 2000; ++i)
    compileOrFail(text, options);
  long after = residentKiB();
  fprintf(stderr, "2000 kernels compiled and dropped: %+ld KiB\n",
          after - before);
  CHECK(after - before < 6000);
  auto kept = compileOrFail(doubleText);
  CHECK(!hasWritableCode());
}

void testCacheAndThreads() {
  clearCache();
  auto first = compileOrFail(doubleText), second = compileOrFail(doubleText);
  CHECK(first == second);
  CHECK_EQ(getCacheInfo().hits, 1u);
  Options options;
  options.blockKeys = 8;
  CHECK(compileOrFail(doubleText, options) != first);

  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int i = 0; i < 10; ++i) {
        Options own;
        own.cache = i % 2;
        auto kernel = compileOrFail(t % 2 ? doubleText : matmulText, own);
        if (t % 2 == 0)
          continue;
        Array x({100}), y({100});
        TensorRef in = x.ref(), out = y.ref();
        CHECK_EQ(kernel->call({&in, 1}, {&out, 1}), "");
        CHECK(y.data[99] == 2 * x.data[99]);
      }
    });
  for (std::thread &thread : threads)
    thread.join();
}

void testListing() {
  auto kernel = compileOrFail(doubleText);
  const Listing &listing = kernel->getListing();
  CHECK_EQ(listing.error, "");
  CHECK_EQ(listing.phases.size(), 7u);
  CHECK_EQ(listing.phases[0].first, "input");
  CHECK(listing.phases[0].second.find("linalg.generic") != std::string::npos);
  CHECK(listing.llvm.find("@double_packed") != std::string::npos);
  CHECK(listing.assembly.find("double_packed:") != std::string::npos);
  CHECK(kernel->getHeader().find("void double_packed(void **arguments);") !=
        std::string::npos);

  Options arm;
  arm.target = "cpu:aarch64";
  auto foreign = compileOrFail(doubleText, arm);
#if defined(__x86_64__)
  CHECK(!foreign->isRunnable());
  Array x({4}), y({4});
  TensorRef in = x.ref(), out = y.ref();
  CHECK_EQ(foreign->call({&in, 1}, {&out, 1}),
           "expected a kernel for this machine, but got one compiled for "
           "'cpu:aarch64'");
#endif
  CHECK(foreign->getListing().assembly.find("fadd") != std::string::npos);
}

} // namespace

int main() {
  testResults();
  testRefusedCalls();
  testAttentionSizes();
  testBlockSizes();
  testHugeSizes();
  testRefusedSources();
  testMissingDimension();
  testDataDependentSize();
  testUnknownSymbol();
  testNesting();
  testListing();
  testCacheAndThreads();
  testMemory();
  return finish();
}
