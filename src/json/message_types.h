#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace google::protobuf {
class DescriptorPool;
class DynamicMessageFactory;
namespace util {
class TypeResolver;
}
}  // namespace google::protobuf

namespace graven::json {

// The message types that JSON is read and written by: those of this program, and those that an
// event's Any may hold. Filled at the start, then only read: thread-safe.
class MessageTypes {
 public:
  MessageTypes();
  ~MessageTypes();
  MessageTypes(const MessageTypes&) = delete;
  MessageTypes& operator=(const MessageTypes&) = delete;

  // Of several types of one name the first holds.
  void Add(std::unique_ptr<google::protobuf::DescriptorPool> pool);

  // By type URL, whatever stands before its last slash.
  google::protobuf::util::TypeResolver* resolver() const;

  // Brings the bytes of a message of the type into their one form (fields ascending, maps by key,
  // unknown fields kept). False, and unchanged: the type is not known, or the bytes are none of it.
  bool Canonicalise(std::string_view type_url, std::string* bytes) const;

 private:
  class Resolver;
  std::vector<std::unique_ptr<google::protobuf::DescriptorPool>> pools_;
  std::unique_ptr<google::protobuf::DynamicMessageFactory> factory_;
  std::unique_ptr<Resolver> resolver_;
};

}  // namespace graven::json
