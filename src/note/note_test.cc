#include "note/note.h"

#include <filesystem>
#include <fstream>
#include <map>

#include "base/encoding.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace graven::note {
namespace {

using nlohmann::json;

class NoteTest : public testing::Test {
 protected:
  static SignerKey Key(const char* name, char seed) {
    class Same : public Random {
     public:
      explicit Same(char byte) : byte_(byte) {}
      void Fill(std::span<uint8_t> out) override {
        for (uint8_t& byte : out) byte = static_cast<uint8_t>(byte_);
      }

     private:
      char byte_;
    } random(seed);
    return *SignerKey::Generate(name, KeyType::kEd25519, random);
  }

  absl::StatusCode OpenCode(const std::string& note) const {
    return OpenNote(note, std::span(&log_.verifier(), 1)).status().code();
  }

  const SignerKey log_ = Key("log.example", 'a');
  const SignerKey other_ = Key("other.example", 'b');
  const std::string text_ = "first\nsecond\n";
  const std::string note_ = *SignNote(text_, log_);
  const std::string line_ = note_.substr(text_.size() + 1);
};

TEST_F(NoteTest, SignedNoteOpens) {
  const auto note = OpenNote(note_, std::span(&log_.verifier(), 1));
  ASSERT_TRUE(note.ok()) << note.status();
  EXPECT_EQ(note->text, text_);
  ASSERT_EQ(note->verified.size(), 1u);
  EXPECT_EQ(note->verified[0].name, "log.example");
  EXPECT_EQ(FormatSignatureLine(note->verified[0]), line_);
  EXPECT_TRUE(note->unknown.empty());
}

TEST_F(NoteTest, NoteWithoutAKnownSignerIsUnauthenticated) {
  EXPECT_EQ(OpenNote(note_, std::span(&other_.verifier(), 1)).status().code(),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(OpenNote(note_, {}).status().code(), absl::StatusCode::kUnauthenticated);
  const auto parsed = ParseNote(note_);
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(parsed->verified.empty());
  EXPECT_EQ(parsed->unknown.size(), 1u);
}

TEST_F(NoteTest, WrongSignatureOfAKnownKeyIsDataLossBesideAGoodOne) {
  const SignerKey keys[] = {log_, other_};
  const VerifierKey verifiers[] = {keys[0].verifier(), keys[1].verifier()};
  const std::string wrong = FormatSignatureLine(
      {other_.name(), other_.verifier().key_id(), other_.SignMessage("another text\n")});
  EXPECT_EQ(OpenNote(note_ + wrong, verifiers).status().code(), absl::StatusCode::kDataLoss);
  const std::string right =
      FormatSignatureLine({other_.name(), other_.verifier().key_id(), other_.SignMessage(text_)});
  const auto note = OpenNote(note_ + right, verifiers);
  ASSERT_TRUE(note.ok());
  EXPECT_EQ(note->verified.size(), 2u);
}

TEST_F(NoteTest, EveryBitFlipIsNoticed) {
  for (size_t i = 0; i < note_.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = note_;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      EXPECT_NE(OpenCode(damaged), absl::StatusCode::kOk) << "byte " << i << " bit " << bit;
    }
  }
}

TEST_F(NoteTest, RepeatedLinesCountOnce) {
  const std::string stranger = FormatSignatureLine({"stranger.example", 7, "xy"});
  const auto note = OpenNote(note_ + line_ + stranger + stranger, std::span(&log_.verifier(), 1));
  ASSERT_TRUE(note.ok()) << note.status();
  EXPECT_EQ(note->verified.size(), 1u);
  EXPECT_EQ(note->unknown.size(), 1u);
}

TEST_F(NoteTest, TextEndsAtTheLastBlankLine) {
  const std::string text = "a\n\nb\n";
  const auto note = OpenNote(*SignNote(text, log_), std::span(&log_.verifier(), 1));
  ASSERT_TRUE(note.ok());
  EXPECT_EQ(note->text, text);
}

TEST_F(NoteTest, MoreThanAHundredSignaturesAreRefused) {
  std::string note = note_;
  for (int i = 1; i < 100; ++i) {
    note += FormatSignatureLine({"stranger.example", static_cast<uint32_t>(i), "x"});
  }
  EXPECT_EQ(OpenCode(note), absl::StatusCode::kOk);
  EXPECT_EQ(OpenCode(note + FormatSignatureLine({"stranger.example", 100, "x"})),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(NoteTest, MalformedNotesAreInvalid) {
  const std::string dash = "\xe2\x80\x94 ";
  for (const std::string& note : {std::string(),
                                  std::string("\n\n"),
                                  text_,
                                  text_ + "\n",
                                  text_ + line_,
                                  "\n" + line_,
                                  note_.substr(0, note_.size() - 1),
                                  note_ + "\n",
                                  note_ + "x\n",
                                  "a\tb\n\n" + line_,
                                  "a\r\n\n" + line_,
                                  "\xff\n\n" + line_,
                                  text_ + "\n- " + line_.substr(4),
                                  note_ + dash + "log.example\n",
                                  note_ + dash + " AAAAAAA=\n",
                                  note_ + dash + "n AAAAAA==\n",
                                  note_ + dash + "n AAAAAAE\n",
                                  note_ + dash + "n  AAAAAAE=\n",
                                  note_ + dash + "a+b AAAAAAE=\n",
                                  note_ + dash + "n AAAAAAE= \n",
                                  std::string(kNoteBytesMax, 'x') + "\n" + note_}) {
    EXPECT_EQ(OpenCode(note), absl::StatusCode::kInvalidArgument) << note.substr(0, 200);
  }
}

TEST_F(NoteTest, TextThatIsNoNoteIsNotSigned) {
  for (const char* text : {"", "x", "x\r\n", "\xc0\x80\n"}) {
    EXPECT_EQ(SignNote(text, log_).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST_F(NoteTest, PublishedNotesGetTheirVerdicts) {
  const std::filesystem::path path = "../shared/vectors/signed_notes.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const std::map<std::string, absl::StatusCode> codes = {
      {"verified", absl::StatusCode::kOk},
      {"malformed", absl::StatusCode::kInvalidArgument},
      {"invalid-signature", absl::StatusCode::kDataLoss},
      {"unverified", absl::StatusCode::kUnauthenticated}};
  std::map<std::string, int> counts;
  const json vectors = json::parse(std::ifstream(path));
  for (const json& item : vectors["notes"]) {
    const auto key = VerifierKey::Parse(item["vkey"].get<std::string>());
    ASSERT_TRUE(key.ok()) << key.status();
    const std::string want = item["want"];
    const std::string note = *Base64Decode(item["note_base64"].get<std::string>());
    const auto opened = OpenNote(note, std::span(&*key, 1));
    EXPECT_EQ(opened.status().code(), codes.at(want)) << item["desc"] << opened.status();
    ++counts[want];
  }
  EXPECT_EQ(counts,
            (std::map<std::string, int>{
                {"verified", 6}, {"malformed", 7}, {"invalid-signature", 1}, {"unverified", 1}}));
}

}  // namespace
}  // namespace graven::note
