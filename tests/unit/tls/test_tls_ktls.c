/* SPDX-License-Identifier: Apache-2.0 */
/* test_tls_ktls.c - the probe agrees with what this kernel says, and says so once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tcp_pair.h"
#include "tls/tls_ktls.h"

/* Whether a connected socket takes the kernel's TLS at all. */
static int kernel_errno(void)
{
    int pair[2];
    int result;

    tcp_pair(pair);
    result = setsockopt(pair[0], IPPROTO_TCP, 31, "tls", sizeof("tls")) == -1 ? errno : 0;
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
        assert_int_equal(found->error_number, expected);
        assert_non_null(strstr(found->finding, "the kernel has no TLS"));
    } else {
        assert_int_equal(found->error_number, 0);
        assert_true(found->is_usable || strstr(found->finding, "not used") != NULL);
    }
    assert_ptr_equal(tls_ktls_probe(), found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_probe_says_what_the_kernel_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
