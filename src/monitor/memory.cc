#include "monitor/memory.h"

#include <utility>

#include "base/encoding.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "merkle/proof.h"
#include "record/record.h"
#include "verify/producer_sequences.h"

namespace graven::monitor {
namespace {

constexpr std::string_view kFirstLine = "graven.dev/monitor-memory@v1";
constexpr size_t kFileBytesMax = size_t{256} << 20;
constexpr size_t kSumBytes = 2 * Hash::kSize;

absl::Status Damaged(std::string_view what) {
  return absl::DataLossError(fmt::format("the monitor's own memory is damaged: {}", what));
}

// Takes "<word> <value>\n" from the front.
bool Take(std::string_view& rest, std::string_view word, std::string_view* value) {
  if (!rest.starts_with(word) || rest.size() <= word.size() || rest[word.size()] != ' ')
    return false;
  const size_t end = rest.find('\n');
  if (end == rest.npos) return false;
  *value = rest.substr(word.size() + 1, end - word.size() - 1);
  rest.remove_prefix(end + 1);
  return true;
}

bool TakeNumber(std::string_view& rest, std::string_view word, uint64_t* number) {
  std::string_view value;
  if (!Take(rest, word, &value)) return false;
  const auto parsed = ParseDecimal(value);
  if (parsed) *number = *parsed;
  return parsed.has_value() && *parsed < kLogIndexLimit;
}

bool TakeHash(std::string_view& rest, std::string_view word, Hash* hash) {
  std::string_view value;
  if (!Take(rest, word, &value)) return false;
  const auto parsed = HashFromHex(value);
  if (parsed) *hash = *parsed;
  return parsed.has_value();
}

absl::Status TakeAhead(std::string_view& rest, Knowledge& knowledge) {
  uint64_t since = 0;
  while (TakeNumber(rest, "ahead", &since)) {
    std::string_view value;
    auto note = Take(rest, "ahead-note", &value) ? Base64Decode(value) : std::nullopt;
    if (!note || knowledge.ahead.size() == kAheadMax) return Damaged("a checkpoint");
    knowledge.ahead.push_back({static_cast<int64_t>(since), *std::move(note)});
  }
  return absl::OkStatus();
}

}  // namespace

std::string EncodeKnowledge(const Knowledge& knowledge, std::string_view origin) {
  const verify::ChainState& chain = knowledge.chain;
  std::string text = fmt::format("{}\norigin {}\nsize {}\nlast-hash {}\nlast-time {}\n", kFirstLine,
                                 origin, chain.frontier.size().value, HexEncode(chain.last_hash),
                                 chain.last_received_at_ns);
  for (const Hash& root : chain.frontier.subtree_roots())
    text += fmt::format("subtree {}\n", HexEncode(root));
  if (!knowledge.note.empty()) text += fmt::format("note {}\n", Base64Encode(knowledge.note));
  if (!knowledge.producers.empty())
    text += fmt::format("producers {}\n", Base64Encode(knowledge.producers));
  for (const AheadNote& ahead : knowledge.ahead)
    text += fmt::format("ahead {}\nahead-note {}\n", ahead.since_ns, Base64Encode(ahead.note));
  return text + fmt::format("sum {}\n", HexEncode(Sha256(text)));
}

absl::StatusOr<Knowledge> DecodeKnowledge(std::string_view text, std::string_view origin) {
  const size_t sum_line = 4 + kSumBytes + 1;
  if (text.size() < sum_line) return Damaged("it is cut");
  std::string_view rest = text.substr(0, text.size() - sum_line);
  if (text.substr(rest.size()) != fmt::format("sum {}\n", HexEncode(Sha256(rest))))
    return Damaged("its checksum does not fit");
  if (!rest.starts_with(fmt::format("{}\n", kFirstLine))) return Damaged("another version");
  rest.remove_prefix(kFirstLine.size() + 1);
  std::string_view value;
  if (!Take(rest, "origin", &value)) return Damaged("no origin");
  if (value != origin)
    return absl::FailedPreconditionError(
        fmt::format("the monitor's folder is that of the log {}, not of {}", value, origin));
  Knowledge knowledge;
  uint64_t size = 0;
  uint64_t time = 0;
  if (!TakeNumber(rest, "size", &size) ||
      !TakeHash(rest, "last-hash", &knowledge.chain.last_hash) ||
      !TakeNumber(rest, "last-time", &time))
    return Damaged("no size, hash or time");
  knowledge.chain.last_received_at_ns = static_cast<int64_t>(time);
  std::vector<Hash> roots;
  for (Hash root; roots.size() <= 64 && TakeHash(rest, "subtree", &root);) roots.push_back(root);
  auto frontier = merkle::Frontier::FromSubtreeRoots(TreeSize(size), std::move(roots));
  if (!frontier.ok()) return Damaged("the tree");
  knowledge.chain.frontier = *std::move(frontier);
  if (Take(rest, "note", &value)) {
    auto note = Base64Decode(value);
    if (!note) return Damaged("the checkpoint");
    knowledge.note = *std::move(note);
  }
  if (Take(rest, "producers", &value)) {
    auto producers = Base64Decode(value);
    if (!producers || !verify::ProducerSequences::Decode(*producers, {}).ok())
      return Damaged("the sequences of producers");
    knowledge.producers = *std::move(producers);
  }
  RETURN_IF_ERROR(TakeAhead(rest, knowledge));
  if (!rest.empty()) return Damaged("more than there should be");
  return knowledge;
}

absl::StatusOr<std::unique_ptr<Memory>> Memory::Open(io::FileSystem& fs, std::string folder,
                                                     std::string_view origin) {
  std::unique_ptr<Memory> memory(new Memory(fs, std::move(folder), origin));
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, memory->folder_));
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, io::JoinPath(memory->folder_, "evidence")));
  ASSIGN_OR_RETURN(memory->lock_, fs.Lock(io::JoinPath(memory->folder_, "lock")));
  RETURN_IF_ERROR(memory->Load());
  ASSIGN_OR_RETURN(memory->rows_, HashRows::Open(fs, memory->folder_, memory->size()));
  // The rows must be those of the tree: the checksum does not cover them.
  if (memory->size().value > 0) {
    ASSIGN_OR_RETURN(const Hash root, merkle::RootFromNodes(*memory->rows_, memory->size()));
    if (root != memory->knowledge_.chain.frontier.Root())
      return Damaged("the rows of hashes do not have the tree's root");
  }
  return memory;
}

absl::Status Memory::Load() {
  const auto text = io::ReadWholeFile(fs_, io::JoinPath(folder_, "memory"), kFileBytesMax);
  if (absl::IsNotFound(text.status())) {
    // Rows without it are of a first look that did not end: nothing was claimed from them.
    knowledge_.chain.last_hash = record::GenesisHash(origin_);
    return Save(knowledge_);
  }
  RETURN_IF_ERROR(text.status());
  ASSIGN_OR_RETURN(knowledge_, DecodeKnowledge(*text, origin_));
  return absl::OkStatus();
}

absl::Status Memory::Save(Knowledge knowledge) {
  // Rows first: knowledge without them would be damage, rows without it mean nothing.
  if (rows_ != nullptr) RETURN_IF_ERROR(rows_->Sync());
  RETURN_IF_ERROR(io::WriteFileDurably(fs_, io::JoinPath(folder_, "memory"),
                                       EncodeKnowledge(knowledge, origin_)));
  if (!knowledge.note.empty() && knowledge.note != knowledge_.note)
    RETURN_IF_ERROR(io::WriteFileDurably(fs_, io::JoinPath(folder_, "checkpoint"), knowledge.note));
  knowledge_ = std::move(knowledge);
  return absl::OkStatus();
}

absl::StatusOr<bool> Memory::KeepEvidence(const std::string& name, std::string_view text) {
  const absl::Status kept =
      io::CreateFileDurably(fs_, io::JoinPath(io::JoinPath(folder_, "evidence"), name), text);
  if (absl::IsAlreadyExists(kept)) return false;
  RETURN_IF_ERROR(kept);
  return true;
}

absl::StatusOr<std::vector<std::string>> Memory::ListEvidence() {
  const std::string folder = io::JoinPath(folder_, "evidence");
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.List(folder));
  std::vector<std::string> paths;
  for (const std::string& name : names)
    if (name.ends_with(".evidence")) paths.push_back(io::JoinPath(folder, name));
  return paths;
}

}  // namespace graven::monitor
