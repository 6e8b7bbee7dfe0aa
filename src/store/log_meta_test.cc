#include "store/log_meta.h"

#include <string>

#include "base/encoding.h"
#include "base/random.h"
#include "base/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"
#include "io/simulated_file_system.h"
#include "note/keys.h"

namespace graven::store {
namespace {

using testing::HasSubstr;

LogMeta Example() {
  LogMeta meta;
  meta.name = "default";
  meta.number = 1;
  meta.origin = "graven.local/5f0c/default";
  meta.vkey = note::SignerKey::Generate(meta.origin, note::KeyType::kEd25519, SystemRandom())
                  ->verifier()
                  .Format();
  meta.duplicate_window = 4'000'000;
  meta.created_at_ns = 1'764'028'800'000'000'000;
  for (size_t i = 0; i < meta.fingerprint_key.size(); ++i) {
    meta.fingerprint_key[i] = static_cast<uint8_t>(i * 17);
  }
  return meta;
}

std::string WithSum(std::string_view fields) {
  return std::string(fields) + "sha256: " + HexEncode(Sha256(fields)) + "\n";
}

std::string FieldsOf(const std::string& text) { return text.substr(0, text.find("sha256: ")); }

TEST(LogMeta, TextIsWhatFormatMdSays) {
  const LogMeta meta = Example();
  const std::string expected =
      "graven log, format 1\nname: default\nnumber: 1\norigin: graven.local/5f0c/default\nvkey: " +
      meta.vkey +
      "\nduplicate_window: 4000000\ncreated_at_ns: 1764028800000000000\n"
      "fingerprint_key: 00112233445566778899aabbccddeeff\n";
  EXPECT_EQ(FormatLogMeta(meta), WithSum(expected));
  EXPECT_EQ(*ParseLogMeta(FormatLogMeta(meta)), meta);
}

TEST(LogMeta, EveryFlippedBitIsFound) {
  const std::string text = FormatLogMeta(Example());
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string flipped = text;
    flipped[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    const absl::StatusCode code = ParseLogMeta(flipped).status().code();
    // A flip in the format's number may look like a newer one.
    if (code == absl::StatusCode::kFailedPrecondition) {
      ASSERT_EQ(bit / 8, std::string_view("graven log, format ").size());
    } else {
      ASSERT_EQ(code, absl::StatusCode::kDataLoss) << "bit " << bit;
    }
  }
}

TEST(LogMeta, EveryCutIsDataLoss) {
  const std::string text = FormatLogMeta(Example());
  for (size_t size = 0; size < text.size(); ++size) {
    ASSERT_EQ(ParseLogMeta(text.substr(0, size)).status().code(), absl::StatusCode::kDataLoss);
  }
  EXPECT_EQ(ParseLogMeta(text + "\n").status().code(), absl::StatusCode::kDataLoss);
}

TEST(LogMeta, NewerFormatIsNamedAsSuch) {
  std::string fields = FieldsOf(FormatLogMeta(Example()));
  fields.replace(fields.find("format 1"), 8, "format 2");
  const absl::Status status = ParseLogMeta(WithSum(fields)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("newer version"));
}

TEST(LogMeta, OtherSpellingWithAGoodSumIsDataLoss) {
  const std::string fields = FieldsOf(FormatLogMeta(Example()));
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"number: 1", "number: 01"},
           {"number: 1", "number: 0"},
           {"number: 1", "number: 4294967296"},
           {"number: 1", "number: 4294967295"},
           {"name: default", "name: Default"},
           {"created_at_ns: 1", "created_at_ns: 99"},
           {"ddeeff", "DDEEFF"},
           {"ddeeff", "ddee"},
           {"origin: graven.local", "origin: other.local"},
           {"duplicate_window", "window"}}) {
    std::string changed = fields;
    ASSERT_NE(changed.find(from), std::string::npos) << from;
    changed.replace(changed.find(from), from.size(), to);
    EXPECT_EQ(ParseLogMeta(WithSum(changed)).status().code(), absl::StatusCode::kDataLoss) << to;
  }
}

TEST(LogMeta, WrongFieldIsNamed) {
  const auto message = [](void (*change)(LogMeta&)) {
    LogMeta meta = Example();
    change(meta);
    const absl::Status status = CheckLogMeta(meta);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(message([](LogMeta& m) { m.name = "../x"; }), HasSubstr("name"));
  EXPECT_THAT(message([](LogMeta& m) { m.number = 0; }), HasSubstr("number"));
  // A table as large as this one would be allocated by its reader.
  EXPECT_THAT(message([](LogMeta& m) { m.number = kLogNumberMax + 1; }), HasSubstr("1000000"));
  EXPECT_THAT(message([](LogMeta& m) { m.origin = "a b"; }), HasSubstr("origin"));
  EXPECT_THAT(message([](LogMeta& m) { m.vkey = "x"; }), HasSubstr("vkey"));
  EXPECT_THAT(message([](LogMeta& m) { m.origin = "other"; }), HasSubstr("vkey"));
  EXPECT_THAT(message([](LogMeta& m) { m.created_at_ns = -1; }), HasSubstr("created_at_ns"));
}

TEST(LogMeta, NamesFollowTheRule) {
  for (const std::string& good : {std::string("a"), std::string("0-a-"), std::string(63, 'z')}) {
    EXPECT_TRUE(CheckLogName(good).ok()) << good;
    EXPECT_TRUE(IsFolderLogName(good));
  }
  for (const std::string& bad : {std::string(), std::string(64, 'z'), std::string("-a"),
                                 std::string("A"), std::string("a/b"), std::string("."),
                                 std::string("a.b"), std::string("a\n"), std::string("_a")}) {
    EXPECT_EQ(CheckLogName(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(IsFolderLogName(bad), bad == "_a") << bad;
  }
  EXPECT_FALSE(IsFolderLogName("_"));
  EXPECT_FALSE(IsFolderLogName("_" + std::string(63, 'z')));
}

TEST(LogMeta, CreatedOnceAndForTheOwnerOnly) {
  io::SimulatedFileSystem fs(1);
  EXPECT_EQ(ReadLogMeta(fs, "/meta").status().code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(CreateLogMeta(fs, "/meta", Example()).ok());
  EXPECT_EQ(fs.Stat("/meta")->mode, 0600u);
  EXPECT_EQ(CreateLogMeta(fs, "/meta", Example()).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadLogMeta(fs, "/meta")->name, "default");
  ASSERT_TRUE(io::WriteFileDurably(fs, "/meta", std::string(5000, 'x')).ok());
  EXPECT_EQ(ReadLogMeta(fs, "/meta").status().code(), absl::StatusCode::kDataLoss);
}

TEST(LogMeta, CrashWhileCreatingLeavesNoneOrAll) {
  const LogMeta meta = Example();
  uint64_t fired = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    for (uint64_t nth = 1; nth <= 6; ++nth) {
      io::SimulatedFileSystem fs(seed);
      fs.AddFault({.kind = io::FaultKind::kCrash, .nth = nth});
      ASSERT_EQ(CreateLogMeta(fs, "/meta", meta).code(), absl::StatusCode::kUnavailable);
      fired += fs.Counts().crashes;
      fs.Restart();
      absl::StatusOr<LogMeta> after = ReadLogMeta(fs, "/meta");
      if (after.ok()) {
        ASSERT_EQ(*after, meta);
      } else {
        ASSERT_EQ(after.status().code(), absl::StatusCode::kNotFound) << after.status();
        ASSERT_TRUE(CreateLogMeta(fs, "/meta", meta).ok());
      }
    }
  }
  EXPECT_EQ(fired, 600u);
}

}  // namespace
}  // namespace graven::store
