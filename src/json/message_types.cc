#include "json/message_types.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <utility>

#include "fmt/format.h"

namespace graven::json {
namespace {

using google::protobuf::DescriptorPool;

constexpr char kPrefix[] = "type.googleapis.com";

std::string TypeName(std::string_view type_url) {
  const size_t slash = type_url.rfind('/');
  return std::string(slash == std::string_view::npos ? type_url : type_url.substr(slash + 1));
}

}  // namespace

// Asks one pool after the other.
class MessageTypes::Resolver final : public google::protobuf::util::TypeResolver {
 public:
  void Add(const DescriptorPool* pool) {
    pools_.emplace_back(google::protobuf::util::NewTypeResolverForDescriptorPool(kPrefix, pool));
  }

  google::protobuf::util::Status ResolveMessageType(const std::string& type_url,
                                                    google::protobuf::Type* type) override {
    return Ask(type_url, [type](TypeResolver& pool, const std::string& url) {
      return pool.ResolveMessageType(url, type);
    });
  }
  google::protobuf::util::Status ResolveEnumType(const std::string& type_url,
                                                 google::protobuf::Enum* type) override {
    return Ask(type_url, [type](TypeResolver& pool, const std::string& url) {
      return pool.ResolveEnumType(url, type);
    });
  }

 private:
  template <typename Question>
  google::protobuf::util::Status Ask(const std::string& type_url, Question question) {
    const std::string url = fmt::format("{}/{}", kPrefix, TypeName(type_url));
    google::protobuf::util::Status status;
    for (const auto& pool : pools_) {
      status = question(*pool, url);
      if (status.ok()) break;
    }
    return status;
  }

  std::vector<std::unique_ptr<google::protobuf::util::TypeResolver>> pools_;
};

MessageTypes::MessageTypes()
    : factory_(std::make_unique<google::protobuf::DynamicMessageFactory>()),
      resolver_(std::make_unique<Resolver>()) {
  resolver_->Add(DescriptorPool::generated_pool());
}

MessageTypes::~MessageTypes() = default;

google::protobuf::util::TypeResolver* MessageTypes::resolver() const { return resolver_.get(); }

void MessageTypes::Add(std::unique_ptr<DescriptorPool> pool) {
  resolver_->Add(pool.get());
  pools_.push_back(std::move(pool));
}

bool MessageTypes::Canonicalise(std::string_view type_url, std::string* bytes) const {
  const std::string name = TypeName(type_url);
  const auto* type = DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  for (const auto& pool : pools_) {
    if (type == nullptr) type = pool->FindMessageTypeByName(name);
  }
  if (type == nullptr) return false;
  const std::unique_ptr<google::protobuf::Message> message(factory_->GetPrototype(type)->New());
  if (!message->ParsePartialFromString(*bytes)) return false;
  std::string canonical;
  {
    google::protobuf::io::StringOutputStream stream(&canonical);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message->SerializePartialToCodedStream(&out);
  }
  *bytes = std::move(canonical);
  return true;
}

}  // namespace graven::json
