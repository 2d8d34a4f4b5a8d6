/* SPDX-License-Identifier: Apache-2.0 */
/* test_session_words.c - what a session keeps only if there is something to keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/proxy_header.h"
#include "relay/relay_world.h"
#include "relay/session_words.h"

static void test_there_is_nothing_at_first(void **state)
{
    struct session session = {.state = SESSION_PROXY_HEADER};

    assert_null(session_sni(&session));
    assert_null(session_claim(&session));
    assert_int_equal(session_announced(&session), 0);
    assert_ptr_equal(session_client_socket(&session), &session.client);
    session_keep_words(&session, NULL);
    assert_true(session_keep_sni(&session, "", 0));
    assert_null(session.words);
    session_words_release(&session);
}

static void test_names_and_faults(void **state)
{
    struct session session = {.state = SESSION_PROXY_HEADER};

    assert_true(session_keep_sni(&session, "Api.Example.com.", 16));
    assert_string_equal(session_sni(&session), "api.example.com");
    session_keep_words(&session, "first");
    session_keep_words(&session, "second");
    assert_string_equal(session.words->tls_error, "first");
    session_keep_proxy_error(&session, "no header");
    assert_string_equal(session.words->proxy_error, "no header");
    assert_true(session_keep_announced(&session, 7));
    assert_int_equal(session_announced(&session), 7);
    session_words_release(&session);
    assert_null(session.words);
}

static struct addr ip(const char *text, uint16_t port)
{
    struct addr addr = {.port = port};

    assert_true(addr_parse_ip(text, strlen(text), &addr));
    return addr;
}

static void test_a_header_names_the_client(void **state)
{
    struct session session = {.client = ip("10.0.0.1", 1)};
    const struct proxy_header header = {.has_addresses = true,
                                        .source = ip("192.0.2.1", 50000),
                                        .destination = ip("203.0.113.5", 443)};
    const struct addr proxy = ip("10.0.0.1", 1);
    struct addr destination;

    assert_true(session_believe(&session, &header));
    assert_true(addr_equal(&session.client, &header.source));
    assert_true(addr_equal(session_client_socket(&session), &proxy));
    session_destination(&session, &destination);
    assert_true(addr_equal(&destination, &header.destination));
    assert_false(session_claim(&session)->is_local);
    session_words_release(&session);
}

static void test_a_proxy_speaks_for_itself(void **state)
{
    struct session session = {.client = ip("10.0.0.1", 1)};

    assert_true(session_believe(&session, &(struct proxy_header){.is_local = true}));
    assert_true(session_claim(&session)->is_local);
    assert_ptr_equal(session_client_socket(&session), &session.client);
    session_words_release(&session);
}

static void test_a_header_that_tells_nothing_costs_nothing(void **state)
{
    struct session session = {.client = ip("10.0.0.1", 1)};

    assert_true(session_believe(&session, &(struct proxy_header){.length = 15}));
    assert_null(session.words);
}

static void test_without_a_header_the_socket_tells_the_destination(void **state)
{
    struct session session = {.state = SESSION_PROXY_HEADER};
    struct sockaddr_in in;
    socklen_t length = sizeof(in);
    struct addr destination;
    int pair[2];

    tcp_pair(pair);
    session.conn[FRONTEND].fd = pair[1];
    assert_int_equal(getsockname(pair[1], (struct sockaddr *)&in, &length), 0);
    session_destination(&session, &destination);
    assert_int_equal(destination.family, AF_INET);
    assert_int_equal(destination.port, ntohs(in.sin_port));
    peer_close(&pair[0]);
    peer_close(&pair[1]);
    session.conn[FRONTEND].fd = -1;
    session_destination(&session, &destination);
    assert_int_equal(destination.family, AF_UNSPEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_is_nothing_at_first),
        cmocka_unit_test(test_names_and_faults),
        cmocka_unit_test(test_a_header_names_the_client),
        cmocka_unit_test(test_a_proxy_speaks_for_itself),
        cmocka_unit_test(test_a_header_that_tells_nothing_costs_nothing),
        cmocka_unit_test(test_without_a_header_the_socket_tells_the_destination),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
