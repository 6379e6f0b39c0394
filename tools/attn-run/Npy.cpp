// NumPy's file format, versions 1 to 3, little endian.
#include "Tensor.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>
#include <optional>

using namespace attn;
using llvm::StringRef;

namespace {

struct Header {
  StringRef descr;
  bool fortranOrder = false;
  llvm::SmallVector<int64_t> shape;
  size_t dataOffset = 0;
};

} // namespace

/// What follows `'key':` in the header's dictionary.
static std::optional<StringRef> findValue(StringRef dictionary, StringRef key) {
  for (char quote : {'\'', '"'}) {
    std::string quoted = (llvm::Twine(quote) + key + llvm::Twine(quote)).str();
    size_t at = dictionary.find(quoted);
    if (at == StringRef::npos)
      continue;
    StringRef rest = dictionary.drop_front(at + quoted.size()).ltrim();
    if (rest.consume_front(":"))
      return rest.ltrim();
  }
  return std::nullopt;
}

static bool parseShape(StringRef text, llvm::SmallVectorImpl<int64_t> &shape) {
  size_t end = text.find(')');
  if (!text.consume_front("(") || end == StringRef::npos)
    return false;
  text = text.take_front(end - 1);
  while (!(text = text.ltrim()).empty()) {
    int64_t size;
    if (text.consumeInteger(10, size) || size < 0)
      return false;
    shape.push_back(size);
    text = text.ltrim();
    if (!text.empty() && !text.consume_front(","))
      return false;
  }
  return true;
}

static bool parseHeader(StringRef file, Header &header) {
  if (!file.starts_with("\x93NUMPY") || file.size() < 10)
    return false;
  bool isLong = file[6] > 1;
  if (file[6] < 1 || file[6] > 3 || (isLong && file.size() < 12))
    return false;
  size_t start = isLong ? 12 : 10;
  size_t length = isLong ? llvm::support::endian::read32le(file.data() + 8)
                         : llvm::support::endian::read16le(file.data() + 8);
  if (length > file.size() - start)
    return false;
  StringRef dictionary = file.substr(start, length);
  auto descr = findValue(dictionary, "descr");
  auto order = findValue(dictionary, "fortran_order");
  auto shape = findValue(dictionary, "shape");
  if (!descr || !order || !shape || descr->size() < 2 ||
      ((*descr)[0] != '\'' && (*descr)[0] != '"'))
    return false;
  char quote = (*descr)[0];
  header.descr =
      descr->drop_front().take_until([quote](char c) { return c == quote; });
  header.fortranOrder = order->starts_with("True");
  header.dataOffset = start + length;
  return parseShape(*shape, header.shape);
}

static std::optional<DType> getDType(StringRef descr, DType expected) {
  if (descr.size() < 2 || (descr[0] != '<' && descr[0] != '|'))
    return std::nullopt;
  StringRef type = descr.drop_front();
  // Types NumPy does not know are saved as their bits.
  if (type == "u2" || type == "V2") {
    if (expected == DType::F16 || expected == DType::BF16)
      return expected;
    return type == "V2" ? DType::BF16 : DType::I16;
  }
  static const std::pair<const char *, DType> names[] = {
      {"f8", DType::F64}, {"f4", DType::F32}, {"f2", DType::F16},
      {"i8", DType::I64}, {"i4", DType::I32}, {"i2", DType::I16},
      {"i1", DType::I8},  {"b1", DType::I1}};
  for (auto [name, dtype] : names)
    if (type == name)
      return dtype == DType::I64 && expected == DType::Index ? DType::Index
                                                             : dtype;
  return std::nullopt;
}

/// Copies column-major elements into row-major order.
static void copyTransposed(const char *source, Tensor &target) {
  llvm::ArrayRef<int64_t> shape = target.getShape();
  size_t bytes = getByteSize(target.getDType());
  std::vector<int64_t> index(shape.size(), 0);
  for (int64_t i = 0; i < target.getNumElements(); ++i) {
    int64_t at = 0;
    for (size_t d = shape.size(); d-- > 0;)
      at = at * shape[d] + index[d];
    std::memcpy(target.getData() + i * bytes, source + at * bytes, bytes);
    for (size_t d = shape.size(); d-- > 0;) {
      if (++index[d] < shape[d])
        break;
      index[d] = 0;
    }
  }
}

llvm::Expected<Tensor> attn::readNpy(StringRef path, DType expected) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return makeError("cannot read '" + path +
                     "': " + buffer.getError().message());
  StringRef file = (*buffer)->getBuffer();
  Header header;
  if (!parseHeader(file, header))
    return makeError("'" + path + "' is not a .npy file this tool can read");
  std::optional<DType> dtype = getDType(header.descr, expected);
  if (!dtype)
    return makeError("'" + path + "' holds elements of type '" + header.descr +
                     "', but expected one of <f8 <f4 <f2 <i8 <i4 <i2 |i1 |b1 "
                     "<u2");
  llvm::Expected<Tensor> tensor = Tensor::create(*dtype, header.shape);
  if (!tensor)
    return makeError("'" + path + "': " + llvm::toString(tensor.takeError()));
  StringRef data = file.drop_front(header.dataOffset);
  if (data.size() < tensor->getNumBytes())
    return makeError("'" + path + "' ends early: expected " +
                     llvm::Twine(tensor->getNumBytes()) +
                     " bytes of elements, but got " + llvm::Twine(data.size()));
  if (header.fortranOrder && header.shape.size() > 1)
    copyTransposed(data.data(), *tensor);
  else
    std::memcpy(tensor->getData(), data.data(), tensor->getNumBytes());
  return tensor;
}

static StringRef getDescr(DType dtype) {
  switch (dtype) {
  case DType::F64:
    return "<f8";
  case DType::F32:
    return "<f4";
  case DType::F16:
    return "<f2";
  case DType::BF16:
    return "<u2";
  case DType::I64:
  case DType::Index:
    return "<i8";
  case DType::I32:
    return "<i4";
  case DType::I16:
    return "<i2";
  case DType::I8:
    return "|i1";
  case DType::I1:
    return "|b1";
  }
  return "";
}

llvm::Error attn::writeNpy(StringRef path, const Tensor &tensor) {
  std::string shape;
  for (int64_t size : tensor.getShape())
    shape += std::to_string(size) + ",";
  std::string header =
      ("{'descr': '" + getDescr(tensor.getDType()) +
       "', 'fortran_order': False, 'shape': (" + shape + "), }")
          .str();
  // The format asks for data at a multiple of 64.
  size_t length = llvm::alignTo(10 + header.size() + 1, 64) - 10;
  header.resize(length - 1, ' ');
  header += '\n';
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  if (error)
    return makeError("cannot write '" + path + "': " + error.message());
  stream << StringRef("\x93NUMPY\x01\x00", 8)
         << static_cast<char>(length & 0xff) << static_cast<char>(length >> 8)
         << header << StringRef(tensor.getData(), tensor.getNumBytes());
  stream.close();
  if (stream.has_error()) {
    std::string message = stream.error().message();
    stream.clear_error();
    return makeError("cannot write '" + path + "': " + message);
  }
  return llvm::Error::success();
}
