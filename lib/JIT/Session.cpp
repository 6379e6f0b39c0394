//===- Session.cpp --------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Session.h"
#include "Symbols.h"

#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/Debugging/ELFDebugObjectPlugin.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/ExecutionEngine/Orc/ObjectLinkingLayer.h"
#include "llvm/ExecutionEngine/Orc/SelfExecutorProcessControl.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"

#include <unistd.h>

using namespace llvm;
using attn::LoadedObject;

namespace {

/// One LLJIT: its per-instance memory is far larger than a kernel's.
class Session {
public:
  static Expected<std::unique_ptr<Session>> create(bool gdb);

  Expected<std::unique_ptr<LoadedObject>> load(MemoryBufferRef object,
                                               StringRef symbol);
  void remove(orc::JITDylib &dylib);

private:
  std::unique_ptr<orc::LLJIT> jit;
  orc::JITDylib *runtime = nullptr;
  std::atomic<uint64_t> serial{0};
};

class SessionObject final : public LoadedObject {
public:
  SessionObject(Session &session, orc::JITDylib &dylib)
      : session(session), dylib(&dylib) {}
  ~SessionObject() override { session.remove(*dylib); }

private:
  Session &session;
  orc::JITDylibSP dylib;
};

} // namespace

/// Defines what kernels may call, and nothing else of the process.
static Error defineRuntime(orc::LLJIT &jit, orc::JITDylib &runtime) {
  orc::SymbolMap symbols;
  for (const attn::ExternalSymbol &symbol : attn::getAllowedSymbols())
    symbols[jit.mangleAndIntern(symbol.name)] = {
        orc::ExecutorAddr::fromPtr(symbol.address),
        JITSymbolFlags::Exported | JITSymbolFlags::Callable};
  return runtime.define(orc::absoluteSymbols(std::move(symbols)));
}

static Error enableGDB(orc::LLJIT &jit) {
  auto *layer = dyn_cast<orc::ObjectLinkingLayer>(&jit.getObjLinkingLayer());
  if (!layer)
    return createStringError("the linker cannot register with GDB");
  Error error = Error::success();
  auto plugin = std::make_shared<orc::ELFDebugObjectPlugin>(
      jit.getExecutionSession(), /*RequireDebugSections=*/false,
      /*AutoRegisterCode=*/true, error);
  if (error)
    return error;
  layer->addPlugin(std::move(plugin));
  return Error::success();
}

Expected<std::unique_ptr<Session>> Session::create(bool gdb) {
  // Work is done on the calling thread: no threads of our own to lose in a
  // fork.
  auto control = orc::SelfExecutorProcessControl::Create(
      nullptr, std::make_unique<orc::InPlaceTaskDispatcher>());
  if (!control)
    return control.takeError();
  auto jit = orc::LLJITBuilder()
                 .setExecutorProcessControl(std::move(*control))
                 .setJITTargetMachineBuilder(orc::JITTargetMachineBuilder(
                     Triple(sys::getProcessTriple())))
                 .setLinkProcessSymbolsByDefault(false)
                 .setPlatformSetUp(orc::setUpInactivePlatform)
                 .create();
  if (!jit)
    return jit.takeError();
  auto session = std::make_unique<Session>();
  session->jit = std::move(*jit);
  auto runtime = session->jit->createJITDylib("attn.runtime");
  if (!runtime)
    return runtime.takeError();
  session->runtime = &*runtime;
  if (Error error = defineRuntime(*session->jit, *session->runtime))
    return error;
  if (gdb)
    if (Error error = enableGDB(*session->jit))
      return error;
  return session;
}

Expected<std::unique_ptr<LoadedObject>> Session::load(MemoryBufferRef object,
                                                      StringRef symbol) {
  auto dylib = jit->getExecutionSession().createJITDylib(
      "kernel." + std::to_string(serial.fetch_add(1)));
  if (!dylib)
    return dylib.takeError();
  dylib->addToLinkOrder(*runtime);
  auto loaded = std::make_unique<SessionObject>(*this, *dylib);
  if (Error error =
          jit->addObjectFile(*dylib, MemoryBuffer::getMemBuffer(object, false)))
    return error;
  auto address = jit->lookup(*dylib, symbol);
  if (!address)
    return address.takeError();
  loaded->entry = address->toPtr<LoadedObject::Entry>();
  return loaded;
}

void Session::remove(orc::JITDylib &dylib) {
  // The only failure is memory that could not be unmapped.
  if (Error error = jit->getExecutionSession().removeJITDylib(dylib))
    consumeError(std::move(error));
}

/// The session is never destroyed: kernels may outlive every static object.
static Expected<Session &> getSession(bool gdb) {
  static std::mutex lock;
  static Session *sessions[2] = {nullptr, nullptr};
  std::lock_guard<std::mutex> guard(lock);
  Session *&session = sessions[gdb];
  if (!session) {
    auto created = Session::create(gdb);
    if (!created)
      return created.takeError();
    session = created->release();
  }
  return *session;
}

/// Names the code in perf-<pid>.map of the temporary folder, where `perf
/// report` looks for it.
static Error writePerfMap(MemoryBufferRef buffer, StringRef entry,
                          uint64_t entryAddress) {
  auto object = object::ObjectFile::createObjectFile(buffer);
  if (!object)
    return object.takeError();
  struct Named {
    StringRef name;
    uint64_t offset;
  };
  SmallVector<Named> functions;
  uint64_t entryOffset = 0;
  for (const object::SymbolRef &symbol : (*object)->symbols()) {
    auto type = symbol.getType();
    auto name = symbol.getName();
    auto offset = symbol.getAddress();
    if (!type || !name || !offset) {
      consumeError(type.takeError());
      consumeError(name.takeError());
      consumeError(offset.takeError());
      continue;
    }
    if (*type != object::SymbolRef::ST_Function)
      continue;
    functions.push_back({*name, *offset});
    if (*name == entry)
      entryOffset = *offset;
  }
  llvm::sort(functions,
             [](auto &lhs, auto &rhs) { return lhs.offset < rhs.offset; });
  std::error_code error;
  SmallString<128> path;
  sys::path::system_temp_directory(/*erasedOnReboot=*/true, path);
  sys::path::append(path, "perf-" + std::to_string(getpid()) + ".map");
  raw_fd_ostream file(path, error, sys::fs::OF_Append);
  if (error)
    return createStringError(error, "cannot write perf's map file");
  for (size_t i = 0; i < functions.size(); ++i) {
    uint64_t next = i + 1 < functions.size() ? functions[i + 1].offset
                                             : functions[i].offset + 64;
    file << format_hex_no_prefix(
                entryAddress - entryOffset + functions[i].offset, 1)
         << ' ' << format_hex_no_prefix(next - functions[i].offset, 1) << ' '
         << functions[i].name << '\n';
  }
  return Error::success();
}

Expected<std::unique_ptr<LoadedObject>>
attn::loadObject(MemoryBufferRef object, StringRef symbol,
                 const LoadOptions &options) {
  auto session = getSession(options.gdb);
  if (!session)
    return session.takeError();
  auto loaded = session->load(object, symbol);
  if (loaded && options.perf)
    if (Error error = writePerfMap(
            object, symbol, reinterpret_cast<uint64_t>((*loaded)->entry)))
      return error;
  return loaded;
}
