//===- Compiler.cpp -------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "attn/JIT/Compiler.h"
#include "Compilation.h"
#include "Guard.h"
#include "KernelCache.h"
#include "Source.h"

using namespace attn;

/// Runs a compilation where its failures can be contained.
static std::unique_ptr<Kernel::Parts> compileGuarded(std::string_view source,
                                                     const Options &options,
                                                     Reports &reports,
                                                     Listing *listing) {
  if (options.optLevel < -1 || options.optLevel > 3) {
    reports.addError("expected 'opt_level' from -1 to 3, but got " +
                     std::to_string(options.optLevel));
    return nullptr;
  }
  if (!options.analysis.empty() && options.analysis != "mask-tiles" &&
      options.analysis != "mask-tiles-split") {
    reports.addError("expected 'analysis' to be 'mask-tiles' or "
                     "'mask-tiles-split', but got '" +
                     options.analysis + "'");
    return nullptr;
  }
  if (std::optional<Diagnostic> error = checkSource(source, options.fileName)) {
    reports.diagnostics.push_back(std::move(*error));
    return nullptr;
  }
  std::unique_ptr<Kernel::Parts> parts;
  std::optional<std::string> fatal = runGuarded(
      [&] { parts = runCompilation(source, options, reports, listing); });
  if (fatal)
    reports.addError("LLVM stopped: " + *fatal);
  if (!parts && !reports.hasErrors())
    reports.addError("the compilation failed without a message");
  return parts;
}

void attn::makeListing(std::string_view source, const Options &options,
                       Listing &listing) {
  Reports reports(options.fileName);
  if (!compileGuarded(source, options, reports, &listing))
    for (const Diagnostic &diagnostic : reports.diagnostics)
      if (diagnostic.severity == Diagnostic::Severity::Error &&
          listing.error.empty())
        listing.error = diagnostic.message;
}

CompileResult attn::compile(std::string_view source, const Options &options) {
  CompileResult result;
  KernelCache &cache = KernelCache::get();
  std::string key;
  if (options.cache) {
    key = KernelCache::makeKey(source, options);
    result.kernel = cache.find(key);
    if (result.kernel)
      return result;
  }
  Reports reports(options.fileName);
  std::unique_ptr<Kernel::Parts> parts =
      compileGuarded(source, options, reports, nullptr);
  result.diagnostics = std::move(reports.diagnostics);
  if (!parts)
    return result;
  parts->source = source;
  parts->options = options;
  parts->remarks = std::move(reports.remarks);
  parts->warnings = result.diagnostics;
  auto kernel = std::make_shared<const Kernel>(std::move(*parts));
  result.kernel = options.cache ? cache.insert(key, kernel) : kernel;
  return result;
}

CacheInfo attn::getCacheInfo() { return KernelCache::get().getInfo(); }

void attn::clearCache() { KernelCache::get().clear(); }
