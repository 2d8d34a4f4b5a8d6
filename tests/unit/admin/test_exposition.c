/* SPDX-License-Identifier: Apache-2.0 */
/* test_exposition.c - the bytes of both metric formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/exposition.h"

static char *text_of(struct exposition *exposition)
{
    size_t length = evbuffer_get_length(exposition->out);
    char *text = calloc(1, length + 1);

    assert_non_null(text);
    assert_int_equal(evbuffer_remove(exposition->out, text, length), length);
    evbuffer_free(exposition->out);
    return text;
}

static void test_counter_family_loses_its_suffix_in_openmetrics_only(void **state)
{
    for (int is_open = 0; is_open <= 1; is_open++) {
        struct exposition exposition = {.out = evbuffer_new(), .is_open_metrics = is_open};
        char *text;

        exposition_family(&exposition, METRIC_COUNTER, "culvert_x", "Help.");
        exposition_count(&exposition, NULL, 3);
        exposition_end(&exposition);
        text = text_of(&exposition);
        assert_string_equal(text, is_open ? "# HELP culvert_x Help.\n# TYPE culvert_x counter\n"
                                            "culvert_x_total 3\n# EOF\n"
                                          : "# HELP culvert_x_total Help.\n"
                                            "# TYPE culvert_x_total counter\nculvert_x_total 3\n");
        free(text);
    }
}

static void test_label_values_are_escaped(void **state)
{
    struct exposition exposition = {.out = evbuffer_new()};
    const struct labels labels = {{{"a", "say \"hi\"\\\n"}, {"b", NULL}, {"c", ""}, {"d", "x"}}};
    char *text;

    exposition_family(&exposition, METRIC_GAUGE, "g", "H.");
    exposition_count(&exposition, &labels, UINT64_MAX);
    text = text_of(&exposition);
    assert_string_equal(text, "# HELP g H.\n# TYPE g gauge\n"
                              "g{a=\"say \\\"hi\\\"\\\\\\n\",b=\"\",c=\"\",d=\"x\"} "
                              "18446744073709551615\n");
    free(text);
}

static void test_histogram_is_cumulative_and_ends_with_infinity(void **state)
{
    static const int64_t bounds[] = {100, 2500, 1000000};
    struct exposition exposition = {.out = evbuffer_new()};
    struct counter buckets[4];
    const struct labels labels = {{{"pool", "p"}}};
    char *text;

    memset(buckets, 0, sizeof(buckets));
    counter_add(&buckets[0], 1);
    counter_add(&buckets[2], 2);
    counter_add(&buckets[3], 4);
    exposition_family(&exposition, METRIC_HISTOGRAM, "h", "H.");
    exposition_histogram(&exposition, &labels, bounds, 3, buckets, 2500000);
    text = text_of(&exposition);
    assert_string_equal(text, "# HELP h H.\n# TYPE h histogram\n"
                              "h_bucket{pool=\"p\",le=\"0.0001\"} 1\n"
                              "h_bucket{pool=\"p\",le=\"0.0025\"} 1\n"
                              "h_bucket{pool=\"p\",le=\"1.0\"} 3\n"
                              "h_bucket{pool=\"p\",le=\"+Inf\"} 7\n"
                              "h_sum{pool=\"p\"} 2.5\nh_count{pool=\"p\"} 7\n");
    free(text);
}

static void test_the_largest_bounds_are_plain_numbers(void **state)
{
    static const int64_t bounds[] = {43200000000};
    struct exposition exposition = {.out = evbuffer_new()};
    struct counter buckets[2];
    char *text;

    memset(buckets, 0, sizeof(buckets));
    exposition_family(&exposition, METRIC_HISTOGRAM, "h", "H.");
    exposition_histogram(&exposition, NULL, bounds, 1, buckets, 0);
    text = text_of(&exposition);
    assert_non_null(strstr(text, "h_bucket{le=\"43200.0\"} 0\n"));
    free(text);
}

static void test_accept_header_chooses_the_format(void **state)
{
    assert_false(exposition_wants_open_metrics(""));
    assert_false(exposition_wants_open_metrics("*/*"));
    assert_false(exposition_wants_open_metrics("text/plain"));
    assert_true(exposition_wants_open_metrics("application/openmetrics-text"));
    assert_true(exposition_wants_open_metrics(
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
        "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
    assert_false(exposition_wants_open_metrics(
        "text/plain;version=0.0.4;q=1,application/openmetrics-text;q=0.5"));
    assert_false(exposition_wants_open_metrics("application/openmetrics-text;q=0"));
    assert_true(exposition_wants_open_metrics(" ,, application/openmetrics-text ; q=0.3 ,"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_family_loses_its_suffix_in_openmetrics_only),
        cmocka_unit_test(test_label_values_are_escaped),
        cmocka_unit_test(test_histogram_is_cumulative_and_ends_with_infinity),
        cmocka_unit_test(test_the_largest_bounds_are_plain_numbers),
        cmocka_unit_test(test_accept_header_chooses_the_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
