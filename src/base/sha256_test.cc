#include "base/sha256.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/sha256_stream.h"

namespace graven {
namespace {

// The oracle: OpenSSL through its public interface, which our code does not use.
Hash Oracle(const std::string& data) {
  Hash hash;
  unsigned size = 0;
  EVP_Digest(data.data(), data.size(), hash.bytes.data(), &size, EVP_sha256(), nullptr);
  return hash;
}

std::string Pattern(size_t size, uint8_t seed) {
  std::string data(size, '\0');
  for (size_t i = 0; i < size; ++i) data[i] = static_cast<char>(i * 131 + seed);
  return data;
}

TEST(Sha256, EveryLengthToThousandAgreesWithOpenSsl) {
  for (size_t size = 0; size <= 1000; ++size) {
    std::string data = Pattern(size, static_cast<uint8_t>(size));
    EXPECT_EQ(HexEncode(Sha256(data)), HexEncode(Oracle(data))) << size;
    EXPECT_EQ(HexEncode(Sha256Prefixed(0, data)), HexEncode(Oracle(std::string(1, '\0') + data)))
        << size;
  }
}

TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(HexEncode(Sha256("")),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(HexEncode(Sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, PiecesOfAnyLengthAgreeWithTheWhole) {
  const std::string data = Pattern(1000, 3);
  for (const size_t piece : {1, 7, 63, 64, 65, 1000}) {
    Sha256Stream stream;
    for (size_t at = 0; at < data.size(); at += piece) {
      stream.Add(std::string_view(data).substr(at, piece));
    }
    EXPECT_EQ(stream.Finish(), Sha256(data)) << piece;
  }
  EXPECT_EQ(Sha256Stream().Finish(), Sha256(""));
}

TEST(Sha256, NodesAgreeOneByOneAndInPlace) {
  for (size_t pairs = 0; pairs < 20; ++pairs) {
    std::vector<Hash> children;
    for (size_t i = 0; i < 2 * pairs; ++i) children.push_back(Sha256(Pattern(i, 7)));
    std::vector<Hash> want;
    for (size_t i = 0; i < pairs; ++i) {
      want.push_back(Oracle("\x01" + std::string(children[2 * i].view()) +
                            std::string(children[2 * i + 1].view())));
      EXPECT_EQ(Sha256Node(children[2 * i], children[2 * i + 1]), want[i]);
    }
    Sha256Nodes(children.data(), pairs, children.data());
    children.resize(pairs);
    EXPECT_EQ(children, want);
  }
}

}  // namespace
}  // namespace graven
