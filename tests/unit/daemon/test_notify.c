/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_notify.c - the datagram to the service manager.
 */
#include "daemon/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* A manager at `name`, where '@' begins an abstract one. */
static int listen_at(const char *name)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));

    memcpy(addr.sun_path, name, strlen(name));
    if (name[0] == '@')
        addr.sun_path[0] = '\0';
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, length), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static void hears_ready(int manager)
{
    char bytes[64];

    notify_send("READY=1");
    assert_int_equal(recv(manager, bytes, sizeof(bytes), 0), 7);
    assert_memory_equal(bytes, "READY=1", 7);
    close(manager);
    notify_send("STOPPING=1"); /* nobody there: no harm */
}

static void test_a_socket_in_the_file_system(void **state)
{
    char folder[] = "/tmp/culvert-notify-XXXXXX";
    char path[64];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/notify", folder);
    hears_ready(listen_at(path));
    unlink(path);
    rmdir(folder);
}

static void test_an_abstract_socket(void **state)
{
    char name[64];

    (void)state;
    snprintf(name, sizeof(name), "@culvert-notify-%d", (int)getpid());
    hears_ready(listen_at(name));
}

static void test_no_manager_is_no_error(void **state)
{
    static char longer[300];

    (void)state;
    unsetenv("NOTIFY_SOCKET");
    notify_send("READY=1");
    setenv("NOTIFY_SOCKET", "relative", 1);
    notify_send("READY=1");
    memset(longer, 'x', sizeof(longer) - 1);
    longer[0] = '/';
    setenv("NOTIFY_SOCKET", longer, 1);
    notify_send("READY=1");
    unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_socket_in_the_file_system),
        cmocka_unit_test(test_an_abstract_socket),
        cmocka_unit_test(test_no_manager_is_no_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
