#pragma once

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/seeded_random_test.h"
#include "journal/frame_builder.h"
#include "journal/journal_recovery.h"

// For tests of the journal: frames as plain values, to compare what was appended with what is read.

namespace graven::journal {

struct TestSection {
  uint32_t log_number = 0;
  uint64_t first = 0;
  uint64_t acknowledged = 0;
  Hash root;
  std::vector<std::string> records;

  bool operator==(const TestSection&) const = default;
  uint64_t end() const { return first + records.size(); }
};
using TestFrame = std::vector<TestSection>;

inline TestSection CopyOf(const FrameSection& section) {
  TestSection copy{
      section.log_number, section.first.value, section.acknowledged.value, section.root, {}};
  RecordCursor cursor(section);
  std::string_view record;
  while (cursor.Next(&record, nullptr)) copy.records.emplace_back(record);
  return copy;
}

// The frames appended so far, and what of them was acknowledged.
class TestFrames {
 public:
  // The next records of a log. The frame must be pushed before the next section of this log is
  // made.
  TestSection MakeSection(uint32_t log, size_t count, size_t bytes, SeededRandom& random) const {
    TestSection section;
    section.log_number = log;
    section.first = EndOf(log);
    const auto acknowledged = acknowledged_.find(log);
    section.acknowledged = acknowledged == acknowledged_.end() ? 0 : acknowledged->second;
    random.Fill(section.root.bytes);
    for (size_t i = 0; i < count; ++i) {
      std::string& record = section.records.emplace_back(bytes, '\0');
      random.Fill({reinterpret_cast<uint8_t*>(record.data()), record.size()});
    }
    return section;
  }

  static void Build(const TestFrame& sections, FrameBuilder* frame) {
    frame->Reset();
    for (const TestSection& section : sections) Add(section, frame);
  }

  static void Add(const TestSection& section, FrameBuilder* frame) {
    frame->BeginSection(section.log_number, LogIndex(section.first),
                        TreeSize(section.acknowledged));
    for (const std::string& record : section.records) {
      char* const out = frame->AddRecord(record.size());
      if (!record.empty()) std::memcpy(out, record.data(), record.size());
    }
    frame->EndSection(section.root);
  }

  void push_back(TestFrame frame) { frames_.push_back(std::move(frame)); }
  const TestFrame& back() const { return frames_.back(); }
  const TestFrame& at(size_t frame) const { return frames_.at(frame); }
  size_t size() const { return frames_.size(); }
  size_t synced() const { return synced_; }

  // Everything appended was synced and answered.
  void Acknowledge() {
    synced_ = frames_.size();
    for (const TestFrame& frame : frames_) {
      for (const TestSection& section : frame) acknowledged_[section.log_number] = section.end();
    }
  }

  // Frames from this one on were cut.
  void Truncate(size_t count) { frames_.resize(count); }

  std::vector<TestSection> Sections(size_t from = 0) const {
    std::vector<TestSection> all;
    for (size_t i = from; i < frames_.size(); ++i) {
      all.insert(all.end(), frames_[i].begin(), frames_[i].end());
    }
    return all;
  }

  uint64_t EndOf(uint32_t log) const {
    for (auto frame = frames_.rbegin(); frame != frames_.rend(); ++frame) {
      for (const TestSection& section : *frame) {
        if (section.log_number == log) return section.end();
      }
    }
    return 0;
  }

 private:
  std::vector<TestFrame> frames_;
  size_t synced_ = 0;
  std::map<uint32_t, uint64_t> acknowledged_;
};

}  // namespace graven::journal
