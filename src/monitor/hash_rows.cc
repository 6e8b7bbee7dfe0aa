#include "monitor/hash_rows.h"

#include <utility>
#include <vector>

#include "base/check.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"

namespace graven::monitor {
namespace {

constexpr size_t kPendingBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<HashRows>> HashRows::Open(io::FileSystem& fs, std::string folder,
                                                         TreeSize size) {
  std::unique_ptr<HashRows> rows(new HashRows(std::move(folder)));
  for (int i = 0; i < kRows; ++i) {
    const std::string path =
        io::JoinPath(rows->folder_, fmt::format("hashes-{:02}", kRowHeight * i));
    const uint64_t wanted = size.value >> (kRowHeight * i);
    auto file = fs.Open(path, io::OpenMode::kReadWrite);
    if (absl::IsNotFound(file.status()) && wanted == 0)
      file = fs.Open(path, io::OpenMode::kCreateNew);
    if (!file.ok()) return file.status();
    rows->rows_[i].file = *std::move(file);
    ASSIGN_OR_RETURN(const uint64_t bytes, rows->rows_[i].file->Size());
    if (bytes / Hash::kSize < wanted)
      return absl::DataLossError(
          fmt::format("{}: {} hashes, where there were {}", path, bytes / Hash::kSize, wanted));
  }
  RETURN_IF_ERROR(fs.SyncDirectory(rows->folder_));
  rows->Rewind(size);
  return rows;
}

void HashRows::Rewind(TreeSize size) {
  for (int i = 0; i < kRows; ++i) {
    rows_[i].written = size.value >> (kRowHeight * i);
    rows_[i].pending.clear();
  }
  status_ = absl::OkStatus();
}

void HashRows::OnNodes(int level, uint64_t first_index, std::span<const Hash> hashes) {
  if (level % kRowHeight != 0 || level / kRowHeight >= kRows) return;
  Row& row = rows_[level / kRowHeight];
  GRAVEN_CHECK(first_index == row.written + row.pending.size() / Hash::kSize);
  for (const Hash& hash : hashes) row.pending.append(hash.view());
  if (row.pending.size() >= kPendingBytes && status_.ok()) status_ = Write(row);
}

absl::Status HashRows::Write(Row& row) {
  if (row.pending.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(row.file->WriteAt(row.written * Hash::kSize, row.pending));
  row.written += row.pending.size() / Hash::kSize;
  row.pending.clear();
  return absl::OkStatus();
}

absl::Status HashRows::Sync() {
  RETURN_IF_ERROR(status_);
  for (Row& row : rows_) {
    RETURN_IF_ERROR(Write(row));
    RETURN_IF_ERROR(row.file->Sync());
  }
  return absl::OkStatus();
}

absl::StatusOr<Hash> HashRows::Node(int level, uint64_t index) {
  RETURN_IF_ERROR(status_);
  const int base = std::min(level / kRowHeight, kRows - 1);
  const int above = level - base * kRowHeight;
  Row& row = rows_[base];
  RETURN_IF_ERROR(Write(row));
  std::vector<Hash> hashes(size_t{1} << above);
  const uint64_t first = index << above;
  if (first + hashes.size() > row.written)
    return absl::OutOfRangeError(fmt::format("node {} of level {} is not there yet", index, level));
  std::string bytes(hashes.size() * Hash::kSize, '\0');
  RETURN_IF_ERROR(row.file->ReadAt(first * Hash::kSize, bytes));
  for (size_t i = 0; i < hashes.size(); ++i)
    hashes[i] = Hash::FromBytes(std::string_view(bytes).substr(i * Hash::kSize, Hash::kSize));
  for (size_t left = hashes.size(); left > 1; left /= 2)
    Sha256Nodes(hashes.data(), left / 2, hashes.data());
  return hashes[0];
}

}  // namespace graven::monitor
