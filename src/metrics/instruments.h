#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

// The table of everything that is measured: the one place where a metric gets its name.
// docs/metrics.md is made from it, and a Registry refuses what is not in it.
//
// Thread: constants.
namespace graven::metrics {

enum class Kind { kCounter, kGauge, kHistogram };

// What the raw numbers of a histogram are, and so what one of them is worth in the shown unit.
enum class Scale { kOne, kNanosecondsAsSeconds };

struct Instrument {
  std::string_view name;  // as Prometheus shows it: base units, counters end in _total
  Kind kind;
  std::string_view labels;  // names, separated by commas; "" for none
  std::string_view help;    // one sentence
  // Of a histogram: its buckets end at the powers of two from 2^first_power to 2^last_power.
  int first_power = 0;
  int last_power = 0;
  Scale scale = Scale::kOne;
};

// --- events on their way ---
extern const Instrument kAppendRequests;
extern const Instrument kAppendEvents;
extern const Instrument kAcceptedToDurable;
extern const Instrument kDurableToPublished;
extern const Instrument kPublishedToCosigned;
extern const Instrument kBatchEvents;
extern const Instrument kBatchBytes;
extern const Instrument kSync;
extern const Instrument kQueueBytes;
extern const Instrument kSlowAppends;

// --- logs ---
extern const Instrument kLogs;
extern const Instrument kLogPublishedRecords;
extern const Instrument kLogDurableRecords;
extern const Instrument kLogReadOnly;
extern const Instrument kCheckpointTime;
extern const Instrument kCheckpointsSigned;
extern const Instrument kCosignatureTime;
extern const Instrument kWitnessState;
extern const Instrument kWitnessSubmissions;
extern const Instrument kTimeStamps;
extern const Instrument kTimeStampTime;

// --- readers ---
extern const Instrument kTailers;
extern const Instrument kTailerLag;
extern const Instrument kSearches;
extern const Instrument kLiveFilters;
extern const Instrument kLiveFilterRecords;
extern const Instrument kIndexBehind;
extern const Instrument kIndexFilesReplaced;
extern const Instrument kAlertsRaised;
extern const Instrument kAlertNotJudged;
extern const Instrument kAlertLag;
extern const Instrument kAlertStandsStill;
extern const Instrument kAlertNoticesWaiting;
extern const Instrument kAlertNoticesLeftOut;
extern const Instrument kAlertDeliveriesFailed;

// --- HTTP ---
extern const Instrument kHttpAnswers;
extern const Instrument kHttpConnections;
extern const Instrument kHttpEvicted;

// --- state and disk ---
extern const Instrument kBuildInfo;
extern const Instrument kWriteState;
extern const Instrument kJournalBytes;
extern const Instrument kJournalBytesMax;
extern const Instrument kUnsealedRecords;
extern const Instrument kDuplicateTableBytes;
extern const Instrument kDuplicateTableBytesMax;
extern const Instrument kDiskFreeBytes;
extern const Instrument kDiskReserveBytes;
extern const Instrument kDiskForecast;

// --- what is looked at again ---
extern const Instrument kScrubBytes;
extern const Instrument kScrubRecords;
extern const Instrument kScrubRounds;
extern const Instrument kScrubProgress;
extern const Instrument kScrubRoundTime;
extern const Instrument kScrubFindings;
extern const Instrument kProducerFindings;

// --- the process ---
extern const Instrument kProcessCpu;
extern const Instrument kProcessResident;
extern const Instrument kProcessVirtual;
extern const Instrument kProcessOpenFds;
extern const Instrument kProcessMaxFds;
extern const Instrument kProcessStartTime;
extern const Instrument kSeriesDropped;

// All of them, in the order of the page.
std::span<const Instrument* const> AllInstruments();

// docs/metrics.md.
std::string MetricsPage();

}  // namespace graven::metrics
