// Runs the simulation: `crash_simulation [--points N | --seconds N | --seed S] [--first S]
// [--twice]
// [--quiet]`. Exits 0 when every promise held and everything worth counting happened; 1 when not; 2
// for wrong usage.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/random.h"
#include "simulation.h"
#include "world.h"

namespace graven::crash {
namespace {

constexpr uint64_t kPointsDefault = 2000;

struct Arguments {
  std::optional<uint64_t> points;
  std::optional<uint64_t> seconds;
  std::optional<uint64_t> seed;
  std::optional<uint64_t> first;
  bool twice = false;
  bool quiet = false;
};

bool Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--twice") {
      arguments->twice = true;
    } else if (name == "--quiet") {
      arguments->quiet = true;
    } else {
      std::optional<uint64_t>* value = name == "--points"    ? &arguments->points
                                       : name == "--seconds" ? &arguments->seconds
                                       : name == "--seed"    ? &arguments->seed
                                       : name == "--first"   ? &arguments->first
                                                             : nullptr;
      if (value == nullptr || ++i == argc) return false;
      *value = ParseDecimal(argv[i]);
      if (!*value) return false;
    }
  }
  return true;
}

// An impossible state ends the process by itself; this says in which run.
void OnAbort(int) {
  std::fflush(stdout);
  std::fprintf(stderr, "seed %llu: the process was ended\n  replay it: ./dev crash --seed %llu\n",
               static_cast<unsigned long long>(g_seed_under_way),
               static_cast<unsigned long long>(g_seed_under_way));
  std::_Exit(1);
}

uint64_t RunOnce(uint64_t seed, Tally& tally, bool told, bool traced) {
  g_seed_under_way = seed;
  Simulation simulation(seed, tally, told, traced);
  simulation.Run();
  return simulation.fingerprint();
}

int RunSeed(uint64_t seed, bool quiet) {
  Tally tally;
  RunOnce(seed, tally, !quiet, true);
  std::printf("seed %llu: %llu points, every promise held\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(tally.points));
  return 0;
}

int RunMany(const Arguments& arguments) {
  const uint64_t points =
      arguments.seconds ? UINT64_MAX : arguments.points.value_or(kPointsDefault);
  const int64_t until_ns =
      arguments.seconds
          ? SystemClock().SteadyNs() + static_cast<int64_t>(*arguments.seconds) * 1'000'000'000
          : INT64_MAX;
  // For so many seconds it looks where nobody has looked before; for so many points always at the
  // same.
  uint64_t seed = arguments.first.value_or(arguments.seconds ? SystemRandom().Uint64() >> 24 : 1);
  Tally tally;
  const int64_t begun_ns = SystemClock().SteadyNs();
  for (; tally.points < points && SystemClock().SteadyNs() < until_ns; ++seed) {
    const uint64_t fingerprint = RunOnce(seed, tally, false, arguments.twice);
    if (!arguments.twice) continue;
    Tally again;
    if (RunOnce(seed, again, false, true) != fingerprint) {
      ReportViolation("the run is not a function of its seed");
    }
  }
  const double seconds = static_cast<double>(SystemClock().SteadyNs() - begun_ns) / 1e9;
  std::fputs(fmt::format("{} crash points in {} runs, {:.1f} s, every promise held\n", tally.points,
                         tally.runs, seconds)
                 .c_str(),
             stdout);
  if (!arguments.quiet) std::fputs(Describe(tally).c_str(), stdout);
  // Two runs of each seed compare them, and are too few to meet everything.
  const std::string missing = arguments.twice ? "" : Missing(tally);
  if (missing.empty()) return 0;
  std::fputs(("these never happened:\n" + missing).c_str(), stdout);
  return 1;
}

}  // namespace
}  // namespace graven::crash

int main(int argc, char** argv) {
  graven::crash::Arguments arguments;
  if (!graven::crash::Parse(argc, argv, &arguments)) {
    std::fputs(
        "usage: crash_simulation [--points N | --seconds N | --seed S] [--first S] [--twice] "
        "[--quiet]\n",
        stderr);
    return 2;
  }
  std::signal(SIGABRT, graven::crash::OnAbort);
  std::signal(SIGSEGV, graven::crash::OnAbort);
  if (arguments.seed) return graven::crash::RunSeed(*arguments.seed, arguments.quiet);
  return graven::crash::RunMany(arguments);
}
