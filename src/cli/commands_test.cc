#include "cli/commands.h"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "CLI/CLI.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "io/durable_file.h"
#include "io/file_system.h"

namespace graven::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Ended {
  int exit_code;
  std::string out;
  std::string err;
};

// One command, as a shell would run it.
Ended RunCommand(const std::vector<std::string>& arguments) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  CommandContext context;
  const int exit_code = RunProgram(arguments, context);
  return {exit_code, testing::internal::GetCapturedStdout(),
          testing::internal::GetCapturedStderr()};
}

void ForEachCommand(const CLI::App& app, const std::function<void(const CLI::App&)>& visit) {
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    visit(*command);
    ForEachCommand(*command, visit);
  }
}

TEST(Commands, EveryOneHasAnExampleAndADescription) {
  CommandContext context;
  const auto app = MakeProgram(context);
  int commands = 0;
  ForEachCommand(*app, [&commands](const CLI::App& command) {
    ++commands;
    EXPECT_THAT(command.get_footer(), HasSubstr("Example:\n  ")) << command.get_name();
    EXPECT_THAT(command.get_footer(), HasSubstr("graven ")) << command.get_name();
    EXPECT_FALSE(command.get_description().empty()) << command.get_name();
    for (const CLI::Option* option : command.get_options()) {
      EXPECT_FALSE(option->get_description().empty())
          << command.get_name() << " " << option->get_name();
    }
  });
  EXPECT_GE(commands, 20);
}

TEST(Commands, EveryOneSpeaksToMachines) {
  CommandContext context;
  const auto app = MakeProgram(context);
  int commands = 0;
  ForEachCommand(*app, [&commands](const CLI::App& command) {
    if (!command.get_subcommands(nullptr).empty()) return;
    ++commands;
    EXPECT_NE(command.get_option_no_throw("--json"), nullptr) << command.get_name();
  });
  EXPECT_GE(commands, 20);
}

TEST(Commands, AWrongCommandLineEndsWithTwo) {
  EXPECT_EQ(RunCommand({}).exit_code, 2);
  EXPECT_EQ(RunCommand({"bogus"}).exit_code, 2);
  EXPECT_EQ(RunCommand({"tail", "--bogus"}).exit_code, 2);
  EXPECT_EQ(RunCommand({"tail", "--now"}).exit_code, 2);
  EXPECT_EQ(RunCommand({"show"}).exit_code, 2);
  EXPECT_EQ(RunCommand({"show", "one"}).exit_code, 2);
  EXPECT_EQ(RunCommand({"import", "--format", "csv", "x"}).exit_code, 2);
  EXPECT_EQ(RunCommand({"append", "--actor", "a", "--action", "b", "--at", "noon"}).exit_code, 2);
  EXPECT_EQ(RunCommand({"append", "--actor", "a"}).exit_code, 2);
  for (const std::vector<std::string>& negative :
       std::vector<std::vector<std::string>>{{"tail", "--from", "-1"},
                                             {"tail", "--limit", "-1"},
                                             {"tail", "--last", "-1"},
                                             {"export", "--from", "-1"},
                                             {"export", "--to", "-1"},
                                             {"search", "x", "--limit", "-1"},
                                             {"search", "x", "--size", "-1"},
                                             {"trace", "x", "--limit", "-1"},
                                             {"logs", "create", "x", "--duplicate-window", "-1"}}) {
    const Ended run = RunCommand(negative);
    EXPECT_EQ(run.exit_code, 2) << negative[0];
    EXPECT_THAT(run.out + run.err, HasSubstr("-1")) << negative[0];
  }
  EXPECT_EQ(RunCommand({"receipt", "verify", "file"}).exit_code, 2);
  EXPECT_EQ(RunCommand({"keys", "generate", "two words", "--output", "x"}).exit_code, 2);
  EXPECT_EQ(RunCommand({"verify", "x", "--key", "a+b+c"}).exit_code, 2);
}

TEST(Commands, AFlagThatWouldBeDroppedInSilenceIsNamed) {
  const std::vector<std::vector<std::string>> dropped = {
      {"append", "-", "--expect-last", "00"},   {"append", "-", "--wait", "published"},
      {"append", "-", "--receipt", "rr"},       {"append", "-", "--actor", "zzz"},
      {"append", "-", "--target", "invoice:1"}, {"verify", "x", "--guard", "g"},
      {"verify", ".", "--checkpoint", "c"},     {"verify", "x", "--data", "y"},
  };
  for (const std::vector<std::string>& arguments : dropped) {
    const Ended run = RunCommand(arguments);
    EXPECT_EQ(run.exit_code, 2) << arguments[2];
    EXPECT_THAT(run.err, HasSubstr(arguments[2]));
  }
  EXPECT_EQ(RunCommand({"append", "--count-refused", "--actor", "a", "--action", "b"}).exit_code,
            2);
  EXPECT_EQ(RunCommand({"export", "--json", "--format", "records"}).exit_code, 2);
}

TEST(Commands, AKeyWithAnExportButNoCheckpointIsRefusedSinceItWouldPinNothing) {
  const std::string path = "build/export-test.key";
  std::remove(path.c_str());
  std::string vkey = RunCommand({"keys", "generate", "log.example/a", "--output", path}).out;
  std::remove(path.c_str());
  ASSERT_THAT(vkey, testing::EndsWith("\n"));
  vkey.pop_back();
  const Ended run = RunCommand({"verify", "build/no/such/export", "--key", vkey});
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("--checkpoint"));
}

TEST(Commands, WhatWasTypedWinsOverAnEqualEnvironment) {
  setenv("GRAVEN_SERVER", "127.0.0.1:1", 1);
  setenv("GRAVEN_DATA", "build/no/such/folder", 1);
  const Ended server = RunCommand({"verify", "--server", "127.0.0.1:1"});
  const Ended folder = RunCommand({"verify", "--data", "build/no/such/folder"});
  const Ended neither = RunCommand({"verify"});
  unsetenv("GRAVEN_SERVER");
  unsetenv("GRAVEN_DATA");
  EXPECT_THAT(server.err, HasSubstr("127.0.0.1:1"));
  EXPECT_THAT(folder.err, HasSubstr("build/no/such/folder"));
  EXPECT_THAT(neither.err, HasSubstr("build/no/such/folder"));
}

TEST(Commands, AnExportThatFailsLeavesTheFileThatWasThere) {
  const std::string path = "build/precious.jsonl";
  ASSERT_TRUE(io::WriteFileDurably(io::PosixFileSystem(), path, "precious").ok());
  EXPECT_EQ(RunCommand({"export", "--server", "127.0.0.1:1", "--output", path}).exit_code, 3);
  const auto left = io::ReadWholeFile(io::PosixFileSystem(), path, 100);
  std::remove(path.c_str());
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(*left, "precious");
}

TEST(Commands, AnUnknownCommandIsNamedAtEveryLevel) {
  EXPECT_THAT(RunCommand({"bogus"}).err, HasSubstr("unknown command \"bogus\""));
  EXPECT_THAT(RunCommand({"keys", "bogus"}).err, HasSubstr("unknown command \"bogus\""));
  EXPECT_THAT(RunCommand({"tail", "--bogus"}).err, HasSubstr("--bogus"));
}

TEST(Commands, AWrongCommandLineIsJsonForMachines) {
  for (const char* wrong : {"--bogus", "word"}) {
    const Ended run = RunCommand({"tail", wrong, "--json"});
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_EQ(run.out, "");
    const Json error = Json::parse(run.err);
    EXPECT_EQ(error["error"]["code"], "INVALID_ARGUMENT");
    EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr(wrong));
  }
}

TEST(Commands, HelpIsNoError) {
  const Ended run = RunCommand({"receipt", "verify", "--help"});
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.out, HasSubstr("GRAVEN_KEY"));
}

TEST(Commands, WhatCannotBeReachedOrOpenedEndsWithThree) {
  // Port 1 on loopback: nothing of ours listens there.
  EXPECT_EQ(RunCommand({"status", "--server", "127.0.0.1:1"}).exit_code, 3);
  EXPECT_EQ(RunCommand({"verify", "build/no/such/export"}).exit_code, 3);
  EXPECT_EQ(RunCommand({"verify", "--data", "build/no/such/folder"}).exit_code, 3);
  EXPECT_EQ(RunCommand({"keys", "show", "--file", "build/no/such/key"}).exit_code, 3);
}

TEST(Commands, ErrorsAreJsonForMachines) {
  const Ended run = RunCommand({"verify", "build/no/such/export", "--json"});
  EXPECT_EQ(run.out, "");
  const Json error = Json::parse(run.err);
  EXPECT_TRUE(error["error"]["message"].is_string());
  EXPECT_TRUE(error["error"]["code"].is_string());
}

TEST(Commands, ErrorsShowStrangersTextHarmlessly) {
  const Ended run = RunCommand({"verify", "build/\x1b[31mred"});
  EXPECT_THAT(run.err, HasSubstr("\\x1b[31mred"));
  EXPECT_THAT(run.err, Not(HasSubstr("\x1b")));
}

TEST(Commands, AnExportThatIsNoneEndsWithOneAndSaysWhere) {
  std::FILE* file = std::fopen("build/no-export.jsonl", "w");
  ASSERT_NE(file, nullptr);
  std::fputs("{\"record\": \"AAAA\"}\n", file);
  std::fclose(file);
  const Ended run = RunCommand({"verify", "build/no-export.jsonl", "--json"});
  std::remove("build/no-export.jsonl");
  EXPECT_EQ(run.exit_code, 1);
  const Json verdict = Json::parse(run.out);
  EXPECT_EQ(verdict["verdict"], "BAD");
  EXPECT_EQ(verdict["first_bad_index"], 0);
}

TEST(Commands, APrivateKeyIsNeverPrintedAndItsFileIsOursAlone) {
  const std::string path = "build/commands-test.key";
  std::remove(path.c_str());
  const Ended made = RunCommand({"keys", "generate", "log.example/a", "--output", path});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_THAT(made.out, Not(HasSubstr("PRIVATE")));
  EXPECT_THAT(made.out, testing::StartsWith("log.example/a+"));
  const auto info = io::PosixFileSystem().Stat(path);
  ASSERT_TRUE(info.ok());
  EXPECT_EQ(info->mode & 0777, 0600u);
  EXPECT_EQ(RunCommand({"keys", "show", "--file", path}).out, made.out);
  // A second key does not take the place of the first.
  EXPECT_EQ(RunCommand({"keys", "generate", "log.example/a", "--output", path}).exit_code, 3);
  std::remove(path.c_str());
}

TEST(Completion, KnowsEveryCommandAndFlagInEveryShell) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Ended run = RunCommand({"completion", shell});
    EXPECT_EQ(run.exit_code, 0);
    CommandContext context;
    ForEachCommand(*MakeProgram(context), [&](const CLI::App& command) {
      EXPECT_THAT(run.out, HasSubstr(command.get_name())) << shell;
    });
    EXPECT_THAT(run.out, HasSubstr("duplicate-window")) << shell;
    // zsh ties it to PATH.
    EXPECT_THAT(run.out, Not(HasSubstr("path="))) << shell;
  }
}

TEST(Completion, IsAnObjectForMachines) {
  const Json said = Json::parse(RunCommand({"completion", "zsh", "--json"}).out);
  EXPECT_EQ(said["shell"], "zsh");
  EXPECT_EQ(said["script"], RunCommand({"completion", "zsh"}).out);
}

TEST(Version, IsSaidToMachinesToo) {
  EXPECT_TRUE(Json::parse(RunCommand({"version", "--json"}).out)["version"].is_string());
}

}  // namespace
}  // namespace graven::cli
