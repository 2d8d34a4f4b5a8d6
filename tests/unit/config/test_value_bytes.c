/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_value_bytes.c - every byte there and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/value_bytes.h"

static void test_bytes_become_escapes(void **state)
{
    struct item item = {.text = strdup("before")};
    struct diagnostics diagnostics = {0};

    (void)state;
    assert_true(value_bytes_parse("a\0\r\n\t\"\\\x7f\xff$", 10, &item, &diagnostics));
    assert_string_equal(item.text, "a\\x00\\r\\n\\t\\\"\\\\\\x7f\\xff$");
    free(item.text);
}

static void test_every_byte_comes_back(void **state)
{
    char bytes[512];
    struct item item = {0};
    struct diagnostics diagnostics = {0};
    unsigned char *back;
    size_t size;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    assert_true(value_bytes_parse(bytes, sizeof(bytes), &item, &diagnostics));
    back = value_bytes_of(item.text, &size);
    assert_non_null(back);
    assert_int_equal(size, sizeof(bytes));
    assert_memory_equal(back, bytes, size);
    free(back);
    free(item.text);

    back = value_bytes_of("", &size);
    assert_int_equal(size, 0);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_become_escapes),
        cmocka_unit_test(test_every_byte_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
