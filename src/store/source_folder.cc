#include "store/source_folder.h"

#include <utility>

#include "base/status_macros.h"
#include "io/durable_file.h"
#include "io/held_folder.h"

namespace graven::store {
namespace {

absl::StatusOr<SourceEntry> OpenByName(io::FileSystem& fs, const std::string& path);

class NamedFolder final : public SourceFolder {
 public:
  NamedFolder(io::FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  absl::StatusOr<std::vector<std::string>> List() override { return fs_.List(path_); }
  absl::StatusOr<SourceEntry> Open(const std::string& name) override {
    return OpenByName(fs_, io::JoinPath(path_, name));
  }

 private:
  io::FileSystem& fs_;
  const std::string path_;
};

absl::StatusOr<SourceEntry> OpenByName(io::FileSystem& fs, const std::string& path) {
  SourceEntry entry;
  ASSIGN_OR_RETURN(entry.info, fs.Stat(path));
  if (entry.info.is_directory) {
    entry.folder = std::make_unique<NamedFolder>(fs, path);
    return entry;
  }
  ASSIGN_OR_RETURN(entry.file, fs.Open(path, io::OpenMode::kRead));
  entry.info_now = [&fs, path, inode = entry.info.inode]() -> absl::StatusOr<io::FileInfo> {
    ASSIGN_OR_RETURN(const io::FileInfo now, fs.Stat(path));
    if (now.inode != inode) return absl::NotFoundError(path + ": it was replaced");
    return now;
  };
  return entry;
}

using Judge = std::shared_ptr<const PlaceJudge>;

// What is neither a file nor a folder.
std::string WordsOf(io::HeldKind kind) {
  switch (kind) {
    case io::HeldKind::kPipe:
      return "a pipe";
    case io::HeldKind::kSocket:
      return "a socket";
    case io::HeldKind::kDevice:
      return "a device";
    case io::HeldKind::kLink:
      return "a link";
    default:
      return "";
  }
}

// `by_link`: it lies in what a link led to, or is that itself.
SourceEntry Judged(io::HeldEntry held, const std::string& path, bool by_link, const Judge& judge,
                   bool is_target = false);

class JudgedFolder final : public SourceFolder {
 public:
  JudgedFolder(std::unique_ptr<io::HeldFolder> folder, std::string path, bool by_link, Judge judge)
      : folder_(std::move(folder)),
        path_(std::move(path)),
        by_link_(by_link),
        judge_(std::move(judge)) {}

  absl::StatusOr<std::vector<std::string>> List() override { return folder_->List(); }

  absl::StatusOr<SourceEntry> Open(const std::string& name) override {
    ASSIGN_OR_RETURN(io::HeldEntry held, folder_->Open(name));
    if (held.kind == io::HeldKind::kLink) return Follow(name);
    return Judged(std::move(held), io::JoinPath(path_, name), by_link_, judge_);
  }

 private:
  absl::StatusOr<SourceEntry> Follow(const std::string& name) {
    SourceEntry left;
    ASSIGN_OR_RETURN(const std::string text, folder_->ReadLink(name));
    left.words = "a link to " + text;
    const PlaceJudge::LinkVerdict verdict = judge_->JudgeLink(path_, text, by_link_);
    if (!verdict.why_left.empty()) {
      left.words += ", " + verdict.why_left;
      return left;
    }
    absl::StatusOr<io::HeldEntry> held = io::OpenWithoutLinks(verdict.target);
    if (absl::IsNotFound(held.status()) || absl::IsFailedPrecondition(held.status())) {
      left.words += ", where something else was put meanwhile";
      return left;
    }
    if (!held.ok()) return held.status();
    const bool is_odd = !WordsOf(held->kind).empty();
    SourceEntry entry = Judged(*std::move(held), verdict.target, true, judge_, true);
    if (!entry.words.empty()) left.words += (is_odd ? ", which is " : ", ") + entry.words;
    entry.words = std::move(left.words);
    return entry;
  }

  const std::unique_ptr<io::HeldFolder> folder_;
  const std::string path_;
  const bool by_link_;  // come to by one
  const Judge judge_;
};

SourceEntry Judged(io::HeldEntry held, const std::string& path, bool by_link, const Judge& judge,
                   bool is_target) {
  SourceEntry entry;
  entry.info = held.info;
  entry.words = WordsOf(held.kind);
  if (!entry.words.empty()) return entry;
  entry.words = judge->WhyLeft(held.info, is_target);
  if (!entry.words.empty()) return entry;
  if (held.folder != nullptr) {
    entry.folder = std::make_unique<JudgedFolder>(std::move(held.folder), path, by_link, judge);
    return entry;
  }
  entry.file = std::move(held.file);
  entry.info_now = [info_now = std::move(held.info_now), path]() -> absl::StatusOr<io::FileInfo> {
    ASSIGN_OR_RETURN(const io::FileInfo now, info_now());
    if (now.links == 0) return absl::NotFoundError(path + ": it was removed or replaced");
    return now;
  };
  return entry;
}

}  // namespace

OpenSource SourcesOf(io::FileSystem& fs) {
  return [&fs](const std::string& path) { return OpenByName(fs, path); };
}

OpenSource HeldSources(std::shared_ptr<const PlaceJudge> judge) {
  return [judge = std::move(judge)](const std::string& path) -> absl::StatusOr<SourceEntry> {
    ASSIGN_OR_RETURN(io::HeldEntry held, io::OpenWithoutLinks(path));
    return Judged(std::move(held), path, false, judge);
  };
}

}  // namespace graven::store
