#include "note/policy.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/absl_views.h"
#include "base/check.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "fmt/format.h"
#include "note/cosignature.h"
#include "note/note.h"

namespace graven::note {
namespace {

constexpr std::string_view kNone = "none";

std::vector<std::string_view> SplitFields(std::string_view line) {
  std::vector<std::string_view> fields;
  for (size_t at = line.find_first_not_of(" \t"); at != line.npos;
       at = line.find_first_not_of(" \t", at)) {
    const size_t end = std::min(line.find_first_of(" \t", at), line.size());
    fields.push_back(line.substr(at, end - at));
    at = end;
  }
  return fields;
}

}  // namespace

// One pass over the lines; what was defined above is in `policy_`.
class PolicyParser {
 public:
  absl::StatusOr<Policy> Parse(std::string_view text) {
    if (text.size() > kPolicyBytesMax) {
      return absl::InvalidArgumentError(
          fmt::format("policy: {} bytes; at most {}", text.size(), kPolicyBytesMax));
    }
    if (!text.empty() && !text.ends_with('\n')) {
      return absl::InvalidArgumentError("policy: the last line does not end in a line feed");
    }
    while (!text.empty()) {
      ++line_;
      const size_t end = text.find('\n');
      RETURN_IF_ERROR(ParseLine(text.substr(0, end)));
      text.remove_prefix(end + 1);
    }
    if (!has_quorum_) return absl::InvalidArgumentError("policy: there is no quorum line");
    return std::move(policy_);
  }

 private:
  absl::Status Wrong(std::string_view what) const {
    return absl::InvalidArgumentError(fmt::format("policy: line {}: {}", line_, what));
  }

  absl::Status ParseLine(std::string_view line) {
    for (const char c : line) {
      const auto byte = static_cast<uint8_t>(c);
      if (byte != '\t' && (byte < 0x20 || byte == 0x7f)) {
        return Wrong(fmt::format("byte 0x{:02x} is not allowed", byte));
      }
    }
    const std::vector<std::string_view> fields = SplitFields(line);
    if (fields.empty() || fields[0].starts_with('#')) return absl::OkStatus();
    if (fields[0] == "log") return ParseLog(fields);
    if (fields[0] == "witness") return ParseWitness(fields);
    if (fields[0] == "group") return ParseGroup(fields);
    if (fields[0] == "quorum") return ParseQuorum(fields);
    return Wrong(fmt::format("{} is none of log, witness, group, quorum", SafeText(fields[0], 40)));
  }

  // The key, or nothing when it is of a type unknown here.
  absl::StatusOr<std::optional<VerifierKey>> ParseKey(std::string_view vkey, KeyType wanted,
                                                      std::string_view whose,
                                                      std::set<std::string>* seen) const {
    auto key = VerifierKey::Parse(vkey);
    if (absl::IsUnimplemented(key.status())) {
      if (!seen->emplace(vkey).second) return Wrong("vkey: the same public key is there twice");
      return std::nullopt;
    }
    if (!key.ok()) return Wrong(fmt::format("vkey: {}", ToStd(key.status().message())));
    if (key->type() != wanted) {
      return Wrong(fmt::format("vkey: is no {}'s key; its type must be 0x{:02x}", whose,
                               static_cast<int>(wanted)));
    }
    if (!seen->insert(key->bytes()).second) {
      return Wrong("vkey: the same public key is there twice");
    }
    return *std::move(key);
  }

  absl::Status ParseLog(const std::vector<std::string_view>& fields) {
    if (fields.size() < 2 || fields.size() > 3) return Wrong("not of the form: log VKEY [URL]");
    if (policy_.logs_.size() == kPolicyLogsMax) {
      return Wrong(fmt::format("more than {} logs", kPolicyLogsMax));
    }
    PolicyLog log;
    ASSIGN_OR_RETURN(log.key, ParseKey(fields[1], KeyType::kEd25519, "log", &log_keys_));
    log.vkey = fields[1];
    if (fields.size() == 3) log.url = fields[2];
    policy_.logs_.push_back(std::move(log));
    return absl::OkStatus();
  }

  absl::Status CheckNewName(std::string_view name) const {
    if (name == kNone) return Wrong("name: none is reserved");
    if (name.size() > kKeyNameBytesMax) {
      return Wrong(fmt::format("name: {} bytes; at most {}", name.size(), kKeyNameBytesMax));
    }
    if (Find(name)) return Wrong(fmt::format("name: {} is there twice", SafeText(name, 60)));
    return absl::OkStatus();
  }

  absl::Status ParseWitness(const std::vector<std::string_view>& fields) {
    if (fields.size() < 3 || fields.size() > 4) {
      return Wrong("not of the form: witness NAME VKEY [URL]");
    }
    RETURN_IF_ERROR(CheckNewName(fields[1]));
    if (policy_.witnesses_.size() == kPolicyWitnessesMax) {
      return Wrong(fmt::format("more than {} witnesses", kPolicyWitnessesMax));
    }
    PolicyWitness witness;
    witness.name = fields[1];
    ASSIGN_OR_RETURN(witness.key,
                     ParseKey(fields[2], KeyType::kCosignature, "witness", &witness_keys_));
    witness.vkey = fields[2];
    if (fields.size() == 4) witness.url = fields[3];
    Policy::Component component;
    component.name = witness.name;
    component.witness = policy_.witnesses_.size();
    policy_.components_.push_back(std::move(component));
    policy_.witnesses_.push_back(std::move(witness));
    return absl::OkStatus();
  }

  absl::Status ParseGroup(const std::vector<std::string_view>& fields) {
    if (fields.size() < 4) return Wrong("not of the form: group NAME K|any|all MEMBER...");
    RETURN_IF_ERROR(CheckNewName(fields[1]));
    if (groups_ == kPolicyGroupsMax) {
      return Wrong(fmt::format("more than {} groups", kPolicyGroupsMax));
    }
    ++groups_;
    Policy::Component group;
    group.name = fields[1];
    for (size_t i = 3; i < fields.size(); ++i) {
      const std::optional<size_t> member = Find(fields[i]);
      if (!member) {
        return Wrong(fmt::format("member: {} is not defined above", SafeText(fields[i], 60)));
      }
      if (std::exchange(policy_.components_[*member].is_member, true)) {
        return Wrong(fmt::format("member: {} is a member already", SafeText(fields[i], 60)));
      }
      group.members.push_back(*member);
    }
    if (fields[2] == "any") {
      group.wanted = 1;
    } else if (fields[2] == "all") {
      group.wanted = group.members.size();
    } else {
      const std::optional<uint64_t> wanted = ParseDecimal(fields[2]);
      if (!wanted || *wanted == 0 || *wanted > group.members.size()) {
        return Wrong(fmt::format("threshold: must be any, all, or 1 to {}", group.members.size()));
      }
      group.wanted = *wanted;
    }
    policy_.components_.push_back(std::move(group));
    return absl::OkStatus();
  }

  absl::Status ParseQuorum(const std::vector<std::string_view>& fields) {
    if (fields.size() != 2) return Wrong("not of the form: quorum NAME|none");
    if (std::exchange(has_quorum_, true)) return Wrong("there is a quorum line already");
    if (fields[1] == kNone) return absl::OkStatus();
    policy_.quorum_ = Find(fields[1]);
    if (!policy_.quorum_) {
      return Wrong(fmt::format("quorum: {} is not defined above", SafeText(fields[1], 60)));
    }
    return absl::OkStatus();
  }

  std::optional<size_t> Find(std::string_view name) const {
    const auto found = std::ranges::find(policy_.components_, name, &Policy::Component::name);
    if (found == policy_.components_.end()) return std::nullopt;
    return found - policy_.components_.begin();
  }

  Policy policy_;
  size_t line_ = 0;
  size_t groups_ = 0;
  bool has_quorum_ = false;
  std::set<std::string> log_keys_;
  std::set<std::string> witness_keys_;
};

absl::StatusOr<Policy> Policy::Parse(std::string_view text) { return PolicyParser().Parse(text); }

bool Policy::IsMetBy(const std::vector<bool>& cosigned) const {
  GRAVEN_CHECK(cosigned.size() == witnesses_.size());
  if (!quorum_) return true;
  // Members stand before their groups, so one pass is enough.
  std::vector<bool> holds(components_.size());
  for (size_t i = 0; i < components_.size(); ++i) {
    const Component& component = components_[i];
    if (component.witness) {
      holds[i] = cosigned[*component.witness];
    } else {
      const auto count =
          std::ranges::count_if(component.members, [&](size_t member) { return holds[member]; });
      holds[i] = static_cast<size_t>(count) >= component.wanted;
    }
  }
  return holds[*quorum_];
}

std::vector<VerifierKey> Policy::LogKeys() const {
  std::vector<VerifierKey> keys;
  for (const PolicyLog& log : logs_) {
    if (log.key) keys.push_back(*log.key);
  }
  return keys;
}

std::vector<VerifierKey> Policy::WitnessKeys() const {
  std::vector<VerifierKey> keys;
  for (const PolicyWitness& witness : witnesses_) {
    if (witness.key) keys.push_back(*witness.key);
  }
  return keys;
}

absl::StatusOr<CosignedCheckpoint> OpenCosigned(std::string_view note,
                                                std::span<const VerifierKey> log_keys,
                                                const Policy& policy) {
  std::vector<VerifierKey> keys(log_keys.begin(), log_keys.end());
  const std::vector<VerifierKey> witness_keys = policy.WitnessKeys();
  keys.insert(keys.end(), witness_keys.begin(), witness_keys.end());
  ASSIGN_OR_RETURN(const Note opened, OpenNote(note, keys));
  CosignedCheckpoint result;
  ASSIGN_OR_RETURN(result.checkpoint, ParseCheckpoint(opened.text));

  const auto is_by = [](const NoteSignature& signature, const VerifierKey& key) {
    return signature.key_id == key.key_id() && signature.name == key.name();
  };
  bool by_log = false;
  bool by_other_log = false;
  std::vector<bool> cosigned(policy.witnesses().size());
  for (const NoteSignature& signature : opened.verified) {
    for (const VerifierKey& key : log_keys) {
      if (!is_by(signature, key)) continue;
      (key.name() == result.checkpoint.origin ? by_log : by_other_log) = true;
    }
    for (size_t i = 0; i < cosigned.size(); ++i) {
      const std::optional<VerifierKey>& key = policy.witnesses()[i].key;
      if (!key || !is_by(signature, *key)) continue;
      ASSIGN_OR_RETURN(const Cosignature cosignature, DecodeCosignature(signature.signature));
      // A time of zero says nothing about the largest tree seen; a witness never answers with it.
      cosigned[i] = cosignature.time_s > 0;
      result.cosigners.push_back({signature.name, cosignature.time_s, i});
    }
  }
  if (!by_log && by_other_log) {
    return absl::InvalidArgumentError(
        fmt::format("the checkpoint is of the log {}, and the key that signed it is not",
                    SafeText(result.checkpoint.origin)));
  }
  if (!by_log) {
    return absl::UnauthenticatedError(fmt::format("no key of the log {} signed the checkpoint",
                                                  SafeText(result.checkpoint.origin)));
  }
  for (const NoteSignature& signature : opened.unknown) {
    result.unknown_signers.push_back(signature.name);
  }
  result.meets_quorum = policy.IsMetBy(cosigned);
  return result;
}

}  // namespace graven::note
