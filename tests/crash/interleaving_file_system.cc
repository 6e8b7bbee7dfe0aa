#include "interleaving_file_system.h"

#include "base/status_macros.h"

namespace graven::crash {
namespace {

class InterleavingFile final : public io::File {
 public:
  InterleavingFile(std::unique_ptr<io::File> below, const std::function<void()>& while_waiting)
      : below_(std::move(below)), while_waiting_(while_waiting) {}

  absl::Status ReadAt(uint64_t offset, std::span<char> out) override {
    return below_->ReadAt(offset, out);
  }
  absl::Status WriteAt(uint64_t offset, std::string_view data) override {
    return below_->WriteAt(offset, data);
  }
  void StartWriteback(uint64_t offset, uint64_t length) override {
    below_->StartWriteback(offset, length);
  }
  absl::Status Sync() override {
    while_waiting_();
    absl::Status synced = below_->Sync();
    while_waiting_();
    return synced;
  }
  absl::StatusOr<uint64_t> Size() override { return below_->Size(); }
  absl::Status Truncate(uint64_t size) override { return below_->Truncate(size); }

 private:
  const std::unique_ptr<io::File> below_;
  const std::function<void()>& while_waiting_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<io::File>> InterleavingFileSystem::Open(const std::string& path,
                                                                       io::OpenMode mode,
                                                                       uint32_t permissions) {
  ASSIGN_OR_RETURN(std::unique_ptr<io::File> file, below_.Open(path, mode, permissions));
  return std::make_unique<InterleavingFile>(std::move(file), while_waiting_);
}

absl::Status InterleavingFileSystem::Rename(const std::string& from, const std::string& to) {
  while_waiting_();
  return below_.Rename(from, to);
}

absl::Status InterleavingFileSystem::SyncDirectory(const std::string& path) {
  while_waiting_();
  absl::Status synced = below_.SyncDirectory(path);
  while_waiting_();
  return synced;
}

}  // namespace graven::crash
