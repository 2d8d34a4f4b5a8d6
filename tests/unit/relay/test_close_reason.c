/* SPDX-License-Identifier: Apache-2.0 */
/* test_close_reason.c - each reason has its words, each errno its reason. */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "relay/close_reason.h"

static void test_every_reason_has_a_word_of_its_own_and_a_sentence(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CLOSE_REASON_COUNT; i++) {
        const char *word = close_reason_word((enum close_reason)i);

        assert_true(strlen(word) > 0);
        for (const char *c = word; *c != '\0'; c++)
            assert_true(islower((unsigned char)*c) || *c == '_');
        assert_int_equal(close_reason_from_word(word), i);
        assert_true(strlen(close_reason_sentence((enum close_reason)i)) > 10);
    }
}

static void test_other_words_are_no_reason(void **state)
{
    (void)state;
    assert_int_equal(close_reason_from_word(""), CLOSE_REASON_COUNT);
    assert_int_equal(close_reason_from_word("Done"), CLOSE_REASON_COUNT);
    assert_int_equal(close_reason_from_word("client"), CLOSE_REASON_COUNT);
}

static void test_causes(void **state)
{
    (void)state;
    assert_int_equal(close_reason_cause(CLOSE_DONE), CAUSE_NOBODY);
    assert_int_equal(close_reason_cause(CLOSE_CLIENT_LEFT), CAUSE_CLIENT);
    assert_int_equal(close_reason_cause(CLOSE_SERVER_RESET), CAUSE_SERVER);
    assert_int_equal(close_reason_cause(CLOSE_STALL_TIMEOUT), CAUSE_CULVERT);
}

static void test_relay_errors_name_their_side(void **state)
{
    static const struct {
        int error;
        enum close_reason of_client;
        enum close_reason of_server;
    } rows[] = {
        {ECONNRESET, CLOSE_CLIENT_RESET, CLOSE_SERVER_RESET},
        {EPIPE, CLOSE_CLIENT_RESET, CLOSE_SERVER_RESET},
        {ECONNABORTED, CLOSE_CLIENT_RESET, CLOSE_SERVER_RESET},
        {ETIMEDOUT, CLOSE_CLIENT_DEAD, CLOSE_SERVER_DEAD},
        {EHOSTUNREACH, CLOSE_CLIENT_DEAD, CLOSE_SERVER_DEAD},
        {ENETUNREACH, CLOSE_CLIENT_DEAD, CLOSE_SERVER_DEAD},
        {ENOMEM, CLOSE_NO_RESOURCES, CLOSE_NO_RESOURCES},
        {ENOBUFS, CLOSE_NO_RESOURCES, CLOSE_NO_RESOURCES},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(close_reason_from_error(rows[i].error, true), rows[i].of_client);
        assert_int_equal(close_reason_from_error(rows[i].error, false), rows[i].of_server);
    }
}

static void test_connect_errors_and_whom_they_blame(void **state)
{
    static const struct {
        int error;
        enum close_reason reason;
        bool blames_server;
    } rows[] = {
        {ECONNREFUSED, CLOSE_CONNECT_REFUSED, true},   {EAGAIN, CLOSE_CONNECT_REFUSED, true},
        {ETIMEDOUT, CLOSE_CONNECT_TIMEOUT, true},      {EHOSTUNREACH, CLOSE_CONNECT_FAILED, true},
        {ENOENT, CLOSE_CONNECT_FAILED, true},          {EACCES, CLOSE_CONNECT_FAILED, true},
        {EADDRNOTAVAIL, CLOSE_PORTS_EXHAUSTED, false}, {EMFILE, CLOSE_NO_RESOURCES, false},
        {ENFILE, CLOSE_NO_RESOURCES, false},           {ENOBUFS, CLOSE_NO_RESOURCES, false},
        {ENOMEM, CLOSE_NO_RESOURCES, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        enum close_reason reason = close_reason_from_connect_error(rows[i].error);

        assert_int_equal(reason, rows[i].reason);
        assert_int_equal(close_reason_blames_server(reason), rows[i].blames_server);
    }
    assert_false(close_reason_blames_server(CLOSE_SERVER_RESET));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_reason_has_a_word_of_its_own_and_a_sentence),
        cmocka_unit_test(test_other_words_are_no_reason),
        cmocka_unit_test(test_causes),
        cmocka_unit_test(test_relay_errors_name_their_side),
        cmocka_unit_test(test_connect_errors_and_whom_they_blame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
