/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_ktls.c - the self-test: a handshake and some bytes over a loopback pair, sent as a conn would
 * send them when the kernel has the keys.
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
#include "net/conn.h"
#include "tls/tls_bio.h"

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

static SSL *make_end(bool is_server)
{
    SSL_CTX *ssl_ctx = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    EVP_PKEY *key = is_server ? EVP_EC_gen("P-256") : NULL;
    X509 *certificate = key != NULL ? make_certificate(key) : NULL;
    SSL *ssl = NULL;

    if (ssl_ctx != NULL &&
        (!is_server || (certificate != NULL && SSL_CTX_use_certificate(ssl_ctx, certificate) == 1 &&
                        SSL_CTX_use_PrivateKey(ssl_ctx, key) == 1))) {
        if (is_server)
            SSL_CTX_set_options(ssl_ctx, SSL_OP_ENABLE_KTLS);
        SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION);
        SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_2_VERSION);
        SSL_CTX_set_cipher_list(ssl_ctx, "ECDHE-ECDSA-AES128-GCM-SHA256");
        ssl = SSL_new(ssl_ctx);
    }
    if (ssl != NULL && is_server)
        SSL_set_accept_state(ssl);
    else if (ssl != NULL)
        SSL_set_connect_state(ssl);
    X509_free(certificate);
    EVP_PKEY_free(key);
    SSL_CTX_free(ssl_ctx);
    return ssl;
}

/* The server's end is a conn with our BIO, the client's knows nothing of kernels. */
struct ends {
    struct conn conn;
    struct tls_bio bio;
    SSL *server;
    SSL *client;
};

static bool make_ends(struct ends *ends, const int pair[2])
{
    BIO *bio;
    BIO *client_bio;

    *ends = (struct ends){.bio = {.conn = &ends->conn}};
    conn_init(&ends->conn);
    ends->conn.fd = pair[1];
    ends->server = make_end(true);
    ends->client = make_end(false);
    bio = tls_bio_create(&ends->bio);
    client_bio = BIO_new(BIO_s_socket());
    if (ends->server == NULL || ends->client == NULL || bio == NULL || client_bio == NULL) {
        BIO_free(bio);
        BIO_free(client_bio);
        return false;
    }
    BIO_set_fd(client_bio, pair[0], BIO_NOCLOSE);
    SSL_set_bio(ends->server, bio, bio);
    SSL_set_bio(ends->client, client_bio, client_bio);
    return true;
}

static void release_ends(struct ends *ends)
{
    SSL_free(ends->server);
    SSL_free(ends->client);
    tls_bio_release(&ends->bio);
    ERR_clear_error();
}

static bool shake_hands(struct ends *ends)
{
    for (int i = 0; i < ROUNDS_MAX; i++) {
        int server_result;
        int client_result;

        ERR_clear_error();
        ends->conn.is_drained = false;
        client_result = SSL_do_handshake(ends->client);
        server_result = SSL_do_handshake(ends->server);
        if (client_result == 1 && server_result == 1)
            return true;
    }
    return false;
}

static unsigned char pattern_at(size_t position)
{
    return (unsigned char)(position * 131 + (position >> 8));
}

/* Sizes of writes around those at which records begin and end; then all over again. */
static const size_t sizes[] = {1, 2, 15, 4095, 16383, 16384, 16385, 32769, 65535, 65536, 7};

/* What has come of the pattern, behind `*received`; false: something else, or an end. */
static bool receive_some(SSL *client, size_t *received)
{
    unsigned char chunk[16384];
    size_t count = 0;

    ERR_clear_error();
    if (SSL_read_ex(client, chunk, sizeof(chunk), &count) != 1)
        return SSL_get_error(client, 0) == SSL_ERROR_WANT_READ;
    for (size_t i = 0; i < count; i++) {
        if (chunk[i] != pattern_at(*received + i))
            return false;
    }
    *received += count;
    return true;
}

/* Moves the pattern from the server to the client, and compares. */
static bool bytes_arrive(struct ends *ends)
{
    static unsigned char bytes[65536];
    size_t sent = 0;
    size_t received = 0;
    unsigned turn = 0;

    for (int i = 0; received < TEST_BYTES && i < ROUNDS_MAX; i++) {
        size_t size = sizes[turn % ARRAY_LENGTH(sizes)];
        size_t count = 0;

        size = size < TEST_BYTES - sent ? size : TEST_BYTES - sent;
        for (size_t k = 0; k < size; k++)
            bytes[k] = pattern_at(sent + k);
        switch (size == 0 ? IO_BLOCKED : conn_plain_ops.write(&ends->conn, bytes, size, &count)) {
        case IO_MOVED:
            sent += count;
            turn++;
            break;
        case IO_BLOCKED:
            break;
        case IO_ENDED: /* reads only */
        case IO_FAILED:
            return false;
        }
        if (!receive_some(ends->client, &received))
            return false;
    }
    return received == TEST_BYTES;
}

/* Ends the stream by a message of OpenSSL's, which must arrive as what it is. */
static bool end_arrives(struct ends *ends)
{
    unsigned char byte;
    size_t count;

    ERR_clear_error();
    if (SSL_shutdown(ends->server) < 0)
        return false;
    for (int i = 0; i < ROUNDS_MAX; i++) {
        ERR_clear_error();
        if (SSL_read_ex(ends->client, &byte, 1, &count) == 1)
            return false;
        switch (SSL_get_error(ends->client, 0)) {
        case SSL_ERROR_WANT_READ:
            continue;
        case SSL_ERROR_ZERO_RETURN:
            return true;
        default:
            return false;
        }
    }
    return false;
}

static void try_ends(struct tls_ktls *result, const int pair[2])
{
    struct ends ends;

    if (!make_ends(&ends, pair))
        result->finding = "not used: the self-test could not make its TLS ends";
    else if (!shake_hands(&ends))
        result->finding = ends.bio.kernel == NULL
                              ? "not used: the self-test's handshake failed"
                              : "not used: the self-test's handshake failed in the kernel's hands";
    else if (ends.bio.kernel == NULL)
        result->finding = "not used: the kernel took TLS but not this cipher";
    else if (!bytes_arrive(&ends))
        result->finding = "not used: the self-test's bytes did not arrive as they were sent";
    else if (!end_arrives(&ends))
        result->finding = "not used: the self-test's end did not arrive as it was sent";
    else
        *result = (struct tls_ktls){
            .is_usable = true,
            .finding = "the kernel seals what is sent by TLS 1.2; TLS 1.3 stays with OpenSSL"};
    release_ends(&ends);
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
        result = (struct tls_ktls){.finding = "not used: no loopback connection for the self-test"};
#ifdef OPENSSL_NO_KTLS
    } else if (true) {
        result = (struct tls_ktls){.finding = "not used: OpenSSL was built without it"};
#endif
    } else if (setsockopt(pair[0], IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == -1) {
        result = (struct tls_ktls){
            .finding = "not used: the kernel has no TLS (CONFIG_TLS, or the module is not loaded)"};
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
