/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_tls_ktls.c - what the probe finds, of this kernel and of kernels that do less than they say.
 *
 * setsockopt(2) is replaced, also for OpenSSL's library, which calls it by the same name. Each case
 * runs in a process of its own, for the probe looks once.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base.h"
#include "net/tcp_pair.h"
#include "tls/tls_ktls.h"

#define TLS_PROTOCOL 31 /* TCP_ULP */
#define TLS_LEVEL 282   /* SOL_TLS */
#define TLS_SENDING 1   /* TLS_TX */
#define TLS_RECEIVING 2 /* TLS_RX */

/* What the kernel is taken to answer: 0, an errno, or what it says itself. */
enum { ITSELF = -1 };

static struct {
    int protocol;
    int sending;
    unsigned asked_to_send;
    unsigned asked_to_receive;
} kernel = {ITSELF, ITSELF, 0, 0};

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    static int (*real)(int, int, int, const void *, socklen_t);
    int answer = ITSELF;

    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "setsockopt");
    if (level == IPPROTO_TCP && name == TLS_PROTOCOL)
        answer = kernel.protocol;
    if (level == TLS_LEVEL) {
        answer = kernel.sending;
        kernel.asked_to_send += name == TLS_SENDING;
        kernel.asked_to_receive += name == TLS_RECEIVING;
    }
    if (answer == ITSELF)
        return real(fd, level, name, value, length);
    errno = answer;
    return answer == 0 ? 0 : -1;
}

/* Whether a connected socket takes the kernel's TLS at all. */
static int kernel_errno(void)
{
    int pair[2];
    int result;

    tcp_pair(pair);
    result = setsockopt(pair[0], IPPROTO_TCP, TLS_PROTOCOL, "tls", sizeof("tls")) == -1 ? errno : 0;
    close(pair[0]);
    close(pair[1]);
    return result;
}

static void test_the_probe_says_what_the_kernel_says(void **state)
{
    const struct tls_ktls *found = tls_ktls_probe();
    int expected = kernel_errno();

    (void)state;
    print_message("kTLS: %s\n", found->finding);
    assert_non_null(found->finding);
    if (expected != 0) {
        assert_false(found->is_usable);
        assert_non_null(strstr(found->finding, "the kernel has no TLS"));
    } else {
        assert_true(found->is_usable || strstr(found->finding, "not used") != NULL);
    }
    assert_ptr_equal(tls_ktls_probe(), found);
}

/* In a child: the exit code says at which line it differed. */
static void check_with(int protocol, int sending, const char *finding, unsigned asked)
{
    int status;
    pid_t child = fork();

    assert_true(child != -1);
    if (child == 0) {
        const struct tls_ktls *found;

        signal(SIGPIPE, SIG_IGN);
        kernel.protocol = protocol;
        kernel.sending = sending;
        found = tls_ktls_probe();
        if (strstr(found->finding, finding) == NULL) {
            dprintf(STDERR_FILENO, "found: %s\n", found->finding);
            _exit(1);
        }
        if (found->is_usable)
            _exit(2);
        if (kernel.asked_to_send != asked || kernel.asked_to_receive != 0)
            _exit(3);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_a_kernel_without_tls(void **state)
{
    (void)state;
    check_with(ENOENT, ITSELF, "not used: the kernel has no TLS", 0);
}

static void test_a_kernel_that_takes_no_keys(void **state)
{
    (void)state;
    check_with(0, EINVAL, "not used: the kernel took TLS but not this cipher", 1);
}

/* It says yes and sends everything in clear: the self-test must not be content. */
static void test_a_kernel_that_does_not_seal(void **state)
{
    (void)state;
    check_with(0, 0, "not used: the self-test", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* The children begin with a probe that nobody has made. */
        cmocka_unit_test(test_a_kernel_without_tls),
        cmocka_unit_test(test_a_kernel_that_takes_no_keys),
        cmocka_unit_test(test_a_kernel_that_does_not_seal),
        cmocka_unit_test(test_the_probe_says_what_the_kernel_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
