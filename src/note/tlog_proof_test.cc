#include "note/tlog_proof.h"

#include "base/encoding.h"
#include "gtest/gtest.h"
#include "merkle/leaf.h"
#include "note/receipt_file.h"

namespace graven::note {
namespace {

TlogProof SomeProof() {
  TlogProof proof;
  proof.extra = "anything \n at all";
  proof.index = LogIndex(5);
  proof.hashes = {merkle::HashLeaf("a"), merkle::HashLeaf("b")};
  proof.checkpoint = "log.example\n6\nroot\n\nsignatures\n";
  return proof;
}

TEST(TlogProofTest, GoldenText) {
  TlogProof proof;
  proof.extra = "x";
  proof.index = LogIndex(7);
  proof.hashes = {merkle::EmptyRoot()};
  proof.checkpoint = "note\n";
  EXPECT_EQ(FormatTlogProof(proof),
            "c2sp.org/tlog-proof@v1\nextra eA==\nindex 7\n"
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\nnote\n");
}

TEST(TlogProofTest, TextRoundTrips) {
  TlogProof proof = SomeProof();
  EXPECT_EQ(*ParseTlogProof(FormatTlogProof(proof)), proof);
  proof.extra.reset();
  EXPECT_EQ(*ParseTlogProof(FormatTlogProof(proof)), proof);
  proof.hashes.clear();
  proof.index = LogIndex(0);
  EXPECT_EQ(*ParseTlogProof(FormatTlogProof(proof)), proof);
  proof.hashes.assign(64, merkle::EmptyRoot());
  proof.index = LogIndex(kLogIndexLimit - 1);
  EXPECT_EQ(*ParseTlogProof(FormatTlogProof(proof)), proof);
}

TEST(TlogProofTest, DamagedTextIsInvalid) {
  const std::string head = "c2sp.org/tlog-proof@v1\n";
  const std::string hash = Base64Encode(merkle::EmptyRoot()) + "\n";
  std::string many;
  for (int i = 0; i < 65; ++i) many += hash;
  for (const std::string& text :
       {std::string(), head, head + "index 0\n", head + "index 0\n\n", head + "index 00\n\nnote\n",
        head + "index\n\nnote\n", head + "index 9223372036854775808\n\nnote\n",
        head + "extra !\nindex 0\n\nnote\n", head + "extra eA\nindex 0\n\nnote\n",
        head + "extra eA==\nextra eA==\nindex 0\n\nnote\n", head + "index 0\n" + hash + "note\n",
        head + "index 0\neA==\n\nnote\n", head + "index 0\n" + many + "\nnote\n",
        std::string("c2sp.org/tlog-proof@v2\nindex 0\n\nnote\n"), std::string("index 0\n\nnote\n"),
        " " + head + "index 0\n\nnote\n", head + "\nindex 0\n\nnote\n",
        head + "index 0\r\n\r\nnote\n",
        head + "index 0\n\n" + std::string(kTlogProofBytesMax, 'n')}) {
    EXPECT_EQ(ParseTlogProof(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text.substr(0, 100);
  }
}

TEST(ReceiptFileTest, ReceiptIsATlogProofWithTheRecordInIt) {
  const TlogProof some = SomeProof();
  const std::string file = MakeReceipt("record", some.index, some.hashes, some.checkpoint);
  const auto proof = ParseTlogProof(file);
  ASSERT_TRUE(proof.ok());
  EXPECT_EQ(proof->hashes, some.hashes);
  EXPECT_EQ(proof->checkpoint, some.checkpoint);
  EXPECT_EQ(HexEncode(*proof->extra), "080112067265636f7264");
  const auto extra = DecodeReceiptExtra(*proof->extra);
  ASSERT_TRUE(extra.ok()) << extra.status();
  EXPECT_EQ(*extra, (ReceiptExtra{"record", ""}));
}

TEST(ReceiptFileTest, ExtraRoundTripsWithAToken) {
  const ReceiptExtra extra = {std::string(300, 'r'), "token"};
  EXPECT_EQ(*DecodeReceiptExtra(EncodeReceiptExtra(extra)), extra);
}

TEST(ReceiptFileTest, OtherExtraIsRefused) {
  const std::string good = EncodeReceiptExtra({"record", "token"});
  for (size_t size = 0; size < good.size(); ++size) {
    if (size == 10) continue;  // the end of the record: a receipt without a token
    EXPECT_EQ(DecodeReceiptExtra(good.substr(0, size)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << size;
  }
  EXPECT_EQ(DecodeReceiptExtra(good + "x").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeReceiptExtra(std::string("\x08\x00\x12\x01r", 5)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeReceiptExtra(std::string("\x08\x81\x00\x12\x01r", 6)).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeReceiptExtra("\x12\x01r").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeReceiptExtra("\x08\x02\x12\x01r").status().code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace graven::note
