/* SPDX-License-Identifier: Apache-2.0 */
/* test_validate_addresses.c - addresses bound twice, admin addresses, loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"

#define SERVER "server = 127.0.0.1:9\n"

/* Two listeners with these binds. */
static const char *two(const char *first, const char *second)
{
    static char text[512];

    snprintf(text, sizeof(text), "[listen a]\nbind = %s\n" SERVER "[listen b]\nbind = %s\n" SERVER,
             first, second);
    return text;
}

static void test_one_address_twice(void **state)
{
    (void)state;
    expect(two("127.0.0.1:80", "127.0.0.1:80"),
           "5:8: error: 127.0.0.1:80 is bound twice: [listen a] has it already (culvert.ini:2)");
    expect(two("unix:/x", "unix:/x"), "5:8: error: unix:/x is bound twice");
    expect(two(":80", ":80"), "5:8: error: [::]:80 is bound twice");
    expect("[listen a]\nbind = 127.0.0.1:80 127.0.0.1:80\n" SERVER,
           "2:21: error: 127.0.0.1:80 is bound twice: [listen a] has it already");
    expect(two("[::ffff:127.0.0.1]:80", "127.0.0.1:80"), "is bound twice");
}

static void test_part_of_a_wildcard(void **state)
{
    (void)state;
    expect(two("*:80", "127.0.0.1:80"),
           "5:8: error: 127.0.0.1:80 is part of 0.0.0.0:80, which [listen a] binds");
    expect(two("127.0.0.1:80", "*:80"), "is part of 0.0.0.0:80, which [listen b] binds");
    expect(two(":80", "127.0.0.1:80"), "127.0.0.1:80 is part of [::]:80");
    expect(two(":80", "[::1]:80"), "[::1]:80 is part of [::]:80");
    expect(two(":80", "*:80"), "is part of");
}

static void test_what_does_not_collide(void **state)
{
    (void)state;
    config_destroy(load_good(two("127.0.0.1:80", "127.0.0.1:81")));
    config_destroy(load_good(two("127.0.0.1:0", "127.0.0.1:0")));
    config_destroy(load_good(two(":0", "*:0")));
    config_destroy(load_good(two("127.0.0.1:80", "127.0.0.2:80")));
    config_destroy(load_good(two("*:80", "[::1]:80")));
    config_destroy(load_good(two("unix:/x", "unix:@x")));
    config_destroy(load_good(two("*:80", "[::]:80\nv6_only = yes")));
    config_destroy(load_good(two("127.0.0.1:80", "127.0.0.1:80\nenabled = no")));
    config_destroy(load_good(two("*:80\nreuse_port = yes", "127.0.0.1:80\nreuse_port = yes")));
}

static void test_admin_and_metrics_addresses_count_too(void **state)
{
    (void)state;
    expect("[admin]\nbind = 127.0.0.1:80\n[listen a]\nbind = 127.0.0.1:80\n" SERVER,
           "4:8: error: 127.0.0.1:80 is bound twice: [admin] has it already (culvert.ini:2)");
    expect("[metrics]\nbind = :80\n[listen a]\nbind = 127.0.0.1:80\n" SERVER,
           "127.0.0.1:80 is part of [::]:80, which [metrics] binds");
    config_destroy(load_good("[admin]\nbind = 127.0.0.1:81\n[metrics]\nbind = 127.0.0.1:81\n"
                             "[listen a]\nbind = 127.0.0.1:80\n" SERVER));
    expect("[admin]\nbind = 127.0.0.1:81 off\n[listen a]\nbind = 127.0.0.1:80\n" SERVER,
           "2:21: error: 'off' cannot stand beside an address");
}

static void test_the_admin_is_for_this_machine(void **state)
{
    (void)state;
    expect("[admin]\nbind = :81\n[listen a]\nbind = :80\n" SERVER,
           "2:8: error: [admin] bind must be a loopback address");
    expect("[admin]\nbind = 10.0.0.1:81\n[listen a]\nbind = :80\n" SERVER,
           "[admin] bind must be a loopback address");
    config_destroy(load_good("[admin]\nbind = 127.0.0.2:81 [::1]:81\n[metrics]\nbind = :82\n"
                             "[listen a]\nbind = :80\n" SERVER));
}

static void test_a_server_that_is_the_listener(void **state)
{
#define WARNING "warning: this server is [listen a] itself"
    (void)state;
    expect("[listen a]\nbind = 127.0.0.1:80\nserver = 127.0.0.1:80\n", "3:10: " WARNING);
    expect("[listen a]\nbind = *:80\nserver = 127.0.0.1:80\n", WARNING);
    expect("[listen a]\nbind = :80\nserver = [::1]:80\n", WARNING);
    expect("[listen a]\nbind = :80\nserver = [::ffff:127.0.0.1]:80\n", WARNING);
    expect("[listen a]\nbind = unix:/x\nserver = unix:/x\n", WARNING);
    expect("[listen a]\nbind = :80\npool = p\n[pool p]\nserver = x 127.0.0.1:80\n",
           "5:10: " WARNING);
    config_destroy(load_good("[listen a]\nbind = 127.0.0.1:80\nserver = 127.0.0.1:81\n"));
    config_destroy(load_good("[listen a]\nbind = 127.0.0.1:80\nserver = 127.0.0.2:80\n"));
    config_destroy(load_good("[listen a]\nbind = 127.0.0.1:0\nserver = 127.0.0.1:80\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_address_twice),
        cmocka_unit_test(test_part_of_a_wildcard),
        cmocka_unit_test(test_what_does_not_collide),
        cmocka_unit_test(test_admin_and_metrics_addresses_count_too),
        cmocka_unit_test(test_the_admin_is_for_this_machine),
        cmocka_unit_test(test_a_server_that_is_the_listener),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
