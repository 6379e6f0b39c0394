#include "Reports.h"

#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Remarks.h"
#include "llvm/IR/DiagnosticHandler.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/Support/raw_ostream.h"

using namespace attn;

SourceLocation attn::toSourceLocation(mlir::Location location) {
  SourceLocation result;
  location->walk([&](mlir::Location inner) {
    auto file = llvm::dyn_cast<mlir::FileLineColLoc>(inner);
    if (!file)
      return mlir::WalkResult::advance();
    result = {file.getFilename().str(), file.getLine(), file.getColumn()};
    return mlir::WalkResult::interrupt();
  });
  return result;
}

static Diagnostic convert(mlir::Diagnostic &diagnostic) {
  Diagnostic result;
  switch (diagnostic.getSeverity()) {
  case mlir::DiagnosticSeverity::Error:
    result.severity = Diagnostic::Severity::Error;
    break;
  case mlir::DiagnosticSeverity::Warning:
    result.severity = Diagnostic::Severity::Warning;
    break;
  case mlir::DiagnosticSeverity::Remark:
    result.severity = Diagnostic::Severity::Remark;
    break;
  case mlir::DiagnosticSeverity::Note:
    result.severity = Diagnostic::Severity::Note;
    break;
  }
  result.location = toSourceLocation(diagnostic.getLocation());
  result.message = diagnostic.str();
  for (mlir::Diagnostic &note : diagnostic.getNotes())
    result.notes.push_back(convert(note));
  return result;
}

static Remark::Kind toKind(llvm::remarks::Type type) {
  switch (type) {
  case llvm::remarks::Type::Passed:
    return Remark::Kind::Passed;
  case llvm::remarks::Type::Missed:
    return Remark::Kind::Missed;
  case llvm::remarks::Type::Failure:
    return Remark::Kind::Failure;
  default:
    return Remark::Kind::Analysis;
  }
}

namespace {

class Collector final : public mlir::remark::detail::MLIRRemarkStreamerBase {
public:
  explicit Collector(std::vector<Remark> &remarks) : remarks(remarks) {}

  void streamOptimizationRemark(
      const mlir::remark::detail::Remark &source) override {
    Remark remark;
    remark.kind = toKind(source.getRemarkType());
    remark.pass = source.getCategoryName().empty()
                      ? source.getRemarkName().str()
                      : source.getCombinedCategoryName().str();
    remark.location = toSourceLocation(source.getLocation());
    if (source.getRemarkName() != remark.pass)
      remark.fields.emplace_back("name", source.getRemarkName().str());
    for (const auto &argument : source.getArgs()) {
      if (argument.key == "Remark" || argument.key == "String")
        remark.message += argument.val;
      else
        remark.fields.emplace_back(argument.key, argument.val);
    }
    remarks.push_back(std::move(remark));
  }

private:
  std::vector<Remark> &remarks;
};

class LLVMHandler final : public llvm::DiagnosticHandler {
public:
  explicit LLVMHandler(Reports &reports) : reports(reports) {}

  bool handleDiagnostics(const llvm::DiagnosticInfo &info) override {
    if (info.getSeverity() != llvm::DS_Error &&
        info.getSeverity() != llvm::DS_Warning)
      return true;
    Diagnostic diagnostic;
    if (info.getSeverity() == llvm::DS_Warning)
      diagnostic.severity = Diagnostic::Severity::Warning;
    llvm::raw_string_ostream stream(diagnostic.message);
    llvm::DiagnosticPrinterRawOStream printer(stream);
    info.print(printer);
    reports.diagnostics.push_back(std::move(diagnostic));
    return true;
  }

private:
  Reports &reports;
};

} // namespace

void Reports::attach(mlir::MLIRContext &context) {
  context.getDiagEngine().registerHandler([this](mlir::Diagnostic &diagnostic) {
    diagnostics.push_back(convert(diagnostic));
    return mlir::success();
  });
  // `all` alone enables no kind: each kind needs a filter of its own.
  mlir::remark::RemarkCategories categories;
  categories.passed = categories.missed = categories.analysis =
      categories.failed = ".*";
  auto engine = std::make_unique<mlir::remark::detail::RemarkEngine>(
      /*printAsEmitRemarks=*/false, categories);
  std::string error;
  if (mlir::failed(engine->initialize(
          std::make_unique<Collector>(remarks),
          std::make_unique<mlir::remark::RemarkEmittingPolicyAll>(), &error)))
    return;
  context.setRemarkEngine(std::move(engine));
}

void Reports::attach(llvm::LLVMContext &context) {
  context.setDiagnosticHandler(std::make_unique<LLVMHandler>(*this));
}

void Reports::addError(std::string message, SourceLocation location) {
  if (location.file.empty())
    location.file = fileName;
  Diagnostic diagnostic;
  diagnostic.location = std::move(location);
  diagnostic.message = std::move(message);
  diagnostics.push_back(std::move(diagnostic));
}

bool Reports::hasErrors() const {
  for (const Diagnostic &diagnostic : diagnostics)
    if (diagnostic.severity == Diagnostic::Severity::Error)
      return true;
  return false;
}
