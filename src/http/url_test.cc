#include "http/url.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/address_rule.h"

namespace graven::http {
namespace {

TEST(UrlTest, PartsComeOutAndGoBack) {
  const auto url = ParseUrl("https://Example.com:8443/a/b?c=d");
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(*url, (Url{true, "example.com", 8443, "/a/b?c=d"}));
  EXPECT_EQ(FormatUrl(*url), "https://example.com:8443/a/b?c=d");
  EXPECT_EQ(ParseUrl("http://h")->target, "/");
  EXPECT_EQ(ParseUrl("http://h?q")->target, "/?q");
  EXPECT_EQ(ParseUrl("http://h")->port, 80);
  EXPECT_EQ(FormatUrl(*ParseUrl("http://[::1]:80/x")), "http://[::1]/x");
}

TEST(UrlTest, AnythingElseIsRefused) {
  for (const char* text :
       {"", "ftp://h/", "http://", "http:///x", "http://u@h/", "http://h:0/", "http://h:65536/",
        "http://h:x/", "http://h/#f", "http://h/ x", "http://h/\r\nX: y", "http://[::1/",
        "http://[nonsense]/", "http://h\\x/", "http://h%41/", "//h/", "http://h:80:80/",
        "http://[::1]x/", "http://\xC3\xBC/"})
    EXPECT_EQ(ParseUrl(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  EXPECT_EQ(ParseUrl("http://h/" + std::string(kUrlBytesMax, 'a')).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(AddressRuleTest, OnlyTheInternetAtLargeIsPublic) {
  for (const char* address : {"1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1",
                              "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"})
    EXPECT_TRUE(IsPublicAddress(address)) << address;
  for (const char* address : {"0.0.0.0",
                              "10.1.2.3",
                              "100.64.0.1",
                              "127.0.0.1",
                              "127.255.255.255",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.1",
                              "192.0.2.1",
                              "192.168.0.1",
                              "198.18.0.1",
                              "198.51.100.1",
                              "203.0.113.1",
                              "224.0.0.1",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "::ffff:127.0.0.1",
                              "::ffff:10.0.0.1",
                              "::127.0.0.1",
                              "64:ff9b::7f00:1",
                              "2002:7f00:1::",
                              "2001::1",
                              "2001:db8::1",
                              "3fff::1",
                              "fc00::1",
                              "fd12::1",
                              "fe80::1",
                              "fe80::1%eth0",
                              "ff02::1",
                              "localhost",
                              "",
                              "1.1.1",
                              "0x7f.1"})
    EXPECT_FALSE(IsPublicAddress(address)) << address;
}

TEST(UrlEncode, WhatCouldMeanSomethingElseIsPercentEncoded) {
  EXPECT_EQ(UrlEncode("log.example/a+3f69+Af1="), "log.example%2Fa%2B3f69%2BAf1%3D");
  EXPECT_EQ(UrlEncode("(a:b*) ~-_.&#%?\xC3\xA9"), "(a:b*)%20~-_.%26%23%25%3F%C3%A9");
}

}  // namespace
}  // namespace graven::http
