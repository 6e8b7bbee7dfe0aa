#include "http/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <string_view>
#include <utility>

#include "base/encoding.h"
#include "base/sha256.h"

namespace graven::http {
namespace {

// Below this the headers outweigh what is saved.
constexpr size_t kCompressBytesMin = 256;

// Half a hash: who can make two bodies of one log collide in 128 bits has better to do.
constexpr size_t kTagHexDigits = 32;

std::string Tag(std::string_view digest, Coding coding) {
  switch (coding) {
    case Coding::kGzip:
      return fmt::format("\"{}-g\"", digest);
    case Coding::kZstd:
      return fmt::format("\"{}-z\"", digest);
    case Coding::kIdentity:
      break;
  }
  return fmt::format("\"{}\"", digest);
}

// Weak comparison (RFC 9110 section 13.1.2): the weak mark is looked over.
bool Matches(std::string_view if_none_match, std::string_view tag) {
  if (if_none_match == "*") return true;
  while (!if_none_match.empty()) {
    const size_t comma = if_none_match.find(',');
    std::string_view one = if_none_match.substr(0, comma);
    if_none_match.remove_prefix(comma == std::string_view::npos ? if_none_match.size() : comma + 1);
    while (one.starts_with(' ') || one.starts_with('\t')) one.remove_prefix(1);
    while (one.ends_with(' ') || one.ends_with('\t')) one.remove_suffix(1);
    if (one.starts_with("W/")) one.remove_prefix(2);
    if (one == tag) return true;
  }
  return false;
}

// A value of ours that holds what a stranger sent could end the header: then it is left out.
bool IsSafeValue(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  });
}

void AddHeader(std::string* head, std::string_view name, std::string_view value) {
  if (!value.empty() && IsSafeValue(value)) {
    fmt::format_to(std::back_inserter(*head), "{}: {}\r\n", name, value);
  }
}

std::string FormatDate(int64_t seconds) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto time = static_cast<time_t>(seconds);
  tm utc{};
  gmtime_r(&time, &utc);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday,
                     kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace

Answer MakeAnswer(const Request& request, Response response) {
  Answer answer{std::move(response), {}};
  Response& made = answer.response;
  // What grew piece by piece may hold twice what is counted for it.
  if (made.body.capacity() > made.body.size() + made.body.size() / 4) made.body.shrink_to_fit();
  if (made.source != nullptr) return answer;
  const bool kept =
      made.status == 200 && request.method == "GET" && made.cache_control != "no-store";
  const std::string digest =
      kept ? HexEncode(Sha256(made.body)).substr(0, kTagHexDigits) : std::string();
  Coding coding = Coding::kIdentity;
  if (made.compressible) {
    answer.headers.push_back({"Vary", "Accept-Encoding"});
    if (made.body.size() >= kCompressBytesMin) {
      coding = ChooseCoding(request.Find("accept-encoding"));
    }
  }
  if (const auto known = request.Find("if-none-match"); kept && known) {
    for (const Coding one : {Coding::kIdentity, Coding::kGzip, Coding::kZstd}) {
      const std::string tag = Tag(digest, one);
      if (!Matches(*known, tag) || (one != Coding::kIdentity && !made.compressible)) continue;
      answer.headers.push_back({"ETag", tag});
      made.status = 304;
      made.body.clear();
      return answer;
    }
  }
  if (coding != Coding::kIdentity) {
    if (std::optional<std::string> packed = Compress(coding, made.body)) {
      made.body = *std::move(packed);
      answer.headers.push_back({"Content-Encoding", std::string(CodingName(coding))});
    } else {
      coding = Coding::kIdentity;
    }
  }
  if (kept) answer.headers.push_back({"ETag", Tag(digest, coding)});
  return answer;
}

std::string FormatHead(const Answer& answer, const std::vector<Header>& security_headers,
                       std::optional<size_t> body_bytes, bool keep_alive, int64_t seconds) {
  const Response& response = answer.response;
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, ReasonPhrase(response.status));
  AddHeader(&head, "Date", FormatDate(seconds));
  if (response.status != 304) AddHeader(&head, "Content-Type", response.content_type);
  AddHeader(&head, "Cache-Control", response.cache_control);
  for (const Header& header : answer.headers) AddHeader(&head, header.name, header.value);
  for (const Header& header : response.headers) AddHeader(&head, header.name, header.value);
  for (const Header& header : security_headers) AddHeader(&head, header.name, header.value);
  if (response.status != 304 && response.status != 204) {
    if (body_bytes) {
      AddHeader(&head, "Content-Length", fmt::format("{}", *body_bytes));
    } else {
      AddHeader(&head, "Transfer-Encoding", "chunked");
    }
  }
  if (!keep_alive) AddHeader(&head, "Connection", "close");
  head += "\r\n";
  return head;
}

}  // namespace graven::http
