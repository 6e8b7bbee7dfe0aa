#include "note/policy.h"

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/encoding.h"
#include "base/random.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "merkle/leaf.h"
#include "note/cosignature.h"
#include "note/note.h"

namespace graven::note {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PolicyTest : public testing::Test {
 protected:
  std::string VkeyOf(std::string_view name) { return Key(name).verifier().Format(); }

  SignerKey& Key(std::string_view name) {
    const auto found = keys_.find(name);
    if (found != keys_.end()) return found->second;
    return keys_.emplace(name, *SignerKey::Generate(name, KeyType::kCosignature, SystemRandom()))
        .first->second;
  }

  std::string Witnesses(int count) {
    std::string text;
    for (int i = 1; i <= count; ++i) {
      text += fmt::format("witness w{0} {1} https://w{0}.example/\n", i,
                          VkeyOf(fmt::format("w{}.example", i)));
    }
    return text;
  }

  void ExpectRefused(const std::string& text, const std::string& why) {
    const auto policy = Policy::Parse(text);
    EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(policy.status().message()), HasSubstr(why)) << text;
  }

  std::map<std::string, SignerKey, std::less<>> keys_;
  const SignerKey log_ =
      *SignerKey::Generate("log.example/audit", KeyType::kEd25519, SystemRandom());
};

TEST_F(PolicyTest, QuorumOfGroupsIsCounted) {
  const auto policy = Policy::Parse(
      fmt::format("# who we believe\n\nlog {} https://log.example/\n{}group near any w1 w2\n"
                  "group\tfar  2 w3 w4 w5\ngroup both all near far\nquorum both\n",
                  log_.verifier().Format(), Witnesses(5)));
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_EQ(policy->logs().size(), 1);
  EXPECT_EQ(policy->logs()[0].url, "https://log.example/");
  EXPECT_EQ(policy->witnesses()[4].url, "https://w5.example/");
  EXPECT_TRUE(policy->wants_witnesses());
  for (unsigned set = 0; set < 32; ++set) {
    std::vector<bool> cosigned(5);
    for (int i = 0; i < 5; ++i) cosigned[i] = (set >> i & 1) != 0;
    const bool near = cosigned[0] || cosigned[1];
    const bool far = cosigned[2] + cosigned[3] + cosigned[4] >= 2;
    EXPECT_EQ(policy->IsMetBy(cosigned), near && far) << set;
  }
}

TEST_F(PolicyTest, QuorumOfNoneIsMetByNobody) {
  const auto policy = Policy::Parse(Witnesses(1) + "quorum none\n");
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_FALSE(policy->wants_witnesses());
  EXPECT_TRUE(policy->IsMetBy({false}));
}

TEST_F(PolicyTest, WrongLinesAreNamed) {
  ExpectRefused("", "there is no quorum line");
  ExpectRefused("quorum none", "line feed");
  ExpectRefused("quorum none\nquorum none\n", "line 2: there is a quorum line already");
  ExpectRefused("quorum w1\n", "line 1: quorum: w1 is not defined above");
  ExpectRefused("quorum w1\n" + Witnesses(1), "quorum: w1 is not defined above");
  ExpectRefused("quorum none\r\n", "byte 0x0d");
  ExpectRefused("quorum none # no\n", "not of the form");
  ExpectRefused("friends w1\n", "is none of log, witness");
  ExpectRefused("log nonsense\nquorum none\n", "line 1: vkey: key: not of the form");
  ExpectRefused("log " + VkeyOf("w1.example") + "\nquorum none\n", "is no log's key");
  ExpectRefused(fmt::format("witness w {}\nquorum w\n", log_.verifier().Format()),
                "is no witness's key");
  ExpectRefused(fmt::format("witness none {}\nquorum none\n", VkeyOf("a")), "reserved");
  ExpectRefused(fmt::format("witness a {}\nwitness a {}\nquorum a\n", VkeyOf("a"), VkeyOf("b")),
                "line 2: name: a is there twice");
  ExpectRefused(fmt::format("witness a {0}\nwitness b {0}\nquorum a\n", VkeyOf("a")),
                "the same public key is there twice");
  ExpectRefused(Witnesses(2) + "group g 3 w1 w2\nquorum g\n",
                "threshold: must be any, all, or 1 to 2");
  ExpectRefused(Witnesses(2) + "group g 0 w1 w2\nquorum g\n", "threshold");
  ExpectRefused(Witnesses(2) + "group g 01 w1 w2\nquorum g\n", "threshold");
  ExpectRefused(Witnesses(2) + "group g any w1 w1\nquorum g\n", "member: w1 is a member already");
  ExpectRefused(Witnesses(2) + "group g any w1\ngroup h any w1 w2\nquorum h\n", "member already");
  ExpectRefused(Witnesses(2) + "group g any g\nquorum g\n", "member: g is not defined above");
  ExpectRefused(Witnesses(1) + "group g any\nquorum g\n", "not of the form");
  ExpectRefused(Witnesses(kPolicyWitnessesMax + 1) + "quorum none\n", "more than 64 witnesses");
  ExpectRefused(std::string(kPolicyBytesMax, '\n') + "\n", "at most 1000000");
}

TEST_F(PolicyTest, SameKeyUnderAnotherNameIsRefused) {
  // Key ids differ with the name, the key itself does not: it would be counted twice.
  const VerifierKey& key = Key("a.example").verifier();
  const VerifierKey renamed("b.example", KeyType::kCosignature,
                            *Ed25519PublicKey::FromBytes(key.bytes()));
  ExpectRefused(
      fmt::format("witness a {}\nwitness b {}\nquorum a\n", key.Format(), renamed.Format()),
      "line 2: vkey: the same public key");
}

TEST_F(PolicyTest, WitnessOfAKeyTypeUnknownHereNeverCosigns) {
  const std::string pq = "pq.example+00000000+" + Base64Encode("\x06" + std::string(1312, 'k'));
  const auto policy = Policy::Parse(
      fmt::format("witness pq {}\n{}group g any pq w1\nquorum g\n", pq, Witnesses(1)));
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_FALSE(policy->witnesses()[0].key.has_value());
  EXPECT_EQ(policy->WitnessKeys().size(), 1);
  EXPECT_TRUE(policy->IsMetBy({false, true}));
}

class OpenCosignedTest : public PolicyTest {
 protected:
  void SetUp() override {
    policy_ = *Policy::Parse(Witnesses(3) + "group two 2 w1 w2 w3\nquorum two\n");
    note_ = *SignCheckpoint(checkpoint_, log_);
  }

  std::string Line(std::string_view name, uint64_t time_s) {
    return *Cosign(FormatCheckpoint(checkpoint_), time_s, Key(name));
  }

  absl::StatusOr<CosignedCheckpoint> Open(const std::string& note) {
    return OpenCosigned(note, std::span(&log_.verifier(), 1), policy_);
  }

  const Checkpoint checkpoint_ = {"log.example/audit", TreeSize(7), merkle::HashLeaf("x"), {}};
  Policy policy_;
  std::string note_;
};

TEST_F(OpenCosignedTest, CosignaturesOfTheQuorumAreCounted) {
  auto opened = Open(note_ + Line("w1.example", 100) + Line("stranger.example", 3));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_FALSE(opened->meets_quorum);
  EXPECT_THAT(opened->unknown_signers, ElementsAre("stranger.example"));
  opened = Open(note_ + Line("w3.example", 9) + Line("w1.example", 100));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(opened->meets_quorum);
  EXPECT_THAT(opened->cosigners,
              ElementsAre(Cosigner{"w3.example", 9, 2}, Cosigner{"w1.example", 100, 0}));
  EXPECT_EQ(opened->checkpoint, checkpoint_);
}

TEST_F(OpenCosignedTest, TwoCosignaturesOfOneWitnessAreOne) {
  const auto opened = Open(note_ + Line("w1.example", 100) + Line("w1.example", 200));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_FALSE(opened->meets_quorum);
}

TEST_F(OpenCosignedTest, CosignatureWithoutATimeIsNotCounted) {
  const auto opened = Open(note_ + Line("w1.example", 0) + Line("w2.example", 200));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_FALSE(opened->meets_quorum);
}

TEST_F(OpenCosignedTest, WrongCosignatureOfAKnownWitnessIsDataLoss) {
  Checkpoint other = checkpoint_;
  other.size = TreeSize(8);
  const std::string line = *Cosign(FormatCheckpoint(other), 100, Key("w1.example"));
  EXPECT_EQ(Open(note_ + line).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(OpenCosignedTest, CosignaturesWithoutTheLogsAreUnauthenticated) {
  const std::string text = FormatCheckpoint(checkpoint_) + "\n";
  EXPECT_EQ(Open(text + Line("w1.example", 1) + Line("w2.example", 2)).status().code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(OpenCosignedTest, CheckpointOfAnotherOriginThanItsKeysIsInvalid) {
  Checkpoint other = checkpoint_;
  other.origin = "log.example/other";
  EXPECT_EQ(Open(*SignNote(FormatCheckpoint(other), log_)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace graven::note
