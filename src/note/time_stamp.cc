#include "note/time_stamp.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>
#include <openssl/ts.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <ctime>
#include <memory>

#include "base/check.h"
#include "base/sha256.h"
#include "base/status_macros.h"
#include "base/text_safety.h"
#include "fmt/format.h"

namespace graven::note {
namespace {

template <auto free>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};
template <typename T, auto free>
using Owned = std::unique_ptr<T, Freer<free>>;

using Query = Owned<TS_REQ, TS_REQ_free>;
using Reply = Owned<TS_RESP, TS_RESP_free>;
using Token = Owned<PKCS7, PKCS7_free>;
using TokenInfo = Owned<TS_TST_INFO, TS_TST_INFO_free>;
using Store = Owned<X509_STORE, X509_STORE_free>;
using Number = Owned<ASN1_INTEGER, ASN1_INTEGER_free>;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string Text(char* made) {
  std::string text(made == nullptr ? "" : made);
  OPENSSL_free(made);
  return text;
}

// The library's newest reason; what it noted is taken away.
std::string Reason() {
  const char* words = nullptr;
  unsigned long error = 0;  // NOLINT(google-runtime-int): the library's type
  const char* data = nullptr;
  int flags = 0;
  std::string found;
  while ((error = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) != 0) {
    words = ERR_reason_error_string(error);
    if (words != nullptr) found = words;
    if (data != nullptr && (flags & ERR_TXT_STRING) != 0 && *data != '\0') {
      found += fmt::format(" ({})", SafeText(data, 200));
    }
  }
  return found.empty() ? "no reason given" : found;
}

// Null unless `der` is one object and nothing behind it.
template <typename T, typename Decode>
T DecodeWhole(std::string_view der, Decode decode) {
  ERR_clear_error();
  const unsigned char* at = Bytes(der);
  T object(decode(nullptr, &at, static_cast<long>(der.size())));  // NOLINT(google-runtime-int)
  ERR_clear_error();
  if (at != Bytes(der) + der.size()) return nullptr;
  return object;
}

Number MakeNumber(uint64_t value) {
  Number number(ASN1_INTEGER_new());
  GRAVEN_CHECK(number != nullptr && ASN1_INTEGER_set_uint64(number.get(), value) == 1);
  return number;
}

// Whether the imprint is the SHA-256 of `text`.
bool IsImprintOf(TS_MSG_IMPRINT* imprint, std::string_view text) {
  const ASN1_OBJECT* algorithm = nullptr;
  X509_ALGOR_get0(&algorithm, nullptr, nullptr, TS_MSG_IMPRINT_get_algo(imprint));
  const ASN1_OCTET_STRING* message = TS_MSG_IMPRINT_get_msg(imprint);
  if (OBJ_obj2nid(algorithm) != NID_sha256 || message == nullptr) return false;
  const std::string_view digest(reinterpret_cast<const char*>(ASN1_STRING_get0_data(message)),
                                static_cast<size_t>(ASN1_STRING_length(message)));
  return digest == Sha256(text).view();
}

// What the authority says about a refusal.
std::string RefusalText(TS_STATUS_INFO* info) {
  std::string text;
  const STACK_OF(ASN1_UTF8STRING)* words = TS_STATUS_INFO_get0_text(info);
  for (int i = 0; i < sk_ASN1_UTF8STRING_num(words) && i < 4; ++i) {
    const ASN1_UTF8STRING* one = sk_ASN1_UTF8STRING_value(words, i);
    if (!text.empty()) text += "; ";
    text += SafeText({reinterpret_cast<const char*>(ASN1_STRING_get0_data(one)),
                      static_cast<size_t>(ASN1_STRING_length(one))},
                     200);
  }
  return text.empty() ? "it says no more" : text;
}

absl::StatusOr<int64_t> TimeOf(const TS_TST_INFO* info) {
  tm parts{};
  if (ASN1_TIME_to_tm(TS_TST_INFO_get_time(info), &parts) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError("time stamp token: its time cannot be read");
  }
  return static_cast<int64_t>(timegm(&parts));
}

absl::StatusOr<Store> TrustedStore(std::string_view pem, int64_t time_s) {
  if (pem.size() > kTrustedCertificatesBytesMax) {
    return absl::InvalidArgumentError(fmt::format("trusted certificates: {} bytes; at most {}",
                                                  pem.size(), kTrustedCertificatesBytesMax));
  }
  Store store(X509_STORE_new());
  const std::string text(pem);  // its data is not null, however short it is
  const Owned<BIO, BIO_free> source(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  GRAVEN_CHECK(store != nullptr && source != nullptr);
  int count = 0;
  while (const Owned<X509, X509_free> one{
      PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr)}) {
    if (X509_STORE_add_cert(store.get(), one.get()) == 1) ++count;
  }
  ERR_clear_error();
  if (count == 0) {
    return absl::InvalidArgumentError("trusted certificates: there is none (PEM) in there");
  }
  X509_VERIFY_PARAM* rules = X509_STORE_get0_param(store.get());
  X509_VERIFY_PARAM_set_time(rules, static_cast<time_t>(time_s));
  // Whoever trusts the authority's own certificate needs no root.
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
  return store;
}

// The list only; its certificates are the token's.
void FreeList(STACK_OF(X509) * certificates) { sk_X509_free(certificates); }

std::string SubjectOf(X509* certificate) {
  const Owned<BIO, BIO_free> text(BIO_new(BIO_s_mem()));
  GRAVEN_CHECK(text != nullptr);
  X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(text.get(), &data);
  return SafeText(std::string_view(data, static_cast<size_t>(size)), 256);
}

absl::Status CheckSignature(PKCS7* token, Store store) {
  const Owned<TS_VERIFY_CTX, TS_VERIFY_CTX_free> context(TS_VERIFY_CTX_new());
  GRAVEN_CHECK(context != nullptr);
  TS_VERIFY_CTX_set_flags(context.get(), TS_VFY_VERSION | TS_VFY_SIGNATURE);
  TS_VERIFY_CTX_set_store(context.get(), store.release());
  ERR_clear_error();
  if (TS_RESP_verify_token(context.get(), token) == 1) return absl::OkStatus();
  return absl::UnauthenticatedError(fmt::format("time stamp token: {}", Reason()));
}

absl::StatusOr<Token> ParseToken(std::string_view der) {
  if (der.size() > kTimeStampTokenBytesMax) {
    return absl::InvalidArgumentError(fmt::format("time stamp token: has {} bytes; at most {}",
                                                  der.size(), kTimeStampTokenBytesMax));
  }
  Token token = DecodeWhole<Token>(der, d2i_PKCS7);
  if (token == nullptr) return absl::InvalidArgumentError("time stamp token: is none (RFC 3161)");
  return token;
}

absl::StatusOr<TokenInfo> InfoOf(PKCS7* token) {
  TokenInfo info(PKCS7_to_TS_TST_INFO(token));
  ERR_clear_error();
  if (info == nullptr) return absl::InvalidArgumentError("time stamp token: says nothing");
  return info;
}

}  // namespace

std::string_view TextOfNote(std::string_view note) {
  const size_t split = note.rfind("\n\n");
  return split == note.npos ? note : note.substr(0, split + 1);
}

std::string MakeTimeStampQuery(std::string_view text, uint64_t nonce) {
  const Hash digest = Sha256(text);
  const Query query(TS_REQ_new());
  const Owned<TS_MSG_IMPRINT, TS_MSG_IMPRINT_free> imprint(TS_MSG_IMPRINT_new());
  const Owned<X509_ALGOR, X509_ALGOR_free> algorithm(X509_ALGOR_new());
  GRAVEN_CHECK(query != nullptr && imprint != nullptr && algorithm != nullptr);
  std::string bytes(digest.view());
  const Number number = MakeNumber(nonce);
  const bool made =
      X509_ALGOR_set0(algorithm.get(), OBJ_nid2obj(NID_sha256), V_ASN1_NULL, nullptr) == 1 &&
      TS_MSG_IMPRINT_set_algo(imprint.get(), algorithm.get()) == 1 &&
      TS_MSG_IMPRINT_set_msg(imprint.get(), reinterpret_cast<unsigned char*>(bytes.data()),
                             static_cast<int>(bytes.size())) == 1 &&
      TS_REQ_set_version(query.get(), 1) == 1 &&
      TS_REQ_set_msg_imprint(query.get(), imprint.get()) == 1 &&
      TS_REQ_set_nonce(query.get(), number.get()) == 1 && TS_REQ_set_cert_req(query.get(), 1) == 1;
  GRAVEN_CHECK(made);
  unsigned char* der = nullptr;
  const int size = i2d_TS_REQ(query.get(), &der);
  GRAVEN_CHECK(size > 0);
  std::string encoded(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return encoded;
}

absl::StatusOr<std::string> TakeTimeStampReply(std::string_view reply, std::string_view text,
                                               uint64_t nonce) {
  if (reply.size() > kTimeStampReplyBytesMax) {
    return absl::InvalidArgumentError(fmt::format("time stamp reply: has {} bytes; at most {}",
                                                  reply.size(), kTimeStampReplyBytesMax));
  }
  const Reply parsed = DecodeWhole<Reply>(reply, d2i_TS_RESP);
  if (parsed == nullptr) return absl::InvalidArgumentError("time stamp reply: is none (RFC 3161)");
  TS_STATUS_INFO* status = TS_RESP_get_status_info(parsed.get());
  const int64_t verdict = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(status));
  if (verdict != TS_STATUS_GRANTED && verdict != TS_STATUS_GRANTED_WITH_MODS) {
    return absl::UnavailableError(
        fmt::format("the authority refuses (status {}): {}", verdict, RefusalText(status)));
  }
  PKCS7* token = TS_RESP_get_token(parsed.get());
  TS_TST_INFO* info = TS_RESP_get_tst_info(parsed.get());
  if (token == nullptr || info == nullptr) {
    return absl::InvalidArgumentError("time stamp reply: there is no token in it");
  }
  const ASN1_INTEGER* returned = TS_TST_INFO_get_nonce(info);
  const Number sent = MakeNumber(nonce);
  if (returned == nullptr || ASN1_INTEGER_cmp(returned, sent.get()) != 0) {
    return absl::InvalidArgumentError("time stamp reply: to another question (the nonce)");
  }
  if (!IsImprintOf(TS_TST_INFO_get_msg_imprint(info), text)) {
    return absl::InvalidArgumentError("time stamp reply: is over something else (the hash)");
  }
  unsigned char* der = nullptr;
  const int size = i2d_PKCS7(token, &der);
  if (size <= 0 || static_cast<size_t>(size) > kTimeStampTokenBytesMax) {
    OPENSSL_free(der);
    ERR_clear_error();
    return absl::InvalidArgumentError(fmt::format(
        "time stamp reply: its token has {} bytes; at most {}", size, kTimeStampTokenBytesMax));
  }
  std::string encoded(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return encoded;
}

absl::Status CheckTrustedCertificates(std::string_view trusted_pem) {
  return TrustedStore(trusted_pem, 0).status();
}

absl::StatusOr<TimeStamp> CheckTimeStamp(std::string_view token, std::string_view text,
                                         std::string_view trusted_pem) {
  ASSIGN_OR_RETURN(const Token parsed, ParseToken(token));
  ASSIGN_OR_RETURN(const TokenInfo info, InfoOf(parsed.get()));
  TimeStamp stamp;
  ASSIGN_OR_RETURN(stamp.time_s, TimeOf(info.get()));
  ASSIGN_OR_RETURN(Store store, TrustedStore(trusted_pem, stamp.time_s));
  if (!IsImprintOf(TS_TST_INFO_get_msg_imprint(info.get()), text)) {
    return absl::DataLossError("time stamp token: is over something else, not this checkpoint");
  }
  RETURN_IF_ERROR(CheckSignature(parsed.get(), std::move(store)));
  const Owned<STACK_OF(X509), FreeList> signers(PKCS7_get0_signers(parsed.get(), nullptr, 0));
  if (signers != nullptr && sk_X509_num(signers.get()) > 0) {
    stamp.authority = SubjectOf(sk_X509_value(signers.get(), 0));
  }
  char policy[128] = "";
  OBJ_obj2txt(policy, sizeof policy, TS_TST_INFO_get_policy_id(info.get()), 1);
  stamp.policy = policy;
  const Owned<BIGNUM, BN_free> serial(
      ASN1_INTEGER_to_BN(TS_TST_INFO_get_serial(info.get()), nullptr));
  if (serial != nullptr) stamp.serial = Text(BN_bn2hex(serial.get()));
  ERR_clear_error();
  return stamp;
}

}  // namespace graven::note
