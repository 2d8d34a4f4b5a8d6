/* SPDX-License-Identifier: Apache-2.0 */
/* test_endpoint.c - the forms of an address, and an answer for each wrong one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/endpoint.h"

static struct endpoint parse(const char *string, enum endpoint_use use)
{
    struct endpoint endpoint = {0};
    struct error error = {0};

    if (!endpoint_parse(string, use, false, &endpoint, &error))
        fail_msg("%s: %s", string, error.text);
    return endpoint;
}

static void expect_text(const char *string, enum endpoint_use use, const char *wanted)
{
    struct endpoint endpoint = parse(string, use);
    char buffer[ADDR_TEXT_BYTES];

    assert_string_equal(addr_text(&endpoint.addr, buffer), wanted);
    free(endpoint.host);
}

static void test_binds(void **state)
{
    (void)state;
    expect_text(":80", ENDPOINT_FOR_BIND, "[::]:80");
    expect_text("*:80", ENDPOINT_FOR_BIND, "0.0.0.0:80");
    expect_text("127.0.0.1:0", ENDPOINT_FOR_BIND, "127.0.0.1:0");
    expect_text("[::1]:65535", ENDPOINT_FOR_BIND, "[::1]:65535");
    expect_text("[::ffff:10.0.0.1]:80", ENDPOINT_FOR_BIND, "10.0.0.1:80");
    expect_text("unix:/run/x.sock", ENDPOINT_FOR_BIND, "unix:/run/x.sock");
    expect_text("unix:@name", ENDPOINT_FOR_BIND, "unix:@name");
}

static void test_servers(void **state)
{
    (void)state;
    expect_text("10.0.0.1:80", ENDPOINT_FOR_SERVER, "10.0.0.1:80");
    expect_text("[::ffff:10.0.0.1]:80", ENDPOINT_FOR_SERVER, "10.0.0.1:80");
    struct endpoint endpoint = parse("db.example.com:5432", ENDPOINT_FOR_SERVER);
    assert_int_equal(endpoint.kind, ENDPOINT_HOST);
    assert_string_equal(endpoint.host, "db.example.com");
    assert_int_equal(endpoint.port, 5432);
    free(endpoint.host);
    endpoint = parse("builtin:chargen", ENDPOINT_FOR_SERVER);
    assert_int_equal(endpoint.kind, ENDPOINT_BUILTIN);
    assert_int_equal(endpoint.builtin, BUILTIN_CHARGEN);
}

static void test_a_bare_port_only_where_it_may_be(void **state)
{
    struct endpoint endpoint = {0};
    struct error error = {0};

    (void)state;
    assert_true(endpoint_parse("8080", ENDPOINT_FOR_BIND, true, &endpoint, &error));
    assert_int_equal(endpoint.addr.port, 8080);
    assert_int_equal(endpoint.addr.family, AF_INET6);
    assert_true(IN6_IS_ADDR_UNSPECIFIED(&endpoint.addr.v6));
    assert_false(endpoint_parse("8080", ENDPOINT_FOR_BIND, false, &endpoint, &error));
    assert_false(endpoint_parse("99999", ENDPOINT_FOR_BIND, true, &endpoint, &error));
}

static void test_wrong_addresses_say_why(void **state)
{
    static const char path_108[] =
        "unix:/"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxx";
    static const struct {
        enum endpoint_use use;
        const char *text;
        const char *why;
    } cases[] = {
        {ENDPOINT_FOR_BIND, "80", ":PORT is all addresses"},
        {ENDPOINT_FOR_SERVER, "80", "a server is host:port"},
        {ENDPOINT_FOR_SERVER, "10.0.0.1:0", "from 1 to 65535"},
        {ENDPOINT_FOR_BIND, "10.0.0.1:65536", "from 0 to 65535"},
        {ENDPOINT_FOR_BIND, "10.0.0.1:-1", "is no port"},
        {ENDPOINT_FOR_BIND, "10.0.0.1:80x", "is no port"},
        {ENDPOINT_FOR_BIND, "10.0.0.1:0x50", "is no port"},
        {ENDPOINT_FOR_BIND, "10.0.0.1:", "is no port"},
        {ENDPOINT_FOR_BIND, "10.0.0.1:000080", "is no port"},
        {ENDPOINT_FOR_BIND, "::1:80", "in brackets"},
        {ENDPOINT_FOR_BIND, "[::1]", "needs a port"},
        {ENDPOINT_FOR_BIND, "[::1:80", "is no IPv6 address"},
        {ENDPOINT_FOR_BIND, "[1.2.3.4]:80", "is no IPv6 address"},
        {ENDPOINT_FOR_BIND, "host", "needs a port"},
        {ENDPOINT_FOR_BIND, "", "needs a port"},
        {ENDPOINT_FOR_SERVER, "1.2.3:80", "neither an IP address nor a host name"},
        {ENDPOINT_FOR_SERVER, "1.2.3.256:80", "neither an IP address nor a host name"},
        {ENDPOINT_FOR_SERVER, "0x7f.1:80", "neither an IP address nor a host name"},
        {ENDPOINT_FOR_SERVER, "-a.b:80", "neither an IP address nor a host name"},
        {ENDPOINT_FOR_SERVER, "a-.b:80", "neither an IP address nor a host name"},
        {ENDPOINT_FOR_SERVER, "a..b:80", "neither an IP address nor a host name"},
        {ENDPOINT_FOR_SERVER, "a b:80", "neither an IP address nor a host name"},
        {ENDPOINT_FOR_SERVER, "0.0.0.0:80", "every address of this machine"},
        {ENDPOINT_FOR_SERVER, "[::]:80", "every address of this machine"},
        {ENDPOINT_FOR_SERVER, ":80", "needs a host"},
        {ENDPOINT_FOR_SERVER, "*:80", "needs a host"},
        {ENDPOINT_FOR_BIND, "unix:x", "absolute path"},
        {ENDPOINT_FOR_BIND, "unix:", "absolute path"},
        {ENDPOINT_FOR_BIND, "unix:@", "names no socket"},
        {ENDPOINT_FOR_BIND, "unix:/", "names no socket"},
        {ENDPOINT_FOR_BIND, path_108, "longer than the 107 bytes"},
        {ENDPOINT_FOR_SERVER, "builtin:echoo", "there is no 'builtin:echoo'"},
        {ENDPOINT_FOR_BIND, "builtin:echo", "nothing can listen there"},
        {ENDPOINT_FOR_BIND, "systemd:web", "not available in this version"},
        {ENDPOINT_FOR_BIND, "fd:3", "not available in this version"},
        {ENDPOINT_FOR_SERVER, "srv:pg._tcp.example.com", "is no SRV name"},
        {ENDPOINT_FOR_SERVER, "srv:_pg.tcp.example.com", "is no SRV name"},
        {ENDPOINT_FOR_SERVER, "srv:_pg._tcp", "is no SRV name"},
        {ENDPOINT_FOR_SERVER, "srv:_pg._tcp.", "is no SRV name"},
        {ENDPOINT_FOR_SERVER, "srv:_pg._tcp.example.com:5432", "is no name of the DNS"},
        {ENDPOINT_FOR_SERVER, "srv:", "is no SRV name"},
        {ENDPOINT_FOR_BIND, "srv:_pg._tcp.example.com", "no port"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct endpoint endpoint = {0};
        struct error error = {0};

        assert_false(endpoint_parse(cases[i].text, cases[i].use, false, &endpoint, &error));
        if (strstr(error.text, cases[i].why) == NULL)
            fail_msg("%s: %s", cases[i].text, error.text);
        assert_null(endpoint.host);
    }
}

static void test_the_longest_names_are_taken(void **state)
{
    char string[300];

    (void)state;
    snprintf(string, sizeof(string), "unix:/%0106d", 1);
    free(parse(string, ENDPOINT_FOR_BIND).host);
    snprintf(string, sizeof(string), "unix:@%0107d", 1);
    free(parse(string, ENDPOINT_FOR_BIND).host);
    snprintf(string, sizeof(string), "a%062d.com:80", 1);
    free(parse(string, ENDPOINT_FOR_SERVER).host);
    free(parse("example.com.:80", ENDPOINT_FOR_SERVER).host);
}

static void test_destroying_nothing_is_harmless(void **state)
{
    (void)state;
    endpoint_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binds),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_a_bare_port_only_where_it_may_be),
        cmocka_unit_test(test_wrong_addresses_say_why),
        cmocka_unit_test(test_the_longest_names_are_taken),
        cmocka_unit_test(test_destroying_nothing_is_harmless),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
