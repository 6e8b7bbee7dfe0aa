#include "server/any_types.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <fstream>
#include <memory>
#include <utility>

#include "base/status_macros.h"

namespace graven::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using record::Check;
using record::FieldRule;
using record::WireType;

struct WireRule {
  WireType wire;
  Check check;
};

WireRule RuleOf(const FieldDescriptor& field) {
  switch (field.type()) {
    case FieldDescriptor::TYPE_DOUBLE:
    case FieldDescriptor::TYPE_FIXED64:
    case FieldDescriptor::TYPE_SFIXED64:
      return {WireType::kFixed64, Check::kNone};
    case FieldDescriptor::TYPE_FLOAT:
    case FieldDescriptor::TYPE_FIXED32:
    case FieldDescriptor::TYPE_SFIXED32:
      return {WireType::kFixed32, Check::kNone};
    case FieldDescriptor::TYPE_INT64:
    case FieldDescriptor::TYPE_UINT64:
    case FieldDescriptor::TYPE_SINT64:
      return {WireType::kVarint, Check::kNone};
    case FieldDescriptor::TYPE_INT32:
    case FieldDescriptor::TYPE_ENUM:
      return {WireType::kVarint, Check::kInt32};
    case FieldDescriptor::TYPE_UINT32:
    case FieldDescriptor::TYPE_SINT32:
      return {WireType::kVarint, Check::kUint32};
    case FieldDescriptor::TYPE_BOOL:
      return {WireType::kVarint, Check::kBool};
    case FieldDescriptor::TYPE_STRING:
      return {WireType::kBytes, Check::kUtf8};
    case FieldDescriptor::TYPE_MESSAGE:
      return {WireType::kBytes, Check::kMessage};
    case FieldDescriptor::TYPE_BYTES:
    case FieldDescriptor::TYPE_GROUP:
      break;
  }
  return {WireType::kBytes, Check::kNone};
}

absl::Status DefineType(const Descriptor& type, record::SchemaSet* types) {
  std::vector<FieldRule> rows;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.type() == FieldDescriptor::TYPE_GROUP) {
      return absl::InvalidArgumentError(
          fmt::format("{} is a group; events hold none", field.full_name()));
    }
    const WireRule wire = RuleOf(field);
    FieldRule row;
    row.number = static_cast<uint32_t>(field.number());
    row.name = field.name();
    row.wire = wire.wire;
    row.check = wire.check;
    // A required string of proto2 may be empty.
    row.required = field.is_required() && field.type() != FieldDescriptor::TYPE_STRING;
    row.repeated = field.is_repeated();
    row.has_presence = field.has_presence() && field.type() != FieldDescriptor::TYPE_MESSAGE;
    row.unique_keys = field.is_map();
    row.unordered = field.is_map();
    if (const auto* oneof = field.real_containing_oneof();
        oneof != nullptr && oneof->index() < 31) {
      row.oneof = static_cast<uint8_t>(oneof->index() + 1);
    }
    if (field.message_type() != nullptr) {
      row.message = types->Declare(field.message_type()->full_name());
    }
    rows.push_back(row);
  }
  absl::Status defined = types->Define(type.full_name(), std::move(rows), true);
  // Two files may bring the same type; well-known ones are there from the start.
  if (!defined.ok() && !absl::IsAlreadyExists(defined)) return defined;
  for (int i = 0; i < type.nested_type_count(); ++i) {
    RETURN_IF_ERROR(DefineType(*type.nested_type(i), types));
  }
  return absl::OkStatus();
}

absl::Status AddFile(const std::string& path, record::SchemaSet* types,
                     json::MessageTypes* messages) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("{}: cannot be read", path));
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromIstream(&file)) {
    return absl::InvalidArgumentError(fmt::format("{}: is not a FileDescriptorSet", path));
  }
  auto pool = std::make_unique<google::protobuf::DescriptorPool>();
  for (const google::protobuf::FileDescriptorProto& proto : set.file()) {
    const google::protobuf::FileDescriptor* built = pool->BuildFile(proto);
    if (built == nullptr) {
      return absl::InvalidArgumentError(
          fmt::format("{}: {} does not stand on its own; make the set with --include_imports", path,
                      proto.name()));
    }
    for (int i = 0; i < built->message_type_count(); ++i) {
      RETURN_IF_ERROR(DefineType(*built->message_type(i), types));
    }
  }
  messages->Add(std::move(pool));
  return absl::OkStatus();
}

}  // namespace

absl::Status AddDescriptorSets(const std::vector<std::string>& files, record::SchemaSet* types,
                               json::MessageTypes* messages) {
  for (const std::string& file : files) RETURN_IF_ERROR(AddFile(file, types, messages));
  if (const std::string_view missing = types->FirstUndefined(); !missing.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("descriptor sets: {} is used and not defined", missing));
  }
  return absl::OkStatus();
}

}  // namespace graven::server
