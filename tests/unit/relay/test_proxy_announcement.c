/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_proxy_announcement.c - what a server is told of its client: by address, by name, by id.
 * Facts of TLS have tests of their own (tls/test_tls_facts.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "relay/proxy_announcement.h"
#include "relay/relay_world.h"

static struct addr ip(const char *text, uint16_t port)
{
    struct addr addr = {.port = port};

    assert_true(addr_parse_ip(text, strlen(text), &addr));
    return addr;
}

static struct pool pool;

static struct session session_of(enum send_proxy version, unsigned tlvs)
{
    pool.options = (struct pool_options){.send_proxy = version, .send_proxy_tlvs = tlvs};
    return (struct session){.pool = &pool, .client = ip("10.0.0.1", 1), .id = 0x123400000042};
}

static void check(struct session *session, const void *expected, size_t size)
{
    unsigned char bytes[PROXY_SENT_MAX];

    assert_int_equal(proxy_announcement_write(session, bytes, sizeof(bytes)), size);
    assert_memory_equal(bytes, expected, size);
    session_words_release(session);
}

static void test_a_claimed_client_is_passed_on(void **state)
{
    static const char line[] = "PROXY TCP4 192.0.2.1 203.0.113.5 50000 443\r\n";
    struct session session = session_of(SEND_PROXY_V1, PROXY_TLV_UNIQUE_ID);
    const struct proxy_header header = {.has_addresses = true,
                                        .source = ip("192.0.2.1", 50000),
                                        .destination = ip("203.0.113.5", 443)};

    assert_true(session_believe(&session, &header));
    check(&session, line, sizeof(line) - 1);
}

static void test_a_client_of_ones_own_is_told_with_the_sockets_address(void **state)
{
    struct session session = session_of(SEND_PROXY_V1, 0);
    struct sockaddr_in in;
    socklen_t length = sizeof(in);
    char line[64];
    int pair[2];

    tcp_pair(pair);
    session.conn[FRONTEND].fd = pair[1];
    assert_int_equal(getsockname(pair[1], (struct sockaddr *)&in, &length), 0);
    snprintf(line, sizeof(line), "PROXY TCP4 10.0.0.1 127.0.0.1 1 %u\r\n", ntohs(in.sin_port));
    check(&session, line, strlen(line));
    peer_close(&pair[0]);
    peer_close(&pair[1]);
}

static void test_a_client_of_a_unix_socket_has_no_address(void **state)
{
    struct session session = session_of(SEND_PROXY_V1, 0);

    session.client = (struct addr){.family = AF_UNIX};
    session.conn[FRONTEND].fd = -1;
    check(&session, "PROXY UNKNOWN\r\n", 15);
}

static void test_a_proxy_that_spoke_for_itself(void **state)
{
    struct session session = session_of(SEND_PROXY_V2, 0);

    session.conn[FRONTEND].fd = -1;
    assert_true(session_believe(&session, &(struct proxy_header){.is_local = true}));
    check(&session, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
}

static void test_the_name_and_the_id_are_those_of_the_record(void **state)
{
    struct session session = session_of(SEND_PROXY_V2, PROXY_TLV_AUTHORITY | PROXY_TLV_UNIQUE_ID |
                                                           PROXY_TLV_SSL | PROXY_TLV_ALPN);
    char id[24];
    unsigned char expected[64] = "\r\n\r\n\0\r\nQUIT\n\x21\0\0\0\2\0\5a.net\5\0";
    size_t length;

    session.conn[FRONTEND].fd = -1;
    assert_true(session_keep_sni(&session, "a.net", 5));
    length = strlen(session_id_text(session.id, id));
    expected[15] = (unsigned char)(8 + 3 + length);
    expected[26] = (unsigned char)length;
    memcpy(expected + 27, id, length);
    check(&session, expected, 27 + length);
}

static void test_what_does_not_fit_is_not_told(void **state)
{
    struct session session = session_of(SEND_PROXY_V2, 0);
    unsigned char bytes[15];

    session.conn[FRONTEND].fd = -1;
    assert_int_equal(proxy_announcement_write(&session, bytes, sizeof(bytes)), 0);
    assert_int_equal(errno, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_claimed_client_is_passed_on),
        cmocka_unit_test(test_a_client_of_ones_own_is_told_with_the_sockets_address),
        cmocka_unit_test(test_a_client_of_a_unix_socket_has_no_address),
        cmocka_unit_test(test_a_proxy_that_spoke_for_itself),
        cmocka_unit_test(test_the_name_and_the_id_are_those_of_the_record),
        cmocka_unit_test(test_what_does_not_fit_is_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
