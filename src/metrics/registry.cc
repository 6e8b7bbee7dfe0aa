#include "metrics/registry.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/text_safety.h"
#include "metrics/exposition.h"

namespace graven::metrics {
namespace {

// In seconds or in the raw unit.
double Shown(const Instrument& instrument, double raw) {
  return instrument.scale == Scale::kNanosecondsAsSeconds ? raw * 1e-9 : raw;
}

std::vector<std::string> LabelNames(const Instrument& instrument) {
  std::vector<std::string> names;
  std::string_view rest = instrument.labels;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    names.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return names;
}

prometheus::MetricType TypeOf(Kind kind) {
  switch (kind) {
    case Kind::kCounter:
      return prometheus::MetricType::Counter;
    case Kind::kGauge:
      return prometheus::MetricType::Gauge;
    case Kind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

prometheus::Histogram::BucketBoundaries Boundaries(const Instrument& instrument) {
  prometheus::Histogram::BucketBoundaries boundaries;
  for (int power = instrument.first_power; power <= instrument.last_power; ++power) {
    boundaries.push_back(Shown(instrument, std::ldexp(1.0, power)));
  }
  return boundaries;
}

}  // namespace

void Counter::Add(double value) {
  if (counter_ != nullptr) counter_->Increment(value);
}

void Counter::RaiseTo(double value) {
  if (counter_ == nullptr) return;
  if (const double now = counter_->Value(); value > now) counter_->Increment(value - now);
}

void Gauge::Set(double value) {
  if (gauge_ != nullptr) gauge_->Set(value);
}

Histogram::Histogram(prometheus::Histogram* histogram, const Instrument& instrument)
    : histogram_(histogram),
      instrument_(&instrument),
      increments_(static_cast<size_t>(instrument.last_power - instrument.first_power) + 2) {}

void Histogram::Merge(Tally* tally) {
  if (histogram_ == nullptr || tally->empty()) return;
  const auto first = static_cast<size_t>(instrument_->first_power);
  std::fill(increments_.begin(), increments_.end(), 0);
  for (size_t power = 0; power < tally->counts_.size(); ++power) {
    const size_t bucket = power <= first ? 0 : std::min(power - first, increments_.size() - 1);
    increments_[bucket] += tally->counts_[power];
  }
  histogram_->ObserveMultiple(increments_, Shown(*instrument_, tally->sum_));
  *tally = {};
}

void Histogram::Observe(int64_t value) {
  if (histogram_ == nullptr) return;
  histogram_->Observe(Shown(*instrument_, static_cast<double>(std::max<int64_t>(value, 0))));
}

struct Registry::Families {
  struct Entry {
    std::vector<std::string> label_names;
    // One of them.
    prometheus::Family<prometheus::Counter>* counters = nullptr;
    prometheus::Family<prometheus::Gauge>* gauges = nullptr;
    prometheus::Family<prometheus::Histogram>* histograms = nullptr;
    std::map<std::vector<std::string>, void*> series;
  };

  prometheus::Registry registry;
  std::mutex mutex;  // guards the two
  std::map<const Instrument*, Entry> entries;
  uint64_t dropped = 0;

  std::mutex refresh_mutex;  // one exposition at a time
  uint64_t last_ticket = 0;
  std::map<uint64_t, std::function<void()>> refreshers;

  // In the order of the table. One without series is there too, so that whoever writes a rule finds
  // its name.
  std::vector<prometheus::MetricFamily> InOrder() {
    std::map<std::string, prometheus::MetricFamily> collected;
    for (prometheus::MetricFamily& family : registry.Collect()) {
      collected.emplace(family.name, std::move(family));
    }
    std::vector<prometheus::MetricFamily> ordered;
    for (const Instrument* row : AllInstruments()) {
      const auto found = collected.find(std::string(row->name));
      if (found != collected.end()) {
        ordered.push_back(std::move(found->second));
      } else {
        ordered.push_back({std::string(row->name), std::string(row->help), TypeOf(row->kind), {}});
      }
    }
    return ordered;
  }

  // The series of these values, `add` makes it. Null: there are too many.
  template <typename Add>
  void* Find(const Instrument& instrument, Kind kind,
             std::initializer_list<std::string_view> values, const Add& add) {
    std::lock_guard lock(mutex);
    const auto found = entries.find(&instrument);
    GRAVEN_CHECK(found != entries.end() && instrument.kind == kind);
    Entry& entry = found->second;
    GRAVEN_CHECK(values.size() == entry.label_names.size());
    std::vector<std::string> key;
    prometheus::Labels labels;
    for (const std::string_view value : values) {
      labels[entry.label_names[key.size()]] = SafeText(value);
      key.emplace_back(value);
    }
    if (const auto known = entry.series.find(key); known != entry.series.end()) {
      return known->second;
    }
    if (entry.series.size() >= kSeriesMax) {
      ++dropped;
      return nullptr;
    }
    return entry.series[key] = add(entry, labels);
  }
};

Registry::Registry() : families_(std::make_unique<Families>()) {
  for (const Instrument* instrument : AllInstruments()) {
    Families::Entry& entry = families_->entries[instrument];
    entry.label_names = LabelNames(*instrument);
    const std::string name(instrument->name), help(instrument->help);
    switch (instrument->kind) {
      case Kind::kCounter:
        entry.counters =
            &prometheus::BuildCounter().Name(name).Help(help).Register(families_->registry);
        break;
      case Kind::kGauge:
        entry.gauges =
            &prometheus::BuildGauge().Name(name).Help(help).Register(families_->registry);
        break;
      case Kind::kHistogram:
        entry.histograms =
            &prometheus::BuildHistogram().Name(name).Help(help).Register(families_->registry);
        break;
    }
  }
  MakeGauge(kSeriesDropped).Set(0);
}

Registry::~Registry() = default;

Counter Registry::MakeCounter(const Instrument& instrument,
                              std::initializer_list<std::string_view> label_values) {
  return Counter(static_cast<prometheus::Counter*>(
      families_->Find(instrument, Kind::kCounter, label_values,
                      [](Families::Entry& entry, const prometheus::Labels& labels) -> void* {
                        return &entry.counters->Add(labels);
                      })));
}

Gauge Registry::MakeGauge(const Instrument& instrument,
                          std::initializer_list<std::string_view> label_values) {
  return Gauge(static_cast<prometheus::Gauge*>(
      families_->Find(instrument, Kind::kGauge, label_values,
                      [](Families::Entry& entry, const prometheus::Labels& labels) -> void* {
                        return &entry.gauges->Add(labels);
                      })));
}

Histogram Registry::MakeHistogram(const Instrument& instrument,
                                  std::initializer_list<std::string_view> label_values) {
  void* series =
      families_->Find(instrument, Kind::kHistogram, label_values,
                      [&](Families::Entry& entry, const prometheus::Labels& labels) -> void* {
                        return &entry.histograms->Add(labels, Boundaries(instrument));
                      });
  return Histogram(static_cast<prometheus::Histogram*>(series), instrument);
}

uint64_t Registry::Refresh(std::function<void()> refresh) {
  std::lock_guard lock(families_->refresh_mutex);
  families_->refreshers.emplace(++families_->last_ticket, std::move(refresh));
  return families_->last_ticket;
}

void Registry::StopRefreshing(uint64_t ticket) {
  std::lock_guard lock(families_->refresh_mutex);
  families_->refreshers.erase(ticket);
}

Exposition Registry::Expose(std::string_view accept) {
  std::lock_guard lock(families_->refresh_mutex);
  for (const auto& [ticket, refresh] : families_->refreshers) refresh();
  uint64_t dropped = 0;
  {
    std::lock_guard entries_lock(families_->mutex);
    dropped = families_->dropped;
  }
  MakeGauge(kSeriesDropped).Set(static_cast<double>(dropped));
  const TextFormat format = ChooseFormat(accept);
  return {std::string(ContentType(format)), FormatFamilies(families_->InOrder(), format)};
}

}  // namespace graven::metrics
