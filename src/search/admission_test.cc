#include "search/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/error_details.h"

namespace graven::search {
namespace {

using ::testing::HasSubstr;

TEST(Admission, HasPlacesForEverybodyAndForEach) {
  Admission admission({.places_max = 3, .places_per_peer_max = 2});
  absl::StatusOr<Admission::Ticket> first = admission.Admit("ann");
  absl::StatusOr<Admission::Ticket> second = admission.Admit("ann");
  ASSERT_TRUE(first.ok() && second.ok());
  absl::Status refused = admission.Admit("ann").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(engine::ReasonOf(refused), engine::reason::kTooManySearches);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("2 searches of yours run"));
  absl::StatusOr<Admission::Ticket> third = admission.Admit("bob");
  ASSERT_TRUE(third.ok());
  refused = admission.Admit("eve").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("3 searches run"));
  first->reset();
  EXPECT_TRUE(admission.Admit("eve").ok());
  EXPECT_EQ(admission.running(), 2U);
}

TEST(Admission, APeerIsItsIdentityOrItsAddressByWhateverDoor) {
  EXPECT_EQ(PeerName("ann", "ipv4:10.0.0.1:77"), "ann");
  for (const char* address : {"ipv4:10.0.0.1:77", "10.0.0.1:5", "[::ffff:10.0.0.1]:5",
                              "ipv6:%5B::ffff:10.0.0.1%5D:77", "ipv6:[::ffff:a00:1]:77"}) {
    EXPECT_EQ(PeerName("anonymous", address), "10.0.0.1") << address;
  }
  for (const char* address :
       {"[2001:db8::1]:77", "ipv6:%5B2001:db8::2%5D:9", "[2001:db8:0:0:ffff::]:1"}) {
    EXPECT_EQ(PeerName("", address), "2001:db8::/64") << address;
  }
  EXPECT_EQ(PeerName("", "[fe80::1%eth0]:77"), "fe80::/64");
  EXPECT_EQ(PeerName("", "ipv6:%5Bfe80::2%25eth0%5D:77"), "fe80::/64");
  EXPECT_NE(PeerName("", "[2001:db8:0:1::1]:77"), PeerName("", "[2001:db8::1]:77"));
  EXPECT_EQ(PeerName("anonymous", "unix:/run/x:y"), PeerName("", "unix"));
  EXPECT_EQ(PeerName("", "nowhere"), "nowhere");
  EXPECT_EQ(PeerName("", ""), "");
}

}  // namespace
}  // namespace graven::search
