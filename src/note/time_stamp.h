// Time stamps of checkpoints (RFC 3161): the question to an authority, what is to be taken from its
// reply, and the check of a token. A token says that its authority saw a hash at a time. Ours is
// the SHA-256 of a checkpoint's text, without the signatures below it: those are merged later.
//
// Threads: stateless. No input or output, no clock: certificates are judged at the time that the
// token says, so that a receipt can be checked years after they have ended. Whether they had been
// revoked is not known here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace graven::note {

inline constexpr size_t kTimeStampTokenBytesMax = 24'576;
inline constexpr size_t kTimeStampReplyBytesMax = 32'768;
inline constexpr size_t kTrustedCertificatesBytesMax = size_t{1} << 20;

// The text of a signed note: all before the signatures, its last line feed included. The whole of
// what is no note.
std::string_view TextOfNote(std::string_view note);

// The body of the POST, application/timestamp-query: asks for the certificates too.
std::string MakeTimeStampQuery(std::string_view text, uint64_t nonce);

// The token in a reply, application/timestamp-reply, to the query with these parameters; to be
// checked by CheckTimeStamp. kUnavailable: the authority refuses; its reason. kInvalidArgument: no
// reply, or to another question.
absl::StatusOr<std::string> TakeTimeStampReply(std::string_view reply, std::string_view text,
                                               uint64_t nonce);

// What a token says that holds.
struct TimeStamp {
  int64_t time_s = 0;     // of the epoch, in UTC; parts of a second are dropped
  std::string authority;  // the subject of its certificate, as RFC 2253 writes it
  std::string policy;     // object identifier: under what rules the authority says it has worked
  std::string serial;     // of the token, hexadecimal
};

// Checks a token over `text` against `trusted_pem`: certificates, of roots or of the authority
// itself. kInvalidArgument: no token, or there is no certificate in `trusted_pem` (says which).
// kDataLoss: the token is over something else. kUnauthenticated: it does not lead to a trusted
// certificate, or the signature is wrong; says why.
absl::StatusOr<TimeStamp> CheckTimeStamp(std::string_view token, std::string_view text,
                                         std::string_view trusted_pem);

// kInvalidArgument: there is no certificate in `trusted_pem`, or it is too long.
absl::Status CheckTrustedCertificates(std::string_view trusted_pem);

}  // namespace graven::note
