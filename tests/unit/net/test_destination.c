/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_destination.c - the address a client dialled where nothing was translated, and the way back
 * to a listening address. What rules of the kernel change is in tests/e2e/test_original.py.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "net/destination.h"
#include "net/tcp_pair.h"

static struct addr addr_of(const char *ip, uint16_t port)
{
    struct addr addr = {.port = port};

    assert_true(addr_parse_ip(ip, strlen(ip), &addr));
    return addr;
}

static void test_without_a_translation_it_is_the_local_address(void **state)
{
    struct addr destination;
    struct addr wanted;
    struct sockaddr_in local;
    socklen_t length = sizeof(local);
    int pair[2];

    (void)state;
    tcp_pair(pair);
    assert_int_equal(getsockname(pair[1], (struct sockaddr *)&local, &length), 0);
    wanted = addr_of("127.0.0.1", ntohs(local.sin_port));
    assert_true(destination_find(pair[1], &destination));
    assert_true(addr_equal(&destination, &wanted));
    peer_close(&pair[0]);
    peer_close(&pair[1]);
}

static void test_a_unix_client_dialled_no_address(void **state)
{
    struct addr destination;
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_false(destination_find(pair[0], &destination));
    close(pair[0]);
    close(pair[1]);
}

static void test_a_listening_address_is_found(void **state)
{
    const struct addr listening[] = {addr_of("10.0.0.1", 80),
                                     addr_of("0.0.0.0", 90),
                                     addr_of("::", 91),
                                     {.family = AF_UNIX, .path = "/x"}};
    const struct {
        const char *ip;
        uint16_t port;
        enum destination_place place;
    } cases[] = {
        {"10.0.0.1", 80, DESTINATION_HERE},       {"10.0.0.1", 81, DESTINATION_ELSEWHERE},
        {"10.0.0.2", 80, DESTINATION_ELSEWHERE},  {"127.0.0.1", 80, DESTINATION_ELSEWHERE},
        {"127.0.0.1", 90, DESTINATION_HERE},      {"127.9.9.9", 90, DESTINATION_HERE},
        {"127.0.0.1", 91, DESTINATION_ELSEWHERE}, {"192.0.2.1", 90, DESTINATION_ELSEWHERE},
        {"::1", 90, DESTINATION_ELSEWHERE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct addr destination = addr_of(cases[i].ip, cases[i].port);

        if (destination_place(&destination, listening, ARRAY_LENGTH(listening)) != cases[i].place)
            fail_msg("%s:%u", cases[i].ip, cases[i].port);
    }
    assert_int_equal(destination_place(&listening[0], NULL, 0), DESTINATION_ELSEWHERE);
}

/* The want of a descriptor is neither of the two answers. */
static void test_without_a_descriptor_the_place_is_not_known(void **state)
{
    const struct addr listening[] = {addr_of("10.0.0.1", 80), addr_of("0.0.0.0", 90)};
    struct addr destination = addr_of("192.0.2.1", 90);
    struct rlimit before;
    struct rlimit none;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    errno = 0;
    assert_int_equal(destination_place(&destination, listening, 2), DESTINATION_UNKNOWN);
    assert_int_equal(errno, EMFILE);
    /* These need none. */
    assert_int_equal(destination_place(&listening[0], listening, 2), DESTINATION_HERE);
    destination.port = 91;
    assert_int_equal(destination_place(&destination, listening, 2), DESTINATION_ELSEWHERE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_translation_it_is_the_local_address),
        cmocka_unit_test(test_a_unix_client_dialled_no_address),
        cmocka_unit_test(test_a_listening_address_is_found),
        cmocka_unit_test(test_without_a_descriptor_the_place_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
