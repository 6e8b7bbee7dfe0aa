#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "graven/v1/event.pb.h"
#include "index/candidates.h"
#include "index/chunk_builder.h"
#include "query/matcher.h"
#include "query/parser.h"
#include "query/record_view.h"
#include "record/encoded_test.h"
#include "record/record.h"

namespace graven::index {

inline const IdKey kKey = MakeIdKey(Sha256("genesis"));

// Records as a function of their index: skewed values, now and then hostile ones.
class RecordMaker {
 public:
  explicit RecordMaker(uint64_t seed) : seed_(seed) {}

  std::string Make(uint64_t index) {
    random_.seed(seed_ * 1'000'003 + index);
    v1::Event event;
    event.set_event_id("e" + std::to_string(index));
    event.mutable_actor()->set_id("user-" + std::to_string(Skewed(900)));
    if (Chance(2)) event.mutable_actor()->set_type(Chance(2) ? "human" : "machine");
    if (Chance(4)) event.mutable_actor()->set_name("M\xC3\xBCller " + Word());
    event.set_action(Joined({Verb(), Verb()}, "."));
    for (uint64_t targets = Skewed(4); targets > 0; --targets) {
      auto* target = event.add_targets();
      if (!Chance(5)) target->set_type(Chance(2) ? "invoice" : "order");
      if (!Chance(5)) target->set_id(std::to_string(Skewed(40)));
      if (Chance(5)) target->set_name(Word());
    }
    event.mutable_occurred_at()->set_seconds(static_cast<int64_t>(1'700'000'000 + index));
    event.set_outcome(static_cast<v1::Outcome>(Skewed(5)));
    if (Chance(3)) event.set_outcome_reason(Joined({Joined({Word(), Word()}, "-"), Word()}, " "));
    if (Chance(2)) event.mutable_source()->set_service("service-" + std::to_string(Skewed(9)));
    event.mutable_source()->set_ip(Address());
    event.set_trace_id("trace-" + std::to_string(index / 3));
    if (Chance(3)) event.set_session_id("s" + std::to_string(Skewed(300)));
    if (Chance(3)) AddLabel("env", Chance(2) ? "prod" : "", &event);
    if (Chance(30)) AddLabel("long", std::string(90 + Skewed(100), 'x'), &event);
    if (Chance(60)) AddLabel("nul", std::string("a\0b", 3), &event);
    if (Chance(200)) {
      std::string many;
      for (int i = 0; i < 200; ++i) many += "crowd" + std::to_string(i) + " ";
      AddLabel("many", many, &event);
    }
    record::RecordHeader header;
    header.index = LogIndex(index);
    header.received_at_ns = ReceivedAt(index);
    header.written_by = Chance(2) ? "mtls:a" : "anonymous";
    header.kind = record::BodyKind::kEvent;
    const std::string body = event.SerializeAsString();
    header.body = body;
    return record::Encoded(header);
  }

  static int64_t ReceivedAt(uint64_t index) {
    // A pause of three years in the middle of a group.
    const int64_t pause = index % 4096 > 2000 ? 100'000'000'000'000'000 : 0;
    return 1'700'000'000'000'000'000 +
           static_cast<int64_t>(index / 4096) * 200'000'000'000'000'000 +
           static_cast<int64_t>(index) * 1'000 + pause;
  }

 private:
  bool Chance(uint64_t in) { return random_() % in == 0; }
  // Below `limit`, the small ones more often.
  uint64_t Skewed(uint64_t limit) {
    const uint64_t bound = random_() % limit + 1;
    return random_() % bound;
  }
  std::string Number(uint64_t limit) { return std::to_string(Skewed(limit)); }
  // Braces evaluate from left to right; the two sides of a + in the order that the compiler likes.
  static std::string Joined(std::vector<std::string> parts, std::string_view between) {
    return fmt::format("{}", fmt::join(parts, between));
  }
  std::string Word() { return "w" + std::to_string(Skewed(500)); }
  std::string Verb() {
    constexpr const char* kVerbs[] = {"invoice", "read", "write", "login", "Delete"};
    return kVerbs[Skewed(5)];
  }
  std::string Address() {
    if (Chance(3)) return "10.1." + Joined({Number(3), Number(250)}, ".");
    if (Chance(3)) return "2001:db8:" + Joined({Number(3), Number(9)}, "::");
    if (Chance(4)) return "not an address";
    return Chance(2) ? "" : "::ffff:10.1.2.3";
  }
  static void AddLabel(const std::string& key, const std::string& value, v1::Event* event) {
    auto* label = event->add_labels();
    label->set_key(key);
    label->set_value(value);
  }

  const uint64_t seed_;
  std::mt19937_64 random_;
};

// Queries that have something to do with such records.
class QueryMaker {
 public:
  explicit QueryMaker(uint64_t seed) : random_(seed) {}

  std::string Make(int depth = 0) {
    const uint64_t kind = depth > 3 ? 9 : random_() % 10;
    if (kind == 0) return "(" + Make(depth + 1) + " OR " + Make(depth + 1) + ")";
    if (kind == 1) return "(" + Make(depth + 1) + " " + Make(depth + 1) + ")";
    if (kind == 2) return "NOT (" + Make(depth + 1) + ")";
    if (kind == 3) return Make(depth + 1) + " " + Make(depth + 1);
    return Term();
  }

 private:
  std::string Number(uint64_t limit) { return std::to_string(random_() % limit); }
  std::string Term() {
    const std::string choices[] = {
        "actor:user-" + Number(20),
        "actor:user-1*",
        "actor.type:human",
        "actor.type:*",
        "actor.type:\"\"",
        "action:invoice.*",
        "action:read.write",
        "(target.type:invoice target.id:" + Number(5) + ")",
        "(target.type:order target.id:(1 OR " + Number(9) + "))",
        "target.id:" + Number(40),
        "target.type:\"\"",
        "outcome:(success OR denied)",
        "outcome:unknown",
        "outcome:4",
        "service:service-" + Number(9),
        "ip:10.1." + Number(3) + ".0/24",
        "ip:10.0.0.0/" + std::to_string(8 + random_() % 9),
        "ip:2001:db8::/33",
        "ip:::/0",
        "ip:\"::ffff:10.1.2.3\"",
        "trace:trace-" + Number(1300),
        "session:s" + Number(30),
        "session:\"\"",
        "event_id:e" + Number(4096),
        "label.env:prod",
        "label.env:\"\"",
        "label.env:*",
        "label.long:" + std::string(128 + random_() % 3 - 1, 'x'),
        "label.long:" + std::string(100, 'x') + "*",
        "label.nul:\"a\\u0000b\"",
        "label.many:crowd*",
        "crowd" + Number(200),
        "w" + Number(60),
        "w1*",
        "\"w" + Number(9) + "-w" + Number(9) + "\"",
        "reason:w" + Number(20),
        "M\xC3\xBCLLER",
        "written_by:mtls:a",
        "index:" + Number(3000) + "..4000",
        "occurred:>=2023-11-14T22:45:00Z",
        "time:2023-11-14T22:13:20Z..2023-11-14T22:13:20.002Z",
        "time:>=2025-01-01",
    };
    return choices[random_() % std::size(choices)];
  }

  std::mt19937_64 random_;
};

inline std::string BuildContent(RecordMaker& maker, uint64_t first, int level, const IdKey& key) {
  ChunkBuilder builder(first, level, key);
  query::RecordView view;
  while (!builder.full()) {
    const std::string record = maker.Make(builder.next());
    EXPECT_TRUE(view.Read(record).ok());
    builder.Add(view);
  }
  return builder.Finish();
}

inline std::shared_ptr<const Chunk> OpenContent(std::string content) {
  absl::StatusOr<std::shared_ptr<const Chunk>> chunk =
      Chunk::Open(ContentInMemory(std::move(content)));
  EXPECT_TRUE(chunk.ok()) << chunk.status();
  return chunk.ok() ? *chunk : nullptr;
}

}  // namespace graven::index
