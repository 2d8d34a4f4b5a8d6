/* SPDX-License-Identifier: Apache-2.0 */
/* test_validate_outgoing.c - `original` alone in its pool, and one kind of source address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "config/fixture.h"

/* A listener on `bind` with a pool of these lines. */
static const char *pool(const char *bind, const char *lines)
{
    static char text[512];

    snprintf(text, sizeof(text), "[listen a]\nbind = %s\npool = p\n[pool p]\n%s\n", bind, lines);
    return text;
}

static void test_an_original_server_is_alone(void **state)
{
    (void)state;
    config_destroy(load_good(pool("127.0.0.1:80", "server = original")));
    config_destroy(load_good(pool("127.0.0.1:80", "server = out original max_connections=9")));
    config_destroy(load_good("[listen a]\nbind = :80\nserver = original\n"));
    expect(pool("127.0.0.1:80", "server = 10.0.0.1:80 original"),
           "5:22: error: 'original' must be the only server of [pool p]");
    expect(pool("127.0.0.1:80", "server = a original\nserver = b original"),
           "5:10: error: 'original' must be the only server of [pool p]");
    expect("[listen a]\nbind = :80\nserver = original 10.0.0.1:80\n",
           "3:10: error: 'original' must be the only server of [listen a]");
}

static void test_an_original_server_has_no_checks(void **state)
{
    (void)state;
    expect(pool("127.0.0.1:80", "server = original\nhealth = tcp"),
           "6:10: error: the server 'original' of [pool p] has no address that could be checked");
    config_destroy(load_good(pool("127.0.0.1:80", "server = original\nhealth = off")));
    config_destroy(load_good(pool("127.0.0.1:80", "server = original\n[defaults]\nhealth = tcp")));
    config_destroy(load_good(pool("127.0.0.1:80", "server = 10.0.0.1:80\nhealth = tcp")));
}

static void test_unix_clients_dial_no_address(void **state)
{
    (void)state;
    expect(pool("127.0.0.1:80 unix:/x", "server = original"),
           "2:21: error: clients of unix:/x dial no address that the server 'original' of "
           "[listen a] could be");
    expect("[listen a]\nbind = unix:@x\nserver = original\n", "clients of unix:@x dial no address");
    config_destroy(load_good(pool("unix:/x", "server = 10.0.0.1:80")));
}

static void test_a_session_comes_from_one_address(void **state)
{
    (void)state;
    config_destroy(load_good(pool(":80", "server = original\ntransparent = yes")));
    config_destroy(load_good(pool(":80", "server = 10.0.0.1:9\nsource = 10.0.0.8 fd00::8")));
    expect(pool(":80", "server = original\ntransparent = yes\nsource = 10.0.0.8"),
           "7:1: error: [pool p] has both 'source' and 'transparent'");
    expect(pool(":80", "server = 10.0.0.1:9\nsource = 10.0.0.8:0"),
           "6:10: error: '10.0.0.8:0' is no IP address; a source has no port");
    expect(pool(":80", "server = 10.0.0.1:9\nsource = eth0"), "'eth0' is no IP address");
    expect(pool(":80", "server = 10.0.0.1:9\nsource = 0.0.0.0"), "is every address of this");
    expect(pool(":80", "server = 10.0.0.1:9\nsource = ff02::1"), "is a multicast address");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_original_server_is_alone),
        cmocka_unit_test(test_an_original_server_has_no_checks),
        cmocka_unit_test(test_unix_clients_dial_no_address),
        cmocka_unit_test(test_a_session_comes_from_one_address),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
