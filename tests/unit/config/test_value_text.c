/* SPDX-License-Identifier: Apache-2.0 */
/* test_value_text.c - quotes, escapes and variables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/value_text.h"

/* The result as text, an empty quoted one as '_'. */
static void expect_bytes(const char *raw, const char *wanted, size_t length)
{
    struct origin origin = {.line = 1, .column = 1};
    struct diagnostics diagnostics = {0};
    struct value_text text;

    if (!value_text_read(&text, raw, &origin, &diagnostics))
        fail_msg("%s: %s", raw, diagnostics.list[0].text);
    assert_int_equal(text.length, length);
    for (size_t i = 0; i < length; i++)
        assert_int_equal(text.bytes[i].is_empty ? '_' : text.bytes[i].byte, wanted[i]);
    value_text_release(&text);
    diagnostics_release(&diagnostics);
}

static void expect(const char *raw, const char *wanted)
{
    expect_bytes(raw, wanted, strlen(wanted));
}

static void expect_error(const char *raw, unsigned column, const char *wanted)
{
    struct origin origin = {.line = 1, .column = 1};
    struct diagnostics diagnostics = {0};
    struct value_text text;

    assert_false(value_text_read(&text, raw, &origin, &diagnostics));
    assert_int_equal(diagnostics.count, 1);
    if (strstr(diagnostics.list[0].text, wanted) == NULL)
        fail_msg("%s: %s", raw, diagnostics.list[0].text);
    assert_int_equal(diagnostics.list[0].origin.column, column);
    value_text_release(&text);
    diagnostics_release(&diagnostics);
}

static void test_bare_text_is_what_it_is(void **state)
{
    (void)state;
    expect("", "");
    expect("a b, c", "a b, c");
    expect("back\\slash 'single'", "back\\slash 'single'");
}

static void test_quotes_and_escapes(void **state)
{
    (void)state;
    expect("\"a b\"", "a b");
    expect("\"\"", "_");
    expect("\"a\", \"\"", "a, _");
    expect("\"\\\"\\\\\\n\\r\\t\\x41\\x7a\"", "\"\\\n\r\tAz");
    expect_bytes("\"\\0\\x00\"", "\0\0", 2);
    expect_error("\"a", 1, "lacks its closing");
    expect_error("a\"b\"", 2, "a quote inside a word");
    expect_error("\"a\"b", 4, "must follow the closing quote");
    expect_error("\"\\q\"", 2, "a backslash is followed by");
    expect_error("\"\\x4\"", 2, "a backslash is followed by");
    expect_error("\"\\xg0\"", 2, "a backslash is followed by");
}

static void test_quoted_separators_are_marked(void **state)
{
    struct origin origin = {0};
    struct diagnostics diagnostics = {0};
    struct value_text text;

    (void)state;
    assert_true(value_text_read(&text, "a \"b c\"", &origin, &diagnostics));
    assert_false(text.bytes[1].is_quoted);
    assert_true(text.bytes[3].is_quoted);
    assert_int_equal(text.bytes[2].column, 3);
    assert_false(text.is_quoted);
    value_text_release(&text);
    assert_true(value_text_read(&text, "\"b c\"", &origin, &diagnostics));
    assert_true(text.is_quoted);
    value_text_release(&text);
}

static void test_forms_of_variables(void **state)
{
    (void)state;
    setenv("T_SET", "value", 1);
    setenv("T_EMPTY", "", 1);
    unsetenv("T_UNSET");
    expect("${T_SET}", "value");
    expect("a${T_SET}b", "avalueb");
    expect("${T_EMPTY}", "");
    expect_error("x ${T_UNSET}", 3,
                 "${T_UNSET} is not set; write ${T_UNSET:-default} or export it");

    expect("${T_SET:-default}", "value");
    expect("${T_EMPTY:-default}", "default");
    expect("${T_UNSET:-default}", "default");
    expect("${T_UNSET:-}", "");
    expect("${T_SET-default}", "value");
    expect("${T_EMPTY-default}", "");
    expect("${T_UNSET-default}", "default");

    expect("${T_SET:?why}", "value");
    expect_error("${T_EMPTY:?give me one}", 1, "${T_EMPTY}: give me one");
    expect_error("${T_UNSET:?}", 1, "${T_UNSET} must be set");
    expect("${T_EMPTY?why}", "");
    expect_error("${T_UNSET?why}", 1, "${T_UNSET}: why");

    expect("${T_SET:+other}", "other");
    expect("${T_EMPTY:+other}", "");
    expect("${T_UNSET:+other}", "");
    expect("${T_EMPTY+other}", "other");
    expect("${T_UNSET+other}", "");
}

static void test_dollars(void **state)
{
    (void)state;
    expect("a$$b", "a$b");
    expect("$${T_SET}", "${T_SET}");
    expect_error("a$b", 2, "write $$ for a dollar sign");
    expect_error("a$", 2, "write $$ for a dollar sign");
    expect_error("${", 1, "lacks its '}'");
    expect_error("${A", 1, "lacks its '}'");
    expect_error("${A:-b", 1, "lacks its '}'");
    expect_error("${}", 1, "a variable's name");
    expect_error("${1A}", 1, "a variable's name");
    expect_error("${T_SET!}", 1, "a variable is ${NAME}");
    expect_error("${T_SET:}", 1, "a variable is ${NAME}");
    expect_error("${T_UNSET:-${T_SET}}", 12, "cannot stand inside another");
    expect("a } b", "a } b");
}

static void test_a_variable_is_text_and_nothing_else(void **state)
{
    (void)state;
    setenv("T_WILD", "a \"b\" # c ; d ${T_SET} $$ \\n }", 1);
    expect("${T_WILD}", "a \"b\" # c ; d ${T_SET} $$ \\n }");
    expect("\"${T_WILD}\"", "a \"b\" # c ; d ${T_SET} $$ \\n }");
    setenv("T_LINES", "one\n[listen x]\nbind = :1", 1);
    expect("${T_LINES}", "one\n[listen x]\nbind = :1");
}

static void test_variables_stand_in_quotes_and_defaults_have_escapes(void **state)
{
    (void)state;
    expect("\"${T_UNSET:-a \\\"b\\\"}\"", "a \"b\"");
    expect("\"${T_UNSET:-}\"", "_");
    expect("\"${T_SET:+}\"", "_");
    expect("${T_UNSET:-a b}", "a b");
}

static void test_a_huge_variable_is_refused(void **state)
{
    static char huge[VALUE_TEXT_MAX + 2];

    (void)state;
    memset(huge, 'x', sizeof(huge) - 1);
    setenv("T_HUGE", huge, 1);
    expect_error("${T_HUGE}", 1, "longer than 65536 bytes");
    huge[VALUE_TEXT_MAX] = '\0';
    setenv("T_HUGE", huge, 1);
    expect("${T_HUGE}", huge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bare_text_is_what_it_is),
        cmocka_unit_test(test_quotes_and_escapes),
        cmocka_unit_test(test_quoted_separators_are_marked),
        cmocka_unit_test(test_forms_of_variables),
        cmocka_unit_test(test_dollars),
        cmocka_unit_test(test_a_variable_is_text_and_nothing_else),
        cmocka_unit_test(test_variables_stand_in_quotes_and_defaults_have_escapes),
        cmocka_unit_test(test_a_huge_variable_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
