/* SPDX-License-Identifier: Apache-2.0 */
/* test_source_address.c - a local address without a port, and addresses of others. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/socket.h"
#include "net/source_address.h"
#include "net/tcp_pair.h"

static struct addr addr_of(const char *ip, uint16_t port)
{
    struct addr addr = {.port = port};

    assert_true(addr_parse_ip(ip, strlen(ip), &addr));
    return addr;
}

static int open_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    return fd;
}

/* The port is chosen when the destination is known, so that it is free once for each of them. */
static void test_the_port_is_chosen_by_the_connect(void **state)
{
    struct addr source = addr_of("127.0.0.3", 4711);
    struct addr server = addr_of("127.0.0.1", 0);
    struct addr local;
    int listener = tcp_listen(&server.port, 0);
    int fd = open_socket(AF_INET);
    int error;

    (void)state;
    assert_int_equal(source_address_bind(fd, &source), 0);
    assert_true(socket_local_addr(fd, &local));
    assert_int_equal(local.port, 0);
    error = socket_connect(fd, &server);
    assert_true(error == 0 || error == EINPROGRESS);
    assert_true(socket_local_addr(fd, &local));
    assert_int_not_equal(local.port, 0);
    assert_int_equal(local.v4.s_addr, source.v4.s_addr);
    close(fd);
    peer_close(&listener);
}

static void test_an_address_of_no_interface_is_refused_by_the_bind(void **state)
{
    struct addr v4 = addr_of("192.0.2.1", 0);
    struct addr unset = {.family = AF_UNSPEC};
    int fd = open_socket(AF_INET);

    (void)state;
    assert_int_equal(source_address_bind(fd, &v4), EADDRNOTAVAIL);
    assert_int_equal(source_address_bind(fd, &unset), EAFNOSUPPORT);
    close(fd);
}

static void test_with_the_right_any_address_will_do(void **state)
{
    struct addr v4 = addr_of("192.0.2.1", 0);
    struct addr v6 = addr_of("2001:db8::1", 0);
    int fd;

    (void)state;
    if (!source_address_may_be_any())
        skip();
    fd = open_socket(AF_INET);
    assert_int_equal(source_address_allow_any(fd, AF_INET), 0);
    assert_int_equal(source_address_bind(fd, &v4), 0);
    close(fd);
    fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1)
        skip(); /* no IPv6 here */
    assert_int_equal(source_address_allow_any(fd, AF_INET6), 0);
    assert_int_equal(source_address_bind(fd, &v6), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_port_is_chosen_by_the_connect),
        cmocka_unit_test(test_an_address_of_no_interface_is_refused_by_the_bind),
        cmocka_unit_test(test_with_the_right_any_address_will_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
