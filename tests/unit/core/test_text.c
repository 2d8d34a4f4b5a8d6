/* SPDX-License-Identifier: Apache-2.0 */
/* test_text.c - bounded text, escaping, and near words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/text.h"

static void test_appending_never_overruns_and_says_that_it_cut(void **state)
{
    char memory[9] = "????????";
    struct text text = text_over(memory, 8);

    (void)state;
    text_append(&text, "abcd");
    assert_false(text.is_cut);
    text_append_format(&text, "%d-%d", 12, 3456);
    assert_true(text.is_cut);
    assert_string_equal(memory, "abcd12-");
    assert_int_equal(text.length, 7);
    text_append_char(&text, 'x');
    text_append(&text, "yz");
    assert_string_equal(memory, "abcd12-");
    assert_int_equal(memory[8], '\0');
}

static void test_a_text_of_one_byte_stays_empty(void **state)
{
    char memory[2] = "??";
    struct text text = text_over(memory, 1);

    (void)state;
    text_append_format(&text, "%s", "long");
    text_append_bytes(&text, "more", 4);
    assert_string_equal(memory, "");
    assert_true(text.is_cut);
}

static void test_what_just_fits_is_not_cut(void **state)
{
    char memory[4];
    struct text text = text_over(memory, sizeof(memory));

    (void)state;
    text_append_format(&text, "%s", "abc");
    assert_false(text.is_cut);
    assert_string_equal(memory, "abc");
}

static void test_escaping_leaves_no_raw_control_quote_or_high_byte(void **state)
{
    char input[256];
    char memory[256 * 6 + 1];
    struct text text = text_over(memory, sizeof(memory));

    (void)state;
    for (int i = 0; i < 256; i++)
        input[i] = (char)i;
    text_append_escaped(&text, input, sizeof(input));
    assert_false(text.is_cut);
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)memory[i];

        assert_true(byte >= 0x20 && byte <= 0x7e);
        if (byte == '"')
            assert_int_equal(memory[i - 1], '\\');
    }
    assert_non_null(strstr(memory, "\\u0000\\u0001"));
    assert_non_null(strstr(memory, "\\t\\n\\u000b"));
    assert_non_null(strstr(memory, "!\\\"#"));
    assert_non_null(strstr(memory, "[\\\\]"));
    assert_non_null(strstr(memory, "~\\u007f\\u0080"));
    assert_non_null(strstr(memory, "\\u00ff"));
}

static void test_an_escape_sequence_is_never_cut_in_half(void **state)
{
    (void)state;
    for (size_t capacity = 1; capacity < 10; capacity++) {
        char memory[10];
        struct text text = text_over(memory, capacity);

        text_append_escaped(&text, "a\x01\n", 3);
        assert_true(text.is_cut || capacity == 10);
        assert_string_equal(memory, capacity == 1 ? "" : capacity < 8 ? "a" : "a\\u0001");
    }
}

static void expect_distance(const char *word, const char *candidate, size_t wanted)
{
    size_t distance;

    assert_true(text_is_near(word, candidate, &distance));
    assert_int_equal(distance, wanted);
}

static void test_distance_counts_edits_and_swaps(void **state)
{
    (void)state;
    expect_distance("", "", 0);
    expect_distance("a", "", 1);
    expect_distance("", "a", 1);
    expect_distance("idle_timout", "idle_timeout", 1);
    expect_distance("ab", "ba", 1);
    expect_distance("blance", "balance", 1);
    expect_distance("kitten-set", "sitting-set", 3);
    expect_distance("ca-and-so", "abc-and-so", 3); /* alignment: no edit inside a swap */
}

static void test_overlong_words_are_infinitely_far(void **state)
{
    char longest[64];
    char longer[65];
    size_t distance;

    (void)state;
    memset(longest, 'a', 63);
    longest[63] = '\0';
    memset(longer, 'a', 64);
    longer[64] = '\0';
    expect_distance(longest, longest, 0);
    assert_false(text_is_near(longest, longer, &distance));
    assert_false(text_is_near(longer, longest, &distance));
    assert_false(text_is_near(longer, longer, &distance));
}

static void test_near_is_a_third_of_the_word_or_one(void **state)
{
    size_t distance;

    (void)state;
    assert_true(text_is_near("ap", "api", &distance));
    assert_int_equal(distance, 1);
    assert_false(text_is_near("ap", "web", &distance));
    assert_true(text_is_near("levle", "level", &distance));
    assert_false(text_is_near("pool", "bind", &distance));
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* By the whole table, as a textbook has it. */
static size_t plain_distance(const char *a, const char *b)
{
    size_t table[16][16];

    for (size_t i = 0; i <= strlen(a); i++) {
        for (size_t j = 0; j <= strlen(b); j++) {
            if (i == 0 || j == 0) {
                table[i][j] = i + j;
                continue;
            }
            table[i][j] = least(table[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                                least(table[i - 1][j], table[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                table[i][j] = least(table[i][j], table[i - 2][j - 2] + 1);
        }
    }
    return table[strlen(a)][strlen(b)];
}

/* The bounded look gives up early, but never says anything else. */
static void test_near_agrees_with_the_distance(void **state)
{
    uint32_t random = 1;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char words[2][12];
        size_t near;
        size_t distance;
        size_t most;

        for (int i = 0; i < 2; i++) {
            size_t length = (random = random * 1664525 + 1013904223) >> 29;

            for (size_t k = 0; k < length + 3; k++)
                words[i][k] = (char)('a' + ((random = random * 1664525 + 1013904223) >> 30) % 3);
            words[i][length + 3] = '\0';
        }
        distance = plain_distance(words[0], words[1]);
        most = strlen(words[0]) / 3;
        assert_int_equal(text_is_near(words[0], words[1], &near), distance <= most);
        if (distance <= most)
            assert_int_equal(near, distance);
    }
}

static void test_names_are_folded_for_comparison(void **state)
{
    char name[] = "API.Example.com.";
    char folded[8];

    (void)state;
    assert_int_equal(text_fold_name(name, name, strlen(name)), 15);
    assert_string_equal(name, "api.example.com");
    assert_int_equal(text_fold_name(folded, "A..", 3), 2); /* one dot, not two */
    assert_string_equal(folded, "a.");
    assert_int_equal(text_fold_name(folded, ".", 1), 0);
    assert_int_equal(text_fold_name(folded, "", 0), 0);
    assert_string_equal(folded, "");
    assert_int_equal(text_lower('@'), '@'); /* the neighbours of A and Z stay */
    assert_int_equal(text_lower('['), '[');
    assert_int_equal(text_lower('Z'), 'z');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_folded_for_comparison),
        cmocka_unit_test(test_appending_never_overruns_and_says_that_it_cut),
        cmocka_unit_test(test_a_text_of_one_byte_stays_empty),
        cmocka_unit_test(test_what_just_fits_is_not_cut),
        cmocka_unit_test(test_escaping_leaves_no_raw_control_quote_or_high_byte),
        cmocka_unit_test(test_an_escape_sequence_is_never_cut_in_half),
        cmocka_unit_test(test_distance_counts_edits_and_swaps),
        cmocka_unit_test(test_overlong_words_are_infinitely_far),
        cmocka_unit_test(test_near_is_a_third_of_the_word_or_one),
        cmocka_unit_test(test_near_agrees_with_the_distance),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
