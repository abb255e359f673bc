#define _GNU_SOURCE
#include "copenssl.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static void hex(BIO *out, const unsigned char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) BIO_printf(out, "%02x", bytes[i]);
}

static void name(BIO *out, const X509_NAME *name) {
  if (name) X509_NAME_print_ex(out, name, 0, XN_FLAG_RFC2253);
}

static void serial(BIO *out, X509 *certificate) {
  BIGNUM *number = ASN1_INTEGER_to_BN(X509_get_serialNumber(certificate), NULL);
  char *text = number ? BN_bn2hex(number) : NULL;
  for (char *c = text; c && *c; c++) BIO_write(out, (*c >= 'A' && *c <= 'F') ? &(char){(char)(*c | 32)} : c, 1);
  OPENSSL_free(text);
  BN_free(number);
}

static void fingerprint(BIO *out, X509 *certificate, const EVP_MD *digest) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned count = 0;
  if (X509_digest(certificate, digest, bytes, &count)) hex(out, bytes, count);
}

// Names of one type, each handed to `write` with its place among them.
typedef void (*name_write)(BIO *out, const uint8_t *bytes, size_t count, int place, int type);

static void each_name(BIO *out, X509 *certificate, int type, name_write write) {
  GENERAL_NAMES *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  int place = 0;
  for (int i = 0; list && i < sk_GENERAL_NAME_num(list); i++) {
    const GENERAL_NAME *entry = sk_GENERAL_NAME_value(list, i);
    size_t count = 0;
    const uint8_t *bytes = entry->type == type ? martlet_name_bytes(entry, &count) : NULL;
    if (bytes) write(out, bytes, count, place++, type);
  }
  GENERAL_NAMES_free(list);
}

static void with_comma(BIO *out, const uint8_t *bytes, size_t count, int place, int type) {
  if (place) BIO_write(out, ",", 1);
  char address[INET6_ADDRSTRLEN];
  if (type == GEN_IPADD && (count == 4 || count == 16)) {
    if (inet_ntop(count == 4 ? AF_INET : AF_INET6, bytes, address, sizeof address)) BIO_puts(out, address);
  } else {
    BIO_write(out, bytes, (int)count);
  }
}

// A zero byte behind it: a name may hold a comma. One that holds a zero byte has a line feed instead, which no field can hold
// either.
static void with_zero(BIO *out, const uint8_t *bytes, size_t count, int place, int type) {
  (void)place, (void)type;
  for (size_t i = 0; i < count; i++) BIO_write(out, bytes[i] ? bytes + i : (const uint8_t *)"\n", 1);
  BIO_write(out, "", 1);
}

// PEM in a header field: what a URL may not hold is escaped.
static void pem(BIO *out, X509 *certificate) {
  BIO *plain = BIO_new(BIO_s_mem());
  char *text = NULL;
  if (plain && PEM_write_bio_X509(plain, certificate)) {
    long count = BIO_get_mem_data(plain, &text);
    for (long i = 0; i < count; i++) {
      switch (text[i]) {
      case '\n': BIO_puts(out, "%0A"); break;
      case ' ': BIO_puts(out, "%20"); break;
      case '+': BIO_puts(out, "%2B"); break;
      case '/': BIO_puts(out, "%2F"); break;
      case '=': BIO_puts(out, "%3D"); break;
      default: BIO_write(out, text + i, 1);
      }
    }
  }
  BIO_free(plain);
}

static const char *group_name(SSL *ssl) {
  // Before a hello was read there is none, and OpenSSL does not look.
  if (!SSL_get0_session(ssl)) return "";
  switch (SSL_get_negotiated_group(ssl)) {
  case NID_X25519: return "X25519";
  case NID_X9_62_prime256v1: return "P-256";
  case NID_secp384r1: return "P-384";
  case NID_secp521r1: return "P-521";
  case NID_X448: return "X448";
  default: return "";
  }
}

// While the handshake is not complete: the one that was chosen.
static const SSL_CIPHER *cipher(SSL *ssl) {
  const SSL_CIPHER *current = SSL_get_current_cipher(ssl);
  return current || SSL_is_init_finished(ssl) ? current : SSL_get_pending_cipher(ssl);
}

static void session(BIO *out, SSL *ssl, int fact) {
  unsigned count = 0;
  const char *server_name;
  switch (fact) {
  case martlet_fact_version: BIO_puts(out, SSL_get_version(ssl)); break;
  case martlet_fact_cipher:
    if (cipher(ssl)) BIO_puts(out, SSL_CIPHER_get_name(cipher(ssl)));
    break;
  case martlet_fact_group: BIO_puts(out, group_name(ssl)); break;
  case martlet_fact_session_id: {
    const SSL_SESSION *session = SSL_get0_session(ssl);
    const unsigned char *id = session ? SSL_SESSION_get_id(session, &count) : NULL;
    // A session id of TLS 1.3 names a ticket, not the connection.
    if (id && SSL_version(ssl) < TLS1_3_VERSION) hex(out, id, count);
    break;
  }
  case martlet_fact_server_name:
    server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (server_name) BIO_puts(out, server_name);
    break;
  default: break;
  }
}

// Of the chain that was verified, whose end the peer need not have sent; a resumed session has none, and then what was sent.
static X509 *verified_issuer(SSL *ssl, int includes_leaf) {
  STACK_OF(X509) *verified = SSL_get0_verified_chain(ssl);
  if (verified) return sk_X509_num(verified) > 1 ? sk_X509_value(verified, 1) : NULL;
  STACK_OF(X509) *sent = SSL_get_peer_cert_chain(ssl);
  return sent && sk_X509_num(sent) > includes_leaf ? sk_X509_value(sent, includes_leaf) : NULL;
}

static void peer(BIO *out, X509 *leaf, STACK_OF(X509) *chain, int includes_leaf, X509 *issuer, int fact) {
  int others = chain ? sk_X509_num(chain) : 0;
  switch (fact) {
  case martlet_fact_peer_subject: name(out, X509_get_subject_name(leaf)); break;
  case martlet_fact_peer_issuer: name(out, X509_get_issuer_name(leaf)); break;
  case martlet_fact_peer_serial: serial(out, leaf); break;
  case martlet_fact_peer_cert: pem(out, leaf); break;
  case martlet_fact_peer_fingerprint_1: fingerprint(out, leaf, EVP_sha1()); break;
  case martlet_fact_peer_fingerprint_256: fingerprint(out, leaf, EVP_sha256()); break;
  case martlet_fact_peer_dns: each_name(out, leaf, GEN_DNS, with_comma); break;
  case martlet_fact_peer_uri: each_name(out, leaf, GEN_URI, with_comma); break;
  case martlet_fact_peer_ip: each_name(out, leaf, GEN_IPADD, with_comma); break;
  case martlet_fact_peer_email: each_name(out, leaf, GEN_EMAIL, with_comma); break;
  case martlet_fact_peer_other: each_name(out, leaf, GEN_OTHERNAME, with_comma); break;
  case martlet_fact_peer_dns_names: each_name(out, leaf, GEN_DNS, with_zero); break;
  case martlet_fact_peer_uri_names: each_name(out, leaf, GEN_URI, with_zero); break;
  case martlet_fact_peer_issuer_fingerprint_256:
    if (issuer) fingerprint(out, issuer, EVP_sha256());
    break;
  case martlet_fact_peer_issuer_serial:
    if (issuer) serial(out, issuer);
    break;
  case martlet_fact_peer_chain:
  case martlet_fact_peer_chain_fingerprints_1:
  case martlet_fact_peer_chain_fingerprints_256:
  case martlet_fact_peer_chain_serials:
    for (int i = includes_leaf ? 0 : -1; i < others; i++) {
      X509 *certificate = i < 0 ? leaf : sk_X509_value(chain, i);
      if (fact == martlet_fact_peer_chain) {
        pem(out, certificate);
        continue;
      }
      if (i > (includes_leaf ? 0 : -1)) BIO_write(out, ",", 1);
      if (fact == martlet_fact_peer_chain_serials)
        serial(out, certificate);
      else
        fingerprint(out, certificate, fact == martlet_fact_peer_chain_fingerprints_1 ? EVP_sha1() : EVP_sha256());
    }
    break;
  default: break;
  }
}

static void local(BIO *out, X509 *leaf, int fact) {
  switch (fact) {
  case martlet_fact_local_subject: name(out, X509_get_subject_name(leaf)); break;
  case martlet_fact_local_dns: each_name(out, leaf, GEN_DNS, with_comma); break;
  case martlet_fact_local_uri: each_name(out, leaf, GEN_URI, with_comma); break;
  case martlet_fact_local_ip: each_name(out, leaf, GEN_IPADD, with_comma); break;
  case martlet_fact_local_email: each_name(out, leaf, GEN_EMAIL, with_comma); break;
  case martlet_fact_local_other: each_name(out, leaf, GEN_OTHERNAME, with_comma); break;
  case martlet_fact_local_uri_names: each_name(out, leaf, GEN_URI, with_zero); break;
  default: break;
  }
}

martlet_facts *martlet_facts_new(SSL *ssl, STACK_OF(X509) *refused) {
  BIO *out = BIO_new(BIO_s_mem());
  martlet_facts *facts = calloc(1, sizeof *facts);
  if (!out || !facts) goto failed;
  if (refused && sk_X509_num(refused) == 0) refused = NULL;
  X509 *leaf = refused ? sk_X509_value(refused, 0) : SSL_get0_peer_certificate(ssl);
  X509 *own = SSL_get_certificate(ssl);
  int includes_leaf = refused || !SSL_is_server(ssl);
  facts->references = 1;
  facts->has_peer_certificate = leaf != NULL;
  facts->cipher_suite = cipher(ssl) ? SSL_CIPHER_get_protocol_id(cipher(ssl)) : 0;
  facts->peer_is_verified = leaf && !refused && SSL_get_verify_result(ssl) == X509_V_OK;
  if (leaf) {
    facts->valid_from = martlet_asn1_seconds(X509_get0_notBefore(leaf));
    facts->valid_until = martlet_asn1_seconds(X509_get0_notAfter(leaf));
  }
  X509 *issuer = facts->peer_is_verified ? verified_issuer(ssl, includes_leaf) : NULL;
  for (int fact = 0; fact < martlet_fact_count; fact++) {
    facts->start[fact] = (uint32_t)BIO_pending(out);
    if (fact < martlet_fact_peer_subject)
      session(out, ssl, fact);
    else if (fact >= martlet_fact_local_subject)
      own ? local(out, own, fact) : (void)0;
    else if (leaf)
      peer(out, leaf, refused ? refused : SSL_get_peer_cert_chain(ssl), includes_leaf, issuer, fact);
    facts->end[fact] = (uint32_t)BIO_pending(out);
  }
  char *text = NULL;
  long count = BIO_get_mem_data(out, &text);
  uint8_t *copy = malloc(count > 0 ? (size_t)count : 1);
  if (!copy) goto failed;
  if (count > 0) memcpy(copy, text, (size_t)count);
  facts->text = copy;
  BIO_free(out);
  ERR_clear_error();
  return facts;
failed:
  BIO_free(out);
  free(facts);
  ERR_clear_error();
  return NULL;
}

void martlet_facts_free(martlet_facts *facts) {
  free((void *)facts->text);
  free(facts);
}

int martlet_md5(const uint8_t *bytes, size_t count, uint8_t digest[16]) {
  return EVP_Digest(bytes, count, digest, NULL, EVP_md5(), NULL);
}
