#include "webhook/outbox.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <utility>

#include "base/absl_views.h"
#include "base/check.h"
#include "base/encoding.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "http/url.h"
#include "io/durable_file.h"

namespace graven::webhook {
namespace {

constexpr std::string_view kNoticeSuffix = ".notice";
constexpr size_t kNumberDigits = 16;

http::FetchOptions Careful(http::FetchOptions options) {
  options.body_bytes_max = 64 << 10;
  options.total_timeout = std::min(options.total_timeout, std::chrono::milliseconds(15'000));
  return options;
}

// The number in "<16 digits>.notice".
std::optional<uint64_t> NumberOf(std::string_view name) {
  if (name.size() != kNumberDigits + kNoticeSuffix.size() || !name.ends_with(kNoticeSuffix))
    return std::nullopt;
  name.remove_suffix(kNoticeSuffix.size());
  name.remove_prefix(std::min(name.find_first_not_of('0'), name.size()));
  return ParseDecimal(name);
}

}  // namespace

std::string SignDelivery(std::string_view secret, int64_t timestamp_s, std::string_view delivery,
                         std::string_view body) {
  const std::string text = fmt::format("{}.{}.{}", timestamp_s, delivery, body);
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  GRAVEN_CHECK(HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                    reinterpret_cast<const unsigned char*>(text.data()), text.size(), sum,
                    &size) != nullptr);
  return fmt::format("v1={}", HexEncode(std::string_view(reinterpret_cast<char*>(sum), size)));
}

Outbox::Outbox(io::FileSystem& fs, std::string folder, OutboxOptions options, Clock& clock,
               Random& random)
    : fs_(fs),
      folder_(std::move(folder)),
      options_(std::move(options)),
      clock_(clock),
      random_(random),
      client_(Careful(options_.fetch)) {}

absl::StatusOr<std::unique_ptr<Outbox>> Outbox::Open(io::FileSystem& fs, std::string folder,
                                                     OutboxOptions options, Clock& clock,
                                                     Random& random) {
  RETURN_IF_ERROR(http::ParseUrl(options.url).status());
  if (options.secret.size() < kSecretBytesMin)
    return absl::InvalidArgumentError(
        fmt::format("webhook secret: shorter than {} bytes", kSecretBytesMin));
  std::unique_ptr<Outbox> outbox(
      new Outbox(fs, std::move(folder), std::move(options), clock, random));
  RETURN_IF_ERROR(io::MakeDirectoryDurably(fs, outbox->folder_, 0700));
  RETURN_IF_ERROR(outbox->Load());
  return outbox;
}

absl::Status Outbox::Load() {
  const std::string id_path = io::JoinPath(folder_, "id");
  const auto id = io::ReadWholeFile(fs_, id_path, 64);
  if (absl::IsNotFound(id.status())) {
    queue_id_ = HexEncode(random_.Bytes(8));
    RETURN_IF_ERROR(io::WriteFileDurably(fs_, id_path, queue_id_));
  } else {
    RETURN_IF_ERROR(id.status());
    if (id->size() != 16 || !HexDecode(*id))
      return absl::DataLossError(fmt::format("{}: not the id of a queue", id_path));
    queue_id_ = *id;
  }
  // The cursor keeps numbers from being used again once their files are gone.
  const std::string cursor_path = io::JoinPath(folder_, "cursor");
  const auto cursor = io::ReadWholeFile(fs_, cursor_path, 64);
  ASSIGN_OR_RETURN(const std::vector<std::string> names, fs_.List(folder_));
  const MutexLock lock(&mutex_);
  if (cursor.ok()) {
    const size_t space = std::min(cursor->find(' '), cursor->size());
    const auto next = ParseDecimal(cursor->substr(0, space));
    const auto left_out =
        space < cursor->size() ? ParseDecimal(cursor->substr(space + 1)) : std::nullopt;
    if (!next || !left_out)
      return absl::DataLossError(fmt::format("{}: not a cursor", cursor_path));
    next_ = *next;
    left_out_ = *left_out;
  } else if (!absl::IsNotFound(cursor.status())) {
    return cursor.status();
  }
  for (const std::string& name : names)
    if (const auto number = NumberOf(name)) waiting_.push_back(*number);
  if (!waiting_.empty()) next_ = std::max(next_, waiting_.back() + 1);
  return absl::OkStatus();
}

std::string Outbox::PathOf(uint64_t number) const {
  return io::JoinPath(folder_, fmt::format("{:016}{}", number, kNoticeSuffix));
}

absl::Status Outbox::Add(std::string_view json) {
  if (json.size() > kNoticeBytesMax)
    return absl::InvalidArgumentError(fmt::format("notice: longer than {} bytes", kNoticeBytesMax));
  const MutexLock lock(&mutex_);
  if (waiting_.size() >= options_.waiting_max) {
    ++left_out_;
    ++counters_.left_out;
    return io::WriteFileDurably(fs_, io::JoinPath(folder_, "cursor"),
                                fmt::format("{} {}", next_, left_out_));
  }
  RETURN_IF_ERROR(io::WriteFileDurably(fs_, PathOf(next_), json));
  waiting_.push_back(next_++);
  return absl::OkStatus();
}

int64_t Outbox::DueInNs() {
  const MutexLock lock(&mutex_);
  if (waiting_.empty() && left_out_ == 0) return -1;
  return std::max<int64_t>(0, due_ns_ - clock_.SteadyNs());
}

absl::Status Outbox::Step() {
  if (DueInNs() != 0) return absl::OkStatus();
  size_t count = 0;
  uint64_t left_out = 0;
  {
    const MutexLock lock(&mutex_);
    count = std::min(waiting_.size(), options_.notices_per_delivery);
    left_out = left_out_;
  }
  return Deliver(count, left_out);
}

absl::Status Outbox::Deliver(size_t count, uint64_t left_out) {
  std::string notices;
  uint64_t first = 0;
  uint64_t last = 0;
  {
    const MutexLock lock(&mutex_);
    for (size_t i = 0; i < count; ++i) {
      ASSIGN_OR_RETURN(const std::string notice,
                       io::ReadWholeFile(fs_, PathOf(waiting_[i]), kNoticeBytesMax));
      notices += fmt::format("{}{}", i == 0 ? "" : ",", notice);
    }
    first = count > 0 ? waiting_[0] : next_;
    last = count > 0 ? waiting_[count - 1] : next_;
  }
  const std::string id = fmt::format("{}-{}-{}-{}", queue_id_, first, last, left_out);
  const std::string body = fmt::format("{{\"delivery\":\"{}\",\"notices\":[{}],\"left_out\":{}}}",
                                       id, notices, left_out);
  const int64_t now_s = clock_.WallNs() / 1'000'000'000;
  const auto answer = client_.Fetch(
      {.method = "POST",
       .url = options_.url,
       .headers = {{"Content-Type", "application/json"},
                   {"Graven-Delivery", id},
                   {"Graven-Timestamp", fmt::format("{}", now_s)},
                   {"Graven-Signature", SignDelivery(options_.secret, now_s, id, body)}},
       .body = body});
  const bool taken = answer.ok() && answer->status >= 200 && answer->status < 300;
  if (taken) RETURN_IF_ERROR(Forget(count, left_out));
  const MutexLock lock(&mutex_);
  backoff_ns_ =
      taken ? 0 : std::clamp(2 * backoff_ns_, options_.backoff_first_ns, options_.backoff_max_ns);
  due_ns_ = clock_.SteadyNs() + (taken ? options_.gap_ns : backoff_ns_);
  if (taken) {
    ++counters_.deliveries;
    counters_.delivered += count;
    last_error_.clear();
  } else {
    ++counters_.failed_tries;
    last_error_ = answer.ok() ? fmt::format("the answer is {}", answer->status)
                              : std::string(ToStd(answer.status().message()));
  }
  return absl::OkStatus();
}

absl::Status Outbox::Forget(size_t count, uint64_t left_out) {
  const MutexLock lock(&mutex_);
  // The cursor first: a number that is used again would make two notices one delivery.
  RETURN_IF_ERROR(io::WriteFileDurably(fs_, io::JoinPath(folder_, "cursor"),
                                       fmt::format("{} {}", next_, left_out_ - left_out)));
  left_out_ -= left_out;
  // A crash in between delivers some of them again.
  for (; count > 0; --count) {
    RETURN_IF_ERROR(fs_.Remove(PathOf(waiting_.front())));
    waiting_.pop_front();
  }
  return fs_.SyncDirectory(folder_);
}

OutboxCounters Outbox::counters() {
  const MutexLock lock(&mutex_);
  OutboxCounters counters = counters_;
  counters.waiting = waiting_.size();
  return counters;
}

std::string Outbox::last_error() {
  const MutexLock lock(&mutex_);
  return last_error_;
}

}  // namespace graven::webhook
