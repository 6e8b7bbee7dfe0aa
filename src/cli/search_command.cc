#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "audit/statement.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "cli/commands.h"
#include "cli/search_numbers.h"
#include "cli/search_records.h"
#include "client/search_stream.h"
#include "client/tail_stream.h"
#include "console/key_flag.h"
#include "console/record_text.h"
#include "fmt/format.h"
#include "io/durable_file.h"
#include "query/parser.h"

namespace graven::cli {
using console::CheckFailed;
using console::KeyFlag;
using console::ReadRecord;
using console::ReadRecordBytes;
using console::RecordJson;
using console::RecordLine;
using console::WasTyped;

namespace {

constexpr absl::Duration kStatementTimeout = absl::Seconds(60);
// To hold a statement against them.
constexpr size_t kMatchesKeptMax = size_t{16} << 20;

struct SearchFlags {
  std::vector<std::string> words;
  bool oldest = false;
  bool newest = false;  // as it is without
  uint64_t limit = 100;
  CLI::Option* limit_option = nullptr;
  bool follow = false;
  uint64_t tree_size = 0;
  std::string cursor;
  std::string proofs;
  std::string statement;
  KeyFlag key;  // of the log, for a statement
  NumberFlags numbers;

  std::string query() const { return fmt::format("{}", fmt::join(words, " ")); }
};

// What is done with each match.
class Matches {
 public:
  Matches(CommandContext& context, client::Client& client, const std::string& proofs)
      : context_(context), client_(client), proofs_(proofs) {}

  absl::Status Show(const FoundRecord& found) {
    if (context_.json()) {
      context_.PrintJsonLine(RecordJson(found.record, found.bytes));
    } else {
      context_.out().Line(RecordLine(found.record, context_.out()));
    }
    if (!proofs_.empty()) RETURN_IF_ERROR(KeepProof(found.record.header.index));
    return context_.out().Finish();
  }

 private:
  absl::Status KeepProof(LogIndex index) {
    ASSIGN_OR_RETURN(
        const v1::GetRecordResponse response,
        client_.GetRecord(index, /*want_receipt=*/true, /*want_parsed=*/false, context_.log()));
    const std::string path =
        fmt::format("{}/{}-{}.tlog-proof", proofs_, context_.log(), index.value);
    const absl::Status written =
        io::WriteFileDurably(io::PosixFileSystem(), path, response.tlog_proof());
    return written.ok() ? absl::OkStatus() : Unreachable("--proofs", written);
  }

  CommandContext& context_;
  client::Client& client_;
  const std::string proofs_;
};

// Returns when the log, which was empty, has a published record.
absl::Status AwaitFirstRecord(CommandContext& context, client::Client& client) {
  v1::TailRequest request;
  request.set_log(context.log());
  request.set_limit(1);
  const auto stream = client.Tail(std::move(request));
  while (true) {
    ASSIGN_OR_RETURN(const auto batch, stream->Next());
    if (!batch || batch->records_size() > 0) return absl::OkStatus();
  }
}

// The last matches there are, oldest first, and then those that come.
CommandResult Follow(CommandContext& context, const SearchFlags& flags) {
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  Matches matches(context, *client, flags.proofs);
  v1::SearchRequest request;
  request.set_log(context.log());
  request.set_query(flags.query());
  std::vector<std::string> last;
  // A limit that was typed is one of those that come: nothing is shown of what is there.
  const bool has_limit = flags.limit_option->count() > 0;
  uint64_t limit = has_limit ? flags.limit : 0;
  const auto show = [&](const FoundRecord& found) { return matches.Show(found); };
  ASSIGN_OR_RETURN(SearchEnd end, ForEachMatch(*client, request, 10, [&](const FoundRecord& found) {
                     if (!has_limit) last.emplace_back(found.bytes);
                     return absl::OkStatus();
                   }));
  std::reverse(last.begin(), last.end());
  for (const std::string& bytes : last) {
    ASSIGN_OR_RETURN(const ReadRecord record, ReadRecordBytes(bytes, ""));
    RETURN_IF_ERROR(matches.Show({record, bytes}));
  }
  if (end.tree_size == 0) {
    // An empty log cannot be followed from its beginning: 0 means from where it will be then, and
    // what comes before that would be missed. So what is there first is searched, not followed.
    RETURN_IF_ERROR(AwaitFirstRecord(context, *client));
    request.set_order(v1::SEARCH_ORDER_OLDEST_FIRST);
    ASSIGN_OR_RETURN(end, ForEachMatch(*client, request, limit, show));
    if (limit != 0 && end.matches >= limit) return ExitCode::kDone;
    if (limit != 0) limit -= end.matches;
    request.clear_order();
  }
  request.set_follow(true);
  request.set_tree_size(end.tree_size);
  RETURN_IF_ERROR(ForEachMatch(*client, request, limit, show).status());
  return ExitCode::kDone;
}

// The key that must have signed the checkpoint in a statement: the one that was given, or the one
// that the server says the log has.
absl::StatusOr<note::VerifierKey> LogKey(CommandContext& context, client::Client& client,
                                         const SearchFlags& flags) {
  ASSIGN_OR_RETURN(std::optional<note::VerifierKey> key, flags.key.Read());
  if (key) return *std::move(key);
  ASSIGN_OR_RETURN(const v1::Log log, client.GetLog(context.log()));
  return note::VerifierKey::Parse(log.vkey());
}

// Asks for the server's signed word about all matches below the size that was searched, holds it
// against what was shown, and keeps it. One that contradicts that is kept too, as evidence, but
// nobody shall take it for what he asked for.
CommandResult KeepStatement(CommandContext& context, client::Client& client,
                            const SearchFlags& flags, const audit::AskedSearch& asked) {
  ASSIGN_OR_RETURN(const note::VerifierKey log_key, LogKey(context, client, flags));
  v1::GetStatementRequest request;
  request.set_log(context.log());
  request.set_query(flags.query());
  request.set_tree_size(asked.tree_size.value);
  ASSIGN_OR_RETURN(const v1::GetStatementResponse response,
                   client.GetStatement(std::move(request), kStatementTimeout));
  const auto answer_key = note::VerifierKey::Parse(response.vkey());
  if (!answer_key.ok()) {
    return absl::DataLossError(fmt::format("the server's statement: the key that it names: {}",
                                           std::string(answer_key.status().message())));
  }
  const auto checked = audit::CheckStatement(response.statement(), *answer_key, log_key, asked);
  if (!checked.ok()) return CheckFailed("--statement", checked.status());
  const bool fits = checked->problem.empty();
  const std::string path = fits ? flags.statement : flags.statement + ".contradicts";
  const absl::Status written =
      io::WriteFileDurably(io::PosixFileSystem(), path, response.statement());
  if (!written.ok()) return Unreachable("--statement", written);
  if (!fits) {
    return absl::DataLossError(
        fmt::format("the server's statement contradicts the search: {}; it is kept as evidence "
                    "in {}, signed by {}",
                    checked->problem, path, response.vkey()));
  }
  context.PrintNotice(fmt::format("statement about {} matches in {}, signed by {}",
                                  CountText(checked->answer.count), path, response.vkey()));
  return ExitCode::kDone;
}

// The search as it was asked, for a statement about it.
absl::StatusOr<audit::AskedSearch> Asked(const SearchFlags& flags, uint64_t tree_size) {
  audit::AskedSearch asked;
  // Ours, not the server's. (It has taken the query, so it is one.)
  ASSIGN_OR_RETURN(const query::Query query, query::Parse(flags.query()));
  asked.query = query::Canonical(query);
  asked.tree_size = TreeSize(tree_size);
  return asked;
}

// Numbers in place of records, and a statement about the records that were counted.
CommandResult Count(CommandContext& context, const SearchFlags& flags) {
  Counted counted;
  const auto show = flags.numbers.histogram ? ShowHistogram : ShowFacets;
  ASSIGN_OR_RETURN(const ExitCode code,
                   show(context, flags.query(), flags.tree_size, flags.numbers, &counted));
  if (flags.statement.empty()) return code;
  ASSIGN_OR_RETURN(audit::AskedSearch asked, Asked(flags, counted.tree_size));
  asked.shown = counted.matches;
  asked.complete = counted.all;
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  ASSIGN_OR_RETURN(const ExitCode stated, KeepStatement(context, *client, flags, asked));
  return code == ExitCode::kDone ? stated : code;
}

CommandResult Search(CommandContext& context, const SearchFlags& flags) {
  if (!flags.numbers.facets.empty() || flags.numbers.histogram) return Count(context, flags);
  if (!flags.proofs.empty()) {
    const absl::Status made = io::PosixFileSystem().MakeDirectory(flags.proofs);
    if (!made.ok() && !absl::IsAlreadyExists(made)) return Unreachable("--proofs", made);
  }
  if (flags.follow) return Follow(context, flags);
  ASSIGN_OR_RETURN(const auto client, context.Connect());
  Matches matches(context, *client, flags.proofs);
  v1::SearchRequest request;
  request.set_log(context.log());
  request.set_query(flags.query());
  request.set_cursor(flags.cursor);
  request.set_tree_size(flags.tree_size);
  if (flags.oldest) request.set_order(v1::SEARCH_ORDER_OLDEST_FIRST);
  std::vector<LogIndex> shown;
  const bool stated = !flags.statement.empty();
  ASSIGN_OR_RETURN(const SearchEnd end,
                   ForEachMatch(*client, request, flags.limit, [&](const FoundRecord& found) {
                     if (stated && shown.size() < kMatchesKeptMax)
                       shown.push_back(found.record.header.index);
                     return matches.Show(found);
                   }));
  if (flags.tree_size != 0 && end.tree_size != 0 && end.tree_size != flags.tree_size) {
    return absl::DataLossError(
        fmt::format("the server answered for {} records, and {} were asked for", end.tree_size,
                    flags.tree_size));
  }
  if (!end.next_cursor.empty()) {
    context.PrintNotice(
        fmt::format("there may be more among the {} records: --limit 0 for all, or go on with "
                    "--cursor {}",
                    CountText(end.tree_size), end.next_cursor));
  }
  if (!stated) return ExitCode::kDone;
  ASSIGN_OR_RETURN(audit::AskedSearch asked, Asked(flags, end.tree_size));
  asked.matches = std::move(shown);
  asked.shown = end.matches;
  asked.complete = end.next_cursor.empty() && flags.cursor.empty();
  RETURN_IF_ERROR(context.out().Finish());
  return KeepStatement(context, *client, flags, asked);
}

void AddNumbers(CLI::App& command, SearchFlags& flags, CLI::Option* follow) {
  NumberFlags& numbers = flags.numbers;
  CLI::Option* facet = command
                           .add_option("--facet", numbers.facets,
                                       "Count the values of this field instead (several: again)")
                           ->type_name("FIELD")
                           ->excludes(follow);
  command.add_option("--top", numbers.top, "How many values of each field")
      ->type_name("N")
      ->capture_default_str()
      ->needs(facet);
  command
      .add_option("--facet-prefix", numbers.prefix, "Only values that begin so, letter by letter")
      ->type_name("TEXT")
      ->needs(facet);
  command
      .add_option("--facet-contains", numbers.contains,
                  "Only values that have this in them (upper or lower case of A to Z alike)")
      ->type_name("TEXT")
      ->needs(facet);
  CLI::Option* histogram =
      command.add_flag("--histogram", numbers.histogram, "Count over time (of receipt) instead")
          ->excludes(follow)
          ->excludes(facet);
  CLI::Option* buckets =
      command.add_option("--buckets", numbers.buckets, "Stretches of time in the histogram")
          ->type_name("N")
          ->capture_default_str()
          ->needs(histogram);
  CLI::Option* from = command
                          .add_option("--from", numbers.from,
                                      "Where the histogram begins: 2026-03-01, or with a time, "
                                      "2026-03-01T10:00+01:00")
                          ->type_name("TIME")
                          ->needs(histogram);
  CLI::Option* to = command.add_option("--to", numbers.to, "Where the histogram ends")
                        ->type_name("TIME")
                        ->needs(histogram);
  CLI::Option* by =
      command
          .add_option("--by", numbers.by, "Stretches of the calendar: hour, day, week, month, year")
          ->type_name("UNIT")
          ->check(CLI::IsMember({"hour", "day", "week", "month", "year"}))
          ->needs(histogram)
          ->excludes(buckets);
  command
      .add_option("--zone", numbers.zone,
                  "Of this zone, times of --from and --to without an offset too: UTC, "
                  "+01:00, Europe/Berlin")
      ->type_name("ZONE")
      ->capture_default_str()
      ->needs(by);
  command.add_option("--at", numbers.at, "Where stretches begin and end, at least two, in order")
      ->type_name("TIME,TIME")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->needs(histogram)
      ->excludes(buckets)
      ->excludes(from)
      ->excludes(to)
      ->excludes(by);
}

}  // namespace

void AddSearchCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("search", "Finds records by a query");
  command->footer(
      "The language is in docs/search.md: actor:alice action:invoice.* NOT outcome:success,\n"
      "target.type:invoice target.id:42, ip:10.0.0.0/8, time:2026-03, label.env:prod, words, \"a\n"
      "phrase\". Side by side means AND; without a query every record is found. Each record is\n"
      "hashed and judged here again.\n"
      "\n"
      "Example:\n"
      "  graven search actor:alice outcome:denied\n"
      "  graven search 'time:2026-03 (refund OR \"credit note\")' --oldest --json | jq .event\n"
      "  graven search outcome:denied --facet actor.id --facet action\n"
      "  graven search outcome:denied --histogram --by day --zone Europe/Berlin\n"
      "  graven search target.type:invoice target.id:42 --limit 0 --proofs ./evidence\n"
      "  graven search outcome:denied --statement denied.answer\n"
      "  graven search outcome:denied --facet actor.id --statement denied.answer\n"
      "  graven search outcome:denied --follow");
  auto flags = std::make_shared<SearchFlags>();
  command->add_option("query", flags->words, "The query; several words are joined by spaces")
      ->type_name("QUERY");
  CLI::Option* oldest = command->add_flag("--oldest", flags->oldest, "The oldest first");
  command->add_flag("--newest", flags->newest, "The newest first (the default)")->excludes(oldest);
  flags->limit_option =
      command->add_option("-n,--limit", flags->limit, "End after this many; 0: all there are")
          ->type_name("N")
          ->check(CLI::NonNegativeNumber)
          ->capture_default_str();
  CLI::Option* cursor =
      command->add_option("--cursor", flags->cursor, "Go on where an earlier search ended")
          ->type_name("CURSOR");
  CLI::Option* follow =
      command->add_flag("-f,--follow", flags->follow, "The last matches, and then those that come")
          ->excludes(oldest)
          ->excludes(cursor);
  command
      ->add_option("--size", flags->tree_size,
                   "Search the tree of this many records; 0: all that is published")
      ->type_name("SIZE")
      ->check(CLI::NonNegativeNumber)
      ->excludes(follow);
  command
      ->add_option("--proofs", flags->proofs,
                   "Keep the receipt of each match in this folder, as LOG-INDEX.tlog-proof")
      ->type_name("DIR");
  command
      ->add_option(
          "--statement", flags->statement,
          "Hold the server's signed statement about all matches against those shown or "
          "counted, and\nkeep it in this file (graven verify --answer); not with --follow, "
          "which has no end that\nit could be about: search again when it has ended")
      ->type_name("FILE")
      ->excludes(follow);
  CLI::Option* key = flags->key.AddTo(*command);
  AddNumbers(*command, *flags, follow);
  context.AddJson(*command);
  context.AddServer(*command);
  context.AddLog(*command);
  context.OnRun(*command, [&context, command, key, flags]() -> CommandResult {
    // From the environment it may come for other commands.
    if (flags->statement.empty() && WasTyped(*command, *key))
      return UsageError("--key goes with --statement: it is the checkpoint in that which it signs");
    return Search(context, *flags);
  });
}

}  // namespace graven::cli
