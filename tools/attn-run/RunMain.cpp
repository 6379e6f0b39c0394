#include "Compare.h"
#include "Inputs.h"
#include "Unfused.h"

#include "attn/Pipelines/Pipelines.h"
#include "attn/Runtime/ParallelFor.h"
#include "attn/Tools/Main.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <chrono>
#include <cmath>

using namespace attn;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;
namespace cl = llvm::cl;

static constexpr char overview[] =
    R"(Compiles a function on attention and runs it.

  attn-run f.mlir --shapes=1x8x256x64,1x2x512x64      random inputs, summary
  attn-run f.mlir --input query=q.npy --output-dir=.  arrays in, result0.npy out
  attn-run f.mlir --dim=query:2=256 --compare         judge the result
  attn-run f.mlir --shapes=... --time=20              median of 20 runs
  attn-run f.mlir --emit=tile                         IR after a phase
  attn-run f.mlir --cross=cpu:aarch64 --emit=asm      for another machine

Arguments are named as in the source or by number. Sizes that are static or
that follow from other arguments need not be given. Random numbers have a
standard deviation of sqrt(2); integers are from 0 to 7 unless --range says
otherwise.

--compare runs the unfused definition of the same function twice, in its own
types and in f64, and allows twice the deviation of the first from the second:
  |result - f64| <= 2 * max|unfused - f64| + floor
  floor: f64 1e-13 * max|f64|, f32 1e-6 * max|f64|, f16 1e-3, bf16 8e-3
With a file, the result is compared with the file's values instead of f64.

Exit status: 0, or 1 after an error or a failed comparison.
)";

namespace {

/// Options live here and not in globals: the tool may be part of a library
/// whose other users have options of their own.
struct CommandLine {
  cl::OptionCategory category{"attn-run options"};
  cl::opt<std::string> file{cl::Positional, cl::desc("<file.mlir or ->"),
                            cl::init("-"), cl::cat(category)};

  cl::opt<std::string> entry{"entry",
                             cl::desc("public function to compile, when there "
                                      "are several"),
                             cl::value_desc("name"), cl::cat(category)};
  cl::opt<std::string> target{
      "target", cl::desc("host, cpu:x86-64-v3, cpu:znver4, ..."),
      cl::value_desc("name"), cl::init("host"), cl::cat(category)};
  cl::opt<std::string> cross{"cross",
                             cl::desc("compile for this target and do not run"),
                             cl::value_desc("target"), cl::cat(category)};
  cl::opt<std::string> schedule{
      "schedule", cl::desc("auto, lanes-queries or lanes-features"),
      cl::value_desc("name"), cl::init("auto"), cl::cat(category)};
  cl::opt<int64_t> blockQueries{
      "block-queries", cl::desc("queries per step; 0: by the cost model"),
      cl::value_desc("n"), cl::cat(category)};
  cl::opt<int64_t> blockKeys{"block-keys",
                             cl::desc("keys per step; 0: by the cost model"),
                             cl::value_desc("n"), cl::cat(category)};
  cl::opt<int64_t> blocksPerTask{
      "blocks-per-task",
      cl::desc("query blocks that share a pass over the keys; 0: by the cost "
               "model"),
      cl::value_desc("n"), cl::cat(category)};
  cl::opt<int> optLevel{"opt-level", cl::desc("LLVM effort 0 to 3"),
                        cl::value_desc("n"), cl::init(-1), cl::cat(category)};

  cl::opt<std::string> emit{
      "emit",
      cl::desc("write this instead of running: a phase (input raise expand "
               "specialize tile codegen target), llvm, asm, obj or header"),
      cl::value_desc("what"), cl::cat(category)};
  cl::opt<std::string> output{"o", cl::desc("file --emit writes"),
                              cl::value_desc("file"), cl::init("-"),
                              cl::cat(category)};
  cl::opt<bool> remarks{"remarks",
                        cl::desc("print what the compiler did and why"),
                        cl::cat(category)};

  cl::list<std::string> inputs{"input", cl::desc("array of an argument"),
                               cl::value_desc("arg=file.npy"),
                               cl::cat(category)};
  cl::list<std::string> values{
      "set", cl::desc("value of a scalar, or of every element"),
      cl::value_desc("arg=value"), cl::cat(category)};
  cl::list<std::string> ranges{
      "range", cl::desc("range of an argument's random numbers"),
      cl::value_desc("arg=low:high"), cl::cat(category)};
  cl::list<std::string> shapes{
      "shapes", cl::CommaSeparated,
      cl::desc("shapes of the tensor arguments, in order"),
      cl::value_desc("1x8x64x64,..."), cl::cat(category)};
  cl::list<std::string> shape{"shape", cl::desc("shape of one argument"),
                              cl::value_desc("arg=1x8x64x64"),
                              cl::cat(category)};
  cl::list<std::string> dims{"dim", cl::desc("one size of one argument"),
                             cl::value_desc("arg:dimension=size"),
                             cl::cat(category)};
  cl::opt<uint64_t> seed{"seed", cl::desc("of the random inputs"),
                         cl::value_desc("n"), cl::cat(category)};

  cl::opt<int> threads{"threads",
                       cl::desc("0: OMP_NUM_THREADS or all there are"),
                       cl::value_desc("n"), cl::cat(category)};
  cl::list<std::string> compare{
      "compare", cl::ValueOptional,
      cl::desc("judge the results, by the unfused definition or by files"),
      cl::value_desc("[number=]file.npy"), cl::cat(category)};
  cl::opt<std::string> time{"time", cl::ValueOptional,
                            cl::desc("time this many runs (10)"),
                            cl::value_desc("runs"), cl::cat(category)};
  cl::opt<std::string> outputDir{"output-dir",
                                 cl::desc("write results as result0.npy, ..."),
                                 cl::value_desc("folder"), cl::cat(category)};
  cl::opt<bool> saveInputs{"save-inputs",
                           cl::desc("also write the arguments to --output-dir"),
                           cl::cat(category)};
  cl::opt<unsigned> print{"print",
                          cl::desc("print the first elements of each result"),
                          cl::value_desc("n"), cl::cat(category)};

  Options getOptions() const {
    Options options;
    options.target = cross.empty() ? target : cross;
    options.entry = entry;
    options.fileName = file == "-" ? "<stdin>" : file.getValue();
    options.blockQueries = blockQueries;
    options.blockKeys = blockKeys;
    options.blocksPerTask = blocksPerTask;
    options.schedule = schedule;
    options.optLevel = optLevel;
    options.cache = false;
    return options;
  }

  InputOptions getInputOptions() const {
    InputOptions options;
    options.files.assign(inputs.begin(), inputs.end());
    options.values.assign(values.begin(), values.end());
    options.ranges.assign(ranges.begin(), ranges.end());
    options.shapes.assign(shapes.begin(), shapes.end());
    options.shape.assign(shape.begin(), shape.end());
    options.dims.assign(dims.begin(), dims.end());
    options.seed = seed;
    return options;
  }
};

class Tool {
public:
  explicit Tool(const CommandLine &flags)
      : flags(flags), options(flags.getOptions()) {}
  /// False after a comparison that failed.
  Expected<bool> run();

private:
  Error checkFlags() const;
  Error compileSource();
  void printRemarks() const;
  Error emit() const;
  Error execute();
  void summarize() const;
  Error writeArrays() const;
  Expected<bool> compare();
  Expected<std::vector<std::optional<Tensor>>> readReferences() const;
  Error time();

  const CommandLine &flags;
  Options options;
  std::string source;
  std::shared_ptr<const Kernel> kernel;
  std::vector<Tensor> inputs, results;
};

} // namespace

static void print(llvm::raw_ostream &stream, const SourceLocation &location) {
  if (location.file.empty())
    return;
  stream << location.file << ':';
  if (location.line)
    stream << location.line << ':' << location.column << ':';
  stream << ' ';
}

static void print(llvm::raw_ostream &stream, const Diagnostic &diagnostic) {
  print(stream, diagnostic.location);
  stream << getName(diagnostic.severity) << ": " << diagnostic.message << '\n';
  for (const Diagnostic &note : diagnostic.notes)
    print(stream, note);
}

Error Tool::checkFlags() const {
  StringRef what = flags.emit;
  bool isPhase = mlir::attn::getPhase(what).has_value();
  if (!what.empty() && !isPhase && what != "llvm" && what != "asm" &&
      what != "obj" && what != "header")
    return makeError("option '--emit' expects a phase (input raise expand "
                     "specialize tile codegen target), llvm, asm, obj or "
                     "header, but got '" +
                     what + "'");
  if (what == "obj" && flags.output == "-")
    return makeError("option '--emit=obj' expects a file: give -o FILE");
  if (what.empty() && flags.output != "-")
    return makeError("option '-o' expects --emit; results go to --output-dir");
  if (flags.saveInputs && flags.outputDir.empty())
    return makeError("option '--save-inputs' expects --output-dir");
  return Error::success();
}

Error Tool::compileSource() {
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(flags.file);
  if (!buffer)
    return makeError("cannot read '" + flags.file +
                     "': " + buffer.getError().message());
  source = (*buffer)->getBuffer().str();
  CompileResult result = compile(source, options);
  for (const Diagnostic &diagnostic : result.diagnostics)
    print(llvm::errs(), diagnostic);
  if (!result.kernel)
    return makeError("'" + options.fileName + "' does not compile");
  kernel = result.kernel;
  return Error::success();
}

void Tool::printRemarks() const {
  for (const Remark &remark : kernel->getRemarks()) {
    print(llvm::outs(), remark.location);
    llvm::outs() << "remark: " << remark.pass << ": " << remark.message << " ["
                 << getName(remark.kind) << "]";
    for (const auto &[key, value] : remark.fields)
      llvm::outs() << ' ' << key << '=' << value;
    llvm::outs() << '\n';
  }
}

Error Tool::emit() const {
  std::string text;
  StringRef what = flags.emit;
  if (what == "obj") {
    text = kernel->getObject();
  } else if (what == "header") {
    text = kernel->getHeader();
  } else {
    const Listing &listing = kernel->getListing();
    if (!listing.error.empty())
      return makeError(listing.error);
    if (what == "llvm")
      text = listing.llvm;
    else if (what == "asm")
      text = listing.assembly;
    for (const auto &[phase, ir] : listing.phases)
      if (phase == what)
        text = ir;
  }
  std::error_code error;
  llvm::raw_fd_ostream stream(flags.output, error);
  if (error)
    return makeError("cannot write '" + flags.output + "': " + error.message());
  stream << text;
  return Error::success();
}

Error Tool::execute() {
  auto made = makeInputs(kernel->getSignature(), flags.getInputOptions());
  if (!made)
    return made.takeError();
  inputs = std::move(*made);
  auto allocated = allocateResults(*kernel, inputs);
  if (!allocated)
    return allocated.takeError();
  results = std::move(*allocated);
  return callKernel(*kernel, inputs, results);
}

void Tool::summarize() const {
  llvm::outs() << kernel->getName() << " for " << kernel->getTarget()
               << ", compiled in "
               << llvm::format("%.1f", kernel->getTimings().total) << " ms\n";
  for (auto [i, tensor] : llvm::enumerate(results)) {
    double low = INFINITY, high = -INFINITY, sum = 0;
    for (int64_t k = 0; k < tensor.getNumElements(); ++k) {
      double value = tensor.get(k);
      // NaN must show, so it may not lose every comparison.
      low = value >= low ? low : value;
      high = value <= high ? high : value;
      sum += value;
    }
    llvm::outs() << kernel->getSignature().results[i].name << ": "
                 << tensor.describe();
    if (tensor.getNumElements())
      llvm::outs() << llvm::format(", from %.6g to %.6g, mean %.6g", low, high,
                                   sum / tensor.getNumElements());
    llvm::outs() << '\n';
    int64_t count = std::min<int64_t>(flags.print, tensor.getNumElements());
    for (int64_t k = 0; k < count; ++k)
      llvm::outs() << (k ? " " : "  ") << llvm::format("%.9g", tensor.get(k));
    if (count)
      llvm::outs() << '\n';
  }
}

Error Tool::writeArrays() const {
  if (std::error_code error =
          llvm::sys::fs::create_directories(flags.outputDir))
    return makeError("cannot make folder '" + flags.outputDir +
                     "': " + error.message());
  auto write = [&](const std::vector<Tensor> &tensors,
                   const std::vector<ParameterInfo> &infos) -> Error {
    for (size_t i = 0; i < tensors.size(); ++i) {
      llvm::SmallString<128> path(flags.outputDir.getValue());
      llvm::sys::path::append(path, infos[i].name + ".npy");
      if (Error error = writeNpy(path, tensors[i]))
        return error;
    }
    return Error::success();
  };
  const Signature &signature = kernel->getSignature();
  if (flags.saveInputs)
    if (Error error = write(inputs, signature.arguments))
      return error;
  return write(results, signature.results);
}

/// The files of --compare by result; none for `--compare` alone.
Expected<std::vector<std::optional<Tensor>>> Tool::readReferences() const {
  std::vector<std::optional<Tensor>> references(results.size());
  for (StringRef text : flags.compare) {
    if (text.empty() || text == "unfused")
      continue;
    size_t number = 0;
    StringRef path = text;
    auto [first, rest] = text.split('=');
    if (!rest.empty() && !first.getAsInteger(10, number))
      path = rest;
    if (number >= results.size())
      return makeError("option '--compare' expects a result below " +
                       Twine(results.size()) + ", but got '" + text + "'");
    Expected<Tensor> tensor = readNpy(path, results[number].getDType());
    if (!tensor)
      return tensor.takeError();
    references[number] = std::move(*tensor);
  }
  return references;
}

Expected<bool> Tool::compare() {
  auto references = readReferences();
  if (!references)
    return references.takeError();
  bool hasFiles = llvm::any_of(*references, [](auto &r) { return !!r; });
  auto unfused = runUnfused(source, options, inputs, /*widen=*/false);
  if (!unfused)
    return unfused.takeError();
  auto wide = runUnfused(source, options, inputs, /*widen=*/true);
  if (!wide)
    return wide.takeError();
  bool passed = true;
  for (size_t i = 0; i < results.size(); ++i) {
    std::optional<Tensor> &file = (*references)[i];
    if (hasFiles && !file)
      continue;
    Expected<Judgement> judgement =
        judge(results[i], file ? *file : (*wide)[i], (*unfused)[i], (*wide)[i]);
    StringRef name = kernel->getSignature().results[i].name;
    if (!judgement)
      return makeError(name + ": " + llvm::toString(judgement.takeError()));
    llvm::outs() << name
                 << llvm::format(": error %.3g, allowed %.3g (unfused %.3g, "
                                 "floor %.3g)",
                                 judgement->error, judgement->getAllowed(),
                                 judgement->unfusedError, judgement->floor);
    if (judgement->misplaced)
      llvm::outs() << ", " << judgement->misplaced
                   << " infinities or NaN that only one side has";
    llvm::outs() << (judgement->isPassed() ? ": ok\n" : ": FAILED\n");
    passed &= judgement->isPassed();
  }
  return passed;
}

Error Tool::time() {
  int runs = 10;
  StringRef text = flags.time;
  if (!text.empty() && (text.getAsInteger(10, runs) || runs < 1))
    return makeError("option '--time' expects a count of runs, but got '" +
                     text + "'");
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) {
    auto start = std::chrono::steady_clock::now();
    if (Error error = callKernel(*kernel, inputs, results))
      return error;
    times.push_back(std::chrono::duration<double, std::milli>(
                        std::chrono::steady_clock::now() - start)
                        .count());
  }
  std::sort(times.begin(), times.end());
  double median = times[times.size() / 2];
  llvm::outs() << llvm::format("time: median %.4g ms, min %.4g, max %.4g, ",
                               median, times.front(), times.back())
               << runs << " runs, " << attn_get_num_threads() << " threads";
  std::vector<TensorRef> refs;
  for (Tensor &input : inputs)
    refs.push_back(input.getRef());
  if (auto operations = countOperations(source, kernel->getName(), refs))
    llvm::outs() << llvm::format(", %.1f GFLOP/s", *operations / median / 1e6);
  llvm::outs() << '\n';
  return Error::success();
}

Expected<bool> Tool::run() {
  if (Error error = checkFlags())
    return error;
  if (flags.threads.getNumOccurrences())
    attn_set_num_threads(flags.threads);
  if (Error error = compileSource())
    return error;
  if (flags.remarks)
    printRemarks();
  if (!flags.emit.empty()) {
    if (Error error = emit())
      return error;
    return true;
  }
  if (!flags.cross.empty()) {
    llvm::outs() << kernel->getName() << " for " << kernel->getTarget() << ", "
                 << kernel->getObject().size() << " bytes of object\n";
    return true;
  }
  if (!kernel->isRunnable())
    return makeError("target '" + options.target +
                     "' does not run here: give --cross or --emit");
  if (Error error = execute())
    return error;
  summarize();
  if (!flags.outputDir.empty())
    if (Error error = writeArrays())
      return error;
  bool passed = true;
  if (flags.compare.getNumOccurrences()) {
    Expected<bool> judged = compare();
    if (!judged)
      return judged.takeError();
    passed = *judged;
  }
  if (flags.time.getNumOccurrences())
    if (Error error = time())
      return error;
  return passed;
}

int attn::runMain(int argc, char **argv) {
  // LLVM's libraries have registered options of theirs, some of these names.
  cl::ResetCommandLineParser();
  CommandLine flags;
  cl::HideUnrelatedOptions(flags.category);
  if (!cl::ParseCommandLineOptions(argc, argv, overview, &llvm::errs()))
    return 1;
  Expected<bool> passed = Tool(flags).run();
  if (!passed) {
    llvm::errs() << "attn-run: error: " << llvm::toString(passed.takeError())
                 << '\n';
    return 1;
  }
  llvm::outs().flush();
  return *passed ? 0 : 1;
}
