/* SPDX-License-Identifier: Apache-2.0 */
/* test_validate_health.c - checks that cannot work are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"
#include "config/validate_health.h"

#define CHECKED                                                                                    \
    "[listen web]\nbind = 127.0.0.1:0\npool = app\n[pool app]\nserver = 127.0.0.1:9\nhealth = "    \
    "up\n"

static void expect_silence(const char *text)
{
    config_destroy(load_good(text));
}

static void test_a_check_ends_before_the_next(void **state)
{
    (void)state;
    expect(CHECKED "[health up]\ntimeout = 3s\n",
           "culvert.ini:8:11: error: timeout 3s is above interval 2s: the next check would be due");
    expect(CHECKED "[health up]\ninterval = 500ms\n",
           "culvert.ini:8:12: error: timeout 2s is above interval 500ms");
    expect_silence(CHECKED "[health up]\ninterval = 500ms\ntimeout = 500ms\n");
}

static void test_times_cannot_be_off(void **state)
{
    (void)state;
    expect(CHECKED "[health up]\ninterval = off\n", "the times of a check cannot be off");
    expect(CHECKED "[health up]\ntimeout = 0\n", "the times of a check cannot be off");
    expect(CHECKED "[health up]\nfast_interval = 1ms\n", "'1ms' is too short");
}

static void test_keys_belong_to_types(void **state)
{
    (void)state;
    expect(CHECKED "[health up]\nsend = x\n",
           "8:1: error: 'send' is for type = expect; this check has type = tcp");
    expect(CHECKED "[health up]\ntype = redis\npath = /\n", "'path' is for type = http");
    expect_silence(CHECKED "[health up]\ntype = expect\nsend = \"\\x00\\r\\n\"\n");
    expect(CHECKED "[health up]\ntls = t\n[tls t]\n", "makes no handshake; type = tls does");
    expect_silence(CHECKED "[health up]\ntls = t\ntype = tls\n[tls t]\n");
}

static void test_a_request_is_one_line(void **state)
{
    (void)state;
    expect(CHECKED "[health up]\ntype = http\npath = /a b\n", "'path' has a blank");
    expect(CHECKED "[health up]\ntype = http\npath = up\n", "a path starts with a slash");
    expect(CHECKED "[health up]\ntype = http\nhost = \"a b\"\n", "'host' has a blank");
    expect_silence(CHECKED "[health up]\ntype = http\npath = /up?a=1\nhost = a:80\n");
}

static void test_names_are_there_and_no_words(void **state)
{
    (void)state;
    expect(CHECKED, "6:10: error: [pool app] wants health 'up'; there is no [health up]");
    expect(CHECKED "[health us]\n", "did you mean 'us'");
    expect(CHECKED "[health up]\n[health tcp]\n",
           "8:1: error: 'tcp' is what pools call a built-in check");
    expect(CHECKED "[health up]\n[health spare]\n",
           "8:1: warning: [health spare] is used by no pool");
    expect("[defaults]\nhealth = up\n[listen web]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:9\n",
           "2:10: error: [defaults] wants health 'up'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_check_ends_before_the_next),
        cmocka_unit_test(test_times_cannot_be_off),
        cmocka_unit_test(test_keys_belong_to_types),
        cmocka_unit_test(test_a_request_is_one_line),
        cmocka_unit_test(test_names_are_there_and_no_words),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
