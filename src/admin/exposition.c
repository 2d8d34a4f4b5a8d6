/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exposition.c - lines of metrics.
 */
#include "admin/exposition.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "q=0" and the like of one element of an Accept header; 1 without. */
static double quality_of(const char *element, size_t length)
{
    for (size_t i = 0; i + 2 < length; i++) {
        if (element[i] == ';' || element[i] == ' ') {
            if ((element[i + 1] == 'q' || element[i + 1] == 'Q') && element[i + 2] == '=')
                return strtod(element + i + 3, NULL);
        }
    }
    return 1;
}

bool exposition_wants_open_metrics(const char *accept)
{
    static const char wanted[] = "application/openmetrics-text";
    double open_metrics = 0;
    double other = 0;

    while (*accept != '\0') {
        size_t length = strcspn(accept, ",");
        size_t blanks = strspn(accept, " \t");

        if (blanks < length) {
            double quality = quality_of(accept, length);

            if (strncasecmp(accept + blanks, wanted, sizeof(wanted) - 1) == 0)
                open_metrics = quality > open_metrics ? quality : open_metrics;
            else
                other = quality > other ? quality : other;
        }
        accept += length;
        accept += *accept == ',';
    }
    return open_metrics > 0 && open_metrics >= other;
}

const char *exposition_content_type(const struct exposition *exposition)
{
    return exposition->is_open_metrics
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

static const char *type_word(enum metric_type type)
{
    switch (type) {
    case METRIC_GAUGE:
        return "gauge";
    case METRIC_COUNTER:
        return "counter";
    case METRIC_HISTOGRAM:
        return "histogram";
    }
    return "untyped";
}

void exposition_family(struct exposition *exposition, enum metric_type type, const char *name,
                       const char *help)
{
    /* OpenMetrics names a counter's family without the suffix of its series. */
    const char *suffix = type == METRIC_COUNTER && !exposition->is_open_metrics ? "_total" : "";

    exposition->family = name;
    exposition->type = type;
    evbuffer_add_printf(exposition->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help,
                        name, suffix, type_word(type));
}

/* Writes runs between the bytes that need a backslash. */
static void add_escaped(struct evbuffer *out, const char *value)
{
    while (*value != '\0') {
        size_t plain = strcspn(value, "\\\"\n");

        evbuffer_add(out, value, plain);
        value += plain;
        if (*value != '\0') {
            const char pair[2] = {'\\', *value == '\n' ? 'n' : *value};

            evbuffer_add(out, pair, 2);
            value++;
        }
    }
}

/* Writes "family_suffix{labels,le="bound"} ". */
static void add_series(struct exposition *exposition, const char *suffix,
                       const struct labels *labels, const char *bound)
{
    struct evbuffer *out = exposition->out;
    char separator = '{';

    evbuffer_add_printf(out, "%s%s", exposition->family, suffix);
    for (int i = 0; labels != NULL && i < LABELS_MAX && labels->pair[i].name != NULL; i++) {
        const char *value = labels->pair[i].value;

        evbuffer_add_printf(out, "%c%s=\"", separator, labels->pair[i].name);
        add_escaped(out, value != NULL ? value : "");
        evbuffer_add(out, "\"", 1);
        separator = ',';
    }
    if (bound != NULL) {
        evbuffer_add_printf(out, "%cle=\"%s\"", separator, bound);
        separator = ',';
    }
    evbuffer_add(out, separator == '{' ? " " : "} ", separator == '{' ? 1 : 2);
}

static const char *suffix_of(const struct exposition *exposition)
{
    return exposition->type == METRIC_COUNTER ? "_total" : "";
}

void exposition_count(struct exposition *exposition, const struct labels *labels, uint64_t value)
{
    add_series(exposition, suffix_of(exposition), labels, NULL);
    evbuffer_add_printf(exposition->out, "%" PRIu64 "\n", value);
}

void exposition_real(struct exposition *exposition, const struct labels *labels, double value)
{
    add_series(exposition, suffix_of(exposition), labels, NULL);
    evbuffer_add_printf(exposition->out, "%.15g\n", value);
}

/* OpenMetrics wants "1.0" and Prometheus takes bounds as text: the same text in both formats. */
static const char *bound_text(int64_t bound_us, char *buffer, size_t size)
{
    snprintf(buffer, size, "%.6g", (double)bound_us / 1e6);
    if (strpbrk(buffer, ".e") == NULL)
        snprintf(buffer, size, "%.1f", (double)bound_us / 1e6);
    return buffer;
}

void exposition_histogram(struct exposition *exposition, const struct labels *labels,
                          const int64_t *bounds_us, size_t bound_count,
                          const struct counter *buckets, uint64_t sum_us)
{
    uint64_t so_far = 0;
    char text[32];

    for (size_t i = 0; i <= bound_count; i++) {
        const char *bound = i < bound_count ? bound_text(bounds_us[i], text, sizeof(text)) : "+Inf";

        so_far += counter_get(&buckets[i]);
        add_series(exposition, "_bucket", labels, bound);
        evbuffer_add_printf(exposition->out, "%" PRIu64 "\n", so_far);
    }
    add_series(exposition, "_sum", labels, NULL);
    evbuffer_add_printf(exposition->out, "%.15g\n", (double)sum_us / 1e6);
    add_series(exposition, "_count", labels, NULL);
    evbuffer_add_printf(exposition->out, "%" PRIu64 "\n", so_far);
}

void exposition_end(struct exposition *exposition)
{
    if (exposition->is_open_metrics)
        evbuffer_add_printf(exposition->out, "# EOF\n");
}
