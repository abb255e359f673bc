/* The floor of a TLS handshake: OpenSSL's server side with a reused context, no sockets and no load.
 *
 *     handshakes CERTIFICATE KEY TICKETS COUNT [--resume]
 *
 * Prints the CPU microseconds of the server's side of one handshake (its own calls only), of COUNT
 * after a warm-up, with one request and answer of 100 bytes behind each. */
#include "common.h"
#include <openssl/ssl.h>

static SSL_SESSION *newest;

static int onSession(SSL *ssl, SSL_SESSION *session) {
    (void)ssl;
    if (newest) SSL_SESSION_free(newest);
    newest = session;
    return 1;
}

static uint64_t cpuNs(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void move(SSL *from, SSL *to) {
    char bytes[16384];
    int n;
    while ((n = BIO_read(SSL_get_wbio(from), bytes, sizeof bytes)) > 0) BIO_write(SSL_get_rbio(to), bytes, n);
}

static SSL *make(SSL_CTX *context) {
    SSL *ssl = SSL_new(context);
    if (!ssl) die("SSL_new");
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    return ssl;
}

/* The server's nanoseconds. */
static uint64_t once(SSL_CTX *serverContext, SSL_CTX *clientContext, bool resume) {
    char bytes[128] = {0};
    SSL *client = make(clientContext);
    SSL_set_connect_state(client);
    if (resume && newest) SSL_set_session(client, newest);
    uint64_t start = cpuNs(), spent = 0;
    SSL *server = make(serverContext);
    SSL_set_accept_state(server);
    spent += cpuNs() - start;
    for (int i = 0; i < 4 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); i++) {
        SSL_do_handshake(client);
        move(client, server);
        start = cpuNs();
        SSL_do_handshake(server);
        spent += cpuNs() - start;
        move(server, client);
    }
    if (!SSL_is_init_finished(server)) die("no handshake");
    if (resume && newest && !SSL_session_reused(server)) die("not resumed");
    SSL_write(client, bytes, 100);
    move(client, server);
    start = cpuNs();
    if (SSL_read(server, bytes, sizeof bytes) != 100 || SSL_write(server, bytes, 100) != 100) die("no answer");
    SSL_shutdown(server);
    spent += cpuNs() - start;
    move(server, client);
    if (SSL_read(client, bytes, sizeof bytes) != 100) die("no answer at the client");
    SSL_shutdown(client); /* or its session counts as broken */
    SSL_free(client);
    start = cpuNs();
    SSL_free(server);
    return spent + cpuNs() - start;
}

int main(int argc, char **argv) {
    if (argc < 5) die("handshakes CERTIFICATE KEY TICKETS COUNT [--resume]");
    bool resume = argc > 5 && !strcmp(argv[5], "--resume");
    long count = atol(argv[4]);
    SSL_CTX *server = SSL_CTX_new(TLS_server_method()), *client = SSL_CTX_new(TLS_client_method());
    if (!server || !client) die("SSL_CTX_new");
    if (SSL_CTX_use_certificate_chain_file(server, argv[1]) != 1 || SSL_CTX_use_PrivateKey_file(server, argv[2], SSL_FILETYPE_PEM) != 1)
        die("the certificate or its key cannot be read");
    SSL_CTX_set_num_tickets(server, (size_t)atol(argv[3]));
    SSL_CTX_set_min_proto_version(client, TLS1_3_VERSION);
    SSL_CTX_set_ciphersuites(client, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set1_groups_list(client, "X25519");
    SSL_CTX_set_session_id_context(server, (const unsigned char *)"perf", 4);
    SSL_CTX_set_session_cache_mode(client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client, onSession);
    for (int i = 0; i < 100; i++) once(server, client, resume);
    uint64_t spent = 0;
    for (long i = 0; i < count; i++) spent += once(server, client, resume);
    printf("%.2f\n", (double)spent / (double)count / 1e3);
    return 0;
}
