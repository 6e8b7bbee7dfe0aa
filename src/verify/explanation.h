#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/log_index.h"
#include "note/checkpoint.h"
#include "note/keys.h"
#include "note/policy.h"

// What a file is that somebody was handed, and whether it holds, in one sentence. Pure: no I/O, no
// clock; any thread.
namespace graven::verify {

enum class FileKind {
  kUnknown,
  kReceipt,      // C2SP tlog-proof with the record in it
  kCheckpoint,   // C2SP tlog-checkpoint
  kEvidence,     // docs/format.md
  kAnswer,       // a statement about a search, docs/search.md
  kVerifierKey,  // C2SP vkey
  kPolicy,       // C2SP tlog-policy
  // Records, as JSON Lines or each behind its length: recognised by the first of them. Whether
  // they hold is the business of ExportChecker, because such a file can be of any size.
  kExportLines,
  kExportRecords,
  // These hold nothing that could be checked by themselves.
  kTable,       // the page's CSV
  kPrivateKey,  // an skey
  kTile,        // C2SP tlog-tiles: hashes, or a bundle of entries
  kTimeStamp,   // RFC 3161, a token or an authority's reply
};

enum class Holds {
  kYes,
  kNo,
  kNotChecked,  // it would need a key that was not given, or there is nothing to check
};

// Whose signature must stand on a statement about a search.
struct AnswerKey {
  note::VerifierKey key;
  // How it was got, behind "the key ...": "that was given", "that the server names".
  std::string_view origin;
};

struct Explanation {
  FileKind kind = FileKind::kUnknown;
  Holds holds = Holds::kNotChecked;
  // One sentence with a full stop; not escaped: origins and reasons are a stranger's text.
  std::string sentence;
  // What stands in the file and what it was held against, as names and values for people; not
  // escaped.
  std::vector<std::pair<std::string, std::string>> facts;
  // What a log can be asked about, of a receipt or checkpoint whose form is sound.
  std::optional<note::Checkpoint> checkpoint;
  std::optional<LogIndex> index;
  std::optional<Hash> record_hash;
};

// Explains what begins with `head`, which is the whole file unless it is an export. A log's
// signature is checked when one of `keys` has the name of the origin, a statement's when there is
// an `answer_key`. Never fails: what is not known is kUnknown, and what is damaged does not hold
// and says where.
Explanation Explain(std::string_view head, std::span<const note::VerifierKey> keys,
                    const note::Policy& policy,
                    const std::optional<AnswerKey>& answer_key = std::nullopt);

// The sentence with one more clause before its full stop.
std::string WithClause(std::string_view sentence, std::string_view clause);

// "RECEIPT", "CHECKPOINT" ..., "YES", "NO", "NOT_CHECKED".
std::string_view KindName(FileKind kind);
std::string_view HoldsName(Holds holds);

}  // namespace graven::verify
