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
  if (path != "-") {
    struct stat status;
    if (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
      return absl::UnavailableError("it is a folder");
    }
  }
  gzFile file = path == "-" ? gzdopen(dup(STDIN_FILENO), "rb") : gzopen(path.c_str(), "rb");
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
