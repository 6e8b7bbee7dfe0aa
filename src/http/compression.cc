#include "http/compression.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

namespace graven::http {
namespace {

// A level of each that costs less than what it saves on a fast network.
constexpr int kGzipLevel = 4;
constexpr int kZstdLevel = 3;
constexpr int kGzipWindow = 15 + 16;  // 16: with gzip's header and trailer

constexpr size_t kAcceptEncodingBytesMax = 512;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool EqualsIgnoringCase(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

// A weight in thousandths (RFC 9110 section 12.4.2); -1 when it is none.
int ParseWeight(std::string_view parameter) {
  if (parameter.size() < 3 || (parameter[0] != 'q' && parameter[0] != 'Q') || parameter[1] != '=') {
    return -1;
  }
  const std::string_view number = parameter.substr(2);
  if (number.size() > 5 || (number[0] != '0' && number[0] != '1')) return -1;
  if (number.size() > 1 && number[1] != '.') return -1;
  int thousandths = (number[0] - '0') * 1000;
  int worth = 100;
  for (const char c : number.substr(std::min<size_t>(2, number.size()))) {
    if (c < '0' || c > '9') return -1;
    thousandths += (c - '0') * worth;
    worth /= 10;
  }
  return thousandths > 1000 ? -1 : thousandths;
}

std::optional<std::string> Gzip(std::string_view plain) {
  z_stream stream{};
  if (deflateInit2(&stream, kGzipLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return std::nullopt;
  }
  std::string packed(deflateBound(&stream, plain.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (!done) return std::nullopt;
  return packed;
}

std::optional<std::string> Gunzip(std::string_view packed, size_t plain_bytes_max) {
  z_stream stream{};
  if (inflateInit2(&stream, kGzipWindow) != Z_OK) return std::nullopt;
  std::string plain;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  int result = Z_OK;
  while (result == Z_OK && plain.size() <= plain_bytes_max) {
    const size_t before = plain.size();
    plain.resize(before + 64 * 1024);
    stream.next_out = reinterpret_cast<Bytef*>(plain.data() + before);
    stream.avail_out = 64 * 1024;
    result = inflate(&stream, Z_NO_FLUSH);
    plain.resize(plain.size() - stream.avail_out);
  }
  const bool whole = result == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (!whole || plain.size() > plain_bytes_max) return std::nullopt;
  return plain;
}

std::optional<std::string> Unzstd(std::string_view packed, size_t plain_bytes_max) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                   &ZSTD_freeDCtx);
  if (context == nullptr) return std::nullopt;
  std::string plain;
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  size_t left = 1;
  while (left != 0) {
    const size_t before = plain.size();
    if (before > plain_bytes_max) return std::nullopt;
    plain.resize(before + 64 * 1024);
    ZSTD_outBuffer out{plain.data() + before, 64 * 1024, 0};
    left = ZSTD_decompressStream(context.get(), &out, &in);
    plain.resize(before + out.pos);
    if (ZSTD_isError(left) || (left != 0 && out.pos == 0 && in.pos == in.size)) return std::nullopt;
  }
  if (in.pos != in.size || plain.size() > plain_bytes_max) return std::nullopt;
  return plain;
}

}  // namespace

std::string_view CodingName(Coding coding) {
  switch (coding) {
    case Coding::kGzip:
      return "gzip";
    case Coding::kZstd:
      return "zstd";
    case Coding::kIdentity:
      break;
  }
  return "";
}

Coding ChooseCoding(std::optional<std::string_view> accept_encoding) {
  if (!accept_encoding || accept_encoding->size() > kAcceptEncodingBytesMax) {
    return Coding::kIdentity;
  }
  std::string_view rest = *accept_encoding;
  int gzip = -1, zstd = -1, any = -1;
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    const size_t semicolon = item.find(';');
    const std::string_view name = Trim(item.substr(0, semicolon));
    const int weight =
        semicolon == std::string_view::npos ? 1000 : ParseWeight(Trim(item.substr(semicolon + 1)));
    if (EqualsIgnoringCase(name, "gzip") || EqualsIgnoringCase(name, "x-gzip")) gzip = weight;
    if (EqualsIgnoringCase(name, "zstd")) zstd = weight;
    if (name == "*") any = weight;
  }
  if (gzip < 0) gzip = any;
  // "*" comes from clients that never heard of zstd.
  if (zstd > 0 && zstd >= gzip) return Coding::kZstd;
  return gzip > 0 ? Coding::kGzip : Coding::kIdentity;
}

std::optional<std::string> Compress(Coding coding, std::string_view plain) {
  std::optional<std::string> packed;
  if (coding == Coding::kGzip) {
    packed = Gzip(plain);
  } else {
    packed.emplace(ZSTD_compressBound(plain.size()), '\0');
    const size_t size =
        ZSTD_compress(packed->data(), packed->size(), plain.data(), plain.size(), kZstdLevel);
    if (ZSTD_isError(size)) return std::nullopt;
    packed->resize(size);
  }
  if (!packed || packed->size() >= plain.size()) return std::nullopt;
  return packed;
}

std::optional<std::string> Decompress(Coding coding, std::string_view packed,
                                      size_t plain_bytes_max) {
  return coding == Coding::kGzip ? Gunzip(packed, plain_bytes_max)
                                 : Unzstd(packed, plain_bytes_max);
}

}  // namespace graven::http
