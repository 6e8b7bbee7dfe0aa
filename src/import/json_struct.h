#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "google/protobuf/struct.pb.h"

namespace graven::import {

// A JSON object as a Struct that a record can hold.
struct JsonObject {
  google::protobuf::Struct fields;
  bool too_deep = false;  // what nests deeper than a record may has been left out
};

// Reads one JSON object (RFC 8259; UTF-8; nothing behind it but white space). A number that a
// double does not hold, an integer beyond 2^53 or more than 17 digits, becomes its text.
// kInvalidArgument: not one JSON object, or two members of one name in an object; says where.
absl::StatusOr<JsonObject> ParseJsonObject(std::string_view text);

// The member at a path of names, or nothing. `FindText` gives "" for what is absent or no string.
const google::protobuf::Value* Find(const google::protobuf::Struct& object,
                                    std::initializer_list<std::string_view> path);
std::string_view FindText(const google::protobuf::Struct& object,
                          std::initializer_list<std::string_view> path);

}  // namespace graven::import
