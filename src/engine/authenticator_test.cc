#include "engine/authenticator.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "base/sha256.h"

namespace graven::engine {
namespace {

std::string Sha256Hex(std::string_view text) { return HexEncode(Sha256(text)); }

class AuthenticatorTest : public testing::Test {
 protected:
  absl::StatusOr<std::string> Identify(const AuthenticationOptions& options,
                                       std::optional<std::string_view> authorization,
                                       std::string_view certificate = "") {
    auto made = Authenticator::Create(options);
    EXPECT_TRUE(made.ok()) << made.status();
    std::string storage;
    auto identity = made->Identify({authorization, certificate}, &storage);
    if (!identity.ok()) return identity.status();
    return std::string(*identity);
  }
};

TEST_F(AuthenticatorTest, EverybodyIsAnonymousWithoutConfiguration) {
  EXPECT_FALSE(Authenticator::Create({})->required());
  EXPECT_EQ(*Identify({}, "Bearer whatever"), "anonymous");
}

TEST_F(AuthenticatorTest, TokenIsKnownByItsHash) {
  AuthenticationOptions options;
  options.tokens = {{Sha256Hex("one"), "first"}, {Sha256Hex("two"), "second"}};
  EXPECT_EQ(*Identify(options, "Bearer two"), "second");
  EXPECT_EQ(*Identify(options, "bearer one"), "first");
  for (const char* wrong : {"Bearer three", "Bearer ", "Bearer", "one", "Basic one", ""}) {
    EXPECT_EQ(Identify(options, wrong).status().code(), absl::StatusCode::kUnauthenticated)
        << wrong;
  }
  EXPECT_EQ(Identify(options, std::nullopt).status().code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(AuthenticatorTest, CertificateIsItsRowOrItsName) {
  AuthenticationOptions options;
  options.client_certificates = true;
  options.certificates = {{"spiffe://x/billing", "billing"}};
  EXPECT_EQ(*Identify(options, std::nullopt, "spiffe://x/billing"), "billing");
  EXPECT_EQ(*Identify(options, std::nullopt, "host.example"), "mtls:host.example");
  EXPECT_EQ(Identify(options, std::nullopt).status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Identify(options, std::nullopt, std::string(260, 'x')).status().code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(AuthenticatorTest, WrongTokenIsNotSavedByACertificate) {
  AuthenticationOptions options;
  options.client_certificates = true;
  options.tokens = {{Sha256Hex("one"), "first"}};
  EXPECT_EQ(*Identify(options, std::nullopt, "host"), "mtls:host");
  EXPECT_EQ(Identify(options, "Bearer no", "host").status().code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(AuthenticatorTest, WrongConfigurationNamesItsRow) {
  AuthenticationOptions options;
  options.tokens = {{"abc", "x"}};
  EXPECT_EQ(Authenticator::Create(options).status().code(), absl::StatusCode::kInvalidArgument);
  options.tokens = {{Sha256Hex("a"), "x"}, {Sha256Hex("a"), "y"}};
  EXPECT_NE(std::string(Authenticator::Create(options).status().message()).find("token[1]"),
            std::string::npos);
  for (const std::string& identity :
       {std::string(), std::string("mtls:x"), std::string(257, 'x'), std::string("\xff")}) {
    options.tokens = {{Sha256Hex("a"), identity}};
    EXPECT_EQ(Authenticator::Create(options).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace graven::engine
