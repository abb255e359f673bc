#define _GNU_SOURCE
#include "copenssl.h"
#include <limits.h>
#include <string.h>
#include <time.h>

static int io_write(BIO *bio, const char *bytes, size_t count, size_t *written) {
  martlet_tls_io *io = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (!io->write(io->context, (const uint8_t *)bytes, count)) return 0;
  *written = count;
  return 1;
}

static int io_read(BIO *bio, char *bytes, size_t count, size_t *read) {
  martlet_tls_io *io = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (io->in_count == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  size_t n = count < io->in_count ? count : io->in_count;
  memcpy(bytes, io->in, n);
  io->in += n;
  io->in_count -= n;
  *read = n;
  return 1;
}

static long io_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static int io_create(BIO *bio) {
  BIO_set_init(bio, 1);
  return 1;
}

static BIO_METHOD *io_method;

__attribute__((constructor)) static void make_method(void) {
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "martlet");
  if (!method) return;
  BIO_meth_set_write_ex(method, io_write);
  BIO_meth_set_read_ex(method, io_read);
  BIO_meth_set_ctrl(method, io_control);
  BIO_meth_set_create(method, io_create);
  io_method = method;
}

SSL *martlet_tls_new(SSL_CTX *context, martlet_tls_io *io, int is_server) {
  SSL *ssl = SSL_new(context);
  BIO *bio = ssl && io_method ? BIO_new(io_method) : NULL;
  if (!bio) {
    SSL_free(ssl);
    return NULL;
  }
  BIO_set_data(bio, io);
  SSL_set_bio(ssl, bio, bio);
  if (is_server)
    SSL_set_accept_state(ssl);
  else
    SSL_set_connect_state(ssl);
  return ssl;
}

uint32_t martlet_peer_signature(SSL *ssl) {
  int type = 0, hash = 0;
  if (!SSL_get_peer_signature_type_nid(ssl, &type) || !SSL_get_peer_signature_nid(ssl, &hash))
    return martlet_session_signature(ssl);
  uint32_t code = hash == NID_sha1 ? 2 : hash == NID_sha256 ? 4 : hash == NID_sha384 ? 5 : hash == NID_sha512 ? 6 : 0;
  switch (type) {
  case EVP_PKEY_RSA: return code ? code << 8 | 1 : 0;
  case EVP_PKEY_EC: return code ? code << 8 | 3 : 0;
  case EVP_PKEY_RSA_PSS: return code >= 4 ? 0x0800u | code : 0;
  case EVP_PKEY_ED25519: return 0x0807;
  case EVP_PKEY_ED448: return 0x0808;
  default: return 0;
  }
}

void martlet_take_key(SSL *ssl, X509 *leaf) {
  if (!SSL_is_server(ssl) || SSL_version(ssl) >= TLS1_3_VERSION) return;
  EVP_PKEY *key = X509_get0_pubkey(leaf);
  char name[32];
  size_t count = 0;
  if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC || !EVP_PKEY_get_group_name(key, name, sizeof name, &count)) return;
  int group = OBJ_sn2nid(name);
  if (group == NID_X9_62_prime256v1 || group == NID_secp384r1 || group == NID_secp521r1) SSL_set1_groups(ssl, &group, 1);
}

X509 *martlet_pem_x509(BIO *bio) { return PEM_read_bio_X509(bio, NULL, NULL, NULL); }

int martlet_pem_is_over(void) {
  unsigned long code = ERR_peek_last_error();
  return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

int martlet_pem_has_lists(const uint8_t *pem, size_t count) { return memmem(pem, count, " X509 CRL-----", 14) != NULL; }

struct password {
  const uint8_t *bytes;
  size_t count;
};

static int give_password(char *buffer, int size, int writing, void *argument) {
  (void)writing;
  struct password *password = argument;
  if (!password->bytes || (size_t)size < password->count) return -1;
  memcpy(buffer, password->bytes, password->count);
  return (int)password->count;
}

EVP_PKEY *martlet_pem_key(BIO *bio, const uint8_t *bytes, size_t count) {
  struct password password = {bytes, count};
  return PEM_read_bio_PrivateKey(bio, NULL, give_password, &password);
}

const uint8_t *martlet_name_bytes(const GENERAL_NAME *name, size_t *count) {
  const ASN1_STRING *text = NULL;
  switch (name->type) {
  case GEN_EMAIL:
  case GEN_DNS:
  case GEN_URI: text = name->d.ia5; break;
  case GEN_IPADD: text = name->d.iPAddress; break;
  case GEN_OTHERNAME: {
    const ASN1_TYPE *value = name->d.otherName->value;
    if (value->type == V_ASN1_UTF8STRING || value->type == V_ASN1_IA5STRING || value->type == V_ASN1_PRINTABLESTRING ||
        value->type == V_ASN1_T61STRING || value->type == V_ASN1_VISIBLESTRING || value->type == V_ASN1_OCTET_STRING ||
        value->type == V_ASN1_BMPSTRING || value->type == V_ASN1_UNIVERSALSTRING || value->type == V_ASN1_NUMERICSTRING)
      text = value->value.asn1_string;
    break;
  }
  default: break;
  }
  if (!text) return NULL;
  *count = (size_t)ASN1_STRING_length(text);
  return ASN1_STRING_get0_data(text);
}

int64_t martlet_asn1_seconds(const ASN1_TIME *time) {
  struct tm parts;
  if (!ASN1_TIME_to_tm(time, &parts)) return 0;
  return (int64_t)timegm(&parts);
}

int martlet_ask_for(SSL *ssl, const uint8_t *name, size_t count) {
  char text[256];
  if (count == 0 || count >= sizeof text || memchr(name, 0, count)) return 0;
  memcpy(text, name, count);
  text[count] = 0;
  return (int)SSL_set_tlsext_host_name(ssl, text);
}

// Every block of one kind, which `take` gets, and gives back whether it counts. How many did; -1: a block is broken.
typedef int (*pem_take)(void *block, void *into);

static int each_block(const uint8_t *pem, size_t count, void *(*read)(BIO *), pem_take take, void *into) {
  if (count == 0 || count > INT_MAX) return count == 0 ? 0 : -1;
  BIO *bio = BIO_new_mem_buf(pem, (int)count);
  if (!bio) return -1;
  int found = 0;
  void *block;
  while ((block = read(bio))) found += take(block, into);
  BIO_free(bio);
  if (!martlet_pem_is_over()) return -1;
  if (found) ERR_clear_error();
  return found;
}

static void *read_certificate(BIO *bio) { return martlet_pem_x509(bio); }
static void *read_revocations(BIO *bio) { return PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL); }

static int trust(void *certificate, void *context) {
  int added = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate);
  X509_free(certificate);
  return added;
}

static int trust_and_announce(void *certificate, void *context) {
  SSL_CTX_add_client_CA(context, certificate);
  return trust(certificate, context);
}

static int revoke(void *list, void *context) {
  int added = X509_STORE_add_crl(SSL_CTX_get_cert_store(context), list);
  X509_CRL_free(list);
  return added;
}

int martlet_ctx_trust(SSL_CTX *context, const uint8_t *pem, size_t count, int announces) {
  return each_block(pem, count, read_certificate, announces ? trust_and_announce : trust, context);
}

int martlet_ctx_revocations(SSL_CTX *context, const uint8_t *pem, size_t count, int leaf_only) {
  int found = each_block(pem, count, read_revocations, revoke, context);
  if (found > 0)
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_CRL_CHECK | (leaf_only ? 0 : X509_V_FLAG_CRL_CHECK_ALL));
  return found;
}

struct martlet_trust {
  STACK_OF(X509) *certificates;
  // None: nothing is looked for.
  STACK_OF(X509_CRL) *revocations;
};

martlet_trust *martlet_trust_new(void) {
  martlet_trust *trust = calloc(1, sizeof *trust);
  if (!trust) return NULL;
  trust->certificates = sk_X509_new_null();
  trust->revocations = sk_X509_CRL_new_null();
  if (trust->certificates && trust->revocations) return trust;
  martlet_trust_free(trust);
  return NULL;
}

void martlet_trust_free(martlet_trust *trust) {
  if (!trust) return;
  sk_X509_pop_free(trust->certificates, X509_free);
  sk_X509_CRL_pop_free(trust->revocations, X509_CRL_free);
  free(trust);
}

int martlet_trust_add(martlet_trust *trust, const uint8_t *der, size_t count) {
  const unsigned char *at = der;
  X509 *certificate = d2i_X509(NULL, &at, (long)count);
  if (!certificate) return 0;
  if (sk_X509_push(trust->certificates, certificate) > 0) return 1;
  X509_free(certificate);
  return 0;
}

static int keep_revocations(void *list, void *trust) {
  if (sk_X509_CRL_push(((martlet_trust *)trust)->revocations, list) > 0) return 1;
  X509_CRL_free(list);
  return 0;
}

int martlet_trust_add_revocations(martlet_trust *trust, const uint8_t *pem, size_t count) {
  int found = each_block(pem, count, read_revocations, keep_revocations, trust);
  if (found == 0) ERR_clear_error();
  return found;
}

void martlet_store_trust(X509_STORE_CTX *store, martlet_trust *trust) {
  X509_STORE_CTX_set0_trusted_stack(store, trust->certificates);
  X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
  X509_VERIFY_PARAM_clear_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY);
  if (sk_X509_CRL_num(trust->revocations) == 0) return;
  X509_STORE_CTX_set0_crls(store, trust->revocations);
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
}

int martlet_ctx_announce(SSL_CTX *context, const uint8_t *der, size_t count) {
  const unsigned char *at = der;
  X509 *certificate = d2i_X509(NULL, &at, (long)count);
  if (!certificate) return 0;
  const STACK_OF(X509_NAME) *names = SSL_CTX_get_client_CA_list(context);
  int good = 1;
  for (int i = 0; i < sk_X509_NAME_num(names); i++) {
    if (X509_NAME_cmp(sk_X509_NAME_value(names, i), X509_get_subject_name(certificate)) == 0) goto done;
  }
  good = SSL_CTX_add_client_CA(context, certificate);
done:
  X509_free(certificate);
  return good;
}

int martlet_x509_digest(const X509 *certificate, uint8_t digest[32]) {
  unsigned count = 32;
  return X509_digest(certificate, EVP_sha256(), digest, &count);
}

int martlet_x509_key_digest(X509 *certificate, uint8_t digest[32]) {
  unsigned char *bytes = NULL;
  int count = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);
  if (count <= 0) return 0;
  int good = martlet_sha256(bytes, (size_t)count, digest);
  OPENSSL_free(bytes);
  return good;
}

int martlet_sha256(const uint8_t *bytes, size_t count, uint8_t digest[32]) {
  return EVP_Digest(bytes, count, digest, NULL, EVP_sha256(), NULL);
}

int martlet_name_has_oid(const GENERAL_NAME *name, const char *oid) {
  char text[128];
  if (name->type != GEN_OTHERNAME) return 0;
  int count = OBJ_obj2txt(text, sizeof text, name->d.otherName->type_id, 1);
  return count > 0 && (size_t)count < sizeof text && !strcmp(text, oid);
}
