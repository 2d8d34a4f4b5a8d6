/* SPDX-License-Identifier: Apache-2.0 */
/* test_error.c - setting and prefixing error texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/error.h"

static void test_set_words_the_error_and_answers_false(void **state)
{
    struct error error = {0};

    (void)state;
    assert_false(error_set(&error, 69, "port %d is %s", 80, "busy"));
    assert_string_equal(error.text, "port 80 is busy");
    assert_int_equal(error.exit_code, 69);
}

static void test_prefix_puts_the_context_in_front(void **state)
{
    struct error error = {0};

    (void)state;
    error_set(&error, 78, "unknown key");
    assert_false(error_prefix(&error, "%s:%d", "culvert.ini", 7));
    assert_string_equal(error.text, "culvert.ini:7: unknown key");
    assert_int_equal(error.exit_code, 78);
}

static void test_set_may_quote_the_text_it_replaces(void **state)
{
    struct error error = {0};

    (void)state;
    error_set(&error, 1, "inner");
    error_set(&error, 2, "outer (%s), again (%s)", error.text, error.text);
    assert_string_equal(error.text, "outer (inner), again (inner)");
    error_prefix(&error, "%.5s", error.text);
    assert_string_equal(error.text, "outer: outer (inner), again (inner)");
}

static void test_long_texts_are_cut_not_overrun(void **state)
{
    struct {
        struct error error;
        char guard[8];
    } guarded = {.guard = "guarded"};
    char longer[2048];

    (void)state;
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    error_set(&guarded.error, 1, "%s", longer);
    assert_int_equal(strlen(guarded.error.text), sizeof(guarded.error.text) - 1);
    error_prefix(&guarded.error, "where");
    assert_int_equal(strlen(guarded.error.text), sizeof(guarded.error.text) - 1);
    assert_memory_equal(guarded.error.text, "where: xxx", 10);
    error_prefix(&guarded.error, "%s", longer);
    assert_int_equal(strlen(guarded.error.text), sizeof(guarded.error.text) - 1);
    assert_string_equal(guarded.guard, "guarded");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_words_the_error_and_answers_false),
        cmocka_unit_test(test_prefix_puts_the_context_in_front),
        cmocka_unit_test(test_set_may_quote_the_text_it_replaces),
        cmocka_unit_test(test_long_texts_are_cut_not_overrun),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
