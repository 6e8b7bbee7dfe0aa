#include "store/guard.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "base/absl_views.h"
#include "base/check.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/durable_file.h"

namespace graven::store {
namespace {

constexpr std::string_view kSlotMagic = "GRVNGRD1";
constexpr size_t kHeaderBytes = 24;
constexpr size_t kEntryBytes = 4 + 8 + Hash::kSize;
constexpr size_t kSlotChecksumBytes = 16;
constexpr uint64_t kSlotBytesStep = 4096;

uint64_t SlotBytesFor(size_t encoded_bytes) {
  return (encoded_bytes + kSlotBytesStep - 1) / kSlotBytesStep * kSlotBytesStep;
}

void PutChecksum(std::string* bytes) {
  const XXH128_hash_t sum = XXH3_128bits(bytes->data(), bytes->size());
  char raw[kSlotChecksumBytes];
  PutFixed64(raw, sum.low64);
  PutFixed64(raw + 8, sum.high64);
  bytes->append(raw, sizeof raw);
}

absl::Status DamagedSlot(std::string_view what) {
  const std::string message = fmt::format("guard slot: {}", what);
  return absl::DataLossError(ToAbsl(message));
}

absl::Status WithPath(const absl::Status& status, std::string_view path) {
  const std::string message = fmt::format("guard {}: {}", path, ToStd(status.message()));
  return absl::Status(status.code(), ToAbsl(message));
}

struct FoundSlot {
  GuardState state;
  uint64_t slot = 0;
  uint64_t slot_bytes = 0;
};

absl::StatusOr<FoundSlot> FindNewestSlot(std::string_view bytes) {
  if (bytes.empty() || bytes.size() % (2 * kSlotBytesStep) != 0 ||
      bytes.size() > kGuardFileBytesMax) {
    const std::string message =
        fmt::format("{} bytes are no length of a guard (a multiple of {}, at most {})",
                    bytes.size(), 2 * kSlotBytesStep, kGuardFileBytesMax);
    return absl::DataLossError(ToAbsl(message));
  }
  const uint64_t slot_bytes = bytes.size() / 2;
  absl::StatusOr<GuardState> slots[2] = {DecodeGuardSlot(bytes.substr(0, slot_bytes)),
                                         DecodeGuardSlot(bytes.substr(slot_bytes))};
  if (!slots[0].ok() && !slots[1].ok()) {
    const std::string message =
        fmt::format("neither slot is valid (first: {}; second: {})",
                    ToStd(slots[0].status().message()), ToStd(slots[1].status().message()));
    return absl::DataLossError(ToAbsl(message));
  }
  if (slots[0].ok() && slots[1].ok() && slots[0]->sequence == slots[1]->sequence) {
    return absl::DataLossError("both slots have one sequence number");
  }
  const bool second = slots[1].ok() && (!slots[0].ok() || slots[1]->sequence > slots[0]->sequence);
  return FoundSlot{*std::move(slots[second ? 1 : 0]), second ? uint64_t{1} : 0, slot_bytes};
}

absl::StatusOr<std::string> ReadGuardFile(io::FileSystem& fs, const std::string& path) {
  absl::StatusOr<std::string> bytes = io::ReadWholeFile(fs, path, kGuardFileBytesMax);
  if (absl::IsOutOfRange(bytes.status())) {
    return absl::DataLossError(bytes.status().message());
  }
  return bytes;
}

}  // namespace

std::string EncodeGuardSlot(const GuardState& state) {
  std::string bytes(kHeaderBytes + state.entries.size() * kEntryBytes, '\0');
  char* out = bytes.data();
  std::copy(kSlotMagic.begin(), kSlotMagic.end(), out);
  PutFixed64(out + 8, state.sequence);
  PutFixed32(out + 16, static_cast<uint32_t>(state.entries.size()));
  out += kHeaderBytes;
  for (const GuardEntry& entry : state.entries) {
    PutFixed32(out, entry.log);
    PutFixed64(out + 4, entry.size.value);
    std::copy(entry.root.bytes.begin(), entry.root.bytes.end(), out + 12);
    out += kEntryBytes;
  }
  PutChecksum(&bytes);
  return bytes;
}

absl::StatusOr<GuardState> DecodeGuardSlot(std::string_view slot) {
  if (slot.size() < kHeaderBytes + kSlotChecksumBytes) return DamagedSlot("too short");
  if (!slot.starts_with(kSlotMagic)) return DamagedSlot("does not begin as a slot");
  const uint64_t count = GetFixed32(slot.data() + 16);
  if (count > (slot.size() - kHeaderBytes - kSlotChecksumBytes) / kEntryBytes) {
    return DamagedSlot("more entries than it has room for");
  }
  const size_t summed_bytes = kHeaderBytes + count * kEntryBytes;
  const XXH128_hash_t sum = XXH3_128bits(slot.data(), summed_bytes);
  if (GetFixed64(slot.data() + summed_bytes) != sum.low64 ||
      GetFixed64(slot.data() + summed_bytes + 8) != sum.high64) {
    return DamagedSlot("wrong checksum");
  }
  // Beyond the checksum nothing below can fail, unless a program wrote what it should not have.
  GuardState state;
  state.sequence = GetFixed64(slot.data() + 8);
  if (state.sequence == 0 || GetFixed32(slot.data() + 20) != 0) return DamagedSlot("bad header");
  state.entries.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const char* in = slot.data() + kHeaderBytes + i * kEntryBytes;
    GuardEntry entry;
    entry.log = GetFixed32(in);
    entry.size = TreeSize(GetFixed64(in + 4));
    entry.root = Hash::FromBytes({in + 12, Hash::kSize});
    if (!state.entries.empty() && entry.log <= state.entries.back().log) {
      return DamagedSlot("log numbers do not ascend");
    }
    if (entry.size.value >= kLogIndexLimit) return DamagedSlot("a size beyond 2^63");
    state.entries.push_back(entry);
  }
  return state;
}

absl::StatusOr<GuardState> DecodeGuardFile(std::string_view bytes) {
  ASSIGN_OR_RETURN(FoundSlot found, FindNewestSlot(bytes));
  return std::move(found.state);
}

Guard::Guard(io::FileSystem& fs, std::string path, GuardState state, std::unique_ptr<io::File> file,
             uint64_t slot_bytes, uint64_t newest_slot)
    : fs_(fs),
      path_(std::move(path)),
      state_(std::move(state)),
      file_(std::move(file)),
      slot_bytes_(slot_bytes),
      newest_slot_(newest_slot) {}

absl::Status Guard::Create(io::FileSystem& fs, const std::string& path) {
  std::string bytes = EncodeGuardSlot(GuardState{.sequence = 1, .entries = {}});
  bytes.resize(2 * kSlotBytesStep);
  return io::CreateFileDurably(fs, path, bytes);
}

absl::StatusOr<std::vector<GuardEntry>> Guard::Read(io::FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadGuardFile(fs, path));
  absl::StatusOr<GuardState> state = DecodeGuardFile(bytes);
  if (!state.ok()) return WithPath(state.status(), path);
  return std::move(state->entries);
}

absl::StatusOr<std::unique_ptr<Guard>> Guard::Open(io::FileSystem& fs, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string bytes, ReadGuardFile(fs, path));
  absl::StatusOr<FoundSlot> found = FindNewestSlot(bytes);
  if (!found.ok()) return WithPath(found.status(), path);
  ASSIGN_OR_RETURN(std::unique_ptr<io::File> file, fs.Open(path, io::OpenMode::kReadWrite));
  const std::string slot = EncodeGuardSlot(found->state);
  std::unique_ptr<Guard> guard(new Guard(fs, path, std::move(found->state), std::move(file),
                                         found->slot_bytes, found->slot));
  // The same bytes over themselves, so a crash here tears nothing that is on the disk. When they
  // are not there, after a failed sync, the other slot is still valid on the disk. Were this left
  // out, the next Raise would overwrite the only valid one. The name is synced for the same reason:
  // a larger guard may have been renamed here just before a crash of the process.
  RETURN_IF_ERROR(guard->WriteSlot(guard->newest_slot_, slot));
  RETURN_IF_ERROR(fs.SyncDirectory(io::ParentDirectory(path)));
  return guard;
}

absl::StatusOr<std::vector<GuardEntry>> Guard::Merge(std::span<const GuardEntry> entries) const {
  std::vector<GuardEntry> merged = state_.entries;
  for (const GuardEntry& entry : entries) {
    GRAVEN_CHECK(entry.size.value < kLogIndexLimit);
    const auto place =
        std::lower_bound(merged.begin(), merged.end(), entry.log,
                         [](const GuardEntry& there, uint32_t log) { return there.log < log; });
    if (place == merged.end() || place->log != entry.log) {
      merged.insert(place, entry);
      continue;
    }
    if (entry.size < place->size || (entry.size == place->size && entry.root != place->root)) {
      const std::string message =
          fmt::format("guard {}: log {} was at size {}, root {} and cannot go to size {}, root {}",
                      path_, entry.log, place->size.value, HexEncode(place->root), entry.size.value,
                      HexEncode(entry.root));
      return absl::FailedPreconditionError(ToAbsl(message));
    }
    *place = entry;
  }
  return merged;
}

absl::Status Guard::Raise(std::span<const GuardEntry> entries) {
  if (failed_) {
    const std::string message =
        fmt::format("guard {}: an earlier write failed; open it again", path_);
    return absl::FailedPreconditionError(ToAbsl(message));
  }
  ASSIGN_OR_RETURN(std::vector<GuardEntry> merged, Merge(entries));
  if (merged == state_.entries) return absl::OkStatus();
  GuardState next{state_.sequence + 1, std::move(merged)};
  const std::string bytes = EncodeGuardSlot(next);
  // The older slot is overwritten: until the sync returns, the newer one holds what was promised.
  RETURN_IF_ERROR(bytes.size() <= slot_bytes_ ? WriteSlot(1 - newest_slot_, bytes)
                                              : WriteLargerFile(bytes));
  state_ = std::move(next);
  return absl::OkStatus();
}

absl::Status Guard::WriteSlot(uint64_t slot, std::string_view bytes) {
  failed_ = true;
  RETURN_IF_ERROR(file_->WriteAt(slot * slot_bytes_, bytes));
  RETURN_IF_ERROR(file_->Sync());
  failed_ = false;
  newest_slot_ = slot;
  return absl::OkStatus();
}

absl::Status Guard::WriteLargerFile(std::string_view bytes) {
  // Twice the room, so that a server that creates logs one by one does this seldom.
  const uint64_t slot_bytes = SlotBytesFor(2 * bytes.size());
  if (2 * slot_bytes > kGuardFileBytesMax) {
    const std::string message =
        fmt::format("guard {}: more than {} bytes are needed", path_, kGuardFileBytesMax);
    return absl::FailedPreconditionError(ToAbsl(message));
  }
  failed_ = true;
  std::string file(bytes);
  file.resize(2 * slot_bytes);
  RETURN_IF_ERROR(io::WriteFileDurably(fs_, path_, file));
  ASSIGN_OR_RETURN(file_, fs_.Open(path_, io::OpenMode::kReadWrite));
  failed_ = false;
  slot_bytes_ = slot_bytes;
  newest_slot_ = 0;
  return absl::OkStatus();
}

std::optional<GuardEntry> Guard::Find(uint32_t log) const {
  const auto place =
      std::lower_bound(state_.entries.begin(), state_.entries.end(), log,
                       [](const GuardEntry& there, uint32_t wanted) { return there.log < wanted; });
  if (place == state_.entries.end() || place->log != log) return std::nullopt;
  return *place;
}

}  // namespace graven::store
