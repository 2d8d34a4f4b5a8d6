/* SPDX-License-Identifier: Apache-2.0 */
/* test_diagnostics.c - order, caret, counts, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "config/diagnostics.h"

static struct source_files files;

/* Not inlined: gcc 12 would take what open_memstream(3) stored in `text` for its address. */
__attribute__((noinline)) static char *printed(const struct diagnostics *diagnostics, bool color,
                                               bool explain, bool json)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    assert_non_null(out);
    if (json)
        diagnostics_print_json(diagnostics, out, explain);
    else
        diagnostics_print(diagnostics, out, color, explain);
    fclose(out);
    return text;
}

static void expect_print(struct diagnostics *diagnostics, const char *wanted)
{
    char *text = printed(diagnostics, false, false, false);

    assert_string_equal(text, wanted);
    free(text);
    diagnostics_release(diagnostics);
}

static struct origin at(const char *text, unsigned line, unsigned column, unsigned length)
{
    return (struct origin){.file = source_file_from_text(&files, "x.ini", text),
                           .line = line,
                           .column = column,
                           .length = length};
}

static void test_nothing_prints_nothing(void **state)
{
    struct diagnostics diagnostics = {0};

    (void)state;
    expect_print(&diagnostics, "");
}

static void test_a_caret_stands_under_the_bytes_meant(void **state)
{
    struct diagnostics diagnostics = {0};
    struct origin origin = at("[a]\n\tx = \xc3\xa4\xc3\xa4 word\n", 2, 11, 4);

    (void)state;
    diagnostics_error(&diagnostics, TOPIC_VALUE, &origin, "no %s", "word");
    expect_print(&diagnostics, "x.ini:2:11: error: no word\n"
                               "    2 | \tx = \xc3\xa4\xc3\xa4 word\n"
                               "      | \t       ^~~~\n"
                               "1 error, 0 warnings; nothing was loaded\n");
}

static void test_places_order_the_messages(void **state)
{
    struct diagnostics diagnostics = {0};
    struct origin origin = at("one\ntwo\n", 2, 1, 3);

    (void)state;
    diagnostics_error(&diagnostics, TOPIC_VALUE, NULL, "no place");
    diagnostics_error(&diagnostics, TOPIC_VALUE, &origin, "second");
    origin.line = 1;
    diagnostics_warning(&diagnostics, TOPIC_VALUE, &origin, "first");
    origin.column = 0;
    diagnostics_warning(&diagnostics, TOPIC_VALUE, &origin, "line");
    origin.line = 0;
    diagnostics_warning(&diagnostics, TOPIC_VALUE, &origin, "file");
    expect_print(&diagnostics, "x.ini: warning: file\n"
                               "x.ini:1: warning: line\n"
                               "x.ini:1:1: warning: first\n    1 | one\n      | ^~~\n"
                               "x.ini:2:1: error: second\n    2 | two\n      | ^~~\n"
                               "culvert: error: no place\n"
                               "2 errors, 3 warnings; nothing was loaded\n");
}

static void test_warnings_alone_load(void **state)
{
    struct diagnostics diagnostics = {0};

    (void)state;
    diagnostics_warning(&diagnostics, TOPIC_VALUE, NULL, "hm");
    expect_print(&diagnostics, "culvert: warning: hm\n0 errors, 1 warning\n");
}

static void test_long_lines_are_shown_around_the_place(void **state)
{
    struct diagnostics diagnostics = {0};
    char line[1001];
    char *text;

    (void)state;
    memset(line, 'a', 1000);
    line[1000] = '\0';
    line[700] = 'X';
    struct origin origin = at(line, 1, 701, 1);
    diagnostics_error(&diagnostics, TOPIC_VALUE, &origin, "here");
    text = printed(&diagnostics, false, false, false);
    char *shown = strstr(text, "    1 | ...");
    assert_non_null(shown);
    char *x = strchr(shown, 'X');
    char *end = strchr(shown, '\n');
    assert_true(x < end && end - shown < 200);
    assert_int_equal(strchr(end, '^') - end - 1, x - shown);
    free(text);
    diagnostics_release(&diagnostics);
}

static void test_terminals_get_no_control_bytes(void **state)
{
    struct diagnostics diagnostics = {0};
    struct origin origin = at("a\033[31m\xc2\x9b\x7f\n", 1, 1, 1);

    (void)state;
    diagnostics_error(&diagnostics, TOPIC_VALUE, &origin, "a\033b");
    char *text = printed(&diagnostics, false, false, false);
    assert_null(strchr(text, '\033'));
    assert_null(strchr(text, '\x7f'));
    assert_null(strstr(text, "\xc2\x9b"));
    free(text);
    text = printed(&diagnostics, true, false, false);
    assert_non_null(strstr(text, "\033[1;31merror:\033[0m a?b"));
    free(text);
    diagnostics_release(&diagnostics);
}

static void test_thousands_of_errors_are_counted_but_not_all_shown(void **state)
{
    struct diagnostics diagnostics = {0};

    (void)state;
    for (int i = 0; i < 5000; i++)
        diagnostics_error(&diagnostics, TOPIC_VALUE, NULL, "number %d", i);
    char *text = printed(&diagnostics, false, false, false);
    assert_null(strstr(text, "number 200\n"));
    assert_non_null(strstr(text, "number 199\n... and 4800 more\n5000 errors, 0 warnings;"));
    free(text);
    diagnostics_release(&diagnostics);
}

static void test_running_out_of_memory_is_an_error(void **state)
{
    struct diagnostics diagnostics = {0};

    (void)state;
    assert_false(diagnostics_out_of_memory(&diagnostics));
    assert_false(diagnostics_out_of_memory(&diagnostics));
    expect_print(&diagnostics,
                 "culvert: error: out of memory\n1 error, 0 warnings; nothing was loaded\n");
}

static void test_explanations_say_why_effect_and_fix(void **state)
{
    struct diagnostics diagnostics = {0};

    (void)state;
    for (int topic = TOPIC_FILE; topic <= TOPIC_MEMORY; topic++)
        diagnostics_error(&diagnostics, (enum topic)topic, NULL, "topic");
    char *text = printed(&diagnostics, false, true, false);
    size_t whys = 0;
    for (char *why = text; (why = strstr(why, "      why:    ")) != NULL; why++) {
        char *effect = strstr(why, "\n      effect: ");
        char *fix = strstr(why, "\n      fix:    ");

        assert_true(effect - why > 20 && fix - effect > 16 && fix[15] != '\n');
        whys++;
    }
    assert_int_equal(whys, TOPIC_MEMORY - TOPIC_FILE + 1);
    free(text);
    diagnostics_release(&diagnostics);
}

static void test_json_is_one_array(void **state)
{
    struct diagnostics diagnostics = {0};
    struct origin origin = at("one\n", 1, 2, 1);
    json_error_t error;

    (void)state;
    diagnostics_error(&diagnostics, TOPIC_VALUE, &origin, "say \"%s\"", "why");
    diagnostics_warning(&diagnostics, TOPIC_VALUE, NULL, "bytes \xff");
    char *text = printed(&diagnostics, false, true, true);
    json_t *array = json_loads(text, 0, &error);
    assert_non_null(array);
    assert_int_equal(json_array_size(array), 2);
    json_t *first = json_array_get(array, 0);
    assert_string_equal(json_string_value(json_object_get(first, "severity")), "error");
    assert_string_equal(json_string_value(json_object_get(first, "file")), "x.ini");
    assert_int_equal(json_integer_value(json_object_get(first, "line")), 1);
    assert_int_equal(json_integer_value(json_object_get(first, "column")), 2);
    assert_string_equal(json_string_value(json_object_get(first, "message")), "say \"why\"");
    assert_non_null(json_object_get(first, "fix"));
    json_decref(array);
    free(text);
    diagnostics_release(&diagnostics);
    text = printed(&diagnostics, false, false, true);
    assert_string_equal(text, "[]\n");
    free(text);
}

static int tear_down(void **state)
{
    (void)state;
    source_files_release(&files);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_prints_nothing),
        cmocka_unit_test(test_a_caret_stands_under_the_bytes_meant),
        cmocka_unit_test(test_places_order_the_messages),
        cmocka_unit_test(test_warnings_alone_load),
        cmocka_unit_test(test_long_lines_are_shown_around_the_place),
        cmocka_unit_test(test_terminals_get_no_control_bytes),
        cmocka_unit_test(test_thousands_of_errors_are_counted_but_not_all_shown),
        cmocka_unit_test(test_running_out_of_memory_is_an_error),
        cmocka_unit_test(test_explanations_say_why_effect_and_fix),
        cmocka_unit_test(test_json_is_one_array),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
