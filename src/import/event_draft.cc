#include "base/encoding.h"
#include "base/sha256.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/message.h"
#include "import/converter.h"
#include "record/rules.h"

namespace graven::import {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// At most `bytes_max` bytes, cut between two characters.
std::string_view CutText(std::string_view text, size_t bytes_max) {
  size_t end = bytes_max;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

class Clipper {
 public:
  const std::string& names() const { return names_; }

  void Clip(const record::MessageSchema& schema, const std::string& prefix, Message* message) {
    for (const record::FieldRule& rule : schema.fields) {
      const FieldDescriptor* field =
          message->GetDescriptor()->FindFieldByNumber(static_cast<int>(rule.number));
      if (field == nullptr || rule.oneof != 0) continue;
      std::string name = prefix + std::string(rule.name);
      if (rule.check == record::Check::kMessage) {
        ClipMessages(rule, *field, name, message);
      } else if (rule.check == record::Check::kUtf8 && rule.bytes_max != 0 &&
                 rule.fact != record::Fact::kEventId) {
        ClipText(rule, *field, name, message);
      }
    }
  }

 private:
  void ClipMessages(const record::FieldRule& rule, const FieldDescriptor& field,
                    const std::string& name, Message* message) {
    const Reflection& reflection = *message->GetReflection();
    if (!rule.repeated) {
      if (reflection.HasField(*message, &field)) {
        Clip(*rule.message, name + ".", reflection.MutableMessage(message, &field));
      }
      return;
    }
    if (rule.count_max != 0 &&
        reflection.FieldSize(*message, &field) > static_cast<int>(rule.count_max)) {
      Note(name);
      while (reflection.FieldSize(*message, &field) > static_cast<int>(rule.count_max)) {
        reflection.RemoveLast(message, &field);
      }
    }
    for (int i = 0; i < reflection.FieldSize(*message, &field); ++i) {
      Clip(*rule.message, name + ".", reflection.MutableRepeatedMessage(message, &field, i));
    }
  }

  void ClipText(const record::FieldRule& rule, const FieldDescriptor& field,
                const std::string& name, Message* message) {
    const Reflection& reflection = *message->GetReflection();
    std::string scratch;
    const std::string& text = reflection.GetStringReference(*message, &field, &scratch);
    if (text.size() <= rule.bytes_max) return;
    Note(name);
    reflection.SetString(message, &field, std::string(CutText(text, rule.bytes_max)));
  }

  void Note(const std::string& name) {
    if (names_.find(name) != std::string::npos) return;
    if (!names_.empty()) names_ += ",";
    names_ += name;
  }

  std::string names_;
};

}  // namespace

void SetTime(record::TimePoint time, v1::Event* event) {
  event->mutable_occurred_at()->set_seconds(time.seconds);
  event->mutable_occurred_at()->set_nanos(time.nanos);
}

void AddLabel(std::string_view key, std::string_view value, v1::Event* event) {
  if (value.empty()) return;
  v1::Label* label = event->add_labels();
  label->set_key(std::string(key));
  label->set_value(std::string(value));
}

google::protobuf::Value* Original(v1::Event* event) {
  return &(*event->mutable_details_struct()->mutable_fields())["original"];
}

void ClipToLimits(v1::Event* event) {
  Clipper clipper;
  clipper.Clip(record::kEventSchema, "", event);
  AddLabel("import.clipped", clipper.names(), event);
}

void ReplaceByDigest(std::string_view original, v1::Event* event) {
  google::protobuf::Struct digest;
  (*digest.mutable_fields())["sha256"].set_string_value(HexEncode(Sha256(original)));
  (*digest.mutable_fields())["bytes"].set_number_value(static_cast<double>(original.size()));
  google::protobuf::Struct* details = event->mutable_details_struct();
  details->clear_fields();
  *(*details->mutable_fields())["original_digest"].mutable_struct_value() = digest;
  AddLabel("import.digested", "true", event);
}

std::string SerializeDeterministic(const v1::Event& event) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    event.SerializeToCodedStream(&coded);
  }
  return bytes;
}

}  // namespace graven::import
