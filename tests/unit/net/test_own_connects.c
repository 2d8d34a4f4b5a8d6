/* SPDX-License-Identifier: Apache-2.0 */
/* test_own_connects.c - a connection is known by both of its addresses, until it is forgotten. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "net/own_connects.h"

static struct addr addr_of(const char *ip, uint16_t port)
{
    struct addr addr = {.port = port};

    assert_true(addr_parse_ip(ip, strlen(ip), &addr));
    return addr;
}

static void check(const char *own, const char *other, const char *server)
{
    struct own_connects *connects = own_connects_create();
    struct addr source = addr_of(own, 40000);
    struct addr neighbour = addr_of(own, 40001);
    struct addr stranger = addr_of(other, 40000);
    struct addr destination = addr_of(server, 80);
    struct addr elsewhere = addr_of(server, 81);

    assert_non_null(connects);
    assert_false(own_connects_has(connects, &source, &destination));
    own_connects_note(connects, &source, &destination);
    assert_true(own_connects_has(connects, &source, &destination));
    assert_false(own_connects_has(connects, &neighbour, &destination));
    assert_false(own_connects_has(connects, &stranger, &destination));
    assert_false(own_connects_has(connects, &source, &elsewhere));
    /* Another connection's end takes nothing away. */
    own_connects_forget(connects, &source, &elsewhere);
    own_connects_forget(connects, &stranger, &destination);
    assert_true(own_connects_has(connects, &source, &destination));
    /* The newer one of a shared port is remembered. */
    own_connects_note(connects, &source, &elsewhere);
    assert_true(own_connects_has(connects, &source, &elsewhere));
    own_connects_forget(connects, &source, &elsewhere);
    assert_false(own_connects_has(connects, &source, &elsewhere));
    own_connects_destroy(connects);
}

static void test_a_connection_is_known_by_both_addresses(void **state)
{
    (void)state;
    check("10.0.0.1", "10.0.0.2", "10.9.9.9");
    check("fd00::1", "fd00::2", "fd00::9");
}

static void test_the_first_and_the_last_port_have_a_place(void **state)
{
    struct own_connects *connects = own_connects_create();
    struct addr source = addr_of("10.0.0.1", 65535);
    struct addr none = addr_of("10.0.0.1", 0);
    struct addr destination = addr_of("10.0.0.2", 65535);

    (void)state;
    assert_non_null(connects);
    own_connects_note(connects, &source, &destination);
    own_connects_note(connects, &none, &destination);
    assert_true(own_connects_has(connects, &source, &destination));
    assert_true(own_connects_has(connects, &none, &destination));
    own_connects_destroy(connects);
    own_connects_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_connection_is_known_by_both_addresses),
        cmocka_unit_test(test_the_first_and_the_last_port_have_a_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
