#include "metrics/instruments.h"

namespace graven::metrics {

const Instrument kAppendRequests{
    "graven_append_requests_total", Kind::kCounter, "result,reason",
    "Requests to append, by result (ok, refused) and the ErrorInfo reason of a refusal."};
const Instrument kAppendEvents{"graven_append_events_total", Kind::kCounter, "result",
                               "Events of accepted requests: appended, or duplicate."};
const Instrument kAcceptedToDurable{"graven_accepted_to_durable_seconds",
                                    Kind::kHistogram,
                                    "",
                                    "From a request's acceptance until its events survive power "
                                    "loss, one sample a request.",
                                    15,
                                    34,
                                    Scale::kNanosecondsAsSeconds};
const Instrument kDurableToPublished{
    "graven_durable_to_published_seconds",
    Kind::kHistogram,
    "",
    "From the first batch that a publication covers until its checkpoints are signed, one sample a "
    "publication.",
    15,
    34,
    Scale::kNanosecondsAsSeconds};
const Instrument kPublishedToCosigned{
    "graven_published_to_cosigned_seconds",
    Kind::kHistogram,
    "",
    "From a checkpoint's signature until it meets the witness quorum, one sample a checkpoint.",
    20,
    36,
    Scale::kNanosecondsAsSeconds};
const Instrument kBatchEvents{"graven_batch_events",
                              Kind::kHistogram,
                              "",
                              "Events of one batch, that is, of one sync.",
                              0,
                              16};
const Instrument kBatchBytes{
    "graven_batch_bytes", Kind::kHistogram, "", "Bytes of the events of one batch.", 8, 24};
const Instrument kSync{"graven_sync_seconds",
                       Kind::kHistogram,
                       "",
                       "Appending one batch to the journal and syncing it.",
                       15,
                       34,
                       Scale::kNanosecondsAsSeconds};
const Instrument kQueueBytes{"graven_queue_bytes", Kind::kGauge, "",
                             "Bytes of events that are accepted and not yet taken into a batch."};
const Instrument kSlowAppends{
    "graven_slow_appends_total", Kind::kCounter, "",
    "Requests that took longer to become durable than --slow-append-ms; 0 while that is off."};

const Instrument kLogs{"graven_logs", Kind::kGauge, "", "Logs of this server."};
const Instrument kLogPublishedRecords{"graven_log_published_records", Kind::kGauge, "log",
                                      "Records that the newest checkpoint covers."};
const Instrument kLogDurableRecords{"graven_log_durable_records", Kind::kGauge, "log",
                                    "Records that survive power loss."};
const Instrument kLogReadOnly{"graven_log_read_only", Kind::kGauge, "log",
                              "1: stored bytes contradict what was acknowledged; 0: all is well."};
const Instrument kCheckpointTime{
    "graven_checkpoint_timestamp_seconds", Kind::kGauge, "log",
    "When the newest checkpoint was signed; its age is time() minus this. An idle log signs none."};
const Instrument kCheckpointsSigned{"graven_checkpoints_signed_total", Kind::kCounter, "",
                                    "Checkpoints signed since the start."};
const Instrument kCosignatureTime{"graven_cosignature_timestamp_seconds", Kind::kGauge, "log",
                                  "When the witness quorum was last met."};
const Instrument kWitnessState{"graven_witness_up", Kind::kGauge, "witness",
                               "1: the witness answered the last submission with a cosignature."};
const Instrument kWitnessSubmissions{"graven_witness_submissions_total", Kind::kCounter,
                                     "witness,result",
                                     "Checkpoints submitted to a witness, by what came of it."};
const Instrument kTimeStamps{"graven_time_stamps_total", Kind::kCounter, "result",
                             "Questions to the time stamp authority: kept, or failed."};
const Instrument kTimeStampTime{"graven_time_stamp_timestamp_seconds", Kind::kGauge, "log",
                                "What the newest time stamp says, by the authority's clock."};

const Instrument kTailers{"graven_tailers", Kind::kGauge, "",
                          "Open Tail and StreamAuditLogs calls."};
const Instrument kTailerLag{"graven_tailer_lag_records", Kind::kGauge, "",
                            "Published records that the slowest of them has still to be sent."};

const Instrument kHttpAnswers{"graven_http_answers_total", Kind::kCounter, "status",
                              "Answers over HTTP, by the class of their status: 2xx to 5xx."};
const Instrument kHttpConnections{"graven_http_connections", Kind::kGauge, "",
                                  "Open connections of HTTP."};
const Instrument kHttpEvicted{
    "graven_http_connections_evicted_total", Kind::kCounter, "",
    "Connections that were closed to make room: idle ones, or those of slow peers."};
const Instrument kSearches{"graven_searches", Kind::kGauge, "",
                           "Searches that run now, those that follow a log among them."};
const Instrument kLiveFilters{"graven_live_filters", Kind::kGauge, "",
                              "Different queries that logs are followed with now."};
const Instrument kLiveFilterRecords{
    "graven_live_filter_records_total", Kind::kCounter, "",
    "Records that those queries judged: each once, however many follow with the same one."};
const Instrument kIndexBehind{"graven_index_behind_records", Kind::kGauge, "",
                              "Published records that the search index does not have yet: every "
                              "search reads them. Of each log some thousand always are."};
const Instrument kIndexFilesReplaced{
    "graven_index_files_replaced_total", Kind::kCounter, "",
    "Files of the search index that were damaged, gone, of other records or of another format."};
const Instrument kAlertsRaised{"graven_alerts_total", Kind::kCounter, "alert",
                               "Alerts raised, by the rule's name."};
const Instrument kAlertNotJudged{"graven_alert_records_not_judged_total", Kind::kCounter, "alert",
                                 "Records that the rule stepped over, because they are damaged."};
const Instrument kAlertLag{"graven_alert_lag_records", Kind::kGauge, "alert",
                           "Published records that the rule has still to look at."};
const Instrument kAlertStandsStill{"graven_alert_stands_still", Kind::kGauge, "alert,reason",
                                   "1: the rule cannot read the log (read) or tell what it found "
                                   "(tell), and waits until it can; or "
                                   "judges on and cannot keep its place (place). 0: it can."};
const Instrument kAlertNoticesWaiting{"graven_alert_notices_waiting", Kind::kGauge, "",
                                      "Alerts that the webhook has not taken yet."};
const Instrument kAlertNoticesLeftOut{
    "graven_alert_notices_left_out_total", Kind::kCounter, "",
    "Alerts that were only counted for the webhook, because too many waited."};
const Instrument kAlertDeliveriesFailed{"graven_alert_delivery_failures_total", Kind::kCounter, "",
                                        "Tries to reach the webhook that failed."};

const Instrument kBuildInfo{"graven_build_info", Kind::kGauge, "version", "Always 1."};
const Instrument kWriteState{
    "graven_write_state", Kind::kGauge, "state",
    "1 for the state that holds: active, disk_full, read_only, stopped; 0 for the others."};
const Instrument kJournalBytes{"graven_journal_bytes", Kind::kGauge, "",
                               "Bytes of the journal with records that are not yet in segments."};
const Instrument kJournalBytesMax{"graven_journal_bytes_max", Kind::kGauge, "",
                                  "Bytes that the journal may use at most."};
const Instrument kUnsealedRecords{"graven_unsealed_records", Kind::kGauge, "",
                                  "Records that are in the journal only."};
const Instrument kDuplicateTableBytes{"graven_duplicate_table_bytes", Kind::kGauge, "",
                                      "Bytes of the table that finds duplicates."};
const Instrument kDuplicateTableBytesMax{"graven_duplicate_table_bytes_max", Kind::kGauge, "",
                                         "Its cap."};
const Instrument kDiskFreeBytes{"graven_disk_free_bytes", Kind::kGauge, "",
                                "Free bytes of the data device."};
const Instrument kDiskReserveBytes{"graven_disk_reserve_bytes", Kind::kGauge, "",
                                   "Appends are refused when less is free."};
const Instrument kDiskForecast{
    "graven_disk_full_in_seconds", Kind::kGauge, "",
    "When the reserve is reached if the disk goes on filling as in the last hour; +Inf when it "
    "does not fill."};

const Instrument kScrubBytes{"graven_scrub_bytes_total", Kind::kCounter, "",
                             "Bytes that the scrubber has read again."};
const Instrument kScrubRecords{"graven_scrub_records_total", Kind::kCounter, "",
                               "Records that the scrubber has hashed again."};
const Instrument kScrubRounds{"graven_scrub_rounds_total", Kind::kCounter, "",
                              "Times that the scrubber has been through the whole folder."};
const Instrument kScrubProgress{"graven_scrub_progress_ratio", Kind::kGauge, "",
                                "How much of the round under way is done, 0 to 1."};
const Instrument kScrubRoundTime{
    "graven_scrub_round_timestamp_seconds", Kind::kGauge, "",
    "When the last whole round ended; 0 when there was none. Survives restarts."};
const Instrument kScrubFindings{
    "graven_scrub_findings_total", Kind::kCounter, "kind",
    "Damage that the scrubber found: record, file, checkpoint. Any is a reason to page somebody."};
const Instrument kProducerFindings{
    "graven_producer_findings_total", Kind::kCounter, "kind",
    "Gaps, repeats and missing ends of producers' sequences in what was published since the start, "
    "by the producers' own word."};

const Instrument kProcessCpu{"process_cpu_seconds_total", Kind::kCounter, "",
                             "Processor time of user and system together."};
const Instrument kProcessResident{"process_resident_memory_bytes", Kind::kGauge, "",
                                  "Resident memory."};
const Instrument kProcessVirtual{"process_virtual_memory_bytes", Kind::kGauge, "",
                                 "Virtual memory."};
const Instrument kProcessOpenFds{"process_open_fds", Kind::kGauge, "", "Open file handles."};
const Instrument kProcessMaxFds{"process_max_fds", Kind::kGauge, "",
                                "File handles that may be open at most."};
const Instrument kProcessStartTime{"process_start_time_seconds", Kind::kGauge, "",
                                   "When the process started, since 1970."};
const Instrument kSeriesDropped{
    "graven_metric_series_dropped", Kind::kGauge, "",
    "Series that are not shown because a metric had 2,000 of them already."};

std::span<const Instrument* const> AllInstruments() {
  static const Instrument* const kAll[] = {
      &kAppendRequests,
      &kAppendEvents,
      &kAcceptedToDurable,
      &kDurableToPublished,
      &kPublishedToCosigned,
      &kBatchEvents,
      &kBatchBytes,
      &kSync,
      &kQueueBytes,
      &kSlowAppends,
      &kLogs,
      &kLogPublishedRecords,
      &kLogDurableRecords,
      &kLogReadOnly,
      &kCheckpointTime,
      &kCheckpointsSigned,
      &kCosignatureTime,
      &kWitnessState,
      &kWitnessSubmissions,
      &kTimeStamps,
      &kTimeStampTime,
      &kTailers,
      &kTailerLag,
      &kHttpAnswers,
      &kHttpConnections,
      &kHttpEvicted,
      &kSearches,
      &kLiveFilters,
      &kLiveFilterRecords,
      &kIndexBehind,
      &kIndexFilesReplaced,
      &kAlertsRaised,
      &kAlertNotJudged,
      &kAlertLag,
      &kAlertStandsStill,
      &kAlertNoticesWaiting,
      &kAlertNoticesLeftOut,
      &kAlertDeliveriesFailed,
      &kBuildInfo,
      &kWriteState,
      &kJournalBytes,
      &kJournalBytesMax,
      &kUnsealedRecords,
      &kDuplicateTableBytes,
      &kDuplicateTableBytesMax,
      &kDiskFreeBytes,
      &kDiskReserveBytes,
      &kDiskForecast,
      &kScrubBytes,
      &kScrubRecords,
      &kScrubRounds,
      &kScrubProgress,
      &kScrubRoundTime,
      &kScrubFindings,
      &kProducerFindings,
      &kProcessCpu,
      &kProcessResident,
      &kProcessVirtual,
      &kProcessOpenFds,
      &kProcessMaxFds,
      &kProcessStartTime,
      &kSeriesDropped,
  };
  return kAll;
}

}  // namespace graven::metrics
