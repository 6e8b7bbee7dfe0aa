#include "note/checkpoint.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/encoding.h"
#include "gtest/gtest.h"
#include "merkle/frontier.h"
#include "merkle/leaf.h"
#include "nlohmann/json.hpp"
#include "note/cosignature.h"
#include "note/note.h"

namespace graven::note {
namespace {

using nlohmann::json;

const std::filesystem::path kVectors = "../shared/vectors";

std::string ReadFile(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

const Checkpoint kCheckpoint = {"log.example/audit", TreeSize(1234), merkle::HashLeaf("x"), {}};

SignerKey TestKey(std::string_view name, KeyType type) {
  return *SignerKey::Generate(name, type, SystemRandom());
}

TEST(CheckpointTest, TextRoundTrips) {
  Checkpoint checkpoint = kCheckpoint;
  for (int i = 0; i < 2; ++i) {
    const auto parsed = ParseCheckpoint(FormatCheckpoint(checkpoint));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, checkpoint);
    checkpoint.extensions = {"an extension", "another"};
  }
}

TEST(CheckpointTest, OtherSpellingsAreRefused) {
  const std::string root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
  EXPECT_TRUE(ParseCheckpoint("o\n0\n" + root + "\n").ok());
  EXPECT_TRUE(ParseCheckpoint("two words\n9223372036854775807\n" + root + "\n").ok());
  for (const std::string& text : {std::string(),
                                  std::string("\n"),
                                  "o\n0\n" + root,
                                  std::string("o\n0\n"),
                                  "\n0\n" + root + "\n",
                                  "o\n\n" + root + "\n",
                                  "o\n00\n" + root + "\n",
                                  "o\n01\n" + root + "\n",
                                  "o\n+1\n" + root + "\n",
                                  "o\n-1\n" + root + "\n",
                                  "o\n1 \n" + root + "\n",
                                  "o\n9223372036854775808\n" + root + "\n",
                                  "o\n0x1\n" + root + "\n",
                                  "o\n0\n" + root.substr(0, 43) + "\n",
                                  "o\n0\n" + root.substr(0, 40) + "\n",
                                  "o\n0\n" + root + " \n",
                                  "o\n0\n" + root + "\n\n",
                                  "o\n0\n" + root + "\n\nx\n",
                                  "o\r\n0\r\n" + root + "\r\n",
                                  "\xff\n0\n" + root + "\n"}) {
    EXPECT_EQ(ParseCheckpoint(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(CheckpointTest, SignedCheckpointOpensWithItsKeyOnly) {
  const SignerKey key = TestKey(kCheckpoint.origin, KeyType::kEd25519);
  const auto note = SignCheckpoint(kCheckpoint, key);
  ASSERT_TRUE(note.ok()) << note.status();
  EXPECT_EQ(*note, *SignCheckpoint(kCheckpoint, key));
  const auto opened = OpenCheckpoint(*note, key.verifier());
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(*opened, kCheckpoint);
  const SignerKey foreign = TestKey(kCheckpoint.origin, KeyType::kEd25519);
  EXPECT_EQ(OpenCheckpoint(*note, foreign.verifier()).status().code(),
            absl::StatusCode::kUnauthenticated);
}

TEST(CheckpointTest, OriginThatIsNotTheKeysNameIsRefused) {
  const SignerKey key = TestKey("other.example", KeyType::kEd25519);
  EXPECT_EQ(SignCheckpoint(kCheckpoint, key).status().code(), absl::StatusCode::kInvalidArgument);
  const std::string note = *SignNote(FormatCheckpoint(kCheckpoint), key);
  EXPECT_EQ(OpenCheckpoint(note, key.verifier()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(CheckpointTest, OriginsOfOursAreKeyNames) {
  EXPECT_TRUE(CheckOrigin("graven.local/0123456789abcdef/default").ok());
  EXPECT_TRUE(CheckOrigin(std::string(255, 'o')).ok());
  for (const std::string& origin :
       {std::string(), std::string(256, 'o'), std::string("a b"), std::string("a+b"),
        std::string("a\nb"), std::string("a\x01"), std::string("\xc0\x80"), std::string(1, '\0')}) {
    EXPECT_EQ(CheckOrigin(origin).code(), absl::StatusCode::kInvalidArgument) << origin;
  }
}

TEST(CheckpointTest, TesseraLogOpensAndSignsTheSame) {
  const std::filesystem::path folder = kVectors / "tessera";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  const json keys = json::parse(std::ifstream(folder / "keys.json"));
  const auto signer = SignerKey::Parse(keys["skey"].get<std::string>());
  ASSERT_TRUE(signer.ok());
  const auto verifier = VerifierKey::Parse(keys["vkey"].get<std::string>());
  ASSERT_TRUE(verifier.ok());
  EXPECT_EQ(signer->verifier(), *verifier);
  merkle::Frontier frontier;
  for (size_t size = 0; size <= 15; ++size) {
    const std::string note =
        ReadFile(folder / "testdata/log" / ("checkpoint." + std::to_string(size)));
    const auto checkpoint = OpenCheckpoint(note, *verifier);
    ASSERT_TRUE(checkpoint.ok()) << size << checkpoint.status();
    EXPECT_EQ(checkpoint->size, TreeSize(size));
    EXPECT_EQ(checkpoint->root, frontier.Root());
    EXPECT_EQ(*SignCheckpoint(*checkpoint, *signer), note);
    if (size < 15) {
      frontier.Append(merkle::HashLeaf(keys["entries_utf8"][size].get<std::string>()));
    }
  }
}

TEST(CosignatureTest, MirrorOf300LeavesVerifies) {
  const std::filesystem::path folder = kVectors / "sunlight/mirror300";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  const auto key = VerifierKey::Parse(
      "mirror.example.org+3fb148ef+BAAjjch9GyYz0sJsJx7ALhbdAtz2ov0unbzSl1vMp94O");
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->type(), KeyType::kCosignature);
  const auto note = OpenNote(ReadFile(folder / "checkpoint"), std::span(&*key, 1));
  ASSERT_TRUE(note.ok()) << note.status();
  const auto cosignature = DecodeCosignature(note->verified[0].signature);
  ASSERT_TRUE(cosignature.ok());
  EXPECT_EQ(cosignature->time_s, 1767139200u);

  const auto checkpoint = ParseCheckpoint(note->text);
  ASSERT_TRUE(checkpoint.ok());
  const std::string row = ReadFile(folder / "tile/0/000") + ReadFile(folder / "tile/0/001.p/44");
  ASSERT_EQ(row.size(), 300 * Hash::kSize);
  merkle::Frontier frontier;
  for (size_t i = 0; i < 300; ++i) frontier.Append(Hash::FromBytes(row.substr(32 * i, 32)));
  EXPECT_EQ(checkpoint->size, TreeSize(300));
  EXPECT_EQ(checkpoint->root, frontier.Root());
}

TEST(CosignatureTest, CosignedNoteOpensWithBothKeys) {
  const SignerKey log = TestKey(kCheckpoint.origin, KeyType::kEd25519);
  const SignerKey witness = TestKey("witness.example", KeyType::kCosignature);
  const std::string text = FormatCheckpoint(kCheckpoint);
  const auto line = Cosign(text, 1764000000, witness);
  ASSERT_TRUE(line.ok()) << line.status();
  const VerifierKey keys[] = {log.verifier(), witness.verifier()};
  const auto note = OpenNote(*SignCheckpoint(kCheckpoint, log) + *line, keys);
  ASSERT_TRUE(note.ok()) << note.status();
  ASSERT_EQ(note->verified.size(), 2u);
  EXPECT_EQ(DecodeCosignature(note->verified[1].signature)->time_s, 1764000000u);
}

TEST(CosignatureTest, TimeIsSigned) {
  const SignerKey witness = TestKey("witness.example", KeyType::kCosignature);
  const std::string text = FormatCheckpoint(kCheckpoint);
  const auto note = ParseNote(text + "\n" + *Cosign(text, 1764000000, witness));
  ASSERT_TRUE(note.ok());
  std::string signature = note->unknown[0].signature;
  EXPECT_TRUE(witness.verifier().Verifies(text, signature));
  signature[7] ^= 1;
  EXPECT_FALSE(witness.verifier().Verifies(text, signature));
}

TEST(CosignatureTest, WrongKeysAndTimesAreRefused) {
  const std::string text = FormatCheckpoint(kCheckpoint);
  EXPECT_EQ(Cosign(text, 1, TestKey("log.example", KeyType::kEd25519)).status().code(),
            absl::StatusCode::kInvalidArgument);
  const SignerKey witness = TestKey("witness.example", KeyType::kCosignature);
  EXPECT_EQ(Cosign(text, uint64_t{1} << 63, witness).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(SignNote(text, witness).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeCosignature(std::string(71, '\0')).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeCosignature(std::string(72, '\xff')).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace graven::note
