// OpenSSL 3 for Swift: its headers, and functions where it has macros. The BIO of a connection lies here too: it reads
// from the receive buffer in place and hands what is to be sent to its owner.
#pragma once
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

// What a connection's BIO reads and writes. Lives as long as the SSL object.
typedef struct martlet_tls_io {
  const uint8_t *_Nullable in;
  size_t in_count;
  void *_Nullable context;
  // Takes all bytes, or says 0: no memory.
  int (*_Nullable write)(void *_Nullable context, const uint8_t *_Nonnull bytes, size_t count);
} martlet_tls_io;

// The calling thread keeps pieces of OpenSSL's memory for itself from now on, at most 4 MiB. For
// threads that live as long as the process. 0: no memory.
int martlet_openssl_keeps_memory(void);
// Bytes that the calling thread keeps so.
size_t martlet_openssl_kept_bytes(void);

// An SSL object with a BIO over `io`; NULL: no memory.
SSL *_Nullable martlet_tls_new(SSL_CTX *_Nonnull context, martlet_tls_io *_Nonnull io, int is_server);

static inline long martlet_ctx_versions(SSL_CTX *_Nonnull c, int low, int high) {
  return SSL_CTX_set_min_proto_version(c, low) && SSL_CTX_set_max_proto_version(c, high);
}
static inline void martlet_ctx_mode(SSL_CTX *_Nonnull c) {
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}
static inline long martlet_ctx_groups(SSL_CTX *_Nonnull c, const char *_Nonnull list) {
  return SSL_CTX_set1_groups_list(c, list);
}
static inline long martlet_ctx_sigalgs(SSL_CTX *_Nonnull c, const char *_Nonnull list) {
  return SSL_CTX_set1_sigalgs_list(c, list);
}
static inline long martlet_ctx_client_sigalgs(SSL_CTX *_Nonnull c, const char *_Nonnull list) {
  return SSL_CTX_set1_client_sigalgs_list(c, list);
}
static inline long martlet_ctx_add1_chain(SSL_CTX *_Nonnull c, X509 *_Nonnull x) { return SSL_CTX_add1_chain_cert(c, x); }
static inline long martlet_ctx_cache_mode(SSL_CTX *_Nonnull c, long mode) { return SSL_CTX_set_session_cache_mode(c, mode); }
static inline long martlet_ctx_select_current(SSL_CTX *_Nonnull c, X509 *_Nonnull x) {
  return SSL_CTX_select_current_cert(c, x);
}
static inline uint64_t martlet_op_server(void) {
  return SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_ENABLE_MIDDLEBOX_COMPAT | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
         SSL_OP_IGNORE_UNEXPECTED_EOF;
}
static inline uint64_t martlet_op_client(void) {
  return SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_ENABLE_MIDDLEBOX_COMPAT | SSL_OP_IGNORE_UNEXPECTED_EOF;
}
static inline uint64_t martlet_op_no_ticket(void) { return SSL_OP_NO_TICKET; }
static inline uint64_t martlet_op_prefer_server(void) { return SSL_OP_CIPHER_SERVER_PREFERENCE; }
static inline uint64_t martlet_op_no_renegotiation(void) { return SSL_OP_NO_RENEGOTIATION; }
static inline long martlet_set_server_name(SSL *_Nonnull s, const char *_Nonnull name) {
  return SSL_set_tlsext_host_name(s, name);
}
// For what a socket takes at once or not at all.
static inline int martlet_send_now_flags(void) { return MSG_DONTWAIT | MSG_NOSIGNAL; }
static inline void martlet_err_clear(void) { ERR_clear_error(); }
static inline int martlet_err_lib(unsigned long e) { return ERR_GET_LIB(e); }
static inline int martlet_err_reason(unsigned long e) { return ERR_GET_REASON(e); }
static inline unsigned long martlet_err_ssl(int reason) { return ERR_PACK(ERR_LIB_SSL, 0, reason); }
static inline long martlet_group_nid(SSL *_Nonnull s) { return SSL_get_negotiated_group(s); }
static inline size_t martlet_sk_x509_count(const STACK_OF(X509) *_Nullable s) { return s ? (size_t)sk_X509_num(s) : 0; }
static inline X509 *_Nullable martlet_sk_x509(const STACK_OF(X509) *_Nonnull s, size_t i) { return sk_X509_value(s, (int)i); }
static inline void martlet_sk_x509_free(STACK_OF(X509) *_Nullable s) { sk_X509_pop_free(s, X509_free); }
static inline size_t martlet_sk_name_count(const GENERAL_NAMES *_Nullable s) { return s ? (size_t)sk_GENERAL_NAME_num(s) : 0; }
static inline GENERAL_NAME *_Nullable martlet_sk_name(const GENERAL_NAMES *_Nonnull s, size_t i) {
  return sk_GENERAL_NAME_value(s, (int)i);
}
static inline void martlet_names_free(GENERAL_NAMES *_Nullable s) { sk_GENERAL_NAME_pop_free(s, GENERAL_NAME_free); }

// The registry's number of what the peer signed with, where it can be told; else 0.
uint32_t martlet_peer_signature(SSL *_Nonnull ssl);
// The same of the session that a client goes on with.
uint32_t martlet_session_signature(SSL *_Nonnull ssl);

// Before a client's certificate is looked at: its key may be of any of NIST's curves. In TLS 1.2 OpenSSL holds it against the
// groups of the key exchange, which is over by then, and Envoy's library does not.
void martlet_take_key(SSL *_Nonnull ssl, X509 *_Nonnull leaf);

// The next certificate of a PEM text; NULL: none is left, or it is none.
X509 *_Nullable martlet_pem_x509(BIO *_Nonnull bio);
// Whether a revocation list begins in a PEM text.
int martlet_pem_has_lists(const uint8_t *_Nonnull pem, size_t count);
// Why nothing was read: 1: the text has no more blocks; 0: one of them is broken, as the errors say.
int martlet_pem_is_over(void);
// A private key in PEM form. Never asks anybody for a password.
EVP_PKEY *_Nullable martlet_pem_key(BIO *_Nonnull bio, const uint8_t *_Nullable password, size_t count);
static inline void martlet_openssl_free(void *_Nullable p) { OPENSSL_free(p); }
// The bytes of an e-mail, DNS, URI or IP name, or of an other name's text; NULL: another type.
const uint8_t *_Nullable martlet_name_bytes(const GENERAL_NAME *_Nonnull name, size_t *_Nonnull count);
// Seconds since 1970.
int64_t martlet_asn1_seconds(const ASN1_TIME *_Nonnull time);
static inline long martlet_ctx_staple_callback(
    SSL_CTX *_Nonnull c, int (*_Nonnull callback)(SSL *_Nullable, void *_Nullable), void *_Nullable argument) {
  SSL_CTX_set_tlsext_status_arg(c, argument);
  return SSL_CTX_set_tlsext_status_cb(c, callback);
}
static inline long martlet_ctx_server_name_callback(
    SSL_CTX *_Nonnull c, int (*_Nonnull callback)(SSL *_Nullable, int *_Nullable, void *_Nullable),
    void *_Nullable argument) {
  SSL_CTX_set_tlsext_servername_arg(c, argument);
  return SSL_CTX_set_tlsext_servername_callback(c, callback);
}
static inline const SSL_CIPHER *_Nullable martlet_ctx_cipher(SSL_CTX *_Nonnull c, size_t i) {
  STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(c);
  return list && i < (size_t)sk_SSL_CIPHER_num(list) ? sk_SSL_CIPHER_value(list, (int)i) : NULL;
}

// Keys of session tickets, the same for every worker. A slot is written once before `current` names it, and used again
// only after every other slot has had its turn.
enum { martlet_ticket_slots = 8 };
typedef struct martlet_ticket_key {
  uint8_t name[16];
  uint8_t hmac[32];
  uint8_t aes[32];
} martlet_ticket_key;
typedef struct martlet_ticket_keys {
  // How many slots hold keys; the one that encrypts. Written with release, read with acquire.
  uint32_t count;
  uint32_t current;
  martlet_ticket_key keys[martlet_ticket_slots];
} martlet_ticket_keys;

martlet_ticket_keys *_Nonnull martlet_ticket_keys_new(void);
void martlet_ticket_keys_free(martlet_ticket_keys *_Nonnull keys);
// Puts a key behind the others; `encrypts`: from now on tickets are made with it.
void martlet_ticket_keys_add(martlet_ticket_keys *_Nonnull keys, const martlet_ticket_key *_Nonnull key, int encrypts);
// A random key in the place of the oldest one, which encrypts from now on.
int martlet_ticket_keys_rotate(martlet_ticket_keys *_Nonnull keys);
int martlet_ctx_ticket_keys(SSL_CTX *_Nonnull context, martlet_ticket_keys *_Nonnull keys);

// Sessions that are kept on this side (no tickets), the same for every worker: a table in which a writer that finds a
// place being written goes away, and a reader that sees a place change takes it for empty. Nobody waits.
typedef struct martlet_session_store martlet_session_store;
martlet_session_store *_Nullable martlet_session_store_new(void);
int martlet_ctx_session_store(SSL_CTX *_Nonnull context, martlet_session_store *_Nonnull store);

// Sessions of a client, of one context: the newest first. One thread.
typedef struct martlet_client_sessions martlet_client_sessions;
martlet_client_sessions *_Nullable martlet_client_sessions_new(size_t max);
void martlet_client_sessions_free(martlet_client_sessions *_Nonnull sessions);
int martlet_ctx_client_sessions(SSL_CTX *_Nonnull context, martlet_client_sessions *_Nonnull sessions);
// The handshake to come offers the newest session, if there is one.
// `same_name`: only one of the server name that this handshake asks for, where that was looked for in the certificate: who
// resumes shows none.
void martlet_resume(SSL *_Nonnull ssl, int same_name);

// A host name (no more than 255 bytes) for the handshake to come.
int martlet_ask_for(SSL *_Nonnull ssl, const uint8_t *_Nonnull name, size_t count);

typedef int (*martlet_verify_callback)(X509_STORE_CTX *_Nullable, void *_Nullable);
static inline void martlet_ctx_verify(
    SSL_CTX *_Nonnull c, int asks, int requires_certificate, martlet_verify_callback _Nonnull callback,
    void *_Nullable argument) {
  SSL_CTX_set_verify(
      c, asks ? SSL_VERIFY_PEER | (requires_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0) : SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_cert_verify_callback(c, callback, argument);
}
static inline SSL *_Nullable martlet_store_ssl(X509_STORE_CTX *_Nonnull s) {
  return X509_STORE_CTX_get_ex_data(s, SSL_get_ex_data_X509_STORE_CTX_idx());
}
// How far the chain that was found goes behind the peer's own certificate.
static inline int martlet_store_depth(X509_STORE_CTX *_Nonnull s) {
  return sk_X509_num(X509_STORE_CTX_get0_chain(s)) - 1;
}
// What the peer has shown, its own certificate first; with a count of the caller's (`martlet_chain_free`). NULL: no memory.
static inline STACK_OF(X509) *_Nullable martlet_store_shown(X509_STORE_CTX *_Nonnull s) {
  return X509_chain_up_ref(X509_STORE_CTX_get0_untrusted(s));
}
static inline void martlet_chain_free(STACK_OF(X509) *_Nullable chain) { sk_X509_pop_free(chain, X509_free); }
static inline void martlet_store_ignore_time(X509_STORE_CTX *_Nonnull s) {
  X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(s), X509_V_FLAG_NO_CHECK_TIME);
}
// Every certificate of a PEM text into the store, and their names into the list of authorities that a server asks for.
// How many; -1: a block is broken.
int martlet_ctx_trust(SSL_CTX *_Nonnull context, const uint8_t *_Nonnull pem, size_t count, int announces);
// Every revocation list of a PEM text: from then on the chain, or the peer's own certificate, is looked for in one. How many;
// -1: a block is broken.
int martlet_ctx_revocations(SSL_CTX *_Nonnull context, const uint8_t *_Nonnull pem, size_t count, int leaf_only);
static inline int martlet_ctx_system_roots(SSL_CTX *_Nonnull c) { return SSL_CTX_set_default_verify_paths(c); }
static inline void martlet_ctx_partial_chains(SSL_CTX *_Nonnull c) {
  X509_STORE_set_flags(SSL_CTX_get_cert_store(c), X509_V_FLAG_PARTIAL_CHAIN);
}
// What the peers of one trust domain are verified with. One thread.
typedef struct martlet_trust martlet_trust;
martlet_trust *_Nullable martlet_trust_new(void);
void martlet_trust_free(martlet_trust *_Nullable trust);
int martlet_trust_add(martlet_trust *_Nonnull trust, const uint8_t *_Nonnull der, size_t count);
// Every revocation list of a PEM text: from then on every certificate of a chain is looked for in one. How many;
// -1: a block is broken.
int martlet_trust_add_revocations(martlet_trust *_Nonnull trust, const uint8_t *_Nonnull pem, size_t count);
// The chain is verified with these instead of the context's own, up to an authority that has signed itself and whatever the
// certificate says that it is for.
void martlet_store_trust(X509_STORE_CTX *_Nonnull store, martlet_trust *_Nonnull trust);
// Into the list of authorities that a server asks for, once each.
int martlet_ctx_announce(SSL_CTX *_Nonnull context, const uint8_t *_Nonnull der, size_t count);
// SHA-256 of the certificate, or of its public key. 0: failed.
// 1, or 0 where the library does not have the digest.
int martlet_md5(const uint8_t *_Nonnull bytes, size_t count, uint8_t digest[_Nonnull 16]);
int martlet_x509_digest(const X509 *_Nonnull certificate, uint8_t digest[_Nonnull 32]);
int martlet_x509_key_digest(X509 *_Nonnull certificate, uint8_t digest[_Nonnull 32]);
int martlet_sha256(const uint8_t *_Nonnull bytes, size_t count, uint8_t digest[_Nonnull 32]);
// Whether an other name is of this type: the OID in its dotted form.
int martlet_name_has_oid(const GENERAL_NAME *_Nonnull name, const char *_Nonnull oid);

// What is to be known of a connection, as text: made when first asked for, kept with a count.
enum {
  martlet_fact_version, martlet_fact_cipher, martlet_fact_group, martlet_fact_session_id, martlet_fact_server_name,
  martlet_fact_peer_subject, martlet_fact_peer_issuer, martlet_fact_peer_serial, martlet_fact_peer_cert,
  martlet_fact_peer_chain, martlet_fact_peer_fingerprint_1, martlet_fact_peer_fingerprint_256, martlet_fact_peer_dns,
  martlet_fact_peer_uri, martlet_fact_peer_ip, martlet_fact_peer_email, martlet_fact_peer_other,
  martlet_fact_peer_chain_fingerprints_1, martlet_fact_peer_chain_fingerprints_256, martlet_fact_peer_chain_serials,
  martlet_fact_peer_issuer_fingerprint_256, martlet_fact_peer_issuer_serial,
  // Names with a zero byte behind each; the ones without `_names` stand beside each other with commas.
  martlet_fact_peer_dns_names, martlet_fact_peer_uri_names,
  martlet_fact_local_subject, martlet_fact_local_dns, martlet_fact_local_uri, martlet_fact_local_ip,
  martlet_fact_local_email, martlet_fact_local_other, martlet_fact_local_uri_names,
  martlet_fact_count
};
typedef struct martlet_facts {
  int64_t references;
  // Of the peer's certificate, in seconds since 1970; 0: there is none.
  int64_t valid_from, valid_until;
  int has_peer_certificate, peer_is_verified;
  // As it stands in a hello; 0: none.
  uint32_t cipher_suite;
  const uint8_t *_Nullable text;
  uint32_t start[martlet_fact_count], end[martlet_fact_count];
} martlet_facts;
// `refused`: what the peer of a handshake that failed has shown, its own certificate first; NULL: nothing was refused.
martlet_facts *_Nullable martlet_facts_new(SSL *_Nonnull ssl, STACK_OF(X509) *_Nullable refused);
void martlet_facts_free(martlet_facts *_Nonnull facts);

// Until when a response of OCSP is good, in seconds since 1970. −1: it is none, or says nothing good; −2: it is about
// another certificate.
int64_t martlet_ocsp_until(const uint8_t *_Nonnull der, size_t count, X509 *_Nonnull certificate, int64_t *_Nonnull from);
// Hands OpenSSL a copy. 0: no memory.
int martlet_staple(SSL *_Nonnull ssl, const uint8_t *_Nonnull der, size_t count);
