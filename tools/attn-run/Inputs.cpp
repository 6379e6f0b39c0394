#include "Inputs.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

#include <cmath>
#include <numbers>
#include <optional>

using namespace attn;
using llvm::Error;
using llvm::Expected;
using llvm::StringRef;
using llvm::Twine;

namespace {

/// The same numbers on every machine (splitmix64).
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// In (0, 1].
  double uniform() { return ((next() >> 11) + 1) * 0x1p-53; }
  double normal() {
    return std::sqrt(-2 * std::log(uniform())) *
           std::cos(2 * std::numbers::pi * uniform());
  }

private:
  uint64_t state;
};

struct Request {
  std::optional<StringRef> file;
  std::optional<double> value;
  std::optional<std::pair<double, double>> range;
};

class Builder {
public:
  Builder(const Signature &signature, const InputOptions &options)
      : signature(signature), options(options),
        requests(signature.arguments.size()) {
    for (const ParameterInfo &argument : signature.arguments)
      sizes.emplace_back(argument.shape);
  }
  Expected<std::vector<Tensor>> build();

private:
  Expected<size_t> find(StringRef argument) const;
  Expected<std::pair<size_t, StringRef>> split(StringRef text,
                                               StringRef option) const;
  Error readValues();
  Error readFiles();
  Error readShapes();
  Error readDims();
  Error setShape(size_t argument, StringRef text);
  Error setSize(size_t argument, size_t dim, int64_t size);
  void inferSizes();
  bool inferSize(const DimExpr &unknown, const DimExpr &known);
  std::vector<int64_t> getSlots() const;
  Error checkSizes() const;
  Expected<Tensor> makeTensor(size_t argument, Random &random);

  const Signature &signature;
  const InputOptions &options;
  std::vector<Request> requests;
  std::vector<std::vector<int64_t>> sizes; // -1: not known yet
  std::vector<std::optional<Tensor>> tensors;
};

} // namespace

Expected<size_t> Builder::find(StringRef argument) const {
  size_t number;
  if (!argument.getAsInteger(10, number) && number < signature.arguments.size())
    return number;
  std::string known;
  for (size_t i = 0; i < signature.arguments.size(); ++i) {
    if (signature.arguments[i].name == argument)
      return i;
    known += (i ? ", '" : "'") + signature.arguments[i].name + "'";
  }
  return makeError("no argument '" + argument + "', expected one of " + known +
                   " or a number from 0");
}

/// "ARG=rest"
Expected<std::pair<size_t, StringRef>> Builder::split(StringRef text,
                                                      StringRef option) const {
  auto [name, rest] = text.split('=');
  if (rest.empty())
    return makeError("option '" + option + "' expects ARG=..., but got '" +
                     text + "'");
  Expected<size_t> argument = find(name);
  if (!argument)
    return argument.takeError();
  return std::make_pair(*argument, rest);
}

static Expected<double> parseNumber(StringRef text) {
  double value;
  if (text.getAsDouble(value))
    return makeError("expected a number, but got '" + text + "'");
  return value;
}

Error Builder::readValues() {
  for (StringRef text : options.values) {
    auto pair = split(text, "--set");
    if (!pair)
      return pair.takeError();
    Expected<double> value = parseNumber(pair->second);
    if (!value)
      return value.takeError();
    requests[pair->first].value = *value;
  }
  for (StringRef text : options.ranges) {
    auto pair = split(text, "--range");
    if (!pair)
      return pair.takeError();
    auto [low, high] = pair->second.split(':');
    Expected<double> from = parseNumber(low);
    if (!from)
      return from.takeError();
    Expected<double> to = parseNumber(high);
    if (!to)
      return to.takeError();
    if (!(*to >= *from && *to - *from < 0x1p53))
      return makeError("option '--range' expects LOW:HIGH with LOW <= HIGH, "
                       "but got '" +
                       pair->second + "'");
    requests[pair->first].range = std::make_pair(*from, *to);
  }
  return Error::success();
}

Error Builder::setSize(size_t argument, size_t dim, int64_t size) {
  const ParameterInfo &info = signature.arguments[argument];
  if (!info.isTensor || dim >= sizes[argument].size())
    return makeError("argument '" + info.name + "' has no dimension " +
                     Twine(dim));
  int64_t &known = sizes[argument][dim];
  if (known >= 0 && known != size)
    return makeError("dimension " + Twine(dim) + " of argument '" + info.name +
                     "' is " + Twine(known) + ", but got " + Twine(size));
  known = size;
  return Error::success();
}

static Expected<int64_t> parseSize(StringRef text) {
  int64_t size;
  if (text.getAsInteger(10, size) || size < 0)
    return makeError("expected a size, but got '" + text + "'");
  return size;
}

Error Builder::setShape(size_t argument, StringRef text) {
  const ParameterInfo &info = signature.arguments[argument];
  llvm::SmallVector<StringRef> parts;
  text.split(parts, 'x');
  if (!info.isTensor || parts.size() != info.shape.size())
    return makeError("argument '" + info.name + "' expects " +
                     (info.isTensor ? Twine(info.shape.size()) + " sizes"
                                    : Twine("no sizes: it is a scalar")) +
                     ", but got '" + text + "'");
  for (auto [dim, part] : llvm::enumerate(parts)) {
    // The rest may follow from others.
    if (part == "?")
      continue;
    Expected<int64_t> size = parseSize(part);
    if (!size)
      return size.takeError();
    if (Error error = setSize(argument, dim, *size))
      return error;
  }
  return Error::success();
}

Error Builder::readShapes() {
  size_t next = 0;
  for (StringRef text : options.shapes) {
    while (next < sizes.size() && !signature.arguments[next].isTensor)
      ++next;
    if (next == sizes.size())
      return makeError("option '--shapes' expects at most one shape per tensor "
                       "argument, but '" +
                       text + "' is one more");
    if (Error error = setShape(next++, text))
      return error;
  }
  for (StringRef text : options.shape) {
    auto pair = split(text, "--shape");
    if (!pair)
      return pair.takeError();
    if (Error error = setShape(pair->first, pair->second))
      return error;
  }
  return Error::success();
}

Error Builder::readDims() {
  for (StringRef text : options.dims) {
    auto [place, sizeText] = text.split('=');
    auto [name, dimText] = place.split(':');
    size_t dim;
    if (sizeText.empty() || dimText.getAsInteger(10, dim))
      return makeError("option '--dim' expects ARG:DIMENSION=SIZE, but got '" +
                       text + "'");
    Expected<size_t> argument = find(name);
    if (!argument)
      return argument.takeError();
    Expected<int64_t> size = parseSize(sizeText);
    if (!size)
      return size.takeError();
    if (Error error = setSize(*argument, dim, *size))
      return error;
  }
  return Error::success();
}

Error Builder::readFiles() {
  for (StringRef text : options.files) {
    auto pair = split(text, "--input");
    if (!pair)
      return pair.takeError();
    const ParameterInfo &info = signature.arguments[pair->first];
    Expected<Tensor> tensor = readNpy(pair->second, info.dtype);
    if (!tensor)
      return tensor.takeError();
    if (tensor->getDType() != info.dtype)
      return makeError("argument '" + info.name + "' expects element type " +
                       getName(info.dtype) + ", but '" + pair->second +
                       "' holds " + getName(tensor->getDType()));
    if (tensor->getShape().size() != info.shape.size())
      return makeError("argument '" + info.name + "' expects rank " +
                       Twine(info.shape.size()) + ", but '" + pair->second +
                       "' holds " + tensor->describe());
    for (auto [dim, size] : llvm::enumerate(tensor->getShape()))
      if (Error error = setSize(pair->first, dim, size))
        return error;
    tensors[pair->first] = std::move(*tensor);
  }
  return Error::success();
}

std::vector<int64_t> Builder::getSlots() const {
  std::vector<int64_t> slots;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (signature.arguments[i].isTensor)
      slots.insert(slots.end(), sizes[i].begin(), sizes[i].end());
    else
      slots.push_back(requests[i].value ? int64_t(*requests[i].value) : -1);
  }
  return slots;
}

/// Sets a size that must equal an expression of known ones.
bool Builder::inferSize(const DimExpr &unknown, const DimExpr &known) {
  std::vector<int64_t> slots = getSlots();
  std::optional<unsigned> slot = unknown.asSlot();
  if (!slot || slots[*slot] >= 0)
    return false;
  for (const DimExpr::Step &step : known.getSteps())
    if (step.op == DimExpr::Op::Slot && slots[step.value] < 0)
      return false;
  std::optional<int64_t> size = known.evaluate(slots);
  if (!size || *size < 0)
    return false;
  unsigned rest = *slot;
  for (size_t i = 0; i < sizes.size(); ++i) {
    unsigned count = signature.arguments[i].isTensor ? sizes[i].size() : 1;
    if (rest < count && signature.arguments[i].isTensor) {
      sizes[i][rest] = *size;
      return true;
    }
    if (rest < count)
      return false;
    rest -= count;
  }
  return false;
}

void Builder::inferSizes() {
  bool changed = true;
  while (changed) {
    changed = false;
    for (const DimConstraint &constraint : signature.constraints)
      if (constraint.kind == DimConstraint::Kind::Equal)
        changed |= inferSize(constraint.lhs, constraint.rhs) ||
                   inferSize(constraint.rhs, constraint.lhs);
  }
}

Error Builder::checkSizes() const {
  for (size_t i = 0; i < sizes.size(); ++i) {
    const ParameterInfo &info = signature.arguments[i];
    if (!info.isTensor && !requests[i].value && !requests[i].range &&
        !tensors[i])
      return makeError(
          "argument '" + info.name +
          "' is a scalar without a value: give --set=" + info.name + "=VALUE");
    for (size_t dim = 0; dim < sizes[i].size(); ++dim)
      if (sizes[i][dim] < 0)
        return makeError(
            "dimension " + Twine(dim) + " of argument '" + info.name +
            "' is dynamic and follows from no other: give --dim=" + info.name +
            ":" + Twine(dim) + "=SIZE or --shapes");
  }
  return Error::success();
}

Expected<Tensor> Builder::makeTensor(size_t argument, Random &random) {
  const ParameterInfo &info = signature.arguments[argument];
  if (tensors[argument])
    return std::move(*tensors[argument]);
  Expected<Tensor> tensor = Tensor::create(info.dtype, sizes[argument]);
  if (!tensor)
    return makeError("argument '" + info.name +
                     "': " + llvm::toString(tensor.takeError()));
  const Request &request = requests[argument];
  for (int64_t i = 0; i < tensor->getNumElements(); ++i) {
    double value;
    if (request.value)
      value = *request.value;
    else if (request.range) {
      auto [low, high] = *request.range;
      value = tensor->isFloat()
                  ? low + (high - low) * random.uniform()
                  : low + double(random.next() % uint64_t(high - low + 1));
    } else if (tensor->isFloat())
      // Logits of two such vectors have a standard deviation of two.
      value = std::numbers::sqrt2 * random.normal();
    else
      value = double(random.next() % (info.dtype == DType::I1 ? 2 : 8));
    tensor->set(i, value);
  }
  return tensor;
}

Expected<std::vector<Tensor>> Builder::build() {
  tensors.resize(signature.arguments.size());
  for (auto read : {&Builder::readValues, &Builder::readFiles,
                    &Builder::readShapes, &Builder::readDims})
    if (Error error = (this->*read)())
      return error;
  inferSizes();
  if (Error error = checkSizes())
    return error;
  std::vector<Tensor> results;
  for (size_t i = 0; i < signature.arguments.size(); ++i) {
    // Each argument has numbers of its own, whatever the others are.
    Random random(options.seed * 0x10001 + i + 1);
    Expected<Tensor> tensor = makeTensor(i, random);
    if (!tensor)
      return tensor.takeError();
    results.push_back(std::move(*tensor));
  }
  return results;
}

Expected<std::vector<Tensor>> attn::makeInputs(const Signature &signature,
                                               const InputOptions &options) {
  return Builder(signature, options).build();
}
