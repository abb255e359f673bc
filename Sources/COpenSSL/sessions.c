#define _GNU_SOURCE
#include "copenssl.h"
#include <openssl/core_names.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Tickets.

static int context_keys = -1;
static int context_store = -1;
static int context_sessions = -1;
static int session_signature = -1;
static EVP_CIPHER *ticket_cipher;

__attribute__((constructor)) static void prepare(void) {
  context_keys = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
  context_store = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
  context_sessions = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
  session_signature = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static uint32_t load(const uint32_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }

martlet_ticket_keys *martlet_ticket_keys_new(void) {
  // What is fetched by name costs a locked search each time: once for the process, and not where nothing has TLS (the
  // library's tables are 3 MB of memory). On main, before any worker sees the keys.
  if (!ticket_cipher) ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
  return calloc(1, sizeof(martlet_ticket_keys));
}

void martlet_ticket_keys_free(martlet_ticket_keys *keys) {
  OPENSSL_cleanse(keys, sizeof *keys);
  free(keys);
}

void martlet_ticket_keys_add(martlet_ticket_keys *keys, const martlet_ticket_key *key, int encrypts) {
  if (keys->count == martlet_ticket_slots) return;
  keys->keys[keys->count] = *key;
  if (encrypts) keys->current = keys->count;
  __atomic_store_n(&keys->count, keys->count + 1, __ATOMIC_RELEASE);
}

int martlet_ticket_keys_rotate(martlet_ticket_keys *keys) {
  martlet_ticket_key key;
  if (RAND_priv_bytes((unsigned char *)&key, sizeof key) != 1) return 0;
  uint32_t next = keys->count < martlet_ticket_slots ? keys->count : (keys->current + 1) % martlet_ticket_slots;
  keys->keys[next] = key;
  OPENSSL_cleanse(&key, sizeof key);
  if (next == keys->count) __atomic_store_n(&keys->count, next + 1, __ATOMIC_RELEASE);
  __atomic_store_n(&keys->current, next, __ATOMIC_RELEASE);
  return 1;
}

static int ticket(
    SSL *ssl, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH], EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
    int encrypts) {
  const martlet_ticket_keys *keys = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_keys);
  if (!keys) return -1;
  const martlet_ticket_key *key = NULL;
  int is_current = 1;
  if (encrypts) {
    key = &keys->keys[load(&keys->current)];
    if (RAND_bytes(iv, 16) != 1) return -1;
    memcpy(name, key->name, 16);
  } else {
    uint32_t count = load(&keys->count);
    for (uint32_t i = 0; i < count && !key; i++)
      if (!memcmp(keys->keys[i].name, name, 16)) key = &keys->keys[i];
    if (!key) return 0;
    is_current = key == &keys->keys[load(&keys->current)];
  }
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->hmac, 32),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0), OSSL_PARAM_construct_end()};
  if (!EVP_MAC_CTX_set_params(mac, parameters)) return -1;
  int good = encrypts ? EVP_EncryptInit_ex(cipher, ticket_cipher, NULL, key->aes, iv)
                      : EVP_DecryptInit_ex(cipher, ticket_cipher, NULL, key->aes, iv);
  if (!good) return -1;
  // 2: good, and to be replaced: by a ticket of today's key, or because a ticket of TLS 1.3 is used once.
  return is_current && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

int martlet_ctx_ticket_keys(SSL_CTX *context, martlet_ticket_keys *keys) {
  return SSL_CTX_set_ex_data(context, context_keys, keys) && SSL_CTX_set_tlsext_ticket_key_evp_cb(context, ticket);
}

// Sessions kept by a server.

enum { slot_count = 4096, slot_ways = 4, slot_words = 128 };

struct slot {
  // Odd: being written.
  _Atomic uint32_t sequence;
  uint32_t count;
  uint64_t id[4];
  uint64_t words[slot_words];
};

struct martlet_session_store {
  struct slot slots[slot_count];
};

martlet_session_store *martlet_session_store_new(void) { return calloc(1, sizeof(martlet_session_store)); }

static void relaxed_copy_in(uint64_t *to, const uint64_t *from, size_t words) {
  for (size_t i = 0; i < words; i++) __atomic_store_n(&to[i], from[i], __ATOMIC_RELAXED);
}

static void relaxed_copy_out(uint64_t *to, const uint64_t *from, size_t words) {
  for (size_t i = 0; i < words; i++) to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

// Session ids are random: any four bytes of one are a hash.
static size_t bucket(const uint64_t id[4]) { return (size_t)(id[0] % (slot_count / slot_ways)) * slot_ways; }

static int identify(const unsigned char *bytes, size_t count, uint64_t id[4]) {
  if (count != 32) return 0;
  memcpy(id, bytes, 32);
  return 1;
}

static int keep(SSL *ssl, SSL_SESSION *session) {
  martlet_session_store *store = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_store);
  unsigned count = 0;
  uint64_t id[4];
  uint64_t words[slot_words];
  // What a ticket of TLS 1.3 carries whole needs no place here; it is told of all the same. (Early data, which we do not
  // take, would make tickets stateful too.)
  if (!store || (SSL_version(ssl) >= TLS1_3_VERSION && !(SSL_get_options(ssl) & SSL_OP_NO_TICKET))) return 0;
  if (!identify(SSL_SESSION_get_id(session, &count), count, id)) return 0;
  int bytes = i2d_SSL_SESSION(session, NULL);
  if (bytes <= 0 || (size_t)bytes > sizeof words) return 0;
  unsigned char *end = (unsigned char *)words;
  i2d_SSL_SESSION(session, &end);
  // The place that was written longest ago, or an empty one, as far as the sequence tells.
  struct slot *place = NULL;
  size_t first = bucket(id);
  uint32_t least = UINT32_MAX;
  for (size_t i = 0; i < slot_ways; i++) {
    struct slot *slot = &store->slots[first + i];
    uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
    if (!(sequence & 1) && sequence < least) place = slot, least = sequence;
  }
  if (!place || !atomic_compare_exchange_strong_explicit(
                    &place->sequence, &least, least + 1, memory_order_acquire, memory_order_relaxed)) {
    OPENSSL_cleanse(words, sizeof words);
    return 0;
  }
  atomic_thread_fence(memory_order_release);
  __atomic_store_n(&place->count, (uint32_t)bytes, __ATOMIC_RELAXED);
  relaxed_copy_in(place->id, id, 4);
  relaxed_copy_in(place->words, words, ((size_t)bytes + 7) / 8);
  atomic_store_explicit(&place->sequence, least + 2, memory_order_release);
  OPENSSL_cleanse(words, sizeof words);
  // Not ours to keep.
  return 0;
}

static struct slot *find(martlet_session_store *store, const uint64_t id[4]) {
  size_t first = bucket(id);
  for (size_t i = 0; i < slot_ways; i++) {
    uint64_t other[4];
    relaxed_copy_out(other, store->slots[first + i].id, 4);
    if (!memcmp(other, id, 32)) return &store->slots[first + i];
  }
  return NULL;
}

static SSL_SESSION *look_up(SSL *ssl, const unsigned char *bytes, int length, int *copy) {
  *copy = 0;
  martlet_session_store *store = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_store);
  uint64_t id[4];
  if (!store || length < 0 || !identify(bytes, (size_t)length, id)) return NULL;
  struct slot *slot = find(store, id);
  if (!slot) return NULL;
  uint32_t before = atomic_load_explicit(&slot->sequence, memory_order_acquire);
  uint32_t count = __atomic_load_n(&slot->count, __ATOMIC_RELAXED);
  uint64_t words[slot_words];
  if ((before & 1) || count == 0 || count > sizeof words) return NULL;
  relaxed_copy_out(words, slot->words, ((size_t)count + 7) / 8);
  atomic_thread_fence(memory_order_acquire);
  if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) != before) {
    OPENSSL_cleanse(words, sizeof words);
    return NULL;
  }
  const unsigned char *start = (const unsigned char *)words;
  SSL_SESSION *session = d2i_SSL_SESSION(NULL, &start, (long)count);
  OPENSSL_cleanse(words, sizeof words);
  // The place may have had another session by then.
  unsigned found = 0;
  if (session && (memcmp(SSL_SESSION_get_id(session, &found), bytes, 32) || found != 32)) {
    SSL_SESSION_free(session);
    return NULL;
  }
  return session;
}

static void forget(SSL_CTX *context, SSL_SESSION *session) {
  martlet_session_store *store = SSL_CTX_get_ex_data(context, context_store);
  unsigned count = 0;
  uint64_t id[4];
  if (!store || !identify(SSL_SESSION_get_id(session, &count), count, id)) return;
  struct slot *slot = find(store, id);
  if (!slot) return;
  uint32_t sequence = atomic_load_explicit(&slot->sequence, memory_order_relaxed);
  if ((sequence & 1) || !atomic_compare_exchange_strong_explicit(
                            &slot->sequence, &sequence, sequence + 1, memory_order_acquire, memory_order_relaxed))
    return;
  atomic_thread_fence(memory_order_release);
  __atomic_store_n(&slot->count, 0, __ATOMIC_RELAXED);
  atomic_store_explicit(&slot->sequence, sequence + 2, memory_order_release);
}

int martlet_ctx_session_store(SSL_CTX *context, martlet_session_store *store) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep);
  SSL_CTX_sess_set_get_cb(context, look_up);
  SSL_CTX_sess_set_remove_cb(context, forget);
  return SSL_CTX_set_ex_data(context, context_store, store);
}

// Sessions kept by a client.

struct martlet_client_sessions {
  size_t max, count;
  SSL_SESSION *sessions[];
};

martlet_client_sessions *martlet_client_sessions_new(size_t max) {
  martlet_client_sessions *sessions = calloc(1, sizeof *sessions + max * sizeof(SSL_SESSION *));
  if (sessions) sessions->max = max;
  return sessions;
}

void martlet_client_sessions_free(martlet_client_sessions *sessions) {
  for (size_t i = 0; i < sessions->count; i++) SSL_SESSION_free(sessions->sessions[i]);
  free(sessions);
}

static int keep_client(SSL *ssl, SSL_SESSION *session) {
  martlet_client_sessions *sessions = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_sessions);
  if (!sessions || sessions->max == 0) return 0;
  // OpenSSL does not keep it; a session that follows from this one takes it along.
  uint32_t signature = martlet_peer_signature(ssl);
  if (signature) SSL_SESSION_set_ex_data(session, session_signature, (void *)(uintptr_t)signature);
  if (sessions->count == sessions->max) {
    SSL_SESSION_free(sessions->sessions[0]);
    memmove(sessions->sessions, sessions->sessions + 1, (sessions->max - 1) * sizeof(SSL_SESSION *));
    sessions->count--;
  }
  sessions->sessions[sessions->count++] = session;
  return 1;
}

int martlet_ctx_client_sessions(SSL_CTX *context, martlet_client_sessions *sessions) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_client);
  return SSL_CTX_set_ex_data(context, context_sessions, sessions);
}

uint32_t martlet_session_signature(SSL *ssl) {
  SSL_SESSION *session = SSL_session_reused(ssl) ? SSL_get0_session(ssl) : NULL;
  return session ? (uint32_t)(uintptr_t)SSL_SESSION_get_ex_data(session, session_signature) : 0;
}

void martlet_resume(SSL *ssl, int same_name) {
  martlet_client_sessions *sessions = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_sessions);
  if (!sessions || sessions->count == 0) return;
  SSL_SESSION *session = sessions->sessions[sessions->count - 1];
  if (same_name) {
    // NULL: the server has not said that it went by the name.
    const char *made = SSL_SESSION_get0_hostname(session);
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (!made || !asked || strcmp(made, asked) != 0) return;
  }
  SSL_set_session(ssl, session);
  // RFC 8446 §C.4: a ticket of TLS 1.3 is used once.
  if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION) {
    sessions->count--;
    SSL_SESSION_free(session);
  }
}
