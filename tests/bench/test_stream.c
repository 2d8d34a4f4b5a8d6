/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char certificate_file[] = "/tmp/culvert-stream-XXXXXX";

static int make_certificate(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    int fd = mkstemp(certificate_file);
    assert_true(fd != -1);
    FILE *file = fdopen(fd, "w");
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return 0;
}

static int remove_certificate(void **state)
{
    (void)state;
    return unlink(certificate_file);
}

/* Two ends of one connection, neither of which blocks. */
struct pair {
    struct stream client, server;
};

static void pair_connect(struct pair *pair)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    pair->client.fd = fds[0];
    pair->server.fd = fds[1];
}

static void pair_shake_hands(struct pair *pair, SSL_CTX *client, SSL_CTX *server)
{
    char byte;
    assert_true(stream_connect_tls(&pair->client, client));
    assert_true(stream_accept_tls(&pair->server, server));
    for (int turns = 0; stream_handshake(&pair->client) != 1; turns++) {
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(stream_receive(&pair->server, &byte, 1, 0), -1);
        assert_int_equal(errno, EAGAIN);
        assert_true(turns < 10);
    }
    /* The server takes the client's last flight and sends its tickets. */
    assert_int_equal(stream_receive(&pair->server, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

static void pair_close(struct pair *pair)
{
    stream_close(&pair->client);
    stream_close(&pair->server);
}

static void test_stream_without_tls_is_the_socket(void **state)
{
    struct pair pair = {0};
    char buffer[8];
    (void)state;
    pair_connect(&pair);
    assert_int_equal(stream_receive(&pair.server, buffer, sizeof buffer, 0), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(stream_send(&pair.client, "abc", 3, MSG_NOSIGNAL), 3);
    assert_int_equal(stream_receive(&pair.server, buffer, sizeof buffer, 0), 3);
    assert_false(stream_holds_bytes(&pair.server));
    pair_close(&pair);
}

static void test_stream_holds_the_records_it_has_read_but_not_given(void **state)
{
    SSL_CTX *client = tls_client_context(65536, false);
    SSL_CTX *server = tls_server_context(certificate_file);
    struct pair pair = {0};
    char buffer[64];
    (void)state;
    pair_connect(&pair);
    pair_shake_hands(&pair, client, server);
    assert_null(pair.client.ticket); /* not asked for */
    assert_int_equal(stream_send(&pair.server, "one", 3, 0), 3);
    assert_int_equal(stream_send(&pair.server, "two", 3, 0), 3);
    assert_int_equal(stream_receive(&pair.client, buffer, sizeof buffer, 0), 3);
    assert_memory_equal(buffer, "one", 3);
    assert_int_equal(recv(pair.client.fd, buffer, 1, MSG_PEEK), -1); /* the socket is empty */
    assert_true(stream_holds_bytes(&pair.client));
    assert_int_equal(stream_receive(&pair.client, buffer, sizeof buffer, 0), 3);
    assert_memory_equal(buffer, "two", 3);
    assert_false(stream_holds_bytes(&pair.client));
    pair_close(&pair);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

static void test_stream_spends_each_ticket_once(void **state)
{
    SSL_CTX *client = tls_client_context(0, true);
    SSL_CTX *server = tls_server_context(certificate_file);
    struct pair pair = {0};
    char byte;
    (void)state;
    for (int connection = 0; connection < 4; connection++) {
        pair_connect(&pair);
        pair_shake_hands(&pair, client, server);
        assert_int_equal(stream_is_resumed(&pair.client), connection > 0);
        assert_null(pair.client.ticket); /* spent, and the new one is not yet read */
        assert_int_equal(stream_send(&pair.server, "x", 1, 0), 1);
        assert_int_equal(stream_receive(&pair.client, &byte, 1, 0), 1);
        assert_non_null(pair.client.ticket);
        shutdown(pair.server.fd, SHUT_WR); /* without close_notify: the ticket stays good */
        stream_say_end(&pair.client);
        assert_int_equal(stream_receive(&pair.client, &byte, 1, 0), 0);
        pair_close(&pair);
    }
    SSL_SESSION_free(pair.client.ticket);
    pair.client.ticket = NULL;
    pair_connect(&pair);
    pair_shake_hands(&pair, client, server);
    assert_false(stream_is_resumed(&pair.client));
    pair_close(&pair);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

static void test_stream_tells_the_end_and_what_breaks_the_rules(void **state)
{
    SSL_CTX *client = tls_client_context(0, false);
    SSL_CTX *server = tls_server_context(certificate_file);
    struct pair pair = {0};
    char byte;
    (void)state;
    pair_connect(&pair);
    pair_shake_hands(&pair, client, server);
    stream_say_end(&pair.client);
    assert_int_equal(stream_receive(&pair.server, &byte, 1, 0), 0);
    assert_int_equal(send(pair.server.fd, "not a record", 12, 0), 12);
    assert_int_equal(stream_receive(&pair.client, &byte, 1, 0), -1);
    assert_int_equal(errno, EPROTO);
    pair_close(&pair);
    SSL_CTX_free(client);
    SSL_CTX_free(server);
}

static void test_stream_server_needs_a_certificate(void **state)
{
    (void)state;
    assert_null(tls_server_context("/dev/null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_without_tls_is_the_socket),
        cmocka_unit_test(test_stream_holds_the_records_it_has_read_but_not_given),
        cmocka_unit_test(test_stream_spends_each_ticket_once),
        cmocka_unit_test(test_stream_tells_the_end_and_what_breaks_the_rules),
        cmocka_unit_test(test_stream_server_needs_a_certificate),
    };
    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
