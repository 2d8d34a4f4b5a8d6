/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_sessions.c - what is kept, for how often, and what is forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "tls/tls_fixture.h"
#include "tls/tls_sessions.h"

/* A session as a handshake of that version leaves it. */
static SSL_SESSION *make_session(int version, unsigned char number)
{
    SSL_SESSION *session = SSL_SESSION_new();
    const unsigned char id[4] = {number};

    assert_non_null(session);
    assert_int_equal(SSL_SESSION_set_protocol_version(session, version), 1);
    assert_int_equal(SSL_SESSION_set1_id(session, id, sizeof(id)), 1);
    SSL_SESSION_set_timeout(session, 300);
    return session;
}

static int number_of(SSL_SESSION *session)
{
    unsigned length = 0;
    int number = SSL_SESSION_get_id(session, &length)[0];

    SSL_SESSION_free(session);
    return number;
}

static void test_a_session_of_tls_1_3_is_handed_out_once(void **state)
{
    struct tls_sessions *sessions = tls_sessions_create();

    (void)state;
    tls_sessions_put(sessions, 7, make_session(TLS1_3_VERSION, 1));
    tls_sessions_put(sessions, 7, make_session(TLS1_3_VERSION, 2));
    assert_null(tls_sessions_take(sessions, 8));
    assert_int_equal(number_of(tls_sessions_take(sessions, 7)), 2);
    assert_int_equal(number_of(tls_sessions_take(sessions, 7)), 1);
    assert_null(tls_sessions_take(sessions, 7));
    tls_sessions_destroy(sessions);
}

static void test_a_session_of_tls_1_2_is_handed_out_again(void **state)
{
    struct tls_sessions *sessions = tls_sessions_create();

    (void)state;
    tls_sessions_put(sessions, 7, make_session(TLS1_2_VERSION, 1));
    tls_sessions_put(sessions, 7, make_session(TLS1_2_VERSION, 2));
    for (int i = 0; i < 3; i++)
        assert_int_equal(number_of(tls_sessions_take(sessions, 7)), 2); /* never the first */
    tls_sessions_destroy(sessions);
}

static void test_a_session_past_its_time_is_not_handed_out(void **state)
{
    struct tls_sessions *sessions = tls_sessions_create();
    SSL_SESSION *old = make_session(TLS1_3_VERSION, 1);

    (void)state;
    SSL_SESSION_set_time(old, (long)time(NULL) - 301);
    tls_sessions_put(sessions, 7, old);
    assert_null(tls_sessions_take(sessions, 7));
    tls_sessions_destroy(sessions);
}

static void test_the_store_is_bounded_and_forgets_the_least_used(void **state)
{
    struct tls_sessions *sessions = tls_sessions_create();

    (void)state;
    for (unsigned char i = 0; i < TLS_SESSIONS_PER_SERVER + 3; i++)
        tls_sessions_put(sessions, 1, make_session(TLS1_3_VERSION, i));
    for (uint64_t key = 2; key <= TLS_SESSIONS_SERVERS; key++)
        tls_sessions_put(sessions, key, make_session(TLS1_3_VERSION, 1));
    /* The first server is used, so the second goes when one more comes. */
    assert_int_equal(number_of(tls_sessions_take(sessions, 1)), TLS_SESSIONS_PER_SERVER + 2);
    tls_sessions_put(sessions, 1000, make_session(TLS1_3_VERSION, 9));
    assert_null(tls_sessions_take(sessions, 2));
    for (int left = TLS_SESSIONS_PER_SERVER - 1; left > 0; left--)
        assert_int_equal(number_of(tls_sessions_take(sessions, 1)), left + 2);
    assert_null(tls_sessions_take(sessions, 1)); /* the first three went when more came */
    assert_int_equal(number_of(tls_sessions_take(sessions, 3)), 1);
    tls_sessions_destroy(sessions);
    tls_sessions_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session_of_tls_1_3_is_handed_out_once),
        cmocka_unit_test(test_a_session_of_tls_1_2_is_handed_out_again),
        cmocka_unit_test(test_a_session_past_its_time_is_not_handed_out),
        cmocka_unit_test(test_the_store_is_bounded_and_forgets_the_least_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
