#include "shelf/log.h"

#include "record/record.h"

namespace graven::shelf {

Log::Log(store::LogMeta log_meta, note::SignerKey signer_key)
    : meta(std::move(log_meta)),
      signer(std::move(signer_key)),
      genesis_hash(record::GenesisHash(meta.origin)),
      segments_(std::make_shared<SegmentList>()) {
  sequenced.last_hash = genesis_hash;
}

LogEnd Log::durable() const {
  std::lock_guard lock(mutex_);
  return durable_;
}

std::shared_ptr<const Published> Log::published() const {
  std::lock_guard lock(mutex_);
  return published_;
}

std::shared_ptr<const Published> Log::cosigned() const {
  std::lock_guard lock(mutex_);
  return cosigned_;
}

std::shared_ptr<const Published> Log::stamped() const {
  std::lock_guard lock(mutex_);
  return stamped_;
}

std::shared_ptr<const SegmentList> Log::segments() const {
  std::lock_guard lock(mutex_);
  return segments_;
}

std::string Log::read_only_reason() const {
  std::lock_guard lock(mutex_);
  return read_only_reason_;
}

void Log::SetDurable(const LogEnd& end) {
  std::lock_guard lock(mutex_);
  durable_ = end;
}

void Log::SetPublished(std::shared_ptr<const Published> published) {
  std::lock_guard lock(mutex_);
  published_ = std::move(published);
}

void Log::SetCosigned(std::shared_ptr<const Published> cosigned) {
  std::lock_guard lock(mutex_);
  cosigned_ = std::move(cosigned);
}

void Log::SetStamped(std::shared_ptr<const Published> stamped) {
  std::lock_guard lock(mutex_);
  stamped_ = std::move(stamped);
}

void Log::SetSegments(std::shared_ptr<const SegmentList> segments) {
  std::lock_guard lock(mutex_);
  segments_ = std::move(segments);
}

void Log::SetReadOnly(std::string reason) {
  std::lock_guard lock(mutex_);
  read_only_reason_ = std::move(reason);
  read_only_.store(true, std::memory_order_release);
}

}  // namespace graven::shelf
