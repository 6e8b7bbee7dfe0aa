#include "note/keys.h"

#include <filesystem>
#include <fstream>

#include "base/encoding.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "note/ed25519.h"

namespace graven::note {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kVkey =
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

class CountingRandom : public Random {
 public:
  void Fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = next_++;
  }

 private:
  uint8_t next_ = 1;
};

TEST(Ed25519Test, FirstVectorOfRfc8032) {
  const auto key = Ed25519PrivateKey::FromSeed(
      *HexDecode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(HexEncode(key->public_key().bytes()),
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  const std::string signature = key->Sign("");
  EXPECT_EQ(HexEncode(signature),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39"
            "701cf9b46bd25bf5f0595bbe24655141438e7a100b");
  EXPECT_TRUE(key->public_key().Verifies("", signature));
  EXPECT_FALSE(key->public_key().Verifies("x", signature));
  EXPECT_FALSE(key->public_key().Verifies("", signature.substr(1)));
}

TEST(Ed25519Test, WrongLengthsAreNoKeys) {
  EXPECT_FALSE(Ed25519PrivateKey::FromSeed(std::string(31, 'x')).has_value());
  EXPECT_FALSE(Ed25519PublicKey::FromBytes(std::string(33, 'x')).has_value());
}

TEST(KeysTest, VkeyRoundTrips) {
  const auto key = VerifierKey::Parse(kVkey);
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(key->name(), "example.com/foo");
  EXPECT_EQ(key->key_id(), 0x530d903au);
  EXPECT_EQ(key->type(), KeyType::kEd25519);
  EXPECT_EQ(key->Format(), kVkey);
}

TEST(KeysTest, DamagedVkeysAreRefused) {
  EXPECT_EQ(VerifierKey::Parse(std::string("\x01\x02")).status().code(),
            absl::StatusCode::kInvalidArgument);
  for (const char* vkey :
       {"", "+", "++", "example.com/foo", "example.com/foo+530d903a", "example.com/foo+530d903a+",
        "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fop+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k=",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n"}) {
    EXPECT_EQ(VerifierKey::Parse(vkey).status().code(), absl::StatusCode::kInvalidArgument) << vkey;
  }
}

TEST(KeysTest, KeysOfOtherTypesAreUnimplemented) {
  // An ML-DSA-44 key: type 0x06 and 1,312 bytes.
  const std::string raw = "\x06" + std::string(1312, 'k');
  const auto key = VerifierKey::Parse("witness.example+00000000+" + Base64Encode(raw));
  EXPECT_EQ(key.status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(key.status().message()), HasSubstr("0x06"));
}

TEST(KeysTest, GeneratedKeysRoundTripAndSign) {
  CountingRandom random;
  for (const KeyType type : {KeyType::kEd25519, KeyType::kCosignature}) {
    const auto key = SignerKey::Generate("log.example/audit", type, random);
    ASSERT_TRUE(key.ok());
    const auto again = SignerKey::Parse(key->Format());
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->verifier(), key->verifier());
    EXPECT_EQ(again->SignMessage("m"), key->SignMessage("m"));
    const auto verifier = VerifierKey::Parse(key->verifier().Format());
    ASSERT_TRUE(verifier.ok());
    EXPECT_EQ(*verifier, key->verifier());
    EXPECT_EQ(verifier->type(), type);
  }
  EXPECT_EQ(SignerKey::Generate("two words", KeyType::kEd25519, random).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(KeysTest, ErrorsQuoteNothingOfAPrivateKey) {
  CountingRandom random;
  const std::string skey = SignerKey::Generate("log.example", KeyType::kEd25519, random)->Format();
  const std::string secret = skey.substr(skey.rfind('+') + 1);
  for (const std::string& damaged :
       {skey.substr(1), skey + "A", skey + "\n", "PRIVATE+KEY+x" + skey.substr(12)}) {
    const auto key = SignerKey::Parse(damaged);
    EXPECT_EQ(key.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(key.status().message()), Not(HasSubstr(secret.substr(0, 8))));
  }
}

TEST(KeysTest, NamesWithSpacesPlusesOrControlsAreRefused) {
  EXPECT_TRUE(IsKeyName("example.com/log"));
  EXPECT_TRUE(IsKeyName("\xc3\xa9"));
  for (const char* name : {"", " ", "a b", "a+b", "a\tb", "a\nb", "a\x7f", "a\xc2\xa0", "a\xc2\x85",
                           "\xe3\x80\x80", "\xe2\x80\xaf", "\xff", "\xc3"}) {
    EXPECT_FALSE(IsKeyName(name)) << name;
  }
  EXPECT_TRUE(IsKeyName(std::string(255, 'n')));
  EXPECT_FALSE(IsKeyName(std::string(256, 'n')));
}

TEST(KeysTest, PublishedKeys) {
  const std::filesystem::path path = "../shared/vectors/signed_notes.json";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const json vectors = json::parse(std::ifstream(path));
  ASSERT_EQ(vectors["bad_vkeys"].size(), 2u);
  EXPECT_EQ(VerifierKey::Parse(vectors["bad_vkeys"][0]["vkey"].get<std::string>()).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(VerifierKey::Parse(vectors["bad_vkeys"][1]["vkey"].get<std::string>()).status().code(),
            absl::StatusCode::kUnimplemented);
  const std::string skey = vectors["good_skey"]["skey"];
  const auto signer = SignerKey::Parse(skey);
  ASSERT_TRUE(signer.ok());
  EXPECT_EQ(signer->verifier().Format(), vectors["good_skey"]["vkey"]);
  EXPECT_EQ(signer->Format(), skey);
  int keys = 0;
  for (const json& item : vectors["notes"]) {
    const std::string vkey = item["vkey"];
    const auto key = VerifierKey::Parse(vkey);
    ASSERT_TRUE(key.ok()) << vkey << key.status();
    EXPECT_EQ(key->Format(), vkey);
    ++keys;
  }
  EXPECT_EQ(keys, 15);
}

}  // namespace
}  // namespace graven::note
