#include "server/serve.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <sstream>
#include <thread>

#include "graven/v1/audit_log_service.grpc.pb.h"
#include "server/configuration.h"
#include "server/listen_address.h"
#include "upkeep/operational_log.h"

namespace graven::server {
namespace {

using testing::HasSubstr;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

class ServeTest : public testing::Test {
 protected:
  void SetUp() override {
    // In every thread, so that the signal reaches the one that waits for it.
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stops, nullptr);
    folder_ = std::filesystem::temp_directory_path() / ("graven-serve-" + std::to_string(getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    options_.data = folder_ + "/data";
    options_.ready_file = folder_ + "/ready";
    options_.listen = {"127.0.0.1:0", "unix:" + folder_ + "/socket"};
    options_.log_level = "error";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Start() {
    exit_code_ = std::async(std::launch::async, [this] { return RunServer(options_); });
    while (!std::filesystem::exists(options_.ready_file)) {
      ASSERT_NE(exit_code_.wait_for(std::chrono::milliseconds(2)), std::future_status::ready);
    }
  }
  int Stop() {
    kill(getpid(), SIGTERM);
    return exit_code_.get();
  }
  grpc::Status Append(const std::string& address, graven::v1::AppendResponse* response,
                      const google::protobuf::Message* details = nullptr) {
    auto stub = graven::v1::AuditLogService::NewStub(
        grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    graven::v1::AppendRequest request;
    auto* event = request.add_events();
    event->mutable_actor()->set_id("alice");
    event->set_action("test");
    event->mutable_occurred_at()->set_seconds(1);
    if (details != nullptr) event->mutable_details_any()->PackFrom(*details);
    return stub->Append(&context, request, response);
  }

  std::string folder_;
  ServeOptions options_;
  std::future<int> exit_code_;
};

TEST_F(ServeTest, ServesOnEveryAddressAndKeepsTheLogOverACleanStop) {
  Start();
  const std::string ready = ReadAll(options_.ready_file);
  const size_t at = ready.find("127.0.0.1:");
  ASSERT_NE(at, std::string::npos);
  const std::string address = ready.substr(at, ready.find('"', at) - at);
  EXPECT_NE(address, "127.0.0.1:0");
  EXPECT_THAT(ready,
              HasSubstr("\"http\": [], \"logs\": {\"default\": {\"origin\": \"graven.local/"));
  graven::v1::AppendResponse response;
  ASSERT_TRUE(Append(address, &response).ok());
  ASSERT_TRUE(Append("unix:" + folder_ + "/socket", &response).ok());
  EXPECT_EQ(response.receipts(0).index(), 1u);

  // The folder and the socket are taken.
  ServeOptions second = options_;
  second.ready_file.clear();
  second.listen = {"unix:" + folder_ + "/socket"};
  EXPECT_EQ(RunServer(second), 3);
  second.listen = {"unix:" + folder_ + "/other"};
  EXPECT_EQ(RunServer(second), 3);

  EXPECT_EQ(Stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/socket"));
  std::filesystem::remove(options_.ready_file);
  Start();
  ASSERT_TRUE(Append("unix:" + folder_ + "/socket", &response).ok());
  EXPECT_EQ(response.receipts(0).index(), 2u);
  EXPECT_EQ(Stop(), 0);
}

TEST_F(ServeTest, StaleSocketIsRemovedAndAnotherFileIsNot) {
  const std::string path = folder_ + "/socket";
  const int handle = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(handle, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  close(handle);
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_TRUE(UnixSocketLock::Take(path).ok());
  EXPECT_FALSE(std::filesystem::exists(path));
  std::ofstream(path) << "precious";
  EXPECT_EQ(UnixSocketLock::Take(path).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ReadAll(path), "precious");
}

TEST_F(ServeTest, ReadyFileIsThereWhileTheServerIsReadyAndOnlyThen) {
  std::ofstream(options_.ready_file) << "of a server that was killed";
  ServeOptions refused = options_;
  refused.listen = {"unix:" + folder_ + "/no/such/folder"};
  EXPECT_EQ(RunServer(refused), 3);
  EXPECT_FALSE(std::filesystem::exists(options_.ready_file));
  Start();
  EXPECT_THAT(ReadAll(options_.ready_file), HasSubstr("\"pid\""));
  EXPECT_EQ(Stop(), 0);
  EXPECT_FALSE(std::filesystem::exists(options_.ready_file));
}

TEST_F(ServeTest, ReadyFileThatCannotBeWrittenEndsTheServer) {
  options_.ready_file = folder_ + "/no/such/folder/ready";
  EXPECT_EQ(RunServer(options_), 3);
  options_.ready_file = folder_;
  EXPECT_EQ(RunServer(options_), 3);
  EXPECT_TRUE(std::filesystem::is_directory(folder_));
}

TEST_F(ServeTest, FilesThatAreMissingAreNoUsageErrors) {
  options_.config_file = folder_ + "/missing.toml";
  EXPECT_EQ(RunServer(options_), 3);
  options_.config_file = folder_ + "/graven.toml";
  std::ofstream(options_.config_file)
      << "[tls]\ncertificate = '/no/such/file'\nkey = '/no/such/file'\n";
  EXPECT_EQ(RunServer(options_), 3);
}

TEST_F(ServeTest, UnixSocketInNoFolderIsNotCalledAnotherServer) {
  const auto lock = UnixSocketLock::Take(folder_ + "/no/such/folder");
  EXPECT_EQ(lock.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(lock.status().message()), testing::Not(HasSubstr("another server")));
}

TEST_F(ServeTest, NetworkAddressWithoutProtectionIsRefused) {
  options_.listen = {"0.0.0.0:0"};
  EXPECT_EQ(RunServer(options_), 2);
  options_.insecure_listen_on_the_network = true;
  Start();
  EXPECT_EQ(Stop(), 0);
}

// A server with TLS, client certificates and a token; certificates made by the openssl program.
class ServeTlsTest : public ServeTest {
 protected:
  void SetUp() override {
    ServeTest::SetUp();
    const std::string make = "cd " + folder_ + R"( && {
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=ca \
        -keyout ca.key -out ca.crt
      for name in server client; do
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name \
          -keyout $name.key -out $name.csr
        echo "subjectAltName=DNS:$name.test" > $name.ext
        openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 \
          -extfile $name.ext -out $name.crt
      done; } >openssl.log 2>&1)";
    if (std::system(make.c_str()) != 0) GTEST_SKIP() << "the openssl program is not here";
    options_.listen = {"127.0.0.1:0"};
    options_.config_file = folder_ + "/graven.toml";
    std::ofstream(options_.config_file)
        << "[tls]\ncertificate = '" << folder_ << "/server.crt'\nkey = '" << folder_
        << "/server.key'\nclient_ca = '" << folder_ << "/ca.crt'\n"
        << "[[client]]\nname = 'client.test'\nidentity = 'billing'\n";
  }

  // Who the server says has written, or the code of its refusal.
  std::string WriterSeen(bool with_certificate, const std::string& token) {
    const std::string ready = ReadAll(options_.ready_file);
    const size_t at = ready.find("127.0.0.1:");
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = ReadAll(folder_ + "/ca.crt");
    if (with_certificate) {
      tls.pem_private_key = ReadAll(folder_ + "/client.key");
      tls.pem_cert_chain = ReadAll(folder_ + "/client.crt");
    }
    grpc::ChannelArguments arguments;
    arguments.SetSslTargetNameOverride("server.test");
    auto stub = graven::v1::AuditLogService::NewStub(grpc::CreateCustomChannel(
        ready.substr(at, ready.find('"', at) - at), grpc::SslCredentials(tls), arguments));
    grpc::ClientContext context, get_context;
    for (grpc::ClientContext* one : {&context, &get_context}) {
      if (!token.empty()) one->AddMetadata("authorization", "Bearer " + token);
    }
    graven::v1::AppendRequest request;
    auto* event = request.add_events();
    event->mutable_actor()->set_id("alice");
    event->set_action("test");
    event->mutable_occurred_at()->set_seconds(1);
    graven::v1::AppendResponse response;
    const grpc::Status status = stub->Append(&context, request, &response);
    if (!status.ok()) return std::to_string(status.error_code());
    graven::v1::GetRecordRequest get;
    get.set_index(response.receipts(0).index());
    get.set_want_parsed(true);
    graven::v1::GetRecordResponse got;
    EXPECT_TRUE(stub->GetRecord(&get_context, get, &got).ok());
    return got.record().parsed().written_by();
  }
};

TEST_F(ServeTlsTest, CertificateIsTheIdentityAndWithoutOneThereIsNoConnection) {
  Start();
  EXPECT_EQ(WriterSeen(true, ""), "billing");
  EXPECT_EQ(WriterSeen(false, ""), std::to_string(grpc::StatusCode::UNAVAILABLE));
  EXPECT_EQ(Stop(), 0);
}

TEST_F(ServeTlsTest, WithTokensEitherWillDo) {
  std::ofstream(options_.config_file, std::ios::app)
      << "[[token]]\nsha256 = '2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b'\n"
      << "identity = 'batch'\n";  // "secret"
  Start();
  EXPECT_EQ(WriterSeen(true, ""), "billing");
  EXPECT_EQ(WriterSeen(false, "secret"), "batch");
  EXPECT_EQ(WriterSeen(false, ""), std::to_string(grpc::StatusCode::UNAUTHENTICATED));
  EXPECT_EQ(Stop(), 0);
}

// An event's Any may be of the types that the operator gave, and of no other.
TEST_F(ServeTest, AnyOfAnUnknownTypeIsRefusedAndOfAGivenOneTaken) {
  google::protobuf::FileDescriptorSet set;
  for (const google::protobuf::FileDescriptor* file :
       {google::protobuf::Timestamp::descriptor()->file(),
        graven::v1::Target::descriptor()->file()}) {
    for (int i = 0; i < file->dependency_count(); ++i) file->dependency(i)->CopyTo(set.add_file());
    file->CopyTo(set.add_file());
  }
  // Each file once, dependencies first.
  google::protobuf::FileDescriptorSet once;
  std::set<std::string> seen;
  for (const auto& file : set.file()) {
    if (seen.insert(file.name()).second) *once.add_file() = file;
  }
  const std::string path = folder_ + "/types.binpb";
  {
    std::ofstream out(path, std::ios::binary);
    ASSERT_TRUE(once.SerializeToOstream(&out));
  }
  const std::string address = "unix:" + folder_ + "/socket";
  const auto append = [&] {
    graven::v1::Target target;
    target.set_id("t");
    graven::v1::AppendResponse response;
    return Append(address, &response, &target).error_code();
  };
  Start();
  EXPECT_EQ(append(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Stop(), 0);
  std::filesystem::remove(options_.ready_file);
  options_.descriptor_sets = {path};
  Start();
  EXPECT_EQ(append(), grpc::StatusCode::OK);
  EXPECT_EQ(Stop(), 0);
  options_.descriptor_sets = {folder_ + "/garbage"};
  EXPECT_EQ(RunServer(options_), 3);  // it is not there
  std::ofstream(folder_ + "/garbage") << "no descriptor set";
  EXPECT_EQ(RunServer(options_), 2);
}

TEST(ListenAddress, KnowsWhatIsLocal) {
  for (const char* local : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "localhost:1", "unix:/a"}) {
    EXPECT_TRUE(IsLocal(*ParseListenAddress(local))) << local;
  }
  for (const char* open : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1"}) {
    EXPECT_FALSE(IsLocal(*ParseListenAddress(open))) << open;
  }
  for (const char* wrong : {"", "7465", ":1", "host", "host:", "host:99999", "::1:1", "unix:"}) {
    EXPECT_EQ(ParseListenAddress(wrong).status().code(), absl::StatusCode::kInvalidArgument)
        << wrong;
  }
}

TEST(Configuration, UnknownKeyAndWrongTypeAreNamed) {
  struct Case {
    const char* text;
    const char* named;
  };
  for (const Case& c :
       {Case{"dat = 'x'", "dat"}, Case{"[limits]\nqueue = 1", "limits.queue"},
        Case{"listen = 'x'", "listen"}, Case{"[[token]]\nsha = 'x'", "token[0].sha"},
        Case{"[logging]\nlevel = 'loud'", "logging.level"},
        Case{"[limits]\nqueue_bytes = -1", "limits.queue_bytes"},
        Case{"[tls]\ncertificate = 'x'", "tls.certificate"}, Case{"a = ", ":1:"}}) {
    const auto parsed = ParseConfiguration(c.text, "file.toml");
    ASSERT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(c.named));
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("file.toml"));
  }
}

TEST(Configuration, ExampleInDeployIsRead) {
  const auto parsed = ParseConfiguration(ReadAll("deploy/graven.toml"), "deploy/graven.toml");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->data, "/var/lib/graven");
  EXPECT_EQ(parsed->limits.journal_files, Limits().journal_files);
}

TEST(OperationalLog, JsonTextEscapes) {
  EXPECT_EQ(upkeep::JsonText("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
}

}  // namespace
}  // namespace graven::server
