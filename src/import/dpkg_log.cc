#include <unistd.h>

#include <array>
#include <optional>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "import/converter.h"
#include "record/utf8.h"

namespace graven::import {
namespace {

std::string MachineName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    size_t end = std::min(line.find(' '), line.size());
    if (end > 0) words.push_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

// The version that dpkg writes when there is none.
bool IsVersion(std::string_view word) { return !word.empty() && word != "<none>"; }

void AddVersion(std::string_view key, std::string_view word, v1::Event* event) {
  if (IsVersion(word)) AddLabel(key, word, event);
}

class DpkgConverter : public Converter {
 public:
  DpkgConverter(absl::TimeZone zone, const std::string& host)
      : zone_(zone), host_(host), ids_("dpkg", host) {}

  void StartFile() override {
    ids_.StartFile();
    previous_ = absl::InfinitePast();
  }

  bool CutLineLooksWhole() const override { return true; }

  absl::Status Convert(std::string_view line, Draft* draft) override {
    if (!record::IsUtf8(line)) return absl::InvalidArgumentError("it is not UTF-8");
    std::string id = ids_.Next(line);  // also for what is refused: ids count every line
    std::vector<std::string_view> words = Words(line);
    if (words.size() < 4) {
      return absl::InvalidArgumentError("it is not date, time, action and what it was done to");
    }
    ASSIGN_OR_RETURN(absl::Time time, ResolveTime(words[0], words[1]));
    v1::Event& event = draft->event;
    event.set_event_id(id);
    event.mutable_actor()->set_id("dpkg@" + host_);
    event.mutable_actor()->set_type("service");
    event.mutable_actor()->set_name("dpkg");
    SetTime({.seconds = absl::ToUnixSeconds(time), .nanos = 0}, &event);
    event.mutable_source()->set_service("dpkg");
    AddLabel("import.format", "dpkg", &event);
    AddLabel("host", host_, &event);
    SetAction(words, &event);
    event.set_outcome(v1::OUTCOME_SUCCESS);
    draft->clip_texts = true;
    Original(&event)->set_string_value(std::string(line));
    (*event.mutable_details_struct()->mutable_fields())["utc_offset"].set_string_value(
        absl::FormatTime("%Ez", time, zone_));
    return absl::OkStatus();
  }

 private:
  // "install", "upgrade", "remove", ... PACKAGE OLD NEW; "status STATE PACKAGE VERSION"; "startup
  // WHAT HOW"; "conffile FILE DECISION".
  static void SetAction(const std::vector<std::string_view>& words, v1::Event* event) {
    auto word = [&words](size_t i) { return i < words.size() ? words[i] : std::string_view(); };
    std::string_view verb = words[2];
    std::string_view type = "package";
    std::string_view thing = words[3];
    if (verb == "status") {
      event->set_action(fmt::format("dpkg.status.{}", words[3]));
      thing = word(4);
      AddVersion("package.version", word(5), event);
    } else if (verb == "startup") {
      event->set_action(fmt::format("dpkg.startup.{}", words[3]));
      thing = "";
    } else {
      event->set_action(fmt::format("dpkg.{}", verb));
      if (verb == "conffile") {
        type = "file";
      } else {
        AddVersion("package.old_version", word(4), event);
        AddVersion("package.version", word(5), event);
      }
    }
    if (thing.empty()) return;
    v1::Target* target = event->add_targets();
    target->set_type(std::string(type));
    target->set_id(std::string(thing));
  }

  absl::StatusOr<absl::Time> ResolveTime(std::string_view date, std::string_view clock) {
    std::optional<record::TimePoint> as_utc =
        record::ParseRfc3339(fmt::format("{}T{}Z", date, clock));
    if (!as_utc || as_utc->nanos != 0) {
      return absl::InvalidArgumentError("it does not begin with a date and a time");
    }
    absl::CivilSecond local = absl::CivilSecond(1970) + as_utc->seconds;
    absl::TimeZone::TimeInfo info = zone_.At(local);
    absl::Time time = info.pre;
    // A repeated hour: log lines are in order, so a line that would go back is of the second time.
    if (info.kind == absl::TimeZone::TimeInfo::REPEATED && info.pre < previous_) time = info.post;
    int64_t seconds = absl::ToUnixSeconds(time);
    if (seconds < record::kTimeSecondsMin || seconds > record::kTimeSecondsMax) {
      return absl::InvalidArgumentError("its year is not between 1 and 9999");
    }
    previous_ = time;
    return time;
  }

  absl::TimeZone zone_;
  std::string host_;
  LineIds ids_;
  absl::Time previous_ = absl::InfinitePast();
};

}  // namespace

bool IsTimeZone(const std::string& name) {
  absl::TimeZone zone;
  return absl::LoadTimeZone(name, &zone);
}

absl::StatusOr<std::unique_ptr<Converter>> MakeDpkgConverter(const ImportOptions& options) {
  absl::TimeZone zone = absl::LocalTimeZone();
  if (!options.time_zone.empty() && !absl::LoadTimeZone(options.time_zone, &zone)) {
    return absl::InvalidArgumentError(
        fmt::format("there is no time zone {} on this machine", options.time_zone));
  }
  std::string host = options.host.empty() ? MachineName() : options.host;
  return std::make_unique<DpkgConverter>(zone, host);
}

}  // namespace graven::import
