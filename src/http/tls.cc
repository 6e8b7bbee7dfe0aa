#include "http/tls.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/buffer.hpp>
#include <memory>
#include <string_view>

namespace graven::http {
namespace {

namespace net = boost::asio;
using boost::system::error_code;

constexpr const char* kCiphers12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

absl::Status WrongPem(std::string_view what, const error_code& error) {
  return absl::InvalidArgumentError(
      fmt::format("TLS: the {} cannot be used: {}", what, error.message()));
}

}  // namespace

absl::Status MakeTls(const TlsOptions& options, std::optional<net::ssl::context>* made) {
  using net::ssl::context;
  context& tls = made->emplace(context::tls_server);
  SSL_CTX* const handle = tls.native_handle();
  SSL_CTX_set_min_proto_version(handle, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(handle, kCiphers12);
  SSL_CTX_set_options(handle, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  static constexpr unsigned char kSessions[] = "graven-http";
  SSL_CTX_set_session_id_context(handle, kSessions, sizeof kSessions - 1);
  error_code error;
  tls.use_certificate_chain(net::buffer(options.certificate_chain_pem), error);
  if (error) return WrongPem("certificate", error);
  tls.use_private_key(net::buffer(options.private_key_pem), context::pem, error);
  if (error) return WrongPem("key", error);
  if (options.client_ca_pem.empty()) return absl::OkStatus();
  tls.add_certificate_authority(net::buffer(options.client_ca_pem), error);
  if (error) return WrongPem("client CA", error);
  net::ssl::verify_mode mode = net::ssl::verify_peer;
  if (options.client_certificate_required) mode |= net::ssl::verify_fail_if_no_peer_cert;
  tls.set_verify_mode(mode, error);
  if (error) return WrongPem("client CA", error);
  return absl::OkStatus();
}

std::string CertificateName(SSL* ssl) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(ssl),
                                                                &X509_free);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return {};
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)),
      &GENERAL_NAMES_free);
  for (const int kind : {GEN_URI, GEN_DNS}) {
    for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
      const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
      if (name->type != kind) continue;
      const ASN1_IA5STRING* text = name->d.ia5;
      return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
              static_cast<size_t>(ASN1_STRING_length(text))};
    }
  }
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  const int position = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (position < 0) return {};
  unsigned char* utf8 = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, position)));
  if (size < 0) return {};
  std::string text(reinterpret_cast<char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

}  // namespace graven::http
