/* SPDX-License-Identifier: Apache-2.0 */
/* test_ini_reader.c - every lexical rule, with the place each error is reported at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/text.h"
#include "config/fixture.h"
#include "config/ini_reader.h"

/* The events as lines "[type name] line:col" and "key=<value> line:col line:col". */
static void on_section(void *user, const char *type, const char *name, const struct origin *origin)
{
    text_append_format(user, "[%s%s%s] %u:%u\n", type, name == NULL ? "" : " ",
                       name == NULL ? "" : name, origin->line, origin->column);
}

static void on_assignment(void *user, const char *key, const char *value,
                          const struct origin *origin, const struct origin *value_origin)
{
    text_append_format(user, "%s=<%s> %u:%u %u:%u\n", key, value, origin->line, origin->column,
                       value_origin->line, value_origin->column);
}

static void read_all(const char *bytes, size_t length, struct text *events,
                     struct diagnostics *diagnostics)
{
    struct source_files files = {0};
    struct error error = {0};
    struct ini_events handler = {
        .section = on_section, .assignment = on_assignment, .user = events};

    write_bytes("x.ini", bytes, length);
    struct source_file *file = source_file_read(&files, "x.ini", &error);
    assert_non_null(file);
    ini_read(file, &handler, diagnostics);
    for (size_t i = 0; i < diagnostics->count; i++)
        diagnostics->list[i].origin.file = NULL;
    source_files_release(&files);
}

static void expect_events_of(const char *bytes, size_t length, const char *wanted)
{
    static char memory[65536];
    struct text events = text_over(memory, sizeof(memory));
    struct diagnostics diagnostics = {0};

    read_all(bytes, length, &events, &diagnostics);
    for (size_t i = 0; i < diagnostics.count; i++)
        text_append_format(&events, "! %u:%u+%u %s\n", diagnostics.list[i].origin.line,
                           diagnostics.list[i].origin.column, diagnostics.list[i].origin.length,
                           diagnostics.list[i].text);
    diagnostics_release(&diagnostics);
    assert_string_equal(memory, wanted);
}

static void expect_events(const char *text, const char *wanted)
{
    expect_events_of(text, strlen(text), wanted);
}

static void test_headers_and_assignments_have_places(void **state)
{
    (void)state;
    expect_events("[listen web]\nbind=:80\n  pool\t =  app  \n",
                  "[listen web] 1:1\nbind=<:80> 2:1 2:6\npool=<app> 3:3 3:12\n");
    expect_events("\t[ log ]\r\nlevel = info\r\n", "[log] 1:2\nlevel=<info> 2:1 2:9\n");
    expect_events("[a]\nx = 1", "[a] 1:1\nx=<1> 2:1 2:5\n");
    expect_events("[a] # why\nx =\n", "[a] 1:1\nx=<> 2:1 2:3\n");
}

static void test_comments_end_values_but_not_inside_quotes(void **state)
{
    (void)state;
    expect_events("# c\n; c\n  # c\n[a]\nx = 1 # c\ny = a#b;c ; c\nz = \"a ; b # c\" # d\n",
                  "[a] 4:1\nx=<1> 5:1 5:5\ny=<a#b;c> 6:1 6:5\nz=<\"a ; b # c\"> 7:1 7:5\n");
    expect_events("[a]\nx = # only\ny = \"q\\\" ; \" ; c\n",
                  "[a] 1:1\nx=<> 2:1 2:3\ny=<\"q\\\" ; \"> 3:1 3:5\n");
    expect_events("[a]\nx = one, \"two # 2\",\"three ; 3\" ; c\n",
                  "[a] 1:1\nx=<one, \"two # 2\",\"three ; 3\"> 2:1 2:5\n");
}

static void test_indentation_continues_nothing(void **state)
{
    (void)state;
    expect_events("[a]\nx = 1\n  y = 2\n", "[a] 1:1\nx=<1> 2:1 2:5\ny=<2> 3:3 3:7\n");
}

static void test_a_value_keeps_colons_equals_and_brackets(void **state)
{
    (void)state;
    expect_events("[a]\nx = [::1]:80 weight=3\ny = k:v = w ]\n",
                  "[a] 1:1\nx=<[::1]:80 weight=3> 2:1 2:5\ny=<k:v = w ]> 3:1 3:5\n");
}

static void test_broken_headers_take_their_keys_with_them(void **state)
{
    (void)state;
    expect_events("[a]\nx = 1\n[unclosed\ny = 2\n[b]\nz = 3\n",
                  "[a] 1:1\nx=<1> 2:1 2:5\n[b] 5:1\nz=<3> 6:1 6:5\n"
                  "! 3:1+9 this header lacks its ']'\n");
    expect_events("[a]b]\nx = 1\n", "! 1:4+2 nothing but a comment may follow a header\n");
#define FORM                                                                                       \
    "a header is [type] or [type name] with a name of 1 to 32 characters of A-Z a-z 0-9 _ . -\n"
    expect_events("[]\nx = 1\n", "! 1:1+2 " FORM);
    expect_events("[a b c]\n", "! 1:1+7 " FORM);
    expect_events("[listen a/b]\n", "! 1:1+12 " FORM);
    expect_events("[a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]\n",
                  "[a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx] 1:1\n");
    expect_events("[a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]\n", "! 1:1+37 " FORM);
}

static void test_broken_lines_are_reported_where_they_break(void **state)
{
    (void)state;
    expect_events("x = 1\n[a]\n", "[a] 2:1\n! 1:1+1 this key stands before any [section]\n");
    expect_events("[a]\n  no equals # c\n", "[a] 1:1\n! 2:3+9 this line has no '='\n");
    expect_events("[a]\nx: 1\n", "[a] 1:1\n! 2:2+1 a key is followed by '=', not by ':'\n");
    expect_events("[a]\n= 1\n", "[a] 1:1\n! 2:1+1 there is no key before '='\n");
    expect_events("[a]\nBind = 1\nb-c = 2\n", "[a] 1:1\n"
                                              "! 2:1+1 a key has a-z, 0-9 and _ only\n"
                                              "! 3:2+1 a key has a-z, 0-9 and _ only\n");
    expect_events("[a]\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx = 1\n",
                  "[a] 1:1\n! 2:1+33 no key is that long\n");
}

static void test_bytes_that_are_no_text_are_refused(void **state)
{
    static const char nul[] = "[a]\nx = a\0b\ny = 1\n";

    (void)state;
    expect_events_of(nul, sizeof(nul) - 1,
                     "[a] 1:1\ny=<1> 3:1 3:5\n"
                     "! 2:6+1 a control byte (0x00); is this a text file in UTF-8?\n");
    expect_events("[a]\nx = \x1b[31m\n", "[a] 1:1\n! 2:5+1 a control byte (0x1b)\n");
    expect_events("[a]\nx = 1\ry = 2\n",
                  "[a] 1:1\n! 2:6+1 a control byte (0x0d); lines end in LF or CRLF\n");
#define BYTE " is not allowed here: not a printable UTF-8 character\n"
    expect_events("[a]\nx = \xff\n", "[a] 1:1\n! 2:5+1 byte 0xff" BYTE);
    expect_events("[a]\nx = \xc3\n", "[a] 1:1\n! 2:5+1 byte 0xc3" BYTE);
    expect_events("[a]\nx = \xc0\x80\n", "[a] 1:1\n! 2:5+1 byte 0xc0" BYTE);
    expect_events("[a]\nx = \xed\xa0\x80\n", "[a] 1:1\n! 2:5+1 byte 0xed" BYTE);
    expect_events("[a]\nx = \xc2\x9b\n", "[a] 1:1\n! 2:5+1 byte 0xc2" BYTE);
    expect_events("\xef\xbb\xbf\xef\xbb\xbf[a]\n", "! 1:1+1 byte 0xef" BYTE);
    expect_events("\xef\xbb\xbf[a]\n", "[a] 1:1\n");
    expect_events("[a]\nx = \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n",
                  "[a] 1:1\nx=<\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80> 2:1 2:5\n");
    expect_events("[\x01]\nx = 1\n", "! 1:2+1 a control byte (0x01)\n");
}

static void test_the_longest_line_is_whole_and_a_longer_one_refused(void **state)
{
    static char text[8192];
    static char wanted[8192];

    (void)state;
    snprintf(text, sizeof(text), "[a]\nx=%0*d\ny=2\n", INI_LINE_MAX - 2, 7);
    snprintf(wanted, sizeof(wanted), "[a] 1:1\nx=<%0*d> 2:1 2:3\ny=<2> 3:1 3:3\n", INI_LINE_MAX - 2,
             7);
    expect_events(text, wanted);
    snprintf(text, sizeof(text), "[a]\nx=%0*d\ny=2\n", INI_LINE_MAX - 1, 7);
    expect_events(text, "[a] 1:1\ny=<2> 3:1 3:3\n"
                        "! 2:1+0 this line has 4095 bytes; the limit is 4094\n");
}

static void test_an_empty_file_says_nothing(void **state)
{
    (void)state;
    expect_events("", "");
    expect_events("\n\n", "");
    expect_events("\xef\xbb\xbf", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_and_assignments_have_places),
        cmocka_unit_test(test_comments_end_values_but_not_inside_quotes),
        cmocka_unit_test(test_indentation_continues_nothing),
        cmocka_unit_test(test_a_value_keeps_colons_equals_and_brackets),
        cmocka_unit_test(test_broken_headers_take_their_keys_with_them),
        cmocka_unit_test(test_broken_lines_are_reported_where_they_break),
        cmocka_unit_test(test_bytes_that_are_no_text_are_refused),
        cmocka_unit_test(test_the_longest_line_is_whole_and_a_longer_one_refused),
        cmocka_unit_test(test_an_empty_file_says_nothing),
    };

    return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
