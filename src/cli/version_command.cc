#include "CLI/CLI.hpp"
#include "cli/commands.h"
#include "cli/version.h"
#include "console/table.h"
#include "fmt/format.h"
#include "google/protobuf/stubs/common.h"
#include "grpcpp/grpcpp.h"
#include "openssl/crypto.h"

namespace graven::cli {
using console::FieldList;

namespace {

CommandResult PrintVersion(CommandContext& context) {
  const std::string protobuf = google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION);
  const std::string openssl = OpenSSL_version(OPENSSL_VERSION_STRING);
  if (context.json()) {
    context.PrintJson({{"version", kVersion},
                       {"data_folder_format", 1},
                       {"api", "graven.v1"},
                       {"grpc", grpc::Version()},
                       {"protobuf", protobuf},
                       {"openssl", openssl}});
    return ExitCode::kDone;
  }
  context.out().Line(fmt::format("graven {}", kVersion));
  FieldList fields;
  fields.Add("data folder", "format 1");
  fields.Add("API", "graven.v1");
  fields.Add("libraries",
             fmt::format("gRPC {}, Protobuf {}, OpenSSL {}", grpc::Version(), protobuf, openssl));
  fields.WriteTo(context.out());
  return ExitCode::kDone;
}

}  // namespace

void AddVersionCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand("version", "The version of this program");
  command->footer("Example:\n  graven version --json");
  context.AddJson(*command);
  context.OnRun(*command, [&context] { return PrintVersion(context); });
}

}  // namespace graven::cli
