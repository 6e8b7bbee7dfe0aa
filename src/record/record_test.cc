#include "record/record.h"

#include <string>

#include "base/encoding.h"
#include "base/sha256.h"
#include "graven/v1/record.pb.h"
#include "gtest/gtest.h"

namespace graven::record {
namespace {

using namespace std::string_literals;

constexpr std::string_view kOrigin = "example.com/log";

std::string Bytes(const RecordHeader& header) {
  std::string bytes(EncodedSize(header), '\xee');
  EXPECT_EQ(Encode(header, bytes.data()), bytes.data() + bytes.size());
  return bytes;
}

v1::Event GoldenEvent() {
  v1::Event event;
  event.mutable_actor()->set_id("alice");
  event.set_action("invoice.approve");
  event.mutable_occurred_at()->set_seconds(1'690'000'000);
  return event;
}

RecordHeader GoldenHeader(const std::string& body) {
  return {.index = LogIndex(300),
          .received_at_ns = 1'690'000'000'123'456'789,
          .previous_hash = GenesisHash(kOrigin),
          .written_by = "mtls:billing",
          .assigned_event_id = "018979a9-8100-7abc-8def-0123456789ab",
          .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
          .kind = BodyKind::kEvent,
          .body = body};
}

// The bytes that docs/format.md prints.
constexpr std::string_view kGoldenHex =
    "08ac021115cdc4cd0b1674171a201bf19309bcddeed87cbf8b2d43149e3e0f6ae749e35a004755d0"
    "3b0bd6676020220c6d746c733a62696c6c696e672a2430313839373961392d383130302d37616263"
    "2d386465662d303132333435363738396162323730302d3462663932663335373762333464613661"
    "3363653932396430653065343733362d303066303637616130626139303262372d30317a2212070a"
    "05616c6963651a0f696e766f6963652e617070726f76652a060880b5eda506";
constexpr std::string_view kGoldenRecordHashHex =
    "13eafd9ed7a41b2ade9810311118ca75962be4c50bb0cbdebade3eb096fab769";

TEST(Record, GoldenBytes) {
  std::string body = GoldenEvent().SerializeAsString();
  std::string bytes = Bytes(GoldenHeader(body));
  EXPECT_EQ(HexEncode(bytes), kGoldenHex);
  EXPECT_EQ(HexEncode(RecordHash(bytes)), kGoldenRecordHashHex);
  EXPECT_EQ(RecordHash(bytes), Sha256("\0"s + bytes));
}

TEST(Record, EncodesWhatProtobufWrites) {
  std::string body = GoldenEvent().SerializeAsString();
  RecordHeader header = GoldenHeader(body);
  v1::Record record;
  record.set_index(300);
  record.set_received_at(1'690'000'000'123'456'789);
  record.set_previous_hash(std::string(header.previous_hash.view()));
  record.set_written_by(std::string(header.written_by));
  record.set_assigned_event_id(std::string(header.assigned_event_id));
  record.set_traceparent(std::string(header.traceparent));
  *record.mutable_event() = GoldenEvent();
  EXPECT_EQ(Bytes(header), record.SerializeAsString());

  RecordHeader first = {.previous_hash = GenesisHash(kOrigin), .kind = BodyKind::kEntry};
  v1::Record empty;
  empty.set_previous_hash(std::string(first.previous_hash.view()));
  empty.mutable_entry();
  EXPECT_EQ(Bytes(first), empty.SerializeAsString());
}

TEST(Record, DecodeGivesBackEveryField) {
  std::string body = GoldenEvent().SerializeAsString();
  RecordHeader header = GoldenHeader(body);
  std::string bytes = Bytes(header);
  absl::StatusOr<RecordHeader> decoded = Decode(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->index, header.index);
  EXPECT_EQ(decoded->received_at_ns, header.received_at_ns);
  EXPECT_EQ(decoded->previous_hash, header.previous_hash);
  EXPECT_EQ(decoded->written_by, header.written_by);
  EXPECT_EQ(decoded->assigned_event_id, header.assigned_event_id);
  EXPECT_EQ(decoded->traceparent, header.traceparent);
  EXPECT_EQ(decoded->kind, header.kind);
  EXPECT_EQ(decoded->body, header.body);
}

TEST(Record, LargestPartsMakeALegalRecord) {
  std::string body(kBodyBytesMax, 'b');
  std::string name(kWrittenByBytesMax, 'w');
  RecordHeader header = GoldenHeader(body);
  header.index = LogIndex(kLogIndexLimit - 1);
  header.received_at_ns = INT64_MAX;
  header.written_by = name;
  std::string bytes = Bytes(header);
  EXPECT_LE(bytes.size(), kRecordBytesMax);
  EXPECT_TRUE(Decode(bytes).ok());
}

TEST(Record, OtherSpellingsAreInvalid) {
  std::string body = GoldenEvent().SerializeAsString();
  std::string golden = Bytes(GoldenHeader(body));
  std::string hash_field = "\x1a\x20" + std::string(32, 'h');
  auto invalid = [](const std::string& bytes) {
    absl::StatusOr<RecordHeader> decoded = Decode(bytes);
    return decoded.status().code() == absl::StatusCode::kInvalidArgument;
  };
  ASSERT_TRUE(Decode(hash_field + "\x7a\x00"s).ok());
  EXPECT_TRUE(invalid(""));
  EXPECT_TRUE(invalid(golden + "\x7a\x00"s));
  EXPECT_TRUE(invalid("\x08\x00"s + hash_field + "\x7a\x00"s));              // index 0 written out
  EXPECT_TRUE(invalid("\x08\x81\x00"s + hash_field + "\x7a\x00"s));          // over-long index
  EXPECT_TRUE(invalid("\x11\0\0\0\0\0\0\0\0"s + hash_field + "\x7a\x00"s));  // time 0 written out
  EXPECT_TRUE(invalid(hash_field + "\x22\x00\x7a\x00"s));                    // empty text
  EXPECT_TRUE(invalid(hash_field + "\x22\x01\xff\x7a\x00"s));                // not UTF-8
  EXPECT_TRUE(invalid(hash_field + "\x2a\x01x\x22\x01x\x7a\x00"s));          // out of order
  EXPECT_TRUE(invalid(hash_field + "\x3a\x00\x7a\x00"s));                    // a reserved field
  EXPECT_TRUE(invalid(hash_field));                                          // no body
  EXPECT_TRUE(invalid("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s + hash_field + "\x7a\x00"s));
}

TEST(Record, EveryCutAndEveryFlippedFrameByteIsInvalidOrAnotherRecord) {
  std::string body = GoldenEvent().SerializeAsString();
  std::string golden = Bytes(GoldenHeader(body));
  for (size_t size = 0; size < golden.size(); ++size) {
    EXPECT_EQ(Decode(golden.substr(0, size)).status().code(), absl::StatusCode::kInvalidArgument);
  }
  for (size_t at = 0; at < golden.size(); ++at) {
    std::string damaged = golden;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    absl::StatusOr<RecordHeader> decoded = Decode(damaged);
    if (decoded.ok()) {
      EXPECT_EQ(Bytes(*decoded), damaged) << "at " << at;
    }
  }
}

TEST(Record, StrippedRecordIsRestored) {
  std::string body = GoldenEvent().SerializeAsString();
  RecordHeader plain = {.previous_hash = GenesisHash(kOrigin), .body = body};
  for (const RecordHeader& header : {GoldenHeader(body), plain}) {
    std::string bytes = Bytes(header);
    EXPECT_EQ(bytes.substr(PreviousHashOffset(bytes), 32), header.previous_hash.view());
    std::string stripped(bytes.size() - kPreviousHashFieldBytes, '\0');
    EXPECT_EQ(StripPreviousHash(bytes, stripped.data()), stripped.data() + stripped.size());
    std::string restored(bytes.size(), '\0');
    EXPECT_EQ(RestorePreviousHash(stripped, header.previous_hash, restored.data()),
              restored.data() + restored.size());
    EXPECT_EQ(restored, bytes);
  }
}

TEST(Record, RestoringGarbageGivesThatManyBytes) {
  for (const std::string& garbage : {""s, "\x08"s, "\x08\xff"s, "\x11"s, "\x11\x01\x02"s}) {
    std::string restored(garbage.size() + kPreviousHashFieldBytes, '\0');
    EXPECT_EQ(RestorePreviousHash(garbage, Hash(), restored.data()),
              restored.data() + restored.size());
  }
}

TEST(GenesisHash, IsTheHashOfTheOriginBehindItsName) {
  EXPECT_EQ(GenesisHash("a"), Sha256("graven/genesis/v1\na"));
  EXPECT_NE(GenesisHash("a"), GenesisHash("b"));
}

}  // namespace
}  // namespace graven::record
