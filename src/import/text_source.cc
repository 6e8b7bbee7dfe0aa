#include "import/text_source.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace graven::import {
namespace {

constexpr size_t kPieceBytes = size_t{256} << 10;

class FileSource : public TextSource {
 public:
  explicit FileSource(gzFile file) : file_(file) {}
  ~FileSource() override { gzclose_r(file_); }

  absl::StatusOr<size_t> Read(char* buffer, size_t bytes_max) override {
    int count = gzread(file_, buffer, static_cast<unsigned>(bytes_max));
    int code = Z_OK;
    const char* problem = gzerror(file_, &code);
    // A cut gzip file gives its bytes first and Z_BUF_ERROR at the end.
    if (count < 0 || (count == 0 && code != Z_OK && code != Z_STREAM_END)) {
      return absl::UnavailableError(code == Z_ERRNO ? std::strerror(errno) : problem);
    }
    return static_cast<size_t>(count);
  }

  uint64_t bytes_done() const override {
    z_off_t offset = gzoffset(file_);
    return offset < 0 ? 0 : static_cast<uint64_t>(offset);
  }

  bool may_grow() const override { return gzdirect(file_) != 0; }

 private:
  gzFile file_;
};

// Standard input, plain or gzip: gives what has come, and does not wait until a buffer is full, so
// that a line of a producer that goes on is an event at once.
class StreamSource : public TextSource {
 public:
  explicit StreamSource(int descriptor) : descriptor_(descriptor) {}
  ~StreamSource() override {
    if (gzip_) inflateEnd(&stream_);
    close(descriptor_);
  }

  absl::StatusOr<size_t> Read(char* buffer, size_t bytes_max) override {
    if (!begun_) RETURN_IF_ERROR(Begin());
    if (gzip_) return Inflate(buffer, bytes_max);
    if (at_ == came_.size()) {
      RETURN_IF_ERROR(Take().status());
    }
    const size_t count = std::min(bytes_max, came_.size() - at_);
    std::copy_n(came_.data() + at_, count, buffer);
    at_ += count;
    return count;
  }

  uint64_t bytes_done() const override { return taken_; }
  bool may_grow() const override { return !gzip_; }

 private:
  // Waits for bytes and puts them where those before were; none: the end.
  absl::StatusOr<size_t> Take() {
    came_.resize(kPieceBytes);
    at_ = 0;
    ssize_t count = 0;
    do {
      count = read(descriptor_, came_.data(), came_.size());
    } while (count < 0 && errno == EINTR);
    came_.resize(count < 0 ? 0 : static_cast<size_t>(count));
    if (count < 0) return absl::UnavailableError(std::strerror(errno));
    taken_ += static_cast<uint64_t>(count);
    return came_.size();
  }

  // RFC 1952: what is compressed begins with 1f 8b.
  absl::Status Begin() {
    std::string first;
    while (first.size() < 2) {
      ASSIGN_OR_RETURN(const size_t count, Take());
      if (count == 0) break;
      first += came_;
    }
    came_ = std::move(first);
    begun_ = true;
    gzip_ = came_.starts_with("\x1f\x8b");
    if (gzip_ && inflateInit2(&stream_, 15 + 16) != Z_OK)
      return absl::ResourceExhaustedError("no memory to decompress it");
    return absl::OkStatus();
  }

  absl::StatusOr<size_t> Inflate(char* buffer, size_t bytes_max) {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer);
    stream_.avail_out = static_cast<uInt>(bytes_max);
    while (stream_.avail_out == bytes_max) {
      if (at_ == came_.size()) {
        ASSIGN_OR_RETURN(const size_t count, Take());
        if (count == 0 && in_member_) return absl::UnavailableError("the gzip stream is cut off");
        if (count == 0) return size_t{0};
      }
      if (!in_member_) inflateReset(&stream_);
      in_member_ = true;
      stream_.next_in = reinterpret_cast<Bytef*>(came_.data() + at_);
      stream_.avail_in = static_cast<uInt>(came_.size() - at_);
      const int code = inflate(&stream_, Z_NO_FLUSH);
      at_ = came_.size() - stream_.avail_in;
      // Another member may follow.
      if (code == Z_STREAM_END) in_member_ = false;
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return absl::UnavailableError(stream_.msg == nullptr ? "bad gzip data" : stream_.msg);
    }
    return bytes_max - stream_.avail_out;
  }

  const int descriptor_;
  std::string came_;
  size_t at_ = 0;  // of `came_`, the first byte not given yet
  uint64_t taken_ = 0;
  bool begun_ = false;
  bool gzip_ = false;
  bool in_member_ = false;
  z_stream stream_ = {};
};

class MemorySource : public TextSource {
 public:
  explicit MemorySource(std::string_view text) : text_(text) {}

  absl::StatusOr<size_t> Read(char* buffer, size_t bytes_max) override {
    size_t count = std::min(bytes_max, text_.size() - at_);
    std::copy_n(text_.data() + at_, count, buffer);
    at_ += count;
    return count;
  }
  uint64_t bytes_done() const override { return at_; }

 private:
  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<TextSource>> OpenFileSource(const std::string& path) {
  errno = 0;
  if (path == "-") {
    const int descriptor = dup(STDIN_FILENO);
    if (descriptor < 0) return absl::UnavailableError(std::strerror(errno));
    return std::make_unique<StreamSource>(descriptor);
  }
  struct stat status;
  if (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    return absl::UnavailableError("it is a folder");
  }
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) {
    if (errno == ENOENT) return absl::NotFoundError("there is no such file");
    return absl::UnavailableError(std::strerror(errno));
  }
  gzbuffer(file, kPieceBytes);
  return std::make_unique<FileSource>(file);
}

std::unique_ptr<TextSource> OpenTextSource(std::string_view text) {
  return std::make_unique<MemorySource>(text);
}

uint64_t FileBytes(const std::string& path) {
  struct stat status;
  if (path == "-" || stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  return static_cast<uint64_t>(status.st_size);
}

absl::Status LineReader::Fill() {
  buffer_.erase(0, at_);
  at_ = 0;
  size_t before = buffer_.size();
  buffer_.resize(before + kPieceBytes);
  absl::StatusOr<size_t> count = source_.Read(buffer_.data() + before, kPieceBytes);
  buffer_.resize(before + (count.ok() ? *count : 0));
  RETURN_IF_ERROR(count.status());
  ended_ = *count == 0;
  return absl::OkStatus();
}

absl::StatusOr<bool> LineReader::Next(std::string_view* line) {
  size_t searched = 0;
  while (true) {
    std::string_view rest = std::string_view(buffer_).substr(at_);
    size_t newline = rest.find('\n', searched);
    if (newline == std::string_view::npos && !ended_) {
      if (rest.size() > kLineBytesMax) {
        return absl::InvalidArgumentError(
            fmt::format("the line is longer than {} bytes", kLineBytesMax));
      }
      searched = rest.size();
      RETURN_IF_ERROR(Fill());
      continue;
    }
    if (newline == std::string_view::npos && rest.empty()) return false;
    unfinished_ = newline == std::string_view::npos;
    *line = rest.substr(0, newline);
    at_ += newline == std::string_view::npos ? rest.size() : newline + 1;
    if (line->ends_with('\r')) line->remove_suffix(1);
    return true;
  }
}

absl::StatusOr<std::string> LineReader::Rest() {
  std::string whole;
  while (true) {
    whole.append(buffer_, at_);
    at_ = buffer_.size();
    if (whole.size() > kWholeBytesMax) {
      return absl::InvalidArgumentError(
          fmt::format("the file is larger than {} bytes", kWholeBytesMax));
    }
    if (ended_) return whole;
    RETURN_IF_ERROR(Fill());
  }
}

}  // namespace graven::import
