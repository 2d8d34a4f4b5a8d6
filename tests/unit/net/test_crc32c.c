/* SPDX-License-Identifier: Apache-2.0 */
/* test_crc32c.c - the published checksums, in one piece and in several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/crc32c.h"

/* RFC 3720, B.4, and the usual check value. */
static void test_published_values(void **state)
{
    unsigned char bytes[32];

    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
}

static void test_nothing_changes_nothing(void **state)
{
    assert_int_equal(crc32c(0, "", 0), 0);
    assert_int_equal(crc32c(0xe3069283, "", 0), 0xe3069283);
}

static void test_pieces_are_like_the_whole(void **state)
{
    static const char digits[] = "123456789";

    for (size_t cut = 0; cut <= 9; cut++)
        assert_int_equal(crc32c(crc32c(0, digits, cut), &digits[cut], 9 - cut), 0xe3069283);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_values),
        cmocka_unit_test(test_nothing_changes_nothing),
        cmocka_unit_test(test_pieces_are_like_the_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
