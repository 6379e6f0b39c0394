//===- Module.cpp ---------------------------------------------------------===//
//
// Part of attn-mlir, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The native half of attn_mlir; python/attn_mlir/_native.pyi documents it.
//
//===----------------------------------------------------------------------===//
#include "Arrays.h"

#include "attn/JIT/Compiler.h"
#include "attn/JIT/Host.h"
#include "attn/Runtime/MachinePeak.h"
#include "attn/Runtime/ParallelFor.h"
#ifdef ATTN_HAVE_TOOLS
#include "attn/Tools/Main.h"
#endif

#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <deque>

namespace nb = nanobind;
using namespace attn;
using attn::python::ArrayView;

namespace {

PyObject *argumentError = nullptr;

[[noreturn]] void raiseArgumentError(const std::string &message) {
  PyErr_SetString(argumentError ? argumentError : PyExc_ValueError,
                  message.c_str());
  throw nb::python_error();
}

/// A list or tuple as an array of borrowed objects.
class Sequence {
public:
  explicit Sequence(nb::handle object)
      : fast(nb::steal(
            PySequence_Fast(object.ptr(), "expected a list or a tuple"))) {
    if (!fast.is_valid())
      throw nb::python_error();
  }
  size_t size() const { return PySequence_Fast_GET_SIZE(fast.ptr()); }
  PyObject *operator[](size_t i) const {
    return PySequence_Fast_GET_ITEM(fast.ptr(), i);
  }

private:
  nb::object fast;
};

/// The arguments of one call. Views stay where they are made.
class Arguments {
public:
  explicit Arguments(size_t count) {
    if (count > few.size())
      many.resize(count);
    refs.reserve(count);
  }
  void add(PyObject *object, const ParameterInfo &parameter) {
    size_t at = refs.size();
    ArrayView &view = many.empty() ? few[at] : many[at];
    if (std::string error = view.read(object, parameter); !error.empty())
      raiseArgumentError(error);
    refs.push_back(view.getRef());
  }
  std::span<const TensorRef> get(size_t first, size_t count) const {
    return std::span<const TensorRef>(refs).subspan(first, count);
  }

private:
  std::array<ArrayView, 6> few;
  std::deque<ArrayView> many;
  std::vector<TensorRef> refs;
};

void checkCount(const char *what, size_t expected, size_t got) {
  if (expected != got)
    raiseArgumentError("expected " + std::to_string(expected) + " " + what +
                       ", but got " + std::to_string(got));
}

void invoke(const Kernel &kernel, const Arguments &arguments, size_t inputs,
            size_t outputs) {
  std::string error;
  {
    nb::gil_scoped_release release;
    error =
        kernel.call(arguments.get(0, inputs), arguments.get(inputs, outputs));
  }
  if (!error.empty())
    raiseArgumentError(error);
}

void call(const Kernel &kernel, nb::handle inputObjects,
          nb::handle outputObjects) {
  const Signature &signature = kernel.getSignature();
  Sequence inputs(inputObjects), outputs(outputObjects);
  checkCount("arguments", signature.arguments.size(), inputs.size());
  checkCount("outputs", signature.results.size(), outputs.size());
  Arguments arguments(inputs.size() + outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    arguments.add(inputs[i], signature.arguments[i]);
  for (size_t i = 0; i < outputs.size(); ++i)
    arguments.add(outputs[i], signature.results[i]);
  invoke(kernel, arguments, inputs.size(), outputs.size());
}

nb::object toTuple(const int64_t *values, size_t count) {
  nb::object tuple = nb::steal(PyTuple_New(Py_ssize_t(count)));
  for (size_t i = 0; i < count; ++i)
    PyTuple_SET_ITEM(tuple.ptr(), i, PyLong_FromLongLong(values[i]));
  return tuple;
}

nb::list run(const Kernel &kernel, nb::handle inputObjects,
             nb::handle makeOutput) {
  const Signature &signature = kernel.getSignature();
  Sequence inputs(inputObjects);
  size_t numInputs = inputs.size(), numOutputs = signature.results.size();
  checkCount("arguments", signature.arguments.size(), numInputs);
  Arguments arguments(numInputs + numOutputs);
  for (size_t i = 0; i < numInputs; ++i)
    arguments.add(inputs[i], signature.arguments[i]);
  std::vector<int64_t> dims;
  if (std::string error =
          kernel.inferResultShapes(arguments.get(0, numInputs), dims);
      !error.empty())
    raiseArgumentError(error);
  nb::list outputs;
  size_t firstDim = 0;
  for (size_t i = 0; i < numOutputs; ++i) {
    size_t rank = signature.results[i].shape.size();
    nb::object output = makeOutput(i, toTuple(dims.data() + firstDim, rank));
    firstDim += rank;
    arguments.add(output.ptr(), signature.results[i]);
    outputs.append(std::move(output));
  }
  invoke(kernel, arguments, numInputs, numOutputs);
  return outputs;
}

/// Shapes given by hand become references without data.
nb::list inferResultShapes(const Kernel &kernel, nb::handle shapeObjects) {
  const Signature &signature = kernel.getSignature();
  Sequence shapes(shapeObjects);
  checkCount("shapes", signature.arguments.size(), shapes.size());
  std::vector<std::vector<int64_t>> storage(shapes.size());
  std::vector<TensorRef> refs(shapes.size());
  for (size_t i = 0; i < shapes.size(); ++i) {
    const ParameterInfo &parameter = signature.arguments[i];
    std::vector<int64_t> &values = storage[i];
    if (parameter.isTensor)
      values = nb::cast<std::vector<int64_t>>(nb::handle(shapes[i]));
    else
      values = {
          shapes[i] == Py_None ? 0 : nb::cast<int64_t>(nb::handle(shapes[i]))};
    refs[i].data = values.data();
    refs[i].dtype = parameter.dtype;
    refs[i].rank = parameter.isTensor ? uint32_t(values.size()) : 0;
    refs[i].shape = values.data();
  }
  std::vector<int64_t> dims;
  if (std::string error = kernel.inferResultShapes(refs, dims); !error.empty())
    raiseArgumentError(error);
  nb::list results;
  size_t firstDim = 0;
  for (const ParameterInfo &result : signature.results) {
    results.append(toTuple(dims.data() + firstDim, result.shape.size()));
    firstDim += result.shape.size();
  }
  return results;
}

nb::object toPython(const std::vector<ParameterInfo> &parameters) {
  nb::list list;
  for (const ParameterInfo &parameter : parameters) {
    nb::object shape = nb::none();
    if (parameter.isTensor) {
      nb::list sizes;
      for (int64_t size : parameter.shape)
        sizes.append(size < 0 ? nb::none() : nb::object(nb::int_(size)));
      shape = nb::tuple(sizes);
    }
    list.append(
        nb::make_tuple(parameter.name, getName(parameter.dtype), shape));
  }
  return nb::tuple(list);
}

nb::list toPython(const std::vector<Diagnostic> &diagnostics) {
  nb::list list;
  for (const Diagnostic &each : diagnostics)
    list.append(nb::make_tuple(getName(each.severity), each.location.file,
                               each.location.line, each.location.column,
                               each.message, toPython(each.notes)));
  return list;
}

nb::list toPython(const std::vector<Remark> &remarks) {
  nb::list list;
  for (const Remark &each : remarks) {
    nb::dict fields;
    for (const auto &[key, value] : each.fields)
      fields[key.c_str()] = value;
    list.append(nb::make_tuple(getName(each.kind), each.pass, each.message,
                               each.location.file, each.location.line,
                               each.location.column, fields));
  }
  return list;
}

const Listing &getListing(const Kernel &kernel) {
  nb::gil_scoped_release release;
  return kernel.getListing();
}

std::string getPhase(const Kernel &kernel, const std::string &phase) {
  const Listing &listing = getListing(kernel);
  std::string known;
  for (const auto &[name, text] : listing.phases) {
    if (name == phase)
      return text;
    known += (known.empty() ? "'" : ", '") + name + "'";
  }
  if (!listing.error.empty())
    throw std::runtime_error(listing.error);
  raiseArgumentError("argument 'phase' expects one of " + known +
                     ", but got '" + phase + "'");
}

nb::tuple getConstraints(const Kernel &kernel) {
  const Signature &signature = kernel.getSignature();
  nb::list list;
  for (const DimConstraint &constraint : signature.constraints)
    list.append(
        signature.describe(constraint.rhs) +
        (constraint.kind == DimConstraint::Kind::Equal ? " == " : " >= ") +
        signature.describe(constraint.lhs));
  return nb::tuple(list);
}

nb::dict getTimings(const Kernel &kernel) {
  const Timings &timings = kernel.getTimings();
  nb::dict dict;
  dict["parse"] = timings.parse;
  dict["passes"] = timings.passes;
  dict["translate"] = timings.translate;
  dict["optimize"] = timings.optimize;
  dict["codegen"] = timings.codegen;
  dict["link"] = timings.link;
  dict["total"] = timings.total;
  return dict;
}

std::string_view getText(nb::handle source) {
  Py_ssize_t size = 0;
  if (PyUnicode_Check(source.ptr())) {
    const char *text = PyUnicode_AsUTF8AndSize(source.ptr(), &size);
    if (!text)
      throw nb::python_error();
    return {text, size_t(size)};
  }
  if (!PyBytes_Check(source.ptr()))
    throw nb::type_error("argument 'source' expects str or bytes");
  return {PyBytes_AS_STRING(source.ptr()),
          size_t(PyBytes_GET_SIZE(source.ptr()))};
}

nb::object compileSource(nb::object source, std::string fileName,
                         std::string entry, std::string target,
                         int64_t blockQueries, int64_t blockKeys,
                         int64_t blocksPerTask, std::string schedule,
                         std::string analysis, int optLevel, bool gdb,
                         bool perf, bool cache) {
  Options options;
  options.fileName = std::move(fileName);
  options.entry = std::move(entry);
  options.target = std::move(target);
  options.blockQueries = blockQueries;
  options.blockKeys = blockKeys;
  options.schedule = std::move(schedule);
  options.blocksPerTask = blocksPerTask;
  options.analysis = std::move(analysis);
  options.optLevel = optLevel;
  options.gdb = gdb;
  options.perf = perf;
  options.cache = cache;
  std::string_view text = getText(source);
  CompileResult result;
  {
    nb::gil_scoped_release release;
    result = compile(text, options);
  }
  if (!result.kernel)
    return toPython(result.diagnostics);
  return nb::cast(std::const_pointer_cast<Kernel>(result.kernel));
}

nb::dict getHost() {
  HostInfo info = getHostInfo();
  nb::dict dict;
  dict["cpu"] = info.cpu;
  dict["triple"] = info.triple;
  dict["features"] = info.features;
  dict["vector_bits"] = info.vectorBits;
  dict["vector_registers"] = info.vectorRegisters;
  dict["fma_per_cycle"] = info.fmaPerCycle;
  dict["l1_bytes"] = info.l1Bytes;
  dict["l2_bytes"] = info.l2Bytes;
  dict["l3_bytes"] = info.l3Bytes;
  dict["has_fma"] = info.hasFMA;
  dict["has_avx512"] = info.hasAVX512;
  dict["has_bf16_dot"] = info.hasBF16Dot;
  dict["has_amx"] = info.hasAMX;
  dict["llvm_version"] = info.llvmVersion;
  return dict;
}

#ifdef ATTN_HAVE_TOOLS
template <int (*Main)(int, char **)>
int callMain(std::vector<std::string> arguments) {
  std::vector<char *> pointers;
  for (std::string &argument : arguments)
    pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  nb::gil_scoped_release release;
  return Main(int(arguments.size()), pointers.data());
}
#endif

void bindKernel(nb::module_ &m) {
  nb::class_<Kernel>(m, "Kernel")
      .def_prop_ro("name", &Kernel::getName)
      .def_prop_ro("target", &Kernel::getTarget)
      .def_prop_ro("runnable", &Kernel::isRunnable)
      .def_prop_ro("arguments",
                   [](const Kernel &kernel) {
                     return toPython(kernel.getSignature().arguments);
                   })
      .def_prop_ro("results",
                   [](const Kernel &kernel) {
                     return toPython(kernel.getSignature().results);
                   })
      .def_prop_ro("constraints", getConstraints)
      .def("infer_result_shapes", inferResultShapes, nb::arg("shapes"))
      .def("call", call, nb::arg("inputs"), nb::arg("outputs"))
      .def("run", run, nb::arg("inputs"), nb::arg("make_output"))
      .def("ir", getPhase, nb::arg("phase"))
      .def_prop_ro("llvm",
                   [](const Kernel &kernel) { return getListing(kernel).llvm; })
      .def_prop_ro(
          "asm",
          [](const Kernel &kernel) { return getListing(kernel).assembly; })
      .def_prop_ro("object",
                   [](const Kernel &kernel) {
                     std::string_view object = kernel.getObject();
                     return nb::bytes(object.data(), object.size());
                   })
      .def_prop_ro("header", &Kernel::getHeader)
      .def_prop_ro(
          "remarks",
          [](const Kernel &kernel) { return toPython(kernel.getRemarks()); })
      .def_prop_ro(
          "warnings",
          [](const Kernel &kernel) { return toPython(kernel.getWarnings()); })
      .def_prop_ro("timings", getTimings);
}

} // namespace

NB_MODULE(_native, m) {
  // Kernels live in caches to the end of the process; that is no leak.
  nb::set_leak_warnings(false);
  bindKernel(m);
  m.def("compile", compileSource, nb::arg("source"), nb::kw_only(),
        nb::arg("file_name") = "<source>", nb::arg("entry") = "",
        nb::arg("target") = "host", nb::arg("block_queries") = 0,
        nb::arg("block_keys") = 0, nb::arg("blocks_per_task") = 0,
        nb::arg("schedule") = "auto", nb::arg("analysis") = "",
        nb::arg("opt_level") = -1, nb::arg("gdb") = false,
        nb::arg("perf") = false, nb::arg("cache") = true);
  m.def("needs_copy", [](nb::handle array) {
    int answer = python::needsCopy(array.ptr());
    if (answer < 0)
      throw nb::python_error();
    return answer != 0;
  });
  m.def("set_argument_error", [](nb::handle type) {
    if (!PyExceptionClass_Check(type.ptr()))
      throw nb::type_error("argument 'type' expects an exception class");
    Py_XDECREF(argumentError);
    argumentError = type.inc_ref().ptr();
  });
  m.def("clear_cache", clearCache);
  m.def("cache_info", [] {
    CacheInfo info = getCacheInfo();
    nb::dict dict;
    dict["entries"] = info.entries;
    dict["hits"] = info.hits;
    dict["misses"] = info.misses;
    return dict;
  });
  m.def("set_num_threads", attn_set_num_threads, nb::arg("n"));
  m.def("get_num_threads", attn_get_num_threads);
  m.def("threading_backend", attn_parallel_backend);
  m.def("host_info", getHost);
  m.def("fma_peak", measureFMAPeak, nb::arg("seconds") = 0.1,
        nb::arg("threads") = 1, nb::call_guard<nb::gil_scoped_release>());
  m.def("fma_instructions", getFMAPeakInstructions);
  m.def("read_bandwidth", measureReadBandwidth, nb::arg("bytes"),
        nb::arg("seconds") = 0.1, nb::arg("threads") = 1,
        nb::call_guard<nb::gil_scoped_release>());
  m.def("known_targets", getKnownTargetNames);
  m.def("target_error",
        [](const std::string &target) -> std::optional<std::string> {
          std::string error = checkTarget(target);
          if (error.empty())
            return std::nullopt;
          return error;
        });
#ifdef ATTN_HAVE_TOOLS
  m.def("opt_main", callMain<optMain>, nb::arg("argv"));
  m.def("run_main", callMain<runMain>, nb::arg("argv"));
#endif
}
