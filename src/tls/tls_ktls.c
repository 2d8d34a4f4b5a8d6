/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_ktls.c - the self-test: a handshake and some megabytes over a loopback pair, sending by kTLS.
 *
 * One thread drives both ends, so every call is non-blocking and the rounds are counted.
 */
#include "tls/tls_ktls.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base.h"

#ifndef TCP_ULP
#define TCP_ULP 31
#endif

#define TEST_BYTES ((size_t)1 << 20)
#define ROUNDS_MAX 100000

/* ---- a pair of sockets ------------------------------------------------------------------------
 */

static int listen_on_loopback(struct sockaddr_in *addr)
{
    socklen_t length = sizeof(*addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *addr = (struct sockaddr_in){.sin_family = AF_INET};
    addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd != -1 && (bind(fd, (struct sockaddr *)addr, length) == -1 || listen(fd, 1) == -1 ||
                     getsockname(fd, (struct sockaddr *)addr, &length) == -1)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Both ends non-blocking; -1 in both when that cannot be had. */
static void make_pair(int pair[2])
{
    struct sockaddr_in addr;
    int listener = listen_on_loopback(&addr);

    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pair[1] = -1;
    if (listener != -1 && pair[0] != -1 &&
        connect(pair[0], (struct sockaddr *)&addr, sizeof(addr)) == 0)
        pair[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (listener != -1)
        close(listener);
    if (pair[1] != -1 && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0)
        return;
    for (int i = 0; i < 2; i++) {
        if (pair[i] != -1)
            close(pair[i]);
        pair[i] = -1;
    }
}

/* ---- two TLS ends -----------------------------------------------------------------------------
 */

/* A certificate of the moment; nobody verifies it. */
static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();

    if (certificate == NULL || X509_set_version(certificate, X509_VERSION_3) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(certificate), 0) == NULL ||
        X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) == NULL ||
        X509_set_pubkey(certificate, key) != 1 || X509_sign(certificate, key, EVP_sha256()) == 0) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

static SSL *make_end(bool is_server, int fd)
{
    SSL_CTX *ssl_ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    EVP_PKEY *key = is_server ? EVP_EC_gen("P-256") : NULL;
    X509 *certificate = key != NULL ? make_certificate(key) : NULL;
    SSL *ssl = NULL;

    if (ssl_ctx != NULL &&
        (!is_server || (certificate != NULL && SSL_CTX_use_certificate(ssl_ctx, certificate) == 1 &&
                        SSL_CTX_use_PrivateKey(ssl_ctx, key) == 1))) {
        SSL_CTX_set_options(ssl_ctx, SSL_OP_ENABLE_KTLS);
        SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION);
        SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_2_VERSION);
        SSL_CTX_set_cipher_list(ssl_ctx, "ECDHE-ECDSA-AES128-GCM-SHA256");
        SSL_CTX_set_mode(ssl_ctx,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        ssl = SSL_new(ssl_ctx);
    }
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1) {
        if (is_server)
            SSL_set_accept_state(ssl);
        else
            SSL_set_connect_state(ssl);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    SSL_CTX_free(ssl_ctx);
    return ssl;
}

static bool shake_hands(SSL *server, SSL *client)
{
    for (int i = 0; i < ROUNDS_MAX; i++) {
        int server_result;
        int client_result;

        ERR_clear_error();
        client_result = SSL_do_handshake(client);
        server_result = SSL_do_handshake(server);
        if (client_result == 1 && server_result == 1)
            return true;
    }
    return false;
}

static unsigned char pattern_at(size_t position)
{
    return (unsigned char)(position * 131 + (position >> 8));
}

/* Moves the pattern from the server to the client, and compares. */
static bool bytes_arrive(SSL *server, SSL *client)
{
    unsigned char chunk[4096];
    size_t sent = 0;
    size_t received = 0;

    for (int i = 0; received < TEST_BYTES && i < ROUNDS_MAX; i++) {
        size_t count = 0;

        if (sent < TEST_BYTES) {
            for (size_t j = 0; j < sizeof(chunk); j++)
                chunk[j] = pattern_at(sent + j);
            ERR_clear_error();
            if (SSL_write_ex(server, chunk, sizeof(chunk), &count) == 1)
                sent += count;
        }
        ERR_clear_error();
        if (SSL_read_ex(client, chunk, sizeof(chunk), &count) != 1)
            continue;
        for (size_t j = 0; j < count; j++) {
            if (chunk[j] != pattern_at(received + j))
                return false;
        }
        received += count;
    }
    return received == TEST_BYTES;
}

static void try_ends(struct tls_ktls *result, const int pair[2])
{
    SSL *client = make_end(false, pair[0]);
    SSL *server = make_end(true, pair[1]);

    if (client == NULL || server == NULL)
        result->finding = "not used: the self-test could not make its TLS ends";
    else if (!shake_hands(server, client))
        result->finding = "not used: the self-test's handshake failed";
    else if (!BIO_get_ktls_send(SSL_get_wbio(server)))
        result->finding = "not used: the kernel took TLS but not this cipher";
    else if (!bytes_arrive(server, client))
        result->finding = "not used: the self-test's bytes did not arrive as they were sent";
    else
        *result = (struct tls_ktls){.is_usable = true, .finding = "the kernel seals records"};
    SSL_free(server);
    SSL_free(client);
    ERR_clear_error();
}

/* ---- the probe --------------------------------------------------------------------------------
 */

static struct tls_ktls result;

static void probe(void)
{
    int pair[2];
    int other[2];

    make_pair(pair);
    make_pair(other); /* a socket keeps its protocol: the test takes another one */
    if (pair[0] == -1 || other[0] == -1) {
        result = (struct tls_ktls){.finding = "not used: no loopback connection for the self-test",
                                   .error_number = errno};
    } else if (setsockopt(pair[0], IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == -1) {
        result = (struct tls_ktls){
            .finding = "not used: the kernel has no TLS (CONFIG_TLS, or the module is not loaded)",
            .error_number = errno};
    } else {
        try_ends(&result, other);
    }
    for (int i = 0; i < 2; i++) {
        if (pair[i] != -1)
            close(pair[i]);
        if (other[i] != -1)
            close(other[i]);
    }
}

const struct tls_ktls *tls_ktls_probe(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, probe);
    return &result;
}
