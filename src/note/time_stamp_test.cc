#include "note/time_stamp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/encoding.h"

namespace graven::note {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kNonce = 7;
constexpr std::string_view kText =
    "example.com/log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";

// Made with `openssl ts -reply` for the query that MakeTimeStampQuery(kText, kNonce) must make; the
// authority's certificate, of 200 days, is in it.
constexpr std::string_view kReply =
    "MIIDzjADAgEAMIIDxQYJKoZIhvcNAQcCoIIDtjCCA7ICAQMxDzANBglghkgBZQMEAgEFADCBnwYLKoZIhvcNAQkQ"
    "AQSggY8EgYwwgYkCAQEGBCoDBAEwMTANBglghkgBZQMEAgEFAAQgSVEiXsdGf3w6wcrvx9+TG8lFyb6b3XpFt/yP"
    "hrNHiHECAQIYDzIwMjYxMTI2MDM1NzE4WjADAgEBAQH/AgEHoCykKjAoMRAwDgYDVQQKDAdFeGFtcGxlMRQwEgYD"
    "VQQDDAtUaW1lIHN0YW1wc6CCAb0wggG5MIIBX6ADAgECAhRYHsgF+w7alwIW7oJIceDnI41vYTAKBggqhkjOPQQD"
    "AjAXMRUwEwYDVQQDDAxFeGFtcGxlIHJvb3QwHhcNMjYxMTI2MDM1NzE4WhcNMjcwNjE0MDM1NzE4WjAoMRAwDgYD"
    "VQQKDAdFeGFtcGxlMRQwEgYDVQQDDAtUaW1lIHN0YW1wczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABD2js7RJ"
    "SnJWyqeLlBT5lGciX5l/c7+o01tWVU+d4+pKZMvBuFB8UulLdY/1nv5XnX70tJWjqloAtoC5hqB0JACjeDB2MAwG"
    "A1UdEwEB/wQCMAAwDgYDVR0PAQH/BAQDAgeAMBYGA1UdJQEB/wQMMAoGCCsGAQUFBwMIMB0GA1UdDgQWBBRQx2NR"
    "RGcxn+Yu/JT/XEvMW0aRezAfBgNVHSMEGDAWgBTdkLGF574u7YIRcdOv+uVm4JjECjAKBggqhkjOPQQDAgNIADBF"
    "AiA767ewgTbn4tB/N+kaQtyhFSQwknlCQsN+u2UGxQqsQQIhAKRsflSqzHbaLJ2NDUiMnFLhOIaIKdj5J7fIwAsd"
    "f9VGMYIBNzCCATMCAQEwLzAXMRUwEwYDVQQDDAxFeGFtcGxlIHJvb3QCFFgeyAX7DtqXAhbugkhx4OcjjW9hMA0G"
    "CWCGSAFlAwQCAQUAoIGYMBoGCSqGSIb3DQEJAzENBgsqhkiG9w0BCRABBDAcBgkqhkiG9w0BCQUxDxcNMjYxMTI2"
    "MDM1NzE4WjArBgsqhkiG9w0BCRACDDEcMBowGDAWBBR4Bh1sPsfuX31yHCxL0FtmNAfH7jAvBgkqhkiG9w0BCQQx"
    "IgQgNF1J1ba/viGUbXmBp4FOP4B38Mm8+SJYkRufKLgb6NIwCgYIKoZIzj0EAwIERzBFAiEAt+K8vqLZvcjzeEpX"
    "1lDL1doK8lQto8R8UudwbcIxji0CIHlm3NJAhxgHTilaUdh9qGMIgqggV55ZNxK8AVmnpWi+";
// The same authority's to a query for SHA-512, which it does not take.
constexpr std::string_view kRefusal =
    "MDcwNQIBAjAsDCpNZXNzYWdlIGRpZ2VzdCBhbGdvcml0aG0gaXMgbm90IHN1cHBvcnRlZC4DAgeA";
constexpr std::string_view kRoot =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBczCCARigAwIBAgIUCOyarUuz/nsfevTZUZdbmpaEK78wCgYIKoZIzj0EAwIw\n"
    "FzEVMBMGA1UEAwwMRXhhbXBsZSByb290MB4XDTI2MTEyNjAzNTYzNloXDTI3MTIz\n"
    "MTAzNTYzNlowFzEVMBMGA1UEAwwMRXhhbXBsZSByb290MFkwEwYHKoZIzj0CAQYI\n"
    "KoZIzj0DAQcDQgAEAadsP0Mx4xWuMxV0X0QbHbp4hCyGgdun9nW8R/PrXlfA2KX0\n"
    "kzOMhqlPOydgKnZt9JzVBKW+oG/JFyKovZ73GqNCMEAwDwYDVR0TAQH/BAUwAwEB\n"
    "/zAOBgNVHQ8BAf8EBAMCAgQwHQYDVR0OBBYEFN2QsYXnvi7tghFx06/65WbgmMQK\n"
    "MAoGCCqGSM49BAMCA0kAMEYCIQCdXVi7whpmdyrfdD0HxU34NL9dsquLdr0VJ/hP\n"
    "tHgVZwIhAMMxbeQ73vX5o54gP4zDZiwKST2fnjQA17OEt5bG5RXX\n"
    "-----END CERTIFICATE-----\n";
constexpr std::string_view kOtherRoot =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbjCCARSgAwIBAgIUBHdkJdKpR4L+wvzrjOxYFYUv0mYwCgYIKoZIzj0EAwIw\n"
    "FTETMBEGA1UEAwwKT3RoZXIgcm9vdDAeFw0yNjExMjYwMzU2MzdaFw0yNzEyMzEw\n"
    "MzU2MzdaMBUxEzARBgNVBAMMCk90aGVyIHJvb3QwWTATBgcqhkjOPQIBBggqhkjO\n"
    "PQMBBwNCAAQGoM4Klp/z5KuJwmKQ2MfEjEb/TwCvrocu+KWeWqrLPZ7H55Pwinpi\n"
    "BwbOz6Mc3fvSaphkkD4vFoOyUCeg3MhVo0IwQDAPBgNVHRMBAf8EBTADAQH/MA4G\n"
    "A1UdDwEB/wQEAwICBDAdBgNVHQ4EFgQUlzLOQaRIbgPr5kNk9Xdt2Pv0vBYwCgYI\n"
    "KoZIzj0EAwIDSAAwRQIgZjnoZoX5ACB3Lj6qk+SmnMCPrk/Gs1aHlnS9G5iHNsUC\n"
    "IQDyBnNc2GeiBfbJHxslS+zUQzPgrooe1IEZ6aEN7kykXg==\n"
    "-----END CERTIFICATE-----\n";
constexpr std::string_view kAuthority =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBuTCCAV+gAwIBAgIUWB7IBfsO2pcCFu6CSHHg5yONb2EwCgYIKoZIzj0EAwIw\n"
    "FzEVMBMGA1UEAwwMRXhhbXBsZSByb290MB4XDTI2MTEyNjAzNTcxOFoXDTI3MDYx\n"
    "NDAzNTcxOFowKDEQMA4GA1UECgwHRXhhbXBsZTEUMBIGA1UEAwwLVGltZSBzdGFt\n"
    "cHMwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ9o7O0SUpyVsqni5QU+ZRnIl+Z\n"
    "f3O/qNNbVlVPnePqSmTLwbhQfFLpS3WP9Z7+V51+9LSVo6paALaAuYagdCQAo3gw\n"
    "djAMBgNVHRMBAf8EAjAAMA4GA1UdDwEB/wQEAwIHgDAWBgNVHSUBAf8EDDAKBggr\n"
    "BgEFBQcDCDAdBgNVHQ4EFgQUUMdjUURnMZ/mLvyU/1xLzFtGkXswHwYDVR0jBBgw\n"
    "FoAU3ZCxhee+Lu2CEXHTr/rlZuCYxAowCgYIKoZIzj0EAwIDSAAwRQIgO+u3sIE2\n"
    "5+LQfzfpGkLcoRUkMJJ5QkLDfrtlBsUKrEECIQCkbH5Uqsx22iydjQ1IjJxS4TiG\n"
    "iCnY+Se3yMALHX/VRg==\n"
    "-----END CERTIFICATE-----\n";

std::string Decoded(std::string_view text) { return *Base64Decode(text); }

std::string Token() { return *TakeTimeStampReply(Decoded(kReply), kText, kNonce); }

std::string Words(const absl::Status& status) { return std::string(status.message()); }

TEST(TimeStampTest, GoldenQuery) {
  EXPECT_EQ(HexEncode(MakeTimeStampQuery(kText, kNonce)),
            "303c0201013031300d0609608648016503040201050004204951225ec7467f7c3ac1caefc7df931bc945c9"
            "be9bdd7a45b7fc8f86b34788710201070101ff");
}

TEST(TimeStampTest, TextOfANoteEndsBeforeItsSignatures) {
  EXPECT_EQ(TextOfNote("a\n1\nb\n\n\u2014 a AAAA\n"), "a\n1\nb\n");
  EXPECT_EQ(TextOfNote("no note"), "no note");
}

// The certificates end within 400 days of the token; the test does not.
TEST(TimeStampTest, TokenHoldsUnderItsRootAtItsOwnTime) {
  const auto stamp = CheckTimeStamp(Token(), kText, kRoot);
  ASSERT_TRUE(stamp.ok()) << stamp.status();
  EXPECT_EQ(stamp->time_s, 1795665438);
  EXPECT_EQ(stamp->authority, "CN=Time stamps,O=Example");
  EXPECT_EQ(stamp->policy, "1.2.3.4.1");
  EXPECT_EQ(stamp->serial, "02");
  EXPECT_TRUE(CheckTimeStamp(Token(), kText, std::string(kOtherRoot) + std::string(kRoot)).ok());
  EXPECT_TRUE(CheckTimeStamp(Token(), kText, kAuthority).ok()) << "it is trusted itself";
}

TEST(TimeStampTest, TokenOfAnotherRootIsUnauthenticated) {
  const absl::Status status = CheckTimeStamp(Token(), kText, kOtherRoot).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(Words(status), HasSubstr("certificate verify error"));
}

TEST(TimeStampTest, TokenOverAnotherTextIsDataLoss) {
  EXPECT_EQ(CheckTimeStamp(Token(), "example.com/log\n2\n", kRoot).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(TimeStampTest, FlippedByteNeverChangesWhatATokenSays) {
  const std::string token = Token();
  const auto whole = CheckTimeStamp(token, kText, kRoot);
  ASSERT_TRUE(whole.ok()) << whole.status();
  size_t refused = 0;
  for (size_t i = 0; i < token.size(); ++i) {
    std::string flipped = token;
    flipped[i] ^= 1;
    const auto stamp = CheckTimeStamp(flipped, kText, kRoot);
    if (!stamp.ok()) {
      ++refused;
      continue;
    }
    // Something that nothing signs.
    EXPECT_EQ(stamp->time_s, whole->time_s) << i;
    EXPECT_EQ(stamp->serial, whole->serial) << i;
  }
  EXPECT_GT(refused, token.size() * 9 / 10);
}

TEST(TimeStampTest, ReplyToAnotherQuestionIsRefused) {
  const std::string reply = Decoded(kReply);
  const std::string longer(kTimeStampReplyBytesMax + 1, '0');
  const auto code = [](std::string_view bytes, std::string_view text, uint64_t nonce) {
    return TakeTimeStampReply(bytes, text, nonce).status().code();
  };
  EXPECT_EQ(code(reply, kText, kNonce + 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(reply, "x", kNonce), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(reply + "x", kText, kNonce), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code("", kText, kNonce), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(longer, kText, kNonce), absl::StatusCode::kInvalidArgument);
}

TEST(TimeStampTest, RefusalIsToldWithTheWordsOfTheAuthority) {
  const absl::Status status = TakeTimeStampReply(Decoded(kRefusal), kText, kNonce).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(Words(status), HasSubstr("not supported"));
}

TEST(TimeStampTest, WhatIsNoTokenOrNoCertificateIsNamed) {
  EXPECT_THAT(Words(CheckTimeStamp("token", kText, kRoot).status()), HasSubstr("is none"));
  for (std::string_view pem : {"", "-----BEGIN CERTIFICATE-----\n"}) {
    const absl::Status status = CheckTimeStamp(Token(), kText, pem).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(Words(status), HasSubstr("trusted certificates"));
    EXPECT_FALSE(CheckTrustedCertificates(pem).ok());
  }
  EXPECT_TRUE(CheckTrustedCertificates(kRoot).ok());
}

}  // namespace
}  // namespace graven::note
